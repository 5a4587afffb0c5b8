package gates_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestContract holds every gate against the contract of an interceptor.
func TestContract(t *testing.T) {
	plans := []middleware.Call{kit.Tool("shell", "ls"), kit.Plan(), kit.Model("hello"), kit.Chain("qa", map[string]any{"input": "hello"})}
	tests := map[string]struct {
		gate  func() middleware.Interceptor
		calls []middleware.Call
	}{
		"Ingress": {func() middleware.Interceptor { return gates.Ingress(gates.IngressRules{}) }, nil},
		"Ingress, all rules": {func() middleware.Interceptor {
			return gates.Ingress(gates.IngressRules{
				MaxBytes: 1000, MaxDepth: 3, Required: []string{"input"},
				Allow: map[string][]any{"env": {"prod"}}, Deny: map[string][]any{"role": {"root"}},
				Check: func(_ context.Context, inputs map[string]any) error {
					_ = inputs["input"].(string) // panics where there is none
					return nil
				},
			})
		}, []middleware.Call{kit.Chain("qa", map[string]any{"input": "hello", "env": "prod"}), kit.Tool("shell", "ls")}},
		"Tools":       {func() middleware.Interceptor { return gates.Tools("shell") }, plans},
		"Tools, none": {func() middleware.Interceptor { return gates.Tools() }, []middleware.Call{kit.Model("hello"), kit.Tool("shell", "ls")}},
		"Budget": {func() middleware.Interceptor {
			return gates.Budget(gates.Limits{ToolCalls: 100, ModelCalls: 100, Tokens: 1_000_000})
		}, plans},
		"Budget, two scopes": {func() middleware.Interceptor {
			return gates.Budget(gates.Limits{Tokens: 1_000_000}, gates.Limits{Scope: gates.ScopeProcess, ToolCalls: 100})
		}, plans},
		"Budget, timed": {func() middleware.Interceptor {
			return gates.Budget(gates.Limits{ToolCalls: 100, ModelCalls: 100, WallTime: 1 << 40})
		}, plans},
		"Budget, small": {func() middleware.Interceptor {
			return gates.Budget(gates.Limits{ToolCalls: 3, ModelCalls: 3, Tokens: 3000})
		}, plans},
		"Budget, all limits": {func() middleware.Interceptor {
			return gates.Budget(
				gates.Limits{ToolCalls: 100, Tokens: 100_000, Clamp: true, Soft: 1, FinalAnswer: 2, WallTime: 1 << 40},
				gates.Limits{ModelCalls: 100, Window: 1 << 40},
				gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 100, OutputTokens: 100_000, Nameless: gates.NamelessShared})
		}, plans},
		"Budget, of nobody": {func() middleware.Interceptor {
			return gates.Budget(gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 100, ModelCalls: 100})
		}, plans},
		"Budget, in a Store": {func() middleware.Interceptor {
			return gates.BudgetWith(gates.BudgetOptions{Store: gates.NewMemory()},
				gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 100, ModelCalls: 100, Tokens: 100_000, Clamp: true, Nameless: gates.NamelessShared})
		}, plans},
		"Budget, in money": {func() middleware.Interceptor {
			return gates.BudgetWith(gates.BudgetOptions{Model: "gpt-4o"}, gates.Limits{Cost: 1_000_000, FinalAnswer: 1})
		}, plans},
		"all": {func() middleware.Interceptor {
			return middleware.Compose(middleware.Tell, gates.Ingress(gates.IngressRules{}), gates.Tools("shell"), gates.Budget(gates.Limits{ToolCalls: 100}))
		}, plans},
		"all, in shadow": {func() middleware.Interceptor {
			return middleware.Shadow(middleware.Compose(gates.Ingress(gates.IngressRules{}), gates.Tools("rm"), gates.Budget(gates.Limits{ToolCalls: 3})))
		}, plans},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := kit.TestInterceptor(tt.gate, tt.calls...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLayers checks what the gates say of themselves: none may stand twice in
// one order.
func TestLayers(t *testing.T) {
	for name, gate := range map[string]middleware.Interceptor{
		"ingress": gates.Ingress(gates.IngressRules{}),
		"tools":   gates.Tools("shell"),
		"budget":  gates.Budget(gates.Limits{ToolCalls: 1}),
	} {
		layers := middleware.Layers(gate)
		if len(layers) != 1 || layers[0].Name != name || !layers[0].Gate || layers[0].ID == nil {
			t.Errorf("got layers %+v, want one gate %q with an ID", layers, name)
		}
		wantPanic(t, name, name+" stands twice in one order", func() { middleware.Wrap(kit.Echo, gate, gate) })
	}
}

// wantPanic wants f to panic with a message that says this, and no other panic: a
// nil dereference is none of ours.
func wantPanic(t tester, name, says string, f func()) {
	t.Helper()
	if v := panicOf(f); !strings.Contains(fmt.Sprint(v), says) || isRuntime(v) {
		t.Errorf("%s: got panic %v, want one that says %q", name, v, says)
	}
}

func isRuntime(v any) bool { _, is := v.(runtime.Error); return is }

// TestGatesThatLetStreamsPassSaySo: what leaves before the verdict is declared.
func TestGatesThatLetStreamsPassSaySo(t *testing.T) {
	got := middleware.Onion(gates.Tools("shell"), gates.Arguments(gates.ArgumentRules{"shell": {gates.Arg("command")}}),
		gates.Budget(gates.Limits{ToolCalls: 1}), gates.Loop(gates.LoopRules{}))
	want := " 1 tools, stream of plans passed through\n 2 arguments, stream of plans passed through\n 3 budget, stream passed through\n 4 loop\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// denied reports whether err is a denial with this code.
func denied(err error, code middleware.Code) bool {
	var d *middleware.DeniedError
	return errors.As(err, &d) && d.Code == code
}

// lenient is an interceptor that keeps errors from stopping the run, and hands
// them to the test.
func lenient(seen *error) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "lenient"}.Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			*seen = err
			return middleware.Result{Output: res.Output, Usage: res.Usage}, nil
		}
	}
}

// answer returns a Handler that answers every call in this way.
func answer(res middleware.Result, err error) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) { return res, err }
}
