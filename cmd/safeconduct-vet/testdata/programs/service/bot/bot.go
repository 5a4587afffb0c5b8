// Package bot answers with a model. It does not import safeconduct itself.
package bot

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

type bot struct{ model llms.Model }

// New returns a handler that asks a model.
func New(m llms.Model) http.Handler { return &bot{model: m} }

func (b *bot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := llms.GenerateFromSinglePrompt(r.Context(), b.model, r.FormValue("q"))
	fmt.Fprintln(w, out, err)
}

// Greet asks a model for a greeting.
func Greet(ctx context.Context, m llms.Model) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, "hello")
}

// Ask asks a model of its own.
func Ask(ctx context.Context) (string, error) {
	m, err := openai.New()
	if err != nil {
		return "", err
	}
	return m.Call(ctx, "hello") // AROUND
}
