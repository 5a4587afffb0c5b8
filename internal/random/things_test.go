package random_test

import (
	"context"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// things are what is wrapped, in one way.
type things interface {
	run(ctx context.Context, input string) (string, error)
	do(ctx context.Context, s *step, sink func(string) error) (out string, plan []string, told bool, err error)
}

// wrapped is things that middleware.Wrap wraps.
type wrapped struct {
	t            *trial
	chain, other middleware.Handler
}

func newWrapped(t *trial, is []middleware.Interceptor) *wrapped {
	return &wrapped{
		t: t,
		chain: middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			out, err := t.chain(ctx)
			return middleware.Result{Output: map[string]any{"output": out}}, err
		}, is...),
		other: middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			var emit func(string) error
			if call.Stream != nil {
				emit = func(text string) error { return call.Stream(ctx, middleware.Chunk{Text: []byte(text)}) }
			}
			s := t.at
			out, err := t.behave(ctx, s, inputText(call), emit)
			switch s.kind {
			case middleware.KindModel:
				return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: out}}}}, err
			case middleware.KindPlan:
				return middleware.Result{Output: planOf(s, out)}, err
			}
			return middleware.Result{Output: out}, err
		}, is...),
	}
}

func planOf(s *step, out string) *middleware.Plan {
	if len(s.asks) == 0 {
		return &middleware.Plan{Final: map[string]any{"output": out}}
	}
	p := &middleware.Plan{}
	for _, asked := range s.asks {
		name, input, _ := strings.Cut(asked, " ")
		c := middleware.ToolCall{Name: name, Input: input}
		if slices.Contains(toolNames, name) {
			c.Registered = name
		}
		p.ToolCalls = append(p.ToolCalls, c)
	}
	return p
}

func (w *wrapped) run(ctx context.Context, input string) (string, error) {
	res, err := w.chain(ctx, middleware.Call{Kind: middleware.KindChain, Name: "chain", Input: map[string]any{"input": input}})
	out, _, _ := outputText(res.Output)
	return out, err
}

func (w *wrapped) do(ctx context.Context, s *step, sink func(string) error) (string, []string, bool, error) {
	call := middleware.Call{Kind: s.kind, Name: s.name, Input: s.input}
	switch s.kind {
	case middleware.KindModel:
		call.Input = &middleware.ModelRequest{Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: s.input, Size: len(s.input)}}}}}
	case middleware.KindPlan:
		call.Input = &middleware.PlanRequest{Inputs: map[string]string{"input": s.input}}
	}
	if sink != nil {
		call.Stream = func(_ context.Context, chunk middleware.Chunk) error { return sink(string(chunk.Text)) }
	}
	res, err := w.other(ctx, call)
	if err != nil {
		return "", nil, false, err
	}
	out, plan, told := outputText(res.Output)
	return out, plan, told, nil
}

// adapted is things that langchaingo's adapter wraps.
type adapted struct {
	chain chains.Chain
	model llms.Model
	agent agents.Agent
	tools map[string]tools.Tool
}

func newAdapted(t *trial, is []middleware.Interceptor) *adapted {
	a := &adapted{
		chain: langchaingo.Chain(twice[chains.Chain](t, middleware.KindChain, &randomChain{t}, langchaingo.Chain), shared(is)),
		model: langchaingo.Model(twice[llms.Model](t, middleware.KindModel, &randomModel{t}, langchaingo.Model), shared(is)),
		agent: langchaingo.Agent(twice[agents.Agent](t, middleware.KindPlan, &randomAgent{t}, langchaingo.Agent), shared(is)),
		tools: make(map[string]tools.Tool),
	}
	for _, tool := range a.agent.GetTools() {
		a.tools[tool.Name()] = tool
	}
	return a
}

// twice guards v with what it is to have of its own, if anything.
func twice[T any](t *trial, kind middleware.Kind, v T, guard func(T, ...middleware.Interceptor) T) T {
	own := t.own[kind]
	if own == nil {
		return v
	}
	return guard(v, shared(reals(own)))
}

// shared says that the interceptors guard other things too: random ones may have nothing
// to do around one.
func shared(is []middleware.Interceptor) middleware.Interceptor {
	anything := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "anything", Gate: true, Shadow: true}.Handler()
		}
		return next
	}
	return middleware.Shared(append([]middleware.Interceptor{anything}, is...)...)
}

func reals(all []node) (is []middleware.Interceptor) {
	for _, n := range all {
		is = append(is, n.real)
	}
	return is
}

func (t *trial) tool(name string) tools.Tool {
	return twice[tools.Tool](t, middleware.KindTool, &randomTool{t, name}, langchaingo.Tool)
}

func (a *adapted) run(ctx context.Context, input string) (string, error) {
	out, err := a.chain.Call(ctx, map[string]any{"input": input})
	s, _ := out["output"].(string)
	return s, err
}

func (a *adapted) do(ctx context.Context, s *step, sink func(string) error) (string, []string, bool, error) {
	switch s.kind {
	case middleware.KindModel:
		var options []llms.CallOption
		if sink != nil {
			options = append(options, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error { return sink(string(chunk)) }))
		}
		res, err := a.model.GenerateContent(ctx, []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, s.input)}, options...)
		if err != nil {
			return "", nil, false, err
		}
		return res.Choices[0].Content, nil, false, nil
	case middleware.KindPlan:
		actions, finish, err := a.agent.Plan(ctx, nil, map[string]string{"input": s.input})
		if err != nil {
			return "", nil, false, err
		}
		if finish != nil {
			out, _ := finish.ReturnValues["output"].(string)
			return out, nil, false, nil
		}
		var plan []string
		for _, act := range actions {
			plan = append(plan, act.Tool+" "+act.ToolInput)
		}
		return s.name + " says " + s.input, plan, false, nil
	}
	out, err := a.tools[s.name].Call(ctx, s.input)
	told := strings.HasPrefix(out, "Denied (") || strings.HasPrefix(out, "Not done")
	return out, nil, told, err
}

type randomChain struct{ t *trial }

func (c *randomChain) Call(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
	out, err := c.t.chain(ctx)
	return map[string]any{"output": out}, err
}
func (c *randomChain) GetMemory() schema.Memory { return memory.NewSimple() }
func (c *randomChain) GetInputKeys() []string   { return []string{"input"} }
func (c *randomChain) GetOutputKeys() []string  { return []string{"output"} }

type randomModel struct{ t *trial }

func (m *randomModel) Call(context.Context, string, ...llms.CallOption) (string, error) {
	panic("the deprecated method is called")
}

func (m *randomModel) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	var emit func(string) error
	if opts.StreamingFunc != nil {
		emit = func(text string) error { return opts.StreamingFunc(ctx, []byte(text)) }
	}
	out, err := m.t.behave(ctx, m.t.at, messages[0].Parts[0].(llms.TextContent).Text, emit)
	if err != nil {
		return nil, err
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: out}}}, nil
}

type randomAgent struct{ t *trial }

func (a *randomAgent) Plan(
	ctx context.Context, _ []schema.AgentStep, inputs map[string]string, _ ...chains.ChainCallOption,
) ([]schema.AgentAction, *schema.AgentFinish, error) {
	s := a.t.at
	out, err := a.t.behave(ctx, s, inputs["input"], nil)
	if err != nil {
		return nil, nil, err
	}
	p := planOf(s, out)
	if p.Final != nil {
		return nil, &schema.AgentFinish{ReturnValues: p.Final}, nil
	}
	var actions []schema.AgentAction
	for _, c := range p.ToolCalls {
		actions = append(actions, schema.AgentAction{Tool: c.Name, ToolInput: c.Input})
	}
	return actions, nil, nil
}
func (a *randomAgent) GetInputKeys() []string  { return []string{"input"} }
func (a *randomAgent) GetOutputKeys() []string { return []string{"output"} }
func (a *randomAgent) GetTools() []tools.Tool {
	var all []tools.Tool
	for _, name := range toolNames {
		all = append(all, a.t.tool(name))
	}
	return all
}

type randomTool struct {
	t    *trial
	name string
}

func (r *randomTool) Name() string        { return r.name }
func (r *randomTool) Description() string { return "a tool" }
func (r *randomTool) Call(ctx context.Context, input string) (string, error) {
	if r.t.way == "executor" {
		return r.t.behave(ctx, &step{kind: middleware.KindTool, name: r.name, behavior: r.t.tools[r.name]}, input, nil)
	}
	return r.t.behave(ctx, r.t.at, input, nil)
}

// executed is things that the executor of langchaingo runs.
type executed struct {
	adapted
	t *trial
}

func newExecuted(t *trial, is []middleware.Interceptor) *executed {
	e := &executed{t: t}
	e.model = langchaingo.Model(&randomModel{t}, shared(is))
	planner := &randomPlanner{randomAgent: randomAgent{t}, Model: e.model}
	e.chain = langchaingo.Executor(agents.NewExecutor(planner, agents.WithMaxIterations(100)), shared(is))
	return e
}

func (e *executed) run(ctx context.Context, input string) (string, error) {
	e.t.turn = 0
	return e.adapted.run(ctx, input)
}

// A randomPlanner is an agent that has a model.
type randomPlanner struct {
	randomAgent
	Model llms.Model
}

func (p *randomPlanner) Plan(
	ctx context.Context, steps []schema.AgentStep, inputs map[string]string, options ...chains.ChainCallOption,
) ([]schema.AgentAction, *schema.AgentFinish, error) {
	t := p.t
	under := t.at
	if !strings.HasSuffix(inputs["input"], " again") {
		t.turn++ // the last one ends the run
	}
	t.at = &t.steps[t.turn-1]
	defer func() { t.at = under }()
	return p.randomAgent.Plan(ctx, steps, inputs, options...)
}
