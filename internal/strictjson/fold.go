package strictjson

import (
	"unicode"
	"unicode/utf8"
)

// Fold returns the same string for all names that are equal but for their case, and
// for no others: Fold(a) == Fold(b) where [strings.EqualFold] says that a and b are
// equal. That is Unicode's simple case folding, by which encoding/json compares names.
//
// Each rune becomes the smallest of those that fold to one another, as K and k and
// the Kelvin sign do. Neither the lower nor the upper case alone would do: the long s
// has no other lower case and the Kelvin sign no other upper case. The ASCII letters
// then become lower case, so that a name that is in lower case, as most are, is
// returned itself.
func Fold(name string) string {
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
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
