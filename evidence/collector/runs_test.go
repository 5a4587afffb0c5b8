package collector_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

func TestRuns(t *testing.T) {
	s := newSite(t, nil)
	dir := filepath.Join(t.TempDir(), "ledger")
	cfg := evidence.Config{Ledger: "prod", Key: prodKey}
	a := newAgent(t, dir, cfg)
	a.runs(5)
	a.close()
	a = newAgent(t, dir, cfg)
	a.runs(3)
	a.close()
	envs := envelopes(t, dir)
	// All but the last four: the last run does not end.
	if got := s.post(prodAgent, envs[:len(envs)-4]...); got.status != http.StatusOK {
		t.Fatal(got)
	}
	runs := func(query string) *answer { t.Helper(); return s.send("GET", "/v1/runs?"+query, auditor, nil) }
	all := runs("ledger=prod")
	if all.status != http.StatusOK || len(all.Runs) != 8 || all.Before != nil {
		t.Fatalf("got %v", all)
	}
	for i, run := range all.Runs {
		if want := map[bool]string{true: "running", false: "ended"}[i == 0]; run.State != want {
			t.Errorf("run %d: got %q, want %q", i, run.State, want)
		}
	}
	var paged []string
	for query := "ledger=prod&limit=3"; ; {
		page := runs(query)
		for _, run := range page.Runs {
			paged = append(paged, run.ID)
		}
		if page.Before == nil {
			break
		}
		query = fmt.Sprintf("ledger=prod&limit=3&before=%d", *page.Before)
	}
	for i, run := range all.Runs {
		if paged[i] != run.ID {
			t.Errorf("in pages: got run %s, want %s", paged[i], run.ID)
		}
	}

	// The records of one run, in pages, as they are in the ledger.
	id := all.Runs[2].ID
	var want [][]byte
	for _, env := range envs {
		if r, err := record.Parse(env); err == nil && r.Run == id {
			want = append(want, env)
		}
	}
	var got [][]byte
	for query := "ledger=prod&limit=3"; ; {
		a := s.send("GET", "/v1/runs/"+url.PathEscape(id)+"?"+query, prodAgent, nil)
		var page struct {
			Run     struct{ Records, Calls, Denied int }
			Records []json.RawMessage
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			t.Fatal(err)
		}
		if page.Run.Records != 8 || page.Run.Calls != 3 || page.Run.Denied != 1 || len(page.Records) > 3 {
			t.Errorf("got %v", a)
		}
		for _, env := range page.Records {
			got = append(got, env)
		}
		if a.From == nil {
			break
		}
		query = fmt.Sprintf("ledger=prod&limit=3&from=%d", *a.From)
	}
	if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
		t.Errorf("got %d records, want %d, byte for byte", len(got), len(want))
	}

	// Another writer: the run that had not ended is interrupted. So it is after a
	// restart.
	s.shutDown()
	s.start()
	if got := s.post(prodAgent, envs...); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if all := runs("ledger=prod&limit=1"); all.Runs[0].State != "ended" || all.Before == nil {
		t.Errorf("got %v", all)
	}

	for path, status := range map[string]int{
		"/v1/runs?ledger=prod&before=5000":                 200,
		"/v1/runs?ledger=prod&before=0":                    200,
		"/v1/runs":                                         400,
		"/v1/runs?ledger=":                                 400,
		"/v1/runs?ledger=prod&limit=0":                     400,
		"/v1/runs?ledger=prod&limit=1001":                  400,
		"/v1/runs?ledger=prod&limit=x":                     400,
		"/v1/runs?ledger=prod&before=-1":                   400,
		"/v1/runs?ledger=prod&before=99999999999999999999": 400,
		"/v1/runs?ledger=nowhere":                          404,
		"/v1/runs?ledger=test":                             404,
		"/v1/runs/x?ledger=prod":                           404,
		"/v1/runs/x?ledger=nowhere":                        404,
		"/v1/runs/x":                                       400,
		"/v1/runs/x?ledger=prod&limit=257":                 400,
		"/v1/runs/" + id + "?ledger=prod&from=99999":       200,
	} {
		if got := s.send("GET", path, auditor, nil); got.status != status {
			t.Errorf("%s: got %v, want %d", path, got, status)
		}
	}
	for _, path := range []string{"/v1/runs?ledger=prod", "/v1/runs/x?ledger=prod", "/metrics"} {
		if got := s.send("GET", path, "", nil); got.status != http.StatusUnauthorized {
			t.Errorf("%s without a key: got %v", path, got)
		}
	}
	for _, path := range []string{"/v1/runs?ledger=prod", "/v1/runs/x?ledger=prod"} {
		if got := s.send("GET", path, reader, nil); got.status != http.StatusForbidden {
			t.Errorf("%s of a ledger not theirs: got %v", path, got)
		}
	}
	if got := s.send("GET", "/metrics", testAgent, nil); got.status != http.StatusForbidden {
		t.Errorf("metrics for a writer: got %v", got)
	}
}

// A run whose writer has ended before it did is interrupted.
func TestARunThatWasInterrupted(t *testing.T) {
	s := newSite(t, nil)
	dir := filepath.Join(t.TempDir(), "ledger")
	cfg := evidence.Config{Ledger: "prod", Key: prodKey}
	a := newAgent(t, dir, cfg)
	a.interrupted()
	a = newAgent(t, dir, cfg)
	a.runs(1)
	a.close()
	if got := s.post(prodAgent, envelopes(t, dir)...); got.status != http.StatusOK {
		t.Fatal(got)
	}
	got := s.send("GET", "/v1/runs?ledger=prod", auditor, nil)
	if len(got.Runs) != 2 || got.Runs[0].State != "ended" || got.Runs[1].State != "interrupted" {
		t.Errorf("got %v", got)
	}
}
