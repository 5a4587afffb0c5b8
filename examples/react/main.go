// React guards a ReAct agent with three tools: it may list and read, and remove nothing
// outside of /tmp.
package main

import (
	"context"
	"fmt"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func main() {
	say := func(text string) func(context.Context, string) (string, error) {
		return func(_ context.Context, input string) (string, error) {
			fmt.Println("ran:", text, input)
			return text + " " + input, nil
		}
	}
	three := []tools.Tool{ // yours may be any tools.Tool
		langchaingotest.ToolFunc("ls", say("listed")),
		langchaingotest.ToolFunc("cat", say("read")),
		langchaingotest.ToolFunc("rm", say("removed")),
	}
	// A script; yours may be openai.New().
	model := langchaingotest.NewModel(nil,
		langchaingotest.Act("ls", "/tmp"), langchaingotest.Act("rm", "/tmp/old.log"), langchaingotest.Act("rm", "/etc/passwd"),
		langchaingotest.Finish("Removed what I may remove."))

	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(model, three)),
		gates.Loop(gates.LoopRules{}),
		gates.Budget(gates.Limits{ToolCalls: 10, Tokens: 20_000}),
		middleware.Tell, // what is denied further in, the model is told, and goes on
		gates.Tools("ls", "cat", "rm"),
		gates.Arguments(gates.ArgumentRules{"rm": {gates.Text(gates.Prefix("/tmp/"))}}),
	)
	fmt.Println(chains.Run(context.Background(), agent, "Tidy up."))
}
