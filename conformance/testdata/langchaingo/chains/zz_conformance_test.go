package chains_test

import (
	"testing"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/conformance/probe"
)

func TestMain(m *testing.M) {
	guard, done := probe.FromEnv()
	if guard != nil {
		chains.HookChain = func(c chains.Chain) chains.Chain { return langchaingo.Chain(c, guard...) }
		chains.HookModel = func(m llms.Model) llms.Model { return langchaingo.Model(m, guard...) }
	}
	done(m.Run())
}
