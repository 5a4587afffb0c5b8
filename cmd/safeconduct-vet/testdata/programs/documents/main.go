// Documents asks questions about documents, with two chains of which one is guarded.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/schema"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	model := langchaingo.Model(llm, gates.Budget(gates.Limits{Tokens: 1000}))
	docs := []schema.Document{{PageContent: "Harrison went to Harvard."}}
	in := map[string]any{"input_documents": docs, "question": "Where did Harrison go?"}
	answer, err := chains.Call(context.Background(), chains.LoadStuffQA(model), in)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
	refine := chains.LoadRefineQA(llm)
	answer, err = chains.Call(context.Background(), refine, in) // AROUND
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
	reduce := chains.LoadMapReduceSummarization(model)
	fmt.Println(chains.Predict(context.Background(), reduce, in))
}
