package strictjson

// The limits of a text that [Parse] takes.
const (
	MaxBytes = 1 << 20 // the length of a text, where a caller has no limit of its own
	MaxDepth = 64      // objects and arrays within one another

	// A number may have this many digits before its exponent, and the exponent
	// may be from one of these to the other. So every float64 is one.
	MaxDigits   = 100
	MinExponent = -324
	MaxExponent = 308

	// DigitsPerValue is what a long number counts for where values are counted: one
	// more for each so many digits, written without its exponent.
	DigitsPerValue = 32
)
