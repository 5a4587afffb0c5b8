package langchaingo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/adaptertest"
	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

func TestAdapter(t *testing.T) {
	adaptertest.Test(t, adaptertest.Adapter{Tool: guardTool, Model: guardModel, Agent: guardAgent})
}

func guardTool(name string, f adaptertest.ToolFunc, is ...middleware.Interceptor) adaptertest.ToolFunc {
	return langchaingo.Tool(&funcTool{name, f}, is...).Call
}

func guardModel(m adaptertest.Model, is ...middleware.Interceptor) adaptertest.ModelFunc {
	text := ""
	for _, c := range m.Chunks {
		text += c
	}
	s := &script{chunks: m.Chunks, before: m.Before, swallow: m.Swallow, answers: []*llms.ContentChoice{{
		Content: text, StopReason: "stop",
		GenerationInfo: map[string]any{"PromptTokens": int(m.Input), "CompletionTokens": int(m.Output)},
	}}}
	guarded := langchaingo.Model(s, is...)
	return func(ctx context.Context, prompt string, stream func(string) error) (string, error) {
		s.rewind()
		var options []llms.CallOption
		if stream != nil {
			options = append(options, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
				return stream(string(chunk))
			}))
		}
		return guarded.Call(ctx, prompt, options...)
	}
}

func guardAgent(a adaptertest.Agent, is ...middleware.Interceptor) adaptertest.ToolFunc {
	s := &script{saw: a.Saw}
	id := 0
	for _, turn := range a.Turns {
		choice := &llms.ContentChoice{Content: turn.Final, StopReason: "stop"}
		for _, c := range turn.Calls {
			id++
			args, err := json.Marshal(map[string]string{"__arg1": c.Input})
			if err != nil {
				panic(err)
			}
			choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{
				ID: fmt.Sprintf("call_%d", id), Type: "function",
				FunctionCall: &llms.FunctionCall{Name: c.Tool, Arguments: string(args)},
			})
		}
		s.answers = append(s.answers, choice)
	}
	var names []string
	for name := range a.Tools {
		names = append(names, name)
	}
	slices.Sort(names)
	var ts []tools.Tool
	for _, name := range names {
		ts = append(ts, &funcTool{name, a.Tools[name]})
	}
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(s, ts)), is...)
	return func(ctx context.Context, input string) (string, error) {
		s.rewind()
		return chains.Run(ctx, run, input)
	}
}
