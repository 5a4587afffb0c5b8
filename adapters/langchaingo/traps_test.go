package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/outputparser"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// These tests are named after what running langchaingo v0.1.14 showed. Where it
// is cheap they show the behavior of langchaingo too, so that a change there
// shows here.

// redact replaces a secret wherever a chain's input holds it.
var redact = middleware.Transform("redact", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
	in, ok := c.Input.(map[string]any)
	if !ok {
		return c, false, nil
	}
	out := maps.Clone(in)
	for k, v := range out {
		if s, ok := v.(string); ok {
			out[k] = strings.ReplaceAll(s, "hunter2", "[redacted]")
		}
	}
	c.Input = out
	return c, true, nil
})

// A startCounter counts chain starts and keeps the inputs that it was given.
type startCounter struct {
	callbacks.SimpleHandler
	starts int
	inputs map[string]any
}

func (h *startCounter) HandleChainStart(_ context.Context, in map[string]any) {
	h.starts++
	h.inputs = in
}

func conversation(m llms.Model) (chains.Chain, *memory.ConversationBuffer) {
	buffer := memory.NewConversationBuffer()
	return chains.NewConversation(m, buffer), buffer
}

func TestTrap01MemoryGetsTheInputsAsTheyCame(t *testing.T) {
	m := says("ok", "ok")
	plain, buffer := conversation(m)

	// Redacting in the chain alone does not reach the memory.
	onlyChain := struct{ chains.Chain }{langchaingo.Chain(plain, redact)}
	_, err := chains.Run(t.Context(), leakyMemory{onlyChain, buffer}, "it is hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(history(t, buffer), "hunter2") {
		t.Error("langchaingo saves what a chain wrapper made of the inputs: Memory may be simpler now")
	}

	guarded, buffer := conversation(m)
	_, err = chains.Run(t.Context(), langchaingo.Chain(guarded, redact), "it is hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if h := history(t, buffer); strings.Contains(h, "hunter2") || !strings.Contains(h, "[redacted]") {
		t.Errorf("got memory %q", h)
	}
	if asked := fmt.Sprint(m.asked); strings.Count(asked, "hunter2") != 0 {
		t.Errorf("the model was asked %s", asked)
	}
}

// leakyMemory is a guarded chain with the memory that it had before.
type leakyMemory struct {
	chains.Chain
	m schema.Memory
}

func (l leakyMemory) GetMemory() schema.Memory { return l.m }

func history(t *testing.T, m schema.Memory) string {
	t.Helper()
	vars, err := m.LoadMemoryVariables(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(vars)
}

func TestTrap02OneCycleOfCallbacksAndMemory(t *testing.T) {
	m := says("ok")
	c, buffer := conversation(m)
	llm := c.(chains.LLMChain)
	h := &startCounter{}
	llm.CallbacksHandler = h
	if _, err := chains.Run(t.Context(), langchaingo.Chain(llm, pass), "hi"); err != nil {
		t.Fatal(err)
	}
	messages, err := buffer.ChatHistory.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.starts != 1 || len(messages) != 2 {
		t.Errorf("got %d starts and %d messages in memory, want 1 and 2", h.starts, len(messages))
	}
}

type (
	reasoningScript struct{ *script }
	embedderScript  struct{ *script }
	bothScript      struct {
		reasoningScript
		embed
	}
	embed struct{}
)

func (reasoningScript) SupportsReasoning() bool { return true }
func (embedderScript) CreateEmbedding(context.Context, []string) ([][]float32, error) {
	return [][]float32{{1}}, nil
}
func (embed) CreateEmbedding(context.Context, []string) ([][]float32, error) {
	return [][]float32{{1}}, nil
}

func TestTrap03OptionalInterfacesAreForwarded(t *testing.T) {
	type embedder interface {
		CreateEmbedding(context.Context, []string) ([][]float32, error)
	}
	for _, tt := range []struct {
		m               llms.Model
		reasons, embeds bool
	}{
		{says(), false, false},
		{reasoningScript{says()}, true, false},
		{embedderScript{says()}, false, true},
		{bothScript{reasoningScript{says()}, embed{}}, true, true},
	} {
		g := langchaingo.Model(tt.m, pass)
		if _, ok := g.(llms.ReasoningModel); ok != tt.reasons || llms.SupportsReasoningModel(g) != tt.reasons {
			t.Errorf("%T: got ReasoningModel %v, want %v", tt.m, ok, tt.reasons)
		}
		if e, ok := g.(embedder); ok != tt.embeds {
			t.Errorf("%T: got embedder %v, want %v", tt.m, ok, tt.embeds)
		} else if ok {
			if v, err := e.CreateEmbedding(t.Context(), []string{"x"}); err != nil || len(v) != 1 {
				t.Errorf("%T: got %v, %v", tt.m, v, err)
			}
		}
		if u, ok := g.(interface{ Unwrap() llms.Model }); !ok || u.Unwrap() != tt.m {
			t.Errorf("%T: Unwrap does not give it back", tt.m)
		}
	}

	var haver callbacks.HandlerHaver
	handler := &startCounter{}
	llm := chains.NewLLMChain(says(), prompts.NewPromptTemplate("{{.x}}", []string{"x"}), chains.WithCallback(handler))
	haver, ok := langchaingo.Chain(llm, pass).(callbacks.HandlerHaver)
	if !ok || haver.GetCallbackHandler() != callbacks.Handler(handler) {
		t.Error("the callbacks handler of a chain is hidden")
	}
	if _, ok := langchaingo.Chain(bare{}, pass).(callbacks.HandlerHaver); ok {
		t.Error("a chain without callbacks handler has one")
	}
	_, embedded := any(struct{ chains.Chain }{llm}).(callbacks.HandlerHaver)
	if embedded {
		t.Error("embedding promotes GetCallbackHandler now")
	}
}

// bare is a chain with nothing optional.
type bare struct{}

func (bare) Call(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
	return map[string]any{}, nil
}
func (bare) GetMemory() schema.Memory { return memory.NewSimple() }
func (bare) GetInputKeys() []string   { return nil }
func (bare) GetOutputKeys() []string  { return nil }

func document(n int) []schema.Document {
	docs := make([]schema.Document, n)
	for i := range docs {
		docs[i].PageContent = fmt.Sprint("page ", i)
	}
	return docs
}

func contextChain(m llms.Model) *chains.LLMChain {
	return chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.context}}", []string{"context"}))
}

func TestTrap04ChainsThatHoldAConcreteLLMChain(t *testing.T) {
	spy := new(spy)
	m := langchaingo.Model(says("a", "b", "c"), spy.intercept)
	c := langchaingo.Chain(chains.NewMapReduceDocuments(contextChain(m), chains.NewStuffDocuments(contextChain(m))), spy.intercept)
	_, err := chains.Call(t.Context(), c, map[string]any{"input_documents": document(2)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spy.kinds(), "model model model chain"; got != want {
		t.Errorf("got calls %q, want %q", got, want)
	}
	for _, call := range spy.calls[:3] {
		if call.Parent != 1 {
			t.Errorf("the model's call has parent %d, want 1", call.Parent)
		}
	}
}

func TestTrap05NoKeyIsAdded(t *testing.T) {
	in, out := map[string]any{"x": "1"}, map[string]any{"text": "2"}
	c := langchaingo.Chain(chains.NewTransform(func(_ context.Context, got map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		if !reflect.DeepEqual(got, in) {
			t.Errorf("the chain got %v, want %v", got, in)
		}
		return out, nil
	}, []string{"x"}, []string{"text"}), pass, middleware.Tell, redact)
	got, err := c.Call(t.Context(), in)
	if err != nil || !reflect.DeepEqual(got, out) {
		t.Errorf("got %v, %v, want %v", got, err, out)
	}
}

func TestTrap06SharedResponsesAreNotModified(t *testing.T) {
	shared := &llms.ContentChoice{Content: "secret", StopReason: "stop", GenerationInfo: map[string]any{"k": 1}}
	m := &script{answers: []*llms.ContentChoice{shared, shared}}
	plain := langchaingo.Model(m, pass)
	res, err := plain.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")})
	if err != nil || res.Choices[0] != shared {
		t.Errorf("got %+v, %v, want the very response of the model", res, err)
	}
	redacting := langchaingo.Model(m, middleware.TransformResult("redact", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
		res := *r.Output.(*middleware.ModelResponse)
		res.Choices = slices.Clone(res.Choices)
		res.Choices[0].Text = "[redacted]"
		r.Output = &res
		return r, true, nil
	}))
	res, err = redacting.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")})
	if err != nil || res.Choices[0].Content != "[redacted]" || res.Choices[0].GenerationInfo["k"] != 1 {
		t.Errorf("got %+v, %v", res, err)
	}
	if shared.Content != "secret" {
		t.Error("the shared response was modified")
	}
}

func TestTrap07ADeniedChainReturnsAMap(t *testing.T) {
	c := langchaingo.Chain(bare{}, denyIf(func(middleware.Call) bool { return true }))
	out, err := c.Call(t.Context(), nil)
	if err == nil || out == nil {
		t.Fatalf("got %v, %v, want a map with the denial", out, err)
	}
	reduce := chains.NewMapReduceDocuments(contextChain(says("a")),
		langchaingo.Chain(chains.NewStuffDocuments(contextChain(says("b"))), denyIf(func(middleware.Call) bool { return true })))
	reduce.ReturnIntermediateSteps = true
	_, err = chains.Call(t.Context(), reduce, map[string]any{"input_documents": document(1)})
	if !errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("got %v, want a denial", err)
	}
}

func TestTrap08OptionsPassUnchanged(t *testing.T) {
	m := says("a", "b", "c", "d")
	ask := func(g llms.Model, options ...llms.CallOption) llms.CallOptions {
		t.Helper()
		if _, err := g.Call(t.Context(), "q", options...); err != nil {
			t.Fatal(err)
		}
		return m.options[len(m.options)-1]
	}
	guarded := langchaingo.Model(m, pass)
	if o := ask(guarded); o.StreamingFunc != nil || o.StreamingReasoningFunc != nil {
		t.Error("a StreamingFunc was set that the caller had not set")
	}
	streaming := llms.WithStreamingFunc(func(context.Context, []byte) error { return nil })
	if o := ask(guarded, streaming); o.StreamingFunc == nil || o.StreamingReasoningFunc != nil {
		t.Error("the StreamingFunc was lost, or another one set")
	}
	clamp := langchaingo.Model(m, middleware.Transform("clamp", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
		req := *c.Input.(*middleware.ModelRequest)
		req.MaxTokens, req.Tools = 7, []string{"b"}
		c.Input = &req
		return c, true, nil
	}))
	o := ask(clamp, llms.WithMaxTokens(1000), llms.WithSeed(5), llms.WithFunctions([]llms.FunctionDefinition{{Name: "a"}, {Name: "b"}}))
	if o.MaxTokens != 7 || o.Seed != 5 || len(o.Functions) != 1 || o.Functions[0].Name != "b" {
		t.Errorf("got options %+v", o)
	}
	llm := langchaingo.Chain(chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.x}}", []string{"x"})), pass)
	if _, err := chains.Run(t.Context(), llm, "q", chains.WithMaxTokens(9), chains.WithTemperature(0.5)); err != nil {
		t.Fatal(err)
	}
	if o := m.options[3]; o.MaxTokens != 9 || o.Temperature != 0.5 || o.StreamingFunc != nil {
		t.Errorf("got options %+v through a chain", o)
	}
}

func TestTrap09ApplyStopsWithTheRun(t *testing.T) {
	m := &script{answers: make([]*llms.ContentChoice, 100)}
	for i := range m.answers {
		m.answers[i] = &llms.ContentChoice{Content: "x"}
	}
	calls := 0
	var mu sync.Mutex
	third := middleware.Before("third", func(_ context.Context, c middleware.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls == 3 {
			return middleware.Deny(middleware.CodeOverBudget, "enough")
		}
		return nil
	})
	guarded := langchaingo.Model(m, third)
	c := langchaingo.Chain(chains.NewMapReduceDocuments(contextChain(guarded), chains.NewStuffDocuments(contextChain(guarded))), pass)
	_, err := chains.Call(t.Context(), c, map[string]any{"input_documents": document(50)})
	if !errors.As(err, new(*middleware.DeniedError)) {
		t.Fatalf("got %v, want a denial", err)
	}
	// The four other workers may have been past the check when it came.
	if n := m.requests(); n > 6 {
		t.Errorf("%d requests were made, of which at most 2 before the denial and 4 beside it", n)
	}
}

// Where Apply is given a guarded chain, each input is a run of its own; within a
// guarded chain they are one.
func TestTrap09ApplyOfAGuardedChain(t *testing.T) {
	for within, want := range map[bool]int{false: 19, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			made := 0
			c := langchaingo.Chain(chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
				made++
				return map[string]any{"text": ""}, nil
			}, []string{"n"}, []string{"text"}), denyIf(func(c middleware.Call) bool {
				in, _ := c.Input.(map[string]any)
				return in["n"] == 0
			}))
			var inputs []map[string]any
			for n := range 20 {
				inputs = append(inputs, map[string]any{"n": n})
			}
			apply := chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
				_, err := chains.Apply(ctx, c, inputs, 1)
				return map[string]any{"text": ""}, err
			}, nil, []string{"text"})
			all := chains.Chain(apply)
			if within {
				all = langchaingo.Chain(apply, pass)
			}
			_, err := chains.Call(t.Context(), all, nil)
			synctest.Wait() // Apply returns while its worker goes on
			if !errors.As(err, new(*middleware.DeniedError)) || made != want {
				t.Errorf("within a guarded chain %v: %d were made, and %v came back, want %d and a denial", within, made, err, want)
			}
		})
	}
}

func TestTrap10ExecutorFoldsNames(t *testing.T) {
	if !strings.EqualFold("\u017fhell", "shell") || strings.ToUpper("\u017fhell") != "SHELL" || strings.ToUpper("wr\u0131te") != "WRITE" {
		t.Error("Unicode folds these otherwise now")
	}
	for _, names := range [][]string{{"shell", "SHELL"}, {"shell", "\u017fhell"}, {"write", "wr\u0131te"}, {"shell", "shell"}, {"k", "\u212a"}} {
		func() {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, fmt.Sprintf("%q", names[0])) || !strings.Contains(v, fmt.Sprintf("%q", names[1])) {
					t.Errorf("%q: got panic %v, want one that names both", names, v)
				}
			}()
			langchaingo.Tools([]tools.Tool{echoTool(names[0]), echoTool(names[1])}, pass)
		}()
	}
	// Which tool a folded name would run is what a gate is told.
	var got []middleware.ToolCall
	look := middleware.After("look", func(_ context.Context, _ middleware.Call, r middleware.Result) error {
		if p, ok := r.Output.(*middleware.Plan); ok {
			got = append(got, p.ToolCalls...)
		}
		return nil
	})
	a := langchaingo.Agent(planner{[]tools.Tool{echoTool("shell")}, []schema.AgentAction{
		{Tool: "shell"}, {Tool: "\u017fhell"}, {Tool: "invented"},
	}}, look)
	if _, _, err := a.Plan(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	want := []middleware.ToolCall{{Name: "shell", Registered: "shell"}, {Name: "\u017fhell", Registered: "shell"}, {Name: "invented"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A planner is an agent that always asks for the same.
type planner struct {
	tools   []tools.Tool
	actions []schema.AgentAction
}

func (p planner) Plan(context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	return p.actions, nil, nil
}
func (p planner) GetInputKeys() []string  { return []string{"input"} }
func (p planner) GetOutputKeys() []string { return []string{"output"} }
func (p planner) GetTools() []tools.Tool  { return p.tools }

func TestTrap11FunctionsAgentUnwrapsArg1(t *testing.T) {
	for args, want := range map[string]string{
		`{"__arg1":"19*23"}`:   "19*23",
		`{"expression":"2"}`:   `{"expression":"2"}`,
		`{"__arg1":{"a":"b"}}`: `{"__arg1":{"a":"b"}}`,
	} {
		m := &script{answers: []*llms.ContentChoice{
			{ToolCalls: []llms.ToolCall{{ID: "c1", FunctionCall: &llms.FunctionCall{Name: "calc", Arguments: args}}}},
			{Content: "done"},
		}}
		spy := new(spy)
		run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{echoTool("calc")})), spy.intercept)
		if _, err := chains.Run(t.Context(), run, "q"); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(spy.calls, func(c middleware.Call) bool { return c.Kind == middleware.KindTool })
		if i < 0 || spy.calls[i].Input != want {
			t.Errorf("arguments %s: the tool's call has input %v, want %s", args, spy.calls[i].Input, want)
		}
	}
}

func TestTrap12ToolCallIDIsBound(t *testing.T) {
	call := func(id, tool, arg string) llms.ToolCall {
		return llms.ToolCall{ID: id, FunctionCall: &llms.FunctionCall{Name: tool, Arguments: `{"__arg1":"` + arg + `"}`}}
	}
	m := &script{answers: []*llms.ContentChoice{
		{ToolCalls: []llms.ToolCall{call("c1", "a", "x"), call("c2", "a", "y"), call("c3", "a", "x"), call("c4", "b", "x")}},
		{Content: "done"},
	}}
	var got []string
	note := middleware.Before("note", func(ctx context.Context, c middleware.Call) error {
		if c.Kind == middleware.KindTool {
			got = append(got, middleware.ToolCallOf(ctx)+" "+c.Name+" "+c.Input.(string))
		}
		return nil
	})
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{echoTool("a"), echoTool("b")})), note)
	if _, err := chains.Run(t.Context(), run, "q"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"c1 a x", "c2 a y", "c3 a x", "c4 b x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTrap13ModelCallGoesThroughTheGates(t *testing.T) {
	m := says("secret")
	_, err := langchaingo.Model(m, denyIf(func(middleware.Call) bool { return true })).Call(t.Context(), "q")
	if !errors.As(err, new(*middleware.DeniedError)) || m.requests() != 0 {
		t.Errorf("got %v after %d requests, want a denial before any", err, m.requests())
	}
}

func TestTrap14NothingRestsOnCallbacks(t *testing.T) {
	// The script calls no callbacks at all, as some providers' clients do for
	// some outcomes: the call and its usage are seen all the same.
	m := &script{answers: []*llms.ContentChoice{{Content: "a", GenerationInfo: map[string]any{"InputTokens": 3, "OutputTokens": 4}}}}
	spy := new(spy)
	if _, err := langchaingo.Model(m, spy.intercept).Call(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if spy.kinds() != "model" || spy.results[0].Usage.Tokens() != 7 {
		t.Errorf("got calls %q, usage %+v", spy.kinds(), spy.results[0].Usage)
	}
}

func TestTrap16TokensAreNeverCountedByLangchaingo(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		read++
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == "CountTokens" {
				t.Errorf("%s uses llms.CountTokens, which downloads vocabularies at run time", f.Name())
			}
			return true
		})
	}
	if read == 0 {
		t.Error("found no source")
	}
}

// provider is an OpenAI-compatible server that streams the given events.
func provider(t *testing.T, between func(n int), events ...string) llms.Model {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i, e := range events {
			if _, err := fmt.Fprintf(w, "data: %s\n\n", e); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			between(i)
		}
	}))
	t.Cleanup(srv.Close)
	m, err := openai.New(openai.WithBaseURL(srv.URL), openai.WithToken("t"), openai.WithModel("m"), openai.WithHTTPClient(srv.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func delta(content string) string {
	return fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%q}}]}`, content)
}

func TestTrap17ACancelledStreamIsNoSuccess(t *testing.T) {
	ask := func(wrap func(llms.Model) llms.Model) (string, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		m := wrap(provider(t, func(n int) {
			if n == 1 {
				<-ctx.Done()
			}
		}, delta("The "), delta("answer"), delta(" is 42"), "[DONE]"))
		n := 0
		return m.Call(ctx, "q", llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
			if n++; n == 2 {
				cancel()
			}
			return nil
		}))
	}
	if out, err := ask(func(m llms.Model) llms.Model { return m }); err != nil {
		t.Logf("openai reports a cancelled stream now: %q, %v", out, err)
	}
	out, err := ask(func(m llms.Model) llms.Model { return langchaingo.Model(m, pass) })
	if !errors.Is(err, context.Canceled) || out != "" {
		t.Errorf("got %q, %v, want context.Canceled", out, err)
	}
	// An error whose identity the client's sanitizer destroyed.
	ctx, cancel := context.WithCancel(t.Context())
	m, err := openai.New(openai.WithToken("t"), openai.WithHTTPClient(doer(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, context.Canceled
	})))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := langchaingo.Model(m, pass).Call(ctx, "q"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestTrap18ToolCallDeltasStreamUnchanged(t *testing.T) {
	events := []string{
		delta("Let me see. "),
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"calc","arguments":""}}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}}]}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
		`{"choices":[],"usage":{"prompt_tokens":82,"completion_tokens":19,"total_tokens":101}}`,
		"[DONE]",
	}
	ask := func(m llms.Model) (chunks []string, res *llms.ContentResponse) {
		res, err := m.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")},
			llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
				chunks = append(chunks, string(chunk))
				return nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		return chunks, res
	}
	m := provider(t, func(int) {}, events...)
	wantChunks, want := ask(m)
	spy := new(spy)
	chunks, res := ask(langchaingo.Model(m, spy.intercept))
	if !slices.Equal(chunks, wantChunks) || !reflect.DeepEqual(res, want) {
		t.Errorf("got %q, %+v, want %q, %+v", chunks, res, wantChunks, want)
	}
	if !slices.ContainsFunc(wantChunks, func(c string) bool { return strings.Contains(c, "calc") }) {
		t.Error("openai does not stream tool calls as text any more")
	}
	if u := spy.results[0].Usage; u.Tokens() != 101 || !u.Reported {
		t.Errorf("got usage %+v, want 101 tokens", u)
	}
	if c := spy.results[0].Output.(*middleware.ModelResponse).Choices[0]; len(c.ToolCalls) != 1 || c.ToolCalls[0].Name != "calc" {
		t.Errorf("got choice %+v", c)
	}
}

func TestTrap19PanicsInsideLangchaingo(t *testing.T) {
	type answer struct {
		Text string `json:"text" describe:"text"`
	}
	defined, err := outputparser.NewDefined(answer{})
	if err != nil {
		t.Fatal(err)
	}
	parse := chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
		a, err := defined.Parse("no") // shorter than the fence that it cuts off
		return map[string]any{"text": a}, err
	}, nil, []string{"text"})
	_, err = chains.Call(t.Context(), langchaingo.Chain(parse, pass), nil)
	var p *middleware.PanicError
	if !errors.As(err, &p) || p.Kind != middleware.KindChain {
		t.Errorf("got %v, want a PanicError", err)
	}
}
