// Package plan accepts most texts that satisfy a schema while it reads them, and
// refuses most others while they arrive.
//
// [Lower] makes a [Plan] of a schema that jsonschema compiled. [Plan.Accept] reads a
// whole text by it, without decoding and without an allocation, and accepts or gives
// up. A [Watch] reads a text in pieces, and refuses or goes on. These two readers
// share the plan and nothing else: each errs on its own side.
package plan

import (
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/format"
)

// A Plan is what a value must satisfy, in a form that is checked while the value
// is read. It is lowered from the schemas that jsonschema compiled, once, at
// Compile; jsonschema stays the judge.
//
// A plan stands for all schemas that apply to a value together: what a $ref leads
// to and the parts of an allOf are in the one plan. Each demand that a plan makes
// is one that those schemas make. The reverse holds for values of the kinds in
// accepts only: a value of one of these satisfies the schemas if it satisfies the
// plan. Of other kinds the schemas demand more than the plan says, and a value
// that satisfies the plan may be refused. So a plan can tell early that a value
// will be refused, and can accept a value where it knows all.
//
// Plans refer to one another in cycles where schemas do. They are immutable.
type Plan struct {
	kinds   kinds // that are allowed
	accepts kinds // of those, the ones of which the plan knows all
	values  *values
	text    textPlan
	number  numberPlan
	array   arrayPlan
	object  objectPlan

	// alternatives are nil, or the value must satisfy one of them. Each makes
	// all demands of this plan and those of one member of an anyOf or oneOf.
	// Those of a oneOf exclude one another, or accepts is empty.
	alternatives []*Plan
}

// kinds are a set of the kinds of values that plans tell apart.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBoolean
	kindInteger  // a number without a fractional part, such as 1.0 or 1e2
	kindFraction // any other number
	kindString
	kindArray
	kindObject

	kindNumber = kindInteger | kindFraction
	anyKind    = kindNull | kindBoolean | kindNumber | kindString | kindArray | kindObject
)

// kindsOf returns the kinds that a value may have whose first byte is c, or none
// where no value begins like that.
func kindsOf(c byte) kinds {
	switch c {
	case '"':
		return kindString
	case '{':
		return kindObject
	case '[':
		return kindArray
	case 't', 'f':
		return kindBoolean
	case 'n':
		return kindNull
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return kindNumber
	}
	return 0
}

// values are those of an enum or a const: a value must be one of them. A plan has
// none where every value will do.
type values struct {
	null, yes, no bool
	texts         table
	numbers       []strictjson.Decimal

	// unlisted are the kinds of which the schema lists values that are not
	// here: arrays, objects and numbers of too many digits. The plan does not
	// accept values of these kinds.
	unlisted kinds

	// What is said of a value that is none of them: by which keyword, and which
	// values are, as the schema has them, with their kinds.
	keyword string
	said    []any
	kinds   kinds
}

// A textPlan is what a string must satisfy. Lengths are in characters.
type textPlan struct {
	min, max int // max is math.MaxInt where there is none
	patterns []*pattern
	formats  []format.Func
	asserted []asserted // all formats; those in formats are here too
}

// An asserted format is one that jsonschema knows, which has the last word.
type asserted struct {
	name string
	is   func(any) bool
}

func (f *asserted) has(s string) bool { return f.is(s) }

// judgesContent reports whether the content of the string matters, and not only its
// length.
func (p *textPlan) judgesContent() bool { return len(p.patterns)+len(p.formats) > 0 }

// A numberPlan is what a number must satisfy. The pointers are nil where there is
// no such bound.
type numberPlan struct {
	min, max   *bound
	multipleOf []strictjson.Decimal
}

// unbounded reports whether any number will do.
func (p *numberPlan) unbounded() bool {
	return p.min == nil && p.max == nil && len(p.multipleOf) == 0
}

// A bound is the least or the greatest number that is allowed, or the one next to
// it.
type bound struct {
	strictjson.Decimal
	exclusive bool
}

// An arrayPlan is what an array must satisfy.
type arrayPlan struct {
	min, max int     // how many items; max is math.MaxInt where there is none
	prefix   []*Plan // of the first items, each its own
	items    *Plan   // of those that follow; it allows no kind where there must be none
}

// item returns the plan of the item with the given index.
func (p *arrayPlan) item(i int) *Plan {
	if i < len(p.prefix) {
		return p.prefix[i]
	}
	return p.items
}

// An objectPlan is what an object must satisfy.
type objectPlan struct {
	min, max int     // how many properties; max is math.MaxInt where there is none
	names    table   // of the properties that schemas mention, at most maxNames
	children []*Plan // of these properties, by their index in names
	required uint64  // bit i is for the property with index i
	extra    *Plan   // of all other properties; it allows no kind where there must be none

	// The hashes, by strictjson.FoldHash, of the declared names. A name that is not
	// declared and has the hash of one may differ from it in case alone.
	twins []uint64
}

// maxNames is how many properties a plan can tell apart: one for each bit.
const maxNames = 64

// property returns the plan of the property with the given name.
func (p *objectPlan) property(name string) *Plan {
	if i := p.names.find(name, 0, len(name)); i >= 0 {
		return p.children[i]
	}
	return p.extra
}
