package evidence_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A gated is a disk of which some files hang.
type gated struct {
	mu    sync.Mutex
	hangs func(op segmenttest.Op) bool
	open  chan struct{}
}

func (g *gated) do(op segmenttest.Op) error {
	g.mu.Lock()
	hangs, open := g.hangs, g.open
	g.mu.Unlock()
	if hangs != nil && hangs(op) {
		<-open
	}
	return op.Do()
}

func (g *gated) hang(f func(op segmenttest.Op) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hangs, g.open = f, make(chan struct{})
}

func (g *gated) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hangs = nil
	close(g.open)
}

func syncsOfSegments(op segmenttest.Op) bool {
	return op.Name == "sync" && strings.Contains(op.Path, "segments")
}

var calculator = middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}

// While the ledger's syncs hang, records go to the overflow, and to the ledger
// when they do not any more: all, in order, and the file is gone.
func TestOverflow(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			overflow := dir
			cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Queue: 1000}
			if elsewhere {
				overflow = t.TempDir()
				cfg.Overflow = overflow
			}
			var disk gated
			r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
			if err != nil {
				t.Fatal(err)
			}
			disk.hang(syncsOfSegments)
			const n = 2000 // records: more than the queue and all groups hold
			for range n / 4 {
				if _, err := call(t, r, calculator, say("437")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(time.Second)
			stats := r.Stats()
			if stats.Waiting != n || stats.Overflowed == 0 || stats.Lost != 0 {
				t.Errorf("got %+v, want %d waiting, some in the overflow, none lost", stats, n)
			}
			if info := mustStat(t, filepath.Join(overflow, "overflow.seg")); info.Size() == 0 || !hasMode(info, 0o600) {
				t.Errorf("the overflow has %d bytes and mode %v", info.Size(), info.Mode())
			}
			disk.release()
			time.Sleep(time.Second)
			if stats := r.Stats(); stats.Waiting != 0 || stats.Overflowed != 0 {
				t.Errorf("got %+v, want nothing waiting", stats)
			}
			if _, err := call(t, r, shell, say("ok")); err != nil {
				t.Errorf("after: %v", err)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if report := ledgertest.WantIntact(t, dir); report.Done != n/4+1 || report.Lost != 0 {
				t.Errorf("got %+v, want %d done", report, n/4+1)
			}
			if _, err := os.Stat(filepath.Join(overflow, "overflow.seg")); !os.IsNotExist(err) {
				t.Errorf("the overflow is still there: %v", err)
			}
		})
	}
}

// Where the overflow does not take them either, records wait in the queue, and
// then are lost: a signed gap says which.
func TestOverflowFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Queue: 100}
		var disk gated
		var full atomic.Bool
		do := func(op segmenttest.Op) error {
			if strings.Contains(op.Path, "overflow") && op.Name == "write" && full.Load() {
				return errors.Join(syscall.ENOSPC, op.Part(len(op.Bytes)/2))
			}
			return disk.do(op)
		}
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do})
		if err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		disk.hang(syncsOfSegments)
		for range 1000 {
			if _, err := call(t, r, calculator, say("437")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		stats := r.Stats()
		if stats.Lost == 0 || !errors.Is(r.Err(), syscall.ENOSPC) {
			t.Errorf("got %+v, %v, want some lost and ENOSPC", stats, r.Err())
		}
		disk.release()
		time.Sleep(time.Minute)
		if r.Err() != nil {
			t.Errorf("after: %v", r.Err())
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Lost != stats.Lost || report.Gaps == 0 {
			t.Errorf("got %+v, want %d lost, in gaps", report, stats.Lost)
		}
	})
}

// A gap is declared within the session of what it declares, also where the clock was
// set meanwhile.
func TestGapIsDatedWithinItsSession(t *testing.T) {
	for name, now := range map[string]func(s *record.Session) time.Time{
		"in ten years":        func(*record.Session) time.Time { return time.Now().Round(0).AddDate(10, 0, 0) },
		"when it is over":     func(s *record.Session) time.Time { return s.NotAfter.Add(time.Second / 2) },
		"just before":         func(s *record.Session) time.Time { return s.NotAfter.Add(-time.Second / 2) },
		"at its first second": func(s *record.Session) time.Time { return s.NotBefore },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Queue: 100}
				var disk gated
				do := func(op segmenttest.Op) error {
					if strings.Contains(op.Path, "overflow") && op.Name == "create" {
						return syscall.ENOSPC
					}
					return disk.do(op)
				}
				r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do})
				if err != nil {
					t.Fatal(err)
				}
				disk.hang(syncsOfSegments)
				for r.Stats().Lost < 20 {
					if _, err := call(t, r, calculator, say("437")); err != nil {
						t.Fatal(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				then := now(ledgertest.Entries(t, dir)[0].Record.Session)
				r.SetClock(func() time.Time { return then })
				disk.release()
				time.Sleep(time.Minute)
				if err := r.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if report := ledgertest.WantIntact(t, dir); report.Gaps == 0 || report.Lost != r.Stats().Lost {
					t.Errorf("got %+v, want %d lost, in gaps", report, r.Stats().Lost)
				}
			})
		})
	}
}

// A disk that hangs and recovers again and again, while records come and the
// overflow is filled and emptied at once.
func TestOverflowComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Queue: 1 << 16}
		var disk gated
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
		if err != nil {
			t.Fatal(err)
		}
		const runs, each = 5, 300
		var calls sync.WaitGroup
		for range runs {
			calls.Go(func() {
				for range each {
					_, _ = call(t, r, calculator, say("437"))
					time.Sleep(7 * time.Millisecond)
				}
			})
		}
		spilled := 0
		for range 6 {
			disk.hang(syncsOfSegments)
			time.Sleep(300 * time.Millisecond)
			if r.Stats().Overflowed > 0 {
				spilled++
			}
			disk.release()
			time.Sleep(time.Duration(1+spilled) * 3 * time.Millisecond)
		}
		calls.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Done != runs*each || report.Lost != 0 || spilled == 0 {
			t.Errorf("got %+v after %d overflows, want %d done and none lost", report, spilled, runs*each)
		}
	})
}

// A disk that does not answer at all keeps no call that need not wait.
func TestFrozenDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Queue: 500}
		var disk gated
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
		if err != nil {
			t.Fatal(err)
		}
		disk.hang(func(segmenttest.Op) bool { return true })
		began := time.Now()
		for range 5000 {
			if _, err := call(t, r, calculator, say("437")); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("calls waited %v", waited)
		}
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *evidence.PendingError
		if err := r.Close(ctx); !errors.As(err, &left) || uint64(left.NotDurable)+r.Stats().Lost < 20000 {
			t.Errorf("Close: got %v and %d lost, want 20000 together, and perhaps gaps", err, r.Stats().Lost)
		}
		disk.release()
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Records+report.Lost < 20000 {
			t.Errorf("got %+v, want 20000 records, lost ones included", report)
		}
	})
}

// An overflow that is full is not tried all the time.
func TestFullOverflowIsNotTriedAllTheTime(t *testing.T) {
	dir := ledgertest.Dir(t)
	cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}}
	var disk gated
	var full atomic.Bool
	var tries atomic.Int64
	do := func(op segmenttest.Op) error {
		if full.Load() && op.Name == "write" && strings.Contains(op.Path, "overflow") {
			tries.Add(1)
			return errors.Join(syscall.ENOSPC, op.Part(0))
		}
		return disk.do(op)
	}
	r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do})
	if err != nil {
		t.Fatal(err)
	}
	disk.hang(syncsOfSegments)
	for r.Stats().Overflowed == 0 {
		if _, err := call(t, r, calculator, say("437")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	full.Store(true)
	for range 100 {
		if _, err := call(t, r, calculator, say("437")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	disk.release()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := tries.Load(); n == 0 || n > 50 {
		t.Errorf("got %d attempts in half a second, want some", n)
	}
	ledgertest.WantIntact(t, dir)
}
