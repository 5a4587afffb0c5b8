package gates_test

import (
	"context"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// asks returns so many tool calls for a plan.
func asks(n int) []middleware.ToolCall {
	calls := make([]middleware.ToolCall, n)
	for i := range calls {
		calls[i] = kit.Ask("shell", "ls")
	}
	return calls
}

// plan has the gate judge a batch of n.
func plan(ctx context.Context, gate middleware.Interceptor, n int) error {
	return do(ctx, gate, kit.Planner(asks(n)...), kit.Plan())
}

func tool(ctx context.Context, gate middleware.Interceptor) error {
	return do(ctx, gate, kit.Echo, kit.Tool("shell", "ls"))
}

func TestBudgetPlanRefusedWhole(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 3})
	mustRun(t, func(ctx context.Context) {
		err := plan(ctx, gate, 4)
		d := kit.WantDenied(t, err, middleware.CodeOverBudget)
		if want := "limit tool_calls of the run: asked 4, left 3 of 3"; d.Reason != want {
			t.Errorf("got reason %q, want %q", d.Reason, want)
		}
		wantSpent(t, ctx, "run/tool_calls", 0, 0)
		for range 3 {
			if err := tool(ctx, gate); err != nil {
				t.Errorf("after the refusal: got %v, want all three left", err)
			}
		}
	}, gate)
}

func TestBudgetPlanHolds(t *testing.T) {
	// The process is what two runs compete for.
	gate := gates.Budget(gates.Limits{Scope: gates.ScopeProcess, ToolCalls: 3})
	mustRun(t, func(one context.Context) {
		mustRun(t, func(other context.Context) {
			if err := plan(one, gate, 2); err != nil {
				t.Fatal(err)
			}
			wantSpent(t, one, "process/tool_calls", 0, 2)
			if err := tool(other, gate); err != nil {
				t.Errorf("the one that is not held: got %v", err)
			}
			kit.WantDenied(t, tool(other, gate), middleware.CodeOverBudget) // held for the first run
			for range 2 {
				if err := tool(one, gate); err != nil {
					t.Errorf("a held call: got %v, want it allowed", err)
				}
			}
			kit.WantDenied(t, tool(one, gate), middleware.CodeOverBudget)
			wantSpent(t, one, "process/tool_calls", 3, 0)
		}, gate)
	}, gate)
}

func TestBudgetPlanReleases(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 10})
	outer := middleware.After("outer", func(_ context.Context, call middleware.Call, _ middleware.Result) error {
		return middleware.Deny(middleware.CodePolicy, "no")
	})
	inner := func(ctx context.Context, f func(ctx context.Context)) { // a chain within the run
		_ = do(ctx, gate, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			f(ctx)
			return middleware.Result{}, nil
		}, kit.Chain("inner", nil))
	}
	mustRun(t, func(ctx context.Context) {
		inner(ctx, func(ctx context.Context) {
			_ = plan(ctx, gate, 4)
			_ = tool(ctx, gate)
			wantSpent(t, ctx, "run/tool_calls", 1, 3)
			_ = plan(ctx, gate, 2) // what the first left over goes back
			wantSpent(t, ctx, "run/tool_calls", 1, 2)
			_ = do(ctx, gate, kit.Fail(errTool), kit.Plan()) // also where there is no new plan
			wantSpent(t, ctx, "run/tool_calls", 1, 0)
			_ = do(ctx, middleware.Compose(outer, gate), kit.Planner(asks(5)...), kit.Plan())
			wantSpent(t, ctx, "run/tool_calls", 1, 5) // the gate does not know that it was refused
			_ = plan(ctx, gate, 0)                    // a final answer
			wantSpent(t, ctx, "run/tool_calls", 1, 0)
			_ = plan(ctx, gate, 6)
			inner(ctx, func(ctx context.Context) { // a chain of its own: nothing is held for it
				_ = tool(ctx, gate)
				wantSpent(t, ctx, "run/tool_calls", 2, 6)
				_ = plan(ctx, gate, 2)
				wantSpent(t, ctx, "run/tool_calls", 2, 8)
			})
			wantSpent(t, ctx, "run/tool_calls", 2, 6)
		})
		wantSpent(t, ctx, "run/tool_calls", 2, 0)

		// A chain that panics ends too.
		inner(ctx, func(ctx context.Context) {
			_ = plan(ctx, gate, 3)
			wantSpent(t, ctx, "run/tool_calls", 2, 3)
			panic("at the disco")
		})
		wantSpent(t, ctx, "run/tool_calls", 2, 0)
	}, gate)
}

// TestBudgetPlanTwice checks plans that one chain makes at the same time.
func TestBudgetPlanTwice(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 10})
	mustRun(t, func(ctx context.Context) {
		_ = do(ctx, gate, func(context.Context, middleware.Call) (middleware.Result, error) {
			_ = plan(ctx, gate, 2)
			return middleware.Result{Output: &middleware.Plan{ToolCalls: asks(3)}}, nil
		}, kit.Plan())
		wantSpent(t, ctx, "run/tool_calls", 0, 5)
		_ = plan(ctx, gate, 0)
		wantSpent(t, ctx, "run/tool_calls", 0, 0)
	}, gate)
}

// TestBudgetPlanLate checks that nothing is held for a chain that has ended.
func TestBudgetPlanLate(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 10})
	var ended context.Context
	mustRun(t, func(ctx context.Context) { ended = ctx }, gate)
	if err := plan(ended, gate, 3); err != nil {
		t.Errorf("got %v, want it checked and allowed", err)
	}
	wantSpent(t, ended, "run/tool_calls", 0, 0)
}

// TestBudgetPlanInnerDenial checks that a held call that a gate further inside
// denies is not charged.
func TestBudgetPlanInnerDenial(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 3})
	mustRun(t, func(ctx context.Context) {
		_ = plan(ctx, gate, 2)
		_ = do(ctx, middleware.Compose(gate, deny), kit.Echo, kit.Tool("shell", "ls"))
		wantSpent(t, ctx, "run/tool_calls", 0, 1)
		_ = tool(ctx, gate)
		wantSpent(t, ctx, "run/tool_calls", 1, 0)
	}, gate)
}

// TestBudgetPlanAlone checks that nothing is held for a chain that the gate does
// not guard: nobody would give it back.
func TestBudgetPlanAlone(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 3})
	mustRun(t, func(ctx context.Context) {
		if err := plan(ctx, gate, 3); err != nil {
			t.Errorf("got %v, want it checked and allowed", err)
		}
		wantSpent(t, ctx, "run/tool_calls", 0, 0)
		kit.WantDenied(t, plan(ctx, gate, 4), middleware.CodeOverBudget)
	})
	if err := do(t.Context(), gate, kit.Planner(asks(3)...), kit.Plan()); err != nil { // a root call
		t.Errorf("got %v, want it checked and allowed", err)
	}
	err := do(t.Context(), gate, kit.Planner(asks(4)...), kit.Plan())
	kit.WantDenied(t, err, middleware.CodeOverBudget)
}

// TestBudgetPlanUnreadable checks that the gate denies what it cannot read, and
// leaves alone what was told.
func TestBudgetPlanUnreadable(t *testing.T) {
	for _, limits := range []gates.Limits{{ToolCalls: 3}, {ToolCalls: 3, WallTime: 1 << 40}} {
		gate := gates.Budget(limits)
		for _, output := range []any{nil, "go on", (*middleware.Plan)(nil)} {
			err := do(t.Context(), gate, answer(middleware.Result{Output: output}, nil), kit.Plan())
			kit.WantDenied(t, err, middleware.CodeIndeterminate)
		}
		told := answer(middleware.Result{Output: middleware.Observation("denied")}, nil)
		if err := do(t.Context(), gate, told, kit.Plan()); err != nil {
			t.Errorf("got %v, want an observation to pass", err)
		}
	}
}

// TestBudgetPlanKeepsUsage checks that what a refused plan spent comes back.
func TestBudgetPlanKeepsUsage(t *testing.T) {
	for _, limits := range []gates.Limits{{ToolCalls: 1}, {ToolCalls: 1, WallTime: 1 << 40}} {
		usage := &middleware.Usage{InputTokens: 5, Reported: true}
		h := answer(middleware.Result{Output: &middleware.Plan{ToolCalls: asks(2)}, Usage: usage}, nil)
		res, err := middleware.Wrap(h, gates.Budget(limits))(t.Context(), kit.Plan())
		kit.WantDenied(t, err, middleware.CodeOverBudget)
		if res.Usage != usage || res.Output != nil {
			t.Errorf("got %+v, want the usage alone", res)
		}
	}
}

// TestAPlanMadeAgain checks that a plan which is made again takes the place of the
// one that was refused: that one's calls are not held any more, and its own are.
func TestAPlanMadeAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		plans []int // what each asks for; all but the last are refused
		held  int64
		over  bool // the last is
	}{
		"as many":        {[]int{2, 2}, 2, false},
		"more":           {[]int{1, 2}, 2, false},
		"fewer":          {[]int{2, 1}, 1, false},
		"none":           {[]int{2, 0}, 0, false},
		"too many":       {[]int{1, 3}, 1, true}, // the caller may go back to the first
		"after too many": {[]int{3, 2}, 2, false},
		"three times":    {[]int{2, 2, 2}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, from := range []string{"the first", "the latest"} { // is made again
				gate := gates.Budget(gates.Limits{ToolCalls: 2})
				n := 0
				planner := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					n++
					return kit.Planner(asks(tt.plans[n-1])...)(ctx, call)
				}
				var err error
				again := func(next middleware.Handler) middleware.Handler {
					if next == nil {
						return middleware.Layer{Name: "again"}.Handler()
					}
					return func(ctx context.Context, call middleware.Call) (res middleware.Result, _ error) {
						res, err = next(ctx, call)
						for (from == "the latest" || n == 1) && n < len(tt.plans) {
							res, _ = middleware.Again(ctx, call)
						}
						return middleware.Result{Output: res.Output}, nil
					}
				}
				mustRun(t, func(ctx context.Context) {
					_, _ = middleware.Wrap(planner, again, gate)(ctx, kit.Plan())
					if tt.over {
						if d := kit.WantDenied(t, err, middleware.CodeOverBudget); d.Reason != "limit tool_calls of the run: asked 3, left 2 of 2" {
							t.Errorf("got reason %q", d.Reason)
						}
					} else if err != nil {
						t.Errorf("%s again: got %v", from, err)
					}
					wantSpent(t, ctx, "run/tool_calls", 0, tt.held)
					for range tt.held {
						if err := tool(ctx, gate); err != nil {
							t.Errorf("a held call: %v", err)
						}
					}
					wantSpent(t, ctx, "run/tool_calls", tt.held, 0)
					_ = plan(ctx, gate, 0)
					wantSpent(t, ctx, "run/tool_calls", tt.held, 0)
				}, gate)
			}
		})
	}
}
