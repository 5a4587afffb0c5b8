package langchaingo_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// exampleExecutor is an agent whose model asks for calc, then answers.
func exampleExecutor() *agents.Executor {
	model := langchaingotest.NewModel(nil, langchaingotest.Act("calc", "19*23"), langchaingotest.Finish("it is 437"))
	return agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{echoTool("calc"), echoTool("shell")}))
}

func ExampleExecutor() {
	agent := langchaingo.Executor(exampleExecutor(), gates.Tools("calc"), gates.Budget(gates.Limits{ToolCalls: 5}))
	fmt.Println(chains.Run(context.Background(), agent, "What is 19*23?"))

	agent = langchaingo.Executor(exampleExecutor(), gates.Tools("shell"))
	_, err := chains.Run(context.Background(), agent, "What is 19*23?")
	fmt.Println(err)
	// Output:
	//  it is 437 <nil>
	// OneShotZeroAgent: denied by tools: tool "calc" is not on the allowlist (tool_not_allowed)
}

func ExampleTool() {
	calc := langchaingo.Tool(echoTool("calc"), gates.Tools("calc"))
	fmt.Println(calc.Call(context.Background(), "19*23"))
	fmt.Print(calc)
	// Output:
	// 19*23 <nil>
	// tool calc, guarded by
	//  1 tools, stream of plans passed through
}

func ExampleTools() {
	for _, t := range langchaingo.Tools([]tools.Tool{echoTool("calc"), echoTool("shell")}, middleware.Tell, gates.Tools("calc")) {
		fmt.Println(t.Call(context.Background(), "ls"))
	}
	// Output:
	// ls <nil>
	// Denied (tool_not_allowed): tool "shell" is not on the allowlist. Use another tool, or go on without one. <nil>
}

// The model gives a wrong argument, reads what is wrong, and does better.
func ExampleDeclare() {
	transfer := schema.MustCompile("transfer", `{
		"type": "object",
		"required": ["to", "amount"],
		"properties": {"to": {"type": "string"}, "amount": {"type": "integer", "maximum": 100}}
	}`)
	model := langchaingotest.NewModel(nil,
		langchaingotest.Call("transfer", `{"to": "Ann", "amount": 5000}`),
		langchaingotest.Call("transfer", `{"to": "Ann", "amount": 100}`),
		langchaingotest.Say("Done."),
	)
	tool := langchaingo.Declare(langchaingotest.ToolFunc("transfer", func(_ context.Context, arguments string) (string, error) {
		fmt.Println("the tool gets", arguments)
		return "sent", nil
	}), transfer.JSON())
	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{tool})),
		middleware.Tell,
		schema.Input(schema.Tools{"transfer": transfer}),
	)
	fmt.Println(chains.Run(context.Background(), agent, "Send Ann all that I have."))
	fmt.Println("the model was told:", model.Requests()[1].Last())
	// Output:
	// the tool gets {"to":"Ann","amount":100}
	// Done. <nil>
	// the model was told: Denied (bad_input): the input of tool call 1, transfer, does not satisfy the schema transfer: /amount must be at most 100. Correct the arguments, then call again.
}

func ExampleModel() {
	capitals := langchaingotest.NewModel(nil, langchaingotest.Say("Paris"), langchaingotest.Say("Rome"))
	model := langchaingo.Model(capitals, gates.Budget(gates.Limits{Scope: gates.ScopeProcess, ModelCalls: 1}))
	for _, country := range []string{"France", "Italy"} {
		fmt.Println(model.Call(context.Background(), "The capital of "+country+"?"))
	}
	// Output:
	// Paris <nil>
	//  langchaingotest.Model: denied by budget: limit model_calls of the process: asked 1, left 0 of 1 (over_budget)
}

func ExampleChain() {
	chain := langchaingo.Chain(contextChain(langchaingotest.NewModel(nil, langchaingotest.Say("ok"))), gates.Ingress(gates.IngressRules{MaxBytes: 40}))
	for _, text := range []string{"short", "far too long for what may enter here"} {
		out, err := chains.Call(context.Background(), chain, map[string]any{"context": text})
		fmt.Println(out["text"], err)
	}
	// Output:
	// ok <nil>
	// <nil> LLMChain: denied by ingress: the input is larger than 40 bytes, which IngressRules.MaxBytes sets (bad_input)
}

func ExampleAgent() {
	model := langchaingotest.NewModel(nil, langchaingotest.Act("rm", "/"))
	agent := agents.NewOneShotAgent(model, []tools.Tool{echoTool("calc")})
	guarded := langchaingo.Agent(agent, gates.Tools("calc"))
	_, _, err := guarded.Plan(context.Background(), nil, map[string]string{"input": "clean up"})
	fmt.Println(err)
	// Output: OneShotZeroAgent: denied by tools: there is no tool "rm" (tool_not_allowed)
}

func ExampleMemory() {
	buffer := memory.NewConversationBuffer()
	guarded := langchaingo.Memory(buffer, redact)
	err := guarded.SaveContext(context.Background(), map[string]any{"input": "it is hunter2"}, map[string]any{"text": "thanks"})
	if err != nil {
		fmt.Println(err)
	}
	vars, err := buffer.LoadMemoryVariables(context.Background(), nil)
	fmt.Println(vars["history"], err)
	// Output:
	// Human: it is [redacted]
	// AI: thanks <nil>
}

func ExampleStrictSSE() {
	client := &http.Client{Transport: langchaingo.StrictSSE(http.DefaultTransport)}
	m, err := openai.New(openai.WithToken("sk-..."), openai.WithHTTPClient(client))
	if err != nil {
		fmt.Println(err)
		return
	}
	guarded := langchaingo.Model(m, schema.Output(schema.MustCompile("verdict", `{"enum":["yes","no"]}`)))
	fmt.Println(guarded)
	// Output:
	// model openai.LLM, guarded by
	//  1 schema.output
}
