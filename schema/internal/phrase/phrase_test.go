package phrase_test

import (
	"math"
	"testing"

	"example.com/safeconduct/schema/internal/phrase"
)

func TestPhrases(t *testing.T) {
	for got, want := range map[string]string{
		phrase.Type([]string{"null"}):                              "must be null",
		phrase.Type([]string{"string", "integer", "array"}):        "must be a string or an integer or an array",
		phrase.Const("a\"b"):                                       `must be "a\"b"`,
		phrase.OneOf([]any{1, "x", nil}):                           `must be one of 1, "x", null`,
		phrase.OneOf([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}): "must be one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more",
		phrase.MinLength(1):                                        "must be at least 1 character long",
		phrase.MaxLength(2):                                        "must be at most 2 characters long",
		phrase.MinItems(0):                                         "must have at least 0 items",
		phrase.MaxItems(1):                                         "must have at most 1 item",
		phrase.MinProperties(1):                                    "must have at least 1 property",
		phrase.MaxProperties(3):                                    "must have at most 3 properties",
		phrase.Required([]string{"a"}):                             `must have the property "a"`,
		phrase.Required([]string{"a", "b"}):                        `must have the properties "a", "b"`,
		phrase.NoOtherProperties(nil):                              "must have no properties",
		phrase.NoOtherProperties([]string{"a"}):                    `must have no properties other than "a"`,
		phrase.Minimum("1"):                                        "must be at least 1",
		phrase.ExclusiveMinimum("1"):                               "must be more than 1",
		phrase.Maximum("1"):                                        "must be at most 1",
		phrase.ExclusiveMaximum("1"):                               "must be less than 1",
		phrase.MultipleOf("1"):                                     "must be a multiple of 1",
		phrase.Format("email"):                                     `must have the format "email"`,
		phrase.Pattern("^a$"):                                      `must match the pattern "^a$"`,
		phrase.Quote(math.Inf(1)):                                  "it",
		phrase.Quote("a\u202eb"):                                   `"\"a\u202eb\""`,
		phrase.Clip("abcdef", 6):                                   "abcdef",
		phrase.Clip("abcdefg", 6):                                  "abc...",
		phrase.Clip("abééé", 6):                                    "ab...",
		phrase.Visible("a b"):                                      "a b",
		phrase.Visible("a\nb"):                                     `"a\nb"`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
