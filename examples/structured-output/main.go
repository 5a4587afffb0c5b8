// Structured-output has a model that answers in prose asked again, until it gives
// the value that was promised: then that leaves, as a Go value.
//
// The conversation is not a real one. Its answers were written by hand, in the
// form in which OpenAI's API gives them, and are replayed below the real client.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/prompts"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/httpreplay"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// A Triage is what the program wants to know of a ticket.
type Triage struct {
	Category string `json:"category" jsonschema:"billing, bug or other"`
	Urgency  int    `json:"urgency" jsonschema:"from 1 to 5"`
}

// plausible says what the schema of the type does not.
func plausible(triage *schema.Schema) func(context.Context, []byte) error {
	return func(_ context.Context, answer []byte) error {
		t, err := schema.Decode[Triage](triage, answer)
		if err == nil && (t.Urgency < 1 || t.Urgency > 5) {
			err = middleware.Deny(middleware.CodeBadOutput, "/urgency must be from 1 to 5")
		}
		return err
	}
}

//go:embed testdata/triage.httprr
var recording []byte

func main() {
	exchanges, err := httpreplay.Read(bytes.NewReader(recording))
	if err == nil {
		err = run(context.Background(), os.Stdout, httpreplay.New(exchanges...))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "structured-output:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, provider http.RoundTripper) error {
	triage := schema.MustFor[Triage]()
	guard := []middleware.Interceptor{
		schema.Boundary(schema.BoundaryRules{Schema: triage, Check: plausible(triage), Extract: true, Reasks: 2}),
		gates.Budget(gates.Limits{ModelCalls: 3, Tokens: 2000}),
		show(w),
	}
	model, err := openai.New(openai.WithModel("gpt-4o"), openai.WithToken("none"), openai.WithHTTPClient(&http.Client{Transport: provider}))
	if err != nil {
		return err
	}
	prompt := prompts.NewPromptTemplate("Triage this ticket: {{.ticket}}", []string{"ticket"})
	chain := langchaingo.Chain(chains.NewLLMChain(model, prompt), guard...)

	answer, err := chains.Run(ctx, chain, "I was charged twice in May!")
	if err != nil {
		return err
	}
	value, err := schema.Decode[Triage](triage, []byte(answer))
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "typed    %+v\n", value)
	return nil
}

// show prints what a model is asked, and what it says.
func show(w io.Writer) middleware.Interceptor {
	return middleware.On(middleware.KindModel, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			messages := call.Input.(*middleware.ModelRequest).Messages
			asked, _, _ := strings.Cut(messages[len(messages)-1].Parts[0].Text, " Answer again")
			fmt.Fprintln(w, "asked   ", asked)
			res, err := next(ctx, call)
			if answer, ok := res.Output.(*middleware.ModelResponse); ok {
				fmt.Fprintln(w, "said    ", strings.Join(strings.Fields(answer.Choices[0].Text), " "))
			}
			return res, err
		}
	})
}
