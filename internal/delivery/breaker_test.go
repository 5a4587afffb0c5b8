package delivery_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/internal/delivery"
	"github.com/sony/gobreaker"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{})
		fail(t, l)
		if s := l.Stats(); s.State != delivery.Open || s.Attempts != 5 || s.Failures != 5 || s.Err != errAway {
			t.Errorf("got stats %+v, want it open after 5 attempts", s)
		}
		began := time.Now()
		if err := l.Do(t.Context(), say(nil)); err != delivery.ErrOpen || time.Since(began) != 0 {
			t.Errorf("Do: got %v after %v, want ErrOpen at once", err, time.Since(began))
		}
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 30*time.Second || waited > 30*time.Second+1 {
			t.Errorf("Wait took %v, want 30s", waited)
		}
		if err := l.Attempt(t.Context(), say(errAway)); err != errAway || l.State() != delivery.Open {
			t.Errorf("the probe: got %v and %s, want it open again", err, l.State())
		}
		_ = l.Wait(t.Context())
		if err := l.Attempt(t.Context(), say(nil)); err != nil || l.State() != delivery.Closed {
			t.Errorf("the probe: got %v and %s, want it closed", err, l.State())
		}
	})
}

// Answers by which something is known to be there do not open the breaker, in
// any number.
func TestBreakerCountsNoRefusals(t *testing.T) {
	for _, err := range []error{told{permanent: true}, told{taken: 1}} {
		l := delivery.New(delivery.Config{})
		for range 20 {
			if got := l.Attempt(t.Context(), say(err)); got != err {
				t.Fatalf("got %v, want %v", got, err)
			}
		}
		if s := l.Stats(); s.State != delivery.Closed || s.Failures != 20 {
			t.Errorf("%v: got stats %+v", err, s)
		}
	}
}

// While one attempt probes, others wait for what it comes to.
func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{Concurrency: 8})
		fail(t, l)
		var inside, most atomic.Int32
		var all sync.WaitGroup
		began := time.Now()
		for range 8 {
			all.Go(func() {
				for {
					_ = l.Wait(t.Context())
					err := l.Attempt(t.Context(), func(context.Context) error {
						if time.Since(began) < 31*time.Second {
							most.Store(max(most.Load(), inside.Add(1)))
							defer inside.Add(-1)
							time.Sleep(2 * time.Second)
						}
						return nil
					})
					if err == nil {
						return
					}
				}
			})
		}
		all.Wait()
		if most.Load() != 1 || l.State() != delivery.Closed || time.Since(began) > 33*time.Second {
			t.Errorf("got %d probes at a time, %s, %v", most.Load(), l.State(), time.Since(began))
		}
	})
}

// An attempt that its caller breaks off is no failure, and a probe that is
// broken off shows nothing.
func TestTrap28OwnCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{})
		cancelled := func() error {
			ctx, cancel := context.WithCancel(t.Context())
			return l.Attempt(ctx, func(ctx context.Context) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			})
		}
		for range 4 {
			_ = l.Attempt(t.Context(), say(errAway))
		}
		for range 20 {
			if err := cancelled(); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
		}
		if s := l.Stats(); s.State != delivery.Closed || s.Failures != 4 {
			t.Errorf("got stats %+v, want it closed", s)
		}
		_ = l.Attempt(t.Context(), say(errAway))
		if s := l.Stats(); s.State != delivery.Open {
			t.Errorf("got stats %+v, want it open: the cancelled attempts were no successes", s)
		}
		_ = l.Wait(t.Context())
		_ = cancelled()
		if l.State() != delivery.Open {
			t.Errorf("got %s after a probe that was broken off, want it open", l.State())
		}
		_ = l.Wait(t.Context())
		if err := l.Attempt(t.Context(), say(nil)); err != nil || l.State() != delivery.Closed {
			t.Errorf("got %v and %s, want it closed", err, l.State())
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Attempt(ended, say(nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: got %v", err)
		}
	})
}

// Whoever hears of a change may use the line.
func TestFault7NotifyUsesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *delivery.Line
		var got []delivery.Notice
		l = delivery.New(delivery.Config{Notify: func(n delivery.Notice) {
			got = append(got, n)
			_ = l.State()
			_ = l.Stats()
			_ = l.Tell()
			_ = l.Attempt(t.Context(), say(nil))
			panic("dropped")
		}})
		fail(t, l)
		time.Sleep(2 * time.Minute)
		_ = l.Attempt(t.Context(), say(nil))
		if len(got) != 2 || got[0] != (delivery.Notice{State: delivery.Open, Changes: 1, Err: errAway}) ||
			got[1] != (delivery.Notice{State: delivery.Closed, Changes: 1}) {
			t.Errorf("got notices %+v", got)
		}
	})
}

// However often the breaker opens and closes, there is one notice a minute, and
// none of the changes is forgotten.
func TestFault8Flaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		changes := 0
		l := delivery.New(delivery.Config{OpenFor: time.Second, Notify: func(n delivery.Notice) {
			at = append(at, time.Now())
			changes += n.Changes
		}})
		const flaps = 500
		for range flaps {
			fail(t, l)
			_ = l.Wait(t.Context())
			_ = l.Attempt(t.Context(), say(nil))
		}
		time.Sleep(l.Tell())
		if next := l.Tell(); next != 0 {
			t.Errorf("something waits to be told in %v", next)
		}
		if changes != 2*flaps {
			t.Errorf("heard of %d changes, want %d", changes, 2*flaps)
		}
		if len(at) > 11 {
			t.Errorf("got %d notices in %v", len(at), at[len(at)-1].Sub(at[0]))
		}
		for i := range at[1:] {
			if pause := at[i+1].Sub(at[i]); pause < time.Minute {
				t.Errorf("two notices within %v", pause)
			}
		}
	})
}

// An answer that we are not known, or may not, opens the breaker at once, and a
// success closes it.
func TestNotAllowedOpensTheBreakerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := delivery.New(delivery.Config{Attempts: 10})
		for _, status := range []int{401, 403, 407} {
			calls := 0
			err := line.Do(t.Context(), func(context.Context) error { calls++; return &delivery.StatusError{Status: status} })
			if calls != 1 || line.State() != delivery.Open || !delivery.IsUnauthorized(err) || delivery.IsPermanent(err) {
				t.Errorf("%d: got %v after %d calls, and the breaker is %s", status, err, calls, line.State())
			}
			if err := line.Do(t.Context(), func(context.Context) error { return nil }); !delivery.IsOpen(err) {
				t.Errorf("%d: got %v, want no call", status, err)
			}
			time.Sleep(31 * time.Second)
			if err := line.Do(t.Context(), func(context.Context) error { return nil }); err != nil || line.State() != delivery.Closed {
				t.Errorf("%d: got %v, and the breaker is %s", status, err, line.State())
			}
		}
	})
}

// Gobreaker calls OnStateChange under its lock. Where this test fails,
// it no longer does.
func TestTrap27Upstream(t *testing.T) {
	var b *gobreaker.CircuitBreaker
	looked := make(chan struct{})
	changed := false
	b = gobreaker.NewCircuitBreaker(gobreaker.Settings{
		ReadyToTrip: func(gobreaker.Counts) bool { return true },
		OnStateChange: func(string, gobreaker.State, gobreaker.State) {
			changed = true
			go func() {
				_ = b.State() // would deadlock if it were called here
				close(looked)
			}()
			for range 100 {
				runtime.Gosched()
			}
			select {
			case <-looked:
				t.Error("the breaker can be looked at in OnStateChange")
			default:
			}
		},
	})
	_, _ = b.Execute(func() (any, error) { return nil, errAway })
	<-looked
	if !changed {
		t.Error("the breaker did not trip")
	}
}

// Gobreaker counts a cancellation as a failure, and an interval forgets
// failures that come slowly. Where this test fails, it no longer does.
func TestTrap28Upstream(t *testing.T) {
	b := gobreaker.NewCircuitBreaker(gobreaker.Settings{})
	for range 6 {
		_, _ = b.Execute(func() (any, error) { return nil, context.Canceled })
	}
	if b.State() != gobreaker.StateOpen {
		t.Error("cancellations do not open the breaker")
	}
	synctest.Test(t, func(t *testing.T) {
		b := gobreaker.NewCircuitBreaker(gobreaker.Settings{Interval: time.Minute})
		for range 50 {
			_, _ = b.Execute(func() (any, error) { return nil, errAway })
			time.Sleep(30 * time.Second)
		}
		if b.State() != gobreaker.StateClosed {
			t.Error("spaced failures open the breaker in spite of the interval")
		}
	})
}

// A delivery that pauses does not wait for a breaker that others open meanwhile.
func TestDoLeavesAnOpenBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{OpenFor: 10 * time.Minute})
		began := time.Now()
		done := make(chan error, 1)
		go func() { done <- l.Do(t.Context(), say(told{after: 20 * time.Second})) }()
		synctest.Wait()
		fail(t, l)
		err := <-done
		if took := time.Since(began); took != 20*time.Second || err != error(told{after: 20 * time.Second}) {
			t.Errorf("got %v after %v, want what the attempt came to after 20s", err, took)
		}
	})
}
