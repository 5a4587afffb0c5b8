package langchaingo_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// TestAComposedGateIsKept guards a guarded tool once more, with orders that share
// some of their interceptors: its own gate denies as before.
func TestAComposedGateIsKept(t *testing.T) {
	open := middleware.Before("open", func(context.Context, middleware.Call) error { return nil })
	no := func() middleware.Interceptor {
		return denyIf(func(c middleware.Call) bool { return c.Kind == middleware.KindTool })
	}
	judgedOnce := no()
	for name, tt := range map[string]struct{ own, outer middleware.Interceptor }{
		"both stacks share Tell":           {middleware.Compose(middleware.Tell, no()), middleware.Compose(middleware.Tell, open)},
		"both stacks share a gate":         {middleware.Compose(open, no()), open},
		"outside it is a shadow":           {judgedOnce, middleware.Shadow(judgedOnce)},
		"outside it is a part of a shadow": {judgedOnce, middleware.Shadow(middleware.Compose(open, judgedOnce))},
		"outside it is for models":         {judgedOnce, middleware.Compose(open, middleware.On(middleware.KindModel, judgedOnce))},
		"a name shares its gate":           {middleware.Named("name", middleware.Compose(open, no())), open},
	} {
		t.Run(name, func(t *testing.T) {
			ran := false
			calc := langchaingo.Tool(&funcTool{"calc", func(context.Context, string) (string, error) {
				ran = true
				return "", nil
			}}, tt.own)
			if name != "outside it is for models" { // which is refused around a tool
				_, _ = langchaingo.Tool(calc, tt.outer).Call(t.Context(), "x")
			}
			if ran {
				t.Error("a tool that was guarded once more ran")
			}
			m := says(mrklCalls, "Final Answer: 437")
			run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(m, []tools.Tool{calc})), tt.outer)
			_, _ = chains.Run(t.Context(), run, "q")
			if ran {
				t.Error("a tool of a guarded executor ran")
			}
		})
	}
}

// TestAnAgentsGateIsKept: an agent's interceptors are those of its tools too,
// whatever the outer ones are for.
func TestAnAgentsGateIsKept(t *testing.T) {
	no := denyIf(func(c middleware.Call) bool { return c.Kind == middleware.KindTool })
	ran := false
	calc := &funcTool{"calc", func(context.Context, string) (string, error) {
		ran = true
		return "", nil
	}}
	a := langchaingo.Agent(agents.NewOneShotAgent(says(mrklCalls, "Final Answer: 437"), []tools.Tool{calc}), no)
	run := langchaingo.Executor(agents.NewExecutor(a), middleware.On(middleware.KindPlan, no))
	if _, err := chains.Run(t.Context(), run, "q"); ran || !errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("ran %v, got %v, want a denial", ran, err)
	}
}

// TestAnOrderWithoutSenseIsRefusedWhereItIsMade: of what is guarded already the
// order is known when it is guarded once more, not in the first run.
func TestAnOrderWithoutSenseIsRefusedWhereItIsMade(t *testing.T) {
	records := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "records", Recorder: true, ID: "records"}.Handler()
		}
		return next
	}
	no := denyIf(func(middleware.Call) bool { return false })
	calc := []tools.Tool{langchaingo.Tool(echoTool("calc"), records)}
	plain := []tools.Tool{echoTool("calc")}
	mem := langchaingo.Memory(memory.NewConversationBuffer(), records)
	for name, f := range map[string]func(){
		"a tool":          func() { langchaingo.Tool(calc[0], no) },
		"an agent's tool": func() { langchaingo.Agent(agents.NewOneShotAgent(says(), calc), no) },
		"an executor's tool": func() {
			langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(says(), calc)), no)
		},
		"a model": func() { langchaingo.Model(langchaingo.Model(says(), records), no) },
		"an executor's model": func() {
			langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(langchaingo.Model(says(), records), plain)), no)
		},
		"an executor's agent": func() {
			langchaingo.Executor(agents.NewExecutor(langchaingo.Agent(agents.NewOneShotAgent(says(), plain), records)), no)
		},
		"an executor's memory": func() {
			langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(says(), plain), agents.WithMemory(mem)), no)
		},
		"a chain": func() { langchaingo.Chain(langchaingo.Chain(contextChain(says()), records), no) },
		"a chain's memory": func() {
			c := contextChain(says())
			c.Memory = mem
			langchaingo.Chain(c, no)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, "records stands inside the gate test") {
					t.Errorf("got panic %v, want one that names the recorder", v)
				}
			}()
			f()
		})
	}
}
