// Functions has a loop of its own around a model and its tools.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

var available = map[string]tools.Tool{}

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	only := gates.Tools("calculator")
	for _, t := range langchaingo.Tools([]tools.Tool{tools.Calculator{}}, only) {
		available[t.Name()] = t
	}
	ctx := context.Background()
	history := []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "What is 3 times 4?")}
	res, err := llm.GenerateContent(ctx, history, llms.WithTools(nil)) // AROUND
	if err != nil {
		log.Fatal(err)
	}
	history, err = answer(ctx, history, res)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(history)
	fallback := tools.Calculator{}
	fmt.Println(fallback.Call(ctx, "3 * 4")) // AROUND
}

func answer(ctx context.Context, history []llms.MessageContent, res *llms.ContentResponse) ([]llms.MessageContent, error) {
	for _, call := range res.Choices[0].ToolCalls {
		t, ok := available[call.FunctionCall.Name]
		if !ok {
			return nil, fmt.Errorf("no tool %s", call.FunctionCall.Name)
		}
		out, err := t.Call(ctx, call.FunctionCall.Arguments)
		if err != nil {
			return nil, err
		}
		history = append(history, llms.TextParts(llms.ChatMessageTypeTool, out))
	}
	return history, nil
}
