package middleware

import (
	"fmt"
	"math"
	"slices"
)

// Merge is for adapters that are to guard what is guarded already: it returns outer,
// and inside of it what of own is not there yet, for calls of one kind. So nothing is
// wrapped twice: no gate and no recorder that stands in both orders sees a call twice,
// and none is lost.
//
// A piece of an order, also of one that [Compose], [On] and the like are made of, is
// known by its [Layer.ID]. Which of two stays says the package's doc; what has no ID
// is always kept.
//
// Merge panics if there is no such kind, or if an interceptor is nil.
func Merge(kind Kind, outer, own []Interceptor) []Interceptor {
	if !kind.known() {
		panic("middleware: Merge: " + kind.String() + " is no kind of call")
	}
	for _, is := range [][]Interceptor{outer, own} {
		if i := slices.IndexFunc(is, func(i Interceptor) bool { return i == nil }); i >= 0 {
			panic(fmt.Sprintf("middleware: Merge: interceptor %d is nil", i))
		}
	}
	a, b := pieces(outer, Layer{}), pieces(own, Layer{})
	// What Named names goes with it: so first those, then what is left.
	for _, named := range []bool{true, false} {
		for {
			mine, other, ok := a.shared(b, named)
			if !ok {
				break
			}
			if a.strength(mine, kind) >= b.strength(other, kind) {
				b = b.without(other)
			} else {
				a = a.without(mine)
			}
		}
	}
	for b.last().tell {
		b = b.withoutLast()
	}
	return append(a.interceptors(), b.interceptors()...)
}

// An order is interceptors taken apart.
type order []piece

// A piece is an Interceptor, what it is where it stands, and what it is made of.
type piece struct {
	Layer
	i     Interceptor
	parts order
	cut   bool // parts are missing: i is to be made anew
}

func pieces(is []Interceptor, around Layer) (o order) {
	for _, i := range is {
		l := layerOf(i).inside(around)
		o = append(o, piece{Layer: l, i: i, parts: pieces(l.parts, l)})
	}
	return o
}

// each calls f for each piece with an ID, those around before those inside, until
// f returns false.
func (o order) each(f func(p *piece) bool) bool {
	for i := range o {
		if p := &o[i]; p.ID != nil && !f(p) || !p.parts.each(f) {
			return false
		}
	}
	return true
}

// A pieceKey is what a piece is known by. What is on several tools stands once for each.
type pieceKey struct {
	id   any
	tool string
}

func (p *piece) key() pieceKey { return pieceKey{p.ID, p.tool} }

// shared returns what stands in both orders, as each of them knows it.
func (o order) shared(other order, named bool) (mine, others pieceKey, ok bool) {
	other.each(func(q *piece) bool {
		if q.named == named {
			o.each(func(p *piece) bool {
				if p.ID == q.ID && p.overlaps(q.Layer) {
					mine, others, ok = p.key(), q.key(), true
				}
				return !ok
			})
		}
		return !ok
	})
	return mine, others, ok
}

// strength says how much the piece with this key does about a call of the kind.
func (o order) strength(key pieceKey, kind Kind) int {
	most := 0
	o.each(func(p *piece) bool {
		if p.key() == key {
			most = max(most, p.does(kind))
		}
		return true
	})
	return most
}

func (p *piece) does(kind Kind) int {
	const all = math.MaxInt / 4
	held := all // of a stream
	switch {
	case p.rules.pass:
		held = 0
	case p.rules.window > 0:
		held = min(p.rules.window, all-1)
	}
	switch {
	case p.never || p.only != 0 && p.only != kind: // a gate may note calls that it is not for
		return 0
	case p.Shadow && p.tool != "":
		return 1
	case p.Shadow:
		return 2
	case p.tool != "":
		return 3 + held
	}
	return 4 + all + held
}

// without returns the order without the pieces with this key, and without what is
// made of nothing else.
func (o order) without(key pieceKey) (left order) {
	for _, p := range o {
		if p.key() == key {
			continue
		}
		if parts := p.parts.without(key); len(parts) < len(p.parts) || parts.isCut() {
			if len(parts) == 0 {
				continue
			}
			p.parts, p.cut = parts, true
		}
		left = append(left, p)
	}
	return left
}

func (o order) isCut() bool {
	for _, p := range o {
		if p.cut {
			return true
		}
	}
	return false
}

// last describes the innermost piece.
func (o order) last() Layer {
	if len(o) == 0 {
		return Layer{}
	}
	p := o[len(o)-1]
	if len(p.parts) > 0 {
		return p.parts.last()
	}
	return p.Layer
}

// withoutLast returns the order without its innermost piece.
func (o order) withoutLast() order {
	p, left := o[len(o)-1], slices.Clone(o[:len(o)-1])
	if len(p.parts) > 0 {
		if p.parts = p.parts.withoutLast(); len(p.parts) > 0 {
			p.cut = true
			left = append(left, p)
		}
	}
	return left
}

// interceptors puts the order together.
func (o order) interceptors() (is []Interceptor) {
	for _, p := range o {
		if p.cut {
			p.i = p.with(p.parts.interceptors()...)
		}
		is = append(is, p.i)
	}
	return is
}
