package shown_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/safeconduct/internal/shown"
)

func TestList(t *testing.T) {
	numbers := func(n int) (all []any) {
		for i := range n {
			all = append(all, i)
		}
		return all
	}
	long := strings.Repeat("x", 62)
	for _, tt := range []struct {
		all  []any
		want string
	}{
		{nil, ""},
		{[]any{"a"}, `"a"`},
		{[]any{"a", "say \"hi\"", "Zürich", "a\nb", "\u202e", "\xff"}, `"a", "say \"hi\"", "Zürich", "a\nb", "\u202e", "\xff"`},
		{[]any{true, nil, 1, 2.5, 1e6, int64(7), json.Number("8")}, `true, null, 1, 2.5, 1000000, 7, 8`},
		{[]any{math.Inf(1)}, `a value`},
		{numbers(10), `0, 1, 2, 3, 4, 5, 6, 7, 8, 9`},
		{numbers(11), `0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1 more`},
		{numbers(10_000), `0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 9,990 more`},
		{numbers(1_000_010), `0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1,000,000 more`},
		{[]any{long, long, long, long, long}, `"` + long + `", "` + long + `", "` + long + `" and 2 more`},
		{[]any{strings.Repeat("é", 100)}, `"` + strings.Repeat("é", 64) + `"...`},
	} {
		if got := shown.List(tt.all, shown.Value); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// FuzzText checks that what is shown is printable, bounded text, whatever it is of.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1b[2J", "\u202eabc", strings.Repeat("\xff", 100), strings.Repeat("é", 33)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := shown.Text(s)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == utf8.RuneError && !strings.Contains(s, "\ufffd") }) || len(got) > 700 {
			t.Errorf("Text(%q) = %s", s, got)
		}
	})
}
