package conformance_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/anthropic"
	"github.com/tmc/langchaingo/llms/googleai"
	"github.com/tmc/langchaingo/llms/huggingface"
	"github.com/tmc/langchaingo/llms/ollama"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/middleware"
)

// A provider is one whose API exchanges were recorded from.
type provider struct {
	name         string
	host, suffix string // of the URL

	// request reads the recorded request.
	request func(t *testing.T, r recorded) request
	// model returns langchaingo's client.
	model func(t *testing.T, r recorded, req request, c *http.Client) (llms.Model, error)
	// usage reads the usage out of a recorded response, without langchaingo.
	usage func(body []byte) (middleware.Usage, bool)

	exact bool // rewritten does not speak of this client
}

// A request is what a caller of langchaingo says to have a recorded request
// sent.
type request struct {
	messages []llms.MessageContent
	options  []llms.CallOption

	// What only the options of a client can say.
	responseFormat *openai.ResponseFormat
	threshold      googleai.HarmBlockThreshold
	format         string
	keepAlive      string
	think          bool
}

var providers = []*provider{
	{name: "openai", host: "api.openai.com", suffix: "/chat/completions", request: openaiRequest, model: openaiModel, usage: openaiUsage},
	{name: "perplexity", host: "api.perplexity.ai", suffix: "/chat/completions", request: openaiRequest, model: openaiModel, usage: openaiUsage},
	{name: "openrouter", host: "openrouter.ai", suffix: "/chat/completions", request: openaiRequest, model: openaiModel, usage: openaiUsage},
	// The client of llms/huggingface drops the usage of this API, which is
	// openai's; see TestHuggingFace.
	{name: "huggingface", host: "router.huggingface.co", suffix: "/chat/completions", request: openaiRequest, model: openaiModel, usage: openaiUsage},
	{name: "anthropic", host: "api.anthropic.com", suffix: "/v1/messages", request: anthropicRequest, model: anthropicModel, usage: anthropicUsage},
	{name: "googleai", host: "generativelanguage.googleapis.com", suffix: ":generateContent", request: googleRequest, model: googleModel, usage: googleUsage},
	{name: "googleai", host: "generativelanguage.googleapis.com", suffix: ":streamGenerateContent", request: googleRequest, model: googleModel,
		usage: googleUsage},
	{name: "ollama", host: "localhost:11434", suffix: "/api/chat", request: ollamaRequest, model: ollamaModel, usage: ollamaUsage},
	// The client of llms/ollama only ever asks /api/chat. It finds no message
	// in this answer, but the usage.
	{name: "ollama", host: "localhost:11434", suffix: "/api/generate", request: ollamaRequest, model: ollamaModel, usage: ollamaUsage},
}

// providerOf returns the provider of a chat exchange, or nil for other ones.
func providerOf(r recorded) *provider {
	for _, p := range providers {
		if r.URL.Host == p.host && strings.HasSuffix(r.URL.Path, p.suffix) {
			return p
		}
	}
	return nil
}

// path returns the path that langchaingo's client asks for.
func (p *provider) path(r recorded) string {
	if p.suffix == "/api/generate" {
		return "/api/chat"
	}
	return r.URL.Path
}

// rewrites reports whether the client sends something else than was recorded.
func (p *provider) rewrites(r recorded) bool {
	_, listed := rewritten[r.name]
	return listed && !p.exact
}

// streams says how the recorded request can be sent: first as it was recorded,
// with a StreamingFunc or without one.
func (p *provider) streams(r recorded) []bool {
	if p.suffix != ":streamGenerateContent" {
		var body struct{ Stream bool }
		return []bool{json.Unmarshal(r.Body, &body) == nil && body.Stream}
	}
	var body struct{ SystemInstruction, Contents json.RawMessage }
	var contents []any
	if json.Unmarshal(r.Body, &body) == nil && json.Unmarshal(body.Contents, &contents) == nil &&
		len(contents) == 1 && body.SystemInstruction == nil {
		return []bool{true}
	}
	return []bool{false, true} // see unreported
}

func decode(t *testing.T, r recorded, v any) {
	t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		t.Fatalf("the recorded request: %v", err)
	}
}

func text(role llms.ChatMessageType, s string) llms.MessageContent {
	return llms.MessageContent{Role: role, Parts: []llms.ContentPart{llms.TextContent{Text: s}}}
}

// An openaiMessage is a message of the chat completions API.
type openaiMessage struct {
	Role       string
	Content    json.RawMessage
	ToolCallID string `json:"tool_call_id"`
	ToolCalls  []struct {
		ID, Type string
		Function *llms.FunctionCall
	} `json:"tool_calls"`
}

func openaiRequest(t *testing.T, r recorded) request {
	t.Helper()
	var body struct {
		Model          string
		Messages       []openaiMessage
		Temperature    float64
		MaxCompletion  int `json:"max_completion_tokens"`
		MaxTokens      int `json:"max_tokens"`
		Stop           []string
		Tools          []llms.Tool
		Functions      []llms.FunctionDefinition
		ResponseFormat *openai.ResponseFormat `json:"response_format"`
	}
	decode(t, r, &body)
	req := request{responseFormat: body.ResponseFormat}
	for _, m := range body.Messages {
		req.messages = append(req.messages, m.content(t))
	}
	req.options = []llms.CallOption{
		llms.WithModel(body.Model), llms.WithTemperature(body.Temperature),
		llms.WithMaxTokens(max(body.MaxCompletion, body.MaxTokens)), llms.WithStopWords(body.Stop),
	}
	if body.MaxTokens > 0 {
		req.options = append(req.options, openai.WithLegacyMaxTokensField())
	}
	if body.Tools != nil {
		req.options = append(req.options, llms.WithTools(body.Tools))
	}
	if body.Functions != nil {
		req.options = append(req.options, llms.WithFunctions(body.Functions))
	}
	return req
}

func (m openaiMessage) content(t *testing.T) llms.MessageContent {
	t.Helper()
	role, ok := map[string]llms.ChatMessageType{
		"system": llms.ChatMessageTypeSystem, "user": llms.ChatMessageTypeHuman,
		"assistant": llms.ChatMessageTypeAI, "tool": llms.ChatMessageTypeTool,
	}[m.Role]
	if !ok {
		t.Fatalf("the recorded request: role %q", m.Role)
	}
	var s string
	var parts []struct {
		Type, Text string
		ImageURL   struct{ URL, Detail string } `json:"image_url"`
	}
	if err := json.Unmarshal(m.Content, &s); err != nil {
		if err := json.Unmarshal(m.Content, &parts); err != nil {
			t.Fatalf("the recorded request: content: %v", err)
		}
	}
	if role == llms.ChatMessageTypeTool {
		return llms.MessageContent{Role: role, Parts: []llms.ContentPart{
			llms.ToolCallResponse{ToolCallID: m.ToolCallID, Content: s},
		}}
	}
	c := llms.MessageContent{Role: role}
	if parts == nil && (s != "" || m.ToolCalls == nil) {
		c.Parts = append(c.Parts, llms.TextContent{Text: s})
	}
	for _, p := range parts {
		switch p.Type {
		case "text":
			c.Parts = append(c.Parts, llms.TextContent{Text: p.Text})
		case "image_url":
			c.Parts = append(c.Parts, llms.ImageURLContent{URL: p.ImageURL.URL, Detail: p.ImageURL.Detail})
		default:
			t.Fatalf("the recorded request: part of type %q", p.Type)
		}
	}
	for _, tc := range m.ToolCalls {
		c.Parts = append(c.Parts, llms.ToolCall{ID: tc.ID, Type: tc.Type, FunctionCall: tc.Function})
	}
	return c
}

func openaiModel(_ *testing.T, r recorded, req request, c *http.Client) (llms.Model, error) {
	base := *r.URL
	base.Path = strings.TrimSuffix(base.Path, "/chat/completions")
	return openai.New(openai.WithToken("test"), openai.WithBaseURL(base.String()),
		openai.WithResponseFormat(req.responseFormat), openai.WithHTTPClient(c))
}

func huggingfaceRequest(t *testing.T, r recorded) request {
	t.Helper()
	var body struct {
		Messages    []struct{ Content string }
		Temperature float64
		MaxTokens   int `json:"max_tokens"`
	}
	decode(t, r, &body)
	return request{
		messages: []llms.MessageContent{text(llms.ChatMessageTypeHuman, body.Messages[0].Content)},
		options:  []llms.CallOption{llms.WithTemperature(body.Temperature), llms.WithMaxLength(body.MaxTokens)},
	}
}

func huggingfaceModel(t *testing.T, r recorded, _ request, c *http.Client) (llms.Model, error) {
	t.Helper()
	var body struct{ Model string }
	decode(t, r, &body)
	inference, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return huggingface.New(huggingface.WithToken("test"), huggingface.WithModel(body.Model),
		huggingface.WithInferenceProvider(inference), huggingface.WithHTTPClient(c))
}

func anthropicRequest(t *testing.T, r recorded) request {
	t.Helper()
	var body struct {
		Model       string
		Messages    []struct{ Role, Content string }
		Temperature float64
		MaxTokens   int `json:"max_tokens"`
		Tools       []struct {
			Name, Description string
			InputSchema       any `json:"input_schema"`
		}
	}
	decode(t, r, &body)
	var req request
	for _, m := range body.Messages {
		if m.Role != "user" {
			t.Fatalf("the recorded request: role %q", m.Role)
		}
		req.messages = append(req.messages, text(llms.ChatMessageTypeHuman, m.Content))
	}
	var tools []llms.Tool
	for _, tool := range body.Tools {
		tools = append(tools, llms.Tool{Type: "function", Function: &llms.FunctionDefinition{
			Name: tool.Name, Description: tool.Description, Parameters: tool.InputSchema,
		}})
	}
	req.options = []llms.CallOption{
		llms.WithModel(body.Model), llms.WithTemperature(body.Temperature),
		llms.WithMaxTokens(body.MaxTokens), llms.WithTools(tools),
	}
	return req
}

func anthropicModel(_ *testing.T, r recorded, _ request, c *http.Client) (llms.Model, error) {
	base := *r.URL
	base.Path = strings.TrimSuffix(base.Path, "/messages")
	return anthropic.New(anthropic.WithToken("test"), anthropic.WithBaseURL(base.String()), anthropic.WithHTTPClient(c))
}

func googleRequest(t *testing.T, r recorded) request {
	t.Helper()
	type content struct {
		Role  string
		Parts []struct {
			Text         *string
			FunctionCall *struct {
				Name string
				Args json.RawMessage
			}
			FunctionResponse *struct {
				Name     string
				Response struct{ Response string }
			}
			InlineData *struct {
				MIMEType string
				Data     []byte
			}
		}
	}
	var body struct {
		Model             string
		Contents          []content
		SystemInstruction *content
		Tools             []struct {
			FunctionDeclarations []struct {
				Name, Description string
				Parameters        map[string]any
			}
		}
		SafetySettings   []struct{ Threshold int }
		GenerationConfig struct {
			CandidateCount, MaxOutputTokens, TopK int
			Temperature, TopP                     float64
			ResponseMIMEType                      string
		}
	}
	decode(t, r, &body)
	var req request
	if body.SystemInstruction != nil {
		body.Contents = append([]content{*body.SystemInstruction}, body.Contents...)
	}
	for _, c := range body.Contents {
		m := llms.MessageContent{Role: map[string]llms.ChatMessageType{
			"system": llms.ChatMessageTypeSystem, "user": llms.ChatMessageTypeHuman, "model": llms.ChatMessageTypeAI,
		}[c.Role]}
		for _, p := range c.Parts {
			switch {
			case p.Text != nil:
				m.Parts = append(m.Parts, llms.TextContent{Text: *p.Text})
			case p.FunctionCall != nil:
				m.Parts = append(m.Parts, llms.ToolCall{FunctionCall: &llms.FunctionCall{
					Name: p.FunctionCall.Name, Arguments: string(p.FunctionCall.Args),
				}})
			case p.FunctionResponse != nil:
				m.Role = llms.ChatMessageTypeTool
				m.Parts = append(m.Parts, llms.ToolCallResponse{
					Name: p.FunctionResponse.Name, Content: p.FunctionResponse.Response.Response,
				})
			case p.InlineData != nil:
				m.Parts = append(m.Parts, llms.BinaryContent{MIMEType: p.InlineData.MIMEType, Data: p.InlineData.Data})
			default:
				t.Fatal("the recorded request: part of another kind")
			}
		}
		req.messages = append(req.messages, m)
	}
	var tools []llms.Tool
	for _, tool := range body.Tools {
		for _, f := range tool.FunctionDeclarations {
			tools = append(tools, llms.Tool{Type: "function", Function: &llms.FunctionDefinition{
				Name: f.Name, Description: f.Description, Parameters: namedTypes(f.Parameters),
			}})
		}
	}
	for _, s := range body.SafetySettings {
		req.threshold = googleai.HarmBlockThreshold(s.Threshold)
	}
	g := body.GenerationConfig
	req.options = []llms.CallOption{
		llms.WithModel(strings.TrimPrefix(body.Model, "models/")), llms.WithCandidateCount(g.CandidateCount),
		llms.WithMaxTokens(g.MaxOutputTokens), llms.WithTemperature(g.Temperature), llms.WithTopP(g.TopP),
		llms.WithTopK(g.TopK), llms.WithTools(tools), llms.WithResponseMIMEType(g.ResponseMIMEType),
	}
	return req
}

// namedTypes spells the numbered types of a recorded schema as JSON Schema does.
func namedTypes(schema map[string]any) map[string]any {
	for k, v := range schema {
		switch v := v.(type) {
		case float64:
			if k == "type" {
				schema[k] = []string{"", "string", "number", "integer", "boolean", "array", "object"}[int(v)]
			}
		case map[string]any:
			namedTypes(v)
		}
	}
	return schema
}

func googleModel(t *testing.T, _ recorded, req request, c *http.Client) (llms.Model, error) {
	m, err := googleai.New(t.Context(), googleai.WithRest(), googleai.WithAPIKey("test"),
		googleai.WithHarmThreshold(req.threshold), googleai.WithHTTPClient(c))
	if err == nil {
		t.Cleanup(func() { _ = m.Close() }) // nothing is open
	}
	return m, err
}

func ollamaRequest(t *testing.T, r recorded) request {
	t.Helper()
	var body struct {
		Model, Prompt, Format string
		Messages              []struct{ Role, Content string }
		KeepAlive             string `json:"keep_alive"`
		Options               struct {
			NumPredict  int `json:"num_predict"`
			Temperature float64
			Think       bool
		}
	}
	decode(t, r, &body)
	req := request{format: body.Format, keepAlive: body.KeepAlive, think: body.Options.Think}
	if body.Prompt != "" {
		req.messages = append(req.messages, text(llms.ChatMessageTypeHuman, body.Prompt))
	}
	for _, m := range body.Messages {
		if m.Role != "user" {
			t.Fatalf("the recorded request: role %q", m.Role)
		}
		req.messages = append(req.messages, text(llms.ChatMessageTypeHuman, m.Content))
	}
	req.options = []llms.CallOption{
		llms.WithModel(body.Model), llms.WithTemperature(body.Options.Temperature), llms.WithMaxTokens(body.Options.NumPredict),
	}
	return req
}

func ollamaModel(_ *testing.T, r recorded, req request, c *http.Client) (llms.Model, error) {
	return ollama.New(ollama.WithServerURL("http://"+r.URL.Host), ollama.WithFormat(req.format),
		ollama.WithKeepAlive(req.keepAlive), ollama.WithThink(req.think), ollama.WithHTTPClient(c))
}
