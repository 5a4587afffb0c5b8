// Conversation remembers, and is guarded in full.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/memory"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	bot := chains.NewConversation(langchaingo.Model(llm, gates.Budget(gates.Limits{ModelCalls: 9})), memory.NewConversationBuffer())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		out, err := chains.Run(context.Background(), bot, in.Text())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(out)
	}
}
