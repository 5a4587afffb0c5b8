package cost

import (
	"encoding/json"
	"math"

	"example.com/safeconduct/internal/strictjson"
)

// A tally works out what judging one instance costs, from the schemas that apply to
// each of its values. It takes less time than the judgement, of which each of its
// steps stands for a part.
type tally struct {
	bill *Bill
	work float64
}

// judging are the schemas that apply to a value, by the entries that lead to them, and
// how often.
type judging map[*entry]float64

// Affords reports whether judging a document takes at most MaxWork.
func (b *Bill) Affords(doc *strictjson.Document) bool {
	return b.Total(doc) <= MaxWork || b.Exact(doc) <= MaxWork
}

// Exact returns the work that a document takes by the schemas that apply to each of
// its values, or an infinite number where that is more than MaxWork.
func (b *Bill) Exact(doc *strictjson.Document) float64 {
	t := &tally{bill: b}
	if !t.value(doc.Value, "", judging{b.root: 1}, 0, 0, 0) {
		return math.Inf(1)
	}
	return t.work
}

// value adds the work for a value, which has a name if it is a property: that is judged
// as well. Above is how many judgements of the object or array around it look at the
// value, and equal what comparing it takes.
func (t *tally) value(v any, name string, at judging, depth int, above, equal float64) bool {
	var p price
	below := equal
	for e, times := range at {
		p = p.plus(e.own, times)
		below += e.equal * times
	}
	values, chars := 1, len(name)
	switch v := v.(type) {
	case json.Number:
		values += strictjson.NumberSize(string(v)) / strictjson.DigitsPerValue
	case string:
		chars += len(v)
	case map[string]any:
		for name := range v {
			chars += len(name)
		}
	}
	t.work += float64(values) * (p.keywords + above + equal) * t.bill.scope(depth)
	t.work += p.program * float64(chars) / ScanPrice
	if !(t.work <= MaxWork) {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for name, sub := range v {
			next := at.within(func(e *entry) []application {
				if applied, ok := e.properties[name]; ok {
					return applied
				}
				return e.extra
			})
			if !t.value(sub, name, next, depth+1, p.schemas, below) {
				return false
			}
		}
	case []any:
		for i, sub := range v {
			next := at.within(func(e *entry) []application { return e.items[min(i, len(e.items)-1)] })
			if !t.value(sub, "", next, depth+1, p.schemas, below) {
				return false
			}
		}
	}
	return true
}

// within returns the schemas that judge something within the value, by what each entry
// applies there.
func (at judging) within(applied func(*entry) []application) judging {
	next := make(judging)
	for e, times := range at {
		for _, to := range applied(e) {
			next[to.to] += times * to.times
		}
	}
	return next
}
