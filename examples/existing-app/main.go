// Existing-app is an application on langchaingo that adopts safeconduct in one
// line, the one that says so. The agent's model is replayed from a recording
// that ships with langchaingo.
package main

import (
	"context"
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
	"github.com/tmc/langchaingo/tools/serpapi"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/httpreplay"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "existing-app:", err)
		os.Exit(1)
	}
}

// run is the application.
func run(ctx context.Context, w io.Writer) error {
	executor, err := newExecutor(ctx)
	if err != nil {
		return err
	}

	// This was "agent := executor". It is the one line that changed.
	agent := langchaingo.Executor(executor, gates.Tools("calculator"), gates.Budget(gates.Limits{ToolCalls: 3}))

	answer, err := chains.Run(ctx, agent, "What is 5 plus 3? Please calculate this.")
	if err != nil {
		return err
	}
	fmt.Fprintln(w, strings.TrimSpace(answer))
	fmt.Fprint(w, "\n", agent) // prints what guards it, outermost first
	return nil
}

// newExecutor makes the agent, as the application always has.
func newExecutor(ctx context.Context) (*agents.Executor, error) {
	client, err := recording(ctx, "agents", "testdata", "TestExecutorWithMRKLAgent.httprr")
	if err != nil {
		return nil, err
	}
	model, err := openai.New(openai.WithModel("gpt-4"), openai.WithToken("none"), openai.WithHTTPClient(client))
	if err != nil {
		return nil, err
	}
	search, err := serpapi.New(serpapi.WithAPIKey("none"))
	if err != nil {
		return nil, err
	}
	return agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{search, tools.Calculator{}})), nil
}

// recording returns a client that replays a recording of langchaingo's.
func recording(ctx context.Context, path ...string) (*http.Client, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tmc/langchaingo").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find langchaingo's recordings (%w): use go run in this module", err)
	}
	t, err := httpreplay.Open(filepath.Join(append([]string{strings.TrimSpace(string(out))}, path...)...))
	if err != nil {
		return nil, err
	}
	return t.Client(), nil
}
