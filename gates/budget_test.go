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

// do sends one call through gate to h, within what ctx belongs to, and returns
// the error. The run goes on.
func do(ctx context.Context, gate middleware.Interceptor, h middleware.Handler, call middleware.Call) (err error) {
	_, _ = middleware.Wrap(h, lenient(&err), gate)(ctx, call)
	return err
}

// spent returns what is used and held of a limit, as in "run/tool_calls".
func spent(ctx context.Context, limit string) (used, held int64) {
	for _, b := range middleware.RunOf(ctx).Balances() {
		if b.Scope+"/"+b.Limit == limit {
			return b.Used, b.Held
		}
	}
	return -1, -1
}

// wantSpent checks what is used and held of a limit.
func wantSpent(t *testing.T, ctx context.Context, limit string, used, held int64) {
	t.Helper()
	if u, h := spent(ctx, limit); u != used || h != held {
		t.Errorf("%s: got %d used and %d held, want %d and %d", limit, u, h, used, held)
	}
}

func mustRun(t *testing.T, f func(ctx context.Context), is ...middleware.Interceptor) {
	t.Helper()
	if err := kit.InRun(f, is...); err != nil {
		t.Fatal(err)
	}
}

var errTool = errors.New("no such file")

// deny is a gate further inside.
var deny = middleware.Before("inner", func(context.Context, middleware.Call) error {
	return middleware.Deny(middleware.CodePolicy, "no")
})

func TestBudgetToolCalls(t *testing.T) {
	panics := func(context.Context, middleware.Call) (middleware.Result, error) { panic("at the disco") }
	cancels := func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, context.Canceled
	}
	tests := []struct {
		name string
		h    middleware.Handler
		in   []middleware.Interceptor // further inside
		used int64
	}{
		{"done", kit.Echo, nil, 1},
		{"failed", kit.Fail(errTool), nil, 1},
		{"panicked", panics, nil, 1},
		{"cancelled", cancels, nil, 1},
		{"denied by the tool", kit.Fail(middleware.Deny(middleware.CodePolicy, "no")), nil, 1},
		{"denied inside", kit.Echo, []middleware.Interceptor{deny}, 0},
		{"denied inside and told", kit.Echo, []middleware.Interceptor{middleware.Tell, deny}, 0},
		{"withheld inside", kit.Echo, []middleware.Interceptor{middleware.After("inner", func(context.Context, middleware.Call, middleware.Result) error {
			return middleware.Deny(middleware.CodeBadOutput, "no")
		})}, 1},
		{"denied inside, in shadow", kit.Echo, []middleware.Interceptor{middleware.Shadow(deny)}, 1},
		{"inner gate panicked", kit.Echo, []middleware.Interceptor{middleware.Before("inner", func(context.Context, middleware.Call) error { panic("x") })}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for scope, limit := range map[gates.Scope]string{gates.ScopeRun: "run/tool_calls", gates.ScopeProcess: "process/tool_calls"} {
				gate := gates.Budget(gates.Limits{Scope: scope, ToolCalls: 5})
				mustRun(t, func(ctx context.Context) {
					guard := middleware.Compose(append([]middleware.Interceptor{gate}, tt.in...)...)
					for range 2 {
						_ = do(ctx, guard, tt.h, kit.Tool("shell", "ls"))
					}
					wantSpent(t, ctx, limit, 2*tt.used, 0)
				})
			}
		})
	}
}

func TestBudgetDenies(t *testing.T) {
	tests := []struct {
		name   string
		limits []gates.Limits
		calls  []middleware.Call // the last is denied
		reason string
	}{
		{"tool calls", []gates.Limits{{ToolCalls: 2}},
			[]middleware.Call{kit.Tool("a", ""), kit.Tool("b", ""), kit.Tool("c", "")},
			"limit tool_calls of the run: asked 1, left 0 of 2"},
		{"model calls", []gates.Limits{{ModelCalls: 1}},
			[]middleware.Call{kit.Model("hi"), kit.Model("hi")},
			"limit model_calls of the run: asked 1, left 0 of 1"},
		{"tokens", []gates.Limits{{Tokens: 150, Estimate: 100}},
			[]middleware.Call{kit.Model("hi"), kit.Model("hi")},
			"limit tokens of the run: asked 101, left 49 of 150"},
		{"tokens, at once", []gates.Limits{{Tokens: 1000}},
			[]middleware.Call{kit.Model("hello")},
			"limit tokens of the run: asked 1026, left 1000 of 1000; it counts an answer of 1024 tokens, as the request sets no MaxTokens: Limits.Estimate and Limits.Clamp change that"},
		{"the process", []gates.Limits{{ToolCalls: 5}, {Scope: gates.ScopeProcess, ToolCalls: 1}},
			[]middleware.Call{kit.Tool("a", ""), kit.Tool("b", "")},
			"limit tool_calls of the process: asked 1, left 0 of 1"},
		{"the run first", []gates.Limits{{Scope: gates.ScopeProcess, ToolCalls: 1}, {ToolCalls: 1}},
			[]middleware.Call{kit.Tool("a", ""), kit.Tool("b", "")},
			"limit tool_calls of the run: asked 1, left 0 of 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gate := gates.Budget(tt.limits...)
			var spy kit.Spy
			mustRun(t, func(ctx context.Context) {
				for i, call := range tt.calls {
					before := middleware.RunOf(ctx).Balances()
					err := do(ctx, gate, spy.Handle, call)
					if i < len(tt.calls)-1 {
						if err != nil {
							t.Fatalf("call %d: got %v, want it allowed", i, err)
						}
						continue
					}
					if d := kit.WantDenied(t, err, middleware.CodeOverBudget); d.Reason != tt.reason || d.Gate != "budget" {
						t.Errorf("got reason %q of gate %q, want %q of budget", d.Reason, d.Gate, tt.reason)
					}
					for j, b := range before {
						if now := middleware.RunOf(ctx).Balances()[j]; now != b {
							t.Errorf("the denial charged: got %+v, was %+v", now, b)
						}
					}
				}
			})
			if got := len(spy.Calls()); got != len(tt.calls)-1 {
				t.Errorf("got %d calls through, want %d", got, len(tt.calls)-1)
			}
		})
	}
}

// TestBudgetUnconcerned checks that calls without a limit pass, and that runs do
// not share what is theirs.
func TestBudgetUnconcerned(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 1})
	for range 3 {
		mustRun(t, func(ctx context.Context) {
			for _, call := range []middleware.Call{kit.Tool("a", ""), kit.Model("hi"), kit.Model("hi"), kit.Retriever("q"), kit.Chain("c", nil)} {
				if err := do(ctx, gate, kit.Echo, call); err != nil {
					t.Errorf("%v: got %v, want it allowed", call.Kind, err)
				}
			}
		}, gate)
	}
	models := gates.Budget(gates.Limits{ModelCalls: 1})
	mustRun(t, func(ctx context.Context) {
		for range 3 {
			if err := do(ctx, models, kit.Echo, kit.Tool("a", "")); err != nil {
				t.Errorf("got %v, want it allowed", err)
			}
			if err := do(ctx, models, kit.Planner(kit.Ask("a", ""), kit.Ask("a", "")), kit.Plan()); err != nil {
				t.Errorf("got %v, want it allowed", err)
			}
		}
	})
}

// TestBudgetOutsideRun checks a gate that is applied without middleware.Wrap:
// each call is a run of its own, and the process counts.
func TestBudgetOutsideRun(t *testing.T) {
	gate := gates.Budget(gates.Limits{ToolCalls: 1, ModelCalls: 1}, gates.Limits{Scope: gates.ScopeProcess, ToolCalls: 2})
	h := gate(kit.Fail(errTool))
	for i, want := range []error{errTool, errTool, nil} {
		_, err := h(t.Context(), kit.Tool("shell", "ls"))
		if want == nil {
			kit.WantDenied(t, err, middleware.CodeOverBudget)
		} else if !errors.Is(err, want) {
			t.Errorf("call %d: got %v, want %v", i, err, want)
		}
	}
	if _, err := gate(kit.Echo)(t.Context(), kit.Chain("qa", nil)); err != nil {
		t.Errorf("a chain: got %v, want it to pass", err)
	}
	if _, err := gate(kit.Answer("hi", 1, 1))(t.Context(), kit.Model("hi")); err != nil {
		t.Errorf("a model: got %v, want it to pass", err)
	}
}

func TestBudgetPanics(t *testing.T) {
	for name, limits := range map[string][]gates.Limits{
		"none":                     nil,
		"empty":                    {{}},
		"one empty":                {{ToolCalls: 1}, {Scope: gates.ScopeProcess}},
		"an estimate only":         {{Estimate: 5}},
		"an estimate of no tokens": {{ToolCalls: 1, Estimate: 5}},
		"negative ToolCalls":       {{ToolCalls: -1}},
		"negative ModelCalls":      {{ModelCalls: -1, Tokens: 1}},
		"negative Tokens":          {{Tokens: math.MinInt64}},
		"negative WallTime":        {{WallTime: -1}},
		"negative Estimate":        {{Tokens: 1, Estimate: -1}},
		"a scope twice":            {{ToolCalls: 1}, {Tokens: 1}},
		"an unknown scope":         {{Scope: 99, ToolCalls: 1}},
		"WallTime of the process":  {{Scope: gates.ScopeProcess, WallTime: 1}},
		"WallTime of a window":     {{Window: 1, WallTime: 1}},
		"a window of nothing":      {{Window: 1}},
		"negative Window":          {{ToolCalls: 1, Window: -1}},
		"negative InputTokens":     {{InputTokens: -1}},
		"negative OutputTokens":    {{OutputTokens: -1}},
		"negative CachedTokens":    {{CachedTokens: -1}},
		"negative ReasoningTokens": {{ReasoningTokens: -1}},
		"negative Cost":            {{Cost: -1}},
		"a window twice":           {{ToolCalls: 1, Window: 5}, {Tokens: 1, Window: 5}},
		"Clamp of no tokens":       {{ToolCalls: 1, Clamp: true}},
		"negative Soft":            {{ToolCalls: 1, Soft: -1}},
		"Soft over 100":            {{ToolCalls: 1, Soft: 101}},
		"negative FinalAnswer":     {{ToolCalls: 1, FinalAnswer: -1}},
		"FinalAnswer over 100":     {{ToolCalls: 1, FinalAnswer: 101}},
		"Soft of time":             {{WallTime: 1, Soft: 50}},
		"Nameless of the run":      {{ToolCalls: 1, Nameless: gates.NamelessShared}},
		"an unknown Nameless":      {{Scope: gates.ScopeTenant, ToolCalls: 1, Nameless: 9}},
	} {
		v, _ := panicOf(func() { gates.Budget(limits...) }).(string)
		if !strings.HasPrefix(v, "gates: Budget") {
			t.Errorf("%s: got panic %q, want one of gates: Budget", name, v)
		}
	}
}

func TestBudgetOptionsPanic(t *testing.T) {
	store := gates.NewMemory()
	for name, o := range map[string]gates.BudgetOptions{
		"negative Lease":          {Lease: -1},
		"negative StoreTimeout":   {Store: store, StoreTimeout: -1},
		"negative LocalShare":     {Store: store, LocalShare: -1},
		"StoreTimeout of nothing": {StoreTimeout: 1},
		"LocalShare of nothing":   {LocalShare: 1},
	} {
		v, _ := panicOf(func() { gates.BudgetWith(o, gates.Limits{ToolCalls: 1}) }).(string)
		if !strings.HasPrefix(v, "gates: Budget") {
			t.Errorf("%s: got panic %q, want one of gates: Budget", name, v)
		}
	}
}

func TestBudgetStrings(t *testing.T) {
	for scope, want := range map[gates.Scope]string{
		gates.ScopeRun: "run", gates.ScopeSession: "session", gates.ScopeSubject: "subject",
		gates.ScopeTenant: "tenant", gates.ScopeProcess: "process", 9: "scope(9)",
	} {
		if got := scope.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for dim, want := range map[gates.Dim]string{
		gates.DimToolCalls: "tool_calls", gates.DimModelCalls: "model_calls", gates.DimInputTokens: "input_tokens",
		gates.DimOutputTokens: "output_tokens", gates.DimCachedTokens: "cached_tokens",
		gates.DimReasoningTokens: "reasoning_tokens", gates.DimTokens: "tokens", gates.DimCost: "cost", gates.Dims: "dim(8)",
	} {
		if got := dim.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
