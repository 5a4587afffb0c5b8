package middlewaretest

import (
	"context"
	"testing"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// InRun calls f within a run of its own, as a chain would: wrapped calls under
// ctx are that chain's calls, and share what gates keep for a run. The chain
// itself is guarded by the interceptors given, the first outermost; there may
// be none.
//
// InRun returns what comes out of the guarded chain: nil, or the denial of one
// of its interceptors. A panic of f goes on.
func InRun(f func(ctx context.Context), is ...middleware.Interceptor) error {
	var panicked any
	chain := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		defer func() {
			if panicked = recover(); panicked != nil {
				panic(panicked)
			}
		}()
		f(ctx)
		return middleware.Result{Output: call.Input}, nil
	}, append([]middleware.Interceptor{pass}, is...)...)
	_, err := chain(context.Background(), Chain("run", nil))
	if panicked != nil {
		panic(panicked)
	}
	return err
}

// pass is an Interceptor that does nothing.
func pass(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "pass"}.Handler()
	}
	return next
}

// WantDenied ends the test unless err is a denial with this code. It returns
// the denial for closer looks.
func WantDenied(t testing.TB, err error, code middleware.Code) *middleware.DeniedError {
	t.Helper()
	d, _ := foreign.As[*middleware.DeniedError](err)
	if d == nil {
		t.Fatalf("got error %v, want a denial with code %s", err, code)
		return nil
	}
	if d.Code != code {
		t.Fatalf("got a denial with code %s (%v), want code %s", d.Code, d, code)
	}
	return d
}
