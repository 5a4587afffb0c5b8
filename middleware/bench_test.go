package middleware_test

import (
	"context"
	"fmt"
	"testing"

	"example.com/safeconduct/middleware"
)

// pass is a user's interceptor: it looks at the call and passes.
func pass(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if call.Kind == middleware.KindRetriever {
			return middleware.Result{}, nil
		}
		return next(ctx, call)
	}
}

func noop(context.Context, middleware.Call) (middleware.Result, error) {
	return middleware.Result{}, nil
}

func repeat(i middleware.Interceptor, n int) []middleware.Interceptor {
	is := make([]middleware.Interceptor, n)
	for k := range is {
		is[k] = i
	}
	return is
}

func BenchmarkCompose(b *testing.B) {
	for _, n := range []int{0, 1, 4, 16, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := middleware.Handler(noop)
			if n > 0 {
				h = middleware.Compose(repeat(pass, n)...)(h)
			}
			ctx, call := context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "noop"}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(ctx, call)
			}
		})
	}
}

func BenchmarkWrap(b *testing.B) {
	allow := func(context.Context, middleware.Call) error { return nil }
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var gates []middleware.Interceptor
			for range n {
				gates = append(gates, middleware.Before("allow", allow))
			}
			h := middleware.Wrap(noop, gates...)
			inRun(func(ctx context.Context) {
				call := middleware.Call{Kind: middleware.KindTool, Name: "noop"}
				b.ReportAllocs()
				for b.Loop() {
					_, _ = h(ctx, call)
				}
			})
		})
	}
}

// inRun calls f within a run, as a chain would.
func inRun(f func(ctx context.Context)) {
	_, err := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		f(ctx)
		return middleware.Result{}, nil
	}, pass)(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err != nil {
		panic(err)
	}
}

// BenchmarkStream is one chunk of a stream of 100, on its way through a gate.
func BenchmarkStream(b *testing.B) {
	const chunks = 100
	token := middleware.Chunk{Text: []byte(" token")}
	h := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for range chunks {
			if err := call.Stream(ctx, token); err != nil {
				return middleware.Result{}, err
			}
		}
		return middleware.Result{Output: ""}, nil
	}
	keep := middleware.After("keep", func(context.Context, middleware.Call, middleware.Result) error { return nil })
	for _, m := range []struct {
		name string
		gate middleware.Interceptor
	}{{"buffer", keep}, {"window", middleware.Window(64, keep)}, {"pass-through", middleware.PassThrough(keep)}} {
		b.Run(m.name, func(b *testing.B) {
			h := middleware.Wrap(h, m.gate)
			inRun(func(ctx context.Context) {
				call := middleware.Call{Kind: middleware.KindModel, Name: "m", Stream: func(context.Context, middleware.Chunk) error { return nil }}
				b.ReportAllocs()
				for range b.N / chunks {
					_, _ = h(ctx, call)
				}
			})
		})
	}
}
