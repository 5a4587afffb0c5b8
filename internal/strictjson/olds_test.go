package strictjson_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
)

// The three definitions that Fold takes the place of.

func foldGates(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

func foldSchema(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			b := append(make([]byte, 0, len(name)), name[:i]...)
			for _, r := range name[i:] {
				least := r
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					least = min(least, f)
				}
				if 'A' <= least && least <= 'Z' {
					least += 'a' - 'A'
				}
				b = utf8.AppendRune(b, least)
			}
			return string(b)
		}
	}
	return name
}

func foldLangchaingo(name string) string { return foldGates(strings.ToUpper(name)) }

// FuzzOlds looks for two names that Fold and an old definition disagree about. That
// of langchaingo stays what it was, after strings.ToUpper as its executor does: it
// takes the dotless i for an I, which no other may.
func FuzzOlds(f *testing.F) {
	for _, s := range []string{"city", "CITY", "\u212aey", "ı", "İ", "ſ", "\xff", "\ufffd", "ß", "ẞ"} {
		f.Add(s, strings.ToUpper(s))
		f.Add(s, strings.ToLower(s))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		same := strictjson.Fold(a) == strictjson.Fold(b)
		if old := foldGates(a) == foldGates(b); old != same {
			t.Errorf("gates: %q, %q: %v, now %v", a, b, old, same)
		}
		if old := foldSchema(a); old != strictjson.Fold(a) {
			t.Errorf("schema: %q: %q, now %q", a, old, strictjson.Fold(a))
		}
		old := foldLangchaingo(a) == foldLangchaingo(b)
		now := strictjson.Fold(strings.ToUpper(a)) == strictjson.Fold(strings.ToUpper(b))
		if old != now || same && !old {
			t.Errorf("langchaingo: %q, %q: %v, now %v, and by case alone %v", a, b, old, now, same)
		}
	})
}

func TestOldsDifferInTheDotlessIAlone(t *testing.T) {
	var differ []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := string(r)
		if strictjson.Fold(s) != foldSchema(s) || foldGates(s) != foldGates(strictjson.Fold(s)) {
			t.Errorf("%q: another", s)
		}
		if !strings.EqualFold(s, strings.ToUpper(s)) {
			differ = append(differ, r)
		}
	}
	if string(differ) != "ı" {
		t.Errorf("strings.ToUpper takes %q to others, want the dotless i alone", differ)
	}
}
