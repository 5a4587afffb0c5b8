package gates_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// identities are of 12 runs of two tenants. The first two share nothing; each
// session and each subject has two or more.
func identities() []middleware.Identity {
	all := make([]middleware.Identity, 12)
	for i := range all {
		all[i] = middleware.Identity{Session: fmt.Sprint(i % 6), Subject: fmt.Sprint(i % 4), Tenant: fmt.Sprint(i % 2)}
	}
	return all
}

// runsAs returns the contexts of runs with these identities.
func runsAs(t *testing.T, ids []middleware.Identity) []context.Context {
	t.Helper()
	runs := make([]context.Context, len(ids))
	for i, id := range ids {
		as(t, id, func(ctx context.Context) { runs[i] = ctx })
	}
	return runs
}

// TestBudgetExactInEveryScope has 1,000 goroutines of 12 runs compete for 100
// calls, tokens for 100, and money for 100, with the accounts in the gate and in
// a Store: exactly 100 come through, and all scopes are charged for exactly
// those.
func TestBudgetExactInEveryScope(t *testing.T) {
	const goroutines, limit = 1000, 100
	const tokens, cost = 10, 30 // a call: 2 of input and 8 of output, which cost 1.5 each
	prices := table(t, "model 2026-07-01 s m input=3000000 output=3000000")
	for what, max := range map[string]gates.Limits{
		"tool_calls":  {ToolCalls: limit},
		"model_calls": {ModelCalls: limit},
		"tokens":      {Tokens: tokens * limit, Estimate: 8},
		"cost":        {Cost: cost * limit, Estimate: 8},
	} {
		for _, store := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, store %v", what, store), func(t *testing.T) {
				o := gates.BudgetOptions{Prices: prices, Model: "m"}
				if store {
					o.Store = gates.NewMemory()
				}
				plenty := gates.Limits{ToolCalls: plenty, ModelCalls: plenty, Tokens: plenty, Cost: plenty, Estimate: 8}
				var limits []gates.Limits
				for _, s := range []gates.Scope{gates.ScopeRun, gates.ScopeSession, gates.ScopeSubject} {
					l := plenty
					l.Scope = s
					limits = append(limits, l)
				}
				half, whole := max, max // each tenant has half the calls
				half.ToolCalls, half.ModelCalls, half.Tokens, half.Cost = max.ToolCalls/2, max.ModelCalls/2, max.Tokens/2, max.Cost/2
				if store {
					// What the Store denies is held here for that moment: a
					// limit that is as tight here could deny others.
					whole = plenty
				}
				half.Scope, whole.Scope = gates.ScopeTenant, gates.ScopeProcess
				gate := gates.BudgetWith(o, append(limits, half, whole)...)
				runs := runsAs(t, identities())
				call := kit.Tool("a", "")
				if max.ToolCalls == 0 {
					call = kit.Model("hello")
				}
				answer := kit.Answer("hi", 2, 8)
				got := crowd(goroutines, func(i int) error {
					return do(runs[i%len(runs)], gate, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						runtime.Gosched()
						return answer(ctx, call)
					}, call)
				})
				if got != limit {
					t.Errorf("got %d through, want %d", got, limit)
				}
				each := map[string]int64{"tool_calls": 1, "model_calls": 1, "tokens": tokens, "cost": cost}[what]
				sums := map[string]int64{}
				for i, ctx := range runs {
					// Of runs that share an account the first one counts. What a
					// Store keeps is reported as of each run's last call.
					first := map[string]bool{"run": true, "process": i == 0, "tenant": i < 2 && !store, "session": i < 6 && !store, "subject": i < 4 && !store}
					for _, b := range middleware.RunOf(ctx).Balances() {
						if b.Limit != what || !first[b.Scope] {
							continue
						}
						sums[b.Scope] += b.Used
						if b.Held != 0 {
							t.Errorf("%s: got %d held", b.Scope, b.Held)
						}
					}
				}
				want := map[string]int64{"run": each * limit, "process": each * limit}
				if !store {
					want["tenant"], want["session"], want["subject"] = each*limit, each*limit, each*limit
				}
				if !maps.Equal(sums, want) {
					t.Errorf("got %v charged, want %v", sums, want)
				}
			})
		}
	}
}

// TestNaiveTokensOvershoot shows, for tokens, that the test above can fail: a
// gate that looks before and adds after lets all through.
func TestNaiveTokensOvershoot(t *testing.T) {
	var used atomic.Int64
	naive := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if used.Load()+10 > 1000 {
				return middleware.Result{}, middleware.Deny(middleware.CodeOverBudget, "spent")
			}
			res, err := next(ctx, call)
			used.Add(res.Usage.Tokens())
			return res, err
		}
	}
	budget := gates.Budget(gates.Limits{Tokens: 1000, Estimate: 8})
	for name, tt := range map[string]struct {
		gate    middleware.Interceptor
		through int64
	}{"naive": {naive, 1000}, "reserved": {budget, 100}} {
		inside := make(chan struct{}) // nobody leaves before all have been judged
		var judged sync.WaitGroup
		judged.Add(1000)
		go func() { judged.Wait(); close(inside) }()
		mustRun(t, func(ctx context.Context) {
			got := crowd(1000, func(int) error {
				entered := false
				err := do(ctx, tt.gate, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					entered = true
					judged.Done()
					<-inside
					return kit.Answer("", 2, 8)(ctx, call)
				}, kit.Model("hello"))
				if !entered {
					judged.Done()
				}
				return err
			})
			if got != tt.through {
				t.Errorf("%s: got %d through, want %d", name, got, tt.through)
			}
		})
	}
	if used.Load() != 10_000 {
		t.Errorf("got %d tokens used of 1000, want the naive gate to overshoot tenfold", used.Load())
	}
}

// TestBudgetNothingOutstanding sends calls of every fate at the same time, under
// a clock that has some of them expire before they end: in the end nothing is
// held, and what was used is the sum of what each call reports.
func TestBudgetNothingOutstanding(t *testing.T) {
	for _, store := range []bool{false, true} {
		t.Run(fmt.Sprintf("store %v", store), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := gates.NewMemory()
				o := gates.BudgetOptions{Lease: time.Second}
				if store {
					o.Store = memory
				}
				gate := gates.BudgetWith(o,
					gates.Limits{ToolCalls: plenty, ModelCalls: plenty, Tokens: plenty},
					gates.Limits{Scope: gates.ScopeTenant, ToolCalls: plenty, ModelCalls: plenty, Tokens: plenty},
					gates.Limits{Scope: gates.ScopeProcess, ToolCalls: plenty, ModelCalls: plenty, Tokens: plenty})
				var tools, models, tokens atomic.Int64
				as(t, ann, func(ctx context.Context) {
					crowd(1000, func(i int) error {
						rng := rand.New(rand.NewPCG(uint64(i), 1))
						fate, took := rng.IntN(6), time.Duration(rng.IntN(2000))*time.Millisecond
						ctx, cancel := context.WithCancel(ctx)
						defer cancel()
						h := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
							time.Sleep(took) // half of them longer than they are held for
							usage := &middleware.Usage{InputTokens: int64(i + 1), Reported: true}
							if call.Kind == middleware.KindTool {
								tools.Add(1)
								usage = nil
							} else {
								models.Add(1)
							}
							switch fate {
							case 0:
								if usage != nil {
									tokens.Add(2 + gates.DefaultEstimate) // of "hello"
								}
								panic("at the disco")
							case 1:
								cancel()
							case 2:
								return middleware.Result{}, errTool
							}
							if usage != nil {
								tokens.Add(int64(i + 1))
							}
							return middleware.Result{Usage: usage}, nil
						}
						guard := gate
						if fate == 3 {
							guard = middleware.Compose(gate, deny)
						}
						call := kit.Tool("shell", "ls")
						if i%2 == 0 {
							call = kit.Model("hello")
						}
						return do(ctx, guard, h, call)
					})
					time.Sleep(time.Minute)
					if err := do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")); err != nil {
						t.Error(err)
					}
					want := map[string]int64{"tool_calls": tools.Load(), "model_calls": models.Load() + 1, "tokens": tokens.Load() + 2}
					for _, b := range middleware.RunOf(ctx).Balances() {
						if b.Used != want[b.Limit] || b.Held != 0 {
							t.Errorf("%s/%s: got %d used and %d held, want %d and none", b.Scope, b.Limit, b.Used, b.Held, want[b.Limit])
						}
					}
				})
				if holds, _ := memory.Known(); store && holds > 1 {
					t.Errorf("got %d reservations remembered", holds)
				}
			})
		})
	}
}

// TestBudgetLease checks a model call that takes longer than it is held for: what
// it held goes back meanwhile, and what it used is charged once, when it returns.
func TestBudgetLease(t *testing.T) {
	for _, store := range []bool{false, true} {
		t.Run(fmt.Sprintf("store %v", store), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := gates.BudgetOptions{}
				if store {
					o.Store = gates.NewMemory()
				}
				gate := gates.BudgetWith(o, gates.Limits{Scope: gates.ScopeTenant, ModelCalls: 2, Tokens: 1000, Estimate: 898})
				as(t, ann, func(ctx context.Context) {
					err := do(ctx, gate, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
						time.Sleep(gates.DefaultLease - time.Nanosecond)
						kit.WantDenied(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")), middleware.CodeOverBudget)
						time.Sleep(time.Nanosecond)
						if !store {
							wantSpent(t, ctx, "tenant/tokens", 0, 0)
						}
						if err := do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")); err != nil {
							t.Errorf("once it is over: got %v", err)
						}
						wantSpent(t, ctx, "tenant/tokens", 2, 0)
						u := usageOf(500, 0, 0, 500, 0)
						return middleware.Result{Usage: &u}, nil
					}, kit.Model("hello"))
					if err != nil {
						t.Fatal(err)
					}
					kit.WantDenied(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")), middleware.CodeOverBudget)
					if !store { // a Store is asked when the run reserves
						wantSpent(t, ctx, "tenant/tokens", 1002, 0)
						wantSpent(t, ctx, "tenant/model_calls", 2, 0)
					} else {
						wantAccount(t, o.Store, "tenant?window=0&tenant=acme", 1002, 0)
					}
				})
			})
		})
	}
}
