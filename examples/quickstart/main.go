// Quickstart guards an agent of langchaingo and checks the evidence that it
// leaves.
//
// The model's answers are real ones: without a key they are replayed from the
// recordings that ship with langchaingo, below the real client of the provider.
// With OPENAI_API_KEY set the program asks OpenAI instead, and with OLLAMA_HOST
// (http://localhost:11434, say) a model there; OPENAI_MODEL or OLLAMA_MODEL
// chooses which.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

func main() {
	dir := flag.String("dir", "", "keep the evidence in `DIR`: DIR/ledger, and DIR/key.pub to verify it")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "quickstart: unknown argument %q; see quickstart -h\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, dir string) error {
	keep := dir != ""
	if !keep {
		temp, err := os.MkdirTemp("", "quickstart-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temp) }() // the system empties it else
		dir = temp
	}
	p, err := newProvider(ctx)
	if err != nil {
		return err
	}
	recorder, err := openRecorder(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "An agent of langchaingo, guarded, on %s.\n", p.describe)

	show := &shower{w: w, recorder: recorder, provider: p}
	err = errors.Join(
		show.allowed(ctx),
		show.denied(ctx),
		show.overBudget(ctx),
		show.boundary(ctx),
	)
	if err = errors.Join(err, recorder.Close(ctx)); err != nil {
		return err
	}
	if err := check(w, dir); err != nil {
		return err
	}
	if keep {
		fmt.Fprintf(w, "\n%s\n\n", wrap("The evidence is in "+dir+". Look at it, and check it, with", 0, columns))
		fmt.Fprintf(w, "  go run ./cmd/safeconduct inspect %s\n", filepath.Join(dir, "ledger"))
		fmt.Fprintf(w, "  go run ./cmd/safeconduct verify %s \\\n", filepath.Join(dir, "ledger"))
		fmt.Fprintf(w, "    --key %s\n", filepath.Join(dir, "key.pub"))
	} else {
		fmt.Fprint(w, "\nKeep the evidence with: go run ./examples/quickstart -dir DIR\n")
	}
	return nil
}

// openRecorder opens the ledger in dir, with the key there or a new one.
func openRecorder(dir string) (*evidence.Recorder, error) {
	path := filepath.Join(dir, "key")
	key, err := trust.LoadKey(path)
	if errors.Is(err, os.ErrNotExist) {
		if key, err = trust.GenerateKey(); err != nil {
			return nil, err
		}
		if err = os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		err = trust.WriteKey(path, key)
	}
	if err != nil {
		return nil, err
	}
	return evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
		Key:      key,
		ReadOnly: []string{"calculator"}, // runs without waiting for the disk
	})
}

// A shower shows one thing after the other.
type shower struct {
	w        io.Writer
	recorder *evidence.Recorder
	provider *provider
}

// allowed guards an agent in one line and asks it something.
func (s *shower) allowed(ctx context.Context) error {
	model, err := s.provider.model("TestOpenAIFunctionsAgentWithHTTPRR")
	if err != nil {
		return err
	}
	executor := agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{tools.Calculator{}},
		agents.NewOpenAIOption().WithSystemMessage("You are a helpful assistant that can perform calculations.")))
	recorder, meter := s.recorder, new(meter)

	agent := langchaingo.Executor(executor, // its run, its turns, its model, its tools
		recorder.Intercept, // signs a record of every call and decision
		middleware.Tell,    // a denied tool call is told to the model
		gates.Ingress(gates.IngressRules{Required: []string{"input"}, MaxBytes: 4096}),
		gates.Tools("calculator"),
		gates.Budget(gates.Limits{ToolCalls: 5, Tokens: 20_000}),
		meter.Intercept, // a gate or meter of your own is one func
	)
	answer, err := chains.Run(ctx, agent, "What is 15 multiplied by 4?")
	if err != nil {
		return err
	}
	s.title("A call that is allowed")
	s.line("asked", "What is 15 multiplied by 4?")
	s.line("tool", "%s", meter.tools)
	s.line("answer", "%s", answer)
	s.line("budget", "%d of 5 tool calls, %d of 20000 tokens", meter.toolCalls, meter.tokens)
	return nil
}

// denied has the model ask for a tool that is not on the list. Nothing tells it of the
// denial here, so the run ends with it.
func (s *shower) denied(ctx context.Context) error {
	const question = "when was the Go programming language tagged version 1.0?"
	model, err := s.provider.model("TestExecutorWithOpenAIFunctionAgent")
	if err != nil {
		return err
	}
	executor, ran := agents.NewExecutor(searchAgent(model)), new(meter)
	agent := langchaingo.Executor(executor, s.recorder.Intercept, gates.Tools("calculator"), ran.Intercept)
	answer, err := chains.Run(ctx, agent, question)
	s.title("A tool that is not on the list")
	s.line("asked", question)
	var denied *middleware.DeniedError
	switch {
	case errors.As(err, &denied):
		s.line("denied", "%s: %s", denied.Code, denied.Reason)
		s.line("ran", "%d tools: nothing was searched, and the run ended without an answer", ran.toolCalls)
	case err != nil:
		return err
	default: // a live model may know it by itself
		s.line("answer", "%s (the model asked for no search)", answer)
	}
	return nil
}

// overBudget asks more than the budget has.
func (s *shower) overBudget(ctx context.Context) error {
	model, err := s.provider.model("TestOpenAIFunctionsAgentWithHTTPRR")
	if err != nil {
		return err
	}
	sent := new(meter)
	guarded := langchaingo.Model(model, s.recorder.Intercept, gates.Budget(gates.Limits{Tokens: 100}), sent.Intercept)
	_, err = llms.GenerateFromSinglePrompt(ctx, guarded, "What is 15 multiplied by 4?")
	var denied *middleware.DeniedError
	if !errors.As(err, &denied) {
		return fmt.Errorf("a budget of 100 tokens let a request through: %w", err)
	}
	s.title("A budget that does not suffice")
	s.line("denied", "%s: %s", denied.Code, denied.Reason)
	s.line("sent", "%d requests", sent.modelCalls)
	return nil
}

// boundary has two answers judged by a schema: free text, and JSON.
func (s *shower) boundary(ctx context.Context) error {
	answer := schema.MustCompile("answer", `{
		"type": "object",
		"properties": {"final_answer": {"type": "string", "pattern": "^[0-9]+$"}},
		"required": ["final_answer"],
		"additionalProperties": false
	}`)
	s.title("A schema that the answer must satisfy")
	for _, ask := range []func() (chains.Chain, error){s.provider.freeText, s.provider.structured} {
		c, err := ask()
		if err != nil {
			return err
		}
		guarded := langchaingo.Chain(c, s.recorder.Intercept, schema.Output(answer))
		out, err := chains.Call(ctx, guarded, map[string]any{})
		var denied *middleware.DeniedError
		switch {
		case errors.As(err, &denied):
			s.line("denied", "%s: %s", denied.Code, denied.Reason)
		case err != nil:
			return err
		default:
			s.line("allowed", "%s", out["text"])
		}
	}
	return nil
}

// columns is how wide what is printed may be.
const columns = 80

func (s *shower) title(title string) { fmt.Fprintf(s.w, "\n%s\n", title) }

func (s *shower) line(what, format string, args ...any) {
	fmt.Fprintf(s.w, "  %-8s %s\n", what, wrap(fmt.Sprintf(format, args...), 11, columns))
}
