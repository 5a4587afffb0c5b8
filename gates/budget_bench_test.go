package gates_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// fourScopes is a budget of run, session, subject and tenant that does not run
// out.
func fourScopes() middleware.Interceptor {
	var all []gates.Limits
	for _, s := range []gates.Scope{gates.ScopeRun, gates.ScopeSession, gates.ScopeSubject, gates.ScopeTenant} {
		all = append(all, gates.Limits{Scope: s, ToolCalls: plenty, ModelCalls: plenty, Tokens: plenty, Cost: plenty})
	}
	return gates.BudgetWith(gates.BudgetOptions{Model: "gpt-4o"}, all...)
}

// nothing is an interceptor that does nothing.
func nothing(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "nothing"}.Handler()
	}
	return next
}

// inRunOfAnn benchmarks in a run of ann's whose chain is guarded too.
func inRunOfAnn(b *testing.B, f func(ctx context.Context), is ...middleware.Interceptor) {
	b.Helper()
	chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		f(ctx)
		return middleware.Result{Output: map[string]any{}}, nil
	}, is...)
	if _, err := chain(middleware.WithIdentity(context.Background(), ann), kit.Chain("run", nil)); err != nil {
		b.Fatal(err)
	}
}

// compare returns what the subjects take over the reference, or skips the
// benchmark where the machine is too restless three times.
func compare(b *testing.B, reference pair.Subject, subjects ...pair.Subject) (results []pair.Result) {
	b.Helper()
	var err error
	for b.Loop() {
		for range 3 {
			if results, err = pair.Compare(reference, subjects...); err == nil {
				break
			}
		}
	}
	if err != nil {
		b.Skip(err)
	}
	return results
}

// BenchmarkTargetBudgetFourScopes is what a budget of four scopes adds to a tool
// call: the difference between a wrapped call with it and one with nothing.
func BenchmarkTargetBudgetFourScopes(b *testing.B) {
	gate := fourScopes()
	inRunOfAnn(b, func(ctx context.Context) {
		call := kit.Tool("noop", "input")
		with, without := middleware.Wrap(noop, gate), middleware.Wrap(noop, nothing)
		pair.WantAllocs(b, 0, func() {
			if _, err := with(ctx, call); err != nil {
				b.Fatal(err)
			}
		})
		loop := func(h middleware.Handler) pair.Subject {
			return func(n int) {
				for range n {
					_, _ = h(ctx, call)
				}
			}
		}
		res := compare(b, pair.SHA256, loop(with), loop(without))
		const goal = float64(150*time.Nanosecond) / float64(680*time.Nanosecond) // of SHA-256 of 1 KiB
		b.ReportMetric((res[0].Ratio-res[1].Ratio)/goal, "goal-x")
		b.ReportMetric(res[0].NS-res[1].NS, "ns/op")
	}, gate)
}

// BenchmarkTargetBudgetCrowd is one tool call of 64 goroutines on one budget of
// four scopes, in wall time, over one of a goroutine alone: less than twice.
func BenchmarkTargetBudgetCrowd(b *testing.B) {
	const goroutines = 64
	gate := fourScopes()
	inRunOfAnn(b, func(ctx context.Context) {
		call := kit.Tool("noop", "input")
		h := middleware.Wrap(noop, gate)
		alone := func(n int) {
			for range n {
				_, _ = h(ctx, call)
			}
		}
		crowd := func(n int) {
			var wg sync.WaitGroup
			for i := range goroutines {
				wg.Go(func() { alone((n + i) / goroutines) })
			}
			wg.Wait()
		}
		res := compare(b, alone, crowd)
		b.ReportMetric(res[0].Wall/2, "goal-x")
		b.ReportMetric(res[0].NS, "ns/op")
	}, gate)
}

// BenchmarkBudgetModelCall is one model call, reserved and settled in four scopes
// and in money, over one that is wrapped with nothing; and in a Store.
func BenchmarkBudgetModelCall(b *testing.B) {
	stored := gates.BudgetWith(gates.BudgetOptions{Store: gates.NewMemory()}, gates.Limits{Scope: gates.ScopeTenant, Tokens: plenty})
	for name, gate := range map[string]middleware.Interceptor{"none": nothing, "four scopes": fourScopes(), "a Store": stored} {
		b.Run(name, func(b *testing.B) {
			inRunOfAnn(b, func(ctx context.Context) {
				h := middleware.Wrap(kit.Answer("hi", 2, 8), gate)
				call := kit.Model("hello")
				b.ReportAllocs()
				for b.Loop() {
					if _, err := h(ctx, call); err != nil {
						b.Fatal(err)
					}
				}
			}, gate)
		})
	}
}

// BenchmarkPrices is the cost of one call.
func BenchmarkPrices(b *testing.B) {
	p := gates.ListPrices()
	u := usageOf(250_000, 100_000, 1_000, 5_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Cost("claude-sonnet-4-5", u); err != nil {
			b.Fatal(err)
		}
	}
}
