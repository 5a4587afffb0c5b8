package strictjson

import "strconv"

// A Fault says what is wrong with a JSON text, and where. It holds nothing of the
// text but the names on the path.
type Fault struct {
	Keyword string // one of the constants here, or a keyword of JSON Schema
	Reason  string // what the value must be
	Path    []Step // to the offending value
	Offset  int    // in bytes; -1 where it says nothing
}

// A Step leads from a value to one within it.
type Step struct {
	Name  string
	Index int // of an array's item; -1 where the step is by name
}

// Property is the step to the property of an object.
func Property(name string) Step { return Step{name, -1} }

// Item is the step to an item of an array.
func Item(index int) Step { return Step{"", index} }

// The Keywords of faults that [Parse] finds. None of them is a keyword of JSON Schema.
const (
	KeywordSize      = "size"      // too long a text
	KeywordEncoding  = "encoding"  // invalid UTF-8, or a lone surrogate
	KeywordSyntax    = "syntax"    // not JSON, or something after it
	KeywordDepth     = "depth"     // nested deeper than MaxDepth
	KeywordNumber    = "number"    // beyond MaxDigits, MinExponent or MaxExponent
	KeywordDuplicate = "duplicate" // two properties of one name
	KeywordTwin      = "twin"      // two properties whose names differ in case alone
)

// The Reasons of such faults.
const (
	ReasonSyntax    = "must be JSON"
	ReasonTrailing  = "must be one JSON value and nothing after it"
	ReasonUTF8      = "must be valid UTF-8"
	ReasonSurrogate = "must have no lone surrogate"
	ReasonDepth     = "must not be nested more than 64 levels deep"
	ReasonDigits    = "must be a number of at most 100 digits"
	ReasonExponent  = "must be a number with an exponent from -324 to 308"
	ReasonDuplicate = "must not have a property twice"
	ReasonTwin      = "must not have properties whose names differ in case alone"
)

// TooLong is the fault of a text of more than limit bytes.
func TooLong(limit int) *Fault {
	return &Fault{Keyword: KeywordSize, Reason: "must be at most " + strconv.Itoa(limit) + " bytes long", Offset: -1}
}
