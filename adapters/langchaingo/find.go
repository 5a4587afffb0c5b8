package langchaingo

import (
	"reflect"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/embeddings"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/middleware"
)

// A finder looks for what makes calls in a value of which nothing is known.
type finder struct {
	found []middleware.Guarded // what nothing guards has no interceptors
	seen  map[visited]int      // how many levels were looked at from there
}

type visited struct {
	t reflect.Type
	p uintptr
}

// How many levels are looked at: the fields of a struct are one more. What others than
// the chain may use at the same time, such as a retriever, is looked at less deep.
const (
	deep    = 8
	shallow = 3
)

// callers returns what makes calls in v, or is it.
func callers(v any, levels int) []middleware.Guarded {
	f := finder{seen: make(map[visited]int)}
	f.find(reflect.ValueOf(v), levels)
	return f.found
}

// callersWithin returns what makes calls in the fields of v.
func callersWithin(v any, levels int) []middleware.Guarded {
	f := finder{seen: make(map[visited]int)}
	f.fields(addressable(reflect.ValueOf(v)), levels)
	return f.found
}

// without leaves out what has a part in calls that come anyway: those of a kind, and of
// tools by their names.
func without(kind middleware.Kind, tools []string, found []middleware.Guarded) []middleware.Guarded {
	return slices.DeleteFunc(found, func(g middleware.Guarded) bool {
		return g.Kind == kind || g.Kind == middleware.KindTool && slices.Contains(tools, g.Name)
	})
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

// find notes v, if it makes calls, and what else in it does.
func (f *finder) find(v reflect.Value, levels int) {
	if levels == 0 || !v.IsValid() {
		return
	}
	v = addressable(v)
	switch v.Kind() {
	case reflect.Interface:
		if t := v.Type(); !t.Implements(reflect.TypeFor[embedder]()) || t.Implements(reflect.TypeFor[llms.Model]()) {
			f.find(v.Elem(), levels)
		}
		return
	case reflect.Pointer:
		if at := (visited{v.Type(), v.Pointer()}); f.seen[at] < levels {
			f.seen[at] = levels
			f.find(v.Elem(), levels)
		}
		return
	default:
	}
	switch thing := v.Addr().Interface().(type) {
	case interface{ Guarded() middleware.Guarded }:
		f.guarded(thing.Guarded(), levels)
	case *cache.Cacher, namedThing:
		f.fields(v, levels) // what counts is the model that it asks, or names
	case embeddings.Embedder, *memory.ConversationTokenBuffer:
		// Neither asks the model that it has for an answer.
	case tools.Tool:
		f.found = append(f.found, middleware.Guarded{Kind: middleware.KindTool, Name: thing.Name()})
	case llms.Model:
		f.found = append(f.found, middleware.Guarded{Kind: middleware.KindModel, Name: typeName(thing)})
	case schema.Retriever:
		f.found = append(f.found, middleware.Guarded{Kind: middleware.KindRetriever, Name: typeName(thing)})
		f.fields(v, min(levels, shallow))
	case agents.Agent:
		f.found = append(f.found, middleware.Guarded{Kind: middleware.KindPlan, Name: typeName(thing)})
		f.fields(v, levels)
	default:
		f.fields(v, levels)
	}
}

// guarded notes what is guarded, and what is in it. What a tool does is its own.
func (f *finder) guarded(g middleware.Guarded, levels int) {
	f.found = append(f.found, g)
	if g.Kind == middleware.KindTool {
		return
	}
	var tools []string
	for _, part := range g.Parts {
		f.find(reflect.ValueOf(part), levels)
		if t, ok := part.(*tool); ok {
			tools = append(tools, t.name)
		}
	}
	f.found = append(f.found, without(g.Kind, tools, callers(g.Inner, levels))...)
}

// fields looks into v.
func (f *finder) fields(v reflect.Value, levels int) {
	if !v.IsValid() || ofStandardLibrary(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		f.fields(v.Elem(), levels)
	case reflect.Struct:
		for i := range v.NumField() {
			f.find(v.Field(i), levels-1)
		}
	case reflect.Slice, reflect.Array:
		if isPlain(v.Type().Elem()) {
			return // there may be millions
		}
		for i := range v.Len() {
			f.find(v.Index(i), levels-1)
		}
	case reflect.Map:
		if levels <= shallow || isPlain(v.Type().Elem()) {
			return // that of a client may be written to
		}
		for _, k := range v.MapKeys() {
			f.find(v.MapIndex(k), levels-1)
		}
	default:
	}
}

// isPlain reports whether t is a number, a string or the like, without methods.
func isPlain(t reflect.Type) bool {
	return t.PkgPath() == "" && (t.Kind() < reflect.Array || t.Kind() == reflect.String)
}

// ofStandardLibrary reports whether t is of a package of the standard library that holds
// none of langchaingo's things, and may change them at any time.
func ofStandardLibrary(t reflect.Type) bool {
	root, _, _ := strings.Cut(t.PkgPath(), "/")
	return slices.Contains([]string{"context", "crypto", "database", "log", "net", "os", "reflect", "sync", "testing", "time"}, root)
}
