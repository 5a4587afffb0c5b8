package langchaingo_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

const mrklCalls = "Thought: compute\nAction: calc\nAction Input: 19*23"

func TestExecutorReachesTheModelOfEachAgent(t *testing.T) {
	ts := []tools.Tool{echoTool("calc")}
	for name, tt := range map[string]struct {
		m     *script
		agent func(llms.Model) agents.Agent
	}{
		"one shot": {says(mrklCalls, "Final Answer: 437"), func(m llms.Model) agents.Agent { return agents.NewOneShotAgent(m, ts) }},
		"conversational": {says(mrklCalls, "AI: 437"), func(m llms.Model) agents.Agent {
			return agents.NewConversationalAgent(m, ts)
		}},
		"functions": {&script{answers: []*llms.ContentChoice{
			{ToolCalls: []llms.ToolCall{{ID: "c", FunctionCall: &llms.FunctionCall{Name: "calc", Arguments: `{"__arg1":"19*23"}`}}}},
			{Content: "437"},
		}}, func(m llms.Model) agents.Agent { return agents.NewOpenAIFunctionsAgent(m, ts) }},
		"one shot around a value": {says(mrklCalls, "Final Answer: 437"), func(m llms.Model) agents.Agent {
			a := agents.NewOneShotAgent(m, ts)
			a.Chain = *a.Chain.(*chains.LLMChain)
			return a
		}},
		"one shot around a guarded chain": {says(mrklCalls, "Final Answer: 437"), func(m llms.Model) agents.Agent {
			a := agents.NewOneShotAgent(m, ts)
			a.Chain = langchaingo.Chain(a.Chain, pass)
			return a
		}},
		"another's, with a guarded model": {says(mrklCalls, "Final Answer: 437"), func(m llms.Model) agents.Agent {
			return &foreign{agents.NewOneShotAgent(langchaingo.Model(m, pass), ts)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			spy := new(spy)
			plain := agents.NewExecutor(tt.agent(tt.m))
			run := langchaingo.Executor(plain, spy.intercept)
			in := map[string]any{"input": "What is 19*23?", "history": ""}
			out, err := chains.Call(t.Context(), run, in)
			if err != nil || out["output"] != "437" && out["output"] != " 437" {
				t.Fatalf("got %v, %v", out, err)
			}
			kinds := spy.kinds()
			for _, want := range []string{"plan", "tool", "chain"} {
				if !strings.Contains(kinds, want) {
					t.Errorf("got calls %q, without %s", kinds, want)
				}
			}
			if !strings.Contains(name, "another's") && strings.Count(kinds, "model") != 2 {
				t.Errorf("got calls %q, want two of the model", kinds)
			}
			// The user's own executor is as it was.
			spy.calls = nil
			tt.m.rewind()
			if _, err := chains.Call(t.Context(), plain, in); err != nil || len(spy.calls) != 0 {
				t.Errorf("the executor that was given is guarded now: %v, %v", spy.kinds(), err)
			}
		})
	}
}

// foreign is an agent whose model cannot be reached.
type foreign struct{ inner agents.Agent }

func (f *foreign) Plan(
	ctx context.Context, s []schema.AgentStep, in map[string]string, o ...chains.ChainCallOption,
) ([]schema.AgentAction, *schema.AgentFinish, error) {
	return f.inner.Plan(ctx, s, in, o...)
}
func (f *foreign) GetInputKeys() []string  { return f.inner.GetInputKeys() }
func (f *foreign) GetOutputKeys() []string { return f.inner.GetOutputKeys() }
func (f *foreign) GetTools() []tools.Tool  { return f.inner.GetTools() }

func TestNamesThatTheExecutorCannotTellApartAreRefused(t *testing.T) {
	for _, names := range [][2]string{
		{"calc", "CALC"},
		{"write", "wr\u0131te"}, // a dotless i: the same by strings.ToUpper alone
		{"kill", "\u212aill"},   // the Kelvin sign: the same by Unicode's case folding alone
		{"\u0131d", "\u212ad"},  // not the same
	} {
		guard := func() (v any) {
			defer func() { v = recover() }()
			langchaingo.Tools([]tools.Tool{echoTool(names[0]), echoTool(names[1])}, pass)
			return nil
		}
		if refused, same := guard() != nil, names[0] != "\u0131d"; refused != same {
			t.Errorf("%q: refused is %v, want %v", names, refused, same)
		}
	}
}

func TestConstructionPanicsNameWhatAndWhere(t *testing.T) {
	calc := []tools.Tool{echoTool("calc")}
	fold := []tools.Tool{echoTool("calc"), echoTool("CALC")}
	executor := func(a agents.Agent) *agents.Executor { return agents.NewExecutor(a) }
	var noTool *funcTool
	var noModel *script
	for want, f := range map[string]func(){
		"cannot reach the model of the agent *langchaingo_test.foreign": func() {
			langchaingo.Executor(executor(&foreign{agents.NewOneShotAgent(says(), calc)}), pass)
		},
		"langchaingo.Model(model, interceptors...)": func() {
			a := agents.NewOneShotAgent(says(), calc)
			a.Chain = bare{}
			langchaingo.Executor(executor(a), pass)
		},
		"cannot reach the model of the agent *agents.OneShotZeroAgent": func() {
			a := agents.NewOneShotAgent(says(), calc)
			a.Chain = (*chains.LLMChain)(nil)
			langchaingo.Executor(executor(a), pass)
		},
		"*agents.OneShotZeroAgent has no tools":        func() { langchaingo.Executor(executor(agents.NewOneShotAgent(says(), nil)), pass) },
		`"calc" and "CALC"`:                            func() { langchaingo.Executor(executor(agents.NewOneShotAgent(says(), fold)), pass) },
		"the executor cannot tell their names apart":   func() { langchaingo.Tools(fold, pass) },
		"tool 1 is nil":                                func() { langchaingo.Tools([]tools.Tool{calc[0], nil}, pass) },
		"Tool: nil tool":                               func() { langchaingo.Tool(noTool, pass) },
		"Model: nil model":                             func() { langchaingo.Model(noModel, pass) },
		"Chain: nil chain":                             func() { langchaingo.Chain(nil, pass) },
		"Agent: nil agent":                             func() { langchaingo.Agent(nil, pass) },
		"Memory: nil memory":                           func() { langchaingo.Memory(nil, pass) },
		"Executor: nil executor or agent":              func() { langchaingo.Executor(nil, pass) },
		"without interceptors guards nothing":          func() { langchaingo.Executor(executor(agents.NewOneShotAgent(says(), calc))) },
		"interceptor 1 is nil":                         func() { langchaingo.Chain(bare{}, pass, nil) },
		"Tell stands innermost: no gate is inside":     func() { langchaingo.Model(says(), pass, middleware.Tell) },
		"langchaingo: Executor: nil executor or agent": func() { langchaingo.Executor(&agents.Executor{}, pass) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, want) {
					t.Errorf("got panic %v, want one with %q", v, want)
				}
			}()
			f()
		})
	}
}

func TestNothingIsWrappedTwice(t *testing.T) {
	outer, inner := new(spy), new(spy)
	m := says(mrklCalls, "Final Answer: 437")
	ts := langchaingo.Tools([]tools.Tool{echoTool("calc")}, inner.intercept, outer.intercept)
	a := agents.NewOneShotAgent(langchaingo.Model(m, inner.intercept), ts)
	a.Chain = langchaingo.Chain(a.Chain, inner.intercept)
	run := langchaingo.Executor(agents.NewExecutor(langchaingo.Agent(a, inner.intercept)), outer.intercept)
	run = langchaingo.Chain(run, outer.intercept)
	if _, err := chains.Run(t.Context(), run, "q"); err != nil {
		t.Fatal(err)
	}
	// Each call passes each spy once: the executor's outside, the value's own
	// inside. The chain of the agent was guarded by its user alone.
	if got, want := outer.kinds(), "model plan tool model plan chain"; got != want {
		t.Errorf("outer: got %q, want %q", got, want)
	}
	if got, want := inner.kinds(), "model chain plan tool model chain plan"; got != want {
		t.Errorf("inner: got %q, want %q", got, want)
	}
}

func TestUnwrapAndOnion(t *testing.T) {
	calc := echoTool("calc")
	c := contextChain(says())
	mem := memory.NewConversationBuffer()
	a := agents.NewOneShotAgent(says(), []tools.Tool{calc})
	named := middleware.Named("gate", pass)
	for _, g := range []struct{ got, want any }{
		{langchaingo.Tool(calc, named).(interface{ Unwrap() tools.Tool }).Unwrap(), calc},
		{langchaingo.Chain(c, named).(interface{ Unwrap() chains.Chain }).Unwrap(), c},
		{langchaingo.Memory(mem, named).(interface{ Unwrap() schema.Memory }).Unwrap(), mem},
		{langchaingo.Agent(a, named).(interface{ Unwrap() agents.Agent }).Unwrap(), a},
	} {
		if g.got != g.want {
			t.Errorf("Unwrap gives %v, want %v", g.got, g.want)
		}
	}
	for _, v := range []any{
		langchaingo.Tool(calc, named), langchaingo.Chain(c, named), langchaingo.Memory(mem, named),
		langchaingo.Agent(a, named), langchaingo.Model(says(), named),
	} {
		if s, ok := v.(interface{ String() string }); !ok || !strings.Contains(s.String(), "guarded by\n 1 gate\n") {
			t.Errorf("%T does not print its order", v)
		}
	}
}

func TestMemorySavesNothingThatWasRefused(t *testing.T) {
	mem := memory.NewConversationBuffer()
	boundary := middleware.After("boundary", func(_ context.Context, _ middleware.Call, r middleware.Result) error {
		if out, ok := r.Output.(map[string]any); ok && out["text"] == "bad" {
			return middleware.Deny(middleware.CodeBadOutput, "no")
		}
		return nil
	})
	g := langchaingo.Memory(mem, boundary)
	in := map[string]any{"input": "q"}
	if err := g.SaveContext(t.Context(), in, map[string]any{"text": "bad"}); !errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("got %v, want a denial", err)
	}
	if err := g.SaveContext(t.Context(), in, map[string]any{"text": "good"}); err != nil {
		t.Error(err)
	}
	if h := history(t, mem); strings.Contains(h, "bad") || !strings.Contains(h, "good") {
		t.Errorf("got memory %s", h)
	}
	// What the model's guard refused is not saved by the chain either.
	refused, buffer := conversation(langchaingo.Model(says("x"), denyIf(func(middleware.Call) bool { return true })))
	if _, err := chains.Run(t.Context(), langchaingo.Chain(refused, pass), "q"); err == nil {
		t.Error("got no error")
	}
	if h := history(t, buffer); strings.Contains(h, "q") {
		t.Errorf("got memory %s", h)
	}
}

func TestAFailedRunKeepsWhatCameWithTheError(t *testing.T) {
	m := says(mrklCalls)
	ex := agents.NewExecutor(agents.NewOneShotAgent(m, []tools.Tool{echoTool("calc")}),
		agents.WithMaxIterations(1), agents.WithReturnIntermediateSteps())
	out, err := langchaingo.Executor(ex, pass).Call(t.Context(), map[string]any{"input": "q"})
	if !errors.Is(err, agents.ErrNotFinished) || out["intermediateSteps"] == nil {
		t.Errorf("got %v, %v, want ErrNotFinished with the steps", out, err)
	}
}

func TestParserErrorsReachTheExecutor(t *testing.T) {
	m := says("what?", "Final Answer: 437")
	ex := agents.NewExecutor(agents.NewOneShotAgent(m, []tools.Tool{echoTool("calc")}),
		agents.WithParserErrorHandler(agents.NewParserErrorHandler(nil)))
	out, err := chains.Run(t.Context(), langchaingo.Executor(ex, pass), "q")
	if err != nil || strings.TrimSpace(out) != "437" {
		t.Errorf("got %q, %v", out, err)
	}
}

// A turn that gates changed is what the executor carries out.
func TestAChangedTurn(t *testing.T) {
	m := says(mrklCalls, "Final Answer: 1")
	var ran []string
	calc := &funcTool{"calc", func(_ context.Context, in string) (string, error) {
		ran = append(ran, in)
		return in, nil
	}}
	turn := middleware.TransformResult("turn", func(_ context.Context, c middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
		p, ok := r.Output.(*middleware.Plan)
		if !ok {
			return r, false, nil
		}
		changed := &middleware.Plan{}
		if p.Final != nil {
			changed.Final = map[string]any{"output": "changed"}
		}
		for _, tc := range p.ToolCalls {
			tc.Input = "2*" + tc.Input
			changed.ToolCalls = append(changed.ToolCalls, tc)
		}
		r.Output = changed
		return r, true, nil
	})
	ask := middleware.Transform("ask", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
		p, ok := c.Input.(*middleware.PlanRequest)
		if !ok {
			return c, false, nil
		}
		changed := *p
		changed.Inputs = map[string]string{"input": "another question"}
		c.Input = &changed
		return c, true, nil
	})
	out, err := chains.Run(t.Context(), langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(m, []tools.Tool{calc})), turn, ask), "q")
	if err != nil || out != "changed" || len(ran) != 1 || ran[0] != "2*19*23" {
		t.Errorf("got %q, %v, the tool ran with %q", out, err, ran)
	}
	if asked := m.asked[1][0].Parts[0].(llms.TextContent).Text; !strings.Contains(asked, "another question") || !strings.Contains(asked, "19*23") {
		t.Errorf("the model was asked %s", asked)
	}
}

func TestConcurrentRunsOfOneExecutor(t *testing.T) {
	spy := new(spy)
	ts := []tools.Tool{echoTool("calc")}
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(replies(func(prompt string) string {
		if strings.Contains(prompt, "Observation: 19*23") {
			return "Final Answer: 437"
		}
		return mrklCalls
	}), ts)), middleware.Tell, spy.intercept)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if out, err := chains.Run(t.Context(), run, "q"); err != nil || strings.TrimSpace(out) != "437" {
				t.Errorf("got %q, %v", out, err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(spy.kinds(), "tool"); n != 50 {
		t.Errorf("got %d tool calls, want 50", n)
	}
}

// replies is a model that answers by the last message.
type replies func(prompt string) string

func (r replies) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, r, prompt, options...)
}

func (r replies) GenerateContent(_ context.Context, ms []llms.MessageContent, _ ...llms.CallOption) (*llms.ContentResponse, error) {
	text := r(ms[len(ms)-1].Parts[0].(llms.TextContent).Text)
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: text}}}, nil
}

// finisher is an agent that is done at once and has nothing to say.
type finisher struct{ planner }

func (finisher) Plan(context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	return nil, &schema.AgentFinish{Log: "done"}, nil
}

func TestAFinishWithoutValuesIsAFinish(t *testing.T) {
	copied := middleware.TransformResult("copy", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
		p := *r.Output.(*middleware.Plan)
		r.Output = &p
		return r, true, nil
	})
	_, finish, err := langchaingo.Agent(finisher{}, copied).Plan(t.Context(), nil, nil)
	if finish == nil || err != nil {
		t.Errorf("got %v, %v, want the agent's finish", finish, err)
	}
}

// An order has the good turn come after the bad one, and the tool calls of both
// after that: callbacks are where executors say that they are about to call.
type order struct {
	callbacks.SimpleHandler
	bad, good chan struct{} // closed when the turn was taken
}

func (o *order) HandleAgentAction(_ context.Context, a schema.AgentAction) {
	if a.ToolInput == "good" {
		close(o.good)
		return
	}
	close(o.bad)
	<-o.good
}

// Two executors run at the same time in one guarded chain, with one agent that
// is guarded and has one of their turns refused: its tool calls stay refused.
func TestRefusedTurnsOfConcurrentExecutors(t *testing.T) {
	ran := make(chan string, 10)
	act := &funcTool{"act", func(_ context.Context, in string) (string, error) {
		ran <- in
		return in, nil
	}}
	o := &order{bad: make(chan struct{}), good: make(chan struct{})}
	model := replies(func(prompt string) string {
		switch {
		case strings.Contains(prompt, "Observation: Denied"), strings.Contains(prompt, "Observation: good"):
			return "Final Answer: done"
		case strings.Contains(prompt, "Question: bad"):
			return "Action: act\nAction Input: bad"
		}
		<-o.bad
		return "Action: act\nAction Input: good"
	})
	noBad := middleware.After("no-bad", func(_ context.Context, _ middleware.Call, r middleware.Result) error {
		if p, ok := r.Output.(*middleware.Plan); ok && len(p.ToolCalls) > 0 && p.ToolCalls[0].Input == "bad" {
			return middleware.Deny(middleware.CodePolicy, "bad")
		}
		return nil
	})
	executor := agents.NewExecutor(langchaingo.Agent(agents.NewOneShotAgent(model, []tools.Tool{act}), middleware.Tell, noBad),
		agents.WithCallbacksHandler(o))
	both := chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		out, err := chains.Apply(ctx, executor, []map[string]any{{"input": "bad"}, {"input": "good"}}, 2)
		return map[string]any{"text": out}, err
	}, nil, []string{"text"})
	if _, err := chains.Call(t.Context(), langchaingo.Chain(both, pass), nil); err != nil {
		t.Fatal(err)
	}
	close(ran)
	var inputs []string
	for in := range ran {
		inputs = append(inputs, in)
	}
	if len(inputs) != 1 || inputs[0] != "good" {
		t.Errorf("the tool ran with %q, want only the call that was allowed", inputs)
	}
}
