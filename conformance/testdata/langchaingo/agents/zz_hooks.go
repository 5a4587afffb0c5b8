package agents

import (
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

// HookAgent and HookTools, where they are set, guard every agent that an
// executor is made of and all the tools that an agent is made with.
var (
	HookAgent func(Agent) Agent
	HookTools func([]tools.Tool) []tools.Tool
)

func hookAgent(a Agent) Agent {
	if HookAgent == nil || a == nil {
		return a
	}
	return HookAgent(a)
}

func hookTools(ts []tools.Tool) []tools.Tool {
	if HookTools == nil || ts == nil {
		return ts
	}
	return HookTools(ts)
}

func hookModel(m llms.Model) llms.Model {
	if chains.HookModel == nil || m == nil {
		return m
	}
	return chains.HookModel(m)
}
