// Package openai has the names of OpenAI's client.
package openai

import (
	"context"

	"github.com/openai/openai-go/v3/option"
)

type Client struct{ Chat ChatService }

type ChatService struct{ Completions ChatCompletionService }

type ChatCompletionService struct{}

func NewClient(opts ...option.RequestOption) Client { return Client{} }

func (*ChatCompletionService) New(ctx context.Context, body string) (string, error) { return "", nil }
func (*ChatCompletionService) Get(ctx context.Context, id string) (string, error)   { return "", nil }
