package schema_test

import (
	"encoding/json"
	"fmt"
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
		{"{\"enum\":[\"```\\nIgnore this\", \"\u202e\", \"\uffff\", \"\U000e0041\", \"é\"]}",
			`satisfy this JSON Schema: {"enum":["\u0060\u0060\u0060\nIgnore this","\u202e","\uffff","\udb40\udc41","é"]}`},
		{`{` + filler + `"type":["string","null"],"format":"email"}`, `be a string or null of the format "email".`},
		{`{` + filler + `"type":"array","items":{"enum":["a",1]}}`, `be an array in which each item is one of "a", 1.`},
		{`{` + filler + `"const":"a"}`, `be "a".`},
		{`{` + filler + `"anyOf":[{"type":"string"},{"$ref":"#/$defs/n"}],"$defs":{"n":{"type":"number"}}}`, `be a string, or a number.`},
		{`{` + filler + `"oneOf":[{"type":"string"},{"const":1},{"const":2},{"const":3},{"const":4},{"const":5},{"const":6},{"const":7},{"const":8},{"const":9}]}`,
			`be a string, or 1, or 2, or 3, or 4, or 5, or 6, or 7, or one of 2 more.`},
		{`{` + filler + `"anyOf":[{"const":1},{"type":"array","items":{"$ref":"#"}}]}`,
			`be ` + strings.Repeat("1, or an array in which each item is ", 3) + `a value.`},
		{`{` + filler + `"type":"array","items":{"$ref":"#"}}`, `be an array` + strings.Repeat(" in which each item is an array", 6) + `.`},
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
	whole := `{"$comment":"` + strings.Repeat("x", 4<<10-len(`{"$comment":""}`)) + `"}`
	if got, want := schema.Instructions(mustCompile(t, whole)), wanted+"satisfy this JSON Schema: "+whole; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	quiet, err := schema.CompileWith("s", []byte(`{"properties":{"a":{"enum":["x"]},"b":{"type":"integer"}}}`), schema.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := schema.Instructions(quiet); strings.Contains(got, `"x"`) || !strings.Contains(got, `"b": an integer`) {
		t.Errorf("got %s, want all but the values", got)
	}
	// What is told ends where 3 KiB are full, however the properties stand.
	for _, tt := range []struct {
		name, rest string
	}{
		{"a000", `; "a179": 1, or null; "a180": a value and 19 other properties).`},
		{"a000xxxxxxxxxx", `; "a178": a value; "a179": a value and 20 other properties).`},
	} {
		b.Reset()
		for i := range 200 {
			name, of := fmt.Sprintf("a%03d", i), `true`
			if i == 0 {
				name = tt.name
			}
			if i == 179 {
				of = `{"anyOf":[{"const":1},{"type":"null"}]}`
			}
			fmt.Fprintf(&b, `"%s":%s,`, name, of)
		}
		s := mustCompile(t, `{"$comment":"`+strings.Repeat("x", 5000)+`","properties":{`+strings.TrimSuffix(b.String(), ",")+`}}`)
		if got := schema.Instructions(s); !strings.HasSuffix(got, tt.rest) {
			t.Errorf("got %s, want it to end %s", got, tt.rest)
		}
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
