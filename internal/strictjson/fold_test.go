package strictjson_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
)

func TestFoldIsTheSameForNamesThatAreEqualButForCaseAlone(t *testing.T) {
	names := []string{
		"", "city", "City", "CITY", "cıty", "cİty", "\u212aey", "key", "Key", "straße", "STRASSE", "strasse",
		"ſecret", "secret", "Secret", "ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ", "µ", "Μ", "μ", "\x80", "\xff", "\ufffd", "a\xffB", "A\ufffdb",
	}
	for _, a := range names {
		for _, b := range names {
			if got, want := strictjson.Fold(a) == strictjson.Fold(b), strings.EqualFold(a, b); got != want {
				t.Errorf("Fold(%q) == Fold(%q) is %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestFoldTakesEachRuneToOneOfItsOrbit(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := string(r)
		folded := strictjson.Fold(s)
		if !strings.EqualFold(s, folded) {
			t.Fatalf("%q folds to %q, which is another", s, folded)
		}
		if next := unicode.SimpleFold(r); strictjson.Fold(string(next)) != folded {
			t.Fatalf("%q folds to %q, and %q does not", s, folded, next)
		}
	}
}

func TestFoldReturnsNamesInLowerCaseThemselves(t *testing.T) {
	name := strings.Repeat("max_bytes-0", 10)
	if got := strictjson.Fold(name); got != name {
		t.Errorf("got %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { _ = strictjson.Fold(name) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"city", "CITY", "\u212aey", "ı", "İ", "ſ", "\xff", "\ufffd", "ß", "ẞ"} {
		f.Add(s, strings.ToUpper(s))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		got, want := strictjson.Fold(a) == strictjson.Fold(b), strings.EqualFold(a, b)
		if got != want {
			t.Errorf("Fold(%q) == Fold(%q) is %v, want %v", a, b, got, want)
		}
		if again := strictjson.Fold(strictjson.Fold(a)); again != strictjson.Fold(a) {
			t.Errorf("Fold(%q) folds to %q once more", a, again)
		}
		if !utf8.ValidString(strictjson.Fold(a)) && utf8.ValidString(a) {
			t.Errorf("Fold(%q) is no UTF-8", a)
		}
	})
}
