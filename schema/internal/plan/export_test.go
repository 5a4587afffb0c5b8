package plan

import "regexp"

// Pattern returns how a regular expression is matched, and whether it is without
// one.
func Pattern(text string) (matches func(string) bool, runs bool) {
	p := newPattern(regexp.MustCompile(text))
	return p.matches, p.runs != nil
}
