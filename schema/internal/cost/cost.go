// Package cost works out what judging an instance with a schema may cost, before
// anything is judged.
package cost

import (
	"math"
	"regexp"
	"slices"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/graph"
)

// Validation is a walk over an instance with a schema in hand. At one place of
// the instance several schemas may apply, each perhaps several times: those that
// apply in place (by $ref, allOf, if and so on) and, one level deeper, those that
// the schemas at this place hold for their properties and items. Both kinds can
// multiply: a chain of schemas of which each refers to the next one twice ends in
// 2^n judgements at one place, and a recursive schema whose alternatives each
// describe the same property ends in 2^depth judgements.
//
// So the costs are worked out on the graph that jsonschema compiled, never less than
// what an instance takes, and exact but for alternatives that exclude one another by
// their values: first per depth, for the worst instance, and where that is too much
// for the instance itself, property by property. A schema is refused for what it asks
// for at its own place alone; what it asks for deeper down is a matter of how deep an
// instance is. Costs are float64: sums too large for one are refused whether they are
// infinite or not.

// Limits. Package schema says what they mean to its users.
const (
	MaxCost     = 10_000    // of a schema at its own place
	MaxWork     = 1_000_000 // of a whole judgement
	maxChain    = 32        // schemas that refer to one another at one place
	maxAnalysis = 1_000_000 // steps of the analysis itself
)

// Prices, in the unit of MaxCost. They were measured.
const (
	equalsPrice = 20  // of a value within an array with uniqueItems
	ScanPrice   = 128 // bytes times instructions of a regular expression for a unit
	scopePrice  = 16  // schemas on the way to a judgement that double its price
)

// A price is what a place of an instance costs.
type price struct {
	schemas  float64 // that judge it
	keywords float64 // that they look at
	program  float64 // instructions of regular expressions, per byte
}

func (p price) plus(q price, times float64) price {
	return price{p.schemas + q.schemas*times, p.keywords + q.keywords*times, p.program + q.program*times}
}

func (p price) max(q price) price {
	return price{max(p.schemas, q.schemas), max(p.keywords, q.keywords), max(p.program, q.program)}
}

// A Bill is what judging an instance costs at most.
type Bill struct {
	value   [strictjson.MaxDepth + 1]float64 // for each value at a depth
	program [strictjson.MaxDepth + 1]float64 // instructions per byte of text at a depth
	upTo    [strictjson.MaxDepth + 1]expense // the most of both down to a depth
	root    *entry
	chain   int // schemas on the way from one value to the next
}

// An expense is the most that a value costs, and a byte of it.
type expense struct{ value, program float64 }

// Total returns the work that a document takes.
func (b *Bill) Total(doc *strictjson.Document) float64 {
	work := 0.0
	for depth, n := range doc.Values {
		if n > 0 {
			work += float64(n) * b.value[depth]
		}
		if chars := doc.Chars[depth]; chars > 0 {
			work += b.program[depth] * float64(chars) / ScanPrice
		}
	}
	return work
}

// Covers reports whether the work is certainly within maxWork for a text of so
// many bytes, of which all may be names, and values of which none is deeper than depth.
func (b *Bill) Covers(size, values, depth int) bool {
	most := &b.upTo[depth]
	return most.program*float64(2*size)/ScanPrice+float64(values)*most.value <= MaxWork
}

// price returns what s costs alone.
func (a *analysis) price(s *graph.Node) price {
	n := 1 + len(s.Properties) + len(s.PatternProperties) + len(s.Required) + len(s.Dependencies)
	if s.DynamicRef != nil {
		n += a.anchors // which are looked for in each schema on the way
	}
	for _, required := range s.DependentRequired {
		n += 1 + len(required)
	}
	for _, required := range s.Dependencies {
		if names, ok := required.([]string); ok {
			n += len(names)
		}
	}
	for _, v := range s.Enum {
		n += Size(v)
	}
	for _, v := range s.Constant {
		n += Size(v)
	}
	program := 0
	if s.Pattern != nil {
		program = a.programs.Of(s.Pattern)
	}
	for re := range s.PatternProperties {
		program += a.programs.Of(re)
	}
	return price{1, float64(n), float64(program)}
}

// Programs says of each regular expression of a schema how many instructions it has.
type Programs map[string]int

// Of returns the instructions of a regular expression. Nobody has counted those of the
// built-in metaschemas, which are small.
func (p Programs) Of(re *regexp.Regexp) int {
	if n, ok := p[re.String()]; ok {
		return n
	}
	return len(re.String())
}

// Size returns the number of values within v.
func Size(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, v := range v {
			n += Size(v)
		}
	case map[string]any:
		for _, v := range v {
			n += Size(v)
		}
	}
	return n
}

// total adds up what the worst instance costs at each depth.
func (a *analysis) total(root *entry) (*Bill, error) {
	terms, chain := 0, 0
	at := make([]price, len(a.entries)) // that many levels below each entry
	for i, e := range a.entries {
		at[i] = e.own
		chain = max(chain, e.cluster.chain)
		for applied := range e.applications() {
			terms += 1 + len(applied)
		}
	}
	b := &Bill{root: root, chain: chain}
	above := 0.0
	for depth := range b.value {
		p := at[root.index]
		b.value[depth] = (p.keywords + above) * b.scope(depth)
		b.program[depth] = p.program
		b.upTo[depth] = expense{b.value[depth], b.program[depth]}
		if depth > 0 {
			before := b.upTo[depth-1]
			b.upTo[depth] = expense{max(b.value[depth], before.value), max(b.program[depth], before.program)}
		}
		above = p.schemas
		if !(b.value[depth] <= MaxWork) { // as all that is deeper is
			for deep := depth + 1; deep <= strictjson.MaxDepth; deep++ {
				b.value[deep], b.program[deep], b.upTo[deep] = math.Inf(1), math.Inf(1), expense{math.Inf(1), math.Inf(1)}
			}
			break
		}
		if next := pricesBelow(a.entries, at); !slices.Equal(next, at) {
			at = next
			if err := a.step(terms); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// scope returns how many times its price a judgement at a depth costs. Each looks at
// what jsonschema came through to it, and an error is as long as that.
func (b *Bill) scope(depth int) float64 {
	scope := float64((depth + 1) * b.chain)
	return 1 + math.Floor(scope/scopePrice) + scope*scope/(scopePrice*scopePrice*scopePrice)
}

// pricesBelow returns the prices one level further down.
func pricesBelow(entries []*entry, at []price) []price {
	next := make([]price, len(entries))
	for i, e := range entries {
		var most price
		for applied := range e.applications() {
			var p price
			for _, t := range applied {
				p = p.plus(at[t.to.index], t.times)
			}
			most = most.max(p)
		}
		most.keywords += e.equal
		next[i] = most
	}
	return next
}
