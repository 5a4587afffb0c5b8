package shown

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a list shows at most, but for its first item.
const (
	maxItems = 10
	maxList  = 200 // bytes
	maxText  = 128 // bytes of one item
)

// List lists what a programmer wrote, as show has it, and says how many there are
// beyond those that it has room for: `"a", "b" and 9,998 more`.
func List[T any](all []T, show func(T) string) string {
	var b strings.Builder
	for i, v := range all {
		item := show(v)
		if i == maxItems || i > 0 && b.Len()+len(item) > maxList {
			b.WriteString(" and " + thousands(len(all)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(item)
	}
	return b.String()
}

// Value returns a string quoted, and a number, bool or nil as JSON has it. Of what a
// programmer wrote, letters of all scripts are shown as they are.
func Value(v any) string {
	if s, ok := v.(string); ok {
		return Text(s)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "a value"
	}
	return string(b)
}

// Text returns a string that a programmer wrote quoted, and cut where it is long.
func Text(s string) string {
	if len(s) <= maxText {
		return strconv.Quote(s)
	}
	cut := maxText
	for cut > maxText-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// thousands returns n with a comma before each three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
