package evidence_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/internal/missing"
)

// TestEmitMakesNoSystemCall looks at the system calls of the thread that leaves
// intents, between two that it makes on purpose.
func TestEmitMakesNoSystemCall(t *testing.T) {
	const child, mark = "SAFECONDUCT_EMIT", 0x5afe
	emit := func(m *evidence.Emitter) {
		for range 10000 {
			if err := m.Emit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if os.Getenv(child) != "" {
		runtime.LockOSThread()
		debug.SetGCPercent(-1)
		m := evidence.NewEmitter(nil, 20002)
		emit(m)
		_, _ = syscall.Getpgid(mark)
		emit(m)
		_, _ = syscall.Getpgid(mark)
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		missing.Skip(t, "strace", "%v", err)
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, os.Args[0], "-test.run", "^$").CombinedOutput(); err != nil {
		missing.Skip(t, "strace", "it does not work here: %v: %.200s", err, out)
	}
	// The runtime wakes its own threads now and then, after the mark say: that
	// is a few calls for 10,000 intents, and often none. One that emitting makes
	// is there for each, or for each time that it wakes the writer.
	const runtimesOwn = 100
	var calls []string
	for range 5 {
		trace := filepath.Join(t.TempDir(), "trace")
		cmd := exec.Command(strace, "-f", "-o", trace, os.Args[0], "-test.run", "^TestEmitMakesNoSystemCall$")
		cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=asyncpreemptoff=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if calls = callsBetween(t, trace, fmt.Sprintf("getpgid(%d", mark)); len(calls) < runtimesOwn {
			t.Logf("%d system calls of the runtime's beside 10,000 intents", len(calls))
			return
		}
	}
	t.Errorf("%d system calls, such as %q", len(calls), calls[:10])
}

// callsBetween returns the system calls that the thread of two marks makes
// between them.
func callsBetween(t *testing.T, trace, mark string) (calls []string) {
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	marked := regexp.MustCompile(`(?m)^(\d+) +`+regexp.QuoteMeta(mark)+`\b`).FindAllStringSubmatchIndex(string(text), -1)
	if len(marked) != 2 {
		t.Fatalf("got %d marks, want 2", len(marked))
	}
	thread := string(text[marked[0][2]:marked[0][3]])
	between := strings.Split(string(text[marked[0][1]:marked[1][0]]), "\n")
	for _, line := range between[1:] { // after the first mark's own
		if strings.HasPrefix(line, thread+" ") && !strings.Contains(line, "<... getpgid resumed>") {
			calls = append(calls, line)
		}
	}
	return calls
}
