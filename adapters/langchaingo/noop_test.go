package langchaingo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	lcschema "github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// A placed is something of langchaingo's that is guarded, and used.
type placed struct {
	name string
	use  func(is ...middleware.Interceptor)
}

func places() []placed {
	ctx := context.Background()
	agent := func() agents.Agent {
		return agents.NewOneShotAgent(says(mrklCalls, "Final Answer: 437"), []tools.Tool{echoTool("calc"), echoTool("ls")})
	}
	foreign := func(m llms.Model) chains.Chain { return &ownChain{m} }
	conversation := func() chains.Chain {
		c := chains.NewConversation(says("well"), memory.NewConversationBuffer())
		return &c
	}
	return []placed{
		{"Executor", func(is ...middleware.Interceptor) {
			_, _ = chains.Run(ctx, langchaingo.Executor(agents.NewExecutor(agent()), is...), "q")
		}},
		{"Chain(executor)", func(is ...middleware.Interceptor) {
			_, _ = chains.Run(ctx, langchaingo.Chain(agents.NewExecutor(agent()), is...), "q")
		}},
		{"Chain", func(is ...middleware.Interceptor) {
			_, _ = chains.Run(ctx, langchaingo.Chain(conversation(), is...), "q")
		}},
		{"Chain(RAG)", func(is ...middleware.Interceptor) {
			_, _ = chains.Run(ctx, langchaingo.Chain(chains.NewRetrievalQAFromLLM(says("a"), &found{}), is...), "q")
		}},
		{"Chain(own)", func(is ...middleware.Interceptor) {
			_, _ = chains.Run(ctx, langchaingo.Chain(foreign(says("a")), is...), "q")
		}},
		{"Chain(own, same)", func(is ...middleware.Interceptor) {
			guard := middleware.Shared(append([]middleware.Interceptor{anyCall}, is...)...)
			_, _ = chains.Run(ctx, langchaingo.Chain(foreign(langchaingo.Model(says("a"), guard)), guard), "q")
		}},
		{"Agent", func(is ...middleware.Interceptor) {
			a := langchaingo.Agent(agent(), is...)
			_, _, _ = a.Plan(ctx, nil, map[string]string{"input": "q"})
			_, _ = a.GetTools()[0].Call(ctx, "1")
		}},
		{"Model", func(is ...middleware.Interceptor) { _, _ = langchaingo.Model(says("a"), is...).Call(ctx, "q") }},
		{"Tool", func(is ...middleware.Interceptor) { _, _ = langchaingo.Tool(echoTool("calc"), is...).Call(ctx, "1") }},
		{"Tools", func(is ...middleware.Interceptor) {
			_, _ = langchaingo.Tools([]tools.Tool{echoTool("calc"), echoTool("ls")}, is...)[0].Call(ctx, "1")
		}},
		{"Retriever", func(is ...middleware.Interceptor) {
			_, _ = langchaingo.Retriever(&found{}, is...).GetRelevantDocuments(ctx, "q")
		}},
		{"Memory", func(is ...middleware.Interceptor) {
			m := langchaingo.Memory(memory.NewConversationBuffer(), is...)
			_ = m.SaveContext(ctx, map[string]any{"in": "q"}, map[string]any{"out": "a"})
		}},
		{"Engine", func(is ...middleware.Interceptor) {
			_, _, _ = langchaingo.Engine("calc", &fakeDB{}, is...).Query(ctx, "SELECT 1")
		}},
		{"Chain(executor, RAG, own model)", beside(agent, func(middleware.Interceptor) any { return says("a") })},
		{"Chain(executor, RAG, own tool)", beside(agent, func(middleware.Interceptor) any { return echoTool("calc") })},
		{"Chain(executor, RAG, own retriever)", beside(agent, func(middleware.Interceptor) any { return &found{} })},
		{"Chain(executor, RAG, own executor)", beside(agent, func(middleware.Interceptor) any { return agents.NewExecutor(agent()) })},
		{"Chain(executor, RAG, all of others)", beside(agent, func(middleware.Interceptor) any {
			return []any{
				langchaingo.Executor(agents.NewExecutor(agent()), pass), langchaingo.Retriever(&found{}, pass),
				langchaingo.Model(says("a"), pass), langchaingo.Tool(echoTool("calc"), pass),
			}
		})},
		{"Chain(executor, RAG, all of the same)", beside(agent, func(same middleware.Interceptor) any {
			return []any{
				langchaingo.Executor(agents.NewExecutor(agent()), same), langchaingo.Retriever(&found{}, same),
				langchaingo.Model(says("a"), same), langchaingo.Tool(echoTool("calc"), same),
			}
		})},
	}
}

// beside runs an executor and a retrieval after each other, in a chain beside one of one's
// own that holds what own makes.
func beside(agent func() agents.Agent, own func(same middleware.Interceptor) any) func(is ...middleware.Interceptor) {
	return func(is ...middleware.Interceptor) {
		same := middleware.Shared(append([]middleware.Interceptor{anyCall}, is...)...)
		c, err := chains.NewSimpleSequentialChain([]chains.Chain{
			agents.NewExecutor(agent()), chains.NewRetrievalQAFromLLM(says("a"), &found{}),
			&holdingChain{chains.NewTransform(passOn, []string{"in"}, []string{"out"}), own(same)},
		})
		if err != nil {
			panic(err)
		}
		_, _ = chains.Run(context.Background(), langchaingo.Chain(c, same), "q")
	}
}

func passOn(_ context.Context, in map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
	return map[string]any{"out": in["in"]}, nil
}

// A holdingChain is of a package of one's own, and runs another chain, or what it holds.
type holdingChain struct {
	chains.Chain
	held any
}

// An ownChain is of a package of one's own.
type ownChain struct{ model llms.Model }

func (c *ownChain) Call(ctx context.Context, in map[string]any, options ...chains.ChainCallOption) (map[string]any, error) {
	out, err := llms.GenerateFromSinglePrompt(ctx, c.model, fmt.Sprint(in["q"]), chains.GetLLMCallOptions(options...)...)
	return map[string]any{"out": out}, err
}
func (c *ownChain) GetMemory() lcschema.Memory { return memory.NewSimple() }
func (c *ownChain) GetInputKeys() []string     { return []string{"q"} }
func (c *ownChain) GetOutputKeys() []string    { return []string{"out"} }

// anyCall is a gate in shadow that does nothing, for any call.
func anyCall(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "any", Gate: true, Shadow: true}.Handler()
	}
	return next
}

// decided keeps the names of the gates that decided, or counted, anything.
type decided map[string]bool

func (d decided) intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "decided", ID: &d}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		trail := middleware.Observe(ctx)
		res, err := next(ctx, call)
		for _, by := range trail.Decisions() {
			d[by.Gate] = true
		}
		return res, err
	}
}

// TestNoGuardIsSilent puts each gate around each thing. Where a run of that thing makes
// no call that the gate is for, it is refused: K for its kinds, T for its tools, R as it
// counts over a run, and M as it would miss calls. Everywhere else (.) it decides.
func TestNoGuardIsSilent(t *testing.T) {
	short := []gates.Rule{gates.Text(gates.Length(0, 99))}
	never := func(context.Context, middleware.Call) error { return nil }
	toolCall := func(context.Context, middleware.ToolCall) error { return nil }
	anyJSON := schema.MustCompile("any", `{"type":["object","string","number"]}`)
	limits := func(l gates.Limits) middleware.Interceptor { return gates.Budget(l) }
	on := func(k middleware.Kind) middleware.Interceptor {
		return middleware.On(k, middleware.Before("own", never))
	}
	all := places()
	for _, tt := range []struct {
		gate string
		make func() middleware.Interceptor
		want string // a letter for each place
	}{
		{"own", func() middleware.Interceptor { return middleware.Before("own", never) }, "..................."},
		{"own on chains", func() middleware.Interceptor { return on(middleware.KindChain) }, "......KKKKK.K......"},
		{"own on plans", func() middleware.Interceptor { return on(middleware.KindPlan) }, "..KKK-.KKKKKK...MM."},
		{"own on models", func() middleware.Interceptor { return on(middleware.KindModel) }, "....K.K.KKKKKM..MM."},
		{"own on tools", func() middleware.Interceptor { return on(middleware.KindTool) }, "..KKK-.K..KK..M.MM."},
		{"own on retrievals", func() middleware.Interceptor { return on(middleware.KindRetriever) }, "KKK.K-KKKK.KK..M.M."},
		{"own on tool calls", func() middleware.Interceptor { return middleware.ToolCalls("own", toolCall) }, "..KKK-.K..KK..M.MM."},
		{"own in shadow", func() middleware.Interceptor { return middleware.Shadow(on(middleware.KindModel)) }, "....K.K.KKKKKM..MM."},
		{"own, named", func() middleware.Interceptor { return middleware.Named("own", on(middleware.KindTool)) }, "..KKK..K..KK..M.MM."},
		{"tools", func() middleware.Interceptor { return gates.Tools("calc") }, "..KKK-.K..KK..M.MM."},
		{"arguments", func() middleware.Interceptor { return gates.Arguments(gates.ArgumentRules{"calc": short}) }, "..KKK-.K..KK..M.MM."},
		{"arguments of another", func() middleware.Interceptor { return gates.Arguments(gates.ArgumentRules{"clac": short}) }, "TTKKK-TKTTKKTTTTTTT"},
		{"arguments of one more", func() middleware.Interceptor {
			return gates.Arguments(gates.ArgumentRules{"calc": short, "rm": short})
		}, "TTKKK-TK.TKK.TTTTTT"},
		{"schema.input", func() middleware.Interceptor { return schema.Input(schema.Tools{"calc": anyJSON}) }, "..KKK-.K..KK..M.MM."},
		{"schema.input of another", func() middleware.Interceptor { return schema.Input(schema.Tools{"remove": anyJSON}) }, "TTKKK-TKTTKKTTTTTTT"},
		{"schema.output", func() middleware.Interceptor { return schema.Output(anyJSON) }, "..................."},
		{"sources", func() middleware.Interceptor { return gates.Sources(gates.SourceRules{Drop: true}) }, "KKK.K-KKKK.KK..M.M."},
		{"loop", func() middleware.Interceptor { return gates.Loop(gates.LoopRules{}) }, "..KKK-RKRRKKR.M.MM."},
		{"budget of tool calls", func() middleware.Interceptor { return limits(gates.Limits{ToolCalls: 9}) }, "..KKK-RKRRKKR.M.MM."},
		{"budget of model calls", func() middleware.Interceptor { return limits(gates.Limits{ModelCalls: 9}) }, "....K.KRKKKKKM..MM."},
		{"budget of tokens", func() middleware.Interceptor { return limits(gates.Limits{Tokens: 1 << 40}) }, "....K.K.KKKKKM..MM."},
		{"budget of all", func() middleware.Interceptor {
			return limits(gates.Limits{Scope: gates.ScopeProcess, Tokens: 1 << 40, ToolCalls: 9})
		}, "....K.....KK.MM.MM."},
		{"budget of time", func() middleware.Interceptor { return limits(gates.Limits{WallTime: time.Hour}) }, "..................."},
		{"budget of time and tokens", func() middleware.Interceptor {
			return limits(gates.Limits{WallTime: time.Hour, Tokens: 1 << 40})
		}, "....K.K.KKKKKM..MM."},
		{"budget of time and tool calls", func() middleware.Interceptor {
			return limits(gates.Limits{WallTime: time.Hour, ToolCalls: 9})
		}, "..KKK.RKRRKKR.M.MM."},
		{"deadline of runs and calls", func() middleware.Interceptor {
			return gates.Deadline(gates.DeadlineRules{Run: time.Hour, Call: time.Hour})
		}, "....K......K.MMMMM."},
		{"ingress", func() middleware.Interceptor { return gates.Ingress(gates.IngressRules{}) }, "..................."},
		{"size", func() middleware.Interceptor { return gates.Size(gates.SizeRules{}) }, "..................."},
		{"deadline", func() middleware.Interceptor { return gates.Deadline(gates.DeadlineRules{Call: time.Hour}) }, "....K......K.MMMMM."},
		{"deadline of runs", func() middleware.Interceptor { return gates.Deadline(gates.DeadlineRules{Run: time.Hour}) }, "..................."},
		{"concurrency", func() middleware.Interceptor { return gates.Concurrency(9, gates.DenyWhenFull) }, "....K......K.MMMMM."},
		{"rate", func() middleware.Interceptor { return gates.Rate(gates.RateRules{Calls: 99, Per: time.Second}) }, "....K.RRRRRKRMMMMM."},
		{"rate of all", func() middleware.Interceptor {
			return gates.Rate(gates.RateRules{Calls: 99, Per: time.Second, Scope: gates.ScopeProcess})
		}, "....K......K.MMMMM."},
	} {
		got := ""
		for _, p := range all {
			got += verdictOn(t, tt.gate, p, tt.make())
		}
		if got != tt.want {
			t.Errorf("%-24s got  %s\n%-34s want %s", tt.gate, got, "", tt.want)
		}
	}
}

// verdictOn says what becomes of a gate around something: a letter as above, or - where
// nothing refuses it, and it does not decide.
func verdictOn(t *testing.T, gate string, p placed, i middleware.Interceptor) (letter string) {
	t.Helper()
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		said := fmt.Sprint(v)
		switch {
		case !strings.HasPrefix(said, "langchaingo: "):
			t.Errorf("%s around %s: got panic %v", gate, p.name, v)
		case strings.Contains(said, "calls come here") && strings.Contains(said, "langchaingo."):
			letter = "K"
		case strings.Contains(said, "cannot reach the"):
			letter = "M"
		case strings.Contains(said, "has a rule for the tool"):
			letter = "T"
		case strings.Contains(said, "middleware.Shared"):
			letter = "R"
		default:
			t.Errorf("%s around %s: got panic %v", gate, p.name, v)
		}
	}()
	by := make(decided)
	p.use(by.intercept, i)
	name, _, _ := strings.Cut(gate, " ")
	if !by[strings.TrimSuffix(name, ",")] {
		return "-"
	}
	return "."
}

// TestAModelThatIsMissedIsRefused: of several models in a chain, one that cannot be
// reached would spend what no budget counts.
func TestAModelThatIsMissedIsRefused(t *testing.T) {
	both, err := chains.NewSimpleSequentialChain([]chains.Chain{contextChain(says("a")), &ownChain{says("b")}})
	if err != nil {
		t.Fatal(err)
	}
	budget := gates.Budget(gates.Limits{Tokens: 1 << 40})
	defer func() {
		if v := fmt.Sprint(recover()); !strings.Contains(v, "the gate budget is for model calls, and cannot reach the model langchaingo_test.script: guard it where") {
			t.Errorf("got panic %v", v)
		}
	}()
	langchaingo.Chain(both, pass)
	langchaingo.Chain(both, budget)
}

// TestNoToolsAreKnownTools: around an agent without tools, rules for one are for none.
func TestNoToolsAreKnownTools(t *testing.T) {
	e := agents.NewExecutor(agents.NewOneShotAgent(says("a"), nil))
	got := refusal(func() {
		langchaingo.Chain(e, gates.Arguments(gates.ArgumentRules{"rm": {gates.Text(gates.Length(0, 9))}}))
	})
	if !strings.Contains(got, `rule for the tool "rm", which is not there: it would do nothing. The tools are none`) {
		t.Errorf("got panic %q", got)
	}
}

// TestTheModelOfAnAgentThatIsMissed: where others are reached, that of an agent of one's
// own, wherever it has it, would spend what no budget counts.
func TestTheModelOfAnAgentThatIsMissed(t *testing.T) {
	agent := planner{tools: []tools.Tool{echoTool("calc")}}
	both, err := chains.NewSimpleSequentialChain([]chains.Chain{contextChain(says("a")), agents.NewExecutor(agent)})
	if err != nil {
		t.Fatal(err)
	}
	got := refusal(func() { langchaingo.Chain(both, gates.Budget(gates.Limits{Tokens: 1 << 40})) })
	if !strings.Contains(got, "cannot reach the model of langchaingo_test.planner: guard it") {
		t.Errorf("got panic %q", got)
	}
	langchaingo.Chain(both, gates.Tools("calc"))
}

// TestTheRunsOfAGuardedExecutorInAChain: each run of an executor in a chain is a call of
// its own, and what is around the chain judges it, whether it was guarded before or not.
func TestTheRunsOfAGuardedExecutorInAChain(t *testing.T) {
	for name, guard := range map[string]func(e *agents.Executor) chains.Chain{
		"plain":           func(e *agents.Executor) chains.Chain { return e },
		"with a name":     func(e *agents.Executor) chains.Chain { return langchaingo.NamedChain("calculator", e) },
		"guarded":         func(e *agents.Executor) chains.Chain { return langchaingo.Executor(e, pass) },
		"guarded as such": func(e *agents.Executor) chains.Chain { return langchaingo.Chain(e, pass) },
		"guarded, with a name": func(e *agents.Executor) chains.Chain {
			return langchaingo.NamedChain("calculator", langchaingo.Executor(e, pass))
		},
		"with a name, guarded": func(e *agents.Executor) chains.Chain {
			return langchaingo.Chain(langchaingo.NamedChain("calculator", e), pass)
		},
	} {
		agent := agents.NewOneShotAgent(says(mrklCalls, "Final Answer: 437"), []tools.Tool{echoTool("calc")})
		c, err := chains.NewSimpleSequentialChain([]chains.Chain{guard(agents.NewExecutor(agent))})
		if err != nil {
			t.Fatal(err)
		}
		seen := new(spy)
		if _, err := chains.Run(t.Context(), langchaingo.Chain(c, seen.intercept), "q"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := seen.kinds(), "model plan tool model plan chain chain"; got != want {
			t.Errorf("%s: got calls %s, want %s", name, got, want)
		}
	}
}

// TestAGuardedChainInOneOfOnesOwn: what is guarded in a chain of one's own is reached there,
// by each interceptor that guards both, and the chain that it was made of is not missed.
func TestAGuardedChainInOneOfOnesOwn(t *testing.T) {
	budget, tool := gates.Budget(gates.Limits{ModelCalls: 2}), gates.Tools("calc")
	agent := agents.NewOneShotAgent(says(mrklCalls, "Final Answer: 437"), []tools.Tool{echoTool("calc"), echoTool("ls")})
	guarded := langchaingo.Executor(agents.NewExecutor(agent), tool, budget)
	if _, err := chains.Run(t.Context(), langchaingo.Chain(&holdingChain{Chain: guarded}, tool, budget), "q"); err != nil {
		t.Errorf("two requests, each counted once: got %v", err)
	}
	defer func() {
		if v := fmt.Sprint(recover()); !strings.Contains(v, "the gate budget is for model calls") {
			t.Errorf("a budget of other calls: got panic %v", v)
		}
	}()
	langchaingo.Chain(&holdingChain{Chain: guarded}, gates.Budget(gates.Limits{ModelCalls: 2}))
}

// TestAMemoryOfAGuardedChainInAnother: saves of a chain that was guarded by itself come to
// what guards the chain that it is in.
func TestAMemoryOfAGuardedChainInAnother(t *testing.T) {
	kept := memory.NewConversationBuffer()
	c := contextChain(says("a"))
	c.Memory = kept
	both, err := chains.NewSimpleSequentialChain([]chains.Chain{langchaingo.Chain(c, pass)})
	if err != nil {
		t.Fatal(err)
	}
	noSaves := middleware.Before("no saves", func(_ context.Context, call middleware.Call) error {
		if call.Name == "memory" {
			return middleware.Deny(middleware.CodePolicy, "nothing is kept")
		}
		return nil
	})
	if _, err := chains.Run(t.Context(), langchaingo.Chain(both, noSaves), "q"); err == nil || !strings.Contains(err.Error(), "nothing is kept") {
		t.Errorf("got error %v, want the save denied", err)
	}
	if ms, _ := kept.ChatHistory.Messages(t.Context()); len(ms) > 0 {
		t.Errorf("%d messages were saved", len(ms))
	}
}
