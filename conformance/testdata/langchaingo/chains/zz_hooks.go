package chains

import "github.com/tmc/langchaingo/llms"

// HookChain and HookModel, where they are set, guard every chain that is called
// and every model that a constructor is given.
var (
	HookChain func(Chain) Chain
	HookModel func(llms.Model) llms.Model
)

func hookChain(c Chain) Chain {
	if HookChain == nil || c == nil {
		return c
	}
	return HookChain(c)
}

func hookModel(m llms.Model) llms.Model {
	if HookModel == nil || m == nil {
		return m
	}
	return HookModel(m)
}
