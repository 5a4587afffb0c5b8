package conformance_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/compliance"
	"github.com/tmc/langchaingo/testing/llmtest"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/conformance/probe"
)

// TestKits runs the kits that langchaingo exports for people who write models
// against a guarded model. They call it in parallel.
func TestKits(t *testing.T) {
	for _, kit := range []struct {
		name string
		run  func(t *testing.T, m llms.Model)
	}{
		{"llmtest", llmtest.TestLLM},
		{"compliance", func(t *testing.T, m llms.Model) { compliance.NewSuite("scripted", m).Run(t) }},
	} {
		inner, counter := new(scripted), new(probe.Counter)
		t.Run(kit.name, func(t *testing.T) {
			// One level more, so that this one waits for what is parallel.
			t.Run("kit", func(t *testing.T) {
				kit.run(t, langchaingo.Model(inner, probe.Copy, counter.Intercept))
			})
		})
		guarded, reached := counter.Counts()["model"], inner.requests.Load()
		if guarded == 0 || guarded != reached {
			t.Errorf("%s: %d requests were guarded and %d reached the model, want as many", kit.name, guarded, reached)
		}
		t.Logf("%s: %d guarded requests", kit.name, guarded)
	}
}

// A scripted model answers what the kits ask. It is safe for concurrent use.
type scripted struct{ requests atomic.Int64 }

var answers = map[string]string{
	"Reply with 'OK' and nothing else":      "OK",
	"Reply with 'Hello' and nothing else":   "Hello",
	"Say 'OK'":                              "OK",
	"Say 'Hello, World!' and nothing else.": "Hello, World!",
	"What's my name?":                       "Alice",
	"Write the number 42.":                  "42",
	"What is 25 + 17? Think step by step.":  "42",
	"Count to 5":                            "1 2 3 4 5",
	"Count from 1 to 100.":                  "1 2 3 4 5",
	"List the days of the week.":            "Monday, Tuesday, Wednesday, Thursday",
	"What's the weather in San Francisco?":  "",
	"test":                                  "test",
}

func (s *scripted) SupportsReasoning() bool { return true }

func (s *scripted) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, s, prompt, options...)
}

func (s *scripted) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	s.requests.Add(1)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	last, _ := messages[len(messages)-1].Parts[0].(llms.TextContent)
	answer, ok := answers[last.Text]
	if !ok {
		answer = "not in the script: " + last.Text
	}
	for _, stop := range opts.StopWords {
		answer, _, _ = strings.Cut(answer, stop)
	}
	c := &llms.ContentChoice{Content: answer, StopReason: "stop", GenerationInfo: map[string]any{
		"PromptTokens": 10, "CompletionTokens": 5, "TotalTokens": 15, "ThinkingTokens": 2,
	}}
	if i := slices.IndexFunc(opts.Tools, func(t llms.Tool) bool { return t.Function.Name == "get_weather" }); i >= 0 {
		c.ToolCalls = []llms.ToolCall{{ID: "1", Type: "function", FunctionCall: &llms.FunctionCall{
			Name: "get_weather", Arguments: `{"location":"San Francisco"}`,
		}}}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{c}}, nil
}
