package gates_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// crowd makes n calls at the same time and returns how many came through.
func crowd(n int, one func(i int) error) int64 {
	var passed atomic.Int64
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if one(i) == nil {
				passed.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	return passed.Load()
}

// yielding is a tool that lets others go first.
func yielding(context.Context, middleware.Call) (middleware.Result, error) {
	runtime.Gosched()
	return middleware.Result{Output: "ok"}, nil
}

// TestBudgetExact has 1,000 goroutines compete for 100.
func TestBudgetExact(t *testing.T) {
	const goroutines, limit = 1000, 100
	t.Run("tool calls of a run", func(t *testing.T) {
		gate := gates.Budget(gates.Limits{ToolCalls: limit})
		mustRun(t, func(ctx context.Context) {
			if got := crowd(goroutines, func(int) error { return do(ctx, gate, yielding, kit.Tool("a", "")) }); got != limit {
				t.Errorf("got %d through, want %d", got, limit)
			}
			wantSpent(t, ctx, "run/tool_calls", limit, 0)
		})
	})
	t.Run("tool calls of the process, over 10 runs", func(t *testing.T) {
		gate := gates.Budget(gates.Limits{ToolCalls: 50}, gates.Limits{Scope: gates.ScopeProcess, ToolCalls: limit})
		runs := make([]context.Context, 10)
		for i := range runs {
			mustRun(t, func(ctx context.Context) { runs[i] = ctx })
		}
		got := crowd(goroutines, func(i int) error { return do(runs[i%len(runs)], gate, yielding, kit.Tool("a", "")) })
		if got != limit {
			t.Errorf("got %d through, want %d", got, limit)
		}
		sum := int64(0)
		for _, ctx := range runs {
			used, _ := spent(ctx, "run/tool_calls")
			sum += used
		}
		if sum != limit {
			t.Errorf("got %d charged to the runs, want %d: charged together or not at all", sum, limit)
		}
	})
	t.Run("model calls", func(t *testing.T) {
		gate := gates.Budget(gates.Limits{ModelCalls: limit})
		mustRun(t, func(ctx context.Context) {
			if got := crowd(goroutines, func(int) error { return do(ctx, gate, yielding, kit.Model("hi")) }); got != limit {
				t.Errorf("got %d through, want %d", got, limit)
			}
		})
	})
	t.Run("tokens", func(t *testing.T) { // estimates are right: 10 tokens a call
		gate := gates.Budget(gates.Limits{Tokens: 10 * limit, Estimate: 8})
		mustRun(t, func(ctx context.Context) {
			var over atomic.Bool
			got := crowd(goroutines, func(int) error {
				return do(ctx, gate, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					if used, held := spent(ctx, "run/tokens"); used+held > 10*limit {
						over.Store(true)
					}
					runtime.Gosched()
					return kit.Answer("hi", 2, 8)(ctx, call)
				}, kit.Model("hello"))
			})
			if got != limit || over.Load() {
				t.Errorf("got %d through (over the limit: %v), want %d", got, over.Load(), limit)
			}
			wantSpent(t, ctx, "run/tokens", 10*limit, 0)
		})
	})
	t.Run("tokens that estimates miss", func(t *testing.T) { // by 15 a call
		gate := gates.Budget(gates.Limits{Tokens: 10 * limit, Estimate: 8})
		mustRun(t, func(ctx context.Context) {
			got := crowd(goroutines, func(int) error { return do(ctx, gate, kit.Answer("hi", 10, 15), kit.Model("hello")) })
			used, held := spent(ctx, "run/tokens")
			if got > limit || used > 10*limit+15*limit || held != 0 {
				t.Errorf("got %d through, %d used and %d held, want no more overshoot than was underestimated", got, used, held)
			}
		})
	})
	t.Run("batches", func(t *testing.T) { // of 3, of which each tool call draws
		gate := gates.Budget(gates.Limits{Scope: gates.ScopeProcess, ToolCalls: limit})
		var ran, cut atomic.Int64
		crowd(goroutines/5, func(int) error {
			return kit.InRun(func(ctx context.Context) {
				if plan(ctx, gate, 3) != nil {
					return
				}
				for range 3 {
					runtime.Gosched()
					if tool(ctx, gate) != nil {
						cut.Add(1)
					} else {
						ran.Add(1)
					}
				}
			}, gate)
		})
		if ran.Load() != limit/3*3 || cut.Load() != 0 {
			t.Errorf("got %d tool calls through and %d of a batch denied, want %d and none", ran.Load(), cut.Load(), limit/3*3)
		}
	})
}

// A naive budget looks, and adds later.
func naive(limit int64) middleware.Interceptor {
	var used atomic.Int64
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if used.Load() >= limit {
				return middleware.Result{}, middleware.Deny(middleware.CodeOverBudget, "spent")
			}
			res, err := next(ctx, call)
			used.Add(1)
			return res, err
		}
	}
}

// TestToolCallsAreChargedBeforeTheyRun has all calls judged before the first one
// returns. A gate that counts when they return lets all through: so the crowd is
// such that the budget is put to the test.
func TestToolCallsAreChargedBeforeTheyRun(t *testing.T) {
	for name, tt := range map[string]struct {
		gate    middleware.Interceptor
		through int64
	}{
		"counts when they return": {naive(100), 1000},
		"budget":                  {gates.Budget(gates.Limits{ToolCalls: 100}), 100},
		"budget, in a Store": {gates.BudgetWith(gates.BudgetOptions{Store: gates.NewMemory()},
			gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 100, Nameless: gates.NamelessShared}), 100},
	} {
		t.Run(name, func(t *testing.T) {
			inside := make(chan struct{}) // nobody leaves before all have been judged
			var judged sync.WaitGroup
			judged.Add(1000)
			go func() { judged.Wait(); close(inside) }()
			mustRun(t, func(ctx context.Context) {
				got := crowd(1000, func(int) error {
					entered := false
					err := do(ctx, tt.gate, func(context.Context, middleware.Call) (middleware.Result, error) {
						entered = true
						judged.Done()
						<-inside
						return middleware.Result{}, nil
					}, kit.Tool("a", ""))
					if !entered {
						judged.Done()
					}
					return err
				})
				if got != tt.through {
					t.Errorf("got %d through, want %d", got, tt.through)
				}
			})
		})
	}
}
