// Bare has three ways to a model, and guards none.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"
)

type app struct {
	llm      llms.Model
	executor *agents.Executor
}

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	a := &app{llm: llm, executor: agents.NewExecutor(agents.NewConversationalAgent(llm, []tools.Tool{tools.Calculator{}}))}
	a.ask(context.Background())
}

func (a *app) ask(ctx context.Context) {
	fmt.Println(a.llm.Call(ctx, "hello"))                                                                 // AROUND
	fmt.Println(chains.Run(ctx, a.executor, "hello"))                                                     // AROUND
	fmt.Println(chains.Run(ctx, chains.NewLLMMathChain(a.llm), "1+1"))                                    // AROUND
	fmt.Println(chains.Apply(ctx, chains.NewLLMMathChain(a.llm), []map[string]any{{"question": "1"}}, 1)) // AROUND
}
