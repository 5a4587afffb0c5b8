// Package schematest holds what the tests of package schema and of the packages below
// it share.
package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema/internal/format"
	"example.com/safeconduct/schema/internal/graph"
)

// Upstream compiles a schema with jsonschema alone, in the dialect of package
// schema.
func Upstream(text string) (*jsonschema.Schema, error) {
	c, err := compiler(text)
	if err != nil {
		return nil, err
	}
	return c.Compile(url)
}

const url = "https://upstream.invalid/schema"

func compiler(text string) (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.AssertFormat = true
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, errors.New("no " + url) }
	c.Decoders["base64"] = nil
	c.MediaTypes["application/json"] = nil
	return c, c.AddResource(url, strings.NewReader(text))
}

// A T is a test, be it one of package testing or of package rapid.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Compile is like [Upstream], but with the formats and the extension of package
// schema. It returns as well those of the schema's $defs that dynamic references may
// find.
func Compile(t T, text string) (root *jsonschema.Schema, dynamic []*jsonschema.Schema) {
	t.Helper()
	c, err := compiler(text)
	if err != nil {
		t.Fatalf("jsonschema refuses %s: %v", text, err)
	}
	for name, is := range format.Strict {
		c.Formats[name] = is
	}
	c.RegisterExtension(graph.Extension, nil, graph.Twins{KeepsContent: true})
	compile := func(fragment string) *jsonschema.Schema {
		s, err := c.Compile(url + fragment)
		if err != nil {
			t.Fatalf("jsonschema refuses %s: %v", text, err)
		}
		return s
	}
	root = compile("")
	var schema struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	_ = json.Unmarshal([]byte(text), &schema) // true and false have none
	for name, def := range schema.Defs {
		if bytes.Contains(def, []byte(`"$dynamicAnchor"`)) || bytes.Contains(def, []byte(`"$recursiveAnchor"`)) {
			dynamic = append(dynamic, compile("#/$defs/"+name))
		}
	}
	return root, dynamic
}

// MustUpstream is like [Upstream] but fails where Upstream returns an error.
func MustUpstream(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	s, err := Upstream(text)
	if err != nil {
		t.Fatalf("jsonschema refuses %s: %v", text, err)
	}
	return s
}

// Decode decodes as jsonschema wants it.
func Decode(t testing.TB, text string) any {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json refuses %.100q: %v", text, err)
	}
	return v
}

// Array returns a JSON array of n times the item.
func Array(item string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

// Doubling returns a schema of n levels that each refer to the next one twice.
func Doubling(n int) string {
	var b bytes.Buffer
	b.WriteString(`{"$ref":"#/$defs/s0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"s%d":{"allOf":[{"$ref":"#/$defs/s%d"},{"$ref":"#/$defs/s%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"s%d":{"type":"integer"}}}`, n)
	return b.String()
}

// draw draws a schema that may refer to $defs a, b and c.
func draw(t *rapid.T, depth int) any {
	kinds := 8
	if depth == 0 {
		kinds = 3
	}
	sub := func() any { return draw(t, depth-1) }
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return true
	case 1:
		types := []any{"integer", "string", "object", "array", []string{"null", "object"}}
		return map[string]any{"type": rapid.SampledFrom(types).Draw(t, "type")}
	case 2:
		return map[string]any{"$ref": "#/$defs/" + rapid.SampledFrom(jsontest.Names()).Draw(t, "def")}
	case 3:
		kw := rapid.SampledFrom([]string{"minimum", "maxLength", "minItems", "maxProperties"}).Draw(t, "keyword")
		return map[string]any{kw: rapid.IntRange(0, 3).Draw(t, "n")}
	case 4:
		kw := rapid.SampledFrom([]string{"allOf", "anyOf", "oneOf", "prefixItems"}).Draw(t, "keyword")
		return map[string]any{kw: []any{sub(), sub()}}
	case 5:
		return map[string]any{"properties": map[string]any{"a": sub(), "b": sub()}, "required": []string{"a"}}
	case 6:
		kw := rapid.SampledFrom([]string{
			"items", "additionalProperties", "not", "contains", "unevaluatedProperties", "unevaluatedItems", "propertyNames",
		}).Draw(t, "keyword")
		return map[string]any{kw: sub(), "uniqueItems": true}
	case 7:
		return map[string]any{
			"if": sub(), "then": sub(), "else": sub(), "properties": map[string]any{"c": sub()}, "additionalProperties": sub(),
		}
	}
	return map[string]any{"patternProperties": map[string]any{"^[ab]": sub()}, "dependentSchemas": map[string]any{"a": sub()}}
}

// DrawSchema draws the text of a schema.
func DrawSchema(t *rapid.T) string {
	root := map[string]any{"allOf": []any{draw(t, 3)}, "$defs": map[string]any{
		"a": draw(t, 3), "b": draw(t, 2), "c": draw(t, 2),
	}}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Schemas returns schemas of many kinds, for fuzzing.
func Schemas() []string {
	return []string{
		`true`,
		`{"type":"object","required":["to","amount"],"properties":{"to":{"type":"string","format":"email"},` +
			`"amount":{"type":"number","maximum":100,"multipleOf":0.01}},"additionalProperties":false}`,
		`{"type":"array","uniqueItems":true,"contains":{"type":"null"},"prefixItems":[{"enum":["a",1]}],"items":{"$ref":"#"}}`,
		`{"anyOf":[{"type":"string","pattern":"^a+$","minLength":2},{"type":["integer","null"]}],"not":{"const":5}}`,
		`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"]},` +
			`"if":{"required":["a"]},"then":{"minProperties":2},"propertyNames":{"maxLength":3}}`,
		`{"$schema":"https://json-schema.org/draft/2019-09/schema","$recursiveAnchor":true,` +
			`"properties":{"x":{"$recursiveRef":"#"}},"unevaluatedProperties":false}`,
		`{"$dynamicAnchor":"n","properties":{"next":{"$dynamicRef":"#n"}},` +
			`"patternProperties":{"^x-":{"oneOf":[{"type":"string"},{"maxLength":3}]}},"unevaluatedProperties":{"type":"boolean"}}`,
		`{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"item"},{"format":"date-time"}]},` +
			`"b":{"$id":"item","$anchor":"c","maxLength":40}}}`,
		`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`,
	}
}
