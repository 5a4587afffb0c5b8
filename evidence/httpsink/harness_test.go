package httpsink_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/httpsink"
	"example.com/safeconduct/evidence/trust"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "what.only-the_agent~has/4711+x="

// bear is a Token.
func bear(token string) func() string { return func() string { return token } }

func newSink(t testing.TB, cfg httpsink.Config) *httpsink.Sink {
	t.Helper()
	s, err := httpsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) }) // what it says is a test's to look at
	return s
}

// A store is a receiver of lines of JSON that is no collector: it keeps the lines
// that it does not have.
type store struct {
	mu    sync.Mutex
	lines [][]byte
	left  int // that it takes; negative: all
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("X-Team") != "blue" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if s.has(line) {
			continue
		}
		if s.left == 0 {
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		s.left--
		s.lines = append(s.lines, line)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *store) has(line []byte) bool {
	for _, l := range s.lines {
		if bytes.Equal(l, line) {
			return true
		}
	}
	return false
}

// hangs is a handler that can be made to hang.
type hangs struct {
	next http.Handler
	now  atomic.Pointer[chan struct{}]
}

func (h *hangs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wait := h.now.Load(); wait != nil {
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is seen behind it
		select {
		case <-*wait:
		case <-r.Context().Done():
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

func (h *hangs) hang() (release func()) {
	wait := make(chan struct{})
	h.now.Store(&wait)
	return func() { h.now.Store(nil); close(wait) }
}

// A collection is a collector behind a server with faults.
type collection struct {
	dir    string
	c      *collector.Collector
	hangs  hangs
	server *evidencetest.Server
}

func newCollection(t testing.TB, ledger string, root ed25519.PublicKey) *collection {
	t.Helper()
	c := &collection{dir: filepath.Join(t.TempDir(), "collected")}
	var err error
	c.c, err = collector.New(c.dir, collector.Config{
		Policy:  &trust.Policy{Ledgers: []trust.Ledger{{Origin: ledger, Roots: []trust.Root{{Key: root}}}}},
		Clients: []collector.Client{{Name: "agent", Key: collector.HashKey(token), Write: []string{ledger}, Read: []string{ledger}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.c.Close(); err != nil {
			t.Error(err)
		}
	})
	c.hangs.next = c.c
	c.server = evidencetest.NewServer(t, &c.hangs)
	return c
}

func (c *collection) config() httpsink.Config {
	return httpsink.Config{URL: c.server.URL + "/v1/records", CheckpointURL: c.server.URL + "/v1/checkpoints/{ledger}", Token: bear(token)}
}

// stored returns what the collector has.
func (c *collection) stored(t testing.TB) (envs [][]byte) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(c.dir, "ledgers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		for e, err := range evidence.Read(dir) {
			if err != nil {
				t.Fatal(err)
			}
			envs = append(envs, e.Envelope)
		}
	}
	return envs
}
