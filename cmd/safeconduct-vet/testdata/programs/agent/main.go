// Agent runs an executor that is guarded, and once one that is not.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	llm, err := openai.New()
	if err != nil {
		return err
	}
	agentTools := []tools.Tool{tools.Calculator{}}
	agent := agents.NewOneShotAgent(llm, agentTools, agents.WithMaxIterations(3))
	executor := agents.NewExecutor(agent)
	guarded := langchaingo.Executor(executor, gates.Tools("calculator"))

	question := "What is 19 to the power of 0.23?"
	answer, err := chains.Run(context.Background(), guarded, question)
	if err != nil {
		return err
	}
	fmt.Println(answer)
	answer, err = chains.Run(context.Background(), executor, question) // AROUND
	fmt.Println(answer)
	return err
}
