package delivery_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/internal/delivery"
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
		bounds := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
			30 * time.Second, 30 * time.Second}
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
