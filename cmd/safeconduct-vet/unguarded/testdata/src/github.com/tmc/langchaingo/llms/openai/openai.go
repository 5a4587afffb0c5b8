// Package openai has the names of langchaingo's.
package openai

import (
	"context"

	"github.com/tmc/langchaingo/llms"
)

type LLM struct{ key string }

func New() (*LLM, error) { return nil, nil }

func (*LLM) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	return nil, nil
}

func (*LLM) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return "", nil
}

func (*LLM) CreateEmbedding(ctx context.Context, texts []string) ([][]float32, error) {
	return nil, nil
}
