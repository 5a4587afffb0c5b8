package gates_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// TestBudgetTokens checks what is charged for one model call.
func TestBudgetTokens(t *testing.T) {
	const estimate = 2 + 100 // of "hello" and Limits.Estimate
	usage := func(in, out, total int64) *middleware.Usage {
		return &middleware.Usage{InputTokens: in, OutputTokens: out, TotalTokens: total, Reported: true}
	}
	withCached := usage(5, 5, 10)
	withCached.CachedTokens = -3
	tests := []struct {
		name  string
		usage *middleware.Usage
		err   error
		used  int64
	}{
		{"as reported", usage(7, 5, 12), nil, 12},
		{"the total is more", usage(7, 5, 20), nil, 20},
		{"the total is missing", usage(7, 5, 0), nil, 12},
		{"more than was held", usage(700, 500, 1200), nil, 1200},
		{"no usage", nil, nil, estimate},
		{"not reported", &middleware.Usage{}, nil, estimate},
		{"not reported, with numbers", &middleware.Usage{InputTokens: 1}, nil, estimate},
		{"zero", usage(0, 0, 0), nil, estimate},
		{"negative", usage(-7, 5, 12), nil, estimate},
		{"negative output", usage(7, -5, 12), nil, estimate},
		{"negative total", usage(7, 5, -12), nil, estimate},
		{"negative, adds budget", usage(0, 0, math.MinInt64), nil, estimate},
		{"negative cache", withCached, nil, estimate},
		{"absurd", usage(7, 5, 1<<62), nil, estimate},
		{"overflowing", usage(math.MaxInt64, math.MaxInt64, 0), nil, estimate},

		{"failed, nothing known", nil, errTool, 0},
		{"failed, as reported", usage(7, 0, 7), errTool, 7},
		{"failed, metered without numbers", &middleware.Usage{}, errTool, estimate},
		{"failed, negative", usage(-1, 0, 0), errTool, estimate},
		{"cancelled, nothing known", nil, context.Canceled, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{ModelCalls: 10, Tokens: 10_000, Estimate: 100},
				gates.Limits{Scope: gates.ScopeProcess, Tokens: 10_000, Estimate: 100})
			mustRun(t, func(ctx context.Context) {
				err := do(ctx, gate, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					wantSpent(t, ctx, "run/tokens", 0, estimate)
					wantSpent(t, ctx, "process/tokens", 0, estimate)
					wantSpent(t, ctx, "run/model_calls", 0, 1)
					return middleware.Result{Usage: tt.usage}, tt.err
				}, kit.Model("hello"))
				if !errors.Is(err, tt.err) {
					t.Errorf("got error %v, want %v", err, tt.err)
				}
				wantSpent(t, ctx, "run/tokens", tt.used, 0)
				wantSpent(t, ctx, "process/tokens", tt.used, 0)
				wantSpent(t, ctx, "run/model_calls", 1, 0)
			})
		})
	}
}

// TestBudgetModelNotReached checks that a model call that is denied further
// inside, or that a cache answers, takes nothing.
func TestBudgetModelNotReached(t *testing.T) {
	cache := func(middleware.Handler) middleware.Handler { return kit.Answer("from the cache", 100, 100) }
	for name, inner := range map[string]middleware.Interceptor{"denied": deny, "cached": cache} {
		gate := gates.Budget(gates.Limits{ModelCalls: 10, Tokens: 10_000})
		mustRun(t, func(ctx context.Context) {
			_ = do(ctx, middleware.Compose(gate, inner), kit.Echo, kit.Model("hello"))
			if used, held := spent(ctx, "run/tokens"); used != 0 || held != 0 {
				t.Errorf("%s: got %d tokens used and %d held, want none", name, used, held)
			}
			if used, held := spent(ctx, "run/model_calls"); used != 0 || held != 0 {
				t.Errorf("%s: got %d calls used and %d held, want none", name, used, held)
			}
		})
	}
}

// TestBudgetStream checks that a stream that is cut is charged by the estimate,
// and that chunks come through.
func TestBudgetStream(t *testing.T) {
	for _, chunks := range []int{0, 3} {
		gate := gates.Budget(gates.Limits{Tokens: 10_000, Estimate: 100})
		got := 0
		call := kit.Model("hello")
		call.Stream = func(context.Context, middleware.Chunk) error { got++; return nil }
		mustRun(t, func(ctx context.Context) {
			err := do(ctx, gate, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				for range chunks {
					if err := call.Stream(ctx, middleware.Chunk{Text: []byte("a")}); err != nil {
						t.Error(err)
					}
				}
				return middleware.Result{}, errTool
			}, call)
			if !errors.Is(err, errTool) || got != chunks {
				t.Errorf("got error %v and %d chunks, want %v and %d", err, got, errTool, chunks)
			}
			wantSpent(t, ctx, "run/tokens", int64(min(chunks, 1)*102), 0)
		})
	}
}

// TestBudgetPanic checks that the estimate is charged where a model panics, and
// that what is held is released where an interceptor further inside does before
// the call came to the model.
func TestBudgetPanic(t *testing.T) {
	boom := func(context.Context, middleware.Call) (middleware.Result, error) { panic("at the disco") }
	inner := func(middleware.Handler) middleware.Handler { return boom }
	gate := gates.Budget(gates.Limits{ModelCalls: 10, Tokens: 10_000})
	mustRun(t, func(ctx context.Context) {
		_ = do(ctx, gate, boom, kit.Model("hello"))
		wantSpent(t, ctx, "run/tokens", 2+gates.DefaultEstimate, 0)
		wantSpent(t, ctx, "run/model_calls", 1, 0)
		_, _ = middleware.Wrap(kit.Echo, gate, inner)(ctx, kit.Model("hello"))
		wantSpent(t, ctx, "run/tokens", 2+gates.DefaultEstimate, 0)
		wantSpent(t, ctx, "run/model_calls", 1, 0)
	})
}

// TestBudgetEstimate checks what is held for a request.
func TestBudgetEstimate(t *testing.T) {
	request := func(max, candidates int, parts ...middleware.Part) middleware.Call {
		return middleware.Call{Kind: middleware.KindModel, Input: &middleware.ModelRequest{
			MaxTokens: max, Candidates: candidates, Messages: []middleware.Message{{Parts: parts}},
		}}
	}
	tests := []struct {
		name string
		call middleware.Call
		held int64 // 0 for a denial
		code middleware.Code
	}{
		{"nothing", request(0, 0), 1024, ""},
		{"rounded up", kit.Model("hello"), 2 + 1024, ""},
		{"over all messages", kit.Model("a", "b", "c", "d", "e"), 2 + 1024, ""},
		{"a bound", request(10, 0), 10, ""},
		{"a bound, for each answer", request(10, 3), 30, ""},
		{"no bound, for each answer", request(0, 3), 3 * 1024, ""},
		{"negative", request(-5, -3), 1024, ""},
		{"an image", request(10, 0, middleware.Part{Size: 4_000_000, Media: true}), 1610, ""},
		{"an image by its URL", request(10, 0, middleware.Part{Text: "https://example.com/a.png", Size: 25, Media: true, Native: 1}), 1610, ""},
		{"an image in its URL", request(10, 0, middleware.Part{Text: "data:image/png;base64," + strings.Repeat("A", 9_000_000), Media: true}), 1610, ""},
		{"text with images",
			request(10, 0, middleware.Part{Text: "abcd", Size: 4}, middleware.Part{Size: 9, Media: true}, middleware.Part{Size: 9, Media: true}), 3211, ""},
		{"a tool's answer", request(10, 0, middleware.Part{Text: "https://example.com is up", Size: 25, Native: 1}), 17, ""},
		{"a tool's answer like a URL", request(10, 0, middleware.Part{Text: "https://" + strings.Repeat("a", 39_992), Size: 40_000, Native: 1}), 10_010, ""},
		{"a tool's answer like an image", request(10, 0, middleware.Part{Text: "data:image/png;base64," + strings.Repeat("A", 39_978), Native: 1}), 10_010, ""},
		{"a URL as text", request(10, 0, middleware.Part{Text: "https://example.com/a.png", Size: 25}), 17, ""},
		{"what nobody says is media", request(10, 0, middleware.Part{Size: 40_000, Native: 1}), 10_010, ""},
		{"an empty part", request(10, 0, middleware.Part{}), 10, ""},
		{"negative size", request(10, 0, middleware.Part{Text: "abcd", Size: -4000}), 11, ""},
		{"the largest bound", request(math.MaxInt, 0), 0, middleware.CodeOverBudget},
		{"overflowing", request(math.MaxInt, math.MaxInt), 0, middleware.CodeOverBudget},
		{"absurd media", request(1, 1, middleware.Part{Size: math.MaxInt, Media: true}, middleware.Part{Size: math.MaxInt, Media: true}), 3201, ""},
		{"not a request", middleware.Call{Kind: middleware.KindModel, Input: "hello"}, 0, middleware.CodeIndeterminate},
		{"no request", middleware.Call{Kind: middleware.KindModel, Input: (*middleware.ModelRequest)(nil)}, 0, middleware.CodeIndeterminate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{Tokens: 1 << 30})
			mustRun(t, func(ctx context.Context) {
				held := int64(0)
				err := do(ctx, gate, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					_, held = spent(ctx, "run/tokens")
					return middleware.Result{}, nil
				}, tt.call)
				if tt.code != "" {
					kit.WantDenied(t, err, tt.code)
				} else if err != nil {
					t.Fatal(err)
				}
				if held != tt.held {
					t.Errorf("got %d held, want %d", held, tt.held)
				}
			})
		})
	}
}

// TestBudgetSaturates checks that counters stay at their end and do not wrap.
func TestBudgetSaturates(t *testing.T) {
	gate := gates.Budget(gates.Limits{Tokens: math.MaxInt64, Estimate: math.MaxInt64 - 1})
	mustRun(t, func(ctx context.Context) {
		_ = do(ctx, gate, answer(middleware.Result{}, nil), kit.Model())
		wantSpent(t, ctx, "run/tokens", math.MaxInt64-1, 0)
		call := kit.Model()
		call.Input.(*middleware.ModelRequest).MaxTokens = 1
		_ = do(ctx, gate, kit.Answer("", 1_000_000_000, 0), call)
		wantSpent(t, ctx, "run/tokens", math.MaxInt64, 0)
		err := do(ctx, gate, kit.Answer("", 1, 1), call)
		if d := kit.WantDenied(t, err, middleware.CodeOverBudget); !strings.Contains(d.Reason, "asked 1, left 0 of") {
			t.Errorf("got reason %q, want nothing left", d.Reason)
		}
	})
}
