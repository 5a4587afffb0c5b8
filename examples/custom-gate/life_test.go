package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools"
)

func noProd() middleware.Interceptor {
	return middleware.BeforeTool("deploy", func(_ context.Context, args string) error {
		if strings.Contains(args, "prod") {
			return middleware.Deny(middleware.CodePolicy, "production is for people")
		}
		return nil
	})
}

func TestNoProd(t *testing.T) {
	if err := middlewaretest.TestInterceptor(noProd, middlewaretest.Tool("deploy", "to test")); err != nil {
		t.Error(err)
	}
	for args, want := range map[string]string{"to test": "<nil> [to test]", "to prod": "production is for people (policy) []"} {
		model := langchaingotest.NewModel(t, langchaingotest.Call("deploy", args), langchaingotest.Say("Done.").Always())
		deploy := langchaingotest.NewTool(nil, "deploy", langchaingotest.Say("deployed"))
		agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{deploy})), noProd())
		if _, err := chains.Run(t.Context(), agent, "Deploy it."); !strings.HasSuffix(fmt.Sprint(err, deploy.Inputs()), want) {
			t.Errorf("%s: got %v, and it ran with %q; want %s", args, err, deploy.Inputs(), want)
		}
	}
}
