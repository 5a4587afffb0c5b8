package gates_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// trail returns an interceptor that keeps what the gates inside noted.
func trail(to *[]middleware.Decision) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "trail"}.Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			*to = middleware.TrailOf(ctx).Decisions()
			return res, err
		}
	}
}

// TestBudgetStoreFails checks that a call is denied, soon, while the Store is
// down, hung, slow or out of its mind, and charged nowhere.
func TestBudgetStoreFails(t *testing.T) {
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &faulty{Store: gates.NewMemory(), fail: fail}
				gate := gates.BudgetWith(gates.BudgetOptions{Store: store},
					gates.Limits{ToolCalls: 9, ModelCalls: 9, Tokens: 9_000}, gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 9, Tokens: 9_000})
				as(t, ann, func(ctx context.Context) {
					for _, call := range []middleware.Call{kit.Tool("shell", "ls"), kit.Model("hi"), kit.Plan()} {
						began := time.Now()
						err := do(ctx, gate, kit.Planner(asks(2)...), call)
						d := kit.WantDenied(t, err, middleware.CodeIndeterminate)
						if d.Reason != "the store of the budget failed: BudgetOptions.LocalShare lets a share pass then" || d.Gate != "budget" || strings.Contains(d.Error(), "secret") {
							t.Errorf("%v: got %v", call.Kind, d)
						}
						if took := time.Since(began); took > 2*gates.DefaultStoreTimeout {
							t.Errorf("%v: took %v", call.Kind, took)
						}
					}
					wantSpent(t, ctx, "run/tool_calls", 0, 0)
					wantSpent(t, ctx, "run/model_calls", 0, 0)
					wantSpent(t, ctx, "run/tokens", 0, 0)
				}, gate)
				wantAccount(t, store.Store, "tenant?window=0&tenant=acme", 0, 0)
			})
		})
	}
}

// TestBudgetStoreShare checks the other mode: while the Store fails each of two
// processes allows its share, with a note, and together no more than twice the
// limit once the Store is back.
func TestBudgetStoreShare(t *testing.T) {
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down := true
				shared := gates.NewMemory()
				process := func() middleware.Interceptor {
					store := &faulty{Store: shared, fail: func(ctx context.Context, what string) error {
						if down {
							return fail(ctx, what)
						}
						return nil
					}}
					return gates.BudgetWith(gates.BudgetOptions{Store: store, LocalShare: 2},
						gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 10, ModelCalls: 3, Tokens: 1000, Estimate: 50})
				}
				one, other := process(), process()
				as(t, ann, func(ctx context.Context) {
					through := func(gate middleware.Interceptor, call middleware.Call) (n int64, noted bool) {
						for range 20 {
							var decisions []middleware.Decision
							if do(ctx, middleware.Compose(trail(&decisions), gate), kit.Answer("", 1, 1), call) == nil {
								n++
							}
							for _, d := range decisions {
								noted = noted || d.Reason == "the store of the budget failed: this process allows its share"
							}
						}
						return n, noted
					}
					for _, gate := range []middleware.Interceptor{one, other} {
						if n, noted := through(gate, kit.Tool("shell", "ls")); n != 5 || !noted {
							t.Errorf("got %d tool calls through (noted: %v), want 5", n, noted)
						}
						if n, noted := through(gate, kit.Model("hello")); n != 1 || !noted {
							t.Errorf("got %d model calls through (noted: %v), want the 1 that 1.5 comes to", n, noted)
						}
					}
					down = false
					n, noted := through(one, kit.Tool("shell", "ls"))
					if n != 10 || noted {
						t.Errorf("after: got %d tool calls through (noted: %v), want 10", n, noted)
					}
				})
			})
		})
	}
}

// TestBudgetStoreShareGivesBack checks that what came to nothing takes nothing of
// the share.
func TestBudgetStoreShareGivesBack(t *testing.T) {
	o := gates.BudgetOptions{Store: &faulty{Store: gates.NewMemory(), fail: failures["down"]}, LocalShare: 1}
	gate := gates.BudgetWith(o, gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 2, ModelCalls: 1})
	as(t, ann, func(ctx context.Context) {
		for range 3 {
			_ = do(ctx, middleware.Compose(gate, deny), kit.Echo, kit.Tool("shell", "ls"))
			_ = do(ctx, middleware.Compose(gate, deny), kit.Echo, kit.Model("hello"))
			if err := plan(ctx, gate, 2); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if err := tool(ctx, gate); err != nil {
				t.Error(err)
			}
		}
		kit.WantDenied(t, plan(ctx, gate, 1), middleware.CodeOverBudget)
		if err := do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")); err != nil {
			t.Error(err)
		}
		kit.WantDenied(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")), middleware.CodeOverBudget)
	})
}

// TestBudgetRoomOfWindows checks that windows that are over make room.
func TestBudgetRoomOfWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := gates.BudgetWithRoom(3, gates.BudgetOptions{}, gates.Limits{Scope: gates.ScopeSession, Window: minute, ToolCalls: 5})
		for i := range 12 {
			as(t, middleware.Identity{Session: fmt.Sprint(i)}, func(ctx context.Context) {
				if err := tool(ctx, gate); (err == nil) != (i%4 < 3) {
					t.Errorf("session %d: got %v", i, err)
				}
				if i%4 == 3 {
					time.Sleep(minute)
				}
			})
		}
	})
}

// TestBudgetNoRoom checks that a gate that has no room to count for somebody
// denies.
func TestBudgetNoRoom(t *testing.T) {
	session := func(i int) middleware.Identity { return middleware.Identity{Session: fmt.Sprint(i)} }
	limits := gates.Limits{Scope: gates.ScopeSession, ToolCalls: 5, ModelCalls: 5}
	memory := gates.NewMemory()
	memory.SetRoom(3)
	down := &faulty{Store: memory, fail: failures["down"]}
	for name, tt := range map[string]struct {
		gate   middleware.Interceptor
		reason string
	}{
		"the gate's own": {gates.BudgetWithRoom(3, gates.BudgetOptions{}, limits), "there is no room to count for another session"},
		"a Store":        {gates.BudgetWith(gates.BudgetOptions{Store: memory}, limits), "the store of the budget failed: BudgetOptions.LocalShare lets a share pass then"},
		"a share": {gates.BudgetWithRoom(3, gates.BudgetOptions{Store: down, LocalShare: 1}, limits),
			"there is no room to count while the store of the budget fails"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 5 {
				as(t, session(i), func(ctx context.Context) {
					for _, err := range []error{tool(ctx, tt.gate), do(ctx, tt.gate, kit.Answer("", 1, 1), kit.Model("hello")), tool(ctx, tt.gate)} {
						if i < 3 {
							if err != nil {
								t.Error(err)
							}
							continue
						}
						if d := kit.WantDenied(t, err, middleware.CodeIndeterminate); d.Reason != tt.reason {
							t.Errorf("got reason %q, want %q", d.Reason, tt.reason)
						}
					}
				})
			}
			as(t, session(1), func(ctx context.Context) {
				if err := tool(ctx, tt.gate); err != nil {
					t.Errorf("one that has an account: got %v", err)
				}
			})
		})
	}
}

// TestBudgetStoreSettles checks that a settlement that fails is tried again, and
// is otherwise noted; what was held expires.
func TestBudgetStoreSettles(t *testing.T) {
	for _, failing := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(failing), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := failing
				store := &faulty{Store: gates.NewMemory()}
				store.fail = func(_ context.Context, what string) error {
					if what == "settle" && left > 0 {
						left--
						return errStore
					}
					return nil
				}
				gate := gates.BudgetWith(gates.BudgetOptions{Store: store, Lease: minute}, gates.Limits{Scope: gates.ScopeTenant, Tokens: 1000, Estimate: 50})
				as(t, ann, func(ctx context.Context) {
					var decisions []middleware.Decision
					if err := do(ctx, middleware.Compose(trail(&decisions), gate), kit.Answer("", 20, 30), kit.Model("hello")); err != nil {
						t.Fatal(err)
					}
					const account = "tenant?window=0&tenant=acme"
					if failing < 2 {
						wantAccount(t, store.Store, account, 50, 0)
						wantSpent(t, ctx, "tenant/tokens", 50, 0)
						return
					}
					if d := decisions[len(decisions)-1]; d.Reason != "the store of the budget failed: the call is not charged there" {
						t.Errorf("got trail %+v", decisions)
					}
					wantAccount(t, store.Store, account, 0, 52)
					time.Sleep(minute)
					wantAccount(t, store.Store, account, 0, 0)
				})
			})
		})
	}
}

// TestBudgetStoreAfterCancel checks that the end of the call's context keeps the
// gate from nothing: what it reserved is settled.
func TestBudgetStoreAfterCancel(t *testing.T) {
	store := gates.NewMemory()
	gate := gates.BudgetWith(gates.BudgetOptions{Store: store}, gates.Limits{Scope: gates.ScopeTenant, Tokens: 1000, ToolCalls: 5, Estimate: 50})
	for _, tt := range []struct {
		call middleware.Call
		used int64 // of both
	}{{kit.Model("hello"), 7}, {kit.Tool("shell", "ls"), 0}} {
		as(t, ann, func(ctx context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			err := do(ctx, gate, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				cancel()
				return middleware.Result{Usage: &middleware.Usage{InputTokens: tt.used, Reported: true}}, ctx.Err()
			}, tt.call)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			wantAccount(t, store, "tenant?window=0&tenant=acme", 7, 0)
			if tt.call.Kind == middleware.KindTool {
				wantSpent(t, ctx, "tenant/tool_calls", 1, 0)
			}
		})
	}

	// A caller that gives up while the Store is asked gets its own error.
	hung := &faulty{Store: store, fail: failures["hung"]}
	gate = gates.BudgetWith(gates.BudgetOptions{Store: hung, StoreTimeout: 50 * time.Millisecond}, gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 5})
	ctx, cancel := context.WithCancel(middleware.WithIdentity(t.Context(), ann))
	inner := hung.fail
	hung.fail = func(ctx context.Context, what string) error { cancel(); return inner(ctx, what) }
	if _, err := middleware.Wrap(kit.Echo, gate)(ctx, kit.Tool("shell", "ls")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestBudgetStoreFates checks what a call takes from a Store, whatever becomes of
// it: nothing is left outstanding.
func TestBudgetStoreFates(t *testing.T) {
	panics := func(context.Context, middleware.Call) (middleware.Result, error) { panic("at the disco") }
	innerPanics := func(middleware.Handler) middleware.Handler { return panics }
	for name, tt := range map[string]struct {
		h     middleware.Handler
		in    middleware.Interceptor
		tools int64
	}{
		"done":                 {kit.Echo, nil, 1},
		"failed":               {kit.Fail(errTool), nil, 1},
		"panicked":             {panics, nil, 1},
		"denied inside":        {kit.Echo, deny, 0},
		"told inside":          {kit.Echo, middleware.Compose(middleware.Tell, deny), 0},
		"inner gate panicked":  {kit.Echo, innerPanics, 0},
		"answered by a cache":  {kit.Echo, func(middleware.Handler) middleware.Handler { return kit.Echo }, 1},
		"cancelled on the way": {kit.Fail(context.Canceled), nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			store := gates.NewMemory()
			gate := gates.BudgetWith(gates.BudgetOptions{Store: store}, gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 5, ModelCalls: 5, Tokens: 10_000})
			guard := gate
			if tt.in != nil {
				guard = middleware.Compose(gate, tt.in)
			}
			as(t, ann, func(ctx context.Context) {
				_, _ = middleware.Wrap(tt.h, lenient(new(error)), guard)(ctx, kit.Tool("shell", "ls"))
				_, _ = middleware.Wrap(tt.h, lenient(new(error)), guard)(ctx, kit.Model("hello"))
				if err := plan(ctx, gate, 2); err != nil { // and asks the Store how much is left
					t.Error(err)
				}
				wantSpent(t, ctx, "tenant/tool_calls", tt.tools, 0)
				for _, b := range middleware.RunOf(ctx).Balances() {
					if b.Held != 0 {
						t.Errorf("%s: got %d held", b.Limit, b.Held)
					}
				}
			})
		})
	}
}

// TestBudgetStoreAnswersLost checks that what was done though its answer was lost
// counts once where the call was made, and not at all where it was denied.
func TestBudgetStoreAnswersLost(t *testing.T) {
	const account = "tenant?window=0&tenant=acme"
	memory := gates.NewMemory()
	n := 0
	store := &lossy{Store: memory, lose: func(string) bool { n++; return n%3 == 1 }}
	gate := gates.BudgetWith(gates.BudgetOptions{Store: store}, gates.Limits{Scope: gates.ScopeTenant, Tokens: 1_000_000, Estimate: 50})
	as(t, ann, func(ctx context.Context) {
		through := int64(0)
		for range 100 {
			err := do(ctx, gate, kit.Answer("", 4, 3), kit.Model("hello"))
			if err == nil {
				through++
			} else {
				kit.WantDenied(t, err, middleware.CodeIndeterminate)
			}
			wantAccount(t, memory, account, 7*through, 0)
		}
		if through == 0 || through == 100 {
			t.Errorf("got %d of 100 through, want some", through)
		}
	})
}

// TestBudgetStoreLies checks that a Store that says what cannot be is not asked
// for ever: a clamped call asks for less each time, or is denied.
func TestBudgetStoreLies(t *testing.T) {
	for _, left := range []int64{-1 << 63, -1, 0, 12, 1<<63 - 1} {
		store := &faulty{Store: gates.NewMemory(), fail: func(context.Context, string) error {
			return &gates.LimitError{Dim: gates.DimTokens, Asked: 12, Left: left}
		}}
		gate := gates.BudgetWith(gates.BudgetOptions{Store: store}, gates.Limits{Scope: gates.ScopeTenant, Tokens: 100, Estimate: 10, Clamp: true})
		as(t, ann, func(ctx context.Context) {
			kit.WantDenied(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")), middleware.CodeOverBudget)
		})
		if n := len(store.asks); n > 20 {
			t.Errorf("left %d: got %d requests", left, n)
		}
	}
}

// TestThereIsRoomForThoseThatSpendNothing checks that sessions of which nothing is
// used or held take no room that others need.
func TestThereIsRoomForThoseThatSpendNothing(t *testing.T) {
	limits := gates.Limits{Scope: gates.ScopeSession, ToolCalls: 1, ModelCalls: 1}
	for name, made := range map[string]func() middleware.Interceptor{
		"the gate's own": func() middleware.Interceptor { return gates.BudgetWithRoom(3, gates.BudgetOptions{}, limits) },
		"a Store": func() middleware.Interceptor {
			memory := gates.NewMemory()
			memory.SetRoom(3)
			return gates.BudgetWith(gates.BudgetOptions{Store: memory}, limits)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			gate := made()
			idle := func(i int) {
				as(t, middleware.Identity{Session: fmt.Sprint(i)}, func(ctx context.Context) {
					for _, call := range []middleware.Call{kit.Tool("shell", "ls"), kit.Model("hello")} {
						if err := do(ctx, middleware.Compose(gate, deny), kit.Echo, call); !denied(err, middleware.CodePolicy) {
							t.Errorf("%s, session %d: got %v", name, i, err)
						}
					}
				})
				time.Sleep(2 * time.Second)
			}
			as(t, middleware.Identity{Session: "long"}, func(ctx context.Context) {
				if err := do(ctx, gate, func(context.Context, middleware.Call) (middleware.Result, error) {
					time.Sleep(gates.DefaultLease) // what it held has gone back
					for i := range 10 {
						idle(i)
					}
					return middleware.Result{}, nil
				}, kit.Model("hello")); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := tool(ctx, gate); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			as(t, middleware.Identity{Session: "late"}, func(ctx context.Context) { // forgotten, and then it spends
				_ = do(ctx, middleware.Compose(gate, deny), kit.Echo, kit.Tool("shell", "ls"))
				for i := range 10 {
					idle(i)
				}
				if err := tool(ctx, gate); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			as(t, middleware.Identity{Session: "late"}, func(ctx context.Context) {
				kit.WantDenied(t, tool(ctx, gate), middleware.CodeOverBudget)
			})
			as(t, middleware.Identity{Session: "long"}, func(ctx context.Context) {
				kit.WantDenied(t, tool(ctx, gate), middleware.CodeOverBudget)
			})
			as(t, middleware.Identity{Session: "long"}, func(ctx context.Context) {
				kit.WantDenied(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")), middleware.CodeOverBudget)
			})
		})
	}
}
