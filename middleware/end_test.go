package middleware_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
)

// spent is what the answer of a model cost.
var spent = &middleware.Usage{InputTokens: 1000, OutputTokens: 1000, Reported: true}

func answers(context.Context, middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: "good", Usage: spent}, nil
}

// late returns an interceptor that calls next and then does something else.
func late(f func(middleware.Result, error) (middleware.Result, error)) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			return f(next(ctx, call))
		}
	}
}

// TestUsageSurvivesAPanicAfterTheAnswer: what was spent was spent, whatever an
// interceptor makes of the answer.
func TestUsageSurvivesAPanicAfterTheAnswer(t *testing.T) {
	panics := late(func(middleware.Result, error) (middleware.Result, error) { panic("the answer was odd") })
	forgets := late(func(middleware.Result, error) (middleware.Result, error) {
		return middleware.Result{}, middleware.Deny(middleware.CodeBadOutput, "no")
	})
	replaces := late(func(middleware.Result, error) (middleware.Result, error) {
		return middleware.Result{Output: "better"}, nil
	})
	var seen *middleware.Usage // by an interceptor around
	sees := late(func(res middleware.Result, err error) (middleware.Result, error) {
		seen = res.Usage
		return res, err
	})
	for name, tt := range map[string]struct {
		is   []middleware.Interceptor
		sees bool
	}{
		"named":              {[]middleware.Interceptor{sees, middleware.Named("gate", panics)}, true},
		"named, in another":  {[]middleware.Interceptor{sees, middleware.Named("around", pass), middleware.Named("gate", panics)}, true},
		"unnamed":            {[]middleware.Interceptor{panics}, false},
		"unnamed, in a gate": {[]middleware.Interceptor{middleware.Named("around", pass), middleware.After("after", allowResult), panics}, false},
		"named, and forgets": {[]middleware.Interceptor{sees, middleware.Named("gate", forgets)}, true},
		"named, and another": {[]middleware.Interceptor{sees, middleware.Named("gate", replaces)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			seen = nil
			for _, stream := range []middleware.Stream{nil, func(context.Context, middleware.Chunk) error { return nil }} {
				res, err := middleware.Wrap(answers, tt.is...)(t.Context(), middleware.Call{Kind: middleware.KindModel, Name: "m", Stream: stream})
				if res.Usage != spent || err == nil && res.Output != "better" {
					t.Errorf("got %+v, %v, want the usage of the answer", res, err)
				}
				if tt.sees && seen != spent {
					t.Errorf("around it %+v was seen, want the usage of the answer", seen)
				}
			}
		})
	}
}

// TestAPanicInsideAShadowIsNoSuccess: an interceptor in the shadow that recovers
// from everything recovers from what happens inside of it, and it happened.
func TestAPanicInsideAShadowIsNoSuccess(t *testing.T) {
	recovers := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (_ middleware.Result, _ error) {
			defer func() { _ = recover() }()
			return next(ctx, call)
		}
	}
	boom := func(middleware.Handler) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) { panic("inner") }
	}
	_, err := middleware.Wrap(echo, middleware.Shadow(recovers), boom)(t.Context(), tool(""))
	d := wantDenied(t, err, "", middleware.CodeIndeterminate)
	if p, ok := errors.AsType[*middleware.PanicError](d); !ok || p.Value != "inner" {
		t.Errorf("got %v, want the panic inside", d.Err)
	}

	// And one that calls next elsewhere, where it does not come back.
	elsewhere := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = next(ctx, call) })
			wg.Wait()
			return middleware.Result{}, nil
		}
	}
	res, err := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		runtime.Goexit()
		return middleware.Result{}, nil
	}, middleware.Shadow(elsewhere))(t.Context(), tool(""))
	if err == nil {
		t.Errorf("got %+v and no error of a call that did not return", res)
	}
}

// TestAPanicIsNotTheNamedGatesAroundIt: the trail says of a gate what it decided,
// not what went wrong inside of it.
func TestAPanicIsNotTheNamedGatesAroundIt(t *testing.T) {
	boom := func(middleware.Handler) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) { panic("inner") }
	}
	w := new(watch)
	_, err := middleware.Wrap(echo, w.Intercept, middleware.Named("around", pass), boom)(t.Context(), tool(""))
	d := wantDenied(t, err, "", middleware.CodeIndeterminate)
	if ds := w.trail.Decisions(); len(ds) != 0 {
		t.Errorf("got decisions %+v, want none", ds)
	}
	if p, ok := errors.AsType[*middleware.PanicError](d); !ok || !strings.Contains(string(p.Stack), "TestAPanicIsNotTheNamedGatesAroundIt.func1") {
		t.Errorf("got %v, want a panic that shows where it was", d.Err)
	}
	// Its own panics are, before and after next.
	for _, i := range []middleware.Interceptor{boom, late(func(middleware.Result, error) (middleware.Result, error) { panic("own") })} {
		_, err := middleware.Wrap(echo, w.Intercept, middleware.Named("own", i))(t.Context(), tool(""))
		wantDenied(t, err, "own", middleware.CodeIndeterminate)
	}
}

// TestAContextThatIsNotTheCallsRunsNothing: what reaches a tool under another
// context than its call's would not stand on the trail, and could run twice.
func TestAContextThatIsNotTheCallsRunsNothing(t *testing.T) {
	ran := 0
	count := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran++
		return echo(ctx, call)
	}
	// An earlier call's, that has ended.
	var ended context.Context
	_, _ = middleware.Wrap(echo, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			ended = ctx
			return middleware.Result{}, nil
		}
	})(t.Context(), tool(""))
	var around context.Context // the call's around it
	for name, other := range map[string]func(context.Context) context.Context{
		"no call's":      func(context.Context) context.Context { return context.Background() },
		"an ended one's": func(context.Context) context.Context { return ended },
		"the one around": func(context.Context) context.Context { return around },
	} {
		t.Run(name, func(t *testing.T) {
			ran = 0
			w := new(watch)
			var errs []error
			h := middleware.Wrap(count, w.Intercept, middleware.Before("open", allow), func(next middleware.Handler) middleware.Handler {
				return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					for range 2 {
						_, err := next(other(ctx), call)
						errs = append(errs, err)
					}
					return middleware.Result{}, errs[0]
				}
			})
			_, _ = middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				around = ctx
				return h(ctx, tool("x"))
			}, pass)(t.Context(), tool("around"))
			if _, reached := w.trail.Ran(); ran != 0 || reached {
				t.Errorf("it ran %d times, and the trail says %v", ran, reached)
			}
			for _, err := range errs {
				if err == nil ||
					!strings.Contains(err.Error(), "middleware: tool shell: an interceptor passed on a context that is not derived from the call's") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestKindsThatAreNoneAreRefused(t *testing.T) {
	ran := false
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran = true
		return echo(ctx, call)
	}, pass)
	for kind, want := range map[middleware.Kind]string{
		0:                            "the Call has no Kind",
		middleware.KindRetriever + 1: "kind(6) is no kind of call",
		255:                          "kind(255) is no kind of call",
	} {
		if _, err := h(t.Context(), middleware.Call{Kind: kind, Name: "shell"}); ran || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: ran %v, got %v, want an error with %q", kind, ran, err, want)
		}
	}
	_, _ = middleware.Wrap(echo, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			call.Kind = 99
			if _, err := middleware.Again(ctx, call); err == nil || !strings.Contains(err.Error(), "kind(99)") {
				t.Errorf("again: got %v", err)
			}
			return middleware.Result{}, nil
		}
	})(t.Context(), tool(""))
	gate := middleware.Before("gate", allow)
	wantPanic(t, "On: kind(0) is no kind", func() { middleware.On(0, gate) })
	wantPanic(t, "On: kind(6) is no kind", func() { middleware.On(6, gate) })
	wantPanic(t, "On: no call would come to\n 1 gate, no calls", func() {
		middleware.On(middleware.KindTool, middleware.Shadow(middleware.On(middleware.KindModel, gate)))
	})
	middleware.On(middleware.KindTool, middleware.Compose(middleware.On(middleware.KindModel, gate), pass)) // is for something
}

// TestAgainAfterItsCall: a context that is kept for longer than its call carries
// nothing out.
func TestAgainAfterItsCall(t *testing.T) {
	ran := 0
	var kept context.Context
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran++
		return echo(ctx, call)
	}, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			kept = ctx
			return next(ctx, call)
		}
	})
	if _, err := h(t.Context(), tool("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := middleware.Again(kept, tool("x")); !errors.Is(err, middleware.ErrNoAgain) || ran != 1 {
		t.Errorf("got %v after %d runs, want ErrNoAgain after one", err, ran)
	}
}

// TestGoexitInAGateStopsTheRun: a gate that ends its goroutine has not decided, and
// there is nobody to tell. What else belongs to the run does not go on.
func TestGoexitInAGateStopsTheRun(t *testing.T) {
	exit := func(context.Context, middleware.Call) error {
		runtime.Goexit()
		return nil
	}
	for name, tt := range map[string]struct {
		h       middleware.Handler
		gate    middleware.Interceptor
		stopped bool
	}{
		"a gate before": {echo, middleware.Before("exit", exit), true},
		"a gate after": {echo, middleware.After("exit", func(ctx context.Context, call middleware.Call, _ middleware.Result) error {
			return exit(ctx, call)
		}), true},
		"a gate named": {echo, middleware.Named("exit", func(middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				return middleware.Result{}, exit(ctx, call)
			}
		}), true},
		"what it guards": {func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			return middleware.Result{}, exit(ctx, call)
		}, middleware.Before("open", allow), false},
	} {
		t.Run(name, func(t *testing.T) {
			exits := middleware.Wrap(tt.h, tt.gate)
			var after error
			_, err := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = exits(ctx, tool("x")) })
				wg.Wait()
				_, after = middleware.Wrap(echo, pass)(ctx, tool("next"))
				return middleware.Result{}, after
			}, pass)(t.Context(), tool("run"))
			if !tt.stopped {
				if err != nil {
					t.Errorf("got %v of a run that goes on", err)
				}
				return
			}
			d := wantDenied(t, after, "", middleware.CodeStopped)
			if !strings.Contains(d.Reason, "ended its goroutine") {
				t.Errorf("got %v", d)
			}
		})
	}
}
