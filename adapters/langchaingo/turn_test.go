package langchaingo_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// A denial of a turn in which there is nothing to answer cannot be told, and comes
// back as it is: with its gate, its code and its cause.
func TestADenialThatCannotBeToldComesBackAsItIs(t *testing.T) {
	late := errors.New("late")
	denial := middleware.On(middleware.KindPlan, middleware.Before("clock", func(context.Context, middleware.Call) error {
		return &middleware.DeniedError{Code: middleware.CodeDeadline, Reason: "too late", Err: late}
	}))
	observe := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			middleware.Observe(ctx)
			return next(ctx, call)
		}
	}
	executor := agents.NewExecutor(agents.NewOneShotAgent(says("Final Answer: 1"), []tools.Tool{echoTool("calc")}))
	for name, is := range map[string][]middleware.Interceptor{
		"told":                {middleware.Tell, denial},
		"told and observed":   {observe, middleware.Tell, denial},
		"told by a composite": {middleware.Compose(pass, middleware.Tell), middleware.Compose(pass, denial)},
	} {
		_, err := chains.Run(t.Context(), langchaingo.Executor(executor, is...), "q")
		var d *middleware.DeniedError
		if !errors.As(err, &d) || d.Gate != "clock" || d.Code != middleware.CodeDeadline || d.Reason != "too late" || !errors.Is(err, late) {
			t.Errorf("%s: got %#v, want the denial by clock", name, err)
		}
	}
}

// An outside executor works as langchaingo's does, with tools that it was given and
// not those of its agent.
type outside struct {
	chains.Chain // for all but Call
	agent        agents.Agent
	tools        []tools.Tool
	lists        bool // it asks the agent for its tools, and leaves them
}

func (o *outside) Call(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
	if o.lists {
		_ = o.agent.GetTools()
	}
	actions, _, err := o.agent.Plan(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, act := range actions {
		for _, tool := range o.tools {
			if strings.EqualFold(tool.Name(), act.Tool) {
				if _, err := tool.Call(ctx, act.ToolInput); err != nil {
					return nil, err
				}
			}
		}
	}
	return map[string]any{}, nil
}

// A turn that was refused is not handed to an executor that never asked for the
// guarded tools. Where one did, and makes the call all the same, its run fails.
func TestARefusedTurnInAnExecutorWithOtherTools(t *testing.T) {
	for _, lists := range []bool{false, true} {
		ran := 0
		shell := &funcTool{"shell", func(context.Context, string) (string, error) { ran++; return "", nil }}
		a := langchaingo.Agent(planner{[]tools.Tool{shell}, []schema.AgentAction{{Tool: "shell"}}}, middleware.Tell,
			middleware.On(middleware.KindPlan, middleware.After("no-shell", func(context.Context, middleware.Call, middleware.Result) error {
				return middleware.Deny(middleware.CodeToolNotAllowed, "no")
			})))
		_, err := langchaingo.Chain(&outside{bare{}, a, []tools.Tool{shell}, lists}, pass).Call(t.Context(), nil)
		var d *middleware.DeniedError
		if !errors.As(err, &d) || d.Gate != "no-shell" || !lists && ran != 0 {
			t.Errorf("lists %v: the tool ran %d times, and the run ended with %v, want the denial", lists, ran, err)
		}
		// With the guarded tools the turn is answered.
		ran = 0
		_, err = langchaingo.Chain(&outside{bare{}, a, a.GetTools(), true}, pass).Call(t.Context(), nil)
		if err != nil || ran != 0 {
			t.Errorf("the guarded tools: the tool ran %d times, error %v", ran, err)
		}
	}
}

// turns plays each of several plans in turn, and makes what they ask for after.
func turns(t *testing.T, a agents.Agent, plans int) (observations []string) {
	t.Helper()
	named := make(map[string]tools.Tool)
	for _, tool := range a.GetTools() {
		named[strings.ToUpper(tool.Name())] = tool
	}
	run := langchaingo.Chain(chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		var all []schema.AgentAction
		for range plans {
			actions, _, err := a.Plan(ctx, nil, nil)
			if err != nil {
				return nil, err
			}
			all = append(all, actions...)
		}
		for _, act := range all {
			tool, ok := named[strings.ToUpper(act.Tool)]
			if !ok {
				observations = append(observations, "not a tool")
				continue
			}
			out, err := tool.Call(ctx, strings.TrimSuffix(act.ToolInput, "\nObservation:"))
			if err != nil {
				return nil, err
			}
			observations = append(observations, out)
		}
		return map[string]any{}, nil
	}, nil, nil), pass)
	if _, err := run.Call(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return observations
}

// butThe refuses every turn but the nth.
func butThe(nth int) middleware.Interceptor {
	n := 0
	return middleware.On(middleware.KindPlan, middleware.After("turn", func(context.Context, middleware.Call, middleware.Result) error {
		if n++; n == nth {
			return nil
		}
		return middleware.Deny(middleware.CodePolicy, "no")
	}))
}

// Of two turns that ask for the same, the refused one is answered first, whichever
// came first: a refused call never runs in the place of an allowed one.
func TestOfEqualCallsTheRefusedIsAnsweredFirst(t *testing.T) {
	for nth := 1; nth <= 2; nth++ {
		a := langchaingo.Agent(planner{[]tools.Tool{echoTool("calc")}, []schema.AgentAction{{Tool: "calc", ToolInput: "1"}}}, middleware.Tell, butThe(nth))
		got := turns(t, a, 2)
		if len(got) != 2 || !strings.HasPrefix(got[0], "Denied (policy): no.") || got[1] != "1" {
			t.Errorf("turn %d allowed: got %q, want the denial and then the answer", nth, got)
		}
	}
}

// A made-up name that merely resembles that of a tool is answered by the executor.
// Its refusal answers no call of the tool.
func TestARefusedCallOfAMadeUpNameAnswersNoOther(t *testing.T) {
	const kelvin = "\u212aalc" // folds to kalc, but ToUpper leaves it
	for nth, want := range map[int][]string{
		0: {"not a tool", "Denied (policy): no. Do not repeat this call unchanged."},
		1: {"not a tool", "1"},
	} {
		asks := [][]schema.AgentAction{{{Tool: kelvin, ToolInput: "1"}}, {{Tool: "kalc", ToolInput: "1"}}}
		next := &sequence{planner{[]tools.Tool{echoTool("kalc")}, nil}, asks}
		if got := turns(t, langchaingo.Agent(next, middleware.Tell, butThe(nth*2)), 2); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A turn is refused by an Observation, whatever that says.
func TestATurnThatIsRefusedWithoutAWordIsNotRun(t *testing.T) {
	calc := &funcTool{"calc", func(context.Context, string) (string, error) {
		t.Error("the tool of a refused turn ran")
		return "", nil
	}}
	silent := middleware.TransformResult("silent", func(_ context.Context, call middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
		if plan, ok := res.Output.(*middleware.Plan); ok && plan.Final == nil {
			return middleware.Result{Output: middleware.Observation("")}, true, nil
		}
		return res, false, nil
	})
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(says(mrklCalls, "Final Answer: 437"), []tools.Tool{calc})), silent)
	if out, err := chains.Run(t.Context(), run, "?"); err != nil || out != "437" {
		t.Errorf("got %q, %v", out, err)
	}
}

// A sequence is an agent that asks for one thing after another.
type sequence struct {
	planner
	asks [][]schema.AgentAction
}

func (s *sequence) Plan(context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	next := s.asks[0]
	s.asks = s.asks[1:]
	return next, nil, nil
}

// Gates judge of a tool call the input that the executor passes to the tool: it cuts
// off what a model that follows a ReAct prompt says too much.
func TestWhatIsJudgedOfAToolCallIsWhatTheToolGets(t *testing.T) {
	var judged, got []string
	look := middleware.After("look", func(_ context.Context, _ middleware.Call, r middleware.Result) error {
		if plan, ok := r.Output.(*middleware.Plan); ok && plan.Final == nil {
			judged = append(judged, plan.ToolCalls[0].Input)
		}
		return nil
	})
	calc := &funcTool{"calc", func(_ context.Context, in string) (string, error) { got = append(got, in); return in, nil }}
	a := &sequence{planner{[]tools.Tool{calc}, nil}, [][]schema.AgentAction{
		{{Tool: "calc", ToolInput: "19*23\nObservation:"}}, {{Tool: "calc", ToolInput: "1\nObservation:\nObservation:"}},
	}}
	asking := struct {
		agents.Agent
		model llms.Model
	}{a, langchaingo.Model(says(), pass)}
	executor := agents.NewExecutor(langchaingo.Agent(asking, look), agents.WithMaxIterations(2))
	if _, err := langchaingo.Chain(executor, pass).Call(t.Context(), map[string]any{"input": "q"}); !errors.Is(err, agents.ErrNotFinished) {
		t.Fatal(err)
	}
	if want := []string{"19*23", "1\nObservation:"}; !slices.Equal(judged, want) || !slices.Equal(got, want) {
		t.Errorf("judged was %q, and the tool got %q, want %q", judged, got, want)
	}
}

// Where an interceptor takes the Stream off a call, nothing of it is streamed; the
// request itself stays one for a stream.
func TestAStreamThatIsTakenOffReachesNobody(t *testing.T) {
	off := middleware.Compose(func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			call.Stream = nil
			return next(ctx, call)
		}
	})
	model := func() *script {
		m := says("Final Answer: hunter2")
		m.chunks = []string{"Final Answer: ", "hunter2"}
		return m
	}
	got := ""
	keep := func(_ context.Context, chunk []byte) error { got += string(chunk); return nil }

	m := model()
	if _, err := langchaingo.Model(m, off).Call(t.Context(), "?", llms.WithStreamingFunc(keep)); err != nil || got != "" || m.options[0].StreamingFunc == nil {
		t.Errorf("model: got %q, %v, want no chunk, of a request for a stream", got, err)
	}
	reasoning := func(_ context.Context, r, text []byte) error { got += string(r) + string(text); return nil }
	if _, err := langchaingo.Model(thinker{}, off).Call(t.Context(), "?", llms.WithStreamingReasoningFunc(reasoning)); err != nil || got != "" {
		t.Errorf("reasoning: got %q, %v, want no chunk", got, err)
	}
	for kind, i := range map[string]middleware.Interceptor{"chain": middleware.On(middleware.KindChain, off), "plan": middleware.On(middleware.KindPlan, off)} {
		m = model()
		run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(m, []tools.Tool{echoTool("calc")})), i)
		if _, err := chains.Run(t.Context(), run, "q", chains.WithStreamingFunc(keep)); err != nil || got != "" || m.options[0].StreamingFunc == nil {
			t.Errorf("%s: got %q, %v, want no chunk, of a request for a stream", kind, got, err)
		}
	}
}

// A stream ends with its context, whatever the client does: no chunk is passed on
// after, and the client is told so.
func TestACancelledStreamPassesNothingOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	var told []error
	client := streamer(func(stream func([]byte) error) {
		for _, chunk := range []string{"a", "b", "c"} {
			told = append(told, stream([]byte(chunk)))
		}
	})
	_, err := langchaingo.Model(client, pass).Call(ctx, "?", llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
		got = append(got, string(chunk))
		cancel()
		return nil
	}))
	if !errors.Is(err, context.Canceled) || !slices.Equal(got, []string{"a"}) {
		t.Errorf("got chunks %q, %v, want the first alone and %v", got, err, context.Canceled)
	}
	for i, err := range told {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("chunk %d: the client was told %v, want %v", i+1, err, context.Canceled)
		}
	}
}

// A streamer is a client that streams and takes no notice of errors.
type streamer func(stream func([]byte) error)

func (s streamer) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, s, prompt, options...)
}

func (s streamer) GenerateContent(ctx context.Context, _ []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	s(func(chunk []byte) error { return opts.StreamingFunc(ctx, chunk) })
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: "abc", StopReason: "stop"}}}, nil
}

// What the model makes up stands in no error of the adapter's, and names no call.
func TestMadeUpNamesStandInNoErrorAndNameNoCall(t *testing.T) {
	const made = "AKIAIOSFODNN7EXAMPLE\x1b[31m"
	shell := &funcTool{"shell", func(context.Context, string) (string, error) { return "", nil }}
	asks := planner{[]tools.Tool{shell}, []schema.AgentAction{{Tool: made, ToolInput: made, ToolID: made}, {Tool: "shell", ToolInput: made, ToolID: made}}}
	seen := new(spy)
	refused := langchaingo.Agent(asks, seen.intercept, middleware.Tell, butThe(0))
	changed := langchaingo.Agent(asks, seen.intercept, output(func(out any) { out.(*middleware.Plan).ToolCalls[0].Registered = "shell" }))
	for name, err := range map[string]error{
		"a refused turn that is not answered": func() error {
			_, err := langchaingo.Chain(&outside{bare{}, refused, []tools.Tool{shell}, true}, seen.intercept).Call(t.Context(), nil)
			return err
		}(),
		"a plan that cannot be": func() error { _, _, err := changed.Plan(t.Context(), nil, nil); return err }(),
		"a stream of a tool that is not called": func() error {
			m := provider(t, func(int) {}, delta(`[{"id":"`+made[:20]+`","type":"function","function":{"name":"`+made[:20]+`","arguments":""}}]`),
				finish, "[DONE]")
			_, err := langchaingo.Model(m, seen.intercept).GenerateContent(t.Context(), nil, calcTool,
				llms.WithStreamingFunc(func(context.Context, []byte) error { return nil }))
			return err
		}(),
	} {
		if err == nil || strings.Contains(err.Error(), made[:8]) {
			t.Errorf("%s: got %v, want an error without it", name, err)
		}
	}
	for _, c := range seen.calls {
		if strings.Contains(c.Name, made[:8]) {
			t.Errorf("a call is named %q", c.Name)
		}
	}
}

// An agent that ends and asks for tools at once has ended: what is not judged is not
// returned.
func TestAnAgentThatEndsAsksForNothing(t *testing.T) {
	both := ending{planner{[]tools.Tool{echoTool("calc")}, []schema.AgentAction{{Tool: "calc"}}}}
	run := langchaingo.Chain(chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		actions, finish, err := langchaingo.Agent(both, pass).Plan(ctx, nil, nil)
		if err != nil || actions != nil || finish == nil || finish.ReturnValues["output"] != "1" {
			t.Errorf("got %+v, %+v, %v, want the end alone", actions, finish, err)
		}
		return map[string]any{}, nil
	}, nil, nil), pass)
	if _, err := run.Call(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

type ending struct{ planner }

func (e ending) Plan(context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	return e.actions, &schema.AgentFinish{ReturnValues: map[string]any{"output": "1"}}, nil
}
