// Caching has a cache around a guarded model, and one around another.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

type memory map[string]*llms.ContentResponse

func (m memory) Get(_ context.Context, key string) *llms.ContentResponse { return m[key] }

func (m memory) Put(_ context.Context, key string, response *llms.ContentResponse) { m[key] = response }

func main() {
	ctx := context.Background()
	var llm llms.Model
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	raw := cache.New(llm, memory{})
	llm = langchaingo.Model(llm, gates.Budget(gates.Limits{ModelCalls: 1}))
	llm = cache.New(llm, memory{})
	for range 3 {
		fmt.Println(llms.GenerateFromSinglePrompt(ctx, llm, "Who walked on the moon?"))
	}
	fmt.Println(llms.GenerateFromSinglePrompt(ctx, raw, "Who walked on the moon?")) // AROUND
}
