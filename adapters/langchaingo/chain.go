package langchaingo

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"

	"example.com/safeconduct/middleware"
)

// Chain guards a chain and its memory, and the models, retrievers and agents that a
// chain of langchaingo's own holds, however deep; see "What a chain reaches" in the
// package doc. Given an executor it does what [Executor] does, and refuses an agent whose
// model it cannot reach only where a gate is for models. The chain is copied, not changed.
//
// Each run of it is a Call of KindChain, named by
// the chain's type, whose Input and Output are the chain's values. If the caller set
// a StreamingFunc, or a callback as an option, that is its Stream, which gets what
// models within the chain stream. With a denial the chain returns an empty map, with
// a failure what the wrapped chain returned: langchaingo's own chains use both.
//
// A chain that is already guarded is not wrapped twice; see [Tool], also for when
// Chain panics. The chain that it returns is as safe for concurrent use as c.
func Chain(c chains.Chain, is ...middleware.Interceptor) chains.Chain {
	if isNil(c) {
		panic("langchaingo: Chain: nil chain")
	}
	r := newReach(is)
	switch g := c.(type) {
	case *chain:
		return r.again(g, is)
	case *handlerChain:
		return r.again(g.chain, is)
	}
	guarded := r.outermost(c)
	r.check("Chain", c, is)
	return ofUser(c, newChain(guarded, is))
}

// again guards a guarded chain once more.
func (r *reach) again(g *chain, is []middleware.Interceptor) chains.Chain {
	guarded := r.outermost(g.inner)
	r.check("Chain", g.user, is)
	return ofUser(g.user, newChain(guarded, middleware.Merge(middleware.KindChain, is, g.is)))
}

// ofUser returns the guarded form of c, of which c is what the user knows: newChain got
// a copy of it.
func ofUser(c, guarded chains.Chain) chains.Chain {
	switch g := guarded.(type) {
	case *chain:
		g.user = c
	case *handlerChain:
		g.user = c
	}
	return guarded
}

// newChain guards the runs of a chain and its memory.
func newChain(c chains.Chain, is []middleware.Interceptor) chains.Chain {
	return newChainSaving(c, is, is)
}

// newChainSaving is newChain with other interceptors around the saves to the memory.
func newChainSaving(c chains.Chain, is, saves []middleware.Interceptor) chains.Chain {
	g := &chain{inner: c, user: c, name: typeName(c), is: is, saves: saves}
	g.handler = middleware.Wrap(g.run, is...)
	g.GetMemory() // an order that makes no sense is refused here, not in a run
	if h, ok := c.(callbacks.HandlerHaver); ok {
		return &handlerChain{g, h}
	}
	return g
}

// A chain is a guarded chain.
type chain struct {
	inner   chains.Chain // with guarded models and what else is in it
	user    chains.Chain // as it was given
	name    string
	is      []middleware.Interceptor
	saves   []middleware.Interceptor // around those to the memory
	handler middleware.Handler
	memory  memoryCache
}

// A handlerChain is a guarded chain that has a callbacks handler.
type handlerChain struct {
	*chain
	callbacks.HandlerHaver
}

// Unwrap returns the chain without its guard.
func (c *chain) Unwrap() chains.Chain { return c.user }

// Guarded says what stands around the chain.
func (c *chain) Guarded() middleware.Guarded {
	return middleware.Guarded{
		Kind: middleware.KindChain, Name: c.name, Interceptors: c.is, Inner: c.inner, Parts: []any{c.GetMemory()},
	}
}

// String prints the order of the interceptors.
func (c *chain) String() string { return onion(middleware.KindChain, c.name, c.is) }

func (c *chain) GetInputKeys() []string  { return c.inner.GetInputKeys() }
func (c *chain) GetOutputKeys() []string { return c.inner.GetOutputKeys() }

// GetMemory returns the guarded memory of the chain.
func (c *chain) GetMemory() schema.Memory { return c.memory.guard(c.inner.GetMemory(), c.saves) }

// Call runs the guarded chain.
func (c *chain) Call(ctx context.Context, inputs map[string]any, options ...chains.ChainCallOption) (map[string]any, error) {
	stream := chainStream(options)
	f := &frame[chainCall]{ctx, chainCall{options: options, inputs: inputs, was: fingerprintOf(inputs, hashValue), streams: stream != nil}}
	f.call.isSaved = c.isSaved()
	var returned map[string]any
	defer func() { c.finish(&f.call, returned) }()
	res, err := c.handler(f, middleware.Call{Kind: middleware.KindChain, Name: c.name, Input: inputs, Stream: stream})
	if err != nil {
		if f.call.partial == nil || isDenied(err) {
			return map[string]any{}, err
		}
		return f.call.partial, err
	}
	out, ok := res.Output.(map[string]any)
	if !ok {
		return map[string]any{}, wrongOutput(middleware.KindChain, c.name, res.Output)
	}
	returned = out
	return out, nil
}

func (c *chain) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	f, in, err := frameAndInput[chainCall, map[string]any](ctx, call)
	if err != nil {
		return middleware.Result{}, err
	}
	if !unchanged(f.was, f.inputs, hashValue) {
		return middleware.Result{}, modifiedInPlace(call)
	}
	var v streamGuard
	out, err := c.inner.Call(ctx, in, v.chainOptions(f.options, f.streams, call)...)
	if refused := v.error(); refused != nil {
		err = refused
	}
	if err == nil {
		err = f.unanswered()
	}
	if err != nil {
		f.partial = out
		return middleware.Result{}, err
	}
	f.extend(ctx)
	f.was = fingerprintOf(f.inputs, hashValue) // the chain may have changed its inputs, and be called again
	return middleware.Result{Output: out}, nil
}

// A chainCall is one run of a guarded chain. Where the chain runs agents it also
// holds the tool calls that their turns asked for.
type chainCall struct {
	options []chains.ChainCallOption
	inputs  map[string]any // as they came
	was     fingerprint    // of them
	streams bool
	partial map[string]any // what came with an error

	isSaved bool                  // to the chain's memory, once Call has returned
	run     *middleware.Run       // if that is part of it
	more    *middleware.Extension // of the run, until then; nil if it ends with the chain

	mu       sync.Mutex
	expected []expectedCall // and not yet claimed
}

// An expectedCall is one call of a registered tool that a turn of an agent asked for.
type expectedCall struct {
	tool   string // as it is registered
	action schema.AgentAction
	denied *toldDenial // of the whole turn; nil if it was allowed
}

// A toldDenial is the denial of a turn that the model is told of.
type toldDenial struct {
	said   middleware.Observation
	denial *middleware.DeniedError
}

// expect keeps the actions that a turn of an agent asks for; calls are the same in
// neutral types. Tools that are not registered are left out: the executor answers
// those itself.
func (c *chainCall) expect(actions []schema.AgentAction, calls []middleware.ToolCall, denied *toldDenial) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, act := range actions {
		if tool := calls[i].Registered; tool != "" {
			c.expected = append(c.expected, expectedCall{tool, act, denied})
		}
	}
}

// claim finds the action that asked for the tool call that is about to be made. The
// executor passes on neither the action nor its ID, so claim takes the first one with
// the same tool and arguments, preferring those of a denied turn. It returns the
// provider's ID and, if the turn was denied, its denial.
func (c *chainCall) claim(name, input string) (id string, refused *toldDenial) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := -1
	for i, a := range c.expected {
		if a.tool != name || toolInput(a.action) != input {
			continue
		}
		if found < 0 || a.denied != nil && c.expected[found].denied == nil {
			found = i
		}
	}
	if found < 0 {
		return "", nil
	}
	a := c.expected[found]
	c.expected = slices.Delete(c.expected, found, found+1)
	return a.action.ToolID, a.denied
}

// unanswered returns the error of a run in which a tool call of a denied turn was not
// answered by its guard. An executor that does not take its tools from the agent's
// GetTools may have made the call.
func (c *chainCall) unanswered() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.expected {
		if a.denied != nil {
			return fmt.Errorf("langchaingo: a denied call of the tool %s was not answered by its guard, and may have been made: %w",
				a.tool, a.denied.denial)
		}
	}
	return nil
}

// A memoryCache keeps the guarded form of a chain's memory.
type memoryCache struct {
	mu      sync.Mutex
	inner   schema.Memory
	guarded schema.Memory
	turns   turns
}

func (c *memoryCache) guard(m schema.Memory, is []middleware.Interceptor) schema.Memory {
	if _, keepsNothing := m.(memory.Simple); keepsNothing || isNil(m) {
		return m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !sameValue(c.inner, m) {
		g := guardMemory(m, is)
		g.turns = &c.turns
		c.inner, c.guarded = m, g
	}
	return c.guarded
}
