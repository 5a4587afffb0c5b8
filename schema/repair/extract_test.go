package repair_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema/repair"
)

func TestExtract(t *testing.T) {
	for _, tc := range []struct {
		text, want string // "" for an error
		err        error
	}{
		// A text that is JSON.
		{`{"a":1}`, `{"a":1}`, nil},
		{" \n[1, 2]\t", `[1, 2]`, nil},
		{`42`, `42`, nil},
		{` "London" `, `"London"`, nil},
		{`null`, `null`, nil},
		{`""`, `""`, nil},
		{`"see [1]"`, `"see [1]"`, nil},

		// Prose around it.
		{"Sure! Here it is:\n\n{\"a\":1}\n\nHope this helps.", `{"a":1}`, nil},
		{`Final Answer: {"a": [1]}.`, `{"a": [1]}`, nil},
		{`The set {x | x > 0}, [see above], :-] and {"a":1}`, `{"a":1}`, nil},
		{"\ufeff{\"a\":1}", `{"a":1}`, nil},
		{"\xff\xfe {\"a\":1}", `{"a":1}`, nil},
		{`func f(x) { return } {"a":1}`, `{"a":1}`, nil},
		{"Final Answer: `{\"a\":1}`", `{"a":1}`, nil},

		// Brackets too many.
		{`{"a":1}}`, `{"a":1}`, nil},
		{"```json\n{\"a\":1} ] }\n```", `{"a":1}`, nil},

		// Code fences.
		{"```json\n{\"a\":1}\n```", `{"a":1}`, nil},
		{"```\n{\"a\":1}\n```", `{"a":1}`, nil},
		{"```JSON5 {\"a\":1}```", `{"a":1}`, nil},
		{"```json\r\n[1]\r\n```\r\ntrailing", `[1]`, nil},
		{"````json\n{\"a\":1}\n````", `{"a":1}`, nil},
		{"```json\n{\"a\":1}", `{"a":1}`, nil},
		{"```json\n{\"a\":1}\n", `{"a":1}`, nil},
		{"Given [1] and {\"q\":2}:\n```json\n{\"a\":1}\n```\nas in [3]", `{"a":1}`, nil},
		{"```markdown\n```json\n{\"a\":1}\n```\n```", `{"a":1}`, nil},
		{"```json\n{\"md\":\"```go\\nx\\n```\"}\n```", "{\"md\":\"```go\\nx\\n```\"}", nil},
		{"[as below: ```json\n{\"a\":1}\n```", `{"a":1}`, nil},
		{"[1, see below] ```json\n{\"a\":1}\n```", `{"a":1}`, nil},
		{"{\"a\":[oops {x}]} I mean\n```json\n{\"a\":1}\n``` :-]", `{"a":1}`, nil},
		{"```python\nx = 1\n```\n{\"a\":1}", `{"a":1}`, nil},
		{"```\nThe answer: {\"a\":1}\n```", `{"a":1}`, nil},

		// Several candidates.
		{`{"a":1} {"a":2}`, ``, repair.ErrAmbiguous},
		{"{\"a\":1}\n{\"b\":2}\n", ``, repair.ErrAmbiguous},
		{`Either {"a":1} or [1].`, ``, repair.ErrAmbiguous},
		{`As [1] says: {"a":1}`, ``, repair.ErrAmbiguous},
		{"```json\n{\"a\":1}\n```\nor\n```json\n{\"a\":2}\n```", ``, repair.ErrAmbiguous},
		{"```json\n{\"a\":1}\n{\"a\":2}\n```", ``, repair.ErrAmbiguous},
		{"```json\n{\"a\":1}\n``` {\"b\":1} ```", `{"a":1}`, nil},
		{`{"a":1} {"b":1} {"a":1}`, ``, repair.ErrAmbiguous},

		// The same one twice.
		{`{"a":1}, I repeat: {"a":1}`, `{"a":1}`, nil},
		{"Draft: {\"a\":[1,\"x \\\" y\"]}\nAnswer: { \"a\" : [ 1,\n\"x \\\" y\" ] }", `{"a":[1,"x \" y"]}`, nil},
		{`{"a":"x y"} {"a":"xy"}`, ``, repair.ErrAmbiguous},
		{`{"a":"\" "} {"a":"\""}`, ``, repair.ErrAmbiguous},
		{`{"a":1} {"a":1.0}`, ``, repair.ErrAmbiguous},
		{"```\n[1]\n```\n```\n[ 1 ]\n```", `[1]`, nil},

		// What is broken holds no answer.
		{`{"a":{"b":1},"c":oops}`, ``, repair.ErrBroken},
		{`{a: 1}`, ``, repair.ErrBroken},
		{`{'a': [1]}`, ``, repair.ErrBroken},
		{`[foo, {"a":1}]`, ``, repair.ErrBroken},
		{`[note: {"a":1}]`, ``, repair.ErrBroken},
		{`[ ... and {"a":1}`, ``, repair.ErrBroken},
		{`[None, {"a":1}]`, ``, repair.ErrBroken},
		{`{{"a":1}}`, ``, repair.ErrBroken},
		{`{"a":1} and {'b':2}`, ``, repair.ErrBroken},
		{"Given {\"q\":1}:\n```\n{'a': [1]\n```", ``, repair.ErrBroken},
		{"Given {\"q\":1}:\n```go\n{ x }\n```", ``, repair.ErrBroken},
		{`[{"a":1}`, ``, repair.ErrBroken},
		{`{"a":{"b":1}},"c":2}`, ``, repair.ErrBroken},
		{`"a":{"b":1},"c":2}`, ``, repair.ErrBroken},
		{"{\"a\":1}} {\"b\":1}", ``, repair.ErrAmbiguous},
		{"{\"a\":\"say \"```json\n{\"b\":1}\n```\" twice\"}", ``, repair.ErrBroken},
		{"{\"a\":{\"b\":oops},\n```json\n{\"b\":1}\n```}", ``, repair.ErrBroken},
		{"['a {x} ```json\n{\"b\":1}\n```']", ``, repair.ErrBroken},
		{`[{"a":1},{"b":2`, ``, repair.ErrBroken},
		{`[1 {"a":2}]`, ``, repair.ErrBroken},
		{`{"a":1`, ``, repair.ErrBroken},
		{`{"a":"x` + "\n" + `y"} {"b":1}`, ``, repair.ErrBroken},
		{"{\"a\":\"\xff\"}", ``, repair.ErrBroken},
		{`{"a":"\ud800"}`, ``, repair.ErrBroken},
		{"Take {\"a\":1}:\n```json\n{\"b\": oops}\n```", ``, repair.ErrBroken},
		{"{\"a\":1,\"a\":2}", ``, repair.ErrBroken},
		{"{\"a\":1,\"A\":2}", ``, repair.ErrBroken},
		{"x [1e1000000000]", ``, repair.ErrBroken},
		{"[" + strings.Repeat("1", 200) + "]", ``, repair.ErrBroken},
		{strings.Repeat("[", 65) + strings.Repeat("]", 65), ``, repair.ErrBroken},

		// Wrapped.
		{`{"__arg1": {"a":1}}`, `{"a":1}`, nil},
		{`{"__arg1":"{\"a\": 1}"}`, `{"a": 1}`, nil},
		{`{"__arg1":"London"}`, `"London"`, nil},
		{`{ "__arg1" : 5 }`, `5`, nil},
		{"```json\n{\"__arg1\": \" [1] \"}\n```", `[1]`, nil},
		{`"{\"a\":1}"`, `{"a":1}`, nil},
		{`"\"{\\\"a\\\":1}\""`, `{"a":1}`, nil},
		{`"\"x\""`, `"\"x\""`, nil},
		{`"{\"a\":1} {\"b\":1}"`, `"{\"a\":1} {\"b\":1}"`, nil},
		{`{"__arg1":1,"__arg1":2}`, ``, repair.ErrBroken},
		{`{"__arg1":1,"b":2}`, `{"__arg1":1,"b":2}`, nil},
		{`{"__ARG1":1}`, `{"__ARG1":1}`, nil},
		{`{"a":{"__arg1":1}}`, `{"a":{"__arg1":1}}`, nil},
		{`{"__arg1":"{\"a\":1,\"a\":2}"}`, ``, repair.ErrBroken},

		// Nothing.
		{``, ``, repair.ErrNoJSON},
		{"  \n", ``, repair.ErrNoJSON},
		{`The answer is 42.`, ``, repair.ErrNoJSON},
		{`Final Answer: "London"`, ``, repair.ErrNoJSON},
		{"{", ``, repair.ErrNoJSON},
		{"```json\n42\n```", ``, repair.ErrNoJSON},
		{"\xff", ``, repair.ErrNoJSON},
	} {
		before := strings.Clone(tc.text)
		got, err := repair.Extract([]byte(tc.text))
		if string(got) != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%.200q: got %q, %v, want %q, %v", tc.text, got, err, tc.want, tc.err)
		}
		if tc.text != before {
			t.Errorf("%q: got the text changed", before)
		}
	}
}

// The value is a part of the text.
func TestExtractCopiesNothing(t *testing.T) {
	text := []byte("Here: {\"a\":[1,2,3]} there")
	got, err := repair.Extract(text)
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.IndexByte(text, '2')] = '7'
	if want := `{"a":[1,7,3]}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// No error says anything of the text.
func TestExtractErrorsAreDiscreet(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`hunter2`, "repair: there is no JSON in the text"},
		{strings.Repeat(" ", repair.MaxBytes+1), "repair: there is no JSON in the text: it must be at most 1048576 bytes long"},
		{`ab {"hunter2":1 `, "repair: the JSON in the text is broken (byte 3)"},
		{`ab [see [also {"hunter2":1}`, "repair: the JSON in the text is broken (byte 3)"},
		{`{"hunter2":1,"hunter2":2}`, "repair: the JSON in the text is broken: it must not have a property twice"},
		{`[1] ["hunter2"]`, "repair: there are several JSON values in the text"},
	} {
		if got, err := repair.Extract([]byte(tc.text)); err == nil || err.Error() != tc.want || got != nil {
			t.Errorf("%.100s: got %s, %v, want error %s", tc.text, got, err, tc.want)
		}
	}
}

// hostile are texts of nearly n bytes that a careless reader takes long for.
func hostile(n int) map[string]string {
	texts := make(map[string]string)
	for _, unit := range []string{
		"{", "[", "`", "```", "\"", "\\", "{\"a\":", "[\"", "[\"[\",", "{}", "[]", "[1]", "[1,", "{\"a\":1}", "{\"a\":1", "[[],", "[{},",
		"{ ", "[\n", "```json\n", "```json\n[", "```\n{}\n```", "{\"__arg1\":", "[\"\\", "[\"\\\"", "[-", "[tru", "a", " ", "\xff", "[\"\xff", "[\"\\ud800",
		"[1]\n```", "{\"\":", "}", "]", "[1e", "{'", "[“", "['a\"", "[\"a\"+", "[...,", "{\"a\" ", "{a:b'", "[\\\"", "[\"\n", "//", "/*", "[//\n", "[a(",
	} {
		texts[unit] = strings.Repeat(unit, n/len(unit))
		if unit[0] != '[' && unit[0] != '{' {
			texts["["+unit] = "[" + strings.Repeat(unit, (n-1)/len(unit))
		}
	}
	texts["many spaces"] = strings.Repeat("["+strings.Repeat(" ", 1000), n/1001)
	texts["brackets too many"] = "{}" + strings.Repeat(" ", n/2) + "x" + strings.Repeat("}", n/2-3)
	texts["equal values"] = strings.Repeat("["+strings.Repeat("1,", 500)+"1]", n/1003)
	texts["a string in a string"] = escaped(`[1]`, n)
	texts["argument in argument"] = strings.Repeat(`{"__arg1":`, 60) + "1" + strings.Repeat("}", 60)
	return texts
}

// escaped returns text as a JSON string in a JSON string and so on, as often as
// fits into n bytes.
func escaped(text string, n int) string {
	for {
		again := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		if len(again) > n {
			return text
		}
		text = again
	}
}

func TestExtractIsLinear(t *testing.T) {
	for what, text := range hostile(repair.MaxBytes / jsontest.Slack) {
		jsontest.Within(t, what, text, func() { _, _ = repair.Extract([]byte(text)) })
	}
}
