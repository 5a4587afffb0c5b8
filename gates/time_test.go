package gates_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// slow takes so long, or until its context ends.
func slow(d time.Duration) middleware.Handler {
	return func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		select {
		case <-time.After(d):
			return middleware.Result{Output: "done"}, nil
		case <-ctx.Done():
			return middleware.Result{}, ctx.Err()
		}
	}
}

// stubborn takes so long, whatever happens to its context.
func stubborn(d time.Duration) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		time.Sleep(d)
		return middleware.Result{Output: "done", Usage: &middleware.Usage{OutputTokens: 7}}, nil
	}
}

// TestDeadline shows that the shorter of two deadlines wins: the gate's own
// denies, and with the caller's the context's error comes back.
func TestDeadline(t *testing.T) {
	tests := []struct {
		name   string
		times  gates.DeadlineRules
		caller time.Duration // zero for none
		call   middleware.Call
		tool   middleware.Handler
		took   time.Duration
		err    error // the context's; otherwise
		reason string
	}{
		{"in time", gates.DeadlineRules{Call: time.Second}, 0, kit.Tool("a", ""), slow(999 * time.Millisecond), 999 * time.Millisecond, nil, ""},
		{"the call's", gates.DeadlineRules{Call: time.Second, Run: time.Minute}, 0, kit.Tool("a", ""), slow(time.Hour), time.Second, nil,
			"the call's 1s are over"},
		{"the run's", gates.DeadlineRules{Call: time.Minute, Run: time.Second}, 0, kit.Tool("a", ""), slow(time.Hour), time.Second, nil,
			"the run's 1s are over"},
		{"the caller's is shorter", gates.DeadlineRules{Call: time.Minute}, time.Second, kit.Tool("a", ""), slow(time.Hour), time.Second,
			context.DeadlineExceeded, ""},
		{"the caller's is as long", gates.DeadlineRules{Call: time.Second}, time.Second, kit.Tool("a", ""), slow(time.Hour), time.Second,
			context.DeadlineExceeded, ""},
		{"the caller's is longer", gates.DeadlineRules{Call: time.Second}, time.Minute, kit.Tool("a", ""), slow(time.Hour), time.Second, nil,
			"the call's 1s are over"},
		{"a tool that takes no notice", gates.DeadlineRules{Call: time.Second}, 0, kit.Tool("a", ""), stubborn(time.Minute), time.Minute, nil,
			"the call's 1s are over"},
		{"a chain has no time of a call", gates.DeadlineRules{Call: time.Second}, 0, kit.Chain("c", nil), slow(time.Hour), time.Hour, nil, ""},
		{"a chain has that of the run", gates.DeadlineRules{Run: time.Second}, 0, kit.Chain("c", nil), slow(time.Hour), time.Second, nil,
			"the run's 1s are over"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.caller)
					defer cancel()
				}
				began := time.Now()
				res, err := middleware.Wrap(tt.tool, gates.Deadline(tt.times))(ctx, tt.call)
				if got := time.Since(began); got != tt.took {
					t.Errorf("took %v, want %v", got, tt.took)
				}
				switch {
				case tt.reason != "":
					d := kit.WantDenied(t, err, middleware.CodeDeadline)
					if d.Reason != tt.reason || d.Gate != "deadline" || res.Output != nil {
						t.Errorf("got %+v and %v, want reason %q", d, res.Output, tt.reason)
					}
				case !errors.Is(err, tt.err) || denied(err, middleware.CodeDeadline):
					t.Errorf("got error %v, want %v", err, tt.err)
				}
			})
		})
	}
}

// TestDeadlineOfARun shows that the time of a run is counted from its first
// call, that calls of it fail when it is over, and that the outermost is denied.
func TestDeadlineOfARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := gates.Deadline(gates.DeadlineRules{Run: 10 * time.Second})
		tool := middleware.Wrap(slow(4*time.Second), gate)
		var errs []error
		err := kit.InRun(func(ctx context.Context) {
			for range 4 {
				_, err := tool(ctx, kit.Tool("a", ""))
				errs = append(errs, err)
			}
		}, gate)
		kit.WantDenied(t, err, middleware.CodeDeadline)
		if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], context.DeadlineExceeded) || !errors.Is(errs[3], context.DeadlineExceeded) {
			t.Errorf("got %v", errs)
		}
		if err := kit.InRun(func(ctx context.Context) {
			if _, err := tool(ctx, kit.Tool("a", "")); err != nil {
				t.Errorf("another run: got %v", err)
			}
		}, gate); err != nil {
			t.Error(err)
		}
	})
}

// TestDeadlineBetweenCalls shows that a call which begins too late is denied,
// and does not run.
func TestDeadlineBetweenCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var spy kit.Spy
		tool := middleware.Wrap(spy.Handle, gates.Deadline(gates.DeadlineRules{Run: time.Second}))
		_ = kit.InRun(func(ctx context.Context) {
			if _, err := tool(ctx, kit.Tool("a", "")); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
			_, err := tool(ctx, kit.Tool("a", ""))
			kit.WantDenied(t, err, middleware.CodeDeadline)
		})
		if n := len(spy.Calls()); n != 1 {
			t.Errorf("got %d calls", n)
		}
	})
}

// TestAGatesOwnTimeoutDenies shows that a check which ran out of a time of its
// own could not decide, which denies, and that the caller's deadline, where it
// is shorter, comes back as it is.
func TestAGatesOwnTimeoutDenies(t *testing.T) {
	for caller, want := range map[time.Duration]error{time.Hour: nil, time.Second: context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			gate := middleware.Before("slow", func(ctx context.Context, _ middleware.Call) error {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				<-ctx.Done()
				return ctx.Err()
			})
			var spy kit.Spy
			ctx, cancel := context.WithTimeout(t.Context(), caller)
			defer cancel()
			_, err := middleware.Wrap(spy.Handle, gate)(ctx, kit.Tool("a", ""))
			if want == nil {
				kit.WantDenied(t, err, middleware.CodeIndeterminate)
			} else if !errors.Is(err, want) || isDenial(err) {
				t.Errorf("got %v, want %v", err, want)
			}
			if len(spy.Calls()) > 0 {
				t.Error("the call ran")
			}
		})
	}
}

func isDenial(err error) bool {
	var d *middleware.DeniedError
	return errors.As(err, &d)
}

func TestRate(t *testing.T) {
	const second = time.Second
	tests := []struct {
		name  string
		pace  gates.RateRules
		every time.Duration // between calls
		calls int
		want  string // what came of each: . done, b busy
		took  time.Duration
	}{
		{"at the pace", gates.RateRules{Calls: 1, Per: second}, second, 4, "....", 4 * second},
		{"a burst, and no more", gates.RateRules{Calls: 2, Per: second}, 0, 4, "..bb", 0},
		{"a burst of its own", gates.RateRules{Calls: 1, Per: second, Burst: 3}, 0, 4, "...b", 0},
		{"twice as fast", gates.RateRules{Calls: 1, Per: second}, second / 2, 4, ".b.b", 2 * second},
		{"waiting", gates.RateRules{Calls: 1, Per: second, MaxWait: second}, 0, 4, "....", 3 * second},
		{"too long a wait", gates.RateRules{Calls: 1, Per: second, MaxWait: second / 2}, 0, 3, ".bb", 0},
	}
	for _, tt := range tests {
		for _, scope := range []gates.Scope{gates.ScopeRun, gates.ScopeProcess} {
			t.Run(tt.name+", "+scope.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tt.pace.Scope = scope
					var seen error
					tool := middleware.Wrap(kit.Echo, lenient(&seen), gates.Rate(tt.pace))
					began, got := time.Now(), ""
					_ = kit.InRun(func(ctx context.Context) {
						for range tt.calls {
							_, _ = tool(ctx, kit.Tool("a", ""))
							switch {
							case seen == nil:
								got += "."
							case denied(seen, middleware.CodeBusy):
								got += "b"
							}
							time.Sleep(tt.every)
						}
					})
					if took := time.Since(began); got != tt.want || took != tt.took {
						t.Errorf("got %s in %v, want %s in %v", got, took, tt.want, tt.took)
					}
				})
			})
		}
	}
}

// TestRateScopes shows that runs have a pace each, or share one, and that chains
// and plans do not count.
func TestRateScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for scope, want := range map[gates.Scope]int{gates.ScopeRun: 3, gates.ScopeProcess: 1} {
			gate := gates.Rate(gates.RateRules{Calls: 1, Per: time.Hour, Scope: scope})
			tool, chain := middleware.Wrap(kit.Echo, gate), middleware.Wrap(kit.Echo, gate)
			done := 0
			for range 3 {
				_ = kit.InRun(func(ctx context.Context) {
					for range 3 {
						if _, err := chain(ctx, kit.Chain("c", nil)); err != nil {
							t.Error(err)
						}
					}
					if _, err := tool(ctx, kit.Tool("a", "")); err == nil {
						done++
					}
				})
			}
			if done != want {
				t.Errorf("%v: %d calls were done, want %d", scope, done, want)
			}
		}
	})
}

// TestRateEndsWithTheContext shows that a call which waits for its turn ends
// with its context and leaves its turn to others, and that one which could not
// have its turn before its deadline does not wait at all.
func TestRateEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := middleware.Wrap(kit.Echo, gates.Rate(gates.RateRules{Calls: 1, Per: time.Minute, MaxWait: time.Hour, Scope: gates.ScopeProcess}))
		if _, err := tool(t.Context(), kit.Tool("a", "")); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := tool(short, kit.Tool("a", ""))
		kit.WantDenied(t, err, middleware.CodeBusy)
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
		waiting, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		if _, err = tool(waiting, kit.Tool("a", "")); !errors.Is(err, context.Canceled) || isDenial(err) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		if _, err := tool(t.Context(), kit.Tool("a", "")); err != nil || time.Since(began) != time.Minute {
			t.Errorf("got %v after %v: the turn was lost", err, time.Since(began))
		}
	})
}

// TestConcurrency shows that no more calls than allowed are under way, that the
// others are denied or wait as was chosen, and that each place is given back.
func TestConcurrency(t *testing.T) {
	for _, full := range []gates.Full{gates.DenyWhenFull, gates.WaitWhenFull} {
		synctest.Test(t, func(t *testing.T) {
			var now, most, busy atomic.Int64
			tool := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				n := now.Add(1)
				defer now.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				return slow(time.Second)(ctx, call)
			}, gates.Concurrency(3, full))
			began := time.Now()
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() {
					if _, err := tool(t.Context(), kit.Tool("a", "")); denied(err, middleware.CodeBusy) {
						busy.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			wantBusy, want := int64(9), time.Second
			if full == gates.WaitWhenFull {
				wantBusy, want = 0, 4*time.Second
			}
			if most.Load() != 3 || busy.Load() != wantBusy || time.Since(began) != want {
				t.Errorf("%d: got %d at a time, %d busy, in %v; want 3, %d, %v", full, most.Load(), busy.Load(), time.Since(began), wantBusy, want)
			}
		})
	}
}

// TestConcurrencyGivesBack shows that a place comes back when a call fails,
// panics or ends its goroutine, when a waiting call is cancelled, and that a
// call within a call does not wait for the place that it has.
func TestConcurrencyGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := gates.Concurrency(1, gates.WaitWhenFull)
		do := func(ctx context.Context, f middleware.Handler) error {
			_, err := middleware.Wrap(f, gate)(ctx, kit.Tool("a", ""))
			return err
		}
		_ = do(t.Context(), kit.Fail(errors.New("no")))
		_ = do(t.Context(), func(context.Context, middleware.Call) (middleware.Result, error) { panic("no") })
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = do(t.Context(), func(context.Context, middleware.Call) (middleware.Result, error) {
				runtime.Goexit()
				return middleware.Result{}, nil
			})
		})
		wg.Wait()
		model := middleware.Wrap(kit.Echo, gate)
		began := time.Now()
		err := do(t.Context(), func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			waiting, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
			defer cancel()
			if _, err := model(waiting, kit.Model("x")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("another call: got %v after %v", err, time.Since(began))
			}
			return model(ctx, kit.Model("x"))
		})
		if err != nil {
			t.Errorf("a call within the call: got %v", err)
		}
		if err := do(t.Context(), kit.Echo); err != nil || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// TestCancelledBeforeAndDuring shows that a call whose context ends before it, in
// a gate, or in the tool, comes back at once with the context's error and runs
// nothing more; the package's TestMain shows that no goroutine is left.
func TestCancelledBeforeAndDuring(t *testing.T) {
	waits := middleware.Before("waits", func(ctx context.Context, _ middleware.Call) error {
		<-ctx.Done()
		return ctx.Err()
	})
	list := map[string]middleware.Interceptor{
		"loop":        gates.Loop(gates.LoopRules{}),
		"deadline":    gates.Deadline(gates.DeadlineRules{Call: time.Hour, Run: time.Hour}),
		"rate":        gates.Rate(gates.RateRules{Calls: 1, Per: time.Second}),
		"concurrency": gates.Concurrency(1, gates.WaitWhenFull),
		"size":        gates.Size(gates.SizeRules{}),
		"arguments":   gates.Arguments(gates.ArgumentRules{"a": {gates.OptionalArg("x")}}),
	}
	for name, gate := range list {
		for when, is := range map[string][]middleware.Interceptor{
			"before": {gate}, "in a gate": {gate, waits}, "in the tool": {gate},
		} {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					began, ran := time.Now(), false
					if when == "before" {
						cancel()
					} else {
						time.AfterFunc(time.Second, cancel)
					}
					_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						ran = true
						return slow(time.Hour)(ctx, call)
					}, is...)(ctx, kit.Tool("a", "{}"))
					if !errors.Is(err, context.Canceled) || isDenial(err) {
						t.Errorf("got %v", err)
					}
					if time.Since(began) > time.Second || ran != (when == "in the tool") {
						t.Errorf("after %v, ran %v", time.Since(began), ran)
					}
				})
			})
		}
	}
}

// TestCancelledDuringAStream shows that a stream whose context ends comes back
// with the context's error, even where the client takes no notice.
func TestCancelledDuringAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		model := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			for ctx.Err() == nil {
				if err := call.Stream(ctx, middleware.Chunk{Text: []byte("x")}); err != nil {
					return middleware.Result{}, err
				}
				time.Sleep(time.Second)
			}
			return middleware.Result{Output: &middleware.ModelResponse{}, Usage: &middleware.Usage{OutputTokens: 3}}, nil
		}, gates.Size(gates.SizeRules{}), gates.Deadline(gates.DeadlineRules{Call: time.Hour}), gates.Concurrency(1, gates.WaitWhenFull),
			gates.Rate(gates.RateRules{Calls: 1, Per: time.Hour}))
		call := kit.Model("hello")
		chunks := 0
		call.Stream = func(context.Context, middleware.Chunk) error {
			if chunks++; chunks == 3 {
				cancel()
			}
			return nil
		}
		res, err := model(ctx, call)
		if !errors.Is(err, context.Canceled) || isDenial(err) || chunks != 3 || res.Usage == nil {
			t.Errorf("got %v, usage %v, after %d chunks", err, res.Usage, chunks)
		}
	})
}
