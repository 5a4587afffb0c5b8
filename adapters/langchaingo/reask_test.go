package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	safe "example.com/safeconduct/schema"
)

var verdict = safe.MustCompile("verdict", `{
	"type": "object",
	"required": ["risk"],
	"properties": {"risk": {"enum": ["low", "high"]}},
	"additionalProperties": false
}`)

const (
	lowRisk = `{"risk":"low"}`
	noJSON  = "The risk is low, says hunter2."
)

// toolCall is an answer of a model that calls a tool.
func toolCall(name, arguments string) *llms.ContentChoice {
	return &llms.ContentChoice{ToolCalls: []llms.ToolCall{{ID: "c", Type: "function", FunctionCall: &llms.FunctionCall{Name: name, Arguments: arguments}}}}
}

// An agentCase is a type of agent, and how its model says things.
type agentCase struct {
	agent  func(llms.Model, []tools.Tool) agents.Agent
	final  func(answer string) *llms.ContentChoice
	action func(arguments string) *llms.ContentChoice
}

var agentCases = map[string]agentCase{
	"one shot": {
		func(m llms.Model, ts []tools.Tool) agents.Agent { return agents.NewOneShotAgent(m, ts) },
		func(answer string) *llms.ContentChoice {
			return &llms.ContentChoice{Content: "Thought: done\nFinal Answer: " + answer}
		},
		func(arguments string) *llms.ContentChoice {
			return &llms.ContentChoice{Content: "Thought: compute\nAction: calc\nAction Input: " + arguments}
		},
	},
	"conversational": {
		func(m llms.Model, ts []tools.Tool) agents.Agent { return agents.NewConversationalAgent(m, ts) },
		func(answer string) *llms.ContentChoice {
			return &llms.ContentChoice{Content: "Thought: Do I need to use a tool? No\nAI: " + answer}
		},
		func(arguments string) *llms.ContentChoice {
			return &llms.ContentChoice{Content: "Thought: Do I need to use a tool? Yes\nAction: calc\nAction Input: " + arguments}
		},
	},
	"functions": {
		func(m llms.Model, ts []tools.Tool) agents.Agent { return agents.NewOpenAIFunctionsAgent(m, ts) },
		func(answer string) *llms.ContentChoice { return &llms.ContentChoice{Content: answer} },
		func(arguments string) *llms.ContentChoice { return toolCall("calc", arguments) },
	},
}

// texts returns the texts of a request's messages.
func texts(messages []llms.MessageContent) []string {
	var all []string
	for _, m := range messages {
		text, _ := m.Parts[0].(llms.TextContent)
		all = append(all, string(m.Role)+": "+text.Text)
	}
	return all
}

// An agent of each type is asked again for a final answer that is refused, and
// its memory keeps the accepted one alone.
func TestReaskOfEachAgent(t *testing.T) {
	for name, a := range agentCases {
		t.Run(name, func(t *testing.T) { reaskOfAgent(t, a, false) })
		t.Run(name+" within its budget", func(t *testing.T) { reaskOfAgent(t, a, true) })
	}
}

func reaskOfAgent(t *testing.T, a agentCase, budgetOutside bool) {
	m := &script{answers: []*llms.ContentChoice{a.action("1+1"), a.final(noJSON), a.final("[1]"), a.final(lowRisk)}}
	buffer := memory.NewConversationBuffer(memory.WithInputKey("input"), memory.WithOutputKey("output"))
	budget := gates.Budget(gates.Limits{ModelCalls: 4, ToolCalls: 1})
	seen := new(spy)
	is := []middleware.Interceptor{seen.intercept, safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 2}), budget}
	if budgetOutside {
		is[1], is[2] = is[2], is[1]
	}
	run := langchaingo.Executor(
		agents.NewExecutor(a.agent(m, []tools.Tool{echoTool("calc")}), agents.WithMemory(buffer), agents.WithReturnIntermediateSteps()), is...)
	out, err := chains.Call(t.Context(), run, map[string]any{"input": "What is the risk?"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out["output"].(string)); got != lowRisk {
		t.Errorf("got output %q, want %q", got, lowRisk)
	}
	if all := fmt.Sprint(out, history(t, buffer)); strings.Contains(all, "hunter2") || strings.Contains(all, "refused") {
		t.Errorf("got %s, want nothing of the answers that were refused", all)
	}
	if h := history(t, buffer); !strings.Contains(h, lowRisk) {
		t.Errorf("got history %s, want the accepted answer in it", h)
	}
	if got, want := seen.kinds(), "model plan tool model model plan model plan plan chain chain"; got != want {
		t.Errorf("got calls %q, want %q", got, want)
	}
	if got := m.requests(); got != 4 {
		t.Errorf("got %d requests, want 4", got)
	}
	last := texts(m.asked[3])
	if n := len(last); n < 3 || !strings.HasPrefix(last[n-2], "ai: ") || !strings.Contains(last[n-2], "[1]") ||
		!strings.HasPrefix(last[n-1], "human: Your answer was refused: the output does not satisfy the schema verdict: the value must be an object.") {
		t.Errorf("got messages %q, want the refused answer and what is wrong at the end", last)
	}
	if n := len(m.asked[1]); len(last) != n+2 {
		t.Errorf("got %d messages in the last request, want the %d of the turn and two more", len(last), n)
	}
}

// A consumer of the stream gets what was said on the way to the accepted answer,
// and nothing of those that were refused.
func TestReaskStreams(t *testing.T) {
	boundary := safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 2})
	consume := func(t *testing.T, want string, run chains.Chain, inputs map[string]any) {
		t.Helper()
		var got strings.Builder
		_, err := chains.Call(t.Context(), run, inputs, chains.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
			got.Write(chunk)
			return nil
		}))
		if err != nil || got.String() != want {
			t.Errorf("got %q, %v, want %q", got.String(), err, want)
		}
	}
	for name, a := range agentCases {
		t.Run(name, func(t *testing.T) {
			m := teller{&script{answers: []*llms.ContentChoice{a.action("1+1"), a.final(noJSON), a.final("[1]"), a.final(lowRisk)}}}
			consume(t, a.action("1+1").Content+a.final(lowRisk).Content,
				langchaingo.Executor(agents.NewExecutor(a.agent(m, []tools.Tool{echoTool("calc")})), boundary),
				map[string]any{"input": "What is the risk?", "history": ""})
		})
	}
	plain, _ := conversation(langchaingo.Model(teller{says(noJSON, noJSON, lowRisk)}, boundary))
	consume(t, lowRisk, langchaingo.Chain(plain, boundary), map[string]any{"input": "What is the risk?"})
}

// A teller streams what its script says, byte by byte.
type teller struct{ *script }

func (m teller) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	res, err := m.script.GenerateContent(ctx, messages, options...)
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	if err != nil || opts.StreamingFunc == nil {
		return res, err
	}
	for _, b := range []byte(res.Choices[0].Content) {
		if err := opts.StreamingFunc(ctx, []byte{b}); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// With one request more than the budget has, its denial is what comes back.
func TestReaskOfAnAgentOverBudget(t *testing.T) {
	for name, a := range agentCases {
		m := &script{answers: []*llms.ContentChoice{a.final(noJSON), a.final(noJSON), a.final(lowRisk)}}
		run := langchaingo.Executor(agents.NewExecutor(a.agent(m, []tools.Tool{echoTool("calc")})),
			safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 2}), gates.Budget(gates.Limits{ModelCalls: 2}))
		_, err := chains.Run(t.Context(), run, "What is the risk?")
		if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Code != middleware.CodeOverBudget || d.Gate != "budget" {
			t.Errorf("%s: got %v, want a denial by the budget", name, err)
		}
	}
}

// A parser error of an attempt is the executor's to handle, as ever.
func TestReaskAndParserErrors(t *testing.T) {
	a := agentCases["one shot"]
	m := &script{answers: []*llms.ContentChoice{a.final(noJSON), {Content: "neither this nor that"}, a.final(lowRisk)}}
	run := langchaingo.Executor(agents.NewExecutor(a.agent(m, []tools.Tool{echoTool("calc")}),
		agents.WithParserErrorHandler(agents.NewParserErrorHandler(func(string) string { return "try again" }))),
		safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 2}))
	if got, err := chains.Run(t.Context(), run, "What is the risk?"); err != nil || got != lowRisk {
		t.Errorf("got %q, %v, want %q", got, err, lowRisk)
	}
}

// The caller of a model gets the very response that was accepted.
func TestReaskOfAModel(t *testing.T) {
	m := says(noJSON, lowRisk)
	guarded := langchaingo.Model(m, safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 2}))
	res, err := guarded.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "What is the risk?")},
		llms.WithTemperature(0.5))
	if err != nil || res.Choices[0] != m.answers[1] {
		t.Fatalf("got %v, %v, want the second answer itself", res, err)
	}
	if m.options[1].Temperature != 0.5 {
		t.Errorf("got temperature %v in the second request, want that of the first", m.options[1].Temperature)
	}
	if got := texts(m.asked[1]); len(got) != 3 || !strings.Contains(got[1], noJSON) {
		t.Errorf("got messages %q, want the refused answer among three", got)
	}
	// Where it is taken out of a text, the text is all that changes.
	fenced := says("```json\n" + lowRisk + "\n```")
	fenced.answers[0].GenerationInfo = map[string]any{"PromptTokens": 1}
	guarded = langchaingo.Model(fenced, safe.Boundary(safe.BoundaryRules{Schema: verdict, Extract: true}))
	res, err = guarded.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "What is the risk?")})
	if err != nil || res.Choices[0].Content != lowRisk || res.Choices[0].StopReason != "stop" || res.Choices[0].GenerationInfo == nil {
		t.Errorf("got %+v, %v, want the JSON and all else as it was", res.Choices[0], err)
	}
	if fenced.answers[0].Content == lowRisk {
		t.Error("the model's own response was modified")
	}
}

// A chain that asks its model once is run again as a whole, and its memory keeps
// the accepted answer alone.
func TestReaskOfAChain(t *testing.T) {
	boundary := safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 2})
	m := says(noJSON, noJSON, lowRisk)
	plain, buffer := conversation(langchaingo.Model(m, boundary))
	run := langchaingo.Chain(plain, boundary)
	got, err := chains.Run(t.Context(), run, "What is the risk?")
	if err != nil || got != lowRisk {
		t.Fatalf("got %q, %v, want %q", got, err, lowRisk)
	}
	if h := history(t, buffer); strings.Contains(h, "hunter2") || strings.Contains(h, "refused") || !strings.Contains(h, lowRisk) {
		t.Errorf("got history %s, want the accepted answer alone", h)
	}

	// Refused for good, nothing is kept.
	m = says(noJSON, noJSON, noJSON)
	plain, buffer = conversation(langchaingo.Model(m, boundary))
	_, err = chains.Run(t.Context(), langchaingo.Chain(plain, boundary), "What is the risk?")
	if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Code != middleware.CodeBadOutput {
		t.Errorf("got %v, want a denial", err)
	}
	if h := history(t, buffer); strings.Contains(h, "risk") {
		t.Errorf("got history %s, want nothing", h)
	}

	// With a default, that is kept.
	plain, buffer = conversation(says(noJSON))
	boundary = safe.Boundary(safe.BoundaryRules{Schema: verdict, Default: map[string]string{"risk": "high"}})
	got, err = chains.Run(t.Context(), langchaingo.Chain(plain, boundary), "What is the risk?")
	if want := `{"risk":"high"}`; err != nil || got != want || !strings.Contains(history(t, buffer), want) {
		t.Errorf("got %q, %v and history %s, want the default", got, err, history(t, buffer))
	}
}

// So is one that retrieves documents before it asks.
func TestReaskOfARetrieval(t *testing.T) {
	boundary := safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 1})
	m := says(noJSON, lowRisk)
	run := langchaingo.Chain(chains.NewRetrievalQAFromLLM(langchaingo.Model(m, boundary), newShelf("a", "b")), boundary)
	got, err := chains.Run(t.Context(), run, "What is the risk?")
	if err != nil || got != lowRisk || m.requests() != 2 {
		t.Errorf("got %q, %v after %d requests, want %q after 2", got, err, m.requests(), lowRisk)
	}
}

// A chain that asks its model more than once is not run again: between two
// requests it may do what must not be done twice.
func TestReaskOfAChainThatAsksTwice(t *testing.T) {
	boundary := safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 1})
	m := langchaingo.Model(says("some facts", noJSON, lowRisk), boundary)
	first := chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.input}}", []string{"input"}))
	second := chains.NewLLMChain(m, prompts.NewPromptTemplate("Judge: {{.input}}", []string{"input"}))
	sequence, err := chains.NewSimpleSequentialChain([]chains.Chain{first, second})
	if err != nil {
		t.Fatal(err)
	}
	_, err = chains.Run(t.Context(), langchaingo.Chain(sequence, boundary), "What is the risk?")
	if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Code != middleware.CodeBadOutput {
		t.Errorf("got %v, want a denial", err)
	}
}

// The model of a chain within a chain is asked again by the boundary of the inner
// chain, not by that of the outer one.
func TestReaskOfOneChainInASequence(t *testing.T) {
	boundary := safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 1})
	m := says("some facts", noJSON, lowRisk)
	first := chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.input}}", []string{"input"}))
	second := langchaingo.Chain(chains.NewLLMChain(langchaingo.Model(m, boundary), prompts.NewPromptTemplate("Judge: {{.input}}", []string{"input"})), boundary)
	sequence, err := chains.NewSimpleSequentialChain([]chains.Chain{first, second})
	if err != nil {
		t.Fatal(err)
	}
	got, err := chains.Run(t.Context(), langchaingo.Chain(sequence, pass), "What is the risk?")
	if err != nil || got != lowRisk || m.requests() != 3 {
		t.Errorf("got %q, %v after %d requests, want %q after 3", got, err, m.requests(), lowRisk)
	}
}

// Concurrent runs of one executor do not get into each other's way.
func TestConcurrentReasks(t *testing.T) {
	boundary := safe.Boundary(safe.BoundaryRules{Schema: verdict, Reasks: 1})
	m := replies(func(last string) string {
		if strings.Contains(last, "was refused") {
			return lowRisk
		}
		return noJSON
	})
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{echoTool("calc")})), boundary)
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			got, err := chains.Run(t.Context(), run, "What is the risk?")
			if err == nil && got != lowRisk {
				err = fmt.Errorf("got %q, want %q", got, lowRisk)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
