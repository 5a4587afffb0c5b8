// Sequential runs one chain after another. In one row, the second is not guarded.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/prompts"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	budget := gates.Budget(gates.Limits{ModelCalls: 2})
	title := prompts.NewPromptTemplate("A synopsis of {{.title}}:", []string{"title"})
	review := prompts.NewPromptTemplate("A review of {{.synopsis}}:", []string{"synopsis"})

	first := chains.NewLLMChain(langchaingo.Model(llm, budget), title)
	first.OutputKey = "synopsis"
	second := chains.NewLLMChain(llm, review)
	half, err := chains.NewSimpleSequentialChain([]chains.Chain{first, second})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chains.Run(context.Background(), half, "Tragedy at sunset")) // AROUND

	third := chains.NewLLMChain(langchaingo.Model(llm, budget), review)
	whole, err := chains.NewSimpleSequentialChain([]chains.Chain{first, third})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chains.Run(context.Background(), whole, "Tragedy at sunset"))
}
