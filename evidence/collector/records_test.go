package collector_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/record"
)

func TestRecordsAreStored(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 40)
	half := len(envs) / 2
	if a := s.post(prodAgent, envs[:half]...); a.status != http.StatusOK || *a.Taken != half {
		t.Errorf("got %v", a)
	}
	// All of it, compressed: what is there is acknowledged again.
	for range 2 {
		a := s.send("POST", "/v1/records", prodAgent, bytes.NewReader(compress(t, lines(envs))),
			"Content-Type", ndjson+"; charset=utf-8", "Content-Encoding", "gzip")
		if a.status != http.StatusOK || *a.Taken != len(envs) || string(a.Records) != fmt.Sprint(len(envs)) || a.Head == nil {
			t.Errorf("got %v", a)
		}
	}
	// Without the last newline, and by the other name of the type.
	a := s.send("POST", "/v1/records", prodAgent, bytes.NewReader(bytes.TrimSuffix(lines(envs), []byte("\n"))), "Content-Type", "application/jsonl")
	if a.status != http.StatusOK || *a.Taken != len(envs) {
		t.Errorf("got %v", a)
	}
	wantSame(t, s.ledger("prod"), envs)
	wantIntact(t, s.ledger("prod"), prodKey)

	s.shutDown()
	s.start()
	more := s.post(prodAgent, envs[len(envs)-1])
	if more.status != http.StatusOK || string(more.Records) != fmt.Sprint(len(envs)) {
		t.Errorf("after a restart: got %v", more)
	}
	wantSame(t, s.ledger("prod"), envs)
}

func TestRecordsThatAreMissing(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 3)
	a := s.post(prodAgent, envs[4:]...)
	if a.status != http.StatusConflict || a.kind() != "missing" || *a.Taken != 0 || string(a.Records) != "0" || a.Head != nil ||
		a.header.Get("Retry-After") == "" {
		t.Errorf("got %v, want to begin at the beginning", a)
	}
	if a := s.post(prodAgent, envs[:5]...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	// A hole within the batch: what is before it is taken.
	a = s.post(prodAgent, append(append([][]byte{}, envs[3:8]...), envs[9:]...)...)
	if a.kind() != "missing" || *a.Taken != 5 || string(a.Records) != "8" || a.Head.Seq != 8 {
		t.Errorf("got %v, want to go on from record 8", a)
	}
	wantSame(t, s.ledger("prod"), envs[:8])
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := newSite(t, func(cfg *collector.Config) {
		cfg.Limits = collector.Limits{Body: 1 << 20, Plain: 2 << 20, Records: 600}
	})
	envs := written(t, "prod", prodKey, 3)
	others := written(t, "test", testLedgerKey, 3)
	stranger := written(t, "prod", testKey(9), 3)
	unnamed := written(t, "unnamed", testKey(9), 1)
	if a := s.post(prodAgent, envs[:4]...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if a := s.post(testAgent, others[:4]...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	body := func(envs ...[]byte) []byte { return lines(envs) }
	edited := bytes.Replace(payload(t, envs[4]), []byte(`"v":1`), []byte(`"v":1 `), 1)
	for _, tt := range []struct {
		name    string
		key     string
		body    []byte
		headers []string
		status  int
		kind    string
		taken   int // -1 where it is not said
	}{
		{"no key", "", body(envs[4:]...), nil, 401, "unauthorized", -1},
		{"a wrong key", "guessed", body(envs[4:]...), nil, 401, "unauthorized", -1},
		{"the hash of a key", fmt.Sprintf("%x", collector.HashKey(prodAgent)), body(envs[4:]...), nil, 401, "unauthorized", -1},
		{"another scheme", "", body(envs[4:]...), []string{"Authorization", "Basic " + prodAgent}, 401, "unauthorized", -1},
		{"of a reader", auditor, body(envs[4:]...), nil, 403, "forbidden", -1},
		{"the ledger of another", testAgent, body(envs[4:]...), nil, 403, "forbidden", -1},
		{"a ledger that nobody has", prodAgent, body(unnamed...), nil, 403, "forbidden", -1},
		{"the records of another among one's own", testAgent, body(others[4], envs[4]), nil, 422, "refused", 1},
		{"of a stranger", prodAgent, body(stranger...), nil, 422, "refused", 0},
		{"the next record, signed by a stranger", prodAgent, body(envs[3], seal(payload(t, envs[4]), testKey(9))), nil, 422, "refused", 1},
		{"another in place of one, signed by a stranger", prodAgent, body(another(t, envs[3], testKey(9))), nil, 422, "refused", 0},
		{"not canonical", prodAgent, body(seal(edited, testKey(9))), nil, 422, "refused", 0},
		{"not records", prodAgent, []byte("hello\nworld\n"), nil, 422, "refused", 0},
		{"an empty line", prodAgent, body(envs[0], nil, envs[1]), nil, 422, "refused", 1},
		{"nothing", prodAgent, nil, nil, 400, "malformed", -1},
		{"JSON", prodAgent, body(envs...), []string{"Content-Type", "application/json"}, 415, "unsupported", -1},
		{"no type", prodAgent, body(envs...), []string{"Content-Type", ""}, 415, "unsupported", -1},
		{"another encoding", prodAgent, body(envs...), []string{"Content-Encoding", "br"}, 415, "unsupported", -1},
		{"two encodings", prodAgent, body(envs...), []string{"Content-Encoding", "gzip, gzip"}, 415, "unsupported", -1},
		{"not gzip", prodAgent, body(envs...), []string{"Content-Encoding", "gzip"}, 400, "malformed", -1},
		{"gzip of nothing", prodAgent, nil, []string{"Content-Encoding", "gzip"}, 400, "malformed", -1},
		{"gzip cut off", prodAgent, compress(t, body(envs...))[:200], []string{"Content-Encoding", "gzip"}, 400, "malformed", 0},
		{"a long body", prodAgent, bytes.Repeat([]byte("x"), 1<<20+1), nil, 413, "too_large", -1},
		{"a long line", prodAgent, append(body(envs[:2]...), bytes.Repeat([]byte("x"), 70_000)...), nil, 413, "too_large", 2},
		{"a bomb", prodAgent, compress(t, make([]byte, 20<<20)), []string{"Content-Encoding", "gzip"}, 413, "too_large", 0},
		{"a bomb of records", prodAgent, compress(t, bytes.Repeat(append(envs[0], '\n'), 5000)), []string{"Content-Encoding", "gzip"}, 413, "too_large", 600},
		{"a bomb of lines", prodAgent, compress(t, bytes.Repeat([]byte("\n"), 1<<20)), []string{"Content-Encoding", "gzip"}, 422, "refused", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			headers := append([]string{"Content-Type", ndjson}, tt.headers...)
			a := s.send("POST", "/v1/records", tt.key, bytes.NewReader(tt.body), headers...)
			if a.status != tt.status || a.kind() != tt.kind {
				t.Fatalf("got %v, want %d %s", a, tt.status, tt.kind)
			}
			if tt.kind != "" && (a.Taken == nil) != (tt.taken < 0) || a.Taken != nil && tt.kind != "" && *a.Taken != tt.taken {
				t.Errorf("got %v, want %d taken", a, tt.taken)
			}
			if tt.kind == "refused" && a.Damage == "" {
				t.Errorf("got %v, want it to say the damage", a)
			}
			if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("got %v", a.header)
			}
		})
	}
	wantSame(t, s.ledger("prod"), envs[:4])
	wantSame(t, s.ledger("test"), others[:5])
	for _, secret := range []string{"hello", "guessed", "Basic", "19*23", prodAgent, "calculator", string(envs[5][20:60])} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	for _, said := range []string{"problem=unauthorized remote=", "problem=forbidden client=test-agent ledger=prod", "damage=unknown_key",
		"problem=too_large"} {
		if !strings.Contains(s.log.String(), said) {
			t.Errorf("the log does not say %q:\n%s", said, s.log)
		}
	}
}

// What is there once it is decompressed is bounded too.
func TestWhatABodyHoldsIsBounded(t *testing.T) {
	envs := written(t, "prod", prodKey, 100)
	all := lines(envs)
	for plain, status := range map[int64]int{
		int64(len(all)) - 1: http.StatusRequestEntityTooLarge,
		int64(len(all)):     http.StatusOK,
	} {
		s := newSite(t, func(cfg *collector.Config) { cfg.Limits.Plain = plain })
		a := s.send("POST", "/v1/records", prodAgent, bytes.NewReader(compress(t, all)), "Content-Type", ndjson, "Content-Encoding", "gzip")
		if a.status != status || a.Taken == nil || *a.Taken < batch || *a.Taken > len(envs) {
			t.Errorf("%d bytes of %d: got %v, want %d", plain, len(all), a, status)
		}
		wantSame(t, s.ledger("prod"), envs[:*a.Taken])
	}
}

const batch = collector.BatchRecords

func TestEquivocationIsKept(t *testing.T) {
	s := newSite(t, nil)
	session := testKey(7)
	envs := reforge(t, written(t, "prod", prodKey, 3), prodKey, session)
	if a := s.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	wantIntact(t, s.ledger("prod"), prodKey)
	other := another(t, envs[6], session)
	path := filepath.Join(s.dir, "equivocations", filepath.Base(s.ledger("prod")), collector.DirName("prod-agent")+".ndjson")
	for i := range 3 { // the third time after a restart, behind a torn line
		a := s.post(prodAgent, envs[5], other)
		if a.status != http.StatusConflict || a.kind() != "equivocation" || *a.Taken != 1 {
			t.Errorf("got %v", a)
		}
		if i == 1 {
			s.shutDown()
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`{"time":"2026`); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			s.start()
		}
	}
	// One before something that cannot be read is kept too.
	a := s.send("POST", "/v1/records", prodAgent, bytes.NewReader(append(lines([][]byte{another(t, envs[7], session)}), make([]byte, 70_000)...)),
		"Content-Type", ndjson)
	if a.kind() != "equivocation" {
		t.Errorf("got %v", a)
	}
	wantSame(t, s.ledger("prod"), envs)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(kept) != 4 || kept[1] != `{"time":"2026` {
		t.Fatalf("got %q, want one line, a torn one, and two of after the restart", kept)
	}
	for _, i := range []int{0, 2} {
		var e struct {
			Client, Ledger, Writer, Held, Received string
			Seq                                    uint64
		}
		if err := json.Unmarshal([]byte(kept[i]), &e); err != nil {
			t.Fatal(err)
		}
		record, err := record.Parse(other)
		if err != nil {
			t.Fatal(err)
		}
		if e.Client != "prod-agent" || e.Ledger != "prod" || e.Writer != record.Writer || e.Seq != 7 || e.Held != string(envs[6]) ||
			e.Received != string(other) {
			t.Errorf("got %+v", e)
		}
	}
	if !strings.Contains(s.log.String(), "EQUIVOCATION") {
		t.Errorf("the log does not say it: %s", s.log)
	}
	if a := s.send("GET", "/metrics", auditor, nil); !strings.Contains(string(a.body), "safeconduct_collector_equivocations_total 2\n") {
		t.Errorf("got %s", a.body)
	}
}

// Whoever has the bearer key of a ledger whose sessions sign only checkpoints, and no
// signing key, takes no place of the agent's records and fills no file.
func TestABearerWithoutASigningKeyKeepsNobodyOut(t *testing.T) {
	s := newSite(t, nil)
	a := newAgent(t, filepath.Join(t.TempDir(), "ledger"), evidence.Config{
		Ledger: "prod", Key: prodKey, Signing: record.SignCheckpoints, ReadOnly: []string{"calculator", "shell"},
	})
	a.runs(40)
	a.close()
	envs := envelopes(t, a.dir)
	unsigned := func(env []byte, n int) []byte {
		r, err := record.Parse(env)
		if err != nil {
			t.Fatal(err)
		}
		other := fmt.Sprintf("%s%04x", r.ID[:len(r.ID)-4], n)
		return fmt.Appendf(nil, `{"payload":"%s","payloadType":"%s","signatures":[]}`,
			base64.StdEncoding.EncodeToString(bytes.Replace(payload(t, env), []byte(r.ID), []byte(other), 1)), record.PayloadType)
	}
	if got := s.post(prodAgent, envs[0]); got.status != http.StatusOK {
		t.Fatal(got)
	}
	for n := range 50 {
		if got := s.post(prodAgent, unsigned(envs[1], n)); got.status != http.StatusConflict || got.kind() != "missing" || *got.Taken != 0 {
			t.Fatalf("got %v", got)
		}
		if got := s.post(prodAgent, append([][]byte{unsigned(envs[1], n)}, envs[2:]...)...); got.kind() == "equivocation" || *got.Taken != 0 {
			t.Fatalf("got %v", got)
		}
	}
	if got := s.post(prodAgent, envs...); got.status != http.StatusOK || *got.Taken != len(envs) {
		t.Errorf("the agent's: got %v", got)
	}
	for n := range 50 {
		if got := s.post(prodAgent, unsigned(envs[1], n)); got.kind() != "refused" || got.Damage != record.DamageUnsigned {
			t.Fatalf("got %v", got)
		}
	}
	wantSame(t, s.ledger("prod"), envs)
	wantIntact(t, s.ledger("prod"), prodKey)
	if kept, err := os.ReadDir(filepath.Join(s.dir, "equivocations")); err != nil || len(kept) != 0 {
		t.Errorf("got %v, %v, want no equivocation", kept, err)
	}
}

// An equivocation that cannot be kept is not answered as if it were.
func TestEquivocationThatCannotBeKept(t *testing.T) {
	s := newSite(t, nil)
	session := testKey(7)
	envs := reforge(t, written(t, "prod", prodKey, 1), prodKey, session)
	if a := s.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "equivocations")); err != nil {
		t.Fatal(err)
	}
	if a := s.post(prodAgent, another(t, envs[2], session)); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("got %v", a)
	}
}

func TestADamagedLedgerDoesNotStopOthers(t *testing.T) {
	s := newSite(t, nil)
	prod, other := written(t, "prod", prodKey, 1), written(t, "test", testLedgerKey, 1)
	if a := s.post(prodAgent, prod...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if a := s.send("GET", "/healthz", "", nil); a.status != http.StatusOK {
		t.Errorf("got %v", a)
	}
	s.shutDown()
	segment := filepath.Join(s.ledger("prod"), "segments", "00000000000000000001.seg")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	data[3000] ^= 1
	if err := os.WriteFile(segment, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	for range 2 {
		if a := s.post(prodAgent, prod...); a.status != http.StatusServiceUnavailable || a.kind() != "unavailable" {
			t.Errorf("got %v", a)
		}
	}
	if a := s.post(testAgent, other...); a.status != http.StatusOK {
		t.Errorf("got %v", a)
	}
	for path, key := range map[string]string{"/v1/checkpoints/prod": auditor, "/v1/runs?ledger=prod": auditor, "/v1/runs/x?ledger=prod": auditor,
		"/healthz": ""} {
		if a := s.send("GET", path, key, nil); a.status != http.StatusServiceUnavailable {
			t.Errorf("%s: got %v", path, a)
		}
	}
	if !strings.Contains(s.log.String(), "the ledger is damaged") {
		t.Errorf("the log does not say it: %s", s.log)
	}
}

func TestADiskThatCannotBeWritten(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 1)
	if a := s.post(prodAgent, envs[:3]...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	dir := s.ledger("prod")
	if err := os.Rename(filepath.Join(dir, "segments"), filepath.Join(dir, "gone")); err != nil {
		t.Fatal(err)
	}
	a := s.post(prodAgent, envs...)
	if a.status != http.StatusServiceUnavailable || *a.Taken != 3 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %v", a)
	}
	if strings.Contains(string(a.body), s.dir) {
		t.Errorf("the answer names a directory: %s", a.body)
	}
	if err := os.Rename(filepath.Join(dir, "gone"), filepath.Join(dir, "segments")); err != nil {
		t.Fatal(err)
	}
	if a := s.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Errorf("once it can be: got %v", a)
	}
	wantSame(t, dir, envs)
}
