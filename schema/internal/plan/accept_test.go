package plan_test

import (
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/schematest"
)

// What the fast path accepts by itself, and what it leaves to the judge.
func TestAccepts(t *testing.T) {
	for _, tc := range []struct {
		schema   string
		accepted []string
		left     []string // refused, or not sure
	}{
		{`true`, []string{`1`, `"a"`, `null`, `{"a":[{}]}`, ` [1 , 2 ] `}, []string{``, `1 2`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `[1,]`}},
		{`{"type":"integer","minimum":0,"maximum":100}`, []string{`0`, `-0`, `100`, `1.0`, `1e2`, `0.5e1`},
			[]string{`101`, `-1`, `0.5`, `1e3`, `100.00000000000000001`, `"5"`}},
		{`{"type":"integer"}`, []string{`123456789012345678901234567890`}, []string{`1234567890123456789012.5`, strings.Repeat("7", strictjson.MaxDigits+1)}},
		{`{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.3}`, []string{`0.1`, `1e-300`, `0.299999999999999`},
			[]string{`0`, `0.3`, `0.30`, `3e-1`, `-0.1`, `0.2999999999999999999999`}},
		{`{"multipleOf":0.01}`, []string{`19.99`, `0`, `5`, `1e5`}, []string{`19.999`, `0.001`, `1e300`}},
		{`{"minimum":1,"exclusiveMinimum":1,"maximum":2,"exclusiveMaximum":2}`, []string{`1.5`}, []string{`1`, `2`, `1.0`, `20e-1`}},
		{`{"allOf":[{"exclusiveMinimum":1},{"minimum":1}]}`, []string{`2`}, []string{`1`}},
		{`{"maximum":1e308}`, []string{`1e308`, `-5`, `99e306`}, []string{`1.1e308`}},
		{`{"type":["string","null"],"maxLength":3}`, []string{`"abc"`, `"äöü"`, `"\u00e4\n\ud83d\ude00"`, `null`},
			[]string{`"abcd"`, `"äöüß"`, `"\ud83d"`, "\"\xff\"", `1`}},
		{`{"minLength":3,"maxLength":4}`, []string{`"abc"`, `"abcd"`, `"äöü"`, `"äöüß"`, `"\u00e4bc"`},
			[]string{`"ab"`, `"abcde"`, `"äö"`, `"äöüßx"`, `"\u00e4b"`}},
		{`{"minItems":1,"maxItems":1,"minProperties":1,"maxProperties":1}`, []string{`[1]`, `{"a":1}`}, []string{`[]`, `[1,1]`, `{}`, `{"a":1,"b":1}`}},
		{`{"enum":["a","é",1,null,true,[1]]}`, []string{`"a"`, `"é"`, `1.0`, `null`, `true`}, []string{`"b"`, `2`, `false`, `[1]`, `"\u0061"`}},
		{`{"const":5,"enum":[4,5]}`, []string{`5`}, []string{`4`}},
		{`{"enum":[55340232221128654849]}`, nil, []string{`1`, `55340232221128654849`}}, // three times 2^64, and 1
		{`{"const":{"a":1}}`, nil, []string{`{"a":1}`}},
		{`{"items":{"type":"integer"},"minItems":1,"maxItems":2}`, []string{`[1]`, `[1,2]`, `{}`}, []string{`[]`, `[1,2,3]`, `["1"]`}},
		{`{"prefixItems":[{"type":"string"}],"items":false}`, []string{`["a"]`, `[]`}, []string{`["a",1]`, `[1]`}},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}],"additionalItems":{"type":"null"}}`,
			[]string{`["a"]`, `["a",null]`}, []string{`["a",1]`, `[1]`}},
		{`{"uniqueItems":true}`, []string{`{}`, `1`}, []string{`[1,1]`, `[1,2]`}},
		{`{"properties":{"a":{"type":"integer"}},"required":["a","b"]}`, []string{`{"a":1,"b":2}`, `{"b":[],"a":1,"c":3}`},
			[]string{`{"a":1}`, `{"a":"1","b":2}`, `{"a":1,"b":2,"A":3}`, `{"a":1,"b":2,"B":3}`, `{"a":1,"a":1,"b":2}`, `{"a":1,"\u0062":2}`}},
		{`{"properties":{"a":{}},"additionalProperties":false,"minProperties":1}`, []string{`{"a":{"z":1}}`}, []string{`{"b":1}`, `{}`, `{"a":1,"b":2}`}},
		{`{"additionalProperties":{"type":"integer"},"maxProperties":2}`, []string{`{"x":1,"y":2}`},
			[]string{`{"x":1,"X":2}`, `{"x":1,"y":2,"z":3}`, `{"é":1}`}},
		{`{"patternProperties":{"^x":{"type":"integer"}},"properties":{"xa":{"minimum":3}}}`, []string{`{"xa":3}`, `{}`},
			[]string{`{"xa":2}`, `{"xa":3.5}`, `{"xb":1}`}},
		{`{"pattern":"^[A-Z]{3}-\\d+$"}`, []string{`"ABC-12"`, `5`}, []string{`"ABC-"`, `"ABC-1x"`, `"AB-1"`, `"ABC-1\n"`}},
		{`{"pattern":"^.{6}$"}`, []string{`"abcdef"`, `"aäöüßb"`}, []string{`"\u0061"`, `"a\u0061\n"`}},
		{`{"format":"uri-reference"}`, []string{`5`}, []string{`"\u0061"`, `"a\\b"`}},
		{`{"enum":["\\u0061","\\n"]}`, nil, []string{`"\u0061"`, `"\n"`, `"\\u0061"`}},
		{`{"pattern":"(a|b)+c"}`, []string{`"xabc"`}, []string{`"c"`}},
		{`{"pattern":"^.[^x]$"}`, []string{`"ab"`, `"éb"`, `"é€"`}, []string{`"ax"`, `"a"`, `"aéx"`}},
		{`{"format":"date-time"}`, []string{`"2024-02-29T23:59:59.5+01:00"`, `5`}, []string{`"2023-02-29T23:59:59Z"`, `"2024-02-29"`}},
		{`{"format":"email"}`, []string{`"bob.b+x@example.com"`}, []string{`"bob"`, `"a..b@c"`, `"bob@-x"`}},
		{`{"format":"regex"}`, []string{`5`}, []string{`"a"`}},
		{`{"format":"unknown"}`, []string{`"a"`}, nil},
		{`{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/n"}},"additionalProperties":false}}}`,
			[]string{`{"v":1,"next":{"v":2,"next":{}}}`}, []string{`{"next":{"next":{"v":"1"}}}`}},
		{`{"allOf":[{"properties":{"a":{"minimum":1}}},{"properties":{"a":{"maximum":5},"b":{"const":1}},"required":["b"]}]}`,
			[]string{`{"a":3,"b":1}`}, []string{`{"a":6,"b":1}`, `{"a":0,"b":1}`, `{"a":3}`, `{"a":3,"b":1,"B":2}`}},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, []string{`"a"`, `null`}, []string{`1`}},
		{`{"anyOf":[{"maxLength":2},{"type":"integer"}],"minimum":3}`, []string{`"a"`, `3`, `null`}, []string{`"abc"`, `2`}},
		{`{"oneOf":[{"type":"integer"},{"type":"number"}]}`, nil, []string{`1`, `1.5`}},
		{`{"oneOf":[{"enum":["a","b"]},{"enum":["a","c"]}]}`, nil, []string{`"a"`, `"b"`, `"c"`}},
		{`{"oneOf":[{"const":"a"},{"const":"b"},{"type":"integer"}]}`, []string{`"a"`, `"b"`, `5`}, []string{`"c"`}},
		{`{"required":["kind"],"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["x"]},{"type":"object","properties":{"kind":{"enum":["b","c"]},"y":{"type":"string"}}}]}`,
			[]string{`{"kind":"a","x":1}`, `{"y":"s","kind":"c"}`, `{"kind":"a","x":1,"y":2}`},
			[]string{`{"kind":"a"}`, `{"kind":"b","y":1}`, `{"x":1}`, `{"kind":"a","x":1,"Y":2}`, `5`}},
		{`{"oneOf":[{"properties":{"kind":{"const":"a"}},"required":["kind"]},{"properties":{"kind":{"const":"b"}},"required":["kind"]}]}`, nil,
			[]string{`{"kind":"a"}`, `1`}},
		{`{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"}}},{"type":"object","properties":{"kind":{"const":"b"}}}]}`, nil,
			[]string{`{}`, `{"x":1}`, `{"kind":"a"}`}},
		{`{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"}}},{"type":"object","properties":{"kind":{"const":"b"}},"required":["kind"]}]}`, []string{`{"kind":"a"}`, `{"kind":"b"}`, `{}`}, []string{`{"kind":"c"}`}},
		{`{"anyOf":[{"properties":{"a":{"properties":{"id":{}}}}},{"type":"object"}]}`, []string{`{"a":{"id":1}}`, `{"b":1}`}, []string{`{"a":{"ID":1}}`}},
		{`{"anyOf":[{"type":"object"},{"properties":{"a":{"items":{"properties":{"id":{}}}}}}]}`, []string{`{"a":[{"id":1}]}`}, []string{`{"a":[{"ID":1}]}`}},
		{`{"anyOf":[{"type":"object"},{"$dynamicRef":"#/$defs/x"}],"$defs":{"x":{"properties":{"id":{}}}}}`, []string{`{"id":1}`}, []string{`{"ID":1}`}},
		{`{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"id":{}},"anyOf":[{"type":"object"},{"properties":{"a":{"$recursiveRef":"#"}}}]}`, []string{`{"a":{"id":1}}`}, []string{`{"a":{"ID":1}}`}},
		{`{"$id":"https://test.invalid/","$dynamicAnchor":"d","properties":{"id":{},"a":{"anyOf":[{"type":"object"},{"$ref":"inner"}]}},"$defs":{"inner":{"$id":"inner","$dynamicRef":"#d","$defs":{"d":{"$dynamicAnchor":"d"}}}}}`, []string{`{"id":1}`}, []string{`{"a":{"ID":1}}`, `{"a":{}}`}},
		{`{"not":{"type":"string"}}`, nil, []string{`1`, `"a"`}},
		{`{"type":"object","properties":{"a":{"not":{}}}}`, []string{`{"b":1}`}, []string{`{"a":1}`}},
		{`false`, nil, []string{`1`}},
		{`{"properties":{"a":false}}`, []string{`{"b":1}`}, []string{`{"a":1}`}},
		{`{"properties":{"\"":{"type":"integer"},"":{"type":"integer"},"é":{"type":"integer"}}}`, []string{`{"é":1,"":2}`}, []string{`{"\"":1}`, `{"é":""}`}},
		{`{"properties":{"k":{}}}`, []string{`{"k":1}`}, []string{"{\"\u212a\":1}", `{"K":1}`}},
		{`{}`, []string{strings.Repeat("[", strictjson.MaxDepth) + strings.Repeat("]", strictjson.MaxDepth)},
			[]string{strings.Repeat("[", strictjson.MaxDepth+1) + strings.Repeat("]", strictjson.MaxDepth+1)}},
		{broad(64), []string{`{"p0":1,"p63":1}`}, []string{`{"p63":"1"}`}},
		{broad(65), nil, []string{`{"p0":1}`}},
	} {
		c := compile(t, tc.schema)
		for _, instance := range tc.accepted {
			if !c.sound(t, instance) {
				t.Errorf("%.200s: %.100s: got left to the judge, want accepted", tc.schema, instance)
			}
		}
		for _, instance := range tc.left {
			if c.sound(t, instance) {
				t.Errorf("%.200s: %.100s: got accepted, want left to the judge", tc.schema, instance)
			}
		}
	}
}

// Many short values of which each may be one of many things take no longer than
// others.
func TestAlternativesAreLinear(t *testing.T) {
	var several strings.Builder
	for i := range 300 {
		several.WriteString(`{"type":"number","minimum":` + strconv.Itoa(i+1) + `},`)
	}
	s := compile(t, `{"items":{"anyOf":[`+several.String()+`{"type":"integer"}]}}`)
	text := "[" + strings.Repeat("0,", strictjson.MaxBytes/jsontest.Slack/2-2) + "0]"
	jsontest.Within(t, "at once", text, func() { s.accepts(text) })
	jsontest.Within(t, "while it arrives", text, func() {
		if _, f := s.watch(text, 100); f != nil {
			t.Error(f)
		}
	})
}

// broad returns a schema of n properties.
func broad(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"p` + strconv.Itoa(i) + `":{"type":"integer"}`)
	}
	return `{"properties":{` + b.String()[1:] + `}}`
}

// The fast path is as strict as the judge about whatever comes out of mutations.
func TestAcceptsSoundly(t *testing.T) {
	m, tried, accepted := jsontest.NewMutator(1), 0, 0
	for _, text := range schematest.Schemas() {
		c := compile(t, text)
		for _, instance := range jsontest.Instances() {
			if jsontest.DecodeValue([]byte(instance)) == nil {
				continue
			}
			for range 100 {
				tried++
				if c.sound(t, m.Mutate(instance)) {
					accepted++
				}
			}
		}
	}
	t.Logf("%d of %d accepted at once", accepted, tried)
	if accepted < tried/20 {
		t.Errorf("got %d of %d accepted, want many", accepted, tried)
	}
}

// The fast path lets nothing through that the strict parse does not.
func TestAcceptsStrictTextsAlone(t *testing.T) {
	c, m, accepted := compile(t, `true`), jsontest.NewMutator(3), 0
	for _, seed := range jsontest.StrictTexts() {
		for i := range 100 {
			text := seed
			for range i % 4 {
				text = m.Disturb(text)
			}
			if c.sound(t, text) {
				accepted++
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("got %d accepted, want many", accepted)
	}
}
