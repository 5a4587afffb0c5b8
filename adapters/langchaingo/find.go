package langchaingo

import (
	"reflect"
	"slices"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/embeddings"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/sqldatabase"
	"github.com/tmc/langchaingo/vectorstores"

	"example.com/safeconduct/middleware"
)

// A finder looks for what makes calls in a value of which nothing is known.
type finder struct {
	found []middleware.Guarded // what nothing guards has no interceptors
	seen  map[visited]int      // how many levels were looked at from there
	owns  map[visited]*own
	none  *own
	holds map[reflect.Type]bool

	program string // its main module
}

type visited struct {
	t   reflect.Type
	p   uintptr
	len int // of a slice
	in  part
}

// A part says what a value is a part of: calls of its kind are those of the whole.
type part struct {
	retriever bool
	agent     *own // the innermost that is guarded, or another
	nested    bool // in another agent in that
	store     bool // of vectors
	shared    bool // others may use it at the same time
	locked    bool // as they do by a lock

	module string // that of the chain, agent, retriever or memory
}

// An own are the tools of a guarded agent.
type own struct{ tools []tools.Tool }

// deep is how many levels are looked at: the fields of a struct are one more.
const deep = 24

func newFinder() *finder {
	return &finder{seen: make(map[visited]int), owns: make(map[visited]*own), none: new(own), holds: make(map[reflect.Type]bool)}
}

// callers returns what makes calls in v, or is it.
func callers(v any, in part) []middleware.Guarded {
	f := newFinder()
	in = in.of(v)
	f.find(reflect.ValueOf(v), deep, in)
	return f.found
}

// callersWithin returns what makes calls in the fields of v.
func callersWithin(v any, in part) []middleware.Guarded {
	f := newFinder()
	in = in.of(v)
	f.fields(addressable(reflect.ValueOf(v)), deep, in)
	return f.found
}

// addressable returns v, or a copy of it, such that its fields can be read.
func addressable(v reflect.Value) reflect.Value {
	switch {
	case !v.IsValid():
	case !v.CanAddr():
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		return c
	case !v.CanInterface():
		return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	}
	return v
}

// note notes thing, which makes calls, but for what has a part in those of the whole.
func (f *finder) note(thing any, in part, g middleware.Guarded) {
	switch {
	case g.Kind == middleware.KindRetriever && in.retriever:
	case g.Kind == middleware.KindPlan && in.agent != nil: // another form of that
	case g.Kind == middleware.KindTool && in.calls(thing):
	default:
		f.found = append(f.found, g)
	}
}

// calls reports whether the agent that has thing calls it as one of its tools, or calls
// one that has it.
func (in part) calls(thing any) bool {
	return in.agent != nil && slices.ContainsFunc(in.agent.tools, func(t tools.Tool) bool {
		return in.same(thing, t) || slices.ContainsFunc(toolsOf(t), func(t tools.Tool) bool { return in.same(thing, t) })
	})
}

// same reports whether thing, a pointer, is t, or points to it. Another agent's may be
// equal.
func (in part) same(thing any, t tools.Tool) bool {
	v := reflect.ValueOf(thing).Elem()
	return v.Type().Size() > 0 && sameValue(thing, t) || !in.nested && (sameValue(thing, t) || sameValue(v.Interface(), t))
}

// toolsOf returns the tools that the fields of a tool hold.
func toolsOf(t tools.Tool) (held []tools.Tool) {
	v := reflect.Indirect(addressable(reflect.ValueOf(t)))
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Interface {
			if t, ok := addressable(v.Field(i)).Interface().(tools.Tool); ok {
				held = append(held, t)
			}
		}
	}
	return held
}

// find notes v, if it makes calls, and what else in it does.
func (f *finder) find(v reflect.Value, levels int, in part) {
	if levels == 0 || !v.IsValid() {
		return
	}
	v = addressable(v)
	switch v.Kind() {
	case reflect.Interface:
		f.held(v, levels, in)
		return
	case reflect.Pointer:
		if f.isNew(visited{t: v.Type(), p: v.Pointer(), in: in}, levels) {
			f.find(v.Elem(), levels, in)
		}
		return
	default:
	}
	switch thing := v.Addr().Interface().(type) {
	case guardedThing:
		f.guarded(v, thing.Guarded(), levels, in)
	case *cache.Cacher, namedThing:
		f.fields(v, levels, in) // what counts is the model that it asks, or names
	case tools.Tool:
		f.note(thing, in, middleware.Guarded{Kind: middleware.KindTool, Name: nameOf(thing)})
	case llms.Model:
		f.note(thing, in, middleware.Guarded{Kind: middleware.KindModel, Name: typeName(thing)})
	case *embeddings.EmbedderImpl:
		// It asks the model that it has for no answer.
	case *memory.ConversationTokenBuffer:
		f.find(reflect.ValueOf(&thing.ConversationBuffer), levels, in) // nor does this, which counts tokens
	case chains.Chain:
		in = part{retriever: in.retriever} // an executor runs agents by itself
		f.fields(v, levels, in.of(thing))
	case schema.Retriever:
		f.note(thing, in, middleware.Guarded{Kind: middleware.KindRetriever, Name: typeName(thing)})
		in.retriever, in.store, in.shared = true, isStore(thing), true
		f.fields(v, levels, in.of(thing))
	case vectorstores.VectorStore:
		in.store, in.shared = true, true
		f.fields(v, levels, in.of(thing))
	case agents.Agent:
		within := in.agentWith(listed(thing), f.none)
		f.note(thing, in, middleware.Guarded{Kind: middleware.KindPlan, Name: typeName(thing)})
		f.fields(v, levels, within.of(thing))
	case schema.Memory:
		in.shared = true
		f.fields(v, levels, in.of(thing))
	default:
		f.fields(v, levels, in)
	}
}

// isNew reports whether something was not looked at yet, or less deep, in such a part.
func (f *finder) isNew(at visited, levels int) bool {
	if f.seen[at] >= levels {
		return false
	}
	f.seen[at] = levels
	return true
}

// agentWith returns what is in an agent with these tools: if they are those of the agent
// that has it, it is only a form of that.
func (in part) agentWith(ts []tools.Tool, none *own) part {
	in.store, in.shared, in.locked = false, false, false
	switch {
	case in.agent == nil:
		in.agent = none
	case len(ts) == 0 || len(ts) != len(in.agent.tools) || &ts[0] != &in.agent.tools[0]:
		in.nested = true
	}
	return in
}

// listed returns the tools of an agent, or none where it cannot say them yet.
func listed(a agents.Agent) (ts []tools.Tool) {
	defer func() { _ = recover() }()
	return a.GetTools()
}

// A guardedThing says what stands around it.
type guardedThing interface{ Guarded() middleware.Guarded }

// held looks at what an interface holds.
func (f *finder) held(v reflect.Value, levels int, in part) {
	if isNil(v.Interface()) {
		return
	}
	switch t := v.Type(); {
	case t == reflect.TypeFor[chains.HTTPRequest](), t == reflect.TypeFor[sqldatabase.Engine]():
		f.found = append(f.found, caller(v.Interface()))
	case isCaller(t):
		f.find(v.Elem(), levels, in)
	case t.Implements(reflect.TypeFor[embedder]()), t.Implements(reflect.TypeFor[embeddings.Embedder]()):
		// It is asked for embeddings alone.
	default:
		f.find(v.Elem(), levels, in)
	}
}

// caller returns what guards the requester or the database of a chain.
func caller(v any) middleware.Guarded {
	if g, ok := v.(guardedThing); ok {
		return g.Guarded()
	}
	return middleware.Guarded{Kind: middleware.KindTool, Name: typeName(v)}
}

// nameOf returns the name of a tool, or its type where it cannot say it yet.
func nameOf(t tools.Tool) (name string) {
	defer func() {
		if recover() != nil {
			name = typeName(t)
		}
	}()
	return t.Name()
}

// guarded notes what is guarded, and what is in it. What a tool or a model does is its own.
func (f *finder) guarded(v reflect.Value, g middleware.Guarded, levels int, in part) {
	f.note(v.Addr().Interface(), in, g)
	for _, p := range g.Parts {
		f.find(reflect.ValueOf(p), levels, in)
	}
	inner := addressable(reflect.ValueOf(g.Inner))
	switch g.Kind {
	case middleware.KindChain:
		f.find(inner, levels, in)
	case middleware.KindPlan:
		in = part{retriever: in.retriever, agent: f.ownOf(v, g)}
		f.fields(inner, levels, in.of(g.Inner))
	case middleware.KindRetriever:
		in.retriever, in.store, in.shared = true, isStore(g.Inner), true
		f.fields(inner, levels, in.of(g.Inner))
	default:
	}
}

// ownOf returns the tools of a guarded agent, the same for the same one.
func (f *finder) ownOf(v reflect.Value, g middleware.Guarded) *own {
	at := visited{t: v.Type(), p: v.Addr().Pointer()}
	if f.owns[at] == nil {
		f.owns[at] = new(own)
		if a, ok := g.Inner.(agents.Agent); ok {
			f.owns[at].tools = a.GetTools()
		}
	}
	return f.owns[at]
}

// fields looks into v.
func (f *finder) fields(v reflect.Value, levels int, in part) {
	if !v.IsValid() || ofStandardLibrary(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		f.fields(v.Elem(), levels, in)
	case reflect.Struct:
		in.locked = in.locked || hasLock(v.Type())
		in.shared = in.shared || in.locked
		if in.shared && f.isClients(v.Type(), in) {
			return
		}
		for i := range v.NumField() {
			switch t := v.Type().Field(i).Type; {
			case in.locked && !f.isSteady(t):
			case in.store && isClient(t):
				// It can have no guard, and is asked for embeddings.
			default:
				f.find(v.Field(i), levels-1, in)
			}
		}
	case reflect.Slice, reflect.Array:
		if !f.mayHold(v.Type().Elem()) {
			return // there may be millions
		}
		if v.Kind() == reflect.Slice && !f.isNew(visited{v.Type(), v.Pointer(), v.Len(), in}, levels) {
			return
		}
		all := reflect.New(v.Type()).Elem()
		all.Set(v) // which may be another at any time
		for i := range all.Len() {
			f.find(all.Index(i), levels-1, in)
		}
	case reflect.Map:
		if in.shared || !hasCallers(v.Type().Elem()) {
			return // it may be written to
		}
		for _, k := range v.MapKeys() {
			f.find(v.MapIndex(k), levels-1, in)
		}
	default:
	}
}
