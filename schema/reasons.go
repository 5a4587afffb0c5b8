package schema

import (
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/phrase"
)

// reasonFor says what the keyword of n demands of the value v; rest is what follows
// the keyword in its location, and none whether no alternative held. Where the
// location is not understood n is nil.
func reasonFor(n *graph.Node, keyword, rest string, none bool, v any) string {
	if n == nil {
		return "must satisfy " + keyword
	}
	if n.Always != nil {
		return phrase.NotAllowed
	}
	switch keyword {
	case "type":
		return phrase.Type(n.Types)
	case "const":
		return phrase.Const(n.Constant[0])
	case "enum":
		return phrase.OneOf(n.Enum)
	case "format":
		return phrase.Format(n.Format)
	case "pattern":
		return phrase.Pattern(n.Pattern.String())
	case "minLength":
		return phrase.MinLength(n.MinLength)
	case "maxLength":
		return phrase.MaxLength(n.MaxLength)
	case "minimum":
		return phrase.Minimum(number(n.Minimum))
	case "exclusiveMinimum":
		return phrase.ExclusiveMinimum(number(n.ExclusiveMinimum))
	case "maximum":
		return phrase.Maximum(number(n.Maximum))
	case "exclusiveMaximum":
		return phrase.ExclusiveMaximum(number(n.ExclusiveMaximum))
	case "multipleOf":
		return phrase.MultipleOf(number(n.MultipleOf))
	case "minItems":
		return phrase.MinItems(n.MinItems)
	case "maxItems":
		return phrase.MaxItems(n.MaxItems)
	case "additionalItems":
		items, _ := n.Items.([]*graph.Node)
		return phrase.MaxItems(len(items))
	case "uniqueItems":
		return "must not have two equal items"
	case "minContains":
		return phrase.MinItems(n.MinContains) + " of the kind that contains describes"
	case "maxContains":
		return phrase.MaxItems(n.MaxContains) + " of the kind that contains describes"
	case "minProperties":
		return phrase.MinProperties(n.MinProperties)
	case "maxProperties":
		return phrase.MaxProperties(n.MaxProperties)
	case "required":
		return phrase.Required(missing(n.Required, v))
	case "dependentRequired", "dependencies":
		return dependent(n, keyword, rest)
	case "additionalProperties":
		return noOthers(n)
	case "not":
		return "must not satisfy the schema of not"
	case "anyOf":
		return "must satisfy one of the " + phrase.Plural(len(n.AnyOf), "schema") + " of anyOf"
	case "oneOf":
		if !none {
			return "must satisfy only one of the " + phrase.Plural(len(n.OneOf), "schema") + " of oneOf"
		}
		return "must satisfy one of the " + phrase.Plural(len(n.OneOf), "schema") + " of oneOf"
	}
	return "must satisfy " + keyword
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
func dependent(n *graph.Node, keyword, rest string) string {
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
	return phrase.Required(required[i:i+1]) + " where it has " + phrase.Quote(token)
}

// noOthers says which properties a schema allows alone.
func noOthers(n *graph.Node) string {
	declared := slices.Sorted(maps.Keys(n.Properties))
	reason := phrase.NoOtherProperties(declared)
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
