package langchaingo

import (
	"context"
	"maps"

	"github.com/tmc/langchaingo/schema"

	"example.com/safeconduct/middleware"
)

// Retriever guards a retriever. Each retrieval is a Call of KindRetriever, named by the
// retriever's type, whose Input is the query and whose Output are the documents, a
// []middleware.Document: what an interceptor leaves out of them, the chain does not get.
// The gate gates.Sources does that. A vector store is guarded as its retriever:
//
//	r := langchaingo.Retriever(vectorstores.ToRetriever(store, 5), gates.Sources(rules))
//
// A retriever that is already guarded is not wrapped twice; see [Tool], also for when
// Retriever panics. [Chain] guards the retrievers of langchaingo's own chains. What it
// returns is as safe for concurrent use as r.
func Retriever(r schema.Retriever, is ...middleware.Interceptor) schema.Retriever {
	if isNil(r) {
		panic("langchaingo: Retriever: nil retriever")
	}
	middleware.Reach{
		What: "langchaingo: Retriever(" + typeName(r) + ")", Kinds: []middleware.Kind{middleware.KindRetriever}, Alone: true,
		Instead: "Guard the chain that asks the retriever, with langchaingo.Chain",
	}.Check(is...)
	return newRetriever(r, is)
}

func newRetriever(r schema.Retriever, is []middleware.Interceptor) schema.Retriever {
	if g, ok := r.(*retriever); ok {
		r, is = g.inner, middleware.Merge(middleware.KindRetriever, is, g.is)
	}
	g := &retriever{inner: r, name: typeName(r), is: is}
	g.handler = middleware.Wrap(g.run, is...)
	return g
}

// A retriever is a guarded retriever.
type retriever struct {
	inner   schema.Retriever
	name    string
	is      []middleware.Interceptor
	handler middleware.Handler
}

// Unwrap returns the retriever without its guard.
func (r *retriever) Unwrap() schema.Retriever { return r.inner }

// Guarded says what stands around the retriever.
func (r *retriever) Guarded() middleware.Guarded {
	return middleware.Guarded{Kind: middleware.KindRetriever, Name: r.name, Interceptors: r.is, Inner: r.inner}
}

// String prints the order of the interceptors.
func (r *retriever) String() string { return onion(middleware.KindRetriever, r.name, r.is) }

// GetRelevantDocuments asks the guarded retriever.
func (r *retriever) GetRelevantDocuments(ctx context.Context, query string) ([]schema.Document, error) {
	res, err := r.handler(ctx, middleware.Call{Kind: middleware.KindRetriever, Name: r.name, Input: query})
	if err != nil {
		return nil, err
	}
	docs, ok := res.Output.([]middleware.Document)
	if !ok {
		return nil, wrongOutput(middleware.KindRetriever, r.name, res.Output)
	}
	native := make([]schema.Document, len(docs))
	for i, d := range docs {
		native[i] = schema.Document{PageContent: d.Text, Metadata: d.Metadata, Score: d.Score}
	}
	return native, nil
}

func (r *retriever) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	query, err := input[string](call)
	if err != nil {
		return middleware.Result{}, err
	}
	native, err := r.inner.GetRelevantDocuments(ctx, query)
	if err != nil {
		return middleware.Result{}, err
	}
	docs := make([]middleware.Document, len(native))
	for i, d := range native { // what the store keeps is not what was judged
		docs[i] = middleware.Document{Text: d.PageContent, Metadata: maps.Clone(d.Metadata), Score: d.Score}
	}
	return middleware.Result{Output: docs}, nil
}
