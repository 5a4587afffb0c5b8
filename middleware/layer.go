package middleware

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A Layer says what an Interceptor is: [Wrap] refuses an order that makes no sense by
// it, [Merge] tells by it what is there twice, and [Onion] prints it.
//
// An Interceptor of one's own says what it is when it is applied to nil:
//
//	func (r *Recorder) Intercept(next middleware.Handler) middleware.Handler {
//		if next == nil {
//			return middleware.Layer{Name: "recorder", Recorder: true}.Handler()
//		}
//		...
//
// One that does not is shown by the name of its func.
type Layer struct {
	Name   string
	Gate   bool // it can deny; a recorder inside of it is refused
	Shadow bool // it does not enforce

	// Kinds are the kinds of calls that it looks at, and Tools the tools that it
	// has rules for, by their names. None means all kinds, and no tool in
	// particular. [Reach.Check] panics by them where it would see no call.
	Kinds []Kind
	Tools []string

	// Counts are the kinds of which it must see each call, where it looks at others
	// too, as a budget does that has a time. None means Kinds.
	Counts []Kind

	// PerRun says that it counts over the calls of a run: on a call that is a
	// run of its own it would never count to more than one. See [Shared].
	PerRun bool

	// Stream says what it does about streams, where that was declared by
	// Buffer, Window or PassThrough, or where it lets them pass by itself.
	Stream string

	// Recorder marks an Interceptor that must see every denial: Wrap panics
	// if it stands inside a gate that is not a shadow.
	Recorder bool

	// ID tells instances apart, by a comparable value such as a pointer. Wrap
	// panics if one ID that is not nil stands twice in an order for the same
	// kind of call; [Merge] leaves out one of two.
	ID any

	tell   bool        // it is Tell
	only   Kind        // the kind that On stands around it for; zero for none
	tool   string      // and the tool that OnTool does
	shared *Gate       // the Shared that stands around it, if one does
	never  bool        // what stands around it is for others: it sees no call
	idle   bool        // and it says itself what kinds it is for
	rules  streamRules // as declared, where Stream says so

	// What the Interceptor is made of, and the same made of other parts.
	parts []Interceptor
	with  func(parts ...Interceptor) Interceptor
	named bool // it is one by itself too, beside its parts: Named
}

// Handler returns what an Interceptor that is applied to nil returns in order
// to describe itself. It is never called as a Handler.
//
//go:noinline
func (l Layer) Handler() Handler {
	return func(context.Context, Call) (Result, error) { return Result{Output: l}, nil }
}

// layerHandler tells the Handlers made by Layer.Handler from all others: every
// closure of one func literal shares its code.
func layerHandler(h Handler) bool {
	return h != nil && reflect.ValueOf(h).Pointer() == reflect.ValueOf(Layer{}.Handler()).Pointer()
}

// layerOf asks i what it is.
func layerOf(i Interceptor) Layer {
	l, _ := describe(i)
	return l
}

// describe asks i what it is, and whether it said so. No code of i runs but its
// application to nil.
func describe(i Interceptor) (l Layer, said bool) {
	l = Layer{Name: funcName(i)}
	defer func() { _ = recover() }() // an i that looks at next: its func's name will do
	if h := i(nil); layerHandler(h) {
		res, _ := h(context.Background(), Call{})
		return res.Output.(Layer), true
	}
	return l, false
}

// funcName returns the name of i's func without the path of its package.
func funcName(i Interceptor) string {
	f := runtime.FuncForPC(reflect.ValueOf(i).Pointer())
	if f == nil {
		return "interceptor"
	}
	name := f.Name()
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.TrimSuffix(name, "-fm")
}

// around describes an Interceptor that stands around i.
func around(i Interceptor, with func(parts ...Interceptor) Interceptor) Layer {
	return Layer{Name: layerOf(i).Name, parts: []Interceptor{i}, with: with}
}

// inside returns l as it is inside of outer.
func (l Layer) inside(outer Layer) Layer {
	l.Shadow = l.Shadow || outer.Shadow
	l.never = l.never || outer.never
	if outer.shared != nil {
		l.shared = outer.shared
	}
	if len(outer.Kinds) > 0 {
		l.Kinds = slices.DeleteFunc(slices.Clone(outer.Kinds), func(k Kind) bool { return !l.sees(k) })
		counted := len(l.Counts) > 0
		l.Counts = slices.DeleteFunc(slices.Clone(l.Counts), func(k Kind) bool { return !slices.Contains(l.Kinds, k) })
		if len(l.Kinds) == 0 || counted && len(l.Counts) == 0 {
			l.never, l.idle = true, l.idle || !l.never && l.only == 0
		}
	}
	l.only = cmp.Or(l.only, outer.only)
	if outer.tool != "" {
		l = l.onTool(outer.tool)
	}
	if l.Stream == "" {
		l.Stream, l.rules = outer.Stream, outer.rules
	}
	return l
}

// onTool returns l as it is where the calls of one tool come.
func (l Layer) onTool(name string) Layer {
	if len(l.Tools) > 0 && !hasTool(l.Tools, name) {
		l.never = true
	}
	l.tool, l.Tools = name, []string{name}
	return l
}

// flatten appends the layers that l stands for, outermost first.
func (l Layer) flatten(to []Layer) []Layer {
	if l.parts == nil || l.named {
		to = append(to, l)
	}
	for _, part := range l.parts {
		if in, said := describe(part); said || !l.named {
			to = in.inside(l).flatten(to)
		}
	}
	return to
}

// Layers returns what the interceptors say of themselves, outermost first, with
// those of [Compose] in their places.
func Layers(is ...Interceptor) []Layer {
	if len(is) == 0 {
		return nil
	}
	return Layer{parts: is}.flatten(nil)
}

// Onion prints the order of interceptors, one a line, outermost first.
func Onion(is ...Interceptor) string {
	var b strings.Builder
	for i, l := range Layers(is...) {
		fmt.Fprintf(&b, "%2d %s\n", i+1, l)
	}
	return b.String()
}

// String returns the name and what is special about the layer.
func (l Layer) String() string {
	s := l.Name
	if l.never {
		s += ", no calls"
	} else if l.tool != "" {
		s += ", calls of the tool " + strconv.Quote(l.tool) + " only"
	} else if l.only != 0 {
		s += ", " + l.only.String() + " calls only"
	}
	if l.Shadow {
		s += ", shadow"
	}
	if l.Stream != "" {
		s += ", stream " + l.Stream
	}
	return s
}

// same reports whether l and m are one instance that would see a call twice.
func (l Layer) same(m Layer) bool {
	if l.ID == nil || l.ID != m.ID || !l.overlaps(m) {
		return false
	}
	for k := KindChain; k.known(); k++ {
		if l.sees(k) && m.sees(k) {
			return true
		}
	}
	return false
}

// among reports whether l is one of those that calls of a kind come to, and enforces
// nothing that it does not there.
func (l Layer) among(layers []Layer, kind Kind) bool {
	return l.ID != nil && l.sees(kind) && slices.ContainsFunc(layers, func(m Layer) bool {
		return m.ID == l.ID && m.sees(kind) && m.overlaps(l) && (l.Shadow || !m.Shadow)
	})
}

// counted are the kinds of which it must miss no call; none means all kinds, as they come.
func (l Layer) counted() []Kind {
	if len(l.Counts) > 0 {
		return l.Counts
	}
	return l.Kinds
}

// overlaps reports whether there is a tool that both are for, as OnTool says.
func (l Layer) overlaps(m Layer) bool {
	return l.tool == "" || m.tool == "" || strings.EqualFold(l.tool, m.tool)
}

// sees reports whether calls of the kind matter to it where it stands.
func (l Layer) sees(kind Kind) bool {
	return !l.never && (len(l.Kinds) == 0 || slices.Contains(l.Kinds, kind))
}

// kindList returns "tool", or "plan, tool and model".
func kindList(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return list(names, "and")
}

// list returns "a", "a and b", or "a, b and c".
func list(names []string, and string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " " + and + " " + names[n-1]
	}
	return strings.Join(names, "")
}

// checkOrder panics where the order of interceptors makes no sense.
func checkOrder(is []Interceptor) {
	layers := Layers(is...)
	gate := ""
	for i, l := range layers {
		for _, outer := range layers[:i] {
			if l.same(outer) {
				panic(fmt.Sprintf("middleware: %s stands twice in one order:\n%s", l.Name, Onion(is...)))
			}
		}
		if l.Recorder && gate != "" {
			panic(fmt.Sprintf("middleware: %s stands inside the gate %s and would not see its denials:\n%s", l.Name, gate, Onion(is...)))
		}
		if l.Gate && !l.Shadow {
			gate = l.Name
		}
		if l.tell && i == len(layers)-1 {
			panic("middleware: Tell stands innermost: no gate is inside whose denials it could tell:\n" + Onion(is...))
		}
	}
}
