// Package agents has the names of langchaingo's.
package agents

import (
	"context"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

type Option func()

type Agent interface {
	Plan(ctx context.Context, steps []schema.AgentStep, inputs map[string]string, options ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error)
	GetInputKeys() []string
	GetOutputKeys() []string
	GetTools() []tools.Tool
}

type OneShotZeroAgent struct {
	Chain chains.Chain
	Tools []tools.Tool
}

func (*OneShotZeroAgent) Plan(context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	return nil, nil, nil
}
func (*OneShotZeroAgent) GetInputKeys() []string  { return nil }
func (*OneShotZeroAgent) GetOutputKeys() []string { return nil }
func (*OneShotZeroAgent) GetTools() []tools.Tool  { return nil }

func NewOneShotAgent(llm llms.Model, ts []tools.Tool, opts ...Option) *OneShotZeroAgent { return nil }

type Executor struct{ Agent Agent }

func (*Executor) Call(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
	return nil, nil
}
func (*Executor) GetMemory() schema.Memory { return nil }
func (*Executor) GetInputKeys() []string   { return nil }
func (*Executor) GetOutputKeys() []string  { return nil }

func NewExecutor(a Agent, opts ...Option) *Executor { return &Executor{a} }
