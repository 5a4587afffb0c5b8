package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/httpreplay"
)

// newExecutor makes the agent, whose model knows the recorded conversation once.
func newExecutor(ctx context.Context) (*agents.Executor, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tmc/langchaingo").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find langchaingo's recordings (%w): use go run in this module", err)
	}
	recordings := filepath.Join(strings.TrimSpace(string(out)), "agents", "testdata")
	t, err := httpreplay.Open(filepath.Join(recordings, "TestOpenAIFunctionsAgentWithHTTPRR.httprr"))
	if err != nil {
		return nil, err
	}
	model, err := openai.New(openai.WithModel("gpt-4o"), openai.WithToken("none"), openai.WithHTTPClient(t.Client()))
	if err != nil {
		return nil, err
	}
	return agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{tools.Calculator{}},
		agents.NewOpenAIOption().WithSystemMessage("You are a helpful assistant that can perform calculations."))), nil
}
