// Direct imports a provider's package of langchaingo, and nothing else of it.
package main

import (
	"context"
	"fmt"

	"github.com/tmc/langchaingo/llms/openai"

	_ "example.com/safeconduct/gates"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		panic(err)
	}
	fmt.Println(llm.Call(context.Background(), "hello")) // AROUND
}
