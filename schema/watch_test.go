package schema_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/schema"
)

// early fails where a watch refuses a text that the whole judgement accepts, or
// says otherwise when the text is cut otherwise. It returns at which byte the text
// was refused, or -1.
func early(t testing.TB, s *schema.Schema, text string, sizes ...int) int {
	t.Helper()
	at, err := s.Early(text, []int{1})
	read, whole := s.Early(text, append(sizes, len(text)))
	if err == nil && whole != nil {
		t.Errorf("%s: %.2000q: refused in pieces of %v: %v, and not byte by byte", s.JSON(), text, sizes, whole)
	}
	if err != nil && whole == nil && read == len(text) && at < len(text) {
		// What was begun is looked at where a piece ends.
		if _, again := s.Early(text+" ", []int{1}); again == nil {
			t.Errorf("%s: %.2000q: refused byte by byte: %v, and not in pieces of %v", s.JSON(), text, err, sizes)
		}
	}
	if err == nil {
		return -1
	}
	if s.Validate([]byte(text)) == nil {
		t.Errorf("%s: %.2000q: refused at byte %d of %d: %v, and the whole is accepted", s.JSON(), text, at, len(text), err)
	}
	return at
}

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
		{`{"items":{"multipleOf":0.5}}`, `[1,0.75]|`, "/1", "multipleOf"},
		{`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"a":"x","ab|c":1}`, "", "additionalProperties"},
		{`{"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"a":"x","\u0041|":1}`, "", "additionalProperties"},
		{`{"additionalProperties":false}`, `{"|`, "", "additionalProperties"},
		{`true`, `{"a":1,"a"|:2}`, "", schema.KeywordDuplicate},
		{`true`, `{"a":1,"\u0061"|:2}`, "", schema.KeywordDuplicate},
		{`true`, `[{"a":1,"A"|:2}]`, "/0", schema.KeywordTwin},
		{`{"properties":{"k":{}}}`, "{\"k\":1,\"\u212a\"|:2}", "", schema.KeywordTwin},
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
		{`{"additionalProperties":{"type":"integer"}}`, `{"mine":"|`, "/*", "type"},
		{`{"properties":{"a":false}}`, `{"a":1|`, "/a", "false"},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1|`, "", "type"},
		{`{"anyOf":[{"type":"string","maxLength":1},{"type":"string","pattern":"^b"}]}`, `"aa"|`, "", "pattern"},
		{`{"oneOf":[{"properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind"]},{"properties":{"kind":{"const":"b"},"x":{"type":"string"}},"required":["kind"]}]}`, `{"kind":"b","x":1|`, "/x", "type"},
		{`{"anyOf":[{"properties":{"x":{"type":"integer"}}},{"properties":{"x":{"type":"string"}}}]}`, `{"x":"1","x"|`, "", schema.KeywordDuplicate},
		{`{"allOf":[{"maximum":5},{"minimum":3}]}`, `6 |`, "", "maximum"},
		{`{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}`, `{"v":1,"next":{"v":2,"next":{"w|":1}}}`, "/next/next", "additionalProperties"},
		{`true`, `{"a":01|}`, "", schema.KeywordSyntax},
		{`true`, `nul|a`, "", ""},
		{`true`, `nula|`, "", schema.KeywordSyntax},
		{`true`, `[1,]|`, "", schema.KeywordSyntax},
		{`true`, `{"a":1,}|`, "", schema.KeywordSyntax},
		{`true`, `[1}|`, "", schema.KeywordSyntax},
		{`true`, `{"a":1]|`, "", schema.KeywordSyntax},
		{`true`, `[}|`, "", schema.KeywordSyntax},
		{`true`, `{]|`, "", schema.KeywordSyntax},
		{`true`, `{,|`, "", schema.KeywordSyntax},
		{`true`, `{"a":,|`, "", schema.KeywordSyntax},
		{`true`, `{"a":1,,|`, "", schema.KeywordSyntax},
		{`true`, `{"a"}|`, "", schema.KeywordSyntax},
		{`true`, `{"a",|`, "", schema.KeywordSyntax},
		{`true`, `{"a"::|`, "", schema.KeywordSyntax},
		{`true`, `[:|`, "", schema.KeywordSyntax},
		{`true`, `[,|`, "", schema.KeywordSyntax},
		{`true`, `[1:|`, "", schema.KeywordSyntax},
		{`true`, `[1"|`, "", schema.KeywordSyntax},
		{`true`, `{"a":1"|`, "", schema.KeywordSyntax},
		{`true`, `1,|`, "", schema.KeywordSyntax},
		{`true`, `[]]|`, "", schema.KeywordSyntax},
		{`true`, `[[],{},[1],{"a":[]}]|`, "", ""},
		{`true`, `{"a" 1|`, "", schema.KeywordSyntax},
		{`true`, `{1|`, "", schema.KeywordSyntax},
		{`true`, `1.|`, "", ""},
		{`true`, `1. |`, "", schema.KeywordSyntax},
		{`true`, `-|`, "", ""},
		{`true`, `-]|`, "", schema.KeywordSyntax},
		{`true`, `[1e+,|`, "", schema.KeywordSyntax},
		{`true`, `T|he risk is low.`, "", schema.KeywordSyntax},
		{"true", "`|``json", "", schema.KeywordSyntax},
		{`true`, `{} {|}`, "", schema.KeywordSyntax},
		{`true`, `"a` + "\n|", "", schema.KeywordSyntax},
		{`true`, `"\x|"`, "", schema.KeywordSyntax},
		{`true`, `"\u00g|0"`, "", schema.KeywordSyntax},
		{`true`, `"\ud800x|"`, "", schema.KeywordEncoding},
		{`true`, `"\ud800\n|"`, "", schema.KeywordEncoding},
		{`true`, `"\ud800\u0041|"`, "", schema.KeywordEncoding},
		{`true`, `"\udc00|"`, "", schema.KeywordEncoding},
		{`true`, "\"\xff|\"", "", schema.KeywordEncoding},
		{`true`, "\"\xe2\x82x|\"", "", schema.KeywordEncoding},
		{`true`, "\"\xed\xa0|\x80\"", "", schema.KeywordEncoding},
		{`true`, strings.Repeat("[", schema.MaxDepth) + "[|", strings.Repeat("/0", schema.MaxDepth), schema.KeywordDepth},
		{`true`, strings.Repeat("7", schema.MaxDigits) + "7|", "", schema.KeywordNumber},
		{`true`, "1e309 |", "", schema.KeywordNumber},
		{`true`, "1e" + strings.Repeat("0", 300) + "1 |", "", ""},
		{`true`, "\xef|\xbb\xbf{}", "", schema.KeywordSyntax},
		{`{"not":{"type":"string"}}`, `"a"|`, "", ""}, // the whole judgement says
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{"pattern":"` + strings.Repeat("a", schema.MaxPattern+1) + `"}|`, "", ""},
	} {
		s := mustCompile(t, tc.schema)
		want, rest, _ := strings.Cut(tc.text, "|")
		text := want + rest
		read, err := s.Early(text, []int{1})
		switch {
		case tc.keyword == "":
			if _, err := s.Early(want, []int{1}); err != nil {
				t.Errorf("%s: %s: refused too early: %v", tc.schema, want, err)
			}
			continue
		case err == nil:
			t.Errorf("%s: %s: not refused, want that after %q", tc.schema, text, want)
			continue
		}
		if read != len(want) {
			t.Errorf("%s: %s: refused after %q, want %q", tc.schema, text, text[:read], want)
		}
		var invalid *schema.ValidationError
		if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Pointer != tc.pointer || invalid.Violations[0].Keyword != tc.keyword {
			t.Errorf("%s: %s: got %#v, want %q at %q", tc.schema, text, err, tc.keyword, tc.pointer)
			continue
		}
		discreet(t, tc.schema, []byte(text), err)
		early(t, s, text, 2, 3)
	}
}

// TestEarlySize: a text is refused with the byte that is too many, and not before.
func TestEarlySize(t *testing.T) {
	s := mustCompile(t, `true`)
	fits := `"` + strings.Repeat("x", schema.MaxBytes-2) + `"`
	if read, err := s.Early(fits, []int{1000}); err != nil {
		t.Errorf("got %v after %d bytes, want no error", err, read)
	}
	_, err := s.Early(fits+" ", []int{1000})
	var invalid *schema.ValidationError
	if !errors.As(err, &invalid) || invalid.Violations[0].Keyword != schema.KeywordSize {
		t.Errorf("got %v, want a text that is too long", err)
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
		s := mustCompile(t, tc.schema)
		for _, piece := range []int{1, 7, 1 << 20} {
			var read int
			var err error
			took := pair.Thread(func() { read, err = s.Early(tc.text, []int{piece}) })
			if took > jsontest.Slack*500*time.Millisecond {
				t.Errorf("%s in pieces of %d: took %v, want at most a few milliseconds", name, piece, took)
			} else {
				t.Logf("%s in pieces of %d: %d of %d bytes in %v, %v", name, piece, read, len(tc.text), took, err)
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

// TestCorpusEarly: of texts that are refused, how many are refused before their
// last byte has come; and none that is accepted is refused at all.
func TestCorpusEarly(t *testing.T) {
	const generated = 20_000 / jsontest.Slack
	suite, calls := suiteSamples(t), realCalls(t)
	samples := slices.Concat(suite, calls)
	m := jsontest.NewMutator(5)
	var mutated []example
	for i := range generated {
		c := samples[i%len(samples)]
		c.instance = m.Mutate(c.instance)
		mutated = append(mutated, c)
	}
	var bfcl []example
	contracts := make(map[string]contract)
	for _, c := range toolCalls(t) {
		if _, ok := contracts[string(c.Schema)]; !ok {
			contracts[string(c.Schema)] = newContract(t, string(c.Schema))
		}
		bfcl = append(bfcl, example{contracts[string(c.Schema)], string(c.Args)})
	}
	for _, set := range []struct {
		name    string
		samples []example
		least   float64 // share of the refused that must be refused early
	}{
		{"the suite", suite, 0.2}, {"BFCL", bfcl, 0.6}, {"generated", mutated, 0.5},
	} {
		refused, denied, before, share := 0, 0, 0, 0.0
		for _, c := range set.samples {
			at := early(t, c.s, c.instance, 1+m.IntN(5), 1+m.IntN(20))
			if c.s.Validate([]byte(c.instance)) == nil {
				continue
			}
			refused++
			if at >= 0 {
				denied++
				share += float64(at) / float64(max(len(c.instance), 1))
			}
			if at >= 0 && at < len(c.instance) {
				before++
			}
		}
		t.Logf("%s: of %d texts %d are refused by the whole judgement, %d of them while they arrive, %d before their last byte; on average after %.0f%% of the text",
			set.name, len(set.samples), refused, denied, before, 100*share/float64(max(denied, 1)))
		if float64(before) < set.least*float64(refused) {
			t.Errorf("%s: %d of %d are refused before their last byte, want %.0f%%", set.name, before, refused, 100*set.least)
		}
	}
}

// FuzzEarly: a watch refuses nothing that the whole judgement accepts, however the
// text is cut.
func FuzzEarly(f *testing.F) {
	for i, s := range fuzzSchemas {
		for _, instance := range jsontest.Instances() {
			f.Add([]byte(s), instance, 1+i%4, 1+i%7)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, instance string, a, b int) {
		s, err := schema.Compile("fuzz", text)
		if err != nil {
			return
		}
		early(t, s, instance, a, b)
		if _, err := s.Early(instance, []int{a, b}); err != nil {
			discreet(t, string(text), []byte(instance), err)
		}
		m := jsontest.Mutator{Rand: rand.New(rand.NewPCG(uint64(a), uint64(b)))}
		if s.Validate([]byte(instance)) == nil {
			early(t, s, m.Mutate(instance), a, b)
		}
	})
}

// A watch names the types that there may be, and integers only where no other number
// may stand.
func TestEarlyNamesTheTypes(t *testing.T) {
	for types, want := range map[string]string{
		`["string","integer"]`: "an integer or a string", `["string","number"]`: "a number or a string",
		`["number","integer"]`: "a number", `["null","object"]`: "null or an object",
	} {
		_, err := mustCompile(t, `{"type":`+types+`}`).Early("true", []int{1})
		if v := violations(err); len(v) != 1 || v[0].Reason != "must be "+want {
			t.Errorf("%s: got %v, want that it must be %s", types, v, want)
		}
	}
}
