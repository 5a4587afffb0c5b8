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

func TestOrderIsTheOrderOnThePage(t *testing.T) {
	var order []string
	say := func(name string) middleware.Interceptor {
		return func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				order = append(order, name)
				return next(ctx, call)
			}
		}
	}
	h := middleware.Wrap(echo, say("first"), middleware.Compose(say("second"), say("third")), say("fourth"))
	if _, err := h(t.Context(), tool("ls")); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, " "), "first second third fourth"; got != want {
		t.Errorf("got order %q, want %q", got, want)
	}
}

func TestPanics(t *testing.T) {
	cause := errors.New("cause")
	boom := func(context.Context, middleware.Call) (middleware.Result, error) { panic(cause) }
	_, err := middleware.Wrap(boom, middleware.Before("open", allow))(t.Context(), tool("x"))
	var p *middleware.PanicError
	if !errors.As(err, &p) || p.Call != "shell" || len(p.Stack) == 0 || !errors.Is(err, cause) {
		t.Errorf("a tool's panic came back as %v", err)
	}
	if errors.As(err, new(*middleware.DeniedError)) {
		t.Error("a tool's panic is a denial")
	}
	if got, want := err.Error(), "tool shell panicked"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	gates := map[string]middleware.Interceptor{
		"before":    middleware.Before("before", func(context.Context, middleware.Call) error { panic(cause) }),
		"after":     middleware.After("after", func(context.Context, middleware.Call, middleware.Result) error { panic(cause) }),
		"transform": middleware.Transform("transform", func(context.Context, middleware.Call) (middleware.Call, bool, error) { panic(cause) }),
		"result": middleware.TransformResult("result", func(context.Context, middleware.Call, middleware.Result) (middleware.Result, bool, error) {
			panic(cause)
		}),
		"named": middleware.Named("named", func(middleware.Handler) middleware.Handler { return boom }),
		"":      func(middleware.Handler) middleware.Handler { return boom },
	}
	for gate, i := range gates {
		w := new(watch)
		_, err := middleware.Wrap(echo, w.Intercept, i)(t.Context(), tool("x"))
		wantDenied(t, err, gate, middleware.CodeIndeterminate)
		if !errors.As(err, new(*middleware.PanicError)) || !errors.Is(err, cause) {
			t.Errorf("%s: the denial %v does not wrap the panic", gate, err)
		}
		if ds := w.trail.Decisions(); gate != "" && (len(ds) != 1 || ds[0].Verdict != middleware.VerdictDeny) {
			t.Errorf("%s: got trail %+v, want one denial", gate, ds)
		}
	}
}

func TestGoexitPassesThrough(t *testing.T) {
	released := make(chan bool, 3)
	hold := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			defer func() { released <- true }()
			return next(ctx, call)
		}
	}
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		runtime.Goexit()
		return middleware.Result{}, nil
	}, hold, middleware.Named("n", hold), middleware.Shadow(hold))
	var wg sync.WaitGroup
	returned := false
	wg.Go(func() {
		_, _ = h(t.Context(), tool(""))
		returned = true
	})
	wg.Wait()
	if returned || !<-released {
		t.Error("a call whose goroutine exited returned")
	}
}

func TestContextIsLookedAtBeforeAndAfter(t *testing.T) {
	open := middleware.Before("open", allow)
	ran := false
	ctx, cancel := context.WithCancel(t.Context())
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		ran = true
		cancel()
		return middleware.Result{Output: "cut", Usage: &middleware.Usage{InputTokens: 1}}, nil
	}, open)
	res, err := h(ctx, tool(""))
	if !errors.Is(err, context.Canceled) || res.Output != nil || res.Usage == nil {
		t.Errorf("cancelled while it ran: got %+v, %v", res, err)
	}
	ran = false
	if _, err := h(ctx, tool("")); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("cancelled before: got %v, ran %v", err, ran)
	}

	// A client that hides why it failed.
	ctx, cancel = context.WithCancel(t.Context())
	hidden := errors.New("network error: failed to reach API server")
	_, err = middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		cancel()
		return middleware.Result{}, hidden
	}, open)(ctx, tool(""))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, hidden) {
		t.Errorf("got %v, want both errors", err)
	}

	// Cancelled while a gate waits: nothing was decided.
	ctx, cancel = context.WithCancel(t.Context())
	_, err = middleware.Wrap(echo, middleware.Before("wait", func(ctx context.Context, _ middleware.Call) error {
		cancel()
		return context.Cause(ctx)
	}))(ctx, tool(""))
	if !errors.Is(err, context.Canceled) || errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("cancelled in a gate: got %v", err)
	}
}

func TestNextTwice(t *testing.T) {
	ran := 0
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran++
		return echo(ctx, call)
	}, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			_, _ = next(ctx, call)
			return next(ctx, call)
		}
	})
	if _, err := h(t.Context(), tool("")); err == nil || ran != 1 {
		t.Errorf("got %v after %d runs, want an error after one", err, ran)
	}
}

func TestConstructionPanics(t *testing.T) {
	open := middleware.Before("open", allow)
	w := new(watch)
	for part, f := range map[string]func(){
		"guards nothing":                     func() { middleware.Wrap(echo) },
		"Compose without":                    func() { middleware.Compose() },
		"nil Handler":                        func() { middleware.Wrap(nil, open) },
		"interceptor 1 is nil":               func() { middleware.Wrap(echo, open, nil) },
		"returned a nil Handler":             func() { middleware.Wrap(echo, func(middleware.Handler) middleware.Handler { return nil }) },
		"needs a gate's name":                func() { middleware.Before("", allow) },
		"Before(x): nil check":               func() { middleware.Before("x", nil) },
		"watch stands inside the gate open":  func() { middleware.Wrap(echo, open, w.Intercept) },
		"open stands twice":                  func() { middleware.Wrap(echo, open, middleware.Shadow(open)) },
		"watch stands twice":                 func() { middleware.Wrap(echo, w.Intercept, w.Intercept) },
		"Tell stands innermost":              func() { middleware.Wrap(echo, open, middleware.Tell) },
		"On: interceptor 0 is nil":           func() { middleware.On(middleware.KindTool, nil) },
		"Shadow: interceptor 0 is nil":       func() { middleware.Shadow(nil) },
		"Named needs":                        func() { middleware.Named("", open) },
		"watch stands inside the gate inner": func() { middleware.Wrap(echo, middleware.Compose(middleware.Named("inner", pass), w.Intercept)) },
	} {
		t.Run(part, func(t *testing.T) { wantPanic(t, part, f) })
	}
	// These make sense.
	middleware.Wrap(echo, middleware.Shadow(open), w.Intercept, middleware.Tell, middleware.Before("b", allow))
	middleware.Wrap(echo, middleware.On(middleware.KindTool, open), middleware.On(middleware.KindModel, open))
}

func TestOnion(t *testing.T) {
	w := new(watch)
	got := middleware.Onion(w.Intercept, middleware.Tell,
		middleware.Compose(middleware.Before("a", allow), middleware.On(middleware.KindTool, middleware.Before("b", allow))),
		middleware.Shadow(middleware.Named("c", pass)), pass)
	want := ` 1 watch
 2 tell
 3 a
 4 b, tool calls only
 5 c, shadow
 6 middleware_test.pass
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Scopes of one run share their allocation, and nothing else.
