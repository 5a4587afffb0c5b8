package langchaingo

import (
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
)

// Named returns m with a name of its own for records and errors, in place of its Go type,
// by which two models of one provider look alike:
//
//	triage := langchaingo.Named("triage", model)
//
// The name guards nothing: where nothing guards the model, it is just the model. It has
// SupportsReasoning and CreateEmbedding if and only if m has. A model that is guarded
// keeps its guard, and of two names the later one holds. A budget of cost looks for the
// name in its prices where a request names no model: with BudgetOptions.Model it need not
// be there. So do not give one model the name of another. Named panics if the name is
// empty or m is nil. What it returns is as safe for concurrent use as m.
func Named(name string, m llms.Model) llms.Model {
	mustName("Named", name, "model", m)
	if g, ok := m.(guardedModel); ok {
		return newModel(nameModel(name, g.guarded().inner), g.guarded().is)
	}
	return nameModel(name, m)
}

// NamedChain is [Named] for chains. [Chain] takes a named executor too, whose name is also
// that of its agent's turns. What of langchaingo's own chains takes a chain of one type
// only, such as an LLMChain, takes no named one.
func NamedChain(name string, c chains.Chain) chains.Chain {
	mustName("NamedChain", name, "chain", c)
	var g *chain
	switch guarded := c.(type) {
	case *chain:
		g = guarded
	case *handlerChain:
		g = guarded.chain
	default:
		return nameChain(name, c)
	}
	return ofUser(nameChain(name, g.user), newChain(nameChain(name, g.inner), g.is))
}

// NamedRetriever is [Named] for retrievers.
func NamedRetriever(name string, r schema.Retriever) schema.Retriever {
	mustName("NamedRetriever", name, "retriever", r)
	if g, ok := r.(*retriever); ok {
		return newRetriever(nameRetriever(name, g.inner), g.is)
	}
	return nameRetriever(name, r)
}

func mustName(who, name, what string, v any) {
	if name == "" || isNil(v) {
		panic("langchaingo: " + who + ": no name, or a nil " + what)
	}
}

// A name is what Named and the others called something.
type name string

func (n name) givenName() string { return string(n) }

// A namedThing has a name that was given to it.
type namedThing interface{ givenName() string }

type (
	namedModel struct {
		llms.Model
		name
	}
	namedReasoningModel struct {
		*namedModel
		reasoner
	}
	namedEmbedderModel struct {
		*namedModel
		embedder
	}
	namedReasoningEmbedderModel struct {
		*namedModel
		reasoner
		embedder
	}

	namedChain struct {
		chains.Chain
		name
	}
	namedHandlerChain struct {
		*namedChain
		callbacks.HandlerHaver
	}

	namedRetriever struct {
		schema.Retriever
		name
	}
)

// Unwrap returns the model without the name.
func (m *namedModel) Unwrap() llms.Model { return m.Model }

// Unwrap returns the chain without the name.
func (c *namedChain) Unwrap() chains.Chain { return c.Chain }

// Unwrap returns the retriever without the name.
func (r *namedRetriever) Unwrap() schema.Retriever { return r.Retriever }

// nameModel names a model that is not guarded.
func nameModel(as string, m llms.Model) llms.Model {
	if n, ok := m.(namedThing); ok {
		m = n.(interface{ Unwrap() llms.Model }).Unwrap() //nolint:forcetypeassert // a named model
	}
	n := &namedModel{m, name(as)}
	r, reasons := m.(llms.ReasoningModel)
	e, embeds := m.(embedder)
	switch {
	case reasons && embeds:
		return &namedReasoningEmbedderModel{n, reasoner{r}, e}
	case reasons:
		return &namedReasoningModel{n, reasoner{r}}
	case embeds:
		return &namedEmbedderModel{n, e}
	}
	return n
}

// nameChain names a chain that is not guarded, or the inside of one that is. The turns
// of an executor's guarded agent have the same name.
func nameChain(as string, c chains.Chain) chains.Chain {
	c, _ = withoutName(c)
	if e, ok := c.(*agents.Executor); ok {
		if g, ok := e.Agent.(*agent); ok {
			named := *e
			turns := newAgent(g, guards{})
			turns.name = as
			named.Agent, c = turns, &named
		}
	}
	n := &namedChain{c, name(as)}
	if h, ok := c.(callbacks.HandlerHaver); ok {
		return &namedHandlerChain{n, h}
	}
	return n
}

// withoutName returns a chain without its name, and that, if it has one.
func withoutName(c chains.Chain) (inner chains.Chain, as string) {
	switch n := c.(type) {
	case *namedChain:
		return n.Chain, n.givenName()
	case *namedHandlerChain:
		return n.Chain, n.givenName()
	}
	return c, ""
}

// nameRetriever names a retriever that is not guarded.
func nameRetriever(as string, r schema.Retriever) schema.Retriever {
	if n, ok := r.(*namedRetriever); ok {
		r = n.Retriever
	}
	return &namedRetriever{r, name(as)}
}
