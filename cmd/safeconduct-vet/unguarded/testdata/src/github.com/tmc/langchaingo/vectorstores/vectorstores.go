// Package vectorstores has the names of langchaingo's.
package vectorstores

import (
	"context"

	"github.com/tmc/langchaingo/schema"
)

type Option func()

type VectorStore interface {
	AddDocuments(ctx context.Context, docs []schema.Document, options ...Option) ([]string, error)
	SimilaritySearch(ctx context.Context, query string, numDocuments int, options ...Option) ([]schema.Document, error)
}

type Retriever struct{ v VectorStore }

func (Retriever) GetRelevantDocuments(ctx context.Context, query string) ([]schema.Document, error) {
	return nil, nil
}

func ToRetriever(v VectorStore, n int, options ...Option) Retriever { return Retriever{v} }
