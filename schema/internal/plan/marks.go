package plan

import "unicode/utf8"

// mark notes the name of an undeclared property of an object whose own marks
// begin at the given one. It reports whether that certainly differs, and not in
// case alone, from those before and from all that schemas declare.
func (s *scanner) mark(p *objectPlan, marks int, name string) bool {
	hash, ascii := hashName(name)
	if !ascii || s.marks == maxMarks {
		return false
	}
	for _, declared := range p.twins {
		if declared == hash {
			return false
		}
	}
	for _, other := range s.hashes[marks:s.marks] {
		if other == hash {
			return false
		}
	}
	s.hashes[s.marks] = hash
	s.marks++
	return true
}

// hashName returns a hash of a name of ASCII letters that is the same in upper
// and lower case.
func hashName(name string) (hash uint64, ascii bool) {
	hash = 0xcbf29ce484222325
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= utf8.RuneSelf:
			return 0, false
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		hash = (hash ^ uint64(c)) * 0x100000001b3
	}
	return hash, true
}
