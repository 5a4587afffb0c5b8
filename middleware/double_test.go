package middleware_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

func echo(_ context.Context, call middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: call.Input}, nil
}

func tool(input string) middleware.Call {
	return middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: input}
}

// watch is a recorder: it keeps the trail of the last call.
type watch struct{ trail middleware.Trail }

func (w *watch) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "watch", Recorder: true, ID: w}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		w.trail = middleware.Observe(ctx)
		return next(ctx, call)
	}
}

func allow(context.Context, middleware.Call) error { return nil }

func deny(context.Context, middleware.Call) error {
	return middleware.Deny(middleware.CodePolicy, "not today")
}

func wantDenied(t *testing.T, err error, gate string, code middleware.Code) *middleware.DeniedError {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) {
		t.Fatalf("got error %v, want a DeniedError", err)
	}
	if d.Gate != gate || d.Code != code {
		t.Fatalf("got denial by %q with code %q, want %q, %q", d.Gate, d.Code, gate, code)
	}
	return d
}

func wantPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		if s, ok := v.(string); !ok || !strings.Contains(s, part) {
			t.Fatalf("got panic %v, want one with %q", v, part)
		}
	}()
	f()
}
