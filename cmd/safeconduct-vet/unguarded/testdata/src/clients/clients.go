// Package main sends requests with providers' own clients.
package main

import (
	"context"

	_ "example.com/safeconduct/middleware"

	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	guard "example.com/safeconduct/adapters/openai"
	"github.com/anthropics/anthropic-sdk-go"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

type service struct{ openai openai.Client }

func (s *service) ask(ctx context.Context) {
	s.openai.Chat.Completions.New(ctx, "") // want `s.openai.Chat.Completions.New goes around the guards: its model comes from openai.NewClient \(line 30\)`
}

type safe struct{ openai *openai.Client }

func (s *safe) ask(ctx context.Context) { s.openai.Chat.Completions.New(ctx, "") }

func main() {
	ctx := context.Background()
	client := openai.NewClient(option.WithAPIKey(""))
	s := service{openai.NewClient()}
	s.ask(ctx)
	client.Chat.Completions.New(ctx, "") // want `client.Chat.Completions.New goes around the guards: its model comes from openai.NewClient \(line 29\); make it in a func that middleware.Wrap guards`
	client.Chat.Completions.Get(ctx, "")
	chat := client.Chat
	chat.Completions.New(ctx, "") // want `chat.Completions.New goes around`

	guarded := openai.NewClient(option.WithAPIKey(""), guard.Middleware())
	guarded.Chat.Completions.New(ctx, "")
	(&safe{&guarded}).ask(ctx)

	double := openai.NewClient(langchaingotest.Option())
	double.Chat.Completions.New(ctx, "")     // want `double.Chat.Completions.New goes around`
	langchaingotest.NewModel().Call(ctx, "") // want `Call goes around the guards: its model comes from langchaingotest.NewModel`

	claude := anthropic.NewClient()
	claude.Messages.New(ctx, "")          // want `claude.Messages.New goes around`
	claude.Messages.NewStreaming(ctx, "") // want `claude.Messages.NewStreaming goes around`

	session, _ := mcp.NewClient().Connect(ctx)
	session.CallTool(ctx, "") // want `session.CallTool goes around the guards: its tool comes from mcp.NewClient`
	session.ListTools(ctx)
}
