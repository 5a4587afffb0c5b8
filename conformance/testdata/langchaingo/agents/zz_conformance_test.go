package agents_test

import (
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/conformance/probe"
)

func TestMain(m *testing.M) {
	guard, done := probe.FromEnv()
	if guard != nil {
		chains.HookChain = func(c chains.Chain) chains.Chain { return langchaingo.Chain(c, guard...) }
		chains.HookModel = func(m llms.Model) llms.Model { return langchaingo.Model(m, guard...) }
		agents.HookAgent = func(a agents.Agent) agents.Agent { return langchaingo.Agent(a, guard...) }
		agents.HookTools = func(ts []tools.Tool) []tools.Tool { return langchaingo.Tools(ts, guard...) }
	}
	done(m.Run())
}
