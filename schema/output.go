package schema

import (
	"context"
	"fmt"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// Output returns the gate of the output boundary, "schema.output": what leaves
// the outermost call that it guards satisfies s, or does not leave. The denial
// has [middleware.CodeBadOutput], a reason that says what is wrong and where, and
// the [*ValidationError] as its cause. Nothing is changed: what leaves is what came.
// What is judged of each kind of call is said in the package's documentation.
//
// Output panics if s is nil. It is [Boundary] with no other rules.
func Output(s *Schema) middleware.Interceptor {
	if s == nil {
		panic("schema: Output: nil Schema")
	}
	return Boundary(BoundaryRules{Schema: s})
}

// BoundaryRules say what a [Boundary] holds answers to, and what it does about those
// that do not keep to it. All but the Schema may be zero.
type BoundaryRules struct {
	// Schema is what answers satisfy. It must not be nil.
	Schema *Schema

	// Key is the key of a chain's or a plan's output that is judged. Where
	// there is no such key the output is denied. Empty means the only key, or
	// else "output" or "text", whichever there is.
	Key string

	// Check judges answers that satisfy the schema, by what a schema cannot
	// say. It gets the JSON that was judged, without white space, perhaps more
	// than once, and must be safe for concurrent use. An error made by
	// [middleware.Deny] refuses the answer with its code, and its reason is
	// shown to the model where that is asked again. For any other error, or a
	// panic, the answer is denied as indeterminate, and nobody is told why. Nil
	// checks nothing.
	Check func(ctx context.Context, answer []byte) error

	// Extract has an answer that is no JSON of its own judged by the one JSON
	// value in it, as package repair finds it. That value leaves in the answer's
	// place, serialised again.
	Extract bool

	// Repair is Extract for almost JSON, which is mended as package repair does it.
	Repair bool

	// Reasks is how often, at most, the model is asked again for an answer in
	// place of one that is refused; see [Boundary].
	Reasks int

	// Default leaves in the place of an answer that is refused for good. It is
	// judged by the Schema when the boundary is made, by the JSON that package
	// encoding/json makes of it. Where the answer was a string, that JSON
	// leaves as a string, and else its decoded form. If it is nil, such an
	// answer is denied; json.RawMessage("null") is a default of null.
	Default any
}

const outputName = "schema.output"

// Boundary returns the gate of [Output] with more rules. With Extract or Repair it
// takes the JSON out of what a model said, with Reasks it asks the model again, and
// with a Default it has something else leave. A denial has
// [middleware.CodeBadOutput], or the code that Check gave it. How it asks again, what
// becomes of streams, and what the trail says is in the package's documentation.
//
// Boundary panics if the rules have no Schema, if Reasks is negative, or if the
// Default does not satisfy the Schema.
func Boundary(rules BoundaryRules) middleware.Interceptor {
	if rules.Schema == nil {
		panic("schema: Boundary: nil Schema")
	}
	if rules.Reasks < 0 {
		panic(fmt.Sprintf("schema: Boundary: Reasks of %d", rules.Reasks))
	}
	b := &boundary{BoundaryRules: rules, gate: middleware.NewGate(outputName), shown: shownWhole(rules.Schema)}
	if rules.Default != nil {
		b.byDefault = newFallback(rules.Schema, rules.Default)
	}
	return b.intercept
}

// A fallback is a default answer.
type fallback struct{ text string }

func newFallback(s *Schema, v any) *fallback {
	judged, err := s.judgeValue(v)
	if err != nil {
		panic(fmt.Sprintf("schema: Boundary: the Default: %v", err))
	}
	return &fallback{strictjson.Normal(judged)}
}

// as returns the default answer in the place of v. A decoded one is the caller's
// own.
func (f *fallback) as(v any) any {
	if _, ok := v.(string); ok {
		return f.text
	}
	doc, fault := strictjson.Parse(f.text, MaxBytes, false)
	if fault != nil {
		panic(fmt.Sprintf("schema: Boundary: the Default %s", fault.Reason)) // it was judged
	}
	return doc.Value
}
