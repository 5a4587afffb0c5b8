package langchaingo_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// censor replaces a word in every part of a request.
var censor = middleware.Transform("censor", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
	req := *c.Input.(*middleware.ModelRequest)
	messages := make([]middleware.Message, len(req.Messages))
	for i, m := range req.Messages {
		messages[i] = middleware.Message{Role: m.Role}
		for _, p := range m.Parts {
			p.Text = strings.ReplaceAll(p.Text, "secret", "****")
			messages[i].Parts = append(messages[i].Parts, p)
		}
	}
	req.Messages = messages
	c.Input = &req
	return c, true, nil
})

func TestEveryKindOfPartCanBeChanged(t *testing.T) {
	m := says("ok")
	call := llms.ToolCall{ID: "c1", Type: "function", FunctionCall: &llms.FunctionCall{Name: "f", Arguments: `{"a":"secret"}`}}
	binary := llms.BinaryContent{MIMEType: "image/png", Data: []byte("secret")}
	_, err := langchaingo.Model(m, censor).GenerateContent(t.Context(), []llms.MessageContent{
		llms.TextParts(llms.ChatMessageTypeSystem, "a secret"),
		{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{
			llms.ImageURLContent{URL: "http://x/secret", Detail: "low"}, binary,
		}},
		{Role: llms.ChatMessageTypeAI, Parts: []llms.ContentPart{call, llms.ToolCall{ID: "c2"}}},
		{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{llms.ToolCallResponse{ToolCallID: "c1", Name: "f", Content: "secret"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []llms.MessageContent{
		llms.TextParts(llms.ChatMessageTypeSystem, "a ****"),
		{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{
			llms.ImageURLContent{URL: "http://x/****", Detail: "low"}, binary, // bytes are not text
		}},
		{Role: llms.ChatMessageTypeAI, Parts: []llms.ContentPart{
			llms.ToolCall{ID: "c1", Type: "function", FunctionCall: &llms.FunctionCall{Name: "f", Arguments: `{"a":"****"}`}},
			llms.ToolCall{ID: "c2"},
		}},
		{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{llms.ToolCallResponse{ToolCallID: "c1", Name: "f", Content: "****"}}},
	}
	if !reflect.DeepEqual(m.asked[0], want) {
		t.Errorf("the model was asked %+v, want %+v", m.asked[0], want)
	}
	if call.FunctionCall.Arguments != `{"a":"secret"}` {
		t.Error("the caller's own tool call was modified")
	}
}

func TestEveryParameterCanBeChanged(t *testing.T) {
	m := says("ok")
	set := middleware.Transform("set", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
		req := *c.Input.(*middleware.ModelRequest)
		req.Model, req.MaxTokens, req.Temperature, req.TopP, req.Stop = "small", 5, 0.25, 0.5, []string{"end"}
		req.Tools = []string{"b"}
		c.Input = &req
		return c, true, nil
	})
	tool := func(name string) llms.Tool {
		return llms.Tool{Type: "function", Function: &llms.FunctionDefinition{Name: name}}
	}
	_, err := langchaingo.Model(m, set).Call(t.Context(), "q", llms.WithModel("large"),
		llms.WithTools([]llms.Tool{tool("a"), tool("b"), {Type: "search"}}), llms.WithN(2))
	if err != nil {
		t.Fatal(err)
	}
	got := m.options[0]
	if got.Model != "small" || got.MaxTokens != 5 || got.Temperature != 0.25 || got.TopP != 0.5 || got.N != 2 ||
		!reflect.DeepEqual(got.StopWords, []string{"end"}) || !reflect.DeepEqual(got.Tools, []llms.Tool{tool("b")}) {
		t.Errorf("got options %+v", got)
	}
}

// TestToolsCanBeWithheld checks that a request whose tools were taken away chooses
// among none, nor one that is gone: providers refuse that.
func TestToolsCanBeWithheld(t *testing.T) {
	a, b := llms.FunctionDefinition{Name: "a"}, llms.FunctionDefinition{Name: "b"}
	tools := []llms.Tool{{Type: "function", Function: &a}, {Type: "function", Function: &b}}
	choice := func(name string) llms.ToolChoice {
		return llms.ToolChoice{Type: "function", Function: &llms.FunctionReference{Name: name}}
	}
	pointer, kept := choice("a"), choice("b")
	var none *llms.ToolChoice
	for name, tt := range map[string]struct {
		left    []string
		options []llms.CallOption
		tools   int
		choice  any
		call    llms.FunctionCallBehavior
	}{
		"none are left": {nil, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice("required")}, 0, nil, ""},
		"no functions":  {nil, []llms.CallOption{llms.WithFunctions([]llms.FunctionDefinition{a}), llms.WithFunctionCallBehavior("auto")}, 0, nil, ""},
		"one is left":   {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice("required")}, 1, "required", ""},
		"the chosen":    {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice(choice("b"))}, 1, choice("b"), ""},
		"it is gone":    {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice(choice("a"))}, 1, nil, ""},
		"by a pointer":  {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice(&pointer)}, 1, nil, ""},
		"a pointer":     {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice(&kept)}, 1, &kept, ""},
		"a nil pointer": {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice(none)}, 1, none, ""},
		"no function": {[]string{"b"}, []llms.CallOption{llms.WithTools(tools), llms.WithToolChoice(llms.ToolChoice{Type: "none"})}, 1,
			llms.ToolChoice{Type: "none"}, ""},
		"a function": {[]string{"b"},
			[]llms.CallOption{llms.WithFunctions([]llms.FunctionDefinition{a, b}), llms.WithFunctionCallBehavior("auto")}, 1, nil, "auto"},
	} {
		t.Run(name, func(t *testing.T) {
			m := says("ok")
			withhold := middleware.Transform("withhold", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
				req := *c.Input.(*middleware.ModelRequest)
				req.Tools = tt.left
				c.Input = &req
				return c, true, nil
			})
			if _, err := langchaingo.Model(m, withhold).Call(t.Context(), "q", tt.options...); err != nil {
				t.Fatal(err)
			}
			got := m.options[0]
			if len(got.Tools)+len(got.Functions) != tt.tools || !reflect.DeepEqual(got.ToolChoice, tt.choice) || got.FunctionCallBehavior != tt.call {
				t.Errorf("got options %+v", got)
			}
		})
	}
}

func TestToolCallsOfAResponseCanBeChanged(t *testing.T) {
	call := func(name, args string) llms.ToolCall {
		return llms.ToolCall{ID: "c", Type: "function", FunctionCall: &llms.FunctionCall{Name: name, Arguments: args}}
	}
	shared := &llms.ContentChoice{ToolCalls: []llms.ToolCall{call("f", "1"), call("g", "2")}, FuncCall: &llms.FunctionCall{Name: "f", Arguments: "1"}}
	m := &script{answers: []*llms.ContentChoice{shared}}
	keep := middleware.TransformResult("keep", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
		res := *r.Output.(*middleware.ModelResponse)
		choice := res.Choices[0]
		choice.ToolCalls = choice.ToolCalls[1:]
		res.Choices = []middleware.Choice{choice, {Text: "one more"}}
		r.Output = &res
		return r, true, nil
	})
	res, err := langchaingo.Model(m, keep).GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")})
	if err != nil || len(res.Choices) != 2 || !reflect.DeepEqual(res.Choices[0].ToolCalls, []llms.ToolCall{call("g", "2")}) ||
		res.Choices[0].FuncCall.Name != "g" || res.Choices[1].Content != "one more" {
		t.Errorf("got %+v, %v", res, err)
	}
	if len(shared.ToolCalls) != 2 || shared.FuncCall.Name != "f" {
		t.Error("the shared response was modified")
	}
}

// A legacy function call is a tool call too.
func TestFunctionCallIsSeen(t *testing.T) {
	m := &script{answers: []*llms.ContentChoice{{FuncCall: &llms.FunctionCall{Name: "f", Arguments: "{}"}}}}
	spy := new(spy)
	if _, err := langchaingo.Model(m, spy.intercept).GenerateContent(t.Context(),
		[]llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")}); err != nil {
		t.Fatal(err)
	}
	calls := spy.results[0].Output.(*middleware.ModelResponse).Choices[0].ToolCalls
	if len(calls) != 1 || calls[0].Name != "f" || calls[0].Input != "{}" {
		t.Errorf("got tool calls %+v", calls)
	}
}

// thinker is a model that streams its reasoning.
type thinker struct{ *script }

func (thinker) GenerateContent(ctx context.Context, _ []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	for _, c := range []struct{ reasoning, text []byte }{{[]byte("hm"), nil}, {nil, []byte("42")}} {
		if err := opts.StreamingReasoningFunc(ctx, c.reasoning, c.text); err != nil {
			return nil, err
		}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: "42", ReasoningContent: "hm"}}}, nil
}

func TestReasoningIsStreamed(t *testing.T) {
	var got []string
	_, err := langchaingo.Model(thinker{says()}, pass).Call(t.Context(), "q", llms.WithStreamingReasoningFunc(
		func(_ context.Context, reasoning, text []byte) error {
			got = append(got, string(reasoning)+"|"+string(text))
			return nil
		}))
	if err != nil || !reflect.DeepEqual(got, []string{"hm|", "|42"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAResponseOfNil(t *testing.T) {
	m := &script{answers: []*llms.ContentChoice{nil}}
	res, err := langchaingo.Model(m, pass).GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")})
	if err != nil || len(res.Choices) != 1 || res.Choices[0] != nil {
		t.Errorf("got %+v, %v, want what the model gave", res, err)
	}
}

func TestNonsenseOfInterceptorsIsAnError(t *testing.T) {
	replace := func(in, out any) middleware.Interceptor {
		return func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
				if in != nil {
					c.Input = in
				}
				res, err := next(ctx, c)
				if out != nil && err == nil {
					res.Output = out
				}
				return res, err
			}
		}
	}
	lose := func(next middleware.Handler) middleware.Handler {
		return func(_ context.Context, c middleware.Call) (middleware.Result, error) {
			return next(context.Background(), c)
		}
	}
	for name, i := range map[string]middleware.Interceptor{"input": replace(42, nil), "output": replace(nil, 42), "context": lose} {
		for kind, use := range map[string]func() error{
			"chain": func() error {
				out, err := langchaingo.Chain(bare{}, i).Call(t.Context(), map[string]any{})
				if out == nil {
					t.Error("got no map with the error")
				}
				return err
			},
			"model": func() error { _, err := langchaingo.Model(says("x"), i).Call(t.Context(), "q"); return err },
			"plan": func() error {
				_, _, err := langchaingo.Agent(planner{}, i).Plan(t.Context(), nil, nil)
				return err
			},
			"memory": func() error {
				return langchaingo.Memory(bare{}.GetMemory(), i).SaveContext(t.Context(), map[string]any{}, map[string]any{})
			},
		} {
			if err := use(); err == nil {
				t.Errorf("%s: nonsense in place of the %s is no error", kind, name)
			}
		}
	}
}
