package langchaingo_test

import (
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
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
