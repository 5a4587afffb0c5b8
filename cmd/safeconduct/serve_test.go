package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/trust"
)

const serveKey = "what-only-the-agent-has"

// trustText returns a policy that trusts a public key file for a ledger.
func trustText(t *testing.T, ledger, public string) string {
	t.Helper()
	key, err := trust.LoadPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	policy := trust.Policy{Ledgers: []trust.Ledger{{Origin: ledger, Roots: []trust.Root{{Key: key}}}}}
	text, err := policy.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// clientsText returns the file of one client that writes and reads a ledger.
func clientsText(ledger string) string {
	return fmt.Sprintf(`{"version":1,"clients":[{"name":"agent","sha256":"%x","write":[%q],"read":[%[2]q]}]}`, collector.HashKey(serveKey), ledger)
}

// listener returns an address that is in use.
func listener(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A firstLine waits for the first line that is written to it.
type firstLine struct {
	mu   sync.Mutex
	b    bytes.Buffer
	line chan string
}

func (w *firstLine) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(p)
	if line, err := w.b.ReadString('\n'); err == nil {
		w.line <- line
	}
	return len(p), nil
}

// rest returns what was written after the first line.
func (w *firstLine) rest() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// An agent's ledger is posted to what serve serves, over TLS, and verify takes what
// is stored; with the checkpoint from there it finds that the agent's was cut.
func TestServe(t *testing.T) {
	dir, public := ledger(t)
	tmp := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key, roots := certificate(t)
	collected := filepath.Join(tmp, "collected")
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	stdout := &firstLine{line: make(chan string, 1)}
	var stderr bytes.Buffer
	code := make(chan int, 1)
	args := []string{
		"serve", collected, "--listen", "127.0.0.1:0",
		"--keys", write("clients.json", clientsText("agents-test")), "--policy", write("trust.json", trustText(t, "agents-test", public)),
		"--tls-cert", write("cert.pem", cert), "--tls-key", write("key.pem", key),
	}
	go func() { code <- run(ctx, args, stdout, &stderr) }()
	var line string
	select {
	case line = <-stdout.line:
	case c := <-code:
		t.Fatalf("got exit code %d: %s", c, stderr.String())
	}
	url, _, _ := strings.Cut(strings.TrimPrefix(line, "records      "), "/v1/records")
	if want := fmt.Sprintf(`records      %[1]s/v1/records (httpsink.Config.URL)
checkpoints  %[1]s/v1/checkpoints/{ledger} (httpsink.Config.CheckpointURL)
stored       1 ledger below %[2]s
`, url, filepath.Join(collected, "ledgers")); line+stdout.rest() != want || !strings.HasPrefix(url, "https://127.0.0.1:") {
		t.Errorf("got %q, want %q", line+stdout.rest(), want)
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: roots}}
	defer client.CloseIdleConnections()
	send := func(method, path string, body []byte) (status int, answer []byte) {
		t.Helper()
		req, err := http.NewRequest(method, url+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+serveKey)
		req.Header.Set("Content-Type", "application/x-ndjson")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if answer, err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, answer
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	envs := readEnvelopes(t, dir)
	if status, answer := send("POST", "/v1/records", bytes.Join(envs, []byte("\n"))); status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	if status, answer := send("POST", "/v1/checkpoints/agents-test", signed); status != http.StatusNoContent {
		t.Fatalf("got %d %s", status, answer)
	}
	stored, err := filepath.Glob(filepath.Join(collected, "ledgers", "agents-test-*"))
	if err != nil || len(stored) != 1 {
		t.Fatalf("got %q, %v", stored, err)
	}
	if code, out, errs := safeconduct("verify", stored[0], "--key", public, "--ledger", "agents-test"); code != exitDone {
		t.Errorf("got %d, %s%s", code, out, errs)
	}
	_, answer := send("GET", "/v1/checkpoints/agents-test", nil)
	cut := writeLedger(t, envs[:len(envs)-3]...)
	if code, out, _ := safeconduct("verify", cut, "--key", public); code != exitDone {
		t.Errorf("without a checkpoint from elsewhere: got %d, %s", code, out)
	}
	if code, out, _ := safeconduct("verify", cut, "--key", public, "--checkpoint", write("kept.checkpoint", string(answer))); code != exitDamaged ||
		!strings.Contains(out, "rolled_back") {
		t.Errorf("with it: got %d, %s", code, out)
	}

	if code, _, errs := safeconduct(args...); code != exitFailed || !strings.Contains(errs, "the ledger is in use") ||
		!strings.HasSuffix(errs, ": end the other one, or give another DIR\n") {
		t.Errorf("a second one: got %d, %s", code, errs)
	}

	client.CloseIdleConnections()
	interrupt()
	if c := <-code; c != exitDone || strings.Contains(stderr.String(), "level=") {
		t.Errorf("got exit code %d: %s", c, stderr.String())
	}
}

// certificate makes one for 127.0.0.1, with its key, and a client's configuration
// that trusts it.
func certificate(t *testing.T) (cert, key string, _ *tls.Config) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cert))
	return cert, key, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
}
