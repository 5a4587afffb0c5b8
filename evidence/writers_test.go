package evidence_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// What the parent tells a process that writes a ledger until its standard input
// ends.
const (
	writerDir  = "SAFECONDUCT_WRITER_DIR"
	writerSign = "SAFECONDUCT_WRITER_SIGN" // Config.Signing
)

// writeUntilTold prints each call whose tool was reached, whose intent is
// durable then, the first denial, and what Close returned.
func writeUntilTold() {
	cfg := evidence.Config{Key: ledgertest.Key(1), Ledger: "writers", Signing: record.Signing(os.Getenv(writerSign))}
	r, err := evidence.OpenOn(os.Getenv(writerDir), cfg, evidence.Disk{Segment: 16 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	ctx, stop := context.WithCancel(context.Background())
	tool := middleware.Wrap(func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
		fmt.Printf("reached %s %d\n", middleware.RunOf(ctx).ID, c.ID) // unbuffered
		return middleware.Result{Output: "ok"}, nil
	}, r.Intercept)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for ctx.Err() == nil {
				if _, err := tool(context.Background(), shell); err != nil {
					fmt.Printf("denied %q\n", err)
					return
				}
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	running.Wait()
	fmt.Println("closed", r.Close(context.Background()))
}

// A writing is a process that writes a ledger.
type writing struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner

	reached, denied []string
	closed          string
}

// startWriting returns once the process has acknowledged a record.
func startWriting(t *testing.T, dir string, signing record.Signing) *writing {
	t.Helper()
	w := &writing{cmd: exec.CommandContext(t.Context(), os.Args[0])}
	w.cmd.Env = append(os.Environ(), writerDir+"="+dir, writerSign+"="+string(signing))
	w.cmd.Stderr = os.Stderr
	stdin, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.stdin, w.lines = stdin, bufio.NewScanner(out)
	if !w.until("reached") {
		t.Fatal("the process recorded nothing")
	}
	return w
}

// until reads what the process says up to a line that begins with one of the
// words, or to its end.
func (w *writing) until(words ...string) bool {
	for w.lines.Scan() {
		what, rest, _ := strings.Cut(w.lines.Text(), " ")
		switch what {
		case "reached":
			w.reached = append(w.reached, rest)
		case "denied":
			w.denied = append(w.denied, rest)
		case "closed":
			w.closed = rest
		case "error":
			w.closed = "not opened: " + rest
		}
		if slices.Contains(words, what) {
			return true
		}
	}
	return false
}

// more waits until the process has acknowledged another n records, or denies.
func (w *writing) more(n int) {
	for range n {
		if len(w.denied) > 0 || !w.until("reached", "denied") {
			return
		}
	}
}

// end has the process close the ledger.
func (w *writing) end(t *testing.T) {
	t.Helper()
	if err := w.stdin.Close(); err != nil {
		t.Error(err)
	}
	w.until()
	if err := w.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// intents returns the tool calls that stand in ledgers.
func intents(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	there := make(map[string]bool)
	for _, dir := range dirs {
		for e, err := range evidence.Read(dir) {
			if err != nil {
				t.Error(err)
			} else if e.Record.Kind == record.KindIntent {
				there[fmt.Sprintf("%s %d", e.Record.Run, e.Record.Call.ID)] = true
			}
		}
	}
	return there
}

// eachWriterRound runs f as often as the flag crashes says, in both signing
// modes.
func eachWriterRound(t *testing.T, f func(t *testing.T, signing record.Signing)) {
	rounds := *crashes / 10
	if testing.Short() {
		rounds = 1
	}
	for _, signing := range []record.Signing{record.SignRecords, record.SignCheckpoints} {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			for n := range rounds {
				if f(t, signing); t.Failed() {
					t.Fatalf("round %d", n)
				}
			}
		})
	}
}

// The file that says who writes a ledger can be removed under the writer, by
// somebody who takes it for a stale one: nobody gets in, and the writer goes on.
func TestARemovedLockLetsNobodyIn(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWriterRound(t, func(t *testing.T, signing record.Signing) {
				dir := ledgertest.Dir(t)
				first := startWriting(t, dir, signing)
				if err := take(filepath.Join(dir, "lock")); err != nil {
					first.end(t)
					if runtime.GOOS == "windows" {
						t.Skipf("NOT TESTED: the system keeps the file from that: %v", err)
					}
					t.Fatal(err)
				}
				for range 3 {
					second, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), Signing: signing})
					if !errors.Is(err, evidence.ErrLocked) {
						t.Errorf("the second writer: got error %v, want ErrLocked", err)
					}
					if second != nil {
						_, _ = call(t, second, shell, say("ok"))
						_ = second.Close(t.Context())
					}
					first.more(20)
				}
				first.end(t)
				if len(first.denied) > 0 || first.closed != "<nil>" {
					t.Errorf("the writer: denied %q, Close %s", first.denied, first.closed)
				}
				there := intents(t, dir)
				lost := 0
				for _, call := range first.reached {
					if !there[call] {
						lost++
					}
				}
				if lost > 0 {
					t.Errorf("%d of %d acknowledged records are lost", lost, len(first.reached))
				}
				ledgertest.WantIntact(t, dir)
			})
		})
	}
}

// A ledger that is moved away under its writer stays its own, and what is put in
// its place has a writer of its own. The first notices before it acknowledges
// anything else, and touches nothing of the second's.
func TestALedgerMovedUnderItsWriter(t *testing.T) {
	eachWriterRound(t, func(t *testing.T, signing record.Signing) {
		dir := ledgertest.Dir(t)
		moved := dir + ".1"
		first := startWriting(t, dir, signing)
		if err := os.Rename(dir, moved); err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.Open(moved, evidence.Config{Key: ledgertest.Key(1), Signing: signing}); !errors.Is(err, evidence.ErrLocked) {
			t.Errorf("a second writer of what was moved: got error %v, want ErrLocked", err)
		}
		second := startWriting(t, dir, signing)
		first.more(1 << 20)
		first.end(t)
		if len(first.denied) == 0 || !strings.Contains(first.denied[0], string(middleware.CodeEvidence)) ||
			!strings.Contains(first.closed, "not durable") {
			t.Errorf("the first writer: denied %q, Close %s, want it to stop", first.denied, first.closed)
		}
		if _, err := evidence.ReadCheckpoint(dir); errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("the first writer put its checkpoint there: %v", err)
		}
		second.more(20)
		second.end(t)
		if len(second.denied) > 0 || second.closed != "<nil>" {
			t.Errorf("the second writer: denied %q, Close %s", second.denied, second.closed)
		}
		there := intents(t, dir, moved)
		for _, call := range append(first.reached, second.reached...) {
			if !there[call] {
				t.Errorf("call %s was made, and its intent is lost", call)
			}
		}
		ledgertest.WantIntact(t, dir)
		again, err := evidence.Open(moved, evidence.Config{Key: ledgertest.Key(1), Signing: signing})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(t.Context()); err != nil {
			t.Error(err)
		}
		ledgertest.WantIntact(t, moved)
	})
}

// Where the system's locks do not hold, as between machines that share a folder,
// a writer still notices what another one appends, before it acknowledges a
// record, and touches nothing of that.
func TestAnotherWriterIsNoticed(t *testing.T) {
	foreign := []byte("\x00\x00\x01\x00 a frame of somebody else")
	appendTo := func(t *testing.T, dir string) {
		t.Helper()
		f, err := os.OpenFile(segment.Path(dir, 1), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(foreign); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, when := range []string{"before", "during"} {
		t.Run(when+" a commit", func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var armed bool
			cfg := evidence.Config{Key: ledgertest.Key(1)}
			do := func(op segmenttest.Op) error {
				if armed && op.Name == "sync" && strings.HasSuffix(op.Path, ".seg") {
					armed = false
					err := op.Do()
					appendTo(t, dir)
					return err
				}
				return op.Do()
			}
			r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do})
			if err != nil {
				t.Fatal(err)
			}
			if when == "before" {
				appendTo(t, dir)
			} else {
				armed = true
			}
			ran := false
			for range 3 {
				_, err := call(t, r, shell, func(context.Context, middleware.Call) (middleware.Result, error) {
					ran = true
					return middleware.Result{}, nil
				})
				wantUnavailable(t, err, evidence.ErrUnavailable)
				if err := r.Err(); err == nil || !strings.Contains(err.Error(), "somebody else writes to it") {
					t.Errorf("Err: got %v, want what happened", err)
				}
			}
			if ran {
				t.Error("the tool ran")
			}
			var left *evidence.PendingError
			if err := r.Close(t.Context()); !errors.As(err, &left) || left.NotDurable == 0 {
				t.Errorf("Close: got %v, want records that are not durable", err)
			}
			data, err := os.ReadFile(segment.Path(dir, 1))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(data), string(foreign)) {
				t.Error("what somebody else wrote is gone")
			}
		})
	}
}

// Where the lock is removed while a ledger is begun, another writer may come and go
// before the first segment is claimed: the ledger is that one's then.
func TestALedgerThatAnotherWriterBeganMeanwhile(t *testing.T) {
	dir := ledgertest.Dir(t)
	key := evidence.Config{Key: ledgertest.Key(1)}
	cfg, came := key, false
	do := func(op segmenttest.Op) error {
		if !came && op.Name == "sync" && strings.HasSuffix(op.Path, ".seg") {
			came = true
			if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
				t.Skipf("NOT TESTED: the system keeps the file from that: %v", err)
			}
			other, err := evidence.Open(dir, key)
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return op.Do()
	}
	if r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do}); !errors.Is(err, evidence.ErrLocked) {
		t.Errorf("got error %v, want ErrLocked", err)
		if err == nil {
			_ = r.Close(t.Context())
		}
	}
	ledgertest.WantIntact(t, dir)
}
