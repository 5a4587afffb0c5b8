// Package anthropic has the names of Anthropic's client.
package anthropic

import "context"

type Client struct{ Messages MessageService }

type MessageService struct{}

func NewClient() Client { return Client{} }

func (*MessageService) New(ctx context.Context, body string) (string, error) { return "", nil }
func (*MessageService) NewStreaming(ctx context.Context, body string) string { return "" }
