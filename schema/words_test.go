package schema_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/schema"
)

// TestEarlyWords: what is refused while it arrives is refused in the words in which
// the whole judgement refuses it.
func TestEarlyWords(t *testing.T) {
	numbers := make([]string, 5_000)
	for i := range numbers {
		numbers[i] = strconv.Itoa(i)
	}
	for _, tt := range []struct{ schema, text, want string }{
		{`{"enum":["low","high"]}`, `"medium"`, `the value must be one of "low", "high"`},
		{`{"enum":["low"]}`, `"medium"`, `the value must be one of "low"`},
		{`{"enum":["low","high"]}`, `5 `, `the value must be one of "low", "high"`},
		{`{"enum":["low","high"]}`, `[]`, `the value must be one of "low", "high"`},
		{`{"enum":["low",1,2.50,true,null]}`, `"medium"`, `the value must be one of "low", 1, 2.50, true, null`},
		{`{"enum":["low",1,2.50,true,null]}`, `3 `, `the value must be one of "low", 1, 2.50, true, null`},
		{`{"enum":["low",1,2.50,true,null]}`, `false`, `the value must be one of "low", 1, 2.50, true, null`},
		{`{"enum":["a\"\n\u202e"]}`, `"b"`, `the value must be one of "\"a\\\"\\n\u202e\""`},
		{`{"enum":["a",[1],{"b":2}]}`, `"b"`, `the value must be one of "a", [1], {"b":2}`},
		{`{"enum":[` + strings.Join(numbers[:64], ",") + `]}`, `64 `, `the value must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 54 more`},
		{`{"enum":["` + strings.Join(numbers, `","`) + `"]}`, `"x"`, `the value must be one of "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" and 4,990 more`},
		{`{"const":"a"}`, `"b"`, `the value must be "a"`},
		{`{"const":1.50}`, `2 `, `the value must be 1.50`},
		{`{"const":true}`, `false`, `the value must be true`},
		{`{"const":null}`, `"x"`, `the value must be null`},
		{`{"properties":{"a":{"enum":["x","y"]}}}`, `{"a":"z"}`, `/a must be one of "x", "y"`},
	} {
		s := mustCompile(t, tt.schema)
		_, early := s.Early(tt.text, []int{1})
		whole := s.Validate([]byte(tt.text))
		for what, err := range map[string]error{"early": early, "whole": whole} {
			invalid, ok := errors.AsType[*schema.ValidationError](err)
			if !ok || len(invalid.Violations) != 1 {
				t.Errorf("%s: %s: %s: got %v, want one violation", tt.schema[:min(60, len(tt.schema))], tt.text, what, err)
				continue
			}
			if got := invalid.Violations[0].String(); got != tt.want {
				t.Errorf("%s: %s: %s: got %s, want %s", tt.schema[:min(60, len(tt.schema))], tt.text, what, got, tt.want)
			}
		}
	}
}

// TestEarlyWordsOfTwoLists: where several lists hold for one value, no value that is
// named is refused by another one.
func TestEarlyWordsOfTwoLists(t *testing.T) {
	for _, tt := range []struct{ schema, text, want string }{
		{`{"allOf":[{"enum":["a","b",1,2.0,true,null]},{"enum":["b","c",2,true,false]}]}`, `"c"`, `must be one of "b", 2, true`},
		{`{"allOf":[{"enum":["a","b",1,2.0,true,null]},{"enum":["b","c",2,true,false]}]}`, `null`, `must be one of "b", 2, true`},
		{`{"allOf":[{"enum":["a"]},{"const":"b"}]}`, `"b"`, `is not allowed`},
		{`{"allOf":[{"type":"string"},{"enum":["a",5]}]}`, `5 `, `must be a string`},
		{`{"anyOf":[{"enum":["a"]},{"type":"integer"}]}`, `true`, `must be an integer or a string`},
	} {
		_, err := mustCompile(t, tt.schema).Early(tt.text, []int{1})
		if invalid, ok := errors.AsType[*schema.ValidationError](err); !ok || invalid.Violations[0].Reason != tt.want {
			t.Errorf("%s: %s: got %v, want %s", tt.schema, tt.text, err, tt.want)
		}
	}
}
