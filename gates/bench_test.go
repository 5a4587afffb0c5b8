package gates_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

const plenty = 1 << 60

// What one call allocates, rounded down as testing.AllocsPerRun has it: the
// places of calls in their run are made several at a time. A denial takes its
// reason and the error.
const (
	allowAllocs  = 0
	denialAllocs = 2
)

// noop is a tool that does nothing.
func noop(context.Context, middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: "ok"}, nil
}

// twoScopes is a budget of the run and of the process that does not run out.
func twoScopes() middleware.Interceptor {
	return gates.Budget(
		gates.Limits{ToolCalls: plenty, Tokens: plenty},
		gates.Limits{Scope: gates.ScopeProcess, ToolCalls: plenty},
	)
}

// inRun benchmarks in a run whose chain is guarded too.
func inRun(b *testing.B, f func(ctx context.Context), is ...middleware.Interceptor) {
	b.Helper()
	if err := kit.InRun(f, is...); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTargetGuardedToolCall is one tool call through ingress, allowlist,
// and a budget of two scopes, with its decisions on the trail.
func BenchmarkTargetGuardedToolCall(b *testing.B) {
	guard := middleware.Compose(gates.Ingress(gates.IngressRules{}), gates.Tools("noop"), twoScopes())
	h := middleware.Wrap(noop, guard)
	inRun(b, func(ctx context.Context) {
		call := kit.Tool("noop", "input")
		pair.WantAllocs(b, allowAllocs, func() {
			if _, err := h(ctx, call); err != nil {
				b.Fatal(err)
			}
		})
		pair.TargetTime(b, 250*time.Nanosecond, func(n int) {
			for range n {
				_, _ = h(ctx, call)
			}
		})
	}, guard)
}

// BenchmarkTargetDenial is one tool call that the allowlist refuses, with the
// denial on the trail. The outermost interceptor keeps it from stopping the run.
func BenchmarkTargetDenial(b *testing.B) {
	var err error
	guard := middleware.Compose(gates.Ingress(gates.IngressRules{}), gates.Tools("calculator"), twoScopes())
	h := middleware.Wrap(noop, lenient(&err), guard)
	inRun(b, func(ctx context.Context) {
		call := kit.Tool("shell", "input")
		if _, _ = h(ctx, call); !denied(err, middleware.CodeToolNotAllowed) {
			b.Fatalf("got %v, want a denial", err)
		}
		pair.WantAllocs(b, denialAllocs, func() { _, _ = h(ctx, call) })
		pair.TargetTime(b, 400*time.Nanosecond, func(n int) {
			for range n {
				_, _ = h(ctx, call)
			}
		})
	}, guard)
}

// BenchmarkDenialTold is the same denial, told to the model.
func BenchmarkDenialTold(b *testing.B) {
	guard := middleware.Compose(gates.Ingress(gates.IngressRules{}), gates.Tools("calculator"), twoScopes())
	h := middleware.Wrap(noop, middleware.Tell, guard)
	inRun(b, func(ctx context.Context) {
		call := kit.Tool("shell", "input")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = h(ctx, call)
		}
	}, guard)
}

// BenchmarkTargetInterceptorLayer is one of 64 layers that look at the call and
// pass it on.
func BenchmarkTargetInterceptorLayer(b *testing.B) {
	const layers = 64
	look := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if call.Kind == 0 {
				return middleware.Result{}, nil
			}
			return next(ctx, call)
		}
	}
	is := make([]middleware.Interceptor, layers)
	for i := range is {
		is[i] = look
	}
	h := middleware.Compose(is...)(noop)
	ctx, call := context.Background(), kit.Tool("noop", "input")
	pair.WantAllocs(b, 0, func() { _, _ = h(ctx, call) })
	pair.TargetTime(b, layers*8*time.Nanosecond, func(n int) {
		for range n {
			_, _ = h(ctx, call)
		}
	})
}

// BenchmarkTools shows that the cost of the allowlist does not grow with it.
func BenchmarkTools(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("tool %d", i)
		}
		gate := gates.Tools(names...)
		for kind, bb := range map[string]struct {
			h    middleware.Handler
			call middleware.Call
		}{
			"call": {noop, kit.Tool(names[n/2], "input")},
			"plan": {answer(middleware.Result{Output: &middleware.Plan{ToolCalls: []middleware.ToolCall{kit.Ask(names[n/2], "")}}}, nil), kit.Plan()},
		} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				h := gate(bb.h)
				b.ReportAllocs()
				for b.Loop() {
					_, _ = h(context.Background(), bb.call)
				}
			})
		}
	}
}

// BenchmarkUnconcerned shows what a gate costs a call that is not its business.
func BenchmarkUnconcerned(b *testing.B) {
	tests := []struct {
		name string
		gate middleware.Interceptor
		call middleware.Call
	}{
		{"none", func(next middleware.Handler) middleware.Handler { return next }, kit.Tool("noop", "")},
		{"ingress", gates.Ingress(gates.IngressRules{}), middleware.Call{Kind: middleware.KindTool, Parent: 1, Input: ""}},
		{"tools", gates.Tools("noop"), kit.Model("hello")},
		{"budget", gates.Budget(gates.Limits{ToolCalls: plenty}), kit.Model("hello")},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			h := tt.gate(noop)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(context.Background(), tt.call)
			}
		})
	}
}

// BenchmarkBudget shows one tool call of one run, alone and with others at the
// same time, under one scope and under two.
func BenchmarkBudget(b *testing.B) {
	tests := map[string]middleware.Interceptor{
		"run":     gates.Budget(gates.Limits{ToolCalls: plenty}),
		"process": twoScopes(),
	}
	for name, gate := range tests {
		h := middleware.Wrap(noop, gate)
		b.Run(name, func(b *testing.B) {
			inRun(b, func(ctx context.Context) {
				call := kit.Tool("noop", "input")
				b.ReportAllocs()
				for b.Loop() {
					_, _ = h(ctx, call)
				}
			})
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				inRun(b, func(ctx context.Context) {
					call := kit.Tool("noop", "input")
					for pb.Next() {
						_, _ = h(ctx, call)
					}
				})
			})
		})
	}
}

// BenchmarkIngress shows what a root call takes, by its size.
func BenchmarkIngress(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			inputs := make(map[string]any, n)
			for i := range n {
				inputs[fmt.Sprintf("key %d", i)] = map[string]any{"text": "What is 19 * 23?", "tags": []any{"a", 1.0, true}}
			}
			h := gates.Ingress(gates.IngressRules{})(noop)
			call := kit.Chain("qa", inputs)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(context.Background(), call)
			}
		})
	}
}
