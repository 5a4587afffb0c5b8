package coverage

import (
	"fmt"
	"reflect"
	"strings"

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

// depth bounds how many fields, elements and pointers deep a walk looks.
const depth = 24

// Walk looks at what was built, an executor, agent, chain, model, tool, retriever or
// memory, guarded or not, and reports what it finds; see the package doc for what that
// proves. What is there more than once is reported once, where it was found first, but
// for what is guarded in one place and not in another: that is reported as both. Walk
// calls GetTools of agents, and Name of tools; if one panics, that is opaque. It is for
// what is not in use yet: it reads fields without a lock.
func Walk(v any) Report {
	w := &walker{seen: make(map[visit]int)}
	inner := v
	if by, ok := inner.(isGuarded); ok {
		inner = by.Guarded().Inner
	}
	inner, _ = unwrap(inner)
	path := typeOf(inner)
	w.value(path, v, depth)
	if w.found == 0 {
		w.opaque(path, v)
	}
	return w.Report
}

// isGuarded is what adapters make of things.
type isGuarded interface{ Guarded() middleware.Guarded }

// unwrap returns what has a name of its own, such as package langchaingo gives, and v
// where v is no name.
func unwrap(v any) (any, bool) {
	switch named := v.(type) {
	case interface{ Unwrap() llms.Model }:
		return named.Unwrap(), true
	case interface{ Unwrap() chains.Chain }:
		return named.Unwrap(), true
	case interface{ Unwrap() schema.Retriever }:
		return named.Unwrap(), true
	}
	return v, false
}

type walker struct {
	Report
	found int           // items, and again those that were found before
	seen  map[visit]int // how many there are within what was visited
	kept  []any         // copies, whose addresses seen has
}

type visit struct {
	t       reflect.Type
	p       uintptr
	guarded bool
}

func (w *walker) add(i Item) {
	w.Items = append(w.Items, i)
	w.found++
}

// opaque adds something that cannot be looked into.
func (w *walker) opaque(path string, v any) {
	w.add(Item{Path: path, What: Opaque, Name: typeOf(v)})
}

// typeOf names a value by its type.
func typeOf(v any) string {
	name := strings.TrimLeft(fmt.Sprintf("%T", v), "*")
	name = strings.TrimPrefix(name, "chains.")
	return strings.TrimPrefix(name, "agents.")
}

// A guard is what stands around a value.
type guard struct{ middleware.Guarded }

// item returns the item of something that g stands around; g may be nil.
func (g *guard) item(path, what, name string) Item {
	i := Item{Path: path, What: what, Name: name}
	if g == nil {
		return i
	}
	i.Name, i.Guarded = g.Name, true
	for _, l := range middleware.Layers(g.Interceptors...) {
		switch {
		case l.Recorder:
			i.Recorded = true
		case !l.Gate || !l.Sees(g.Kind):
		case l.Shadow:
			i.Shadows = append(i.Shadows, l.Name)
		default:
			i.Gates = append(i.Gates, l.Name)
		}
	}
	return i
}

// value looks at v, which stands at the path.
func (w *walker) value(path string, v any, levels int) {
	defer func() {
		if said := recover(); said != nil {
			w.opaque(path, v)
		}
	}()
	w.guarded(path, v, nil, levels)
}

// guarded looks at v, around which g stands; g may be nil.
func (w *walker) guarded(path string, v any, g *guard, levels int) {
	r := reflect.ValueOf(v)
	if v == nil || r.Kind() == reflect.Pointer && r.IsNil() {
		return
	}
	if t := r.Type(); !isKnown(t) && isKnown(reflect.PointerTo(t)) { // by value, with methods of the pointer
		r = reflect.New(t)
		r.Elem().Set(reflect.ValueOf(v))
		v = r.Interface()
		w.kept = append(w.kept, v)
	}
	if levels <= 0 {
		w.opaque(path, v)
		return
	}
	if r.Kind() == reflect.Pointer && r.Type().Elem().Size() > 0 { // values without size share one address
		at := visit{r.Type(), r.Pointer(), g != nil}
		if n, before := w.seen[at]; before {
			w.found += n
			return
		}
		w.seen[at] = 0
		defer func(n int) { w.seen[at] = w.found - n }(w.found)
	}
	if by, ok := v.(isGuarded); ok {
		said := &guard{by.Guarded()}
		w.guarded(path, said.Inner, said, levels-1)
		return
	}
	if named, ok := unwrap(v); ok {
		w.guarded(path, named, g, levels-1)
		return
	}
	switch thing := v.(type) {
	case *cache.Cacher, cache.Cacher:
		if g == nil {
			w.fields(path, r, nil, levels) // what counts is the model that it asks
			return
		}
		w.add(g.item(path, Model, typeOf(v)))
	case llms.Model:
		w.add(g.item(path, Model, typeOf(v)))
	case tools.Tool:
		w.add(g.item(path, Tool, thing.Name()))
		w.fields(path, r, reflect.TypeFor[tools.Tool](), levels) // it may have a model or an agent of its own
	case agents.Agent:
		w.agent(path, thing, g, levels)
	case *agents.Executor:
		w.value(path+".Agent", thing.Agent, levels-1)
		w.memory(path+".Memory", g.partOr(thing.Memory), levels)
	case schema.Retriever:
		w.add(g.item(path, Retriever, typeOf(v)))
		w.fields(path, r, reflect.TypeFor[schema.Retriever](), levels)
	case schema.Memory:
		if g == nil {
			w.memory(path, thing, levels)
			return
		}
		w.add(g.item(path, Memory, typeOf(v)))
		if _, counts := v.(*memory.ConversationTokenBuffer); !counts { // that asks its model nothing
			w.fields(path, r, reflect.TypeFor[schema.Memory](), levels)
		}
	case sqldatabase.Engine:
		w.add(g.item(path, Database, typeOf(v)))
	case chains.Chain:
		w.chain(path, r, g, levels)
	case chains.HTTPRequest:
		w.add(g.item(path, Requester, typeOf(v)))
	default:
		w.fields(path, r, nil, levels)
	}
}

// memory looks at a memory, which may be guarded by itself.
func (w *walker) memory(path string, m schema.Memory, levels int) {
	switch m.(type) {
	case nil, memory.Simple, *memory.Simple: // keeps nothing
	case isGuarded:
		w.value(path, m, levels)
	default:
		w.add((*guard)(nil).item(path, Memory, typeOf(m)))
		w.fields(path, reflect.ValueOf(m), reflect.TypeFor[schema.Memory](), levels) // one may have a model to make summaries
	}
}

// chain looks into a chain. One in which there is nothing that is known may do anything.
func (w *walker) chain(path string, r reflect.Value, g *guard, levels int) {
	before := w.found
	var without reflect.Type
	if g != nil {
		without = reflect.TypeFor[schema.Memory]() // its part is called in place of it
	}
	w.fields(path, r, without, levels)
	if t := indirect(r.Type()); w.found == before || t == reflect.TypeFor[chains.Transform]() {
		w.opaque(path, r.Interface())
	}
	w.memory(path+".Memory", g.partOr(nil), levels)
}

// partOr returns the memory that is a part of a guarded chain, or m where it is none.
func (g *guard) partOr(m schema.Memory) schema.Memory {
	if g == nil || len(g.Parts) == 0 {
		return m
	}
	part, _ := g.Parts[0].(schema.Memory)
	return part
}

// agent looks into an agent. Where it is guarded, its tools are.
func (w *walker) agent(path string, a agents.Agent, g *guard, levels int) {
	before := w.found
	w.fields(path, reflect.ValueOf(a), reflect.TypeFor[tools.Tool](), levels)
	if w.found == before {
		w.opaque(path, a) // it has a model that is not seen, or plans by a func
	}
	var ts []any
	if g != nil {
		ts = g.Parts
	} else {
		for _, t := range a.GetTools() {
			ts = append(ts, t)
		}
	}
	for _, t := range ts {
		name := typeOf(t)
		if named, ok := t.(tools.Tool); ok {
			name = named.Name()
		}
		w.value(path+".Tools["+name+"]", t, levels-1)
	}
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// fields looks at what the fields of a struct hold, or the elements of a list or a map,
// but for what is of the type without.
func (w *walker) fields(path string, r reflect.Value, without reflect.Type, levels int) {
	if levels <= 0 {
		w.opaque(path, r.Interface())
		return
	}
	switch r.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !r.IsNil() {
			w.fields(path, r.Elem(), without, levels-1)
		}
	case reflect.Struct:
		s := reflect.New(r.Type()).Elem() // a copy can be read where fields are not exported
		s.Set(r)
		for i := range s.NumField() {
			f := s.Field(i)
			f = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
			to := path + "." + r.Type().Field(i).Name
			if r.Type().Field(i).Anonymous {
				to = path
			}
			w.field(to, f, without, levels-1)
		}
	case reflect.Slice, reflect.Array:
		for i := range r.Len() {
			w.field(fmt.Sprintf("%s[%d]", path, i), r.Index(i), without, levels-1)
		}
	case reflect.Map:
		for _, k := range r.MapKeys() {
			w.field(fmt.Sprintf("%s[%v]", path, k), r.MapIndex(k), without, levels-1)
		}
	default:
	}
}

// field looks at a field, an element, or what it points to.
func (w *walker) field(path string, f reflect.Value, without reflect.Type, levels int) {
	switch f.Kind() {
	case reflect.Interface:
		if f.IsNil() {
			return
		}
		if without != nil && f.Elem().Type().Implements(without) || isEmbedding(f.Type()) {
			return
		}
		if f.Type() == reflect.TypeFor[chains.HTTPRequest]() || !isHTTPClient(f.Elem().Type()) {
			w.value(path, f.Interface(), levels)
		}
	case reflect.Pointer:
		if f.IsNil() || isHTTPClient(f.Type()) || without != nil && f.Type().Implements(without) {
			return
		}
		w.value(path, f.Interface(), levels)
	default:
		known := isKnown(f.Type()) || isKnown(reflect.PointerTo(f.Type()))
		switch {
		case known && without != nil && reflect.PointerTo(f.Type()).Implements(without):
		case known, f.Kind() == reflect.Struct:
			w.value(path, f.Interface(), levels)
		case f.Kind() == reflect.Slice, f.Kind() == reflect.Array, f.Kind() == reflect.Map:
			w.fields(path, f, without, levels)
		}
	}
}

// isKnown reports whether things of a type are reported, or looked into in a way of their
// own.
func isKnown(t reflect.Type) bool {
	for _, known := range []reflect.Type{
		reflect.TypeFor[llms.Model](), reflect.TypeFor[tools.Tool](), reflect.TypeFor[agents.Agent](),
		reflect.TypeFor[schema.Retriever](), reflect.TypeFor[schema.Memory](), reflect.TypeFor[sqldatabase.Engine](),
		reflect.TypeFor[chains.Chain](), reflect.TypeFor[isGuarded](),
	} {
		if t.Implements(known) {
			return true
		}
	}
	return false
}

// isEmbedding reports whether by a field of a type nothing can be asked but embeddings,
// whatever the client in it can do.
func isEmbedding(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[embeddings.EmbedderClient]()) && !isKnown(t)
}

// isHTTPClient reports whether a type, such as that of an *http.Client, makes requests:
// only a field for a chain's requester says that they are a model's.
func isHTTPClient(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[chains.HTTPRequest]()) && !t.Implements(reflect.TypeFor[isGuarded]())
}
