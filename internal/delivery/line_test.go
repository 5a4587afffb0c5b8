package delivery_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/internal/delivery"
	"github.com/sony/gobreaker"
)

var errAway = errors.New("it is away")

// say is a call that comes to err.
func say(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// fail makes attempts that fail until the breaker is open.
func fail(t *testing.T, l *delivery.Line) {
	t.Helper()
	for range 100 {
		if err := l.Attempt(t.Context(), say(errAway)); errors.Is(err, delivery.ErrOpen) {
			return
		}
	}
	t.Fatal("the breaker does not open")
}

func TestDo(t *testing.T) {
	refused := told{permanent: true}
	for _, tt := range []struct {
		name     string
		errs     []error // of the attempts; the last stays
		want     error
		attempts int
	}{
		{"at once", []error{nil}, nil, 1},
		{"at the third attempt", []error{errAway, errAway, nil}, nil, 3},
		{"never", []error{errAway}, errAway, 5},
		{"refused", []error{refused}, refused, 1},
		{"refused at the second attempt", []error{errAway, refused}, refused, 2},
		{"in parts", []error{errAway, errAway, errAway, told{taken: 1}, errAway, errAway, errAway, nil}, nil, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := delivery.New(delivery.Config{})
				n := 0
				err := l.Do(t.Context(), func(context.Context) error {
					n++
					return tt.errs[min(n, len(tt.errs))-1]
				})
				if err != tt.want || n != tt.attempts {
					t.Errorf("got %v after %d attempts, want %v after %d", err, n, tt.want, tt.attempts)
				}
				s := l.Stats()
				if s.Attempts != uint64(n) || s.Retries != uint64(n-1) || !errors.Is(s.Err, tt.want) {
					t.Errorf("got stats %+v", s)
				}
			})
		})
	}
}

// The pauses are random parts of bounds that double.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bounds := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
		var longest, total [8]time.Duration
		const rounds = 400
		for range rounds {
			l := delivery.New(delivery.Config{Attempts: 9})
			last, n := time.Now(), 0
			_ = l.Do(t.Context(), func(context.Context) error {
				if n > 0 {
					pause := time.Since(last)
					longest[n-1] = max(longest[n-1], pause)
					total[n-1] += pause
				}
				last = time.Now()
				n++
				return errAway
			})
		}
		for i, bound := range bounds {
			mean := total[i] / rounds
			if longest[i] > bound+1 || mean < bound*4/10 || mean > bound*6/10 {
				t.Errorf("pause %d: got at most %v and %v on average, want at most %v and half of it", i+1, longest[i], mean, bound)
			}
		}
	})
}

// Each form of Retry-After is waited out, up to the longest pause, and none
// makes attempts follow each other without a pause.
func TestFault4RetryAfter(t *testing.T) {
	const upTo = -1 // any pause within the bounds
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{
		{"7", 7 * time.Second},
		{"Sat, 01 Jan 2000 00:00:07 GMT", 7 * time.Second}, // where the bubble's time begins
		{"-1", upTo},
		{"1e9", upTo},
		{"1000000000", 30 * time.Second},
		{"soon", upTo},
		{"", upTo},
		{"0", upTo},
	} {
		t.Run(tt.value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := delivery.New(delivery.Config{})
				began := time.Now()
				var at []time.Duration
				_ = l.Do(t.Context(), func(context.Context) error {
					at = append(at, time.Since(began))
					if len(at) == 2 {
						return nil
					}
					return &delivery.StatusError{Status: 429, After: delivery.ParseRetryAfter(tt.value, time.Now())}
				})
				if len(at) != 2 {
					t.Fatalf("got %d attempts, want 2", len(at))
				}
				if tt.want == upTo && (at[1] > 500*time.Millisecond || at[1] == 0) || tt.want != upTo && at[1] != tt.want {
					t.Errorf("the second attempt came after %v, want %v", at[1], tt.want)
				}
			})
		})
	}
}

// What one attempt is asked to wait, all wait.
func TestRetryAfterIsOfTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{Concurrency: 4})
		began := time.Now()
		_ = l.Attempt(t.Context(), say(told{after: 7 * time.Second}))
		if err := l.Wait(t.Context()); err != nil || time.Since(began) != 7*time.Second {
			t.Errorf("got %v after %v, want nil after 7s", err, time.Since(began))
		}
	})
}

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

// A call that hangs, a probe too, fails in time, keeps its slot, and does not
// wedge the breaker.
func TestFault5Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{})
		release := make(chan struct{})
		var inside atomic.Int32
		hang := func(context.Context) error {
			if inside.Add(1) > 1 {
				t.Error("called again before the first call returned")
			}
			defer inside.Add(-1)
			<-release
			return nil
		}
		began := time.Now()
		if err := l.Attempt(t.Context(), hang); !errors.Is(err, delivery.ErrHung) || time.Since(began) > 31*time.Second {
			t.Errorf("got %v after %v, want ErrHung after 30s", err, time.Since(began))
		}
		for l.State() == delivery.Closed {
			if err := l.Attempt(t.Context(), hang); err == nil || errors.Is(err, delivery.ErrOpen) {
				t.Fatalf("got %v, want a failure", err)
			}
		}
		_ = l.Wait(t.Context())
		if err := l.Attempt(t.Context(), hang); err == nil || l.State() != delivery.Open {
			t.Errorf("a probe that hangs: got %v and %s, want it open", err, l.State())
		}
		close(release)
		_ = l.Wait(t.Context())
		if err := l.Attempt(t.Context(), say(nil)); err != nil || l.State() != delivery.Closed {
			t.Errorf("got %v and %s, want it closed", err, l.State())
		}
	})
}

// A call that heeds its context returns late, and is not taken for one that
// hangs.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := delivery.New(delivery.Config{Timeout: time.Second})
		began := time.Now()
		err := l.Attempt(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(grace / 2)
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, delivery.ErrHung) || time.Since(began) > 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if s := l.Stats(); s.Failures != 1 {
			t.Errorf("got stats %+v, want 1 failure", s)
		}
	})
}

const grace = 100 * time.Millisecond

// A rudeError panics when it is asked anything.
type rudeError struct{}

func (rudeError) Error() string   { panic("the secret") }
func (rudeError) Permanent() bool { panic("the secret") }

func TestFault6Panics(t *testing.T) {
	l := delivery.New(delivery.Config{})
	for name, call := range map[string]func(context.Context) error{
		"panic":  func(context.Context) error { panic("the secret") },
		"goexit": func(context.Context) error { runtime.Goexit(); return nil },
		"error":  func(context.Context) error { return rudeError{} },
	} {
		err := l.Attempt(t.Context(), call)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error without what it panicked with", name, err)
		}
	}
	if s := l.Stats(); s.Failures != 3 || s.State != delivery.Closed {
		t.Errorf("got stats %+v, want 3 failures", s)
	}
	if err := l.Attempt(t.Context(), say(nil)); err != nil {
		t.Errorf("got %v after a panic", err)
	}
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
		if len(got) != 2 || got[0] != (delivery.Notice{State: delivery.Open, Changes: 1, Err: errAway}) || got[1] != (delivery.Notice{State: delivery.Closed, Changes: 1}) {
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

func TestNewPanics(t *testing.T) {
	for _, cfg := range []delivery.Config{
		{Timeout: -1}, {MinBackoff: -1}, {MaxBackoff: -1}, {Attempts: -1}, {Concurrency: -1}, {OpenFor: -1}, {NotifyEvery: -1},
	} {
		func() {
			defer func() {
				if v := recover(); v != "delivery: New: negative bound" {
					t.Errorf("%+v: got panic %v, want that a bound is negative", cfg, v)
				}
			}()
			delivery.New(cfg)
		}()
	}
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
