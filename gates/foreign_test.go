package gates_test

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// broken is an error whose methods panic, as those of a nil pointer in one do.
func broken() error { var e *fs.PathError; return fmt.Errorf("x: %w", e) }

// TestBrokenErrors shows that an error of an interceptor's or a Store's whose
// methods panic comes back, or denies, as any other one does.
func TestBrokenErrors(t *testing.T) {
	store := &faulty{Store: gates.NewMemory(), fail: func(context.Context, string) error { return broken() }}
	limits := gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 10, ModelCalls: 10, Tokens: 10_000, Nameless: gates.NamelessShared}
	for name, tt := range map[string]struct {
		gate middleware.Interceptor
		code middleware.Code // empty where the error comes back
	}{
		"loop":               {gates.Loop(gates.LoopRules{}), ""},
		"size":               {gates.Size(gates.SizeRules{}), ""},
		"deadline":           {gates.Deadline(gates.DeadlineRules{Call: time.Hour, Run: time.Hour}), ""},
		"deadline, passed":   {gates.Deadline(gates.DeadlineRules{Run: time.Second}), ""},
		"budget":             {gates.Budget(gates.Limits{ToolCalls: 10, Tokens: 10_000}), ""},
		"budget, timed":      {gates.Budget(gates.Limits{ToolCalls: 10, Tokens: 10_000, WallTime: time.Second}), ""},
		"a Store":            {gates.BudgetWith(gates.BudgetOptions{Store: gates.NewMemory()}, limits), ""},
		"a Store that fails": {gates.BudgetWith(gates.BudgetOptions{Store: store}, limits), middleware.CodeIndeterminate},
	} {
		for _, call := range []middleware.Call{kit.Tool("a", "{}"), kit.Model("hello"), kit.Plan()} {
			if name == "a Store that fails" && call.Kind == middleware.KindPlan {
				continue // asks the Store only for what a plan asks
			}
			synctest.Test(t, func(t *testing.T) {
				var seen error
				breaks := around(func() error { time.Sleep(time.Minute); return broken() }, nil) // which nobody has looked at yet
				_, _ = middleware.Wrap(kit.Echo, lenient(&seen), tt.gate, breaks)(t.Context(), call)
				if tt.code != "" {
					if d, ok := seen.(*middleware.DeniedError); !ok || d.Code != tt.code || d.Gate == "" {
						t.Errorf("%s, %v: got %T, want a denial with %s", name, call.Kind, seen, tt.code)
					}
				} else if _, denied := seen.(*middleware.DeniedError); denied || seen == nil {
					t.Errorf("%s, %v: got %T %+v", name, call.Kind, seen, seen)
				}
			})
		}
	}
}

// TestAStoreThatEndsTheGoroutine shows that nothing stays held here of a call for
// which the Store was asked in vain.
func TestAStoreThatEndsTheGoroutine(t *testing.T) {
	store := &faulty{Store: gates.NewMemory(), fail: func(context.Context, string) error { runtime.Goexit(); return nil }}
	gate := gates.BudgetWith(gates.BudgetOptions{Store: store},
		gates.Limits{ToolCalls: 1, ModelCalls: 1, Tokens: 10_000},
		gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 10, ModelCalls: 10})
	as(t, ann, func(ctx context.Context) {
		for _, call := range []middleware.Call{kit.Tool("a", ""), kit.Model("hello")} {
			over := make(chan struct{})
			go func() {
				defer close(over)
				_ = do(ctx, gate, kit.Echo, call)
			}()
			<-over
		}
		wantSpent(t, ctx, "run/tool_calls", 0, 0)
		wantSpent(t, ctx, "run/model_calls", 0, 0)
		wantSpent(t, ctx, "run/tokens", 0, 0)
	})
}
