package langchaingotest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func ExampleNewModel() {
	model := langchaingotest.NewModel(nil, // in a test: t
		langchaingotest.Say("Paris"),
		langchaingotest.Say("Rome"),
	)
	for _, country := range []string{"France", "Italy", "Spain"} {
		fmt.Println(llms.GenerateFromSinglePrompt(context.Background(), model, "The capital of "+country+"?"))
	}
	// Output:
	// Paris <nil>
	// Rome <nil>
	//  langchaingotest: model: the script of 2 answers has run out, and request 3 came: its last message is "The capital of Spain?"
}

func ExampleNewTool() {
	pay := langchaingotest.NewTool(nil, "pay", langchaingotest.Say("paid"), langchaingotest.Fail(errors.New("no funds")))
	for range 2 {
		fmt.Println(pay.Call(context.Background(), "order 17"))
	}
	fmt.Println(pay.Inputs(), pay.Left())
	// Output:
	// paid <nil>
	//  no funds
	// [order 17 order 17] 0
}

func ExampleToolFunc() {
	shout := langchaingotest.ToolFunc("shout", func(_ context.Context, input string) (string, error) {
		return strings.ToUpper(input) + "!", nil
	})
	fmt.Println(shout.Call(context.Background(), "hello"))
	// Output: HELLO! <nil>
}

// A stream arrives in the chunks of the script.
func ExampleSay() {
	model := langchaingotest.NewModel(nil, langchaingotest.Say("It ", "is ", "60.").Using(12, 3))
	res, err := model.GenerateContent(context.Background(), nil, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
		fmt.Printf("%q ", chunk)
		return nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Choices[0].Content, res.Choices[0].GenerationInfo["TotalTokens"])
	// Output: "It " "is " "60." It is 60. 15
}

// A ReAct agent reads in a text what it is to do.
func ExampleAct() {
	model := langchaingotest.NewModel(nil,
		langchaingotest.Act("calculator", "15 * 4"),
		langchaingotest.Finish("It is 60."),
	)
	agent := agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{tools.Calculator{}}))
	fmt.Println(chains.Run(context.Background(), agent, "What is 15 * 4?"))
	// Output: It is 60. <nil>
}

func ExampleFinish() {
	model := langchaingotest.NewModel(nil, langchaingotest.Finish("60"))
	fmt.Println(llms.GenerateFromSinglePrompt(context.Background(), model, "What is 15 * 4?"))
	// Output: Final Answer: 60 <nil>
}

// A functions agent is asked for two tools in one turn.
func ExampleCall() {
	model := langchaingotest.NewModel(nil,
		langchaingotest.Call("calculator", "15 * 4").And("weather", `{"city":"Rome"}`),
		langchaingotest.Say("It is 60, and sunny."),
	)
	weather := langchaingotest.NewTool(nil, "weather", langchaingotest.Say("sunny"))
	agent := agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{tools.Calculator{}, weather}))
	fmt.Println(chains.Run(context.Background(), agent, "What is 15 * 4, and the weather in Rome?"))
	fmt.Println(weather.Inputs(), model.Requests()[1].Last())
	// Output:
	// It is 60, and sunny. <nil>
	// [{"city":"Rome"}] sunny
}

func ExampleFail() {
	model := langchaingotest.NewModel(nil, langchaingotest.Fail(errors.New("503 overloaded")))
	fmt.Println(llms.GenerateFromSinglePrompt(context.Background(), model, "Hello?"))
	// Output:  503 overloaded
}

// A broken client returns a response without any choice.
func ExampleRespond() {
	model := langchaingotest.NewModel(nil, langchaingotest.Respond(&llms.ContentResponse{}))
	fmt.Println(llms.GenerateFromSinglePrompt(context.Background(), model, "Hello?"))
	// Output:  empty response from model
}

func ExampleRecorder() {
	var happened langchaingotest.Recorder
	model := langchaingotest.NewModel(nil,
		langchaingotest.Call("calculator", "15 * 4"),
		langchaingotest.Call("shell", "rm -rf /"),
		langchaingotest.Say("It is 60."),
	)
	shell := langchaingotest.NewTool(nil, "shell") // must never run
	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{tools.Calculator{}, shell})),
		happened.Intercept,
		middleware.Tell,
		gates.Tools("calculator"),
	)
	if _, err := chains.Run(context.Background(), agent, "What is 15 * 4?"); err != nil {
		fmt.Println(err)
	}
	fmt.Print(&happened)
	// Output:
	//   1 chain Executor: done
	//   2   plan OpenAIFunctionsAgent: done, asks for calculator [allowed by tools]
	//   3     model langchaingotest.Model: done, asks for calculator
	//   4   tool calculator("15 * 4"): done: "60" [allowed by tools]
	//   5   plan OpenAIFunctionsAgent: denied by tools: tool "shell" is not on the allowlist (tool_not_allowed)
	//   6     model langchaingotest.Model: done, asks for shell
	//   7   plan OpenAIFunctionsAgent: done [allowed by tools]
	//   8     model langchaingotest.Model: done
}
