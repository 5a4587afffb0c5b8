package adaptertest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
)

const reason = "adaptertest says no"

type ctxKey struct{}

func echo(_ context.Context, input string) (string, error) { return input, nil }

// mustNotRun is a tool that fails the test if it is called.
func mustNotRun(t *testing.T) ToolFunc {
	return func(context.Context, string) (string, error) {
		t.Error("the tool ran")
		return "", nil
	}
}

// counted is f, and counts how often it ran.
func counted(n *int, f ToolFunc) ToolFunc {
	return func(ctx context.Context, input string) (string, error) {
		*n++
		return f(ctx, input)
	}
}

func pass(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "pass"}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return next(ctx, call)
	}
}

var errReason = middleware.Deny(middleware.CodePolicy, reason)

func deny(next middleware.Handler) middleware.Handler {
	return middleware.Before("adaptertest", func(context.Context, middleware.Call) error { return errReason })(next)
}

func denyAfter(next middleware.Handler) middleware.Handler {
	return middleware.After("adaptertest", func(context.Context, middleware.Call, middleware.Result) error { return errReason })(next)
}

// denyTool is a gate that denies one tool, when it is called.
func denyTool(name string) middleware.Interceptor {
	return middleware.Before("adaptertest", func(_ context.Context, c middleware.Call) error {
		if c.Kind == middleware.KindTool && c.Name == name {
			return errReason
		}
		return nil
	})
}

// changeCall is an interceptor that changes each call.
func changeCall(change func(*middleware.Call)) middleware.Interceptor {
	return middleware.Transform("t", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
		change(&c)
		return c, true, nil
	})
}

// changeResult is an interceptor that changes each result.
func changeResult(change func(*middleware.Result)) middleware.Interceptor {
	after := func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
		change(&r)
		return r, true, nil
	}
	return middleware.TransformResult("t", after)
}

// A spy is an Interceptor that keeps what it saw.
type spy struct {
	mu      sync.Mutex
	calls   []middleware.Call
	runs    []*middleware.Run
	results []middleware.Result
}

func (s *spy) intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		s.mu.Lock()
		s.calls, s.runs = append(s.calls, call), append(s.runs, middleware.RunOf(ctx))
		s.mu.Unlock()
		res, err := next(ctx, call)
		s.mu.Lock()
		s.results = append(s.results, res)
		s.mu.Unlock()
		return res, err
	}
}

func wantOutput(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil || got != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func wantDenied(t *testing.T, err error, gate string) {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) {
		t.Fatalf("got %v, want a denial", err)
	}
	if d.Gate != gate || d.Reason != reason || d.Code == middleware.CodeStopped {
		t.Errorf("got denial by %q for %q (%s), want %q, %q", d.Gate, d.Reason, d.Code, gate, reason)
	}
}

func wantPanic(t *testing.T, why string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Errorf("%s: no panic at construction", why)
		}
	}()
	f()
}
