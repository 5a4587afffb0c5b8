package schema

import (
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/cost"
	"example.com/safeconduct/schema/internal/format"
	"example.com/safeconduct/schema/internal/phrase"
)

// The limits of what [Compile] accepts. They are far above what schemas for
// tools and answers need, and low enough that no schema holds up a program.
const (
	MaxSchemaBytes = 512 << 10         // the length of a schema's JSON text
	MaxSubschemas  = 5000              // the schemas within a schema
	MaxPattern     = format.MaxPattern // the length of a regular expression in bytes: 1000

	// MaxCost, 10,000, bounds what a schema may ask for at its own place of an
	// instance, counted in keywords to look at: how often the place is judged, times
	// what each schema that judges it asks. A chain of n schemas that each
	// refer to the next one twice costs 2^n. What a recursive schema asks for
	// n levels down is a matter of the instance, and of MaxWork.
	MaxCost = cost.MaxCost
)

// The limits of what [Schema.Validate] looks at. A schema's own JSON text keeps
// those of depth and numbers too.
const (
	MaxBytes = strictjson.MaxBytes // the length of an instance's JSON text: 1 MiB
	MaxDepth = strictjson.MaxDepth // objects and arrays within one another: 64

	// A number may have 100 digits before its exponent, and the exponent may be
	// from -324 to 308. So every float64 is one.
	MaxDigits   = strictjson.MaxDigits
	MinExponent = strictjson.MinExponent
	MaxExponent = strictjson.MaxExponent

	// MaxWork, 1,000,000, bounds a whole judgement, in the unit of MaxCost: about a
	// second.
	// What an instance takes at most is worked out before any of its values is
	// judged, from the schemas that apply to each.
	MaxWork = cost.MaxWork
)

// The limits of what an error says.
const (
	MaxViolations = 16               // in a [ValidationError]
	MaxReason     = phrase.MaxReason // the length of the Reason of a [Violation] in bytes: 256
)

// Limits that nobody needs to know.
const (
	maxName     = 100     // of a schema, in bytes
	maxPrograms = 100_000 // instructions that all regular expressions compile to
)
