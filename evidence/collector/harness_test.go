package collector_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"go.uber.org/goleak"
)

// After all tests, each answer that the document says there can be was given.
func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(wholeDocument{m})
}

type wholeDocument struct{ m *testing.M }

func (w wholeDocument) Run() int {
	code := w.m.Run()
	for _, name := range []string{"run", "skip", "list", "fuzz"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return code // not all tests
		}
	}
	if code != 0 {
		return code
	}
	if unmet := document(nil).unmet(); len(unmet) > 0 {
		fmt.Printf("FAIL: the OpenAPI document has answers that no test got: %q\n", unmet)
		return 1
	}
	return code
}

// testKey is a key that is the same in every test run.
func testKey(seed byte) ed25519.PrivateKey {
	s := make([]byte, ed25519.SeedSize)
	s[0] = seed
	return ed25519.NewKeyFromSeed(s)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// The ledgers that the tests' policy names, and their root keys.
var (
	prodKey, testLedgerKey = testKey(1), testKey(2)
	policy                 = &trust.Policy{Ledgers: []trust.Ledger{
		{Origin: "prod", Roots: []trust.Root{{Key: public(prodKey)}}},
		{Origin: "test", Roots: []trust.Root{{Key: public(testLedgerKey)}}},
		{Origin: "a/b c", Roots: []trust.Root{{Key: public(testKey(3))}}},
	}}
)

// The tests' bearer keys.
const (
	prodAgent = "key-of-the-prod-agent"
	testAgent = "key-of-the-test-agent"
	auditor   = "key-of-the-auditor"
	reader    = "key-of-a-reader-of-test"
)

var clients = []collector.Client{
	{Name: "prod-agent", Key: collector.HashKey(prodAgent), Write: []string{"prod"}, Read: []string{"prod"}},
	{Name: "test-agent", Key: collector.HashKey(testAgent), Write: []string{"test"}},
	{Name: "auditor", Key: collector.HashKey(auditor), Read: []string{"*"}},
	{Name: "reader", Key: collector.HashKey(reader), Read: []string{"test"}},
}

// A site is a collector that serves.
type site struct {
	t   testing.TB
	dir string
	cfg collector.Config
	url string
	log *lockedBuffer
	c   *collector.Collector

	stop    context.CancelFunc
	stopped chan error
	client  *http.Client
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newSite(t testing.TB, change func(*collector.Config)) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "collected"), log: new(lockedBuffer)}
	s.cfg = collector.Config{Policy: policy, Clients: clients, Logger: slog.New(slog.NewTextHandler(s.log, nil))}
	if change != nil {
		change(&s.cfg)
	}
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	s.start()
	t.Cleanup(func() {
		s.shutDown()
		s.client.CloseIdleConnections()
	})
	return s
}

// start serves, at the address of before if there was one.
func (s *site) start() {
	s.t.Helper()
	var err error
	if s.c, err = collector.New(s.dir, s.cfg); err != nil {
		s.t.Fatal(err)
	}
	addr := "127.0.0.1:0"
	if s.url != "" {
		addr = strings.TrimPrefix(s.url, "http://")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = "http://" + l.Addr().String()
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.stopped = make(chan error, 1)
	go func() { s.stopped <- s.c.Serve(ctx, l) }()
}

func (s *site) shutDown() {
	s.t.Helper()
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	if err := <-s.stopped; err != nil {
		s.t.Errorf("Serve: %v", err)
	}
	if err := s.c.Close(); err != nil {
		s.t.Errorf("Close: %v", err)
	}
	s.client.CloseIdleConnections() // the next server is at the same address, and a POST is sent once
}

// An answer is one that was checked against the OpenAPI document.
type answer struct {
	status int
	header http.Header
	body   []byte

	// Of what is JSON.
	Type    string
	Taken   *int
	Records json.RawMessage
	Head    *record.Head
	Damage  record.Damage
	Runs    []struct{ ID, State string }
	Before  *uint64
	From    *uint64
}

func (a *answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// kind returns the kind of problem, "" for a success.
func (a *answer) kind() string { return strings.TrimPrefix(a.Type, "urn:safeconduct:problem:") }

// send sends a request and checks the answer against the document.
func (s *site) send(method, path, key string, body io.Reader, headers ...string) *answer {
	s.t.Helper()
	a, err := s.try(method, path, key, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *site) try(method, path, key string, body io.Reader, headers ...string) (*answer, error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, body)
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	if strings.HasSuffix(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.body, a); err != nil {
			s.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	document(s.t).check(s.t, method, req.URL.EscapedPath(), a)
	return a, nil
}

const ndjson = "application/x-ndjson"

func (s *site) post(key string, envs ...[]byte) *answer {
	s.t.Helper()
	return s.send("POST", "/v1/records", key, bytes.NewReader(lines(envs)), "Content-Type", ndjson)
}

func lines(envs [][]byte) []byte { return append(bytes.Join(envs, []byte("\n")), '\n') }

func compress(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// ledger returns the directory where the collector keeps a ledger.
func (s *site) ledger(origin string) string {
	s.t.Helper()
	name := regexp.MustCompile(`[^a-z0-9]`).ReplaceAllString(origin, "-")
	found, err := filepath.Glob(filepath.Join(s.dir, "ledgers", name+"-*"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%s: got %q, %v, want one directory", origin, found, err)
	}
	return found[0]
}

// eventually waits until something is so: for what happens on other goroutines of
// real connections.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: it did not come to be", what)
		}
	}
}
