package plan

import (
	"slices"

	"example.com/safeconduct/internal/strictjson"
)

// mark notes the name of an undeclared property of an object whose own marks
// begin at the given one. It reports whether that certainly differs, and not in
// case alone, from those before and from all that schemas declare.
func (s *scanner) mark(p *objectPlan, marks int, name string) bool {
	if s.marks == maxMarks || strictjson.SkipPlain(name, 0) < len(name) { // it is not ASCII
		return false
	}
	hash := strictjson.FoldHash(name)
	if slices.Contains(p.twins, hash) || slices.Contains(s.hashes[marks:s.marks], hash) {
		return false
	}
	s.hashes[s.marks] = hash
	s.marks++
	return true
}
