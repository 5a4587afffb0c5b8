package gates_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// pricedIn sends one model call with this MaxTokens through the gate, to a model
// that answers with this usage.
func pricedIn(ctx context.Context, gate middleware.Interceptor, model string, maxTokens int, usage *middleware.Usage) error {
	call := kit.Model("hello")
	call.Input.(*middleware.ModelRequest).MaxTokens = maxTokens
	call.Input.(*middleware.ModelRequest).Model = model
	return do(ctx, gate, answer(middleware.Result{Usage: usage}, nil), call)
}

func wantOver(t *testing.T, err error) *middleware.DeniedError {
	t.Helper()
	return kit.WantDenied(t, err, middleware.CodeOverBudget)
}

// TestBudgetCost checks what a model call costs: reserved by estimate, settled
// by usage.
func TestBudgetCost(t *testing.T) {
	usage := func(u middleware.Usage) *middleware.Usage { return &u }
	const estimate = 2*375/100 + 1 + 100*20 // of "hello" as a cache write, 7.5, and 100 tokens of reasoning
	withCost := usageOf(1000, 0, 0, 100, 0)
	withCost.Cost = 1234
	negative, absurd := withCost, withCost
	negative.Cost, absurd.Cost = -1, 1<<62
	tests := []struct {
		name  string
		usage *middleware.Usage
		used  int64
		note  string
	}{
		{"as reported", usage(usageOf(1000, 400, 100, 100, 50)), 500*3 + 120 + 375 + 50*15 + 50*20, ""},
		{"above the threshold", usage(usageOf(200_001, 0, 0, 1, 0)), 1_200_006 + 23, ""},
		{"the provider's own cost wins: it is what is billed", usage(withCost), 1234, ""},
		{"no usage", nil, estimate, "no usage was reported: charged what was reserved"},
		{"not reported", usage(middleware.Usage{Cost: 5}), estimate, "no usage was reported: charged what was reserved"},
		{"zero", usage(middleware.Usage{Reported: true}), estimate, "no usage was reported: charged what was reserved"},
		{"negative cost", usage(negative), estimate, "the usage reported cannot be: charged what was reserved"},
		{"absurd cost", usage(absurd), estimate, "the usage reported cannot be: charged what was reserved"},
		{"negative tokens", usage(usageOf(-5, 0, 0, 100, 0)), estimate, "the usage reported cannot be: charged what was reserved"},
		{"absurd tokens", usage(usageOf(1<<62, 0, 0, 100, 0)), estimate, "the usage reported cannot be: charged what was reserved"},
		{"more cached than there is", usage(usageOf(5, 6, 0, 100, 0)), estimate, "the usage reported cannot be: charged what was reserved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := gates.BudgetWith(gates.BudgetOptions{Prices: tiered(t), Model: "big"},
				gates.Limits{Cost: 10_000_000}, gates.Limits{Scope: gates.ScopeProcess, Cost: 20_000_000, ModelCalls: 5})
			mustRun(t, func(ctx context.Context) {
				call := kit.Model("hello")
				call.Input.(*middleware.ModelRequest).MaxTokens = 100
				var decisions []middleware.Decision
				look := func(next middleware.Handler) middleware.Handler {
					return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						res, err := next(ctx, call)
						decisions = middleware.TrailOf(ctx).Decisions()
						return res, err
					}
				}
				_, err := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
					wantSpent(t, ctx, "run/cost", 0, estimate)
					wantSpent(t, ctx, "process/cost", 0, estimate)
					return middleware.Result{Usage: tt.usage}, nil
				}, look, gate)(ctx, call)
				if err != nil {
					t.Fatal(err)
				}
				wantSpent(t, ctx, "run/cost", tt.used, 0)
				wantSpent(t, ctx, "process/cost", tt.used, 0)
				wantSpent(t, ctx, "process/model_calls", 1, 0)
				note := ""
				if len(decisions) == 2 {
					note = decisions[1].Reason
				}
				if decisions[0].Verdict != middleware.VerdictAllow || note != tt.note {
					t.Errorf("got trail %+v, want the note %q", decisions, tt.note)
				}
			})
		})
	}
}

// TestBudgetCostDenies checks the reason, and that the next call is not made.
func TestBudgetCostDenies(t *testing.T) {
	gate := gates.BudgetWith(gates.BudgetOptions{Prices: tiered(t), Model: "plain"}, gates.Limits{Cost: 2_000})
	mustRun(t, func(ctx context.Context) {
		u := usageOf(100, 0, 0, 100, 0)
		if err := pricedIn(ctx, gate, "", 100, &u); err != nil {
			t.Fatal(err)
		}
		err := pricedIn(ctx, gate, "", 100, &u)
		if d := wantOver(t, err); d.Reason != "limit cost of the run: asked 1005, left 750 of 2000 micro-dollars" {
			t.Errorf("got reason %q", d.Reason)
		}
		wantSpent(t, ctx, "run/cost", 1250, 0)
	})
}

// TestBudgetUnknownModel checks that a call whose price nobody knows is denied,
// and how one says which model it is.
func TestBudgetUnknownModel(t *testing.T) {
	prices := tiered(t)
	byName := table(t, "model 2026-07-01 s plain input=2500000 output=10000000", "alias 2026-07-01 s model plain")
	anything := table(t, "model 2026-07-01 s * input=1000000 output=1000000")
	tests := []struct {
		name   string
		o      gates.BudgetOptions
		model  string // of the request
		used   int64  // of 1,000 tokens of input; 0 for a denial
		reason string
	}{
		{"named by the request", gates.BudgetOptions{Prices: prices}, "plain", 2500, ""},
		{"the request wins", gates.BudgetOptions{Prices: prices, Model: "big"}, "plain", 2500, ""},
		{"not in the table", gates.BudgetOptions{Prices: prices, Model: "big"}, "nobody", 0, `no price is known for model "nobody": BudgetOptions.Prices can have one`},
		{"free is what the table says", gates.BudgetOptions{Prices: prices}, "Free", 0, `no price is known for model "Free": BudgetOptions.Prices can have one`},
		{"nobody says", gates.BudgetOptions{Prices: prices}, "", 0, `no price is known for model "model": BudgetOptions.Prices can have one, and BudgetOptions.Model says which model it is`},
		{"of the options", gates.BudgetOptions{Prices: prices, Model: "big"}, "", 3000, ""},
		{"by the registered name", gates.BudgetOptions{Prices: byName, Model: "nobody"}, "", 2500, ""},
		{"a price for all others", gates.BudgetOptions{Prices: anything}, "nobody", 1000, ""},
		{"the list", gates.BudgetOptions{}, "gpt-4o", 2500, ""},
		{"not in the list", gates.BudgetOptions{}, "gpt-99", 0, `no price is known for model "gpt-99": BudgetOptions.Prices can have one`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := gates.BudgetWith(tt.o, gates.Limits{Cost: 1_000_000, ModelCalls: 5})
			mustRun(t, func(ctx context.Context) {
				err := pricedIn(ctx, gate, tt.model, 10, &middleware.Usage{InputTokens: 1000, Reported: true})
				if tt.reason != "" {
					d := kit.WantDenied(t, err, middleware.CodeIndeterminate)
					if d.Reason != tt.reason || !errors.Is(d, gates.ErrUnknownModel) || d.Gate != "budget" {
						t.Errorf("got %+v, want reason %q", d, tt.reason)
					}
					wantSpent(t, ctx, "run/model_calls", 0, 0)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				wantSpent(t, ctx, "run/cost", tt.used, 0)
			})
		})
	}
}

// TestBudgetAnsweredByAnother checks that a model that answers in the place of
// the one asked is what is charged, where its price is known.
func TestBudgetAnsweredByAnother(t *testing.T) {
	for answered, used := range map[string]int64{"": 2500, "big": 3000, "latest": 3000, "nobody": 2500} {
		gate := gates.BudgetWith(gates.BudgetOptions{Prices: tiered(t)}, gates.Limits{Cost: 1_000_000})
		mustRun(t, func(ctx context.Context) {
			call := kit.Model("hello")
			call.Input.(*middleware.ModelRequest).Model = "plain"
			err := do(ctx, gate, answer(middleware.Result{
				Output: &middleware.ModelResponse{Model: answered},
				Usage:  &middleware.Usage{InputTokens: 1000, Reported: true},
			}, nil), call)
			if err != nil {
				t.Error(err)
			}
			wantSpent(t, ctx, "run/cost", used, 0)
		})
	}
}

// TestBudgetTokenKinds checks limits on each kind of token: what is reserved,
// charged and said.
func TestBudgetTokenKinds(t *testing.T) {
	u := usageOf(500, 300, 50, 80, 60)
	for _, tt := range []struct {
		limits         gates.Limits
		limit          string
		reserved, used int64
	}{
		{gates.Limits{InputTokens: 1000}, "input_tokens", 2, 500},
		{gates.Limits{OutputTokens: 1000}, "output_tokens", 90, 80},
		{gates.Limits{CachedTokens: 1000}, "cached_tokens", 2, 300},
		{gates.Limits{ReasoningTokens: 1000}, "reasoning_tokens", 90, 60},
		{gates.Limits{Tokens: 1000}, "tokens", 92, 580},
	} {
		gate := gates.Budget(tt.limits)
		mustRun(t, func(ctx context.Context) {
			call := kit.Model("hello")
			call.Input.(*middleware.ModelRequest).MaxTokens = 90
			err := do(ctx, gate, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				wantSpent(t, ctx, "run/"+tt.limit, 0, tt.reserved)
				return middleware.Result{Usage: &u}, nil
			}, call)
			if err != nil {
				t.Error(err)
			}
			wantSpent(t, ctx, "run/"+tt.limit, tt.used, 0)
			_ = pricedIn(ctx, gate, "", 1, &middleware.Usage{InputTokens: 950, CachedTokens: 950, OutputTokens: 950, ReasoningTokens: 950, Reported: true})
			err = pricedIn(ctx, gate, "", 1, &u)
			if d := wantOver(t, err); !strings.HasPrefix(d.Reason, "limit "+tt.limit+" of the run: asked ") || !strings.HasSuffix(d.Reason, "left 0 of 1000") {
				t.Errorf("got reason %q", d.Reason)
			}
		})
	}
}
