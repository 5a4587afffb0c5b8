package schema_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// Arguments that a tool does not declare are refused, unless its schema says
// otherwise or several schemas describe them.
func TestInputRefusesUndeclaredArguments(t *testing.T) {
	const (
		draft7    = `"$schema":"http://json-schema.org/draft-07/schema#",`
		draft2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema",`
		a         = `{"type":"object","properties":{"a":{}}}`
		b         = `{"type":"object","properties":{"b":{}}}`
	)
	for _, tc := range []struct{ schema, instance, pointer string }{ // pointer "-" where it passes
		{a, `{"a":1}`, "-"},
		{a, `{"a":1,"b":2}`, ""},
		{`{"properties":{}}`, `{"b":2}`, ""},
		{`{"type":"object"}`, `{"b":2}`, "-"},
		{`{"properties":{"a":{}},"additionalProperties":true}`, `{"b":2}`, "-"},
		{`{"properties":{"a":{}},"additionalProperties":{"type":"integer"}}`, `{"b":2}`, "-"},
		{`{"properties":{"a":{}},"patternProperties":{"^x-":{}}}`, `{"b":2}`, "-"},
		{`{"properties":{"a":{}},"unevaluatedProperties":true}`, `{"b":2}`, "-"},

		// Within the arguments.
		{`{"properties":{"o":` + a + `}}`, `{"o":{"b":2}}`, "-"},
		{`{"properties":{"o":` + a + `}}`, `{"o":{},"b":2}`, ""},
		{`{"items":` + a + `}`, `[{"b":2}]`, "-"},
		{`{"additionalProperties":` + a + `}`, `{"any":{"b":2}}`, "-"},

		// By reference.
		{`{"$ref":"#/$defs/a","$defs":{"a":` + a + `}}`, `{"b":2}`, ""},
		{`{"$ref":"#/$defs/a","description":"x","required":["a"],"$defs":{"a":` + a + `}}`, `{"a":1,"b":2}`, ""},
		{`{"$ref":"#/$defs/a","properties":{"b":{}},"$defs":{"a":` + a + `}}`, `{"a":1,"b":2}`, "-"},
		{`{` + draft7 + `"$ref":"#/definitions/a","properties":{"b":{}},"definitions":{"a":` + a + `}}`, `{"a":1,"b":2}`, ""},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"o":{"allOf":[{"$ref":"#/$defs/a"},` + b + `]}}}}}`, `{"o":{"b":2}}`, "-"},
		{`{"properties":{"next":{"$ref":"#"}}}`, `{"next":{"x":1}}`, "-"},
		{`{"properties":{"next":{"$ref":"#"}}}`, `{"next":{},"x":1}`, ""},
		{`{"$dynamicAnchor":"t","properties":{"next":{"$dynamicRef":"#t"}}}`, `{"next":{"x":1}}`, "-"},
		{`{` + draft2019 + `"$recursiveAnchor":true,"properties":{"next":{"$recursiveRef":"#"}}}`, `{"next":{"x":1}}`, "-"},
		{`{` + draft2019 + `"$recursiveAnchor":true,"properties":{"no":{"not":{"$recursiveRef":"#"}}}}`, `{"no":{"x":1}}`, "/no"},
		{`{` + draft2019 + `"properties":{"next":{"$recursiveRef":"#"}}}`, `{"next":{"x":1}}`, "-"},
		{`{` + draft2019 + `"properties":{"next":{"$recursiveRef":"#"}}}`, `{"next":{},"x":1}`, ""},

		// With others.
		{`{"allOf":[` + a + `]}`, `{"b":2}`, ""},
		{`{"allOf":[` + a + `,` + b + `]}`, `{"a":1,"b":2}`, "-"},
		{`{"allOf":[` + a + `],"properties":{"b":{}}}`, `{"a":1,"b":2}`, "-"},
		{`{"properties":{"a":{}},"anyOf":[{"required":["a"]},{"minProperties":2}]}`, `{"a":1,"b":2}`, ""},
		{`{"anyOf":[` + a + `,{"type":"null"}]}`, `{"b":2}`, ""},
		{`{"oneOf":[{"type":"null"},` + a + `]}`, `{"b":2}`, ""},
		{`{"anyOf":[` + a + `,` + b + `]}`, `{"a":1,"b":2}`, "-"},
		{`{"oneOf":[{"properties":{"a":{}}},{"required":["b"]}]}`, `{"c":2}`, "-"}, // closed, the first would give way to the second
		{`{"if":` + a + `,"then":true,"else":false}`, `{"b":2}`, "-"},
		{`{"not":` + a + `}`, `{"b":2}`, ""}, // as it is written
		{`{"properties":{"a":{}},"not":{"required":["a"]}}`, `{"b":2}`, "-"},
		{`{"dependentSchemas":{"a":` + b + `}}`, `{"a":1,"b":2}`, "-"},
		{`{` + draft7 + `"dependencies":{"a":` + b + `}}`, `{"a":1,"b":2}`, "-"},
		{`{` + draft7 + `"dependencies":{"a":["b"]},"properties":{"a":{}}}`, `{"c":1}`, ""},
	} {
		tool := middleware.Wrap(returns("done"), schema.Input(schema.Tools{"tool": mustCompile(t, tc.schema)}))
		_, err := tool(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "tool", Input: tc.instance})
		if tc.pointer == "-" {
			if err != nil {
				t.Errorf("%s: %s: got %v, want no error", tc.schema, tc.instance, err)
			}
			continue
		}
		if v := violations(err); len(v) == 0 || v[0].Pointer != tc.pointer {
			t.Errorf("%s: %s: got %v, want a violation at %q", tc.schema, tc.instance, err, tc.pointer)
		}
	}

	// The schema itself says what it said.
	s := mustCompile(t, a)
	schema.Input(schema.Tools{"tool": s})
	if err := s.Validate([]byte(`{"b":2}`)); err != nil {
		t.Errorf("after Input: got %v from Validate, want no error", err)
	}
	_, err := middleware.Wrap(returns("done"), schema.Input(schema.Tools{"tool": new(schema.Schema)}))(context.Background(),
		middleware.Call{Kind: middleware.KindTool, Name: "tool", Input: `{}`})
	wantDenied(t, "a zero Schema", err, "schema.input", middleware.CodeIndeterminate, "the gate could not decide")
}

// What the error of a closed schema says is what it says of one that its author
// closed.
func TestClosedSaysTheSame(t *testing.T) {
	open := mustCompile(t, `{"allOf":[{"properties":{"a":{"type":"string"},"b":{}}}]}`).Closed()
	shut := mustCompile(t, `{"allOf":[{"properties":{"a":{"type":"string"},"b":{}},"additionalProperties":false}]}`)
	for _, instance := range []string{`{"hunter2":1}`, `{"hunter2":1,"a":1}`} {
		got, want := open.Validate([]byte(instance)), shut.Validate([]byte(instance))
		if got == nil || want == nil || got.Error() != want.Error() {
			t.Errorf("%s: got %v, want %v", instance, got, want)
		}
	}
}

// Metaschemas belong to everybody.
func TestClosedLeavesMetaschemasAlone(t *testing.T) {
	for _, draft := range []string{"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema",
		"https://json-schema.org/draft/2020-12/schema"} {
		schema.Input(schema.Tools{"compile": mustCompile(t, `{"$ref":"`+draft+`"}`)})
		if _, err := jsonschema.CompileString("mem:///s", `{"$schema":"`+draft+`","x-unknown":1}`); err != nil {
			t.Errorf("%s: got %v from jsonschema, want no error", draft, err)
		}
	}
}

// A closed schema lets nothing through that it would not let through open.
func TestClosedIsStricter(t *testing.T) {
	stricter := 0
	rapid.Check(t, func(t *rapid.T) {
		text := schematest.DrawSchema(t)
		if rapid.Bool().Draw(t, "within") {
			text = `{"properties":{"a":` + strings.ReplaceAll(text, "#/", "#/properties/a/") + `}}`
		}
		s, err := schema.Compile("drawn", []byte(text))
		if err != nil {
			return
		}
		closed := s.Closed()
		for range 5 {
			instance, err := json.Marshal(jsontest.DrawValue(t, 3))
			if err != nil {
				t.Fatal(err)
			}
			was, is := s.Validate(instance), closed.Validate(instance)
			if was != nil && is == nil {
				t.Fatalf("%s: %s: got it through closed, and %v open", text, instance, was)
			}
			if was == nil && is != nil {
				stricter++
			}
		}
	})
	if stricter == 0 {
		t.Error("got no instance refused by a closed schema alone, want some")
	}
}

// The contracts of the corpus deny every argument that was made up, also where
// their authors had not closed them, and none that is valid.
func TestCorpusUndeclaredArguments(t *testing.T) {
	f, err := os.Open(jsontest.Corpus(t, "bfcl", "tool_gate_cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	compiled := make(map[string]*schema.Schema)
	judged := make(map[string]int)
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct {
			Tool, Kind, Expect string
			Schema             any
			Args               json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Kind != "valid" && c.Kind != "unknown_arg" {
			continue
		}
		text, err := json.Marshal(opened(c.Schema))
		if err != nil {
			t.Fatal(err)
		}
		s := compiled[string(text)]
		if s == nil {
			s = mustCompile(t, string(text)).Closed()
			compiled[string(text)] = s
		}
		got := "allow"
		if len(violations(s.Validate(c.Args))) > 0 {
			got = "deny"
		}
		if got != c.Expect {
			t.Errorf("%s: %s: %s: got %s, want %s", c.Kind, c.Tool, c.Args, got, c.Expect)
		}
		judged[c.Kind]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d schemas, calls %v", len(compiled), judged)
	if judged["valid"] != 1738 || judged["unknown_arg"] == 0 {
		t.Errorf("got %v, want 1738 valid calls and some with made-up arguments", judged)
	}
}

// opened returns a schema without additionalProperties.
func opened(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v["additionalProperties"] == false {
			delete(v, "additionalProperties")
		}
		for name := range v {
			v[name] = opened(v[name])
		}
	case []any:
		for i := range v {
			v[i] = opened(v[i])
		}
	}
	return v
}
