package ship_test

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

// once answers the first call so, and takes the others.
func once(err error) func([][]byte) error {
	called := false
	return func([][]byte) error {
		if called {
			return nil
		}
		called = true
		return err
	}
}

// What a sink took of a batch does not come again, and the rest comes as package
// delivery says.
func TestTheRestOfABatchComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(once(&answer{taken: 3}))
		l.ship()
		l.add(10)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		l.wantCalls(10, 7)
		l.wantStats(10, 0, 0)
		if s := l.x.Stats(); s.Attempts != 2 || s.Retried != 1 || s.Failures != 1 || s.Breaker != "closed" {
			t.Errorf("got stats %+v", s)
		}
		if pause := l.at[1].Sub(l.at[0]); pause <= 0 || pause > 500*time.Millisecond {
			t.Errorf("it came again after %v", pause)
		}
	})
}

// A batch whose attempts are used up rests for the longest pause, unless the breaker
// opens, and the next ones wait behind it.
func TestABatchRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(func([][]byte) error { return errSink })
		l.ship(func(c *ship.Config) { c.Attempts, c.MinBackoff = 2, time.Nanosecond })
		l.add(1)
		time.Sleep(time.Minute + time.Second)
		l.add(1)
		synctest.Wait()
		l.wantCalls(1, 1, 1, 1, 1) // the fifth opens the breaker
		for i, want := range []time.Duration{0, 30 * time.Second, 0, 30 * time.Second} {
			if pause := l.at[i+1].Sub(l.at[i]).Round(time.Second); pause != want {
				t.Errorf("call %d came %v after the one before, want %v", i+2, pause, want)
			}
		}
		if s := l.x.Stats(); s.Breaker != "open" {
			t.Errorf("got stats %+v", s)
		}
		l.sink(nil)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		l.wantAll()
		l.wantStats(2, 0, 0)
	})
}

// A stop breaks off the call that is under way, and the pause between two.
func TestStop(t *testing.T) {
	for name, sink := range map[string]func(context.Context, [][]byte) error{
		"in a call":  func(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() },
		"in a pause": func(context.Context, [][]byte) error { return errSink },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, 0)
				l.add(3)
				l.ship(func(c *ship.Config) { c.Sink, c.Attempts = sink, 1 })
				time.Sleep(time.Second)
				began := time.Now()
				l.stop()
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v", took)
				}
				l.wantStats(0, 0, 3)
			})
		})
	}
}

// A call that did not return in time keeps its memory, and the batch goes on with
// other memory.
func TestACallThatHangsKeepsItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		var calls atomic.Int32
		hung := make(chan [][]byte, 2) // what the call got, and a copy of that
		release := make(chan struct{})
		defer close(release)
		l.ship(func(c *ship.Config) {
			c.Unordered, c.Concurrency = true, 2
			c.Sink = func(ctx context.Context, envs [][]byte) error {
				if calls.Add(1) == 1 {
					var before [][]byte
					for _, env := range envs {
						before = append(before, bytes.Clone(env))
					}
					hung <- envs
					hung <- before
					<-release
					return nil
				}
				return l.take(ctx, envs)
			}
		})
		l.add(256)
		time.Sleep(time.Minute)
		for range 4 {
			l.add(256)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		if theirs, before := <-hung, <-hung; !slices.EqualFunc(theirs, before, bytes.Equal) {
			t.Error("what a call that hangs has was written over")
		}
		l.wantAll()
		l.wantStats(5*256, 0, 0)
	})
}

// What a sink refuses for good is parked, without another call, and a record says so.
func TestWhatIsRefusedIsParked(t *testing.T) {
	for name, tt := range map[string]struct {
		answer *answer
		calls  []int
		parked uint64
		ranges []record.Range
	}{
		"all":                 {&answer{final: true}, []int{10}, 10, []record.Range{{From: 2, To: 11, Writer: writer}}},
		"the rest":            {&answer{final: true, taken: 4}, []int{10}, 6, []record.Range{{From: 6, To: 11, Writer: writer}}},
		"one":                 {&answer{final: true, taken: 4, refused: 1}, []int{10, 5}, 1, []record.Range{{From: 6, To: 6, Writer: writer}}},
		"more than there are": {&answer{final: true, taken: 4, refused: 11}, []int{10}, 6, []record.Range{{From: 6, To: 11, Writer: writer}}},
		"none":                {&answer{final: true, taken: 11}, []int{10}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, 0)
				l.sink(once(tt.answer))
				l.ship()
				l.add(10)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				l.wantCalls(tt.calls...)
				l.wantStats(10-tt.parked, tt.parked, 0)
				if last := l.at[len(l.at)-1]; last != l.at[0] {
					t.Errorf("it paused for %v", last.Sub(l.at[0]))
				}
				l.wantRefused("*ship_test.answer", tt.ranges...)
				if n := l.logged("refused records for good"); n != len(tt.ranges) {
					t.Errorf("the log says it %d times", n)
				}
			})
		})
	}
}
