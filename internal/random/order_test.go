package random_test

import (
	"fmt"
	"slices"
	"strings"

	"example.com/safeconduct/middleware"
)

type refCompose []refLayer

func (l refCompose) handle(c refContext, call refCall, next refHandler) refResult {
	return refChain(l, next)(c, call)
}

type refOn struct {
	kind  middleware.Kind
	inner refLayer
}

func (l refOn) handle(c refContext, call refCall, next refHandler) refResult {
	if call.kind != l.kind {
		return next(c, call)
	}
	return l.inner.handle(c, call, next)
}

func refTell(c refContext, call refCall, next refHandler) refResult {
	res := next(c, call)
	if res.err == nil || res.err.class != "denied" || c.run.stopped != nil ||
		call.kind != middleware.KindTool && call.kind != middleware.KindPlan {
		return res
	}
	return refResult{out: "Denied (" + res.err.code + ")", told: true, why: res.err}
}

type refPass struct{ inner refLayer }

func (l refPass) handle(c refContext, call refCall, next refHandler) refResult {
	outside := c.pass
	c.pass = true
	return l.inner.handle(c, call, func(c refContext, call refCall) refResult {
		c.pass = outside
		return next(c, call)
	})
}

type refShadow struct {
	name  string
	inner refLayer
}

func (l refShadow) denials(c refContext) (n int) {
	for _, d := range c.trail {
		if d.shadow && d.verdict == "deny" {
			n++
		}
	}
	return n
}

func (l refShadow) handle(c refContext, call refCall, next refHandler) refResult {
	var real refResult
	ran, returned := false, false
	run := func(watched func(string) *refError) {
		if ran {
			return
		}
		ran = true
		as := call
		if call.stream != nil && watched != nil {
			as.stream = func(text string) *refError {
				func() {
					defer func() { _ = recover() }()
					watched(text)
				}()
				return call.stream(text)
			}
		}
		real = next(c, as)
		returned = true
	}
	before := l.denials(c)
	decided := func() (res refResult) {
		defer func() {
			if v := recover(); v != nil {
				if ran && !returned {
					panic(v)
				}
				res = refResult{err: refDenied("", middleware.CodeIndeterminate)}
			}
		}()
		aside, as := c, call
		aside.shadow = true
		if call.stream != nil {
			as.stream = func(string) *refError { return nil }
		}
		return l.inner.handle(aside, as, func(_ refContext, call refCall) refResult {
			run(call.stream)
			if !returned {
				panic("next panicked, which was swallowed")
			}
			return real
		})
	}()
	run(nil)
	if ran && !returned {
		panic("next panicked, which was swallowed")
	}
	err := decided.err
	if err == nil || real.err != nil && (err.class != "denied" || err == real.err) || l.denials(c) > before {
		return real
	}
	gate, code := err.gate, err.code
	if err.class != "denied" {
		code = string(middleware.CodeIndeterminate)
	}
	if gate == "" {
		gate = l.name
	}
	c.trail = append(c.trail, refDecision{gate, "deny", code, true})
	return real
}

// leaf returns a random interceptor of one layer.
func (w *world) leaf() node {
	return []func() node{
		w.before, w.before, w.after, w.after, w.transform, w.byHand, w.byHand, w.again, w.tools, w.arguments,
		w.size, w.ingress, w.rate, w.concurrency, w.deadline, w.loop, w.budget, w.budget,
	}[w.r.IntN(18)]()
}

var allKinds = []middleware.Kind{middleware.KindChain, middleware.KindPlan, middleware.KindModel, middleware.KindTool}

// tree returns a random interceptor.
func (w *world) tree(depth int) node {
	if depth == 0 || w.r.IntN(2) == 0 {
		return w.leaf()
	}
	if w.r.IntN(5) < 3 {
		return w.around(w.tree(depth - 1))
	}
	return composed(w.list(1+w.r.IntN(3), depth-1))
}

// around returns an interceptor that is made of another one.
func (w *world) around(in node) node {
	switch w.r.IntN(3) {
	case 0:
		if kind := allKinds[w.r.IntN(len(allKinds))]; in.seesAny(kind) {
			n := node{op: "on", kind: kind, parts: []node{in}}
			if n.accepted() {
				return n.made()
			}
		}
	case 1:
		n := node{op: "shadow", parts: []node{in}}
		return n.made()
	}
	n := node{op: "pass", parts: []node{in}}
	return n.made()
}

// accepted reports whether On takes what is in n: it refuses gates for other kinds.
func (n *node) accepted() (ok bool) {
	defer func() {
		if v := recover(); v != nil && !strings.Contains(fmt.Sprint(v), "no call would come") {
			panic(v)
		}
	}()
	n.made()
	return true
}

func composed(all []node) node {
	n := node{op: "compose", parts: all}
	return n.made()
}

// list returns random interceptors.
func (w *world) list(n, depth int) (all []node) {
	for range n {
		all = append(all, w.tree(depth))
	}
	return all
}

// seesAny reports whether calls of the kind come to any leaf.
func (n *node) seesAny(kind middleware.Kind) bool {
	if n.kind != 0 && n.kind != kind {
		return false
	}
	return len(n.parts) == 0 || slices.ContainsFunc(n.parts, func(p node) bool { return p.seesAny(kind) })
}

// made makes a node of its parts.
func (n *node) made() node {
	inner := middleware.Compose(reals(n.parts)...)
	switch n.op {
	case "on":
		n.real = middleware.On(n.kind, inner)
	case "shadow":
		n.real = middleware.Shadow(inner)
	case "pass":
		n.real = middleware.PassThrough(inner)
	case "compose":
		n.real = inner
	}
	return n.refMade()
}

// refMade makes the reference's part of a node.
func (n *node) refMade() node {
	var names []string
	var refs refCompose
	for _, p := range n.parts {
		names, refs = append(names, p.name), append(refs, p.ref)
	}
	switch n.op {
	case "on":
		n.ref = refOn{n.kind, refs}
		names = append([]string{n.kind.String()}, names...)
	case "shadow":
		n.ref = refShadow{layerName(n.parts), refs}
	case "pass":
		n.ref = refPass{refs}
	case "compose":
		n.ref = refs
	}
	n.name = n.op + "(" + strings.Join(names, ", ") + ")"
	return *n
}

// layerName is the name that interceptors, composed, give themselves.
func layerName(parts []node) string {
	if len(parts) != 1 {
		return ""
	}
	if len(parts[0].parts) > 0 {
		return layerName(parts[0].parts)
	}
	return middleware.Layers(parts[0].real)[0].Name
}

const tellID = -1

func tell() node {
	return node{name: "tell", id: tellID, real: middleware.Tell, ref: refFunc(refTell)}
}

// What follows says what is left where a thing that is guarded is guarded again.

// A place is where a leaf stands: what it does about calls of a kind.
type place struct{ never, shadow, pass bool }

func (p place) strength() int {
	switch {
	case p.never:
		return 0
	case p.shadow:
		return 1
	case p.pass:
		return 2
	}
	return 3
}

// places finds the leaves with an ID.
func places(all []node, kind middleware.Kind, at place, found map[int]int) {
	for _, n := range all {
		in := at
		in.never = in.never || n.kind != 0 && n.kind != kind
		in.shadow = in.shadow || n.op == "shadow"
		in.pass = in.pass || n.op == "pass" || n.pass
		if n.id != 0 {
			found[n.id] = max(found[n.id], in.strength())
		}
		places(n.parts, kind, in, found)
	}
}

// merged is middleware.Merge.
func merged(kind middleware.Kind, outer, own []node) []node {
	a, b := make(map[int]int), make(map[int]int)
	places(outer, kind, place{}, a)
	places(own, kind, place{}, b)
	dropA, dropB := make(map[int]bool), make(map[int]bool)
	for id, more := range a {
		if less, both := b[id]; both && more >= less {
			dropB[id] = true
		} else if both {
			dropA[id] = true
		}
	}
	outer, own = without(outer, dropA), without(own, dropB)
	for len(own) > 0 && own[len(own)-1].id == tellID {
		own = own[:len(own)-1]
	}
	return append(outer, own...)
}

func without(all []node, drop map[int]bool) (left []node) {
	for _, n := range all {
		if n.id != 0 && drop[n.id] {
			continue
		}
		if len(n.parts) > 0 {
			parts := without(n.parts, drop)
			if len(parts) == 0 {
				continue
			}
			n = node{op: n.op, kind: n.kind, parts: parts}
			n.refMade()
		}
		left = append(left, n)
	}
	return left
}

// anyPart returns a leaf or what is made of some.
func (w *world) anyPart(all []node) node {
	n := all[w.r.IntN(len(all))]
	for len(n.parts) > 0 && w.r.IntN(2) == 0 {
		n = n.parts[w.r.IntN(len(n.parts))]
	}
	return n
}

// own returns what guards a thing before it is guarded again with outer.
func (w *world) own(outer []node) []node {
	own := w.list(w.r.IntN(3), 1)
	if w.r.IntN(2) == 0 {
		part := w.anyPart(outer)
		if w.r.IntN(2) == 0 && part.id != tellID {
			part = w.around(part)
		}
		own = slices.Insert(own, w.r.IntN(len(own)+1), part)
	}
	if w.r.IntN(4) == 0 && !slices.ContainsFunc(own, func(n node) bool { return n.id == tellID }) {
		own = append([]node{tell()}, own...)
	}
	if len(own) == 0 || own[len(own)-1].id == tellID {
		own = append(own, w.before())
	}
	return own
}
