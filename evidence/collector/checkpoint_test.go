package collector_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/record"
)

func (s *site) putCheckpoint(key, ledger string, signed []byte) *answer {
	s.t.Helper()
	return s.send("POST", "/v1/checkpoints/"+ledger, key, bytes.NewReader(signed), "Content-Type", "text/plain")
}

func TestCheckpoints(t *testing.T) {
	s := newSite(t, func(cfg *collector.Config) { cfg.Limits.Timeout = time.Second })
	a := newAgent(t, filepath.Join(t.TempDir(), "ledger"), evidence.Config{Ledger: "prod", Key: prodKey})
	a.runs(2)
	a.close()
	signed := a.r.Checkpoint()
	envs := envelopes(t, a.dir)

	if got := s.send("GET", "/v1/checkpoints/prod", auditor, nil); got.status != http.StatusNotFound {
		t.Errorf("of a ledger without a record: got %v", got)
	}
	if got := s.putCheckpoint(prodAgent, "prod", signed); got.kind() != "missing" || string(got.Records) != "0" {
		t.Errorf("before its session: got %v", got)
	}
	if got := s.post(prodAgent, envs[:3]...); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if got := s.send("GET", "/v1/checkpoints/prod", auditor, nil); got.status != http.StatusNotFound {
		t.Errorf("of a ledger without a checkpoint: got %v", got)
	}
	if got := s.putCheckpoint(prodAgent, "prod", signed); got.status != http.StatusNoContent {
		t.Errorf("before its records: got %v", got)
	}
	if got := s.post(prodAgent, envs...); got.status != http.StatusOK {
		t.Fatal(got)
	}
	if got := s.send("GET", "/v1/checkpoints/prod", auditor, nil); got.status != http.StatusOK || !bytes.Equal(got.body, signed) {
		t.Errorf("got %v, want %s", got, signed)
	}
	if report := wantIntact(t, s.ledger("prod"), prodKey); report.Checkpoint == nil || int(report.Checkpoint.Records) != len(envs) {
		t.Errorf("got checkpoint %v", report.Checkpoint)
	}
	for name, tt := range map[string]struct {
		key, ledger string
		body        []byte
		status      int
		kind        string
	}{
		"of a reader":           {auditor, "prod", signed, 403, "forbidden"},
		"of another agent":      {testAgent, "prod", signed, 403, "forbidden"},
		"of an unknown ledger":  {prodAgent, "nowhere", signed, 403, "forbidden"},
		"for another ledger":    {testAgent, "test", signed, 422, "refused"},
		"edited":                {prodAgent, "prod", bytes.Replace(signed, []byte("\n\n"), []byte("\n\n\n"), 1), 422, "refused"},
		"not one":               {prodAgent, "prod", []byte("hello"), 422, "refused"},
		"nothing":               {prodAgent, "prod", nil, 422, "refused"},
		"too long":              {prodAgent, "prod", make([]byte, 200_000), 413, "too_large"},
		"without a key":         {"", "prod", signed, 401, "unauthorized"},
		"of a ledger in a path": {prodAgent, "..%2Fprod", signed, 403, "forbidden"},
	} {
		if got := s.putCheckpoint(tt.key, tt.ledger, tt.body); got.status != tt.status || got.kind() != tt.kind {
			t.Errorf("%s: got %v, want %d %s", name, got, tt.status, tt.kind)
		}
	}
	for name, tt := range map[string]struct {
		key, ledger string
		status      int
	}{
		"without a key":            {"", "prod", 401},
		"of a ledger not theirs":   {reader, "prod", 403},
		"of a writer only":         {testAgent, "test", 403},
		"of an unknown ledger":     {auditor, "nowhere", 404},
		"that may read it":         {prodAgent, "prod", 200},
		"of a ledger in no path":   {auditor, "..%2F..%2Fetc%2Fpasswd", 404},
		"of one that has no name":  {auditor, "%00", 404},
		"of one with a long name":  {auditor, strings.Repeat("x", 5000), 404},
		"of one that was not used": {auditor, "a%2Fb%20c", 404},
	} {
		if got := s.send("GET", "/v1/checkpoints/"+tt.ledger, tt.key, nil); got.status != tt.status {
			t.Errorf("%s: got %v, want %d", name, got, tt.status)
		}
	}
	// Bodies that do not come, or in no form.
	head := "POST /v1/checkpoints/prod HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + prodAgent + "\r\n"
	for status, rest := range map[string]string{
		"408": "Content-Length: 100\r\n\r\n",
		"400": "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
	} {
		conn := s.dial(head + rest)
		defer conn.Close()
		if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 "+status+" ") {
			t.Errorf("got %q, %v, want %s", text, err, status)
		}
		document(t).mark("POST", "/v1/checkpoints/{ledger}", status)
	}
}

// An agent's ledger is cut back and its old checkpoint put in place: nothing in it
// shows that, and the checkpoint that the collector has does.
func TestTruncationAtTheAgentShows(t *testing.T) {
	s := newSite(t, nil)
	dir := filepath.Join(t.TempDir(), "ledger")
	a := newAgent(t, dir, evidence.Config{Ledger: "prod", Key: prodKey})
	a.runs(3)
	a.close()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	a = newAgent(t, dir, evidence.Config{Ledger: "prod", Key: prodKey, Publish: func(signed []byte) {
		if got := s.post(prodAgent, envelopes(t, dir)...); got.status != http.StatusOK {
			t.Error(got)
		}
		if got := s.putCheckpoint(prodAgent, "prod", signed); got.status != http.StatusNoContent {
			t.Error(got)
		}
	}})
	a.runs(3)
	a.close()

	wantIntact(t, backup, prodKey)
	signed := s.send("GET", "/v1/checkpoints/prod", auditor, nil).body
	opts := evidence.VerifyOptions{Keys: []ed25519.PublicKey{public(prodKey)}, Checkpoints: [][]byte{signed}}
	report, err := evidence.Verify(backup, opts)
	if err != nil {
		t.Fatal(err)
	}
	if report.Intact() || report.First.Damage != record.DamageRolledBack {
		t.Errorf("got %v, want it rolled back", report.First)
	}
	// Who goes on from there contradicts what the collector has.
	a = newAgent(t, backup, evidence.Config{Ledger: "prod", Key: prodKey})
	a.runs(5)
	a.close()
	if got := s.post(prodAgent, envelopes(t, backup)...); got.kind() != "equivocation" {
		t.Errorf("got %v", got)
	}
	if got := s.putCheckpoint(prodAgent, "prod", a.r.Checkpoint()); got.kind() != "missing" {
		t.Errorf("a checkpoint of a session that was not taken: got %v", got)
	}
}

// Checkpoints of records that do not come are kept up to a bound.
func TestCheckpointsThatWait(t *testing.T) {
	s := newSite(t, nil)
	session := testKey(7)
	envs := reforge(t, written(t, "prod", prodKey, 20), prodKey, session)
	if got := s.post(prodAgent, envs[0]); got.status != http.StatusOK {
		t.Fatal(got)
	}
	for n := 2; ; n++ {
		got := s.putCheckpoint(prodAgent, "prod", checkpoint(t, envs[:n], session))
		if got.status == http.StatusNoContent {
			continue
		}
		if n != 66 || got.kind() != "checkpoints_wait" || got.header.Get("Retry-After") == "" {
			t.Errorf("checkpoint of %d records: got %v", n, got)
		}
		break
	}
	if got := s.post(prodAgent, envs...); got.status != http.StatusOK {
		t.Error(got)
	}
	// One that contradicts the records is kept too.
	other := append(append([][]byte{}, envs[:4]...), another(t, envs[4], session))
	if got := s.putCheckpoint(prodAgent, "prod", checkpoint(t, other, session)); got.kind() != "equivocation" {
		t.Errorf("got %v", got)
	}
	kept, err := filepath.Glob(filepath.Join(s.dir, "equivocations", "*", "*.ndjson"))
	if err != nil || len(kept) != 1 {
		t.Errorf("got %q, %v", kept, err)
	}
	if errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
