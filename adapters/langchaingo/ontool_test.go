package langchaingo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/middleware"
)

// noEtc is a check for BeforeTool.
func noEtc(_ context.Context, args string) error {
	if strings.Contains(args, "/etc") {
		return middleware.Deny(middleware.CodePolicy, "not that folder")
	}
	return nil
}

func TestAGateOnOneToolThatIsNotThereIsRefused(t *testing.T) {
	remove := langchaingotest.NewTool(nil, "remove")
	for name, i := range map[string]middleware.Interceptor{
		"BeforeTool":      middleware.BeforeTool("remov", noEtc),
		"OnTool":          middleware.OnTool("remov", middleware.Before("g", func(context.Context, middleware.Call) error { return nil })),
		"OnTool, by hand": middleware.OnTool("remov", func(next middleware.Handler) middleware.Handler { return next }),
	} {
		for wrapper, wrap := range map[string]func(){
			"Executor": func() {
				model := langchaingotest.NewModel(nil)
				langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{remove})), i)
			},
			"Tool": func() { langchaingo.Tool(remove, i) },
		} {
			func() {
				defer func() {
					const want = `did you mean "remove"?`
					if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
						t.Errorf("%s, %s: got %q, want %q in it", name, wrapper, got, want)
					}
				}()
				wrap()
			}()
		}
	}
}

// A turn with one bad call in it is refused before any of it runs, and OnTool sees the
// calls of its tool that are made.
func TestGatesOnOneToolGuardAnAgent(t *testing.T) {
	model := langchaingotest.NewModel(t,
		langchaingotest.Call("read", "/etc").And("remove", "/etc/passwd"),
		langchaingotest.Call("read", "/etc").And("Remove", "/tmp/a"),
		langchaingotest.Say("Done."),
	)
	remove := langchaingotest.NewTool(t, "remove", langchaingotest.Say("removed"))
	read := langchaingotest.NewTool(t, "read", langchaingotest.Say("a b"))
	var seen []any
	watch := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			seen = append(seen, call.Input)
			return next(ctx, call)
		}
	}
	var happened langchaingotest.Recorder
	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{remove, read})),
		happened.Intercept, middleware.Tell, middleware.BeforeTool("remove", noEtc), middleware.OnTool("remove", watch))
	if _, err := chains.Run(t.Context(), agent, "Tidy up."); err != nil {
		t.Fatal(err)
	}
	happened.Denied(t, "remove").Once().By("remove gate").Because(`tool call 2, "remove"`)
	happened.Called(t, "remove").Once().With("/tmp/a").AllowedBy("remove gate")
	happened.Called(t, "read").Once()
	if got := fmt.Sprint(seen); got != "[/tmp/a]" {
		t.Errorf("OnTool saw %s, want the one call that was made", got)
	}
}
