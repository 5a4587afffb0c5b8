package gates_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// around is an interceptor of one's own inside of the gate: it does something
// before and after the call.
func around(before, after func() error) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "own"}.Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if err := before(); err != nil {
				return middleware.Result{}, err
			}
			if _, err := next(ctx, call); err != nil {
				return middleware.Result{}, err
			}
			if err := after(); err != nil {
				return middleware.Result{}, err // and the usage is lost
			}
			return middleware.Result{Output: "ok"}, nil
		}
	}
}

func goesOn() error { return nil }
func boom() error   { panic("at the disco") }
func leave() error  { runtime.Goexit(); return nil }
func denies() error { return middleware.Deny(middleware.CodePolicy, "no") }

// fatesInside are what may become of a call inside of a budget, by what stands there.
var fatesInside = []struct {
	name  string
	inner middleware.Interceptor
	h     func() error // in the model or tool; nil for nothing
	ran   bool
}{
	{"a panic before the call", around(boom, goesOn), nil, false},
	{"a panic after the call", around(goesOn, boom), nil, true},
	{"a named gate panics before", middleware.Named("own", around(boom, goesOn)), nil, false},
	{"a named gate panics after", middleware.Named("own", around(goesOn, boom)), nil, true},
	{"Before panics", middleware.Before("own", func(context.Context, middleware.Call) error { return boom() }), nil, false},
	{"After panics", middleware.After("own", func(context.Context, middleware.Call, middleware.Result) error { return boom() }), nil, true},
	{"the goroutine ends before", around(leave, goesOn), nil, false},
	{"the goroutine ends after", around(goesOn, leave), nil, true},
	{"the goroutine ends in the call", around(goesOn, goesOn), leave, true},
	{"a panic in the call", around(goesOn, goesOn), boom, true},
	{"denied before", around(denies, goesOn), nil, false},
	{"denied after", around(goesOn, denies), nil, true},
	{"After denies", middleware.After("own", func(context.Context, middleware.Call, middleware.Result) error { return denies() }), nil, true},
}

// TestWhatRanIsChargedOnce checks that a call is charged if it came to the model or
// the tool, and not if it did not, whatever becomes of it then: once, and nothing
// stays held. What a model answers is its own to choose, and so is whether a gate
// panics on it.
func TestWhatRanIsChargedOnce(t *testing.T) {
	for _, kind := range []middleware.Kind{middleware.KindModel, middleware.KindTool} {
		for _, how := range []string{"here", "in a Store", "timed", "streamed"} {
			for _, tt := range fatesInside {
				for _, reports := range []bool{true, false} {
					t.Run(fmt.Sprintf("%v/%s/%s/reports=%v", kind, how, tt.name, reports), func(t *testing.T) {
						o, limits := gates.BudgetOptions{}, gates.Limits{ToolCalls: 10, ModelCalls: 10, Tokens: 100_000}
						switch how {
						case "in a Store":
							o.Store, limits.Scope = gates.NewMemory(), gates.ScopeTenant
						case "timed":
							limits.WallTime = 1 << 40
						}
						gate := gates.BudgetWith(o, limits)
						call := kit.Tool("shell", "ls")
						if kind == middleware.KindModel {
							call = kit.Model("hello")
							call.Input.(*middleware.ModelRequest).MaxTokens = 3998
						}
						if how == "streamed" {
							call.Stream = func(context.Context, middleware.Chunk) error { return nil }
						}
						h := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
							if call.Stream != nil {
								if err := call.Stream(ctx, middleware.Chunk{Text: []byte("hello")}); err != nil {
									return middleware.Result{}, err
								}
							}
							if tt.h != nil {
								_ = tt.h()
							}
							res, err := kit.Answer("hello", 2, 3998)(ctx, call)
							if !reports {
								res.Usage = nil
							}
							return res, err
						}
						tools, models, tokens := int64(0), int64(0), int64(0)
						switch {
						case tt.ran && kind == middleware.KindModel:
							models, tokens = 1, 4000
						case tt.ran:
							tools = 1
						}
						scope := limits.Scope.String()
						want := func(ctx context.Context) {
							wantSpent(t, ctx, scope+"/tool_calls", tools, 0)
							wantSpent(t, ctx, scope+"/model_calls", models, 0)
							wantSpent(t, ctx, scope+"/tokens", tokens, 0)
						}
						as(t, ann, func(ctx context.Context) {
							over := make(chan struct{})
							go func() { // which Goexit ends
								defer close(over)
								_ = do(ctx, middleware.Compose(gate, tt.inner), h, call)
							}()
							<-over
							if o.Store == nil {
								want(ctx)
							}
						})
						if o.Store != nil { // what it says is learned when it is asked
							as(t, ann, func(ctx context.Context) {
								must(t, do(ctx, gate, kit.Answer("", 1, 1), kit.Model("hello")))
								models, tokens = models+1, tokens+2
								want(ctx)
							})
						}
					})
				}
			}
		}
	}
}

// TestAnswersThatPanicAreNotFree checks that no more calls than a process may pay
// for are made where a gate panics on each answer.
func TestAnswersThatPanicAreNotFree(t *testing.T) {
	for name, inner := range map[string]middleware.Interceptor{
		"by hand": around(goesOn, boom), "named": middleware.Named("own", around(goesOn, boom)),
		"after": middleware.After("own", func(context.Context, middleware.Call, middleware.Result) error { return boom() }),
	} {
		t.Run(name, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{Scope: gates.ScopeProcess, Tokens: 10_000})
			ran := 0
			model := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				ran++
				return kit.Answer("hello", 2, 3998)(ctx, call)
			}, gate, inner)
			for range 100 {
				call := kit.Model("hello")
				call.Input.(*middleware.ModelRequest).MaxTokens = 3998
				_, _ = model(t.Context(), call) // each a run of its own
			}
			if ran != 2 {
				t.Errorf("%d calls of 4,000 tokens were made of 10,000", ran)
			}
		})
	}
}

// TestWhatAProviderLeavesOut checks that what a provider does not count is charged
// as it was reserved.
func TestWhatAProviderLeavesOut(t *testing.T) {
	const prompt, output = 250, 100 // reserved
	says := &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "hello"}}}
	asks := &middleware.ModelResponse{Choices: []middleware.Choice{{ToolCalls: asks(1)}}}
	empty := &middleware.ModelResponse{Choices: []middleware.Choice{{StopReason: "content_filter"}}}
	tests := []struct {
		name               string
		in, out, sum, cost int64
		res                any
		err                error
		wantIn, wantOut    int64
		wantCost           int64
	}{
		{"all there", 7, 5, 12, 0, says, nil, 7, 5, 7*2 + 5*10},
		{"no prompt", 0, 5, 5, 0, says, nil, prompt, 5, prompt*2 + 5*10},
		{"no prompt, and no sum", 0, 5, 0, 0, says, nil, prompt, 5, prompt*2 + 5*10},
		{"nothing but a sum", 0, 0, 12, 0, says, nil, prompt, 12, prompt*2 + 12*10},
		{"no output", 7, 0, 7, 0, says, nil, 7, output, 7*2 + output*10},
		{"no output, for tool calls", 7, 0, 7, 0, asks, nil, 7, output, 7*2 + output*10},
		{"an empty answer", 7, 0, 7, 0, empty, nil, 7, 0, 7 * 2},
		{"no answer", 7, 0, 7, 0, nil, nil, 7, 0, 7 * 2},
		{"an answer that was denied", 7, 0, 7, 0, nil, denies(), 7, output, 7*2 + output*10},
		{"failed", 7, 0, 7, 0, nil, errTool, 7, 0, 7 * 2},
		{"a cost of the provider's own", 0, 5, 5, 77, says, nil, prompt, 5, 77},
	}
	prices := table(t, "model 2026-07-24 s m input=2000000 output=10000000")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := gates.BudgetWith(gates.BudgetOptions{Prices: prices, Model: "m"},
				gates.Limits{InputTokens: 10_000, OutputTokens: 10_000, Tokens: 10_000, Cost: 10_000, Estimate: output})
			var decisions []middleware.Decision
			mustRun(t, func(ctx context.Context) {
				_ = do(ctx, middleware.Compose(trail(&decisions), gate), func(context.Context, middleware.Call) (middleware.Result, error) {
					return middleware.Result{Output: tt.res, Usage: &middleware.Usage{
						InputTokens: tt.in, OutputTokens: tt.out, TotalTokens: tt.sum, Cost: tt.cost, Reported: true,
					}}, tt.err
				}, kit.Model(strings.Repeat("abcd", prompt)))
				wantSpent(t, ctx, "run/input_tokens", tt.wantIn, 0)
				wantSpent(t, ctx, "run/output_tokens", tt.wantOut, 0)
				wantSpent(t, ctx, "run/tokens", tt.wantIn+tt.wantOut, 0)
				wantSpent(t, ctx, "run/cost", tt.wantCost, 0)
			})
			noted := false
			for _, d := range decisions {
				noted = noted || strings.Contains(d.Reason, "leaves out")
			}
			if want := tt.wantIn != tt.in || tt.wantOut == output; noted != want {
				t.Errorf("got %+v, want a note: %v", decisions, want)
			}
		})
	}
}
