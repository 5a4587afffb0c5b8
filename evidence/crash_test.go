package evidence_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

var crashes = flag.Int("crashes", 60, "how many times a process is killed at random")

// What the parent tells the process that it is going to lose.
const (
	crashDir  = "SAFECONDUCT_CRASH_DIR"
	crashAt   = "SAFECONDUCT_CRASH_AT"   // number of the disk operation
	crashHow  = "SAFECONDUCT_CRASH_HOW"  // before, after or amid it
	crashSign = "SAFECONDUCT_CRASH_SIGN" // Config.Signing
)

// crash is a process that records calls until it is killed, by itself in the
// middle of a disk operation, or from outside. It prints each call whose tool was
// reached: its intent is durable then.
func crash() {
	cfg := evidence.Config{Key: ledgertest.Key(1), Ledger: "crash", Signing: record.Signing(os.Getenv(crashSign))}
	at, _ := strconv.ParseInt(os.Getenv(crashAt), 10, 64)
	how := os.Getenv(crashHow)
	var n atomic.Int64
	do := func(op segmenttest.Op) error {
		if n.Add(1) != at {
			return op.Do()
		}
		switch {
		case how == "after":
			_ = op.Do()
		case how == "amid" && op.Part != nil:
			_ = op.Part(len(op.Bytes) / 2)
		}
		die()
		return nil
	}
	sealed := make(chan struct{}, 1)
	cfg.Publish = func([]byte) {
		select {
		case sealed <- struct{}{}:
		default:
		}
	}
	r, err := evidence.OpenOn(os.Getenv(crashDir), cfg, evidence.Disk{Do: do, Segment: 16 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	say := func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
		fmt.Printf("reached %s %d\n", middleware.RunOf(ctx).ID, c.ID) // unbuffered
		return middleware.Result{Output: "ok"}, nil
	}
	if at > 0 { // a workload that comes to an end
		for range 4 {
			_, _ = middleware.Wrap(say, r.Intercept)(context.Background(), shell)
			<-sealed // soon after a run
		}
		if err := r.Close(context.Background()); err != nil {
			fmt.Println("error", err)
			os.Exit(3)
		}
		fmt.Println("operations", n.Load())
		return
	}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for {
				_, _ = middleware.Wrap(say, r.Intercept)(context.Background(), shell)
			}
		})
	}
	running.Wait()
}

func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// A crashed is what a process said before it died.
type crashed struct {
	reached    []string // "run call"
	operations int
}

// runCrash runs the process over the ledger in dir, and kills it after a while
// if that is not zero. It may be called by any goroutine.
func runCrash(t *testing.T, dir string, kill time.Duration, env ...string) (c crashed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(env, crashDir+"="+dir)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return c
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return c
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "reached":
			if c.reached = append(c.reached, rest); len(c.reached) == 1 && kill > 0 {
				time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
			}
		case "operations":
			c.operations, _ = strconv.Atoi(rest)
		case "error":
			t.Errorf("the process says: %s", rest)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	return c
}

// wantRecovered opens the ledger that a process left, and checks that nothing
// that it knew to be durable is lost.
func wantRecovered(t *testing.T, dir string, c crashed, cfg evidence.Config) {
	t.Helper()
	cfg.Key = ledgertest.Key(1)
	r, err := evidence.Open(dir, cfg)
	if err != nil {
		t.Fatalf("the next start: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatalf("the next start: %v", err)
	}
	ledgertest.WantIntact(t, dir)
	there := make(map[string]bool)
	for _, e := range ledgertest.Entries(t, dir) {
		if e.Record.Kind == record.KindIntent {
			there[fmt.Sprintf("%s %d", e.Record.Run, e.Record.Call.ID)] = true
		}
	}
	for _, call := range c.reached {
		if !there[call] {
			t.Errorf("call %s was made, and its intent is lost", call)
		}
	}
}

// A process is killed before, after and in the middle of each operation on the
// disk: appending, beginning a segment, writing a checkpoint, closing. What was
// acknowledged is there at the next start, which mends the rest.
func TestKilledAtEachOperation(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, signing := range signings {
		for _, how := range []string{"before", "amid", "after"} {
			t.Run(string(signing)+"/"+how, func(t *testing.T) {
				t.Parallel()
				env := []string{crashHow + "=" + how, crashSign + "=" + string(signing)}
				whole := runCrash(t, ledgertest.Dir(t), 0, append(env, crashAt+"=1000000")...)
				if whole.operations < 20 {
					t.Fatalf("got %d operations", whole.operations)
				}
				// The processes wait for checkpoints most of the time, so some run at once.
				const atOnce = 8
				var ops []int
				for n := 1; n <= whole.operations; n += step {
					ops = append(ops, n)
				}
				for some := range slices.Chunk(ops, atOnce) {
					dirs, left := make([]string, len(some)), make([]crashed, len(some))
					var running sync.WaitGroup
					for i, n := range some {
						dirs[i] = ledgertest.Dir(t)
						running.Go(func() { left[i] = runCrash(t, dirs[i], 0, append(slices.Clip(env), crashAt+"="+strconv.Itoa(n))...) })
					}
					running.Wait()
					for i, n := range some {
						if wantRecovered(t, dirs[i], left[i], evidence.Config{Signing: signing}); t.Failed() {
							t.Fatalf("killed %s operation %d", how, n)
						}
					}
				}
				t.Logf("killed %d times, at each of %d operations", len(ops), whole.operations)
			})
		}
	}
}

// A process under load is killed at random, again and again over one ledger.
func TestKilledUnderLoad(t *testing.T) {
	rounds := *crashes
	if testing.Short() {
		rounds = 5
	}
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			var all crashed
			dir := ledgertest.Dir(t)
			for n := range rounds / 2 {
				if n%10 == 9 {
					dir, all = ledgertest.Dir(t), crashed{}
				}
				c := runCrash(t, dir, time.Duration(rand.Int64N(int64(60*time.Millisecond))), crashSign+"="+string(signing))
				all.reached = append(all.reached, c.reached...)
				wantRecovered(t, dir, all, evidence.Config{Signing: signing})
				if t.Failed() {
					t.Fatalf("round %d", n)
				}
			}
		})
	}
}
