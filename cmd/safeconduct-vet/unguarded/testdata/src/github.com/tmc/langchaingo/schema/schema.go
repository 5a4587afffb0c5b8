// Package schema has the names of langchaingo's.
package schema

import "context"

type (
	Document    struct{ PageContent string }
	AgentStep   struct{}
	AgentAction struct{}
	AgentFinish struct{}
)

type Retriever interface {
	GetRelevantDocuments(ctx context.Context, query string) ([]Document, error)
}

type Memory interface {
	Clear(ctx context.Context) error
}
