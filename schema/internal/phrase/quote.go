package phrase

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/safeconduct/internal/shown"
)

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

// list lists values of the schema.
func list[T any](all []T) string {
	return shown.List(all, func(v T) string { return Quote(v) })
}

// names lists properties of the schema.
func names(all []string) string {
	if len(all) == 1 {
		return "the property " + list(all)
	}
	return "the properties " + list(all)
}

// Plural returns n and the noun, in the plural unless n is 1.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") {
		return strconv.Itoa(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Quote returns a part of a schema as JSON, shortened and safe to show.
func Quote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "it"
	}
	return Visible(Clip(string(b), 100))
}

// MaxReason is how long a sentence about a value may be, in bytes.
const MaxReason = 256

// Clip cuts s to at most n bytes, between characters.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const dots = "..."
	cut := n - len(dots)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + dots
}

// Visible quotes s where it holds what a terminal or a log would not show as it
// is: the text of a schema may come from a third party.
func Visible(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
