// Package cache has the names of langchaingo's.
package cache

import (
	"context"

	"github.com/tmc/langchaingo/llms"
)

type Cacher struct{ llm llms.Model }

func New(llm llms.Model) *Cacher { return &Cacher{llm} }

func (*Cacher) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	return nil, nil
}

func (*Cacher) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return "", nil
}
