package gates_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// as calls f in a run of its own with this identity.
func as(t *testing.T, id middleware.Identity, f func(ctx context.Context), is ...middleware.Interceptor) {
	t.Helper()
	if len(is) == 0 {
		is = []middleware.Interceptor{middleware.Tell, middleware.Before("none", func(context.Context, middleware.Call) error { return nil })}
	}
	chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		f(ctx)
		return middleware.Result{Output: map[string]any{}}, nil
	}, is...)
	if _, err := chain(middleware.WithIdentity(t.Context(), id), kit.Chain("run", nil)); err != nil {
		t.Fatal(err)
	}
}

var ann = middleware.Identity{Session: "s1", Subject: "ann", Tenant: "acme"}

// TestBudgetScopes checks who shares a limit of each scope, with the accounts in
// the gate and in a Store.
func TestBudgetScopes(t *testing.T) {
	other := func(change func(id *middleware.Identity)) middleware.Identity {
		id := ann
		change(&id)
		return id
	}
	tests := []struct {
		scope  gates.Scope
		id     middleware.Identity // of the second run
		shares bool
	}{
		{gates.ScopeRun, ann, false},
		{gates.ScopeSession, ann, true},
		{gates.ScopeSession, other(func(id *middleware.Identity) { id.Subject = "bob" }), true},
		{gates.ScopeSession, other(func(id *middleware.Identity) { id.Session = "s2" }), false},
		{gates.ScopeSession, other(func(id *middleware.Identity) { id.Tenant = "evil" }), false},
		{gates.ScopeSubject, other(func(id *middleware.Identity) { id.Session = "s2" }), true},
		{gates.ScopeSubject, other(func(id *middleware.Identity) { id.Subject = "bob" }), false},
		{gates.ScopeSubject, other(func(id *middleware.Identity) { id.Tenant = "evil" }), false},
		{gates.ScopeTenant, middleware.Identity{Tenant: "acme"}, true},
		{gates.ScopeTenant, other(func(id *middleware.Identity) { id.Tenant = "ACME" }), false},
		{gates.ScopeTenant, other(func(id *middleware.Identity) { id.Tenant = "acme&id=ann" }), false},
		{gates.ScopeProcess, middleware.Identity{}, true},
	}
	for _, store := range []gates.Store{nil, gates.NewMemory()} {
		for i, tt := range tests {
			t.Run(fmt.Sprintf("%v %d, store %v", tt.scope, i, store != nil), func(t *testing.T) {
				if store != nil {
					store = gates.NewMemory()
				}
				gate := gates.BudgetWith(gates.BudgetOptions{Store: store}, gates.Limits{Scope: tt.scope, ToolCalls: 2, ModelCalls: 1})
				as(t, ann, func(ctx context.Context) {
					for range 2 {
						if err := tool(ctx, gate); err != nil {
							t.Error(err)
						}
					}
					if err := do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hi")); err != nil {
						t.Error(err)
					}
					if d := wantOver(t, tool(ctx, gate)); d.Reason != fmt.Sprintf("limit tool_calls of the %v: asked 1, left 0 of 2", tt.scope) {
						t.Errorf("got reason %q", d.Reason)
					}
				})
				as(t, tt.id, func(ctx context.Context) {
					calls, model := tool(ctx, gate), do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hi"))
					if denied(calls, middleware.CodeOverBudget) != tt.shares || denied(model, middleware.CodeOverBudget) != tt.shares {
						t.Errorf("got %v and %v, want that it shares the limit: %v", calls, model, tt.shares)
					}
				})
			})
		}
	}
}

// allScopes has a limit of one name in every scope, n of it in the one that is
// tight and plenty in the others.
func allScopes(tight gates.Scope, n int64) []gates.Limits {
	var all []gates.Limits
	for _, s := range []gates.Scope{gates.ScopeProcess, gates.ScopeTenant, gates.ScopeRun, gates.ScopeSubject, gates.ScopeSession} {
		l := gates.Limits{Scope: s, ToolCalls: 1000, ModelCalls: 1000, Tokens: 1_000_000}
		if s == tight {
			l.ToolCalls, l.ModelCalls, l.Tokens = n, n, 100*n
		}
		all = append(all, l)
	}
	return all
}

// TestBudgetTogether checks that a call is charged in all scopes or in none,
// whichever of them it does not fit.
func TestBudgetTogether(t *testing.T) {
	for _, store := range []bool{false, true} {
		for _, tight := range []gates.Scope{gates.ScopeRun, gates.ScopeSession, gates.ScopeSubject, gates.ScopeTenant, gates.ScopeProcess} {
			t.Run(fmt.Sprintf("%v, store %v", tight, store), func(t *testing.T) {
				o := gates.BudgetOptions{}
				if store {
					o.Store = gates.NewMemory()
				}
				gate := gates.BudgetWith(o, allScopes(tight, 3)...)
				as(t, ann, func(ctx context.Context) {
					call := kit.Model("hello")
					call.Input.(*middleware.ModelRequest).MaxTokens = 40
					for range 3 {
						if err := tool(ctx, gate); err != nil {
							t.Error(err)
						}
						if err := do(ctx, gate, kit.Answer("", 2, 40), call); err != nil {
							t.Error(err)
						}
					}
					if d := wantOver(t, tool(ctx, gate)); !strings.HasPrefix(d.Reason, "limit tool_calls of the "+tight.String()) {
						t.Errorf("got reason %q", d.Reason)
					}
					if d := wantOver(t, do(ctx, gate, kit.Answer("", 2, 40), call)); !strings.HasPrefix(d.Reason, "limit model_calls of the "+tight.String()) {
						t.Errorf("got reason %q", d.Reason)
					}
					kit.WantDenied(t, plan(ctx, gate, 4), middleware.CodeOverBudget)
					for _, b := range middleware.RunOf(ctx).Balances() {
						want := map[string]int64{"tool_calls": 3, "model_calls": 3, "tokens": 126}[b.Limit]
						if b.Used != want || b.Held != 0 {
							t.Errorf("%s/%s: got %d used and %d held, want %d and none", b.Scope, b.Limit, b.Used, b.Held, want)
						}
					}
				}, gate)
			})
		}
	}
}

// TestBudgetNameless checks calls of runs without the name that a limit is for.
func TestBudgetNameless(t *testing.T) {
	for _, store := range []bool{false, true} {
		for _, scope := range []gates.Scope{gates.ScopeSession, gates.ScopeSubject, gates.ScopeTenant} {
			for _, nameless := range []gates.Nameless{gates.NamelessDenied, gates.NamelessShared, gates.NamelessUnlimited} {
				t.Run(fmt.Sprintf("%v %v, store %v", scope, nameless, store), func(t *testing.T) {
					o := gates.BudgetOptions{}
					if store {
						o.Store = gates.NewMemory()
					}
					gate := gates.BudgetWith(o, gates.Limits{Scope: scope, ToolCalls: 1, ModelCalls: 1, Nameless: nameless},
						gates.Limits{ToolCalls: 5, ModelCalls: 5, Tokens: 10_000})
					named, passed := 0, 0
					for range 3 { // runs
						as(t, middleware.Identity{}, func(ctx context.Context) {
							for _, err := range []error{tool(ctx, gate), do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hi")), plan(ctx, gate, 1)} {
								switch {
								case err == nil:
									passed++
								case nameless == gates.NamelessDenied:
									d := kit.WantDenied(t, err, middleware.CodeIndeterminate)
									want := fmt.Sprintf("the limits are of the %v, and the run does not name its %v: middleware.WithIdentity names it, and Limits.Nameless says what holds without", scope, scope)
									if d.Reason != want || d.Gate != "budget" {
										t.Errorf("got %q of gate %q, want %q", d.Reason, d.Gate, want)
									}
								default:
									kit.WantDenied(t, err, middleware.CodeOverBudget)
								}
							}
							wantSpent(t, ctx, "run/tool_calls", min(int64(passed), 1), 0)
						})
						as(t, ann, func(ctx context.Context) {
							if tool(ctx, gate) == nil {
								named++
							}
						})
						if nameless != gates.NamelessUnlimited {
							break
						}
					}
					want := map[gates.Nameless]int{gates.NamelessDenied: 0, gates.NamelessShared: 2, gates.NamelessUnlimited: 9}[nameless]
					if passed != want || named != 1 {
						t.Errorf("got %d calls through without a name and %d with one, want %d and 1", passed, named, want)
					}
				})
			}
		}
	}
}

// TestBudgetNamelessConcerned checks that calls that a limit is not for need no
// name.
func TestBudgetNamelessConcerned(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 5, ModelCalls: 5}, gates.Limits{Scope: gates.ScopeTenant, Tokens: 5})
	as(t, middleware.Identity{}, func(ctx context.Context) {
		if err := tool(ctx, gate); err != nil {
			t.Errorf("a tool: got %v, want it allowed", err)
		}
		kit.WantDenied(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hi")), middleware.CodeIndeterminate)
	})
}

// TestBudgetBalancesOfScopes checks their order and names.
func TestBudgetBalancesOfScopes(t *testing.T) {
	gate := gates.Budget(
		gates.Limits{Scope: gates.ScopeProcess, ToolCalls: 9},
		gates.Limits{Scope: gates.ScopeTenant, Cost: 100},
		gates.Limits{Scope: gates.ScopeTenant, Cost: 50, Window: 24 * 60 * minute},
		gates.Limits{Scope: gates.ScopeTenant, Cost: 10, Window: minute},
		gates.Limits{Scope: gates.ScopeSession, ReasoningTokens: 4, Nameless: gates.NamelessUnlimited},
		gates.Limits{ToolCalls: 5, WallTime: minute},
	)
	as(t, middleware.Identity{Tenant: "acme"}, func(ctx context.Context) {
		_ = tool(ctx, gate)
		var got []string
		for _, b := range middleware.RunOf(ctx).Balances() {
			got = append(got, fmt.Sprintf("%s/%s %d of %d", b.Scope, b.Limit, b.Used, b.Max))
		}
		want := []string{
			"run/tool_calls 1 of 5", "run/wall_time 0 of 60000",
			"tenant/cost per 1m 0 of 10", "tenant/cost per 24h 0 of 50", "tenant/cost 0 of 100",
			"process/tool_calls 1 of 9",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
