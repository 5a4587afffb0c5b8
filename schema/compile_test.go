package schema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

func TestCompileErrors(t *testing.T) {
	const draft7 = `"$schema":"http://json-schema.org/draft-07/schema#"`
	for _, tc := range []struct{ text, want string }{
		{``, `schema: test: the text must be JSON, and ends too early (byte 0)`},
		{`{"type":`, `schema: test: the text must be JSON, and ends too early (byte 8)`},
		{`{"type":x}`, `schema: test: the text must be JSON (byte 8)`},
		{`{} {}`, `schema: test: the text must be one JSON value and nothing after it (byte 3)`},
		{"{\"a\":\"\xff\"}", `schema: test: the text must be valid UTF-8 (byte 6)`},
		{`{"properties":{"a":{},"a":{}}}`, `schema: test: at /properties: must not have a property twice`},
		{`{"properties":{"a":{"minimum":1e999}}}`, `schema: test: at /properties/a/minimum: must be a number with an exponent from -324 to 308`},
		{`5`, `schema: test: a schema is an object, true or false`},
		{`[]`, `schema: test: a schema is an object, true or false`},
		{`{"type":"strnig"}`, `schema: test: at /type: value must be one of`},
		{`{"properties":{"a b":5}}`, `schema: test: at /properties/a b: expected object or boolean, but got number`},
		{`{"required":"a"}`, `schema: test: at /required: expected array, but got string`},
		{`{"multipleOf":0}`, `schema: test: at /multipleOf: must be > 0 but found 0`},
		{`{"minLength":2147483648}`, `schema: test: at /minLength: is more than 2147483647`},
		{`{"enum":[]}`, `schema: test: at /enum: is empty: nothing would satisfy it`},
		{`{"$ref":"#/$defs/a"}`, `schema: test: at /$ref: "#/$defs/a" leads nowhere`},
		{`{"$ref":"#a"}`, `schema: test: at /$ref: "#a" leads nowhere`},
		{`{"$ref":"#/allOf/1","allOf":[true]}`, `schema: test: at /$ref: "#/allOf/1" leads nowhere`},
		{`{"$ref":"#/type/x","type":"object"}`, `schema: test: at /$ref: "#/type/x" leads nowhere`},
		{`{"$ref":"#/%zz"}`, `schema: test: at /$ref: "#/%zz" is no URI reference`},
		{`{"$id":":"}`, `schema: test: at /$id: ":" is no URI reference`},
		{`{"$ref":"#"}`, `schema: test: refers to itself at the same place, by way of /$ref`},
		{`{"allOf":[{"not":{"$ref":"#"}}]}`, `schema: test: refers to itself at the same place, by way of`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"x":{"$ref":"#/$defs/b"}},"allOf":[{"$ref":"#/$defs/b"}]},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}`, `schema: test: refers to itself at the same place, by way of`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"x":{"$ref":"#/$defs/b"}},"if":{"$ref":"#/$defs/b"}},"b":{"if":{"$ref":"#/$defs/a"}}}}`,
			`schema: test: refers to itself at the same place, by way of`}, // unseen by jsonschema
		{`{"$dynamicAnchor":"a","$dynamicRef":"#a"}`, `schema: test: refers to itself at the same place, by way of`},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"$dynamicRef":"#x"},"b":{"$dynamicAnchor":"x","if":{"$ref":"#/$defs/a"}}}}`,
			`schema: test: refers to itself at the same place, by way of`},
		{`{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}`, `schema: test: at /$defs/b: the anchor "x" stands twice in the schema`},
		{`{"$id":"http://a/","$defs":{"a":{"$id":"/"}}}`, `schema: test: at /$defs/a/$id: "/" stands twice in the schema`},
		{`{"$defs":{"a":{"$id":"a","$schema":"http://json-schema.org/draft-07/schema#"}}}`,
			`schema: test: at /$defs/a/$schema: "http://json-schema.org/draft-07/schema#" is not the draft of the whole schema`},
		{`{"$id":"https://json-schema.org/draft/2020-12/meta/mine"}`,
			`schema: test: at /$id: "https://json-schema.org/draft/2020-12/meta/mine" is a metaschema's`},
		{`{"regexProperties":true}`, `schema: test: at /regexProperties: is no keyword of JSON Schema`},
		{`{` + draft7 + `,"contentMediaType":"x","contentSchema":5}`, `schema: test: at /contentSchema: expected object or boolean, but got number`},
		{`{"\u202e":{"$ref":"#x"},"properties":{"\u202e":{"$ref":"#x"}}}`, `schema: test: at "/properties/\u202e/$ref": "#x" leads nowhere`},
		{`{"allOf":[{"x":{"a":1,"a":2}}]}`, `schema: test: at /allOf/0/x: must not have a property twice`},
		{`{"$vocabulary":{"https://example.com/v":true}}`, `schema: test: unsupported vocab "https://example.com/v"`},
		{`{"$id":"urn:x","$ref":"urn:x#/%zz"}`, `schema: test: at /$ref: "urn:x#/%zz" leads nowhere`},
		{nested(50), `schema: test: at /allOf/`},
		{wide(998), `schema: test: its schemas refer to one another in too many ways`},
		{many(schema.MaxSubschemas + 1), `schema: test: holds more than 5000 schemas`},
		{chain(40), `schema: test: more than 32 schemas refer to one another at one place, at /`},
		{`{"enum":` + schematest.Array("1", 10_001) + `}`, `schema: test: costs more than 10000 at one place, at its root`},
	} {
		var s *schema.Schema
		var err error
		took := pair.Thread(func() { s, err = schema.Compile("test", []byte(tc.text)) })
		switch {
		case err == nil:
			t.Errorf("%.100s: got no error, want %s", tc.text, tc.want)
		case s != nil:
			t.Errorf("%.100s: got a Schema and an error, want the error alone", tc.text)
		case !strings.HasPrefix(err.Error(), tc.want):
			t.Errorf("%.100s:\ngot  %s\nwant %s", tc.text, err, tc.want)
		case strings.Contains(err.Error(), "schema.invalid"):
			t.Errorf("%.100s: got %s, want none of our own URLs", tc.text, err)
		case len(err.Error()) > 1024:
			t.Errorf("%.100s: got an error of %d bytes", tc.text, len(err.Error()))
		}
		if took > jsontest.Slack*5*time.Second {
			t.Errorf("%.100s: took %v", tc.text, took)
		}
	}
}

// many returns a schema that holds n schemas, itself included.
func many(n int) string {
	var b strings.Builder
	b.WriteString(`{"$defs":{`)
	for i := range n - 1 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"s%d":true`, i)
	}
	b.WriteString(`}}`)
	return b.String()
}

// chain returns a schema of n references, each to the next.
func chain(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/s0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"s%d":{"$ref":"#/$defs/s%d"},`, i, i+1)
	}
	fmt.Fprintf(&b, `"s%d":true}}`, n)
	return b.String()
}

// nested returns a schema that refers to n schemas within one another, from within.
func nested(n int) string {
	var b strings.Builder
	b.WriteString(`{"allOf":[true`)
	for i := range n {
		fmt.Fprintf(&b, `,{"items":{"$ref":"#/x%s"}}`, strings.Repeat("/not", n-i-1))
	}
	b.WriteString(`],"x":` + strings.Repeat(`{"not":`, n) + many(1000) + strings.Repeat("}", n) + "}")
	return b.String()
}

// wide returns a schema of n schemas that all apply to one object, and each declare
// a property of their own.
func wide(n int) string {
	var b strings.Builder
	b.WriteString(`{"allOf":[true`)
	for i := range n {
		fmt.Fprintf(&b, `,{"properties":{"p%d":true}}`, i)
	}
	b.WriteString("]}")
	return b.String()
}

func TestCompileAccepts(t *testing.T) {
	const (
		draft7    = `"$schema":"http://json-schema.org/draft-07/schema#"`
		draft2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema"`
		draft2020 = `"$schema":"https://json-schema.org/draft/2020-12/schema"`
	)
	tree := `{` + draft2020 + `,"$id":"https://example.com/tree","$dynamicAnchor":"node","type":"object",
		"properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}`
	for _, tc := range []struct{ text, valid, invalid string }{
		{`true`, `1`, ``},
		{`false`, ``, `1`},
		{`{` + draft7 + `,"items":[{"type":"string"}],"additionalItems":false}`, `["a"]`, `["a",1]`},
		{`{` + draft7 + `,"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}},"maxLength":0}`, `"a"`, `1`}, // siblings of $ref are ignored
		{`{` + draft7 + `,"$ref":"#a","definitions":{"x":{"$id":"#a","type":"string"}}}`, `"a"`, `1`},
		{`{` + draft7 + `,"dependencies":{"a":["b"],"c":{"required":["d"]}}}`, `{"a":1,"b":1}`, `{"c":1}`},
		{`{` + draft7 + `,"contentMediaType":"application/json","contentEncoding":"base64"}`, `"{"`, ``},
		{`{` + draft7 + `,"contentMediaType":"application/json"}`, `"{"`, ``},
		{`{` + draft7 + `,"contentEncoding":"base64"}`, `"{"`, ``},
		{`{` + draft2019 + `,"$recursiveAnchor":true,"properties":{"x":{"$recursiveRef":"#"}},"additionalProperties":false}`, `{"x":{"x":{}}}`,
			`{"x":{"y":1}}`},
		{`{` + draft2019 + `,"items":[true],"additionalItems":false,"dependentRequired":{}}`, `[1]`, `[1,2]`},
		{`{"prefixItems":[true],"items":false}`, `[1]`, `[1,2]`},
		{tree, `{"children":[{"children":[]}]}`, `{"children":[{"children":1}]}`},
		{`{"$ref":"#/$defs/a~1b%25c","$defs":{"a/b%c":{"type":"string"}}}`, `"a"`, `1`},
		{`{"$ref":"#a","$defs":{"x":{"$anchor":"a","type":"string"}}}`, `"a"`, `1`},
		{`{"$ref":"item","$defs":{"x":{"$id":"item","type":"string"}}}`, `"a"`, `1`},
		{`{"$id":"urn:example:root","$ref":"urn:example:item","$defs":{"x":{"$id":"urn:example:item","type":"string"}}}`, `"a"`, `1`},
		{`{"$id":"http://example.com/a/b","$ref":"../c#/$defs/d","$defs":{"x":{"$id":"/c","$defs":{"d":{"type":"string"}}}}}`, `"a"`, `1`},
		{`{"$ref":"#/components/schemas/x","components":{"schemas":{"x":{"type":"string"}}}}`, `"a"`, `1`}, // where no keyword holds schemas
		{`{"items":{"$ref":""},"type":"array"}`, `[[],[[]]]`, `[1]`},
		{`{"items":{"$ref":"#"},"type":"array"}`, `[[],[[]]]`, `[1]`},
		{`{"properties":{"$ref":{"type":"string"},"$id":{"type":"string"}}}`, `{"$ref":"http://example.com"}`, `{"$ref":1}`},
		{`{"const":{"$ref":"http://example.com"}}`, `{"$ref":"http://example.com"}`, `{}`},
		{`{"enum":[{"$ref":"file:///etc/passwd"}],"default":{"$id":"x","pattern":"("}}`, `{"$ref":"file:///etc/passwd"}`, `{}`},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{"type":"string"}`, `{"type":"strnig"}`},
		{`{"$ref":"https://json-schema.org/draft/2019-09/schema"}`, `{"items":[{}]}`, `{"items":5}`},
		{`{"$ref":"http://json-schema.org/draft-07/schema#"}`, `{"if":true}`, `{"if":1}`},
		{`{"$defs":{"a":{"$schema":"http://json-schema.org/draft-07/schema#","prefixItems":[{"type":"string"}]}},"$ref":"#/$defs/a"}`, `["a"]`,
			`[1]`}, // it stands in no resource
		{`{` + draft7 + `,"definitions":{"a":{"$schema":"https://json-schema.org/draft/2020-12/schema","items":[{"type":"string"}]}},"$ref":"#/definitions/a"}`, `["a"]`, `[1]`},
		{`{` + draft7 + `,"items":{"$ref":"#/definitions/a","$id":"a","$schema":"x:y"},"definitions":{"a":{"type":"string"}}}`, `["a"]`, `[1]`},
		{`{"$schema":"http://json-schema.org/schema#","prefixItems":[{"type":"string"}]}`, `["a"]`, `[1]`},
		{`{"properties":{"id":{},"Id":{},"a":{}}}`, `{"a":1}`, `{"id":1}`}, // nobody knows which of them a program takes
		{`{"properties":{"id":{},"Id":{},"a":{}}}`, `{"b":1}`, `{"Id":1}`},
		{`{"properties":{"id":{},"Id":{},"a":{}}}`, `{}`, `{"ID":1}`},
		{`{"not":{"properties":{"id":false,"Id":{}}}}`, ``, `{"id":1}`},
		{`{"format":"of-our-own"}`, `"x"`, ``},
		{`{"format":"duration"}`, `"P1Y2M"`, `"P` + strings.Repeat("1Y", 5000) + `"`},
		{`{"format":"regex"}`, `"^a+$"`, `"("`},
		{many(schema.MaxSubschemas), `1`, ``},
		{wide(500), `{"p1":1}`, ``},
		{chain(20), `1`, ``},
	} {
		s, err := schema.Compile("test", []byte(tc.text))
		if err != nil {
			t.Errorf("%.200s: got %v, want no error", tc.text, err)
			continue
		}
		if tc.valid != "" {
			if err := s.Validate([]byte(tc.valid)); err != nil {
				t.Errorf("%.200s: %s: got %v, want no error", tc.text, tc.valid, err)
			}
			if err := s.ValidateSlowly([]byte(tc.valid)); err != nil {
				t.Errorf("%.200s: %s: got %v of what stands behind the plan, want no error", tc.text, tc.valid, err)
			}
		}
		if tc.invalid != "" {
			if v := violations(s.Validate([]byte(tc.invalid))); len(v) == 0 {
				t.Errorf("%.200s: %.100s: got no violation, want one", tc.text, tc.invalid)
			}
		}
	}
}

func TestCompileName(t *testing.T) {
	for _, name := range []string{"", "a\nb", "a\x1b[31m", "\u202ea", strings.Repeat("x", 101), "\xff"} {
		if _, err := schema.Compile(name, []byte(`{}`)); err == nil || !strings.HasPrefix(err.Error(), "schema: ") {
			t.Errorf("name %q: got error %v, want one", name, err)
		}
	}
	s, err := schema.Compile("Überweisung 1", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.String(), "Überweisung 1"; got != want {
		t.Errorf("String: got %q, want %q", got, want)
	}
}

func TestMustCompilePanics(t *testing.T) {
	defer func() {
		if got, want := fmt.Sprint(recover()), `schema: test: at /$ref: "#a" leads nowhere`; got != want {
			t.Errorf("got panic %q, want %q", got, want)
		}
	}()
	schema.MustCompile("test", `{"$ref":"#a"}`)
}

func TestSchemaJSON(t *testing.T) {
	text := []byte(`{ "type": "object" }`)
	s, err := schema.Compile("test", text)
	if err != nil {
		t.Fatal(err)
	}
	text[0] = 'x'
	s.JSON()[1] = 'x'
	if got, want := string(s.JSON()), `{ "type": "object" }`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := new(schema.Schema).JSON(); got != nil {
		t.Errorf("the zero Schema: got %s, want nil", got)
	}
}
