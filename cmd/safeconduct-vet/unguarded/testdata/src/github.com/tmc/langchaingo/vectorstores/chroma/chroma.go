// Package chroma has the names of langchaingo's.
package chroma

import (
	"context"

	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/vectorstores"
)

type Store struct{}

func New() (Store, error) { return Store{}, nil }

func (Store) AddDocuments(ctx context.Context, docs []schema.Document, options ...vectorstores.Option) ([]string, error) {
	return nil, nil
}

func (Store) SimilaritySearch(ctx context.Context, query string, n int, options ...vectorstores.Option) ([]schema.Document, error) {
	return nil, nil
}
