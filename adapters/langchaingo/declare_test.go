package langchaingo_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/anthropic"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
	safe "example.com/safeconduct/schema"
)

// sum is the contract of a tool. Its properties are not in the order of their
// names.
var sum = safe.MustCompile("sum", `{
	"type": "object",
	"required": ["left", "by"],
	"properties": {"left": {"type": "integer"}, "by": {"type": "integer", "maximum": 9}},
	"additionalProperties": false
}`)

const sumText = `{"type":"object","required":["left","by"],"properties":{"left":{"type":"integer"},"by":{"type":"integer","maximum":9}},"additionalProperties":false}`

// With each type of agent the model reads the schema, is told where its arguments
// do not satisfy it, and the tool gets the arguments that were judged.
func TestDeclaredToolsOfEachAgent(t *testing.T) {
	for name, a := range agentCases {
		t.Run(name, func(t *testing.T) {
			m := &script{answers: []*llms.ContentChoice{
				a.action(`{"left": 19, "by": 4711}`), a.action(`19 + 4711`), a.action(`{"left": 19, "by": 4}`), a.final("23"),
			}}
			var got []string
			calc := &funcTool{"calc", func(_ context.Context, input string) (string, error) {
				got = append(got, input)
				return "23", nil
			}}
			tool := langchaingo.Declare(calc, sum.JSON())
			run := langchaingo.Executor(agents.NewExecutor(a.agent(m, []tools.Tool{tool}), agents.WithMaxIterations(9)),
				middleware.Tell, safe.Input(safe.Tools{"calc": sum}))
			answer, err := chains.Run(t.Context(), run, "q")
			if err != nil || strings.TrimSpace(answer) != "23" {
				t.Fatalf("got %q, %v", answer, err)
			}
			if want := `{"left":19,"by":4}`; len(got) != 1 || got[0] != want {
				t.Errorf("the tool got %q, want %s once", got, want)
			}
			for i, want := range []string{"/by must be at most 9", "the value must be one JSON value"} {
				last := texts(m.asked[i+1])
				all := strings.Join(last, "\n") + strings.Join(observations(m.asked[i+1]), "\n")
				if !strings.Contains(all, "Denied (bad_input): ") || !strings.Contains(all, want) {
					t.Errorf("request %d: got %s\nwant the observation that %s", i+1, all, want)
				}
			}
			prompt := strings.Join(texts(m.asked[0]), "\n")
			if name != "functions" {
				if want := "calc: does calc (its input is a JSON object that satisfies the schema " + sumText + ")"; !strings.Contains(prompt, want) {
					t.Errorf("got prompt %s\nwant %s in it", prompt, want)
				}
				return
			}
			f := m.options[0].Functions
			if text, _ := json.Marshal(f[0].Parameters); len(f) != 1 || string(text) != sumText || f[0].Description != "does calc" {
				t.Errorf("got functions %s\nwant the parameters %s", text, sumText)
			}
		})
	}
}

// observations returns what tools said in a request.
func observations(messages []llms.MessageContent) []string {
	var all []string
	for _, m := range messages {
		for _, p := range m.Parts {
			if r, ok := p.(llms.ToolCallResponse); ok {
				all = append(all, r.Content)
			}
		}
	}
	return all
}

// provide answers every request with body, and keeps the last request's.
func provide(t *testing.T, body string) (url string, last func() map[string]any) {
	t.Helper()
	var request map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request = nil
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() map[string]any { return request }
}

// What the clients of langchaingo send of a declared tool: that of openai the
// declared schema, that of anthropic no tool at all.
func TestDeclaredToolsOnTheWire(t *testing.T) {
	url, last := provide(t, `{"choices":[{"message":{"role":"assistant","content":"23"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	m, err := openai.New(openai.WithToken("none"), openai.WithBaseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	ts := []tools.Tool{langchaingo.Declare(echoTool("calc"), sum.JSON()), echoTool("plain")}
	ask := func(m llms.Model) {
		t.Helper()
		run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, ts)), pass)
		if answer, err := chains.Run(t.Context(), run, "q"); err != nil || answer != "23" {
			t.Errorf("got %q, %v", answer, err)
		}
	}
	ask(m)
	sent, _ := json.Marshal(last()["tools"])
	var want any
	if err := json.Unmarshal([]byte(`[
		{"type":"function","function":{"name":"calc","description":"does calc","parameters":`+sumText+`}},
		{"type":"function","function":{"name":"plain","description":"does plain","parameters":{"type":"object","required":["__arg1"],"properties":{"__arg1":{"title":"__arg1","type":"string"}}}}}
	]`), &want); err != nil {
		t.Fatal(err)
	}
	if wanted, _ := json.Marshal(want); string(sent) != string(wanted) {
		t.Errorf("openai: got tools\n%s\nwant\n%s", sent, wanted)
	}

	url, last = provide(t, `{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"23"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`)
	claude, err := anthropic.New(anthropic.WithToken("none"), anthropic.WithBaseURL(url), anthropic.WithModel("claude"))
	if err != nil {
		t.Fatal(err)
	}
	ask(claude)
	if _, sends := last()["tools"]; sends || last() == nil {
		t.Errorf("anthropic: got request %v, want one without tools", last())
	}
}

// An agent that defines its tools itself is one of a kind that langchaingo does not
// have.
type definer struct {
	planner
	model llms.Model
	ts    []llms.Tool
}

func (d definer) Plan(
	ctx context.Context, _ []schema.AgentStep, _ map[string]string, _ ...chains.ChainCallOption,
) ([]schema.AgentAction, *schema.AgentFinish, error) {
	res, err := d.model.GenerateContent(ctx, []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")}, llms.WithTools(d.ts))
	if err != nil {
		return nil, nil, err
	}
	return nil, &schema.AgentFinish{ReturnValues: map[string]any{"output": res.Choices[0].Content}}, nil
}

func TestDeclaredToolsOfAnotherAgent(t *testing.T) {
	m := says("done", "done")
	ts := []tools.Tool{langchaingo.Declare(langchaingo.Tool(echoTool("calc"), pass), sum.JSON()), echoTool("plain")}
	own := []llms.Tool{
		{Type: "function", Function: &llms.FunctionDefinition{Name: "calc", Parameters: "mine"}},
		{Type: "web_search"},
		{Type: "function", Function: &llms.FunctionDefinition{Name: "plain", Parameters: "mine"}},
	}
	// Taking a tool away leaves the others as they were declared.
	fewer := middleware.On(middleware.KindModel, middleware.Transform("fewer", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
		req := *call.Input.(*middleware.ModelRequest)
		req.Tools = []string{"calc"}
		call.Input = &req
		return call, true, nil
	}))
	guarded := langchaingo.Model(m, fewer)
	a := definer{planner{tools: ts}, guarded, own}
	if _, err := chains.Run(t.Context(), langchaingo.Executor(agents.NewExecutor(a), pass), "q"); err != nil {
		t.Fatal(err)
	}
	sent := m.options[0].Tools
	if text, _ := json.Marshal(sent); len(sent) != 1 || !strings.Contains(string(text), `"maximum":9`) {
		t.Errorf("got tools %s, want calc as it is declared", text)
	}
	if _, ok := sent[0].Function.Parameters.(map[string]any); !ok {
		t.Errorf("got parameters of type %T, want a map", sent[0].Function.Parameters)
	}
	if own[0].Function.Parameters != "mine" || len(own) != 3 {
		t.Error("the agent's own definitions were modified")
	}
	// Outside of a turn nothing is known of the agent's tools.
	if _, err := guarded.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")}, llms.WithTools(own)); err != nil {
		t.Fatal(err)
	}
	if got := m.options[1].Tools[0].Function.Parameters; got != "mine" {
		t.Errorf("got parameters %v, want the caller's", got)
	}
}

func TestDeclare(t *testing.T) {
	calc := echoTool("calc")
	d := langchaingo.Declare(calc, sum.JSON())
	if got := d.(interface{ Unwrap() tools.Tool }).Unwrap(); got != calc || d.Name() != "calc" {
		t.Errorf("got %v under %s, want the tool", got, d.Name())
	}
	if out, err := d.Call(t.Context(), "{}"); err != nil || out != "{}" {
		t.Errorf("got %q, %v, want what the tool says", out, err)
	}
	// Declared again, the last schema counts, once.
	if got := langchaingo.Declare(d, []byte(`{"a":1}`)).Description(); strings.Count(got, "schema") != 1 || !strings.Contains(got, `{"a":1}`) {
		t.Errorf("got description %q, want that of the last schema", got)
	}
	// A guarded tool stays guarded, by the same gates, once.
	spy := new(spy)
	guarded := langchaingo.Tool(langchaingo.Declare(langchaingo.Tool(calc, spy.intercept), sum.JSON()), spy.intercept)
	if _, err := guarded.Call(t.Context(), "{}"); err != nil || spy.kinds() != "tool" {
		t.Errorf("got calls %q, %v, want one", spy.kinds(), err)
	}
	for want, f := range map[string]func(){
		"nil tool":              func() { langchaingo.Declare(nil, sum.JSON()) },
		`"calc" are no JSON`:    func() { langchaingo.Declare(calc, []byte(`{`)) },
		"are no JSON object":    func() { langchaingo.Declare(calc, []byte(`true`)) },
		"no JSON object":        func() { langchaingo.Declare(calc, []byte(`null`)) },
		"of \"calc\" is __arg1": func() { langchaingo.Declare(calc, []byte(`{"properties":{"__arg1":{}}}`)) },
	} {
		func() {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, want) {
					t.Errorf("got panic %v, want one with %q", v, want)
				}
			}()
			f()
		}()
	}
}
