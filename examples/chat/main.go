// Chat guards a conversation with one line: what a session may take of its model.
package main

import (
	"context"
	"fmt"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/memory"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func main() {
	// A script; yours may be openai.New(). Each answer is said to take 10 and 5 tokens.
	model := langchaingotest.NewModel(nil, langchaingotest.Say("Good evening.").Using(10, 5).Always())
	conversation := chains.NewConversation(model, memory.NewConversationBuffer())

	chat := langchaingo.Chain(&conversation, gates.Budget(gates.Limits{Scope: gates.ScopeSession, Tokens: 200, Estimate: 100}))

	ctx := middleware.WithIdentity(context.Background(), middleware.Identity{Session: "evening"})
	for range 3 {
		fmt.Println(chains.Run(ctx, chat, "Good evening! How are you?"))
	}
}
