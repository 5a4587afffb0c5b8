// Retrieval answers from a store of documents, which it also searches itself.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/vectorstores"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
)

type store struct{ docs []schema.Document }

func (s *store) AddDocuments(_ context.Context, docs []schema.Document, _ ...vectorstores.Option) ([]string, error) {
	s.docs = append(s.docs, docs...)
	return nil, nil
}

func (s *store) SimilaritySearch(context.Context, string, int, ...vectorstores.Option) ([]schema.Document, error) {
	return s.docs, nil
}

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	s := &store{}
	if _, err := s.AddDocuments(ctx, []schema.Document{{PageContent: "Tokyo"}}); err != nil {
		log.Fatal(err)
	}
	found, err := s.SimilaritySearch(ctx, "a city", 1) // AROUND
	if err != nil {
		log.Fatal(err)
	}
	retriever := vectorstores.ToRetriever(s, 1)
	more, err := retriever.GetRelevantDocuments(ctx, "a city") // AROUND
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found), len(more))
	qa := chains.NewRetrievalQAFromLLM(langchaingo.Model(llm, gates.Budget(gates.Limits{ModelCalls: 1})), retriever)
	fmt.Println(chains.Run(ctx, qa, "Which city?")) // AROUND
	fmt.Println(chains.Run(ctx, langchaingo.Chain(qa, gates.Budget(gates.Limits{ModelCalls: 1})), "Which city?"))
}
