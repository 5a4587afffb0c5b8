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
// [Run] asks a model for a Go value in one call: it tells the model the schema, judges
// the answer, asks again and decodes. [Instructions] is what it tells the model, for
// prompts of one's own: an agent whose prompt leaves the schema out answers in prose
// first.
//
// [For] makes a schema of a Go type, and [Decode] a value of that type of a JSON text
// that satisfies it. Package repair, below this one, takes the JSON out of what a
// model said around it, and mends what is almost JSON.
//
// The package stands between a model and a program. So it is strict where parsers
// differ, bounded where a text or a schema could cost too much, and silent about what
// it judged. No error of it holds what an instance brought: a [Violation] says where,
// as far as the schema has names for it, and what the schema demands there. So an
// error may be shown to the model, to the user and in a log.
//
// # Schemas
//
// Schemas are those of drafts 4, 6, 7, 2019-09 and 2020-12, as far as
// github.com/santhosh-tekuri/jsonschema/v5 has them. The draft is the one that $schema
// names, and 2020-12 where there is none; a $schema within, of a schema without an
// $id, has no meaning. [Options] says what can be chosen.
//
// The keyword format is asserted in each draft: date-time, date, time, duration,
// period, email, hostname, ipv4 (ip-address), ipv6, uri, uri-reference (uriref),
// uri-template, iri, iri-reference, uuid, json-pointer, relative-json-pointer and regex
// are checked, other formats are not. A hostname is one of RFC 1123: whether a label
// of it is the Punycode of anything is not checked. A uri is one of RFC 3986 that
// package net/url takes as well. The keywords about content are not asserted in any
// draft. Regular expressions are those of package regexp, which take linear time.
//
// A schema stands on its own, or on resources that [CompileWith] gets. Compiling
// opens no file and no connection. These are refused:
//
//   - a reference that leads out of the schema, but for one to the metaschema of a
//     draft, and one that leads nowhere, or back to where it stands, whether anything
//     applies it or not;
//   - what is not strict JSON, as [Schema.Validate] describes it;
//   - a schema beyond the limits of this package, be it in length, number of schemas,
//     regular expressions or cost at its own place;
//   - what the metaschema of the draft refuses.
//
// # How a text is judged
//
// A text that satisfies its schema is accepted while it is read, by a plan that is
// made of the compiled schema: without decoding and without an allocation. What the
// plan does not accept outright, because it is wrong or unusual, or because the schema
// has keywords that are not in plans, is decoded strictly and judged by jsonschema,
// which makes all errors. These are not in plans: the keywords "not", "if",
// "propertyNames", "uniqueItems", "contains", those that begin with "dependent" or
// "unevaluated", dynamic references, a "oneOf" whose members do not exclude one another
// by types, constants or required properties, and the rarer formats.
//
// A plan also serves to refuse an answer that a model streams while it arrives: as
// soon as no text that begins like that can satisfy the schema.
//
// # Arguments of tools
//
// What a tool receives from [Input] is what was judged, serialised again; see
// [Schema.Normalize]. Where that is not byte for byte what the model wrote, the
// decision is a transform.
//
// A model may not make up arguments. If a schema declares properties for them, there
// are no others, unless it says something about others itself, by
// additionalProperties, patternProperties or unevaluatedProperties. That is so where
// one schema alone describes the arguments, be it by a $ref or as the only part of
// an allOf, anyOf or oneOf that does. Where several do, beside one another, or where
// not, if, dependentSchemas, a dynamic reference or a $recursiveAnchor stand there,
// the schema is taken as it is written; and so is what it says about the objects
// within arguments, to which models do add what they know.
//
// Arguments are judged as the JSON text that they must be. That holds for a tool
// that takes a single string, too: its contract would be {"type":"string"}, and
// the argument "London", with its quotes. A tool that takes plain text, as those
// do that an OpenAIFunctionsAgent of langchaingo calls with one string, can have
// a contract only if that text is JSON; Declare of adapters/langchaingo has agents
// call a tool with a JSON object.
//
// Calls of tools without a contract pass, and so do all other calls. The names of
// tools are compared without regard to case, as agents look them up; a tool call
// in a plan that names no registered tool goes by the name that the model wrote.
//
// # Asking for a Go value
//
// [Run] is a boundary around one request to a model, and what comes before and after:
//
//	ask := func(is ...middleware.Interceptor) middleware.Handler {
//		return middleware.Wrap(client.Ask, append(is, gates.Budget(limits))...)
//	}
//	triage, err := schema.Run[Triage](ctx, ask, schema.Prompt("Triage: "+ticket), schema.BoundaryRules{Reasks: 2})
//
// The [Instructions] stand at the end of what the human said last; the request itself is
// not modified. An answer that satisfies the schema and does not fit into the type, see
// [Decode], is refused like one that does not satisfy it. Check comes after that.
//
// Ask is called once, and what it returns once, with a call of a model: what is asked
// again is within that. It puts the interceptors that it gets outside of gates and
// inside a recorder. What was spent is charged and recorded there, whatever comes of it.
//
// # What an output boundary judges
//
// [Output] and [Boundary] judge the outermost call that they guard; calls within it
// pass. So in an order that guards a run, its plans, its models and its tools alike,
// they judge the final answer of the run alone; given to a single chain, model or
// tool, or to those of one kind by [middleware.On], they judge what that returns:
//
//   - Of a chain, the value of one output key: the only key, or else "output" or
//     "text", whichever there is. Agents and chains of langchaingo use these, and
//     may add others, such as the steps that led there. Where it cannot be told
//     which key is meant, the gate denies; [BoundaryRules] can name one.
//   - Of a plan, the final answer, in the same way. A plan that goes on passes.
//   - Of a model, the text of every choice. A choice without text passes if it
//     asks for tools or holds nothing but reasoning, but a response of nothing
//     but reasoning is denied.
//   - Of a tool, what it said, and of anything else all of it.
//
// A string is judged as the JSON text that it must be, as by [Schema.Validate],
// and any other value as by [Schema.ValidateValue].
//
// # Asking again
//
// With Reasks, the model is asked again for an answer that is refused. It gets
// its answer back, if need be shortened, and a message that says what is wrong
// with it: where, as JSON Pointers, and what the schema demands there, but
// nothing of what the answer held. The schema comes with it, unless it is longer
// than 4 KiB. Each time is a call of its own, made with [middleware.Again]:
// recorders record it, budgets charge it, gates that count denials count those of
// refused answers, and what they deny is denied. Put the boundary outside of budgets,
// deadlines and gates that bound how much goes on at a time: what these reserve for
// an answer is then given back before another one is asked for.
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
// output, or that could not be judged, is denied at once. The caller gets the stream
// of the answer that leaves, and nothing of those that were refused.
//
// # Streams
//
// What the outermost call streams is held until the answer is judged, as by
// [middleware.After]; [middleware.Window] and [middleware.PassThrough] declare
// otherwise. The text of a model that is itself the outermost call is judged
// while it arrives, before any of it is held or passed on: as soon as no text that
// begins like that can satisfy the schema, the stream is ended and the answer refused.
// That tells of syntax, types, undeclared properties, names that stand twice,
// values that are not listed, lengths, bounds, patterns, formats, and what is
// missing where an object ends; what other keywords demand shows when the answer
// is whole. It is not done with Extract, Repair or a Default, where another text
// may take the place of the one that arrives, nor for more than one candidate.
//
// What leaves is what was judged. If a model or a tool has streamed something else
// than it returned, even if only white space differs, or if nothing that a chain or a
// plan streamed holds the text of its answer, then that text leaves in place of the
// stream. Of a response of several choices it is that of the first.
//
// # On the trail
//
// The decision on the trail of a call that was asked again is a transform, with
// the code and reason of the refusal; each answer that was refused since has the
// denial of its own call. An answer that leaves as something else than it came is
// a transform too, and its reason says what was changed. Within
// [middleware.Shadow] nothing is asked again.
//
// # Go types
//
// The schema that [For] makes of a struct is an object with the properties that
// encoding/json gives its fields, embedded ones included, and no others. They are
// required but for those with omitempty or omitzero, and those of an embedded pointer.
// Integers have the bounds of their types up to 32 bits; a time.Time is a string of
// the format date-time, a []byte a base64 string, a type with a text form a string, an
// any anything. A pointer or slice may be null, a map may not. The tag
// jsonschema:"..." is the description of a field's property.
//
// There is no schema of a type that holds itself or makes its own JSON, an interface
// other than any, a func, a channel, a complex number, a map with integer keys, the
// option string, an embedded type with a tag or that is no struct, two fields of one
// name, and a name that encoding/json does not take.
//
// [Decode] leaves out a property that the schema lets in and that the type has no
// field for. One whose name differs in case alone from that of a field is refused:
// encoding/json would take it for the field, and the schema has judged it as something
// else. What a type with an UnmarshalJSON or UnmarshalText of its own takes for a
// field is not known here: such a type must be strict itself. A number becomes what
// encoding/json makes of it: in an any a float64, which may lose digits that the
// schema has judged; a [encoding/json.Number] loses none. The Pointer of a violation
// of [KeywordFit] leaves out the indexes of arrays.
package schema
