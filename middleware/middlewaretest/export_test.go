package middlewaretest

import "iter"

// Rules yields the names and texts of all rules.
func Rules() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for r := range ruleCount {
			if !yield(r.String(), r.text()) {
				return
			}
		}
	}
}

// What the rule "input" is checked with.
var (
	Clone = clone
	Same  = same
)
