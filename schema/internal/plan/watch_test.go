package plan_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/format"
)

// TestEarly: where a text is refused while it arrives. The | is where; what
// follows never has to come.
func TestEarly(t *testing.T) {
	for _, tc := range []struct{ schema, text, pointer, keyword string }{
		{`{"type":"object"}`, `[|1]`, "", "type"},
		{`{"type":"object"}`, ` "|`, "", "type"},
		{`{"type":"integer"}`, `1.5 |`, "", "type"},
		{`{"type":["string","null"]}`, `t|rue`, "", "type"},
		{`{"type":"number","maximum":100}`, `101 |`, "", "maximum"},
		{`{"exclusiveMinimum":0}`, `[0,0.0] |`, "", ""},
		{`{"items":{"exclusiveMinimum":0,"multipleOf":0.5}}`, `[1,0.0,|`, "/1", "exclusiveMinimum"},
		{`{"maximum":5}`, `123456789012345678 |`, "", "maximum"},
		{`{"maximum":5}`, `1234567890123456789 |`, "", ""}, // the whole judgement says
		{`{"items":{"multipleOf":0.5}}`, `[1,0.75]|`, "/1", "multipleOf"},
		{`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"a":"x","ab|c":1}`, "", "additionalProperties"},
		{`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"a":"x","\u0041|":1}`, "", "additionalProperties"},
		{`{"additionalProperties":false}`, `{"|`, "", "additionalProperties"},
		{`true`, `{"a":1,"a"|:2}`, "", strictjson.KeywordDuplicate},
		{`true`, `{"a":1,"\u0061"|:2}`, "", strictjson.KeywordDuplicate},
		{`true`, `[{"a":1,"A"|:2}]`, "/0", strictjson.KeywordTwin},
		{`{"properties":{"k":{}}}`, "{\"k\":1,\"\u212a\"|:2}", "", strictjson.KeywordTwin},
		{`{"enum":["low","high"]}`, `"lo|w"`, "", ""},
		{`{"enum":["low","high"]}`, `"m|edium"`, "", "enum"},
		{`{"enum":["low","high"]}`, `"low"|`, "", ""},
		{`{"enum":["low","high"]}`, `"lo"|`, "", "enum"},
		{`{"const":"ä"}`, "\"\xc3|\xb6\"", "", ""},
		{`{"const":"\"\\/\b\f\n\r\t"}`, `"\"\\\/\b\f\n\r\t"|`, "", ""},
		{`{"maxLength":8}`, `"\"\\\/\b\f\n\r\tx|"`, "", "maxLength"},
		{`{"type":["string","integer"]}`, `n|ull`, "", "type"},
		{`{"const":"ä"}`, "\"\xc3\xb6|\"", "", "const"},
		{`{"const":"\ud83d\ude00"}`, `"\ud83d\ude01|"`, "", "const"},
		{`{"enum":[1,2.50]}`, `3 |`, "", "enum"},
		{`{"enum":[false,"x"]}`, `t|rue`, "", "enum"},
		{`{"enum":[[1],"x"]}`, `[2]|`, "", ""},
		{`{"maxLength":3}`, `"äöüx|yz"`, "", "maxLength"},
		{`{"minLength":3}`, `"äö"|`, "", "minLength"},
		{`{"pattern":"^a+$"}`, `"aab"|`, "", "pattern"},
		{`{"format":"uuid"}`, `"aab"|`, "", "format"},
		{`{"items":{"format":"date"}}`, `["2024-02-30"|`, "/0", "format"},
		{`{"maxItems":2}`, `[1,2,|3]`, "", "maxItems"},
		{`{"maxItems":0}`, `[ 3|`, "", "maxItems"},
		{`{"minItems":2}`, `[1]|`, "", "minItems"},
		{`{"prefixItems":[{"type":"string"}],"items":false}`, `["a",1|`, "/1", "false"},
		{`{"maxProperties":1}`, `{"a":1,"b"|:2}`, "", "maxProperties"},
		{`{"minProperties":1}`, `{}|`, "", "minProperties"},
		{`{"required":["a","b"]}`, `{"a":1}|`, "", "required"},
		{`{"properties":{"x":{"required":["b"]}}}`, `{"x":{"y":1}|,"z":1}`, "/x", "required"},
		{`{"properties":{"x":{"items":{"type":"integer"}}}}`, `{"x":[1,"|2"]}`, "/x/1", "type"},
		{`{"additionalProperties":{"type":"integer"}}`, `{"mine":"|`, "/mine", "type"},
		{`{"properties":{"a":false}}`, `{"a":1|`, "/a", "false"},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1|`, "", "type"},
		{`{"anyOf":[{"type":"string","maxLength":1},{"type":"string","pattern":"^b"}]}`, `"aa"|`, "", "pattern"},
		{`{"oneOf":[{"properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind"]},{"properties":{"kind":{"const":"b"},"x":{"type":"string"}},"required":["kind"]}]}`, `{"kind":"b","x":1|`, "/x", "type"},
		{`{"anyOf":[{"properties":{"x":{"type":"integer"}}},{"properties":{"x":{"type":"string"}}}]}`, `{"x":"1","x"|`, "", strictjson.KeywordDuplicate},
		{`{"allOf":[{"maximum":5},{"minimum":3}]}`, `6 |`, "", "maximum"},
		{`{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}`,
			`{"v":1,"next":{"v":2,"next":{"w|":1}}}`, "/next/next", "additionalProperties"},
		{`true`, `{"a":01|}`, "", strictjson.KeywordSyntax},
		{`true`, `nul|a`, "", ""},
		{`true`, `nula|`, "", strictjson.KeywordSyntax},
		{`true`, `[1,]|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a":1,}|`, "", strictjson.KeywordSyntax},
		{`true`, `[1}|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a":1]|`, "", strictjson.KeywordSyntax},
		{`true`, `[}|`, "", strictjson.KeywordSyntax},
		{`true`, `{]|`, "", strictjson.KeywordSyntax},
		{`true`, `{,|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a":,|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a":1,,|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a"}|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a",|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a"::|`, "", strictjson.KeywordSyntax},
		{`true`, `[:|`, "", strictjson.KeywordSyntax},
		{`true`, `[,|`, "", strictjson.KeywordSyntax},
		{`true`, `[1:|`, "", strictjson.KeywordSyntax},
		{`true`, `[1"|`, "", strictjson.KeywordSyntax},
		{`true`, `{"a":1"|`, "", strictjson.KeywordSyntax},
		{`true`, `1,|`, "", strictjson.KeywordSyntax},
		{`true`, `[]]|`, "", strictjson.KeywordSyntax},
		{`true`, `[[],{},[1],{"a":[]}]|`, "", ""},
		{`true`, `{"a" 1|`, "", strictjson.KeywordSyntax},
		{`true`, `{1|`, "", strictjson.KeywordSyntax},
		{`true`, `1.|`, "", ""},
		{`true`, `1. |`, "", strictjson.KeywordSyntax},
		{`true`, `-|`, "", ""},
		{`true`, `-]|`, "", strictjson.KeywordSyntax},
		{`true`, `[1e+,|`, "", strictjson.KeywordSyntax},
		{`true`, `T|he risk is low.`, "", strictjson.KeywordSyntax},
		{"true", "`|``json", "", strictjson.KeywordSyntax},
		{`true`, `{} {|}`, "", strictjson.KeywordSyntax},
		{`true`, `"a` + "\n|", "", strictjson.KeywordSyntax},
		{`true`, `"\x|"`, "", strictjson.KeywordSyntax},
		{`true`, `"\u00g|0"`, "", strictjson.KeywordSyntax},
		{`true`, `"\ud800x|"`, "", strictjson.KeywordEncoding},
		{`true`, `"\ud800\n|"`, "", strictjson.KeywordEncoding},
		{`true`, `"\ud800\u0041|"`, "", strictjson.KeywordEncoding},
		{`true`, `"\udc00|"`, "", strictjson.KeywordEncoding},
		{`true`, "\"\xff|\"", "", strictjson.KeywordEncoding},
		{`true`, "\"\xe2\x82x|\"", "", strictjson.KeywordEncoding},
		{`true`, "\"\xed\xa0|\x80\"", "", strictjson.KeywordEncoding},
		{`true`, strings.Repeat("[", strictjson.MaxDepth) + "[|", strings.Repeat("/0", strictjson.MaxDepth), strictjson.KeywordDepth},
		{`true`, strings.Repeat("7", strictjson.MaxDigits) + "7|", "", strictjson.KeywordNumber},
		{`true`, "1e309 |", "", strictjson.KeywordNumber},
		{`true`, "1e" + strings.Repeat("0", 300) + "1 |", "", ""},
		{`true`, "\xef|\xbb\xbf{}", "", strictjson.KeywordSyntax},
		{`{"not":{"type":"string"}}`, `"a"|`, "", ""}, // the whole judgement says
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{"pattern":"` + strings.Repeat("a", format.MaxPattern+1) + `"}|`, "", ""},
	} {
		s := compile(t, tc.schema)
		want, rest, _ := strings.Cut(tc.text, "|")
		text := want + rest
		read, f := s.watch(text, 1)
		switch {
		case tc.keyword == "":
			if _, f := s.watch(want, 1); f != nil {
				t.Errorf("%s: %s: refused too early: %v", tc.schema, want, f)
			}
			continue
		case f == nil:
			t.Errorf("%s: %s: not refused, want that after %q", tc.schema, text, want)
			continue
		}
		if read != len(want) {
			t.Errorf("%s: %s: refused after %q, want %q", tc.schema, text, text[:read], want)
		}
		if pointer := pointer(f.Path); pointer != tc.pointer || f.Keyword != tc.keyword {
			t.Errorf("%s: %s: got %s: %v at %q, want %q at %q", tc.schema, text, f.Keyword, f, pointer, tc.keyword, tc.pointer)
			continue
		}
		if s.judge(text) == nil {
			t.Errorf("%s: %s: refused: %v, and the whole is accepted", tc.schema, text, f)
		}
	}
}

// TestEarlySize: a text is refused with the byte that is too many, and not before.
func TestEarlySize(t *testing.T) {
	s := compile(t, `true`)
	fits := `"` + strings.Repeat("x", strictjson.MaxBytes-2) + `"`
	if read, f := s.watch(fits, 1000); f != nil {
		t.Errorf("got %v after %d bytes, want no fault", f, read)
	}
	if _, f := s.watch(fits+" ", 1000); f == nil || f.Keyword != strictjson.KeywordSize {
		t.Errorf("got %v, want a text that is too long", f)
	}
}

// TestEarlyCost: no text and no schema takes long, however it is cut.
func TestEarlyCost(t *testing.T) {
	twice := `{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}`
	many := `{"items":{"allOf":[` + strings.Repeat(twice+",", 12) + twice + `]},"$defs":{"a":{"type":"integer"}}}`
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf(`"name-%d"`, i))
	}
	size := 100_000
	for name, tc := range map[string]struct{ schema, text string }{
		"a long string":     {`{"maxLength":1000000}`, `"` + strings.Repeat("x", size) + `"`},
		"a long constant":   {`{"const":"` + strings.Repeat("x", size) + `"}`, `"` + strings.Repeat("x", size) + `"`},
		"many short values": {`true`, `[` + strings.Repeat("0,", size/2) + `0]`},
		"of alternatives":   {many, `[` + strings.Repeat("0,", size/2) + `0]`},
		"of a long enum":    {`{"items":{"enum":[` + strings.Join(names, ",") + `]}}`, `[` + strings.Repeat(names[45]+",", size/len(names[45])) + names[45] + `]`},
		"patterns":          {`{"items":{"allOf":[` + strings.Repeat(`{"pattern":"(a|aa)+$"},`, 20) + `{}]}}`, `["` + strings.Repeat("a", size) + `"]`},
		"many names":        {`true`, `{` + manyNames(size/10) + `}`},
		"one name":          {`true`, `{"` + strings.Repeat("n", size) + `":1}`},
		"deep":              {`{"$ref":"#/$defs/n","$defs":{"n":{"items":{"anyOf":[{"$ref":"#/$defs/n"},{"maxItems":2}]}}}}`, strings.Repeat("[", 60) + strings.Repeat("[[[]]],", size/7) + "0" + strings.Repeat("]", 60)},
		"a long exponent":   {`true`, `1e` + strings.Repeat("0", size)},
	} {
		s := compile(t, tc.schema)
		for _, piece := range []int{1, 7, 1 << 20} {
			var read int
			var f *strictjson.Fault
			took := pair.Thread(func() { read, f = s.watch(tc.text, piece) })
			if took > jsontest.Slack*500*time.Millisecond {
				t.Errorf("%s in pieces of %d: took %v, want at most a few milliseconds", name, piece, took)
			} else {
				t.Logf("%s in pieces of %d: %d of %d bytes in %v, %v", name, piece, read, len(tc.text), took, f)
			}
		}
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for k := i; ; k /= 26 {
			b.WriteByte(byte('a' + k%26))
			if k < 26 {
				break
			}
		}
		b.WriteString(`":0`)
	}
	return b.String()
}

// A watch names the types that there may be, and integers only where no other number
// may stand.
func TestEarlyNamesTheTypes(t *testing.T) {
	for types, want := range map[string]string{
		`["string","integer"]`: "an integer or a string", `["string","number"]`: "a number or a string",
		`["number","integer"]`: "a number", `["null","object"]`: "null or an object",
	} {
		if _, f := compile(t, `{"type":`+types+`}`).watch("true", 1); f == nil || f.Reason != "must be "+want {
			t.Errorf("%s: got %v, want that it must be %s", types, f, want)
		}
	}
}

// pointer prints a path.
func pointer(path []strictjson.Step) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		if b.WriteString(step.Name); step.Index >= 0 {
			b.WriteString(strconv.Itoa(step.Index))
		}
	}
	return b.String()
}
