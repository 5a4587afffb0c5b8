package langchaingo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
)

// A summarizer is a tool that has a model of its own.
type summarizer struct{ model llms.Model }

func (s *summarizer) Name() string        { return "summarize" }
func (s *summarizer) Description() string { return "summarizes" }
func (s *summarizer) Call(ctx context.Context, in string) (string, error) {
	return s.model.Call(ctx, in)
}

// A helped is an agent that has models and tools besides those of the agent in it.
type helped struct {
	foreign
	more any
}

// An answering is an agent that is a model, too.
type answering struct {
	foreign
	llms.Model
}

// TestAnAgentWhoseModelIsNotGuardedIsRefused: the guarded model of a tool, or of
// something else that the agent has, is not the agent's.
func TestAnAgentWhoseModelIsNotGuardedIsRefused(t *testing.T) {
	guarded := langchaingo.Model(says(), pass)
	tool := tools.Tool(&summarizer{guarded})
	agent := func(m llms.Model, more any) agents.Agent {
		return &helped{foreign{agents.NewOneShotAgent(m, []tools.Tool{tool})}, more}
	}
	const unreachable, unguarded = "cannot reach the model of the agent *langchaingo_test.helped",
		"cannot reach the model of the agent *langchaingo_test.helped (langchaingo_test.script)"
	for name, tt := range map[string]struct {
		a    agents.Agent
		want string
	}{
		"its tool's model is guarded":        {agent(says(), nil), unguarded},
		"another of its tools has one":       {&helped{foreign{planner{tools: []tools.Tool{tool}}}, map[string]tools.Tool{"x": tool}}, unreachable},
		"one of its tools by the type":       {&helped{foreign{planner{tools: []tools.Tool{tool}}}, &summarizer{guarded}}, unreachable},
		"a fallback is guarded":              {agent(says(), guarded), unguarded},
		"a fallback is not guarded":          {agent(guarded, map[string]llms.Model{"fallback": says()}), unguarded},
		"a fallback is there by value":       {agent(guarded, script{}), unguarded},
		"its tool's other model, unguarded":  {agent(guarded, &summarizer{says()}), ""},
		"its tool's model, and it, guarded":  {agent(guarded, nil), ""},
		"its fallback is a model of no kind": {agent(guarded, llms.Model(nil)), ""},
		"its model is guarded in a cache":    {agent(cache.New(guarded, nil), nil), ""},
		"its model is unguarded in a cache":  {agent(cache.New(says(), nil), nil), unguarded},
		"it is its model, and not guarded":   {&answering{foreign{planner{tools: []tools.Tool{tool}}}, says()}, "(langchaingo_test.script)"},
		"it is its guarded model":            {&answering{foreign{planner{tools: []tools.Tool{tool}}}, guarded}, ""},
		"its model is in an unknown chain":   {&agents.OneShotZeroAgent{Chain: &ownChain{says()}, Tools: []tools.Tool{tool}}, "(langchaingo_test.script)"},
		"its chain's model is guarded":       {&agents.OneShotZeroAgent{Chain: &ownChain{guarded}, Tools: []tools.Tool{tool}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); tt.want == "" && got != "<nil>" || !strings.Contains(got, tt.want) {
					t.Errorf("got panic %s, want one with %q", got, tt.want)
				}
			}()
			langchaingo.Executor(agents.NewExecutor(tt.a), pass)
		})
	}
}
