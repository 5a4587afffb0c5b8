package middleware_test

import (
	"context"
	"slices"
	"testing"

	"example.com/safeconduct/middleware"
)

// A call finds what the nearest call around it keeps, in a shadow too, and
// nothing of a call beside it.
func TestWithin(t *testing.T) {
	for _, shadow := range []bool{false, true} {
		var depths, others middleware.Within[int]
		var seen []int
		count := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				n := 1
				if around := depths.Find(ctx); around != nil {
					n = *around + 1
				}
				if others.Find(ctx) != nil {
					t.Error("found what another Within holds")
				}
				*depths.New(ctx) = -1 // is replaced
				*depths.New(ctx) = n
				seen = append(seen, *depths.Find(ctx))
				return next(ctx, call)
			}
		}
		var i middleware.Interceptor = count
		if shadow {
			i = middleware.Shadow(count)
		}
		leaf := middleware.Wrap(echo, i)
		between := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			return leaf(ctx, call)
		}, middleware.Before("other", allow))
		root := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if _, err := leaf(ctx, call); err != nil {
				return middleware.Result{}, err
			}
			return between(ctx, call)
		}, i)
		for range 2 {
			if _, err := root(t.Context(), tool("ls")); err != nil {
				t.Fatal(err)
			}
		}
		if want := []int{1, 2, 2, 1, 2, 2}; !slices.Equal(seen, want) {
			t.Errorf("shadow %v: got depths %v, want %v", shadow, seen, want)
		}
	}
	var w middleware.Within[int]
	*w.New(t.Context()) = 1
	if got := w.Find(t.Context()); got != nil {
		t.Errorf("outside of a call: got %d, want nothing", *got)
	}
}
