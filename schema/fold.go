package schema

import (
	"unicode"
	"unicode/utf8"
)

// fold maps every name to one of those that are equal to it by Unicode's simple
// case folding, as encoding/json compares names. Of ASCII letters that is the
// lower case.
func fold(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return foldFrom(name, i)
		}
	}
	return name
}

func foldFrom(name string, i int) string {
	b := append(make([]byte, 0, len(name)), name[:i]...)
	for _, r := range name[i:] {
		b = utf8.AppendRune(b, foldRune(r))
	}
	return string(b)
}

func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

// A nameSet holds the names of one object as fold maps them. The zero nameSet
// is empty.
type nameSet struct {
	few  [12]string
	n    int
	many map[string]struct{}
}

// add reports whether the name was new.
func (s *nameSet) add(name string) bool {
	if s.many == nil {
		for _, have := range s.few[:s.n] {
			if have == name {
				return false
			}
		}
		if s.n < len(s.few) {
			s.few[s.n] = name
			s.n++
			return true
		}
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, have := range s.few {
			s.many[have] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}
