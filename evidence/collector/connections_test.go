package collector_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/collector"
)

// A flood is connections on which a header begins and does not end.
func flood(t *testing.T, addr string, n int) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "POST /v1/records HTTP/1.1\r\nHost: x\r\n") // it may have been cut off already
	}
}

// However many connections show no key, a client that does is served, at once, in a
// process that may open few files, and the first time that its ledger is opened too.
func TestConnectionsWithoutAKeyKeepNobodyOut(t *testing.T) {
	for _, n := range []int{400, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if n > 1000 && (testing.Short() || collector.Files() < 2*n) {
				t.Skip("takes time, and twice as many files")
			}
			t.Setenv(childFiles, "128")
			kill, addr := spawn(t, filepath.Join(t.TempDir(), "collected"), "127.0.0.1:0")
			defer kill()
			envs := written(t, "prod", prodKey, 5)
			client := &http.Client{Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			post := func(c *http.Client, envs ...[]byte) {
				t.Helper()
				req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/v1/records", bytes.NewReader(lines(envs)))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+prodAgent)
				req.Header.Set("Content-Type", ndjson)
				began := time.Now()
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("got %s, %v: %s", resp.Status, err, body)
				}
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("it took %v", took)
				}
			}
			for i := range 10 {
				flood(t, addr, n/10)
				post(client, envs[4*i:4*i+4]...) // on one connection, and on a new one
				fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
				post(fresh, envs[:4*i+4]...)
			}
		})
	}
}

// A connection without a key does not live on after its request.
func TestAConnectionWithoutAKeyIsClosed(t *testing.T) {
	s := newSite(t, nil)
	for _, path := range []string{"/healthz", "/openapi.json", "/v1/runs?ledger=prod", "/nowhere"} {
		conn := s.dial("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadAll(conn); err != nil { // to the end of the connection
			t.Errorf("%s: %v", path, err)
		}
		conn.Close()
	}
}

// What could not be opened, because a disk was full say, is tried again, whoever asks.
func TestALedgerThatCouldNotBeOpenedIsTriedAgain(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 1)
	if a := s.post(prodAgent, envs[:2]...); a.status != http.StatusOK {
		t.Fatal(a)
	}
	s.shutDown()
	dir := s.ledger("prod")
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	for range 3 {
		if a := s.post(prodAgent, envs...); a.status != http.StatusServiceUnavailable {
			t.Errorf("got %v", a)
		}
	}
	if a := s.send("GET", "/healthz", "", nil); a.status != http.StatusServiceUnavailable {
		t.Errorf("got %v", a)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".gone", dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "health", func() bool { return s.send("GET", "/healthz", "", nil).status == http.StatusOK })
	if a := s.post(prodAgent, envs...); a.status != http.StatusOK {
		t.Errorf("got %v", a)
	}
	wantSame(t, s.ledger("prod"), envs)
	if a := s.send("GET", "/metrics", auditor, nil); !strings.Contains(string(a.body), fmt.Sprintf("safeconduct_collector_records %d\n", len(envs))) {
		t.Errorf("got %s", a.body)
	}
}

// Every answer that is no success is a problem detail, also where the path or the
// method is one that the mux of net/http has answers of its own for.
func TestEveryRefusalIsAProblemDetail(t *testing.T) {
	s := newSite(t, nil)
	for _, line := range []string{
		"GET //v1/records", "POST /v1//records", "GET /v1/checkpoints/..", "GET /v1/checkpoints/.", "GET /v1/../healthz",
		"GET //", "POST //", "GET *", "CONNECT /v1/records", "CONNECT example.com:443", "GET /v1/checkpoints/", "PRI /healthz", "GET /nowhere/",
	} {
		conn := s.dial(line + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + auditor + "\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodGet})
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed ||
			resp.Header.Get("Content-Type") != "application/problem+json" || !bytes.Contains(body, []byte(`"urn:safeconduct:problem:`)) {
			t.Errorf("%s: got %s, %s: %s, %v", line, resp.Status, resp.Header.Get("Content-Type"), body, err)
		}
		resp.Body.Close()
		conn.Close()
	}
}

// After a request with a length and chunks nothing on the connection is believed.
func TestARequestOfTwoLengthsEndsTheConnection(t *testing.T) {
	s := newSite(t, nil)
	env := written(t, "prod", prodKey, 0)[0]
	head := "POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + prodAgent + "\r\nContent-Type: " + ndjson + "\r\n"
	conn := s.dial(head + fmt.Sprintf("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", len(env), env))
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	if n := bytes.Count(answer, []byte("HTTP/1.1 ")); err != nil && n != 1 || n != 1 {
		t.Errorf("got %d answers, want 1: %s, %v", n, answer, err)
	}
}

// Checkpoints go a way of their own: that one comes before its records is no warning.
// Records that come too early are.
func TestACheckpointBeforeItsRecordsIsNoWarning(t *testing.T) {
	s := newSite(t, nil)
	envs := written(t, "prod", prodKey, 1)
	signed := checkpoint(t, envs, testKey(9))
	if a := s.send("POST", "/v1/checkpoints/prod", prodAgent, bytes.NewReader(signed), "Content-Type", "text/plain"); a.kind() != "missing" {
		t.Fatal(a)
	}
	if strings.Contains(s.log.String(), "level=WARN") {
		t.Errorf("the log says\n%s", s.log)
	}
	if a := s.post(prodAgent, envs[2:]...); a.kind() != "missing" || !strings.Contains(s.log.String(), "level=WARN msg=refused problem=missing") {
		t.Errorf("got %v, and the log says\n%s", a, s.log)
	}
}
