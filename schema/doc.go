// Package schema checks JSON against JSON Schema at the boundaries of an agent:
// the arguments that a model gives to a tool, and the answer that leaves a run.
//
//	var transfer = schema.MustCompile("transfer", `{
//		"type": "object",
//		"required": ["to", "amount"],
//		"properties": {
//			"to":     {"type": "string", "format": "email"},
//			"amount": {"type": "number", "maximum": 100}
//		},
//		"additionalProperties": false
//	}`)
//
//	agent := langchaingo.Executor(executor,
//		schema.Input(schema.Tools{"transfer": transfer}),
//		schema.Output(answer),
//	)
//
// [Input] is the gate of argument contracts, [Output] that of the output boundary.
// [Boundary] is Output with more rules: it can take the JSON out of what a model
// said, ask the model again, and fall back on a default. [Schema.Validate] judges
// a JSON text without any gate.
//
// [For] makes a schema of a Go type, and [Decode] a value of that type of a JSON text
// that satisfies it.
//
// Package repair, below this one, takes the JSON out of what a model said around it,
// and mends what is almost JSON.
//
// The package stands between a model and a program, so that it is strict where
// parsers differ, bounded where a text or a schema could cost too much, and silent
// about what it judged. No error of it holds what an instance brought: a
// [Violation] says where, as far as the schema has names for it, and what the
// schema demands there. So an error may be shown to the model, to the user and in
// a log.
//
// A text that satisfies its schema is accepted while it is read, by a plan that is
// made of the compiled schema: without decoding and without an allocation. What
// that does not accept outright, because it is wrong, or odd, or because the schema
// has keywords that are not in plans, is decoded strictly and judged by jsonschema,
// which makes all errors. Not in plans are not, if, propertyNames, uniqueItems,
// contains, the dependent and the unevaluated keywords, dynamic references, a oneOf
// whose members do not exclude one another by types, constants or required
// properties, and the rarer formats.
//
// By the same plan an answer that a model streams is refused while it arrives, as
// soon as nothing that begins so can satisfy the schema; see [Boundary].
//
// Schemas are those of drafts 4, 6, 7, 2019-09 and 2020-12, as far as
// github.com/santhosh-tekuri/jsonschema/v5 has them, and stand on their own, or on
// resources that are handed in with them: no reference leads anywhere else. See
// [Compile] for what it accepts, [Options] for what can be chosen, and the
// constants for the limits.
package schema
