package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
)

func TestLint(t *testing.T) {
	const (
		draft7    = `"$schema":"http://json-schema.org/draft-07/schema#",`
		draft2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema",`
	)
	for _, tc := range []struct {
		text string
		want []string
	}{
		// Misspelt.
		{`{"requierd":["a"]}`, []string{"/requierd is no keyword: required is one"}},
		{`{"properties":{"a":{"minlength":1,"additionalproperties":false}}}`, []string{
			"/properties/a/additionalproperties is no keyword: additionalProperties is one",
			"/properties/a/minlength is no keyword: minLength is one",
		}},
		{`{"items":{"anyof":[{"tpye":"string"}]},"item":{},"propertys":{}}`, []string{
			"/item is no keyword: items is one",
			"/propertys is no keyword: properties is one",
			"/items/anyof is no keyword: anyOf is one",
		}},
		{`{"reqired":[],"addtionalProperties":false,"maxmium":1,"patern":"x","emum":[1]}`, []string{
			"/addtionalProperties is no keyword: additionalProperties is one",
			"/emum is no keyword: enum is one",
			"/maxmium is no keyword: maximum is one",
			"/patern is no keyword: pattern is one",
			"/reqired is no keyword: required is one",
		}},
		{`{"$defs":{"a~b/c":{"typ":"string"}}}`, nil}, // 3 letters
		{`{"$defs":{"a~b/c":{"types":"string"}}}`, []string{"/$defs/a~0b~1c/types is no keyword: type is one"}},
		{`{"x-note":1,"example":1,"examples":[1],"nullable":true,"optional":true,"name":"x","id":"x","strict":true,"unit":"m"}`, nil},
		{`{"properties":{"requierd":{},"minlength":{}},"default":{"requierd":1},"enum":[{"tpye":1}]}`, nil}, // names and values

		{`{"properties":{"abcdefa":{},"abcdefb":{},"abcdefc":{},"abcdefd":{},"abcdefe":{},"abcdeff":{},"abcdefg":{}},"required":["abcdefx"]}`, []string{
			`/required names "abcdefx", and not the property "abcdefa"`, // the first of those that are as near
		}},
		{`{"properties":{"abcde":{},"abxye":{},"abcxyz":{}},"required":["abcdy","abzzz","abcx__"]}`, []string{
			`/required names "abcdy", and not the property "abcde"`,
			`/required names "abcx__", and not the property "abcxyz"`,
		}},

		// Without effect.
		{`{"type":"integer","minLength":1,"pattern":"x"}`, []string{
			"/minLength has no effect on the type that is declared",
			"/pattern has no effect on the type that is declared",
		}},
		{`{"type":["string","null"],"maximum":1,"maxLength":1}`, []string{"/maximum has no effect on the type that is declared"}},
		{`{"type":"integer","maximum":1}`, nil},
		{`{"type":"string","properties":{}}`, []string{"/properties has no effect on the type that is declared"}},
		{`{"then":false,"else":false,"minContains":1}`, []string{
			"/else has no effect without if", "/minContains has no effect without contains", "/then has no effect without if",
		}},
		{`{` + draft7 + `"$ref":"#/definitions/a","maxLength":1,"description":"x","definitions":{"a":{}}}`,
			[]string{"/maxLength has no effect beside a $ref in drafts up to 7"}},
		{`{"$ref":"#/$defs/a","maxLength":1,"$defs":{"a":{}}}`, nil},

		// Of another draft.
		{`{` + draft7 + `"prefixItems":[{}],"dependentRequired":{},"unevaluatedProperties":false}`, []string{
			"/dependentRequired has no effect: the draft of the schema does not have it",
			"/prefixItems has no effect: the draft of the schema does not have it",
			"/unevaluatedProperties has no effect: the draft of the schema does not have it",
		}},
		{`{` + draft2019 + `"prefixItems":[{}],"items":[{}],"additionalItems":false}`,
			[]string{"/prefixItems has no effect: the draft of the schema does not have it"}},
		{`{"items":{},"additionalItems":false}`, []string{"/additionalItems has no effect: the draft of the schema does not have it any more"}},

		{`{"$schema":"http://json-schema.org/draft-04/schema#","const":1,"if":{},"then":{},"contains":{},"$id":"x","items":{"exclusiveMinimum":true,"minimum":1}}`, []string{
			"/$id has no effect: the draft of the schema does not have it",
			"/const has no effect: the draft of the schema does not have it",
			"/contains has no effect: the draft of the schema does not have it",
			"/if has no effect: the draft of the schema does not have it",
			"/then has no effect: the draft of the schema does not have it",
		}},
		{`{"$defs":{"a":{"$schema":"http://json-schema.org/draft-07/schema#"},"b":{"$id":"b","$schema":"https://json-schema.org/draft/2020-12/schema"}}}`, []string{"/$defs/a/$schema has no effect within a schema"}},
		{`{"properties":{"id":{},"Id":{},"a":{}}}`,
			[]string{`/properties has "Id" and "id", which differ in case alone: an object with one of them is refused`}},

		// Formats.
		{`{"format":"e-mail"}`, []string{`/format is not checked: "e-mail" is none of the formats that are`}},
		{`{"format":"email"}`, nil},

		// Required properties.
		{`{"properties":{"amount":{}},"required":["amuont"]}`, []string{`/required names "amuont", and not the property "amount"`}},
		{`{"properties":{"amount":{}},"required":["Amount"]}`, []string{`/required names "Amount", and not the property "amount"`}},
		{`{"properties":{"amount":{}},"required":["to"],"additionalProperties":false}`, []string{`/required names "to", which additionalProperties refuses`}},
		{`{"properties":{"amount":{}},"required":["to"]}`, nil},
		{`{"required":["to"],"additionalProperties":false,"patternProperties":{"^t":{}}}`, nil},

		{`true`, nil},
		{`{}`, nil},
	} {
		var got []string
		for _, w := range mustCompile(t, tc.text).Lint() {
			got = append(got, w.String())
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tc.text, got, tc.want)
		}
	}
	s, err := schema.CompileWith("test", []byte(`{}`), schema.Options{Draft: schema.Draft7, Resources: resources("a", `{"minlenght":1,"prefixItems":[]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(s.Lint()),
		"[a#/minlenght is no keyword: minLength is one a#/prefixItems has no effect: the draft of the schema does not have it]"; got != want {
		t.Errorf("a resource: got %s, want %s", got, want)
	}
	if got := new(schema.Schema).Lint(); got != nil {
		t.Errorf("the zero Schema: got %v, want nil", got)
	}
}

// What Lint takes and says is bounded.
func TestLintIsBounded(t *testing.T) {
	var required, properties, unknown []string
	for i := range 9000 {
		required = append(required, fmt.Sprintf(`"aaaaaa%d"`, i))
		properties = append(properties, fmt.Sprintf(`"bbbbbb%d":{"minimumm":1}`, i))
		unknown = append(unknown, fmt.Sprintf(`"propertyz%d":1`, i))
	}
	for _, text := range []string{
		`{"required":[` + strings.Join(required[:5000], ",") + `],"properties":{` + strings.Join(properties[:4900], ",") + `}}`,
		`{` + strings.Join(unknown, ",") + `}`,
	} {
		s := mustCompile(t, text)
		jsontest.Within(t, text[:40], text, func() {
			if n := len(s.Lint()); n > 100 {
				t.Errorf("%.40s: got %d warnings, want at most 100", text, n)
			}
		})
	}
}

// The schemas of real tools raise no alarm.
func TestCorpusLint(t *testing.T) {
	schemas, _ := recordedCalls(t)
	for _, c := range toolCalls(t) {
		schemas[c.Tool] = string(c.Schema)
	}
	for name, text := range schemas {
		for _, w := range mustCompile(t, text).Lint() {
			t.Errorf("%s: got the warning %s, want none", name, w)
		}
	}
	t.Logf("%d schemas", len(schemas))
}
