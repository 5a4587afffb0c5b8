package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// Output returns the gate of the output boundary, "schema.output": what leaves
// the outermost call that it guards satisfies s, or does not leave. The denial
// has [middleware.CodeBadOutput], a reason that says what is wrong and where, and
// the [*ValidationError] as its cause.
//
// Calls within the outermost one pass. So in an order that guards a run, its
// plans, its models and its tools alike, Output judges the final answer of the
// run alone; given to a single chain, model or tool, or to those of one kind by
// [middleware.On], it judges what that returns.
//
// What it judges depends on the call:
//
//   - Of a chain, the value of one output key: the only key, or else "output" or
//     "text", whichever there is. Agents and chains of langchaingo use these, and
//     may add others, such as the steps that led there. Where it cannot be told
//     which key is meant, the gate denies; [Rules] can name one.
//   - Of a plan, the final answer, in the same way. A plan that goes on passes.
//   - Of a model, the text of every choice. A choice without text passes if it
//     asks for tools or holds nothing but reasoning, but a response of nothing
//     but reasoning is denied.
//   - Of a tool, what it said, and of anything else all of it.
//
// A string is judged as the JSON text that it must be, as by [Schema.Validate],
// and any other value as by [Schema.ValidateValue]. Nothing is changed: what
// leaves is what came. What the call streams is held until then; see
// [middleware.After].
//
// Output panics if s is nil. It is [Boundary] with no other rules.
func Output(s *Schema) middleware.Interceptor {
	if s == nil {
		panic("schema: Output: nil Schema")
	}
	return Boundary(Rules{Schema: s})
}

// Rules are what a [Boundary] holds answers to, and what it does about those that
// do not keep them. All but the Schema may be zero.
type Rules struct {
	// Schema is what answers satisfy. It must not be nil.
	Schema *Schema

	// Key is the key of a chain's or a plan's output that is judged. Where
	// there is no such key the output is denied. If it is empty, the key is
	// found as [Output] says.
	Key string

	// Check judges answers that satisfy the schema, by what a schema cannot
	// say. It gets the JSON that was judged, without white space, perhaps more
	// than once, and must be safe for concurrent use. An error made by [middleware.Deny] refuses the
	// answer with its code, and its reason is shown to the model where that
	// is asked again. For any other error, or a panic, the answer is denied
	// as indeterminate, and nobody is told why. Nil checks nothing.
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

// Boundary returns the gate of the output boundary with more rules than those of
// [Output].
//
// # Asking again
//
// With Reasks, the model is asked again for an answer that is refused. It gets
// its answer back, if need be shortened, and a message that says what is wrong
// with it: where, as JSON Pointers, and what the schema demands there, but
// nothing of what the answer held. The schema comes with it, unless it is longer
// than 4 KiB. Each time is a call of its own, made with [middleware.Again]:
// recorders record it, budgets charge it, gates that count denials count those of
// refused answers, and what they deny is denied. Stand the boundary outside of
// budgets, deadlines and gates that bound how much goes on at a time: what they hold
// for an answer they have then given back.
//
// What is asked again depends on the outermost call that the boundary guards:
//
//   - A model request is made again.
//   - A chain that runs an agent is not run again, but the agent's last turn is:
//     the plan whose final answer is refused. If the agent then asks for tools
//     instead, it goes on from there.
//   - Any other chain is run again, with all that it does, if it asked a model
//     just once, and no tool and no agent. One that asks more often may act in
//     between: guard the chain in it that gives the answer.
//   - A plan, outside of any chain, is made again.
//
// A chain or plan can be asked again only where the same boundary guards its
// model, as in an Executor of adapters/langchaingo: there the messages are added
// to the request. Where it does not, where more than one request was made, or
// where a part of the answer was streamed to the caller already, there is nobody to
// ask, and the answer is refused for good. An answer that cannot be found in the
// output, or that could not be judged, is denied at once. Of what is streamed the
// caller gets that of the answer that leaves, and nothing of those that were
// refused.
//
// # Streams
//
// What the outermost call streams is held until the answer is judged, as by
// [middleware.After]; [middleware.Window] and [middleware.PassThrough] declare
// otherwise. The text of a model that is itself the outermost call is judged
// while it arrives, before any of it is held or passed on: as soon as no text that
// begins so can satisfy the schema, the stream is ended and the answer refused.
// That tells of syntax, types, undeclared properties, names that stand twice,
// values that are not listed, lengths, bounds, patterns, formats, and what is
// missing where an object ends; what other keywords demand shows when the answer
// is whole. It is not done with Extract, Repair or a Default, where another text
// may take the place of the one that arrives, nor for more than one candidate.
//
// What leaves is what was judged. Where a model or a tool has streamed something else
// than it returned, be it but for white space around it, or a chain or a plan nothing
// that holds the text of its answer, that text leaves in the place of the stream; of
// a response of several choices it is that of the first.
//
// # On the trail
//
// The decision on the trail of a call that was asked again is a transform, with
// the code and reason of the refusal; of each answer that was refused since, the
// denial of its own call. An answer that leaves as something else than it came is
// a transform too, and its reason says what was changed. Within
// [middleware.Shadow] nothing is asked again.
//
// Boundary panics if the rules have no Schema, if Reasks is negative, or if the
// Default does not satisfy the Schema.
func Boundary(rules Rules) middleware.Interceptor {
	if rules.Schema == nil {
		panic("schema: Boundary: nil Schema")
	}
	if rules.Reasks < 0 {
		panic(fmt.Sprintf("schema: Boundary: Reasks of %d", rules.Reasks))
	}
	b := &boundary{Rules: rules, gate: middleware.NewGate("schema.output"), shown: shown(rules.Schema)}
	if rules.Default != nil {
		b.byDefault = newFallback(rules.Schema, rules.Default)
	}
	return b.intercept
}

// maxShown bounds the schema that a model gets to read, in bytes.
const maxShown = 4 << 10

// shown returns the text of a schema for a model, or nothing if that is long.
func shown(s *Schema) string {
	var text bytes.Buffer
	if err := json.Compact(&text, s.text); err != nil || text.Len() > maxShown {
		return ""
	}
	return text.String()
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
