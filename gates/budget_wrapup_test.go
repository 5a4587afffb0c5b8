package gates_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// sent sends a request through the gate and returns what came to the model, and
// what the gate noted.
func sent(
	ctx context.Context, gate middleware.Interceptor, req *middleware.ModelRequest, usage *middleware.Usage,
) (*middleware.ModelRequest, []middleware.Decision, error) {
	var got *middleware.ModelRequest
	var decisions []middleware.Decision
	err := do(ctx, middleware.Compose(trail(&decisions), gate), func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		got = call.Input.(*middleware.ModelRequest)
		return middleware.Result{Usage: usage}, nil
	}, middleware.Call{Kind: middleware.KindModel, Name: "model", Input: req})
	return got, decisions, err
}

func hello(maxTokens, candidates int) *middleware.ModelRequest {
	req := kit.Model("hello").Input.(*middleware.ModelRequest) // 2 tokens
	req.MaxTokens, req.Candidates, req.Tools = maxTokens, candidates, []string{"search", "calculator"}
	return req
}

// TestBudgetClamp checks what a request may ask for when it is clamped: what is
// left of every limit at once, in the gate and in a Store.
func TestBudgetClamp(t *testing.T) {
	limits := func(l gates.Limits) []gates.Limits { l.Clamp = true; return []gates.Limits{l} }
	tests := []struct {
		name                  string
		limits                []gates.Limits
		maxTokens, candidates int
		want                  int // 0 for a denial
	}{
		{"it fits", limits(gates.Limits{Tokens: 500}), 100, 0, 100},
		{"tokens", limits(gates.Limits{Tokens: 500}), 1000, 0, 498},
		{"tokens, for each answer", limits(gates.Limits{Tokens: 500}), 1000, 3, 166},
		{"output", limits(gates.Limits{OutputTokens: 50}), 1000, 0, 50},
		{"reasoning", limits(gates.Limits{ReasoningTokens: 50}), 1000, 0, 50},
		{"cost", limits(gates.Limits{Cost: 1000}), 1000, 0, 99}, // 5 for the prompt, 10 for each
		{"cost, to the last", limits(gates.Limits{Cost: 1005}), 1000, 0, 100},
		{"the most", limits(gates.Limits{Tokens: 500, Cost: 1000}), math.MaxInt, 0, 99},
		{"the most answers", limits(gates.Limits{Tokens: 500}), math.MaxInt, math.MaxInt, 0},
		{"no MaxTokens: the estimate", limits(gates.Limits{Tokens: 5000}), 0, 0, 1024},
		{"no MaxTokens: what is left", limits(gates.Limits{Tokens: 500}), 0, 0, 498},
		{"no MaxTokens: an estimate of one's own", limits(gates.Limits{Tokens: 500, Estimate: 80}), 0, 0, 80},
		{"a negative one", limits(gates.Limits{Tokens: 500, Estimate: 80}), -5, 0, 80},
		{"one token", limits(gates.Limits{Tokens: 3}), 1000, 0, 1},
		{"none", limits(gates.Limits{Tokens: 2}), 1000, 0, 0},
		{"less than the prompt", limits(gates.Limits{Tokens: 1}), 1000, 0, 0},
		{"input", limits(gates.Limits{InputTokens: 1}), 1000, 0, 0},
		{"cost less than the prompt", limits(gates.Limits{Cost: 4}), 1000, 0, 0},
		{"limits near the end of numbers", limits(gates.Limits{Tokens: math.MaxInt64, Estimate: math.MaxInt64}), 0, 0, math.MaxInt}, // the sum saturates
		{"several", []gates.Limits{{Tokens: 500, Clamp: true}, {Scope: gates.ScopeTenant, Tokens: 300, Clamp: true},
			{Scope: gates.ScopeProcess, Cost: 2005, Clamp: true}}, 1000, 0, 200},
		{"the smallest estimate", []gates.Limits{{Tokens: 5000, Estimate: 90, Clamp: true}, {Scope: gates.ScopeTenant, Tokens: 5000, Clamp: true}}, 0, 0, 90},
		{"the smallest estimate, last",
			[]gates.Limits{{Tokens: 5000, Clamp: true}, {Scope: gates.ScopeTenant, Tokens: 5000, Estimate: 90, Clamp: true}}, 0, 0, 90},
		{"not this limit", []gates.Limits{{Tokens: 500, Clamp: true}, {Scope: gates.ScopeTenant, Tokens: 300}}, 1000, 0, 0},
		{"not this limit, and it fits", []gates.Limits{{Tokens: 200, Clamp: true}, {Scope: gates.ScopeTenant, Tokens: 300}}, 250, 0, 198},
	}
	for _, store := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, store %v", tt.name, store), func(t *testing.T) {
				o := gates.BudgetOptions{Prices: tiered(t), Model: "plain"}
				if store {
					o.Store = gates.NewMemory()
				}
				gate := gates.BudgetWith(o, tt.limits...)
				as(t, ann, func(ctx context.Context) {
					req := hello(tt.maxTokens, tt.candidates)
					got, decisions, err := sent(ctx, gate, req, &middleware.Usage{InputTokens: 1, Reported: true})
					if tt.want == 0 {
						kit.WantDenied(t, err, middleware.CodeOverBudget)
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					verdict := middleware.VerdictAllow
					if tt.want != tt.maxTokens {
						verdict = middleware.VerdictTransform
					}
					if got.MaxTokens != tt.want || len(decisions) != 1 || decisions[0].Verdict != verdict || decisions[0].Gate != "budget" {
						t.Errorf("got MaxTokens %d and trail %+v, want %d", got.MaxTokens, decisions, tt.want)
					}
					if req.MaxTokens != tt.maxTokens || len(got.Tools) != 2 || len(got.Messages) != 1 {
						t.Errorf("got %+v of %+v, want nothing else changed", got, req)
					}
				})
			})
		}
	}
}

// TestBudgetClampReason checks that a denial says what the request came to ask.
func TestBudgetClampReason(t *testing.T) {
	gate := gates.Budget(gates.Limits{Tokens: 2, Clamp: true})
	mustRun(t, func(ctx context.Context) {
		_, _, err := sent(ctx, gate, hello(1000, 0), nil)
		if d := wantOver(t, err); d.Reason != "limit tokens of the run: asked 1002, left 2 of 2" {
			t.Errorf("got reason %q", d.Reason)
		}
	})
}

// TestBudgetClampNeverOvershoots has a model that uses all that it may: however
// small the limit, it is used up and not overshot.
func TestBudgetClampNeverOvershoots(t *testing.T) {
	for limit := int64(3); limit < 3000; limit += 97 {
		gate := gates.Budget(gates.Limits{Tokens: limit, Clamp: true})
		mustRun(t, func(ctx context.Context) {
			calls := 0
			for {
				err := do(ctx, gate, func(_ context.Context, call middleware.Call) (middleware.Result, error) {
					u := usageOf(2, 0, 0, int64(call.Input.(*middleware.ModelRequest).MaxTokens), 0)
					return middleware.Result{Usage: &u}, nil
				}, kit.Model("hello"))
				if err != nil {
					break
				}
				calls++
			}
			if used, _ := spent(ctx, "run/tokens"); calls == 0 || used > limit || used < limit-2 {
				t.Errorf("limit %d: got %d used by %d calls", limit, used, calls)
			}
		})
	}
}

// TestBudgetSoft checks when the model is told, and of what.
func TestBudgetSoft(t *testing.T) {
	gate := gates.Budget(
		gates.Limits{ToolCalls: 10, Soft: 80, FinalAnswer: 100},
		gates.Limits{Scope: gates.ScopeProcess, Tokens: 10_000, Soft: 50, FinalAnswer: 90, Estimate: 10},
	)
	const (
		soft  = "[budget] limit tool_calls of the run: left 2 of 10. Come to an end soon."
		soft2 = "[budget] limit tokens of the process: left 4000 of 10000. Come to an end soon."
		last  = "[budget] limit tokens of the process: left 1000 of 10000. No tools are available any more: give your final answer now, with what you have."
		final = "[budget] limit tool_calls of the run: left 0 of 10. No tools are available any more: give your final answer now, with what you have."
	)
	mustRun(t, func(ctx context.Context) {
		look := func(step, want string, tools int, in int64) {
			t.Helper()
			req := hello(10, 0)
			got, decisions, err := sent(ctx, gate, req, &middleware.Usage{InputTokens: in, Reported: true})
			if err != nil {
				t.Fatalf("%s: %v", step, err)
			}
			if want == "" {
				if got != req || decisions[0].Verdict != middleware.VerdictAllow {
					t.Errorf("%s: got %+v, want the request as it was", step, got)
				}
				return
			}
			m := got.Messages[len(got.Messages)-1]
			if len(got.Messages) != 2 || m.Role != "human" || m.Parts[0].Text != want || m.Parts[0].Size != len(want) || len(got.Tools) != tools {
				t.Errorf("%s: got %+v, want %q and %d tools", step, got, want, tools)
			}
			if decisions[0].Verdict != middleware.VerdictTransform || len(decisions) != 1 {
				t.Errorf("%s: got trail %+v", step, decisions)
			}
			if len(req.Messages) != 1 || len(req.Tools) != 2 {
				t.Errorf("%s: the caller's request was changed: %+v", step, req)
			}
		}
		use := func(n int) {
			for range n {
				if err := tool(ctx, gate); err != nil {
					t.Fatal(err)
				}
			}
		}
		look("at first", "", 2, 1)
		use(7)
		look("70 percent", "", 2, 1)
		use(1)
		look("80 percent", soft, 2, 5998)
		look("the run's limit first", soft, 2, 3000)
		mustRun(t, func(other context.Context) { // where the run's own is not reached
			old := ctx
			ctx = other
			look("another run, 90 percent of the process", last, 0, 1)
			ctx = old
		})
		use(2)
		look("all tool calls", final, 0, 1)
	})
	gate = gates.Budget(gates.Limits{Scope: gates.ScopeProcess, Tokens: 10_000, Soft: 50, FinalAnswer: 90, Estimate: 10})
	mustRun(t, func(ctx context.Context) {
		_, _, _ = sent(ctx, gate, hello(10, 0), &middleware.Usage{InputTokens: 6000, Reported: true})
		if got, _, _ := sent(ctx, gate, hello(10, 0),
			&middleware.Usage{InputTokens: 3000, Reported: true}); got.Messages[1].Parts[0].Text != soft2 || len(got.Tools) != 2 {
			t.Errorf("got %+v, want %q", got, soft2)
		}
		if got, _, _ := sent(ctx, gate, hello(10, 0), nil); got.Messages[1].Parts[0].Text != last || got.Tools != nil {
			t.Errorf("got %+v, want %q", got, last)
		}
	})
}

// TestBudgetSoftOfStore checks that a model is told of limits in a Store as they
// were when the run last reserved.
func TestBudgetSoftOfStore(t *testing.T) {
	gate := gates.BudgetWith(gates.BudgetOptions{Store: gates.NewMemory()}, gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 2, FinalAnswer: 50})
	as(t, ann, func(ctx context.Context) {
		got, _, err := sent(ctx, gate, hello(10, 0), nil)
		if err != nil || len(got.Tools) != 2 {
			t.Errorf("got %+v and error %v", got, err)
		}
		_ = tool(ctx, gate)
		if got, _, _ := sent(ctx, gate, hello(10, 0), nil); got.Tools != nil ||
			!strings.HasPrefix(got.Messages[1].Parts[0].Text, "[budget] limit tool_calls of the tenant: left 1 of 2.") {
			t.Errorf("got %+v, want the tools withheld", got)
		}
	})
}

// TestBudgetSoftCountsHeld checks that what calls under way hold is not left.
func TestBudgetSoftCountsHeld(t *testing.T) {
	gate := gates.Budget(gates.Limits{Tokens: 1000, FinalAnswer: 50})
	mustRun(t, func(ctx context.Context) {
		err := do(ctx, gate, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			got, _, err := sent(ctx, gate, hello(10, 0), nil)
			if err != nil || got.Tools != nil || !strings.HasPrefix(got.Messages[1].Parts[0].Text, "[budget] limit tokens of the run: left 498 of 1000.") {
				t.Errorf("got %+v and error %v, want the tools withheld", got, err)
			}
			return middleware.Result{}, nil
		}, middleware.Call{Kind: middleware.KindModel, Input: hello(500, 0)})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestBudgetSoftEstimate checks that the message counts as part of the prompt.
func TestBudgetSoftEstimate(t *testing.T) {
	gate := gates.Budget(gates.Limits{Tokens: 1000, Soft: 1})
	mustRun(t, func(ctx context.Context) {
		_, _, _ = sent(ctx, gate, hello(10, 0), &middleware.Usage{InputTokens: 500, Reported: true})
		_, _, _ = sent(ctx, gate, hello(10, 0), nil)
		text := "[budget] limit tokens of the run: left 500 of 1000. Come to an end soon."
		wantSpent(t, ctx, "run/tokens", 500+int64(5+len(text)+3)/4+10, 0)
	})
}

// TestBudgetShares checks shares of limits at the ends of numbers.
func TestBudgetShares(t *testing.T) {
	for _, tt := range []struct {
		limit, used int64
		percent     int
		want        bool
	}{
		{1, 0, 100, false}, {1, 0, 1, false}, {3, 1, 33, true}, {3, 1, 34, false},
		{math.MaxInt64, 1_000_000_000, 1, false}, {1_000_000_000, 999_999_999, 100, false}, {1_000_000_000, 1_000_000_000, 100, true},
	} {
		gate := gates.Budget(gates.Limits{Tokens: tt.limit, FinalAnswer: tt.percent, Estimate: 1})
		mustRun(t, func(ctx context.Context) {
			u := &middleware.Usage{InputTokens: tt.used, Reported: true}
			if tt.used > 0 {
				_, _, _ = sent(ctx, gate, &middleware.ModelRequest{MaxTokens: 1}, u)
			}
			called := false
			var told bool
			_ = do(ctx, gate, func(_ context.Context, call middleware.Call) (middleware.Result, error) {
				called, told = true, len(call.Input.(*middleware.ModelRequest).Messages) > 0
				return middleware.Result{}, nil
			}, middleware.Call{Kind: middleware.KindModel, Input: &middleware.ModelRequest{MaxTokens: 1}})
			if called && told != tt.want {
				t.Errorf("%d of %d at %d percent: got told %v, want %v", tt.used, tt.limit, tt.percent, told, tt.want)
			}
		})
	}
}
