package langchaingo_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

func firstGate() middleware.Interceptor {
	return middleware.ToolCalls("no-root", func(ctx context.Context, call middleware.ToolCall) error {
		if strings.Contains(call.Input, "sudo") {
			return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
		}
		return nil
	})
}

// The first gate in the documentation of package middleware works where it is copied to.
func TestTheFirstGateOfTheDocsGuardsAnExecutor(t *testing.T) {
	doc := inOneLine(t, "../../middleware/doc.go")
	_, doc, _ = strings.Cut(doc, "guarded := middleware.Wrap(shell, ")
	doc, _, _ = strings.Cut(doc, ", )")
	_, own, _ := strings.Cut(inOneLine(t, "firstgate_test.go"), "return ")
	if doc == "" || !strings.HasPrefix(own, doc) {
		t.Errorf("the documentation has\n%s\nand this test\n%.300s", doc, own)
	}
	if err := middlewaretest.TestInterceptor(firstGate); err != nil {
		t.Error(err)
	}

	shell := langchaingotest.NewTool(t, "shell", langchaingotest.Say("a b"))
	model := langchaingotest.NewModel(t, langchaingotest.Act("shell", "ls"), langchaingotest.Act("shell", "sudo ls"))
	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{shell})), firstGate())
	_, err := chains.Run(t.Context(), agent, "What is there?")
	if d := middlewaretest.WantDenied(t, err, middleware.CodePolicy); d.Gate != "no-root" {
		t.Errorf("got %v", d)
	}
	if got := shell.Inputs(); len(got) != 1 || got[0] != "ls" {
		t.Errorf("the tool ran with %q, want ls alone", got)
	}
}

// inOneLine returns a file with comment marks and white space made single spaces.
func inOneLine(t *testing.T, file string) string {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(\s|//)+`).ReplaceAllString(string(src), " ")
}
