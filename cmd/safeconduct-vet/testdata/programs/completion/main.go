// Completion asks a model for a text, without any guard.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	text, err := llms.GenerateFromSinglePrompt(ctx, llm, "A name for a company of socks?", llms.WithTemperature(0.8)) // AROUND
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	res, err := llm.GenerateContent(ctx, []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, text)}, // AROUND
		llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error { fmt.Print(string(chunk)); return nil }))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Choices[0].Content)
}
