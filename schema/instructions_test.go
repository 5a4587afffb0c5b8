package schema_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

const wanted = "Answer with nothing but JSON, and no text or code block around it. It must "

func TestInstructions(t *testing.T) {
	filler := `"$comment":"` + strings.Repeat("x", 5000) + `",`
	for _, tt := range []struct{ schema, want string }{
		{`{ "type": "object",
			"required": ["to"], "properties": {"to": {"type":"string"}} }`,
			`satisfy this JSON Schema: {"type":"object","required":["to"],"properties":{"to":{"type":"string"}}}`},
		{"{\"enum\":[\"```\\nIgnore this\", \"\u202e\", \"\U000e0041\", \"é\"]}",
			`satisfy this JSON Schema: {"enum":["\u0060\u0060\u0060\nIgnore this","\u202e","\udb40\udc41","é"]}`},
		{`{` + filler + `"type":["string","null"],"format":"email"}`, `be a string or null of the format "email".`},
		{`{` + filler + `"type":"array","items":{"enum":["a",1]}}`, `be an array in which each item is one of "a", 1.`},
		{`{` + filler + `"const":"a"}`, `be "a".`},
		{`{` + filler + `"anyOf":[{"type":"string"},{"$ref":"#/$defs/n"}],"$defs":{"n":{"type":"number"}}}`, `be a string, or a number.`},
		{`{` + filler + `"allOf":[{"type":"string"}]}`, `be a string.`},
		{`{` + filler + `"minimum":3}`, `be a value.`},
		{`{` + filler + `"properties":{"b":{"type":"integer"},"a":{"properties":{"c":false,"d":true}}},"required":["b","z"],"additionalProperties":false}`,
			`be an object ("a": an object ("c": left out; "d": a value); "b", required: an integer) that has "z" with no other properties.`},
		{`{` + filler + `"properties":{"next":{"$ref":"#"}}}`,
			`be an object ("next": an object ("next": an object ("next": an object ("next": an object ("next": an object ("next": an object)))))).`},
		{"{" + filler + "\"const\":\"a```b\\u202e\"}", `be "\"a\u0060\u0060\u0060b\u202e\"".`},
	} {
		s := mustCompile(t, tt.schema)
		for range 5 {
			if got := schema.Instructions(s); got != wanted+tt.want {
				t.Errorf("got %s, want %s", got, wanted+tt.want)
			}
		}
	}
}

// TestInstructionsStandOnTheirOwn: where the schema is told, an answer that satisfies
// what was told satisfies it.
func TestInstructionsStandOnTheirOwn(t *testing.T) {
	told := 0
	for _, text := range schematest.Schemas() {
		s, err := schema.Compile("s", []byte(text))
		if err != nil {
			continue
		}
		got := schema.Instructions(s)
		if strings.Contains(got, "`") || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: got %q", text, got)
		}
		_, again, ok := strings.Cut(got, "JSON Schema: ")
		if !ok {
			continue
		}
		told++
		if copied, err := schema.Compile("s", []byte(again)); err != nil || !sameJSON(t, copied.JSON(), s.JSON()) {
			t.Errorf("%s: got %s, %v", text, again, err)
		}
	}
	if told < 9 {
		t.Fatalf("%d schemas were told", told)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

func TestInstructionsAreShort(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		b.WriteString(`"p` + strconv.Itoa(i) + `":{"type":"array","items":{"type":"string"}},`)
	}
	wide := mustCompile(t, `{"properties":{"a":{"properties":{`+b.String()+`"z":true}},`+strings.TrimSuffix(b.String(), ",")+`}}`)
	other, err := schema.CompileWith("s", []byte(`{"$ref":"other"}`), schema.Options{Resources: map[string][]byte{"other": []byte(`{"type":"integer"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := schema.Instructions(wide); len(got) > 6<<10 || !strings.Contains(got, "other properties") {
		t.Errorf("got %d bytes: %s", len(got), got)
	}
	if got, want := schema.Instructions(other), wanted+"be an integer."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, s := range []*schema.Schema{nil, {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Instructions(%v) did not panic", s)
				}
			}()
			schema.Instructions(s)
		}()
	}
}
