package collector_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
)

// An endless is a body that is made as it is read.
type endless struct {
	left int64
	read atomic.Int64
	line string
}

func (e *endless) Read(b []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(b) && e.left > 0 {
		k := copy(b[n:], e.line)
		n, e.left = n+k, e.left-int64(k)
	}
	e.read.Add(int64(n))
	return n, nil
}

func TestABodyOfOneGigabyte(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 1)
	for name, tt := range map[string]struct {
		line   string
		length int64 // that is announced; 0 for chunks
		most   int64 // bytes that may be read of it
	}{
		"announced":         {"x", 1 << 30, 8 << 20},
		"in chunks":         {"x", 0, 8 << 20}, // one long line
		"of good records":   {string(envs[0]) + "\n", 0, 40 << 20},
		"of broken records": {"{}\n", 0, 40 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			body := &endless{left: 1 << 30, line: strings.Repeat(tt.line, 1+4096/len(tt.line))}
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/v1/records", body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+prodAgent)
			req.Header.Set("Content-Type", ndjson)
			req.ContentLength = tt.length
			resp, err := s.client.Do(req)
			// The collector may close the connection while we still write.
			if err == nil {
				if resp.StatusCode != http.StatusRequestEntityTooLarge && resp.StatusCode != http.StatusUnprocessableEntity {
					t.Errorf("got %v", resp.Status)
				}
				resp.Body.Close()
			}
			runtime.ReadMemStats(&after)
			if read := body.read.Load(); read > tt.most {
				t.Errorf("%d bytes were read", read)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
		})
	}
	if a := s.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Errorf("afterwards: got %v", a)
	}
}

// dial opens a connection and writes to it.
func (s *site) dial(text string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func TestSlowClients(t *testing.T) {
	s := newSite(t, func(cfg *collector.Config) {
		cfg.Limits.Timeout = time.Second
		cfg.Limits.Concurrent = 4
	})
	envs := written(t, "test", testLedgerKey, 50)
	head := "POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: " + ndjson + "\r\nContent-Length: 100000\r\nAuthorization: Bearer " + prodAgent + "\r\n"
	var slow []net.Conn
	for range 20 {
		slow = append(slow, s.dial(head)) // a header that does not end
	}
	for range 4 {
		slow = append(slow, s.dial(head+"\r\n"+`{"payload":"`)) // a body that does not
	}
	defer func() {
		for _, conn := range slow {
			conn.Close()
		}
	}()
	stop := make(chan struct{})
	var drips sync.WaitGroup
	for _, conn := range slow[:len(slow)-1] {
		drips.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-stop:
					return
				}
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
			}
		})
	}
	// Another client is not affected meanwhile, and this one's other requests are
	// told that it has too many.
	eventually(t, "the slots are taken", func() bool {
		return s.send("GET", "/v1/checkpoints/prod", prodAgent, nil).status == http.StatusTooManyRequests
	})
	for _, env := range envs {
		if a := s.post(testAgent, env); a.status != http.StatusOK {
			t.Errorf("another client: got %v", a)
		}
	}
	for i, conn := range slow {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case err == nil:
			if resp.StatusCode != http.StatusRequestTimeout && (i >= 20 || resp.StatusCode != http.StatusBadRequest) {
				t.Errorf("connection %d: got %s", i, resp.Status)
			}
			resp.Body.Close()
		case i == len(slow)-1: // the others may be closed with what we wrote unread
			t.Errorf("a body that stops: %v", err)
		}
	}
	document(t).mark("POST", "/v1/records", "408")
	close(stop)
	drips.Wait()
	eventually(t, "the slots are free", func() bool {
		return s.send("GET", "/v1/checkpoints/prod", prodAgent, nil).status == http.StatusNotFound
	})
	if !strings.Contains(s.log.String(), "problem=slow client=prod-agent") || !strings.Contains(s.log.String(), "problem=busy client=prod-agent") {
		t.Errorf("the log does not say it:\n%s", s.log)
	}
}

// Whoever is refused again and again does not fill the log.
func TestTheLogIsBounded(t *testing.T) {
	s := newSite(t, nil)
	for range 100 {
		s.send("GET", "/v1/runs?ledger=prod", "guessed", nil)
	}
	if n := strings.Count(s.log.String(), "problem=unauthorized"); n != 10 {
		t.Errorf("got %d lines, want 10 a minute", n)
	}
	if a := s.send("GET", "/metrics", auditor, nil); !strings.Contains(string(a.body), `refused_total{problem="unauthorized"} 100`) {
		t.Errorf("got %s", a.body)
	}
}

// A batch that is under way when the collector is shut down is stored whole or not
// acknowledged, and no goroutine is left.
func TestShutDownUnderLoad(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 60)
	var acknowledged atomic.Int64
	started := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; i < len(envs); i += 4 {
			a, err := s.try("POST", "/v1/records", prodAgent, strings.NewReader(string(lines(envs[i:i+4]))), "Content-Type", ndjson)
			if err != nil || a.status != http.StatusOK {
				return
			}
			acknowledged.Store(int64(i + 4))
			if i == 40 {
				close(started)
			}
		}
	})
	<-started
	s.shutDown()
	sending.Wait()
	if got := len(envelopes(t, s.ledger("prod"))); int64(got) < acknowledged.Load() {
		t.Errorf("got %d records, and %d were acknowledged", got, acknowledged.Load())
	}
	s.start()
	if a := s.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Errorf("got %v", a)
	}
	wantSame(t, s.ledger("prod"), envs)
}

// A panicWriter panics when it is written to.
type panicWriter struct{ http.ResponseWriter }

func (panicWriter) Write([]byte) (int, error) { panic("what was sent") }

// A request that panics is said, without what it panicked with, and keeps nothing
// that others need.
func TestARequestThatPanics(t *testing.T) {
	s := newSite(t, func(cfg *collector.Config) { cfg.Limits.Concurrent = 1 })
	for range 20 {
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("got panic %v, want http.ErrAbortHandler", v)
				}
			}()
			r := httptest.NewRequest(http.MethodGet, "/v1/runs?ledger=prod", nil)
			r.Header.Set("Authorization", "Bearer "+auditor)
			s.c.ServeHTTP(panicWriter{httptest.NewRecorder()}, r)
		}()
	}
	if log := s.log.String(); strings.Count(log, "a request panicked") != 10 || !strings.Contains(log, "value=string") ||
		!strings.Contains(log, "panicWriter.Write") || strings.Contains(log, "what was sent") {
		t.Errorf("the log says\n%s", log)
	}
	if a := s.send("GET", "/metrics", auditor, nil); !strings.Contains(string(a.body), `refused_total{problem="panic"} 20`) {
		t.Errorf("got %s", a.body)
	}
}

func TestAClosedCollector(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 1)
	if err := s.c.Close(); err != nil {
		t.Fatal(err)
	}
	if a := s.post(prodAgent, envs...); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %v", a)
	}
	if a := s.putCheckpoint(prodAgent, "prod", []byte("x")); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %v", a)
	}
}

// Whatever a client asks for counts.
func TestEveryRequestTakesASlot(t *testing.T) {
	s := newSite(t, func(cfg *collector.Config) {
		cfg.Limits.Concurrent = 1
		cfg.Clients = append(slices.Clone(clients),
			collector.Client{Name: "both", Key: collector.HashKey("both"), Write: []string{"prod"}, Read: []string{"*"}})
	})
	conn := s.dial("POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: " + ndjson + "\r\nContent-Length: 100\r\nAuthorization: Bearer both\r\n\r\n{")
	defer conn.Close()
	eventually(t, "the slot is taken", func() bool { return s.send("GET", "/metrics", "both", nil).status == http.StatusTooManyRequests })
	for path, method := range map[string]string{
		"/v1/records": "POST", "/v1/checkpoints/prod": "POST", "/v1/runs?ledger=prod": "GET", "/v1/runs/x?ledger=prod": "GET",
	} {
		if a := s.send(method, path, "both", nil); a.kind() != "busy" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %v", path, a)
		}
	}
	if a := s.send("GET", "/v1/checkpoints/prod", "both", nil); a.kind() != "busy" {
		t.Errorf("got %v", a)
	}
	if a := s.send("GET", "/metrics", auditor, nil); a.status != http.StatusOK {
		t.Errorf("another client: got %v", a)
	}
}

func TestOverTLS(t *testing.T) {
	c, err := collector.New(t.TempDir(), collector.Config{Policy: policy, Clients: clients})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pair := httptest.NewUnstartedServer(nil) // for its certificate
	pair.StartTLS()
	defer pair.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- c.Serve(ctx, tls.NewListener(l, &tls.Config{Certificates: pair.TLS.Certificates, MinVersion: tls.VersionTLS13}))
	}()
	client := pair.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %s", resp.Status)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAListenerThatFails(t *testing.T) {
	c, err := collector.New(t.TempDir(), collector.Config{Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := c.Serve(context.Background(), l); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestTwoCollectorsOfOneDirectory(t *testing.T) {
	s := newSite(t, nil)
	if a := s.post(prodAgent, written(t, "prod", prodKey, 1)...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if _, err := collector.New(s.dir, s.cfg); !errors.Is(err, evidence.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

// Two that start before there is a ledger: the one that makes it has it, until it
// ends.
func TestTwoCollectorsOfAnEmptyDirectory(t *testing.T) {
	first := newSite(t, nil)
	second := newSite(t, nil)
	second.shutDown()
	second.dir = first.dir
	second.start()
	envs := written(t, "prod", prodKey, 1)
	if a := first.post(prodAgent, envs[:3]...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if a := second.post(prodAgent, envs...); a.status != http.StatusServiceUnavailable {
		t.Errorf("while the first has it: got %v", a)
	}
	if !strings.Contains(second.log.String(), "the ledger is in use") {
		t.Errorf("the log does not say why:\n%s", second.log)
	}
	first.shutDown()
	if a := second.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Errorf("after the first ended: got %v", a)
	}
}

func TestNewPanics(t *testing.T) {
	for want, cfgs := range map[string][]collector.Config{
		"collector: New: no Policy": {{}},
		"collector: New: negative limit": {
			{Policy: policy, Limits: collector.Limits{Body: -1}}, {Policy: policy, Limits: collector.Limits{Plain: -1}},
			{Policy: policy, Limits: collector.Limits{Records: -1}}, {Policy: policy, Limits: collector.Limits{Concurrent: -1}},
			{Policy: policy, Limits: collector.Limits{Connections: -1}}, {Policy: policy, Limits: collector.Limits{Timeout: -1}},
		},
		"collector: New: client 1: the hash of the key is missing": {{Policy: policy, Clients: []collector.Client{{Name: "x"}}}},
	} {
		for _, cfg := range cfgs {
			func() {
				defer func() {
					if v := recover(); v != want {
						t.Errorf("%+v: got panic %v, want %q", cfg.Limits, v, want)
					}
				}()
				_, _ = collector.New(t.TempDir(), cfg)
			}()
		}
	}
}

func TestNewRefusesAClientOfAnUnknownLedger(t *testing.T) {
	_, err := collector.New(t.TempDir(), collector.Config{Policy: policy, Clients: []collector.Client{
		{Name: "x", Key: collector.HashKey("x"), Write: []string{"nowhere"}},
	}})
	if err == nil || !strings.Contains(err.Error(), `client "x" may write "nowhere", which the policy does not name`) {
		t.Errorf("got %v", err)
	}
}
