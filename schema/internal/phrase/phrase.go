// Package phrase holds the sentences that say what a schema demands, once for those
// who judge a whole value and those who judge it while it arrives. Each goes on from
// "the value", and holds nothing but what the schema says.
package phrase

// NotAllowed is said of a value where no value is allowed.
const NotAllowed = "is not allowed"

// Type names the types that a value must have one of.
func Type(all []string) string { return "must be " + types(all) }

// Const is the keyword const.
func Const(v any) string { return "must be " + Quote(v) }

// OneOf lists the values of the keyword enum.
func OneOf[T any](all []T) string { return "must be one of " + list(all) }

// Format is the keyword format.
func Format(name string) string { return "must have the format " + Quote(name) }

// Pattern is the keyword pattern.
func Pattern(pattern string) string { return "must match the pattern " + Quote(pattern) }

// MinLength is the keyword minLength.
func MinLength(n int) string { return "must be at least " + Plural(n, "character") + " long" }

// MaxLength is the keyword maxLength.
func MaxLength(n int) string { return "must be at most " + Plural(n, "character") + " long" }

// Minimum is the keyword minimum. Like the other bounds of numbers it comes as it is
// to be read.
func Minimum(n string) string { return "must be at least " + n }

// ExclusiveMinimum is the keyword exclusiveMinimum.
func ExclusiveMinimum(n string) string { return "must be more than " + n }

// Maximum is the keyword maximum.
func Maximum(n string) string { return "must be at most " + n }

// ExclusiveMaximum is the keyword exclusiveMaximum.
func ExclusiveMaximum(n string) string { return "must be less than " + n }

// MultipleOf is the keyword multipleOf.
func MultipleOf(n string) string { return "must be a multiple of " + n }

// MinItems is the keyword minItems.
func MinItems(n int) string { return "must have at least " + Plural(n, "item") }

// MaxItems is the keyword maxItems.
func MaxItems(n int) string { return "must have at most " + Plural(n, "item") }

// MinProperties is the keyword minProperties.
func MinProperties(n int) string { return "must have at least " + Plural(n, "property") }

// MaxProperties is the keyword maxProperties.
func MaxProperties(n int) string { return "must have at most " + Plural(n, "property") }

// Required names the properties that an object lacks.
func Required(missing []string) string { return "must have " + names(missing) }

// NoOtherProperties names the properties that there may be, and no others.
func NoOtherProperties(allowed []string) string {
	if len(allowed) == 0 {
		return "must have no properties"
	}
	return "must have no properties other than " + list(allowed)
}
