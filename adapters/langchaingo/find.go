package langchaingo

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/embeddings"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/sqldatabase"

	"example.com/safeconduct/middleware"
)

// A finder looks for what makes calls in a value of which nothing is known.
type finder struct {
	found []middleware.Guarded // what nothing guards has no interceptors
	seen  map[visited]int      // how many levels were looked at from there
	owns  map[visited]*own
	none  *own
	holds map[reflect.Type]bool
}

type visited struct {
	t  reflect.Type
	p  uintptr
	in part
}

// A part says what a value is a part of: calls of its kind are those of the whole.
type part struct {
	retriever bool
	agent     *own // the innermost that is guarded, or another
	nested    bool // in an agent in that
}

// An own are the tools of a guarded agent.
type own struct{ tools []tools.Tool }

// How many levels are looked at: the fields of a struct are one more. What others than
// the chain may use at the same time, such as a retriever, is looked at less deep.
const (
	deep    = 24
	shallow = 3
)

func newFinder() *finder {
	return &finder{seen: make(map[visited]int), owns: make(map[visited]*own), none: new(own), holds: make(map[reflect.Type]bool)}
}

// callers returns what makes calls in v, or is it.
func callers(v any, levels int, in part) []middleware.Guarded {
	f := newFinder()
	f.find(reflect.ValueOf(v), levels, in)
	return f.found
}

// callersWithin returns what makes calls in the fields of v.
func callersWithin(v any, levels int, in part) []middleware.Guarded {
	f := newFinder()
	f.fields(addressable(reflect.ValueOf(v)), levels, in)
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
	case g.Kind == middleware.KindPlan && in.agent != nil:
	case g.Kind == middleware.KindTool && in.calls(thing, g.Name):
	default:
		f.found = append(f.found, g)
	}
}

// calls reports whether the agent that has thing calls it as one of its tools.
func (in part) calls(thing any, name string) bool {
	return in.agent != nil && slices.ContainsFunc(in.agent.tools, func(t tools.Tool) bool {
		return !in.nested && t.Name() == name || sameValue(thing, t) || sameValue(reflect.ValueOf(thing).Elem().Interface(), t)
	})
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
		if at := (visited{v.Type(), v.Pointer(), in}); f.seen[at] < levels {
			f.seen[at] = levels
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
	case embeddings.Embedder, *memory.ConversationTokenBuffer:
		// Neither asks the model that it has for an answer.
	case schema.Retriever:
		f.note(thing, in, middleware.Guarded{Kind: middleware.KindRetriever, Name: typeName(thing)})
		in.retriever = true
		f.fields(v, min(levels, shallow), in)
	case agents.Agent:
		f.note(thing, in, middleware.Guarded{Kind: middleware.KindPlan, Name: typeName(thing)})
		in.agent, in.nested = cmp.Or(in.agent, f.none), in.agent != nil
		f.fields(v, levels, in)
	default:
		f.fields(v, levels, in)
	}
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
	case t.Implements(reflect.TypeFor[llms.Model]()):
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
	for _, part := range g.Parts {
		f.find(reflect.ValueOf(part), levels, in)
	}
	inner := addressable(reflect.ValueOf(g.Inner))
	switch g.Kind {
	case middleware.KindChain:
		f.find(inner, levels, in)
	case middleware.KindPlan:
		in.agent, in.nested = f.ownOf(v, g.Parts), false
		f.fields(inner, levels, in)
	case middleware.KindRetriever:
		in.retriever = true
		f.fields(inner, min(levels, shallow), in)
	default:
	}
}

// ownOf returns the tools of a guarded agent, the same for the same one.
func (f *finder) ownOf(agent reflect.Value, parts []any) *own {
	at := visited{t: agent.Type(), p: agent.Addr().Pointer()}
	if f.owns[at] == nil {
		f.owns[at] = new(own)
		for _, part := range parts {
			if t, ok := part.(*tool); ok {
				f.owns[at].tools = append(f.owns[at].tools, t.inner)
			}
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
		locked := hasLock(v.Type())
		for i := range v.NumField() {
			switch field := v.Field(i); {
			case locked && !f.isSteady(field.Type()):
			case in.retriever && isClient(field.Type()):
				// It can have no guard, and a store asks it for embeddings.
			default:
				f.find(field, levels-1, in)
			}
		}
	case reflect.Slice, reflect.Array:
		if !f.mayHold(v.Type().Elem()) {
			return // there may be millions
		}
		all := reflect.New(v.Type()).Elem()
		all.Set(v) // which may be another at any time
		for i := range all.Len() {
			f.find(all.Index(i), levels-1, in)
		}
	case reflect.Map:
		if levels <= shallow || !f.mayHold(v.Type().Elem()) {
			return // that of a client may be written to
		}
		for _, k := range v.MapKeys() {
			f.find(v.MapIndex(k), levels-1, in)
		}
	default:
	}
}

// mayHold reports whether a value of type t can hold what makes calls.
func (f *finder) mayHold(t reflect.Type) bool {
	if _, known := f.holds[t]; !known {
		f.holds[t] = mayHold(t, make(map[reflect.Type]bool))
	}
	return f.holds[t]
}

func mayHold(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch {
	case seen[t], ofStandardLibrary(t), t == reflect.TypeFor[error](), t == reflect.TypeFor[schema.Document]():
		return false
	case isCaller(t):
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return mayHold(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if mayHold(t.Field(i).Type, seen) {
				return true
			}
		}
	default:
	}
	return false
}

// isCaller reports whether all of type t make calls, or are guarded.
func isCaller(t reflect.Type) bool {
	return slices.ContainsFunc([]reflect.Type{
		reflect.TypeFor[guardedThing](), reflect.TypeFor[tools.Tool](), reflect.TypeFor[llms.Model](),
		reflect.TypeFor[schema.Retriever](), reflect.TypeFor[agents.Agent](), reflect.TypeFor[chains.Chain](),
	}, func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) })
}

// isClient reports whether t is the type of a model that can embed.
func isClient(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && t.Implements(reflect.TypeFor[embedder]())
}

// hasLock reports whether a struct has a lock: what is in it changes while it is used.
func hasLock(t reflect.Type) bool {
	for i := range t.NumField() {
		switch f := t.Field(i).Type; {
		case f == reflect.TypeFor[sync.Mutex](), f == reflect.TypeFor[sync.RWMutex](),
			f == reflect.TypeFor[*sync.Mutex](), f == reflect.TypeFor[*sync.RWMutex](), f.Kind() == reflect.Struct && hasLock(f):
			return true
		}
	}
	return false
}

// isSteady reports whether a field beside a lock is looked at without it: what a chain is
// made of hardly changes.
func (f *finder) isSteady(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return isCaller(t)
	case reflect.Pointer:
		return f.mayHold(t)
	case reflect.Slice:
		return isCaller(t.Elem())
	case reflect.Map:
		return false
	default:
		return true
	}
}

// ofStandardLibrary reports whether t is of a package of the standard library that holds
// none of langchaingo's things, and may change them at any time.
func ofStandardLibrary(t reflect.Type) bool {
	root, _, _ := strings.Cut(t.PkgPath(), "/")
	return slices.Contains([]string{
		"bufio", "bytes", "compress", "context", "crypto", "database", "encoding", "errors", "fmt", "hash", "io", "log", "mime",
		"net", "os", "reflect", "regexp", "runtime", "strconv", "strings", "sync", "syscall", "testing", "time", "unicode",
	}, root)
}
