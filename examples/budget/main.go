// Budget stops an agent that has run away: every answer of its model, replayed
// from a recording that ships with langchaingo, asks for the calculator again.
// What the budget saves is printed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/httpreplay"
	"example.com/safeconduct/middleware"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "budget:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	free, err := loop(ctx, w, "without a limit", gates.Limits{Cost: 1e12}) // counts
	if err != nil {
		return err
	}
	bound, err := loop(ctx, w, "with a budget of 10 cents", gates.Limits{
		Cost:     100_000, // micro-dollars
		Estimate: 100,     // tokens of output that a request is expected to take
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "saved: %s\n", dollars(free-bound))
	return nil
}

// loop runs the agent within limits, until they or its own patience of 40 turns
// stop it, and returns what it cost.
func loop(ctx context.Context, w io.Writer, title string, limits gates.Limits) (cost int64, err error) {
	client, err := stuck(ctx)
	if err != nil {
		return 0, err
	}
	model, err := openai.New(openai.WithModel("gpt-4"), openai.WithToken("none"), openai.WithHTTPClient(client))
	if err != nil {
		return 0, err
	}
	budget := gates.BudgetWith(gates.BudgetOptions{Model: "gpt-4"}, limits)
	agent := langchaingo.Executor(
		agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{tools.Calculator{}}), agents.WithMaxIterations(40)),
		meter(&cost), budget,
	)
	_, err = chains.Run(ctx, agent, "What is 5 plus 3? Please calculate this.")
	if err == nil {
		return 0, errors.New("the agent came to an end by itself")
	}
	var denied *middleware.DeniedError
	if errors.As(err, &denied) {
		err = errors.New(denied.Reason)
	}
	fmt.Fprintf(w, "%s: %s\n  stopped by: %v\n", title, dollars(cost), err)
	return cost, nil
}

// meter reads what the run has cost from the budget's balance.
func meter(cost *int64) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			for _, b := range middleware.RunOf(ctx).Balances() {
				*cost = b.Used
			}
			return res, err
		}
	}
}

func dollars(micro int64) string {
	return fmt.Sprintf("%d.%06d dollars", micro/1_000_000, micro%1_000_000)
}

// stuck returns a client to which a provider gives the same answer for ever.
func stuck(ctx context.Context) (*http.Client, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tmc/langchaingo").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find langchaingo's recordings (%w): use go run in this module", err)
	}
	dir := strings.TrimSpace(string(out))
	recording, err := httpreplay.ReadFile(filepath.Join(dir, "agents", "testdata", "TestExecutorWithMRKLAgent.httprr"))
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: repeat{recording[0]}}, nil
}

// A repeat answers every request as one was answered when it was recorded.
type repeat struct{ *httpreplay.Exchange }

func (r repeat) RoundTrip(req *http.Request) (*http.Response, error) { return r.Response(req), nil }
