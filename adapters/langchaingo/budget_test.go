package langchaingo_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// TestBudgetWrapsUp checks, through langchaingo's own agent, that a model that
// has used up its tool calls is offered none and asked for its answer, and that
// every request asks for no more tokens than are left.
func TestBudgetWrapsUp(t *testing.T) {
	asks := &llms.ContentChoice{FuncCall: &llms.FunctionCall{Name: "calc", Arguments: `{"__arg1":"1"}`}}
	asks.ToolCalls = []llms.ToolCall{{ID: "c", Type: "function", FunctionCall: asks.FuncCall}}
	m := &script{answers: []*llms.ContentChoice{asks, asks, {Content: "it is 1"}}}
	run := langchaingo.Executor(
		agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{echoTool("calc")})),
		gates.Budget(gates.Limits{ToolCalls: 2, FinalAnswer: 100, Tokens: 1500, Clamp: true, Estimate: 500}),
	)
	answer, err := chains.Run(t.Context(), run, "q")
	if err != nil || answer != "it is 1" {
		t.Fatalf("got %q and error %v", answer, err)
	}
	left := 1500
	for i, o := range m.options {
		last := m.asked[i][len(m.asked[i])-1]
		text, _ := last.Parts[0].(llms.TextContent)
		told := last.Role == llms.ChatMessageTypeHuman && strings.HasPrefix(text.Text, "[budget] limit tool_calls of the run: left 0 of 2.")
		if final := i == 2; (len(o.Functions)+len(o.Tools) == 0) != final || told != final {
			t.Errorf("request %d: got %d tools and the last message %+v", i, len(o.Functions)+len(o.Tools), last)
		}
		if o.MaxTokens == 0 || o.MaxTokens > min(left, 500) {
			t.Errorf("request %d: got MaxTokens %d, want at most %d and 500", i, o.MaxTokens, left)
		}
		left -= o.MaxTokens // the script reports no usage: it is charged as reserved
	}
	if len(m.options) != 3 {
		t.Errorf("got %d requests, want 3", len(m.options))
	}
}

// TestATextIsNoImage checks that what counts as an image is a matter of the
// part's type, and not of how its text begins: whoever writes a tool's answer
// would choose that.
func TestATextIsNoImage(t *testing.T) {
	text := "https://" + strings.Repeat("a", 4<<20)
	cached := func(p llms.ContentPart) llms.ContentPart { return llms.CachedContent{ContentPart: p} }
	for name, tt := range map[string]struct {
		part  llms.ContentPart
		media bool
	}{
		"text":                {llms.TextContent{Text: text}, false},
		"a tool's answer":     {llms.ToolCallResponse{ToolCallID: "c", Name: "f", Content: text}, false},
		"arguments":           {llms.ToolCall{ID: "c", FunctionCall: &llms.FunctionCall{Name: "f", Arguments: text}}, false},
		"a file of text":      {llms.BinaryContent{MIMEType: "text/plain; charset=utf-8", Data: []byte(text)}, false},
		"an image":            {llms.BinaryContent{MIMEType: "image/png", Data: []byte(text)}, true},
		"an image in a URL":   {llms.ImageURLContent{URL: "data:image/png;base64," + text}, true},
		"an image with a URL": {llms.ImageURLContent{URL: "https://example.com/a.png"}, true},
		"a cached text":       {cached(llms.TextContent{Text: text}), false},
		"a cached file":       {cached(llms.BinaryContent{MIMEType: "text/plain", Data: []byte(text)}), false},
		"a cached image":      {cached(&llms.ImageURLContent{URL: "data:image/png;base64," + text}), true},
	} {
		t.Run(name, func(t *testing.T) {
			m := langchaingo.Model(says("ok"), gates.Budget(gates.Limits{InputTokens: 2_000}))
			_, err := m.GenerateContent(t.Context(), []llms.MessageContent{{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{tt.part}}})
			var d *middleware.DeniedError
			if errors.As(err, &d) == tt.media || !tt.media && d.Code != middleware.CodeOverBudget {
				t.Errorf("got %v, media %v", err, tt.media)
			}
		})
	}
}
