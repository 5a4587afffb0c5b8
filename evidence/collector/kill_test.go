package collector_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/httpsink"
)

// childDir and childAddr tell a process of the test's own program to be a collector.
const childDir, childAddr = "COLLECTOR_TEST_DIR", "COLLECTOR_TEST_ADDR"

// childFiles is how many files it may open; it need not be there.
const childFiles = "COLLECTOR_TEST_FILES"

// child is such a process, until it is killed.
func child() {
	if n := os.Getenv(childFiles); n != "" {
		if err := limitFiles(n); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	c, err := collector.New(os.Getenv(childDir), collector.Config{Policy: policy, Clients: clients})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l, err := net.Listen("tcp", os.Getenv(childAddr))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening on", l.Addr())
	fmt.Println(c.Serve(context.Background(), l))
}

// spawn starts a child and returns its address.
func spawn(t *testing.T, dir, addr string) (kill func(), at string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childAddr+"="+addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it says that it was killed
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	at, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		kill()
		t.Fatalf("got %q, %v", line, err)
	}
	return kill, at
}

// A collector is killed again and again while an agent ships to it. What it has
// acknowledged is there when it comes back, and in the end it has all.
func TestACollectorThatIsKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "collected")
	kill, addr := spawn(t, dir, "127.0.0.1:0")
	defer func() { kill() }()
	sink, err := httpsink.New(httpsink.Config{URL: "http://" + addr + "/v1/records", Token: bear(prodAgent)})
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, filepath.Join(t.TempDir(), "ledger"), evidence.Config{
		Ledger: "prod", Key: prodKey, ReadOnly: []string{"calculator", "shell"},
		Exporters: []evidence.Exporter{{Sink: sink.Send, MinBackoff: 5 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, OpenFor: 20 * time.Millisecond}},
	})
	shipped := func() uint64 { return a.r.Stats().Exporters[0].Shipped }
	s := &site{t: t, dir: dir}
	for round := range 5 {
		before := shipped()
		a.runs(20)
		eventually(t, "some is shipped", func() bool { return shipped() > before })
		a.runs(20) // and some of it is under way
		kill()
		acknowledged := shipped()
		if got := frames(t, s.ledger("prod")); got < acknowledged {
			t.Fatalf("round %d: %d records are there, and %d were acknowledged", round, got, acknowledged)
		}
		kill, _ = spawn(t, dir, addr)
	}
	eventually(t, "all is shipped", func() bool { return a.r.Flush(context.Background()) == nil })
	a.close()
	if err := sink.Close(context.Background()); err != nil {
		t.Error(err)
	}
	kill()
	wantSame(t, s.ledger("prod"), envelopes(t, a.dir))
	wantIntact(t, s.ledger("prod"), prodKey)
}

// frames returns how many whole records a ledger has, whatever is at its end.
func frames(t *testing.T, dir string) (n uint64) {
	t.Helper()
	for e, err := range evidence.Read(dir) {
		if e.Record == nil {
			t.Logf("the end is torn: %v", err)
			break
		}
		n++
	}
	return n
}
