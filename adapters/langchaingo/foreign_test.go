package langchaingo_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// A tool or a model that returns a nil pointer as its error has failed. The run ends
// with an error that can be asked.
func TestAnErrorThatIsANilPointer(t *testing.T) {
	var none *fs.PathError
	calc := &funcTool{"calc", func(context.Context, string) (string, error) { return "", none }}
	model := says(mrklCalls)
	model.before = func(_ context.Context, prompt string) error {
		if strings.Contains(prompt, "fail") {
			return none
		}
		return nil
	}
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{calc})),
		middleware.Tell, middleware.Before("open", func(context.Context, middleware.Call) error { return nil }))
	for _, question := range []string{"fail", "19*23"} {
		model.rewind()
		_, err := chains.Run(t.Context(), run, question)
		if err == nil || errors.As(err, new(*middleware.DeniedError)) || !strings.Contains(err.Error(), "*fs.PathError, of which a method panics") {
			t.Errorf("%s: got %v, want the failure", question, err)
		}
	}
}
