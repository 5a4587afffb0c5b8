package gates_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

const minute = time.Minute

// TestBudgetWindow checks that a limit for a time window begins anew with each,
// for every scope, in the gate and in a Store. The clock is fake.
func TestBudgetWindow(t *testing.T) {
	for _, scope := range []gates.Scope{gates.ScopeRun, gates.ScopeSession, gates.ScopeSubject, gates.ScopeTenant, gates.ScopeProcess} {
		for _, store := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, store %v", scope, store), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := gates.BudgetOptions{}
					if store {
						o.Store = gates.NewMemory()
					}
					gate := gates.BudgetWith(o,
						gates.Limits{Scope: scope, Window: minute, ToolCalls: 2, Tokens: 200},
						gates.Limits{Scope: scope, Window: 24 * time.Hour, ToolCalls: 5})
					as(t, ann, func(ctx context.Context) {
						time.Sleep(time.Hour) // a window begins with its first call
						passed := func(n int) (passed int) {
							for range n {
								if tool(ctx, gate) == nil {
									passed++
								}
							}
							return passed
						}
						for _, step := range []struct {
							wait time.Duration
							want int
						}{
							{0, 2}, {59 * time.Second, 0}, {time.Second - 1, 0}, {1, 2}, {30 * time.Second, 0},
							{time.Hour, 1}, {time.Hour, 0}, // the day is spent
							{22 * time.Hour, 2}, {minute, 2}, {minute, 1}, {minute, 0},
						} {
							time.Sleep(step.wait)
							if got := passed(3); got != step.want {
								t.Fatalf("after %v more: got %d through, want %d", step.wait, got, step.want)
							}
						}
					})
				})
			})
		}
	}
}

// TestBudgetWindowReason checks what a denial says of a window.
func TestBudgetWindowReason(t *testing.T) {
	for window, want := range map[time.Duration]string{
		minute: "1m", time.Hour: "1h", 24 * time.Hour: "24h", 90 * time.Second: "1m30s", 90 * minute: "1h30m", time.Second / 2: "500ms",
	} {
		gate := gates.Budget(gates.Limits{Scope: gates.ScopeTenant, Window: window, ToolCalls: 1})
		as(t, ann, func(ctx context.Context) {
			_ = tool(ctx, gate)
			if d := wantOver(t, tool(ctx, gate)); d.Reason != "limit tool_calls per "+want+" of the tenant: asked 1, left 0 of 1" {
				t.Errorf("got reason %q", d.Reason)
			}
		})
	}
}

// TestBudgetWindowByTheCallsBegin checks that a call counts in the window in
// which it began: it neither takes from the next one nor adds to it.
func TestBudgetWindowByTheCallsBegin(t *testing.T) {
	for _, store := range []bool{false, true} {
		t.Run(fmt.Sprintf("store %v", store), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := gates.BudgetOptions{}
				if store {
					o.Store = gates.NewMemory()
				}
				gate := gates.BudgetWith(o, gates.Limits{Scope: gates.ScopeTenant, Window: minute, ModelCalls: 1, ToolCalls: 3, Tokens: 100, Estimate: 50})
				as(t, ann, func(ctx context.Context) {
					slow := func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
						time.Sleep(90 * time.Second)
						if err := do(ctx, gate, kit.Answer("", 3, 4), kit.Model("hello")); err != nil {
							t.Errorf("the next window: got %v, want it empty", err)
						}
						u := usageOf(500, 0, 0, 500, 0) // of the call that began before
						return middleware.Result{Usage: &u}, nil
					}
					if err := do(ctx, gate, slow, kit.Model("hello")); err != nil {
						t.Fatal(err)
					}
					wantSpent(t, ctx, "tenant/tokens per 1m", 7, 0)

					// A tool call that comes to nothing gives back what it took
					// to the window that it took it from, and so does a batch.
					late := middleware.Before("late", func(ctx context.Context, _ middleware.Call) error {
						time.Sleep(90 * time.Second)
						return tool(ctx, gate)
					})
					_ = do(ctx, middleware.Compose(gate, late, deny), kit.Echo, kit.Tool("shell", "ls"))
					wantSpent(t, ctx, "tenant/tool_calls per 1m", 1, 0)
					if err := plan(ctx, gate, 2); err != nil {
						t.Fatal(err)
					}
					time.Sleep(90 * time.Second)
					for i := range 4 { // the batch was held in a window that is over
						if err := tool(ctx, gate); (err == nil) != (i < 3) {
							t.Errorf("call %d: got %v", i, err)
						}
					}
					_ = plan(ctx, gate, 0)
					wantSpent(t, ctx, "tenant/tool_calls per 1m", 3, 0)

					time.Sleep(90 * time.Second)
					_ = plan(ctx, gate, 3)
					time.Sleep(90 * time.Second)
					_ = tool(ctx, gate)
					_ = plan(ctx, gate, 0) // what is left of it was held in a window that is over
					wantSpent(t, ctx, "tenant/tool_calls per 1m", 1, 0)
				}, gate)
			})
		})
	}
}

// TestBudgetClockJumps has a clock that goes back an hour and forward ten years:
// a window is refilled once for each that has passed, however often the clock
// comes by its end. The monotonic clock that the gate reads does not jump; the
// gate does not rely on it alone.
func TestBudgetClockJumps(t *testing.T) {
	for _, store := range []bool{false, true} {
		now := 10 * time.Hour
		clock := func() time.Duration { return now }
		o := gates.BudgetOptions{}
		if store {
			o.Store = gates.MemoryByClock(clock)
		}
		gate := gates.BudgetByClock(clock, o, gates.Limits{Scope: gates.ScopeSubject, Window: minute, ToolCalls: 2})
		as(t, ann, func(ctx context.Context) {
			for i, step := range []struct {
				now  time.Duration
				want int
			}{
				{10 * time.Hour, 2},
				{10*time.Hour + minute, 2},
				{9 * time.Hour, 0},                                  // back
				{9*time.Hour + 5*minute, 0},                         // and on, in the past
				{10*time.Hour + minute, 0},                          // by the same end once more
				{10*time.Hour + minute + 59e9, 0},                   //
				{10*time.Hour + 2*minute, 2},                        // a new minute at last
				{10*365*24*time.Hour + 10*time.Hour, 2},             // forward ten years
				{10 * time.Hour, 0},                                 // and back
				{10*time.Hour + 5*minute, 0},                        //
				{10*365*24*time.Hour + 11*time.Hour, 2},             //
				{0, 0}, {-time.Hour, 0}, {1 << 62, 2}, {1 << 62, 0}, // to either end
			} {
				now = step.now
				got := 0
				for range 3 {
					if tool(ctx, gate) == nil {
						got++
					}
				}
				if got != step.want {
					t.Errorf("store %v, step %d: got %d through, want %d", store, i, got, step.want)
				}
			}
		})
	}
}

// TestBudgetForgetsWindows checks that accounts whose window is over do not stay,
// and that a run that has met one goes on with its successor.
func TestBudgetForgetsWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := gates.NewMemory()
		inside := gates.Budget(gates.Limits{Scope: gates.ScopeSession, Window: minute, ToolCalls: 2})
		outside := gates.BudgetWith(gates.BudgetOptions{Store: store}, gates.Limits{Scope: gates.ScopeSession, Window: minute, ToolCalls: 2})
		for _, gate := range []middleware.Interceptor{inside, outside} {
			as(t, ann, func(old context.Context) {
				_ = tool(old, gate)
				for i := range 3 { // three times as many as fit
					time.Sleep(2 * minute)
					for k := range 1500 {
						as(t, middleware.Identity{Session: fmt.Sprint(i, k)}, func(ctx context.Context) {
							if err := tool(ctx, gate); err != nil {
								t.Fatal(err)
							}
						})
					}
				}
				as(t, ann, func(ctx context.Context) { // the same session in another run
					if tool(ctx, gate) != nil || tool(old, gate) != nil || tool(ctx, gate) == nil || tool(old, gate) == nil {
						t.Error("two runs of a session do not share its new window")
					}
				})
			})
		}
		time.Sleep(time.Hour)
		as(t, ann, func(ctx context.Context) { _ = tool(ctx, outside) })
		if holds, accounts := store.Known(); holds > 1 || accounts > 3100 {
			t.Errorf("got %d reservations and %d accounts, want the old ones forgotten", holds, accounts)
		}
	})
}
