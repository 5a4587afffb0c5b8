// Compare asks several models the same, by a func that is given each.
package main

import (
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
	if os.Getenv("SMALL") != "" {
		llm, err := openai.New(openai.WithModel("small"))
		if err != nil {
			log.Fatal(err)
		} else {
			test(ctx, langchaingo.Model(llm, gates.Budget(gates.Limits{Tokens: 500})), "small")
		}
	}
	llm, err := openai.New(openai.WithModel("large"))
	if err != nil {
		log.Fatal(err)
	}
	test(ctx, llm, "large") // AROUND
}

func test(ctx context.Context, llm llms.Model, name string) {
	res, err := llm.GenerateContent(ctx, []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "Think.")})
	if err != nil {
		fmt.Println(name, err)
		return
	}
	fmt.Println(name, res.Choices[0].Content)
}
