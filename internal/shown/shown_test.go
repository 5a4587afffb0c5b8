package shown_test

import (
	"strings"
	"testing"

	"example.com/safeconduct/internal/shown"
)

func TestName(t *testing.T) {
	a := strings.Repeat("a", 60)
	for name, want := range map[string]string{
		"":                             `""`,
		"search":                       `"search"`,
		"say \"hi\"\\":                 `"say \"hi\"\\"`,
		"~ ":                           `"~ "`,
		"a\nb\x7f":                     `"a\nb\x7f"`,
		"\u202e\xff":                   `"\u202e\xff"`,
		a + "1234":                     `"` + a + `1234"`,
		a + "12345":                    `"` + a + `1234"...`,
		a + "123\u20ac":                `"` + a + `123"...`,
		a + "\U0001f600!":              `"` + a + `\U0001f600"...`,
		a + "\x80\x80\x80\x80\x80\x80": `"` + a + `"...`,
	} {
		if got := shown.Name(name); got != want {
			t.Errorf("Name(%q) = %s, want %s", name, got, want)
		}
		if got := string(shown.AppendName([]byte("tool "), name)); got != "tool "+want {
			t.Errorf("AppendName: got %s, want %s after it", got, want)
		}
	}
}
