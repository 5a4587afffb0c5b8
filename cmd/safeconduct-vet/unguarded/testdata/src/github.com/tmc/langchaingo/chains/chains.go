// Package chains has the names of langchaingo's.
package chains

import (
	"context"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
)

type ChainCallOption func()

type Chain interface {
	Call(ctx context.Context, inputs map[string]any, options ...ChainCallOption) (map[string]any, error)
	GetMemory() schema.Memory
	GetInputKeys() []string
	GetOutputKeys() []string
}

func Call(ctx context.Context, c Chain, inputs map[string]any, options ...ChainCallOption) (map[string]any, error) {
	return nil, nil
}

func Run(ctx context.Context, c Chain, input any, options ...ChainCallOption) (string, error) {
	return "", nil
}

func Predict(ctx context.Context, c Chain, inputs map[string]any, options ...ChainCallOption) (string, error) {
	return "", nil
}

func Apply(ctx context.Context, c Chain, inputs []map[string]any, workers int, options ...ChainCallOption) ([]map[string]any, error) {
	return nil, nil
}

type LLMChain struct {
	LLM       llms.Model
	OutputKey string
}

func (LLMChain) Call(context.Context, map[string]any, ...ChainCallOption) (map[string]any, error) {
	return nil, nil
}
func (LLMChain) GetMemory() schema.Memory { return nil }
func (LLMChain) GetInputKeys() []string   { return nil }
func (LLMChain) GetOutputKeys() []string  { return nil }

func NewLLMChain(llm llms.Model, prompt string, opts ...ChainCallOption) *LLMChain {
	return &LLMChain{LLM: llm}
}

func NewConversation(llm llms.Model, memory schema.Memory) LLMChain { return LLMChain{} }

func NewRetrievalQAFromLLM(llm llms.Model, retriever schema.Retriever) LLMChain { return LLMChain{} }

func NewSimpleSequentialChain(chains []Chain) (*LLMChain, error) { return nil, nil }

type Transform struct{ LLMChain }

type TransformFunc func(context.Context, map[string]any, ...ChainCallOption) (map[string]any, error)

func NewTransform(f TransformFunc, in, out []string) Transform { return Transform{} }
