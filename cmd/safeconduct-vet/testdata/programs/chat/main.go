// Chat talks with a guarded model, and warms it up before it is guarded.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

func main() {
	ctx := context.Background()
	var llm llms.Model
	llm, err := openai.New(openai.WithModel("gpt-4o"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := llms.GenerateFromSinglePrompt(ctx, llm, "ping"); err != nil { // AROUND
		log.Fatal(err)
	}
	llm = langchaingo.Model(llm, gates.Budget(gates.Limits{ModelCalls: 10}))
	var history []llms.MessageContent
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		history = append(history, llms.TextParts(llms.ChatMessageTypeHuman, in.Text()))
		res, err := llm.GenerateContent(ctx, history)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.Choices[0].Content)
	}
}
