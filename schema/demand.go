package schema

import (
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// demand says what the keyword of n demands of the value v; rest is what follows
// the keyword in its location, and none whether no alternative held. Where the
// location is not understood n is nil.
func demand(n *node, keyword, rest string, none bool, v any) string {
	if n == nil {
		return "must satisfy " + keyword
	}
	if n.Always != nil {
		return "is not allowed"
	}
	switch keyword {
	case "type":
		return "must be " + types(n.Types)
	case "const":
		return "must be " + quote(n.Constant[0])
	case "enum":
		return "must be one of " + list(n.Enum)
	case "format":
		return "must have the format " + quote(n.Format)
	case "pattern":
		return "must match the pattern " + quote(n.Pattern.String())
	case "minLength":
		return "must be at least " + plural(n.MinLength, "character") + " long"
	case "maxLength":
		return "must be at most " + plural(n.MaxLength, "character") + " long"
	case "minimum":
		return "must be at least " + number(n.Minimum)
	case "exclusiveMinimum":
		return "must be more than " + number(n.ExclusiveMinimum)
	case "maximum":
		return "must be at most " + number(n.Maximum)
	case "exclusiveMaximum":
		return "must be less than " + number(n.ExclusiveMaximum)
	case "multipleOf":
		return "must be a multiple of " + number(n.MultipleOf)
	case "minItems":
		return "must have at least " + plural(n.MinItems, "item")
	case "maxItems":
		return "must have at most " + plural(n.MaxItems, "item")
	case "additionalItems":
		items, _ := n.Items.([]*node)
		return "must have at most " + plural(len(items), "item")
	case "uniqueItems":
		return "must not have two equal items"
	case "minContains":
		return "must have at least " + plural(n.MinContains, "item") + " of the kind that contains describes"
	case "maxContains":
		return "must have at most " + plural(n.MaxContains, "item") + " of the kind that contains describes"
	case "minProperties":
		return "must have at least " + plural(n.MinProperties, "property")
	case "maxProperties":
		return "must have at most " + plural(n.MaxProperties, "property")
	case "required":
		return "must have " + names(missing(n.Required, v))
	case "dependentRequired", "dependencies":
		return dependent(n, keyword, rest)
	case "additionalProperties":
		return noOthers(n)
	case "not":
		return "must not satisfy the schema of not"
	case "anyOf":
		return "must satisfy one of the " + plural(len(n.AnyOf), "schema") + " of anyOf"
	case "oneOf":
		if !none {
			return "must satisfy only one of the " + plural(len(n.OneOf), "schema") + " of oneOf"
		}
		return "must satisfy one of the " + plural(len(n.OneOf), "schema") + " of oneOf"
	}
	return "must satisfy " + keyword
}

// types lists the types of a schema.
func types(all []string) string {
	words := make([]string, len(all))
	for i, t := range all {
		switch t {
		case "null":
			words[i] = t
		case "array", "integer", "object":
			words[i] = "an " + t
		default:
			words[i] = "a " + t
		}
	}
	return strings.Join(words, " or ")
}

// listed is how many values or names an error lists.
const listed = 10

// list lists values of the schema.
func list[T any](all []T) string {
	var b strings.Builder
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == listed {
			b.WriteString("...")
			break
		}
		b.WriteString(quote(v))
	}
	return b.String()
}

// names lists properties of the schema.
func names(all []string) string {
	if len(all) == 1 {
		return "the property " + list(all)
	}
	return "the properties " + list(all)
}

// missing returns which of the required properties the value lacks.
func missing(required []string, v any) []string {
	m, _ := v.(map[string]any)
	var lacks []string
	for _, name := range required {
		if _, ok := m[name]; !ok {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// dependent says what one entry of dependentRequired demands.
func dependent(n *node, keyword, rest string) string {
	token, index, _ := strings.Cut(rest, "/")
	token = unescapeToken(token)
	required := n.DependentRequired[token]
	if keyword == "dependencies" {
		required, _ = n.Dependencies[token].([]string)
	}
	i, err := strconv.Atoi(index)
	if err != nil || i >= len(required) {
		return "must satisfy " + keyword
	}
	return "must have " + names(required[i:i+1]) + " where it has " + quote(token)
}

// noOthers says which properties a schema allows alone.
func noOthers(n *node) string {
	declared := slices.Sorted(maps.Keys(n.Properties))
	reason := "must have no properties"
	if len(declared) > 0 {
		reason = "must have no properties other than " + list(declared)
	}
	if len(n.PatternProperties) > 0 {
		reason += " and those that patternProperties describes"
	}
	return reason
}

// number prints a bound.
func number(r *big.Rat) string {
	if r.IsInt() && r.Num().BitLen() <= 64 {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
