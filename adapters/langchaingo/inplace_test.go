package langchaingo_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// output returns a gate that changes what a call returns, where it stands.
func output(change func(output any)) middleware.Interceptor {
	return middleware.TransformResult("edit", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
		change(r.Output)
		return r, true, nil
	})
}

// What a gate changed of an output in place is what leaves and what runs: that is
// what the gates outside of it and the trail say.
func TestAnOutputThatWasChangedInPlaceIsWhatLeaves(t *testing.T) {
	seen := new(spy)
	model := langchaingo.Model(says("the password is hunter2"), seen.intercept, output(func(out any) {
		out.(*middleware.ModelResponse).Choices[0].Text = "[redacted]"
	}))
	got, err := model.Call(t.Context(), "?")
	if said := seen.results[0].Output.(*middleware.ModelResponse).Choices[0].Text; err != nil || got != said || got != "[redacted]" {
		t.Errorf("model: the caller got %q, %v, and the gates outside saw %q", got, err, said)
	}

	called := langchaingo.Model(&script{answers: []*llms.ContentChoice{toolCall("calc", "rm -rf /")}}, output(func(out any) {
		out.(*middleware.ModelResponse).Choices[0].ToolCalls[0].Input = "[redacted]"
	}))
	res, err := called.GenerateContent(t.Context(), nil)
	if err != nil || res.Choices[0].ToolCalls[0].FunctionCall.Arguments != "[redacted]" || res.Choices[0].FuncCall.Arguments != "[redacted]" {
		t.Errorf("model: got %+v, %v, want the tool call as it was changed", res, err)
	}

	var ran []string
	calc := &funcTool{"calc", func(_ context.Context, in string) (string, error) {
		ran = append(ran, in)
		return in, nil
	}}
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(says(mrklCalls, "Final Answer: hunter2"), []tools.Tool{calc})),
		output(func(out any) {
			if plan, ok := out.(*middleware.Plan); ok && plan.Final != nil {
				plan.Final["output"] = "[redacted]"
			} else if ok {
				plan.ToolCalls[0].Input = "1"
			}
		}))
	got, err = chains.Run(t.Context(), run, "q")
	if err != nil || got != "[redacted]" || !slices.Equal(ran, []string{"1"}) {
		t.Errorf("plan: got %q, %v, and the tool ran with %q", got, err, ran)
	}
}

// A request of which a copy shares its parts with the caller's is asked as it was
// changed, and what the caller holds of it is not.
func TestAShallowCopyIsWhatIsAsked(t *testing.T) {
	m := says("ok")
	var ran any
	trail := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			ran, _ = middleware.TrailOf(ctx).Ran()
			return res, err
		}
	}
	redact := middleware.Transform("redact", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
		req := *c.Input.(*middleware.ModelRequest)
		req.Messages = slices.Clone(req.Messages)
		req.Messages[0].Parts[0].Text = "[redacted]"
		c.Input = &req
		return c, true, nil
	})
	messages := []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "hunter2")}
	if _, err := langchaingo.Model(m, trail, redact).GenerateContent(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	asked := m.asked[0][0].Parts[0].(llms.TextContent).Text
	if said := ran.(*middleware.ModelRequest).Messages[0].Parts[0].Text; asked != said || said != "[redacted]" {
		t.Errorf("the provider was asked %q, and the trail says %q", asked, said)
	}
	if messages[0].Parts[0].(llms.TextContent).Text != "hunter2" {
		t.Error("the caller's own message was modified")
	}
}

// An input that was modified in place is not what the gates outside have judged and
// a recorder has noted: the call fails, and nothing is asked or run.
func TestACallWhoseInputWasModifiedInPlaceIsNotMade(t *testing.T) {
	input := func(change func(input any)) middleware.Interceptor {
		return middleware.Before("edit", func(_ context.Context, c middleware.Call) error {
			change(c.Input)
			return nil
		})
	}
	model := func(change func(*middleware.ModelRequest)) func() (int, error) {
		return func() (int, error) {
			m := says("ok")
			_, err := langchaingo.Model(m, input(func(in any) { change(in.(*middleware.ModelRequest)) })).GenerateContent(t.Context(),
				[]llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "a")}, calcTool, llms.WithStopWords([]string{"x"}))
			return m.requests(), err
		}
	}
	chain := func(change func(map[string]any)) func() (int, error) {
		return func() (int, error) {
			runs := 0
			c := chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
				runs++
				return map[string]any{}, nil
			}, nil, nil)
			_, err := langchaingo.Chain(c, input(func(in any) { change(in.(map[string]any)) })).Call(t.Context(), map[string]any{
				"q": "a", "n": 1.5, "deep": map[string]any{"list": []any{"a", true}}, "docs": []schema.Document{{PageContent: "a"}}, "f": t.Fatal,
			})
			return runs, err
		}
	}
	save := func(change func(map[string]any)) func() (int, error) {
		return func() (int, error) {
			m := memory.NewConversationBuffer()
			err := langchaingo.Memory(m, input(func(in any) { change(in.(map[string]any)) })).SaveContext(t.Context(),
				map[string]any{"input": "a"}, map[string]any{"text": "b"})
			saved, _ := m.ChatHistory.Messages(t.Context())
			return len(saved) / 2, err
		}
	}
	plan := func(change func(*middleware.PlanRequest)) func() (int, error) {
		return func() (int, error) {
			m := says("Final Answer: 1")
			a := langchaingo.Agent(agents.NewOneShotAgent(m, []tools.Tool{echoTool("calc")}), input(func(in any) { change(in.(*middleware.PlanRequest)) }))
			_, _, err := a.Plan(t.Context(), []schema.AgentStep{{Observation: "a"}}, map[string]string{"input": "a"})
			return m.requests(), err
		}
	}
	// of is a call of a chain whose input holds one value, and then another one.
	type odd struct {
		s string
		b bool
		n int8
		u uint16
		f float32
		c complex128
		a [2]int
		m map[string]int
		i any
		p *int
		e error
	}
	p, q := new(int), new(int)
	of := func(was, becomes odd) func() (int, error) {
		return func() (int, error) {
			runs := 0
			c := chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
				runs++
				return map[string]any{}, nil
			}, nil, nil)
			list := []odd{was}
			_, err := langchaingo.Chain(c, input(func(in any) { in.(map[string]any)["v"].([]odd)[0] = becomes })).Call(t.Context(), map[string]any{"v": list})
			return runs, err
		}
	}
	for name, call := range map[string]func() (int, error){
		"string within":      of(odd{s: "a"}, odd{s: "b"}),
		"bool within":        of(odd{}, odd{b: true}),
		"int within":         of(odd{n: 1}, odd{n: 2}),
		"uint within":        of(odd{u: 1}, odd{u: 2}),
		"float within":       of(odd{f: 1}, odd{f: 2}),
		"real part within":   of(odd{c: 1 + 1i}, odd{c: 2 + 1i}),
		"imag part within":   of(odd{c: 1 + 1i}, odd{c: 1 + 2i}),
		"array within":       of(odd{a: [2]int{1, 2}}, odd{a: [2]int{2, 1}}),
		"map's key within":   of(odd{m: map[string]int{"a": 1}}, odd{m: map[string]int{"b": 1}}),
		"map's value":        of(odd{m: map[string]int{"a": 1}}, odd{m: map[string]int{"a": 2}}),
		"map's two values":   of(odd{m: map[string]int{"a": 1, "b": 2}}, odd{m: map[string]int{"a": 2, "b": 1}}),
		"map's length":       of(odd{m: map[string]int{"a": 1}}, odd{m: map[string]int{"a": 1, "b": 2}}),
		"interface within":   of(odd{i: 1}, odd{i: "1"}),
		"interface, of nil":  of(odd{}, odd{i: 1}),
		"pointer within":     of(odd{p: p}, odd{p: q}),
		"error within":       of(odd{}, odd{e: context.Canceled}),
		"a text":             model(func(r *middleware.ModelRequest) { r.Messages[0].Parts[0].Text = "b" }),
		"a role":             model(func(r *middleware.ModelRequest) { r.Messages[0].Role = "system" }),
		"a native value":     model(func(r *middleware.ModelRequest) { r.Messages[0].Parts[0].Native = llms.TextContent{Text: "b"} }),
		"a message more":     model(func(r *middleware.ModelRequest) { r.Messages = append(r.Messages, r.Messages[0]) }),
		"a stop word":        model(func(r *middleware.ModelRequest) { r.Stop[0] = "y" }),
		"a tool":             model(func(r *middleware.ModelRequest) { r.Tools[0] = "shell" }),
		"a parameter":        model(func(r *middleware.ModelRequest) { r.MaxTokens = 7 }),
		"candidates":         model(func(r *middleware.ModelRequest) { r.Candidates = 7 }),
		"a chain's value":    chain(func(in map[string]any) { in["q"] = "b" }),
		"a number":           chain(func(in map[string]any) { in["n"] = 2.5 }),
		"a value within":     chain(func(in map[string]any) { in["deep"].(map[string]any)["list"].([]any)[1] = false }),
		"a document":         chain(func(in map[string]any) { in["docs"].([]schema.Document)[0].PageContent = "b" }),
		"a value less":       chain(func(in map[string]any) { delete(in, "q") }),
		"what is saved":      save(func(in map[string]any) { in["input"] = "b" }),
		"an observation":     plan(func(r *middleware.PlanRequest) { r.Steps[0].Observation = "b" }),
		"an agent's input":   plan(func(r *middleware.PlanRequest) { r.Inputs["input"] = "b" }),
		"an input of a copy": plan(func(r *middleware.PlanRequest) { maps.Copy(r.Inputs, map[string]string{"more": "b"}) }),
	} {
		if n, err := call(); n != 0 || err == nil || !strings.Contains(err.Error(), "an interceptor modified the input in place") {
			t.Errorf("%s: made %d times, error %v", name, n, err)
		}
	}
	for name, call := range map[string]func() (int, error){
		"model": model(func(*middleware.ModelRequest) {}), "chain": chain(func(map[string]any) {}),
		"plan": plan(func(*middleware.PlanRequest) {}), "save": save(func(map[string]any) {}),
		"of every kind": of(
			odd{s: "a", m: map[string]int{"a": 1, "b": 2}, i: map[int]string{1: "a"}, p: p},
			odd{s: "a", m: map[string]int{"b": 2, "a": 1}, i: map[int]string{1: "a"}, p: p}),
	} {
		if n, err := call(); n != 1 || err != nil {
			t.Errorf("%s, nothing changed: made %d times, error %v", name, n, err)
		}
	}
}

// A scribbler is a chain that writes into its inputs.
type scribbler struct{}

func (scribbler) Call(_ context.Context, in map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
	in["scratch"] = "something"
	return map[string]any{"output": "ok"}, nil
}
func (scribbler) GetMemory() schema.Memory { return memory.NewSimple() }
func (scribbler) GetInputKeys() []string   { return nil }
func (scribbler) GetOutputKeys() []string  { return []string{"output"} }

// Plan asks for nothing more.
func (scribbler) Plan(_ context.Context, _ []schema.AgentStep, in map[string]string, _ ...chains.ChainCallOption) (
	[]schema.AgentAction, *schema.AgentFinish, error,
) {
	in["scratch"] = "something"
	return nil, &schema.AgentFinish{ReturnValues: map[string]any{"output": "ok"}}, nil
}
func (scribbler) GetTools() []tools.Tool { return nil }

// What a chain or an agent itself makes of its inputs is not the interceptors' fault,
// and no reason not to ask it again.
func TestAChainThatWritesIntoItsInputsIsAskedAgain(t *testing.T) {
	var asked middleware.Within[int]
	again := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if res, err := next(ctx, call); err != nil || asked.Find(ctx) != nil {
				return res, err
			}
			asked.New(ctx)
			return middleware.Again(ctx, call)
		}
	}
	if out, err := langchaingo.Chain(scribbler{}, again).Call(t.Context(), map[string]any{"input": "?"}); err != nil || out["output"] != "ok" {
		t.Errorf("chain: got %v, %v", out, err)
	}
	if _, out, err := langchaingo.Agent(scribbler{}, again).Plan(t.Context(), nil, map[string]string{"input": "?"}); err != nil || out == nil {
		t.Errorf("agent: got %v, %v", out, err)
	}
}

// Inputs that hold one another in many ways are looked at once each.
func TestInputsThatHoldThemselves(t *testing.T) {
	self := map[string]any{"text": "a secret"}
	self["a"], self["b"], self["c"] = self, []any{self, self}, map[string]any{"again": self}
	in := map[string]any{"self": self}
	edit := middleware.Before("edit", func(context.Context, middleware.Call) error {
		self["text"] = "another"
		return nil
	})
	if _, err := langchaingo.Chain(scribbler{}, pass).Call(t.Context(), in); err != nil {
		t.Errorf("nothing was changed: %v", err)
	}
	if _, err := langchaingo.Chain(scribbler{}, edit).Call(t.Context(), in); err == nil || !strings.Contains(err.Error(), "in place") {
		t.Errorf("changed in place: got %v", err)
	}
}

// Steps and inputs that a gate put in the place of an agent's are what it plans by;
// of a step the rest stays as it was.
func TestAnAgentPlansByTheStepsThatAGateLeft(t *testing.T) {
	was := []schema.AgentStep{
		{Action: schema.AgentAction{Tool: "calc", ToolInput: "1", ToolID: "c1", Log: "log 1"}, Observation: "a secret"},
		{Action: schema.AgentAction{Tool: "calc", ToolInput: "2", ToolID: "c2", Log: "log 2"}, Observation: "two"},
	}
	redacted := schema.AgentStep{Action: was[0].Action, Observation: "[redacted]"}
	other := schema.AgentStep{Action: schema.AgentAction{Tool: "shell", ToolInput: "3", ToolID: "c3"}, Observation: "three"}
	for name, tt := range map[string]struct {
		change func(*middleware.PlanRequest)
		want   []schema.AgentStep
	}{
		"none":     {func(*middleware.PlanRequest) {}, was},
		"redacted": {func(r *middleware.PlanRequest) { r.Steps[0].Observation = "[redacted]" }, []schema.AgentStep{redacted, was[1]}},
		"the last": {func(r *middleware.PlanRequest) { r.Steps = r.Steps[:1] }, was[:1]},
		"one more": {func(r *middleware.PlanRequest) {
			r.Steps = append(r.Steps, middleware.Step{ToolCall: middleware.ToolCall{ID: "c3", Name: "shell", Input: "3"}, Observation: "three"})
		}, []schema.AgentStep{was[0], was[1], other}},
		"an input": {func(r *middleware.PlanRequest) { r.Inputs = map[string]string{"input": "b"} }, was},
	} {
		var got []schema.AgentStep
		var inputs map[string]string
		plans := planner{actions: []schema.AgentAction{{Tool: "calc", ToolInput: "1"}}, tools: []tools.Tool{echoTool("calc")}}
		a := langchaingo.Agent(seesSteps{plans, &got, &inputs},
			middleware.Transform("edit", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
				req := *c.Input.(*middleware.PlanRequest)
				req.Steps = slices.Clone(req.Steps)
				tt.change(&req)
				c.Input = &req
				return c, true, nil
			}))
		_, _, err := a.Plan(t.Context(), was, map[string]string{"input": "a"})
		if err != nil || !slices.Equal(got, tt.want) || (inputs["input"] == "b") != (name == "an input") {
			t.Errorf("%s: planned by %+v and %v, %v, want %+v", name, got, inputs, err, tt.want)
		}
	}
}

// seesSteps keeps what it planned by.
type seesSteps struct {
	planner
	steps  *[]schema.AgentStep
	inputs *map[string]string
}

func (s seesSteps) Plan(ctx context.Context, steps []schema.AgentStep, inputs map[string]string, options ...chains.ChainCallOption) (
	[]schema.AgentAction, *schema.AgentFinish, error,
) {
	*s.steps, *s.inputs = slices.Clone(steps), maps.Clone(inputs)
	return s.planner.Plan(ctx, steps, inputs, options...)
}

// A request that says what cannot be asked is not asked in another form.
func TestARequestThatCannotBeMadeIsAnError(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*middleware.ModelRequest)
		want   string
	}{
		"fewer candidates":    {func(r *middleware.ModelRequest) { r.Candidates = 1 }, "cannot change"},
		"JSON":                {func(r *middleware.ModelRequest) { r.JSON = true }, "cannot change"},
		"a tool more":         {func(r *middleware.ModelRequest) { r.Tools = []string{"calc", "shell"} }, "cannot change"},
		"another tool":        {func(r *middleware.ModelRequest) { r.Tools = []string{"shell"} }, "cannot change"},
		"text in the binary":  {func(r *middleware.ModelRequest) { r.Messages = withText(r, 0, "b") }, "has none"},
		"text in an odd call": {func(r *middleware.ModelRequest) { r.Messages = withText(r, 1, "b") }, "has none"},
	} {
		m := says("ok")
		i := middleware.Transform("edit", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
			req := *c.Input.(*middleware.ModelRequest)
			tt.change(&req)
			c.Input = &req
			return c, true, nil
		})
		_, err := langchaingo.Model(m, i).GenerateContent(t.Context(), []llms.MessageContent{{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{
			llms.BinaryPart("image/png", []byte("a")), llms.ToolCall{ID: "c1"},
		}}}, calcTool, llms.WithCandidateCount(3))
		if m.requests() != 0 || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: asked %d times, error %v", name, m.requests(), err)
		}
	}
}

func withText(r *middleware.ModelRequest, part int, text string) []middleware.Message {
	m := r.Messages[0]
	m.Parts = slices.Clone(m.Parts)
	m.Parts[part].Text = text
	return []middleware.Message{m}
}

// A plan that says of a tool call what the executor would not do is not carried out.
func TestAPlanThatTheExecutorWouldReadOtherwiseIsAnError(t *testing.T) {
	for name, change := range map[string]func(*middleware.ToolCall){
		"another tool under the same name": func(tc *middleware.ToolCall) { tc.Name = "shell" },
		"a tool that is made up":           func(tc *middleware.ToolCall) { tc.Registered = "" },
		"what the executor cuts off":       func(tc *middleware.ToolCall) { tc.Input = "x\nObservation:" },
	} {
		a := langchaingo.Agent(planner{[]tools.Tool{echoTool("calc"), echoTool("shell")}, []schema.AgentAction{{Tool: "calc", ToolInput: "1"}}},
			output(func(out any) { change(&out.(*middleware.Plan).ToolCalls[0]) }))
		actions, _, err := a.Plan(t.Context(), nil, nil)
		if err == nil || actions != nil || !strings.Contains(err.Error(), "the executor would make another") {
			t.Errorf("%s: got %+v, %v, want an error", name, actions, err)
		}
	}
}

// Text that stands behind a pointer, or in a part with instructions for a cache, is
// text of the request like any other.
func TestWrappedPartsAreSeenAndChanged(t *testing.T) {
	control := &llms.CacheControl{Type: "ephemeral"}
	text := &llms.TextContent{Text: "a secret"}
	for name, tt := range map[string]struct{ part, want llms.ContentPart }{
		"pointer": {text, llms.TextContent{Text: "a ****"}},
		"cached": {llms.CachedContent{ContentPart: *text, CacheControl: control},
			llms.CachedContent{ContentPart: llms.TextContent{Text: "a ****"}, CacheControl: control}},
		"cached pointer": {llms.CachedContent{ContentPart: text, CacheControl: control},
			llms.CachedContent{ContentPart: llms.TextContent{Text: "a ****"}, CacheControl: control}},
		"pointer to a URL": {&llms.ImageURLContent{URL: "http://x/secret"}, llms.ImageURLContent{URL: "http://x/****"}},
	} {
		m := says("ok", "ok")
		messages := []llms.MessageContent{{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{tt.part}}}
		if _, err := langchaingo.Model(m, censor).GenerateContent(t.Context(), messages); err != nil || m.asked[0][0].Parts[0] != tt.want {
			t.Errorf("%s: the model was asked %+v, %v, want %+v", name, m.asked, err, tt.want)
		}
		if _, err := langchaingo.Model(m, pass).GenerateContent(t.Context(), messages); err != nil || m.asked[1][0].Parts[0] != tt.part {
			t.Errorf("%s, nothing changed: the model was asked %+v, %v, want the caller's own", name, m.asked, err)
		}
	}
	binary := llms.CachedContent{ContentPart: llms.BinaryPart("image/png", []byte("a")), CacheControl: control}
	if _, err := langchaingo.Model(says("ok"), pass).GenerateContent(t.Context(), []llms.MessageContent{{Parts: []llms.ContentPart{binary}}}); err != nil {
		t.Errorf("cached binary content: %v", err)
	}
}
