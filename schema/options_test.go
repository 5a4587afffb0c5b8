package schema_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// resources makes Resources of pairs of a URI and a text.
func resources(pairs ...string) map[string][]byte {
	m := make(map[string][]byte)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = []byte(pairs[i+1])
	}
	return m
}

func TestCompileWithResources(t *testing.T) {
	const order = `{"properties":{"to":{"$ref":"address.json"}}}`
	for _, tc := range []struct {
		text           string
		resources      map[string][]byte
		valid, invalid string
	}{
		{order, resources("address.json", `{"required":["city"]}`), `{"to":{"city":1}}`, `{"to":{}}`},
		{`{"$ref":"address.json#/$defs/zip"}`, resources("address.json", `{"$defs":{"zip":{"type":"string"}}}`), `"x"`, `1`},
		{`{"$ref":"address.json#zip"}`, resources("address.json", `{"$defs":{"z":{"$anchor":"zip","type":"string"}}}`), `"x"`, `1`},
		{`{"$ref":"https://example.com/a"}`, resources("https://example.com/a", `{"type":"string"}`), `"x"`, `1`},
		{`{"$ref":"https://example.com/a"}`, resources("https://example.com/a", `{"$id":"https://example.com/a","type":"string"}`), `"x"`, `1`},
		{`{"$id":"https://example.com/s/root","$ref":"a"}`, resources("a", `{"$ref":"b"}`, "https://example.com/s/b", `{"type":"string"}`), `"x"`, `1`},
		{`{"$ref":"a"}`, resources("a", `{"$id":"https://example.com/b/c","$ref":"d"}`, "https://example.com/b/d",
			`{"$id":"urn:e","$ref":"#/$defs/s","$defs":{"s":{"type":"string"}}}`), `"x"`, `1`},
		{`{"$ref":"urn:example:a"}`, resources("urn:example:a", `{"type":"string"}`), `"x"`, `1`},
		{`{"$ref":"a","$defs":{"s":{"type":"string"}}}`, resources("a", `{"$ref":"schema#/$defs/s"}`), `"x"`, `1`}, // back to the schema
		{`{"$ref":"tree.json"}`, resources("tree.json", `{"properties":{"next":{"$ref":"#"}},"additionalProperties":false}`),
			`{"next":{"next":{}}}`, `{"next":{"x":1}}`},
		{`{"$ref":"a"}`, resources("a", `true`), `1`, ``},
		{`{"$ref":"a"}`, resources("a", `false`), ``, `1`},
		{`{"$ref":"t","$defs":{"n":{"$dynamicAnchor":"n","type":"string"}}}`,
			resources("t", `{"items":{"$dynamicRef":"#n"},"$defs":{"n":{"$dynamicAnchor":"n"}}}`), `["x"]`, `[1]`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"a"}`, resources("a", `{"items":[{"type":"string"}]}`), `["x"]`, `[1]`}, // in the same draft
		{`{}`, resources("unused", `{}`), `1`, ``},
		{`{"$ref":"large#/$defs/n"}`, resources("large", `{"$defs":{"n":{"enum":`+schematest.Array("7", 5000)+`}}}`), `7`, ``},
		{`{"$ref":"large"}`, resources("large", `{"enum":`+schematest.Array("7", 5000)+`}`), `7`, ``},
	} {
		s, err := schema.CompileWith("test", []byte(tc.text), schema.Options{Resources: tc.resources})
		if err != nil {
			t.Errorf("%s with %s: got %v, want no error", tc.text, tc.resources, err)
			continue
		}
		for _, text := range tc.resources {
			clear(text) // CompileWith does not keep it
		}
		if tc.valid != "" {
			if err := s.Validate([]byte(tc.valid)); err != nil {
				t.Errorf("%s: %s: got %v, want no error", tc.text, tc.valid, err)
			}
		}
		if tc.invalid != "" {
			if v := violations(s.Validate([]byte(tc.invalid))); len(v) == 0 || strings.Contains(v[0].Reason, "must satisfy") {
				t.Errorf("%s: %s: got %v, want a violation that says what is demanded", tc.text, tc.invalid, v)
			}
			if v := violations(s.Closed().Validate([]byte(tc.invalid))); len(v) == 0 {
				t.Errorf("%s: %s: got accepted where closed, want a violation", tc.text, tc.invalid)
			}
		}
	}
}

func TestCompileWithErrors(t *testing.T) {
	const draft7 = `"$schema":"http://json-schema.org/draft-07/schema#"`
	large := `{"description":"` + strings.Repeat("x", schema.MaxSchemaBytes/2) + `"}`
	for _, tc := range []struct {
		text string
		opts schema.Options
		want string
	}{
		{`{"$ref":"b"}`, schema.Options{Resources: resources("a", `{}`)}, `at /$ref: "b" leads out of the schema`},
		{`{"$ref":"a#/x"}`, schema.Options{Resources: resources("a", `{}`)}, `at /$ref: "a#/x" leads nowhere`},
		{`{}`, schema.Options{Resources: resources("a", `{"items":{"$ref":"b"}}`)}, `at a#/items/$ref: "b" leads out of the schema`},
		{`{}`, schema.Options{Resources: resources("a", `{"x":1,"x":2}`)}, `the resource "a": the text must not have a property twice`},
		{`{}`, schema.Options{Resources: resources("a", `{`)}, `the resource "a": the text must be JSON`},
		{`{}`, schema.Options{Resources: resources("a", `5`)}, `at a#: a schema is an object, true or false`},
		{`{"$ref":"a"}`, schema.Options{Resources: resources("a", `{"type":"strnig"}`)}, `at /type: value must be one of`},
		{`{}`, schema.Options{Resources: resources("a", `{"pattern":"(?=a)"}`)}, `at a#/pattern: "(?=a)" is no regular expression of RE2`},
		{`{"$ref":"b"}`, schema.Options{Resources: resources("a", `{"$id":"b"}`)}, `leads out of the schema`},
		{`{}`, schema.Options{Resources: resources("a", `{"$id":"c"}`, "b", `{"$id":"c"}`)}, `at b#/$id: "c" stands twice in the schema`},
		{`{}`, schema.Options{Resources: resources("a", `{"$id":":"}`)}, `at a#/$id: ":" is no URI reference`},
		{`{"$defs":{"a":{"$id":"a"}}}`, schema.Options{Resources: resources("a", `{}`)}, `the resource "a" has the URI of another schema`},
		{`{}`, schema.Options{Resources: resources("schema", `{}`)}, `the resource "schema" has the URI of another schema`},
		{`{"$id":"http://x/y"}`, schema.Options{Resources: resources("y", `{}`)}, `the resource "y" has the URI of another schema`},
		{`{}`, schema.Options{Resources: resources("http://json-schema.org/draft-07/schema", `{}`)},
			`the resource "http://json-schema.org/draft-07/schema" has the URI of another schema`},
		{`{}`, schema.Options{Resources: resources("", `{}`)}, `the resource "" has no URI`},
		{`{}`, schema.Options{Resources: resources("/a", `{}`)}, `the resource "/a" has no URI`},
		{`{}`, schema.Options{Resources: resources("a#b", `{}`)}, `the resource "a#b" has no URI`},
		{`{}`, schema.Options{Resources: resources(":", `{}`)}, `the resource ":" has no URI`},
		{`{}`, schema.Options{Resources: resources("a", `{`+draft7+`}`)},
			`at a#/$schema: "http://json-schema.org/draft-07/schema#" is not the draft of the whole schema`},
		{`{` + draft7 + `}`, schema.Options{Draft: schema.Draft2020},
			`at /$schema: "http://json-schema.org/draft-07/schema#" is not the draft that was asked for`},
		{`{}`, schema.Options{Draft: 3}, `the draft 3 is none of 4, 6, 7, 2019 and 2020`},
		{large, schema.Options{Resources: resources("a", large)}, `the text and its resources must be at most 524288 bytes long`},
		{many(3000), schema.Options{Resources: resources("a", many(3000))}, `holds more than 5000 schemas`},
		{`{"$ref":"a"}`, schema.Options{Resources: resources("a", `{"items":{"$ref":"schema"},"$ref":"schema"}`)}, `refers to itself at the same place`},
	} {
		s, err := schema.CompileWith("test", []byte(tc.text), tc.opts)
		if err == nil || s != nil || !strings.HasPrefix(err.Error(), "schema: test: "+tc.want) {
			t.Errorf("%.100s: got %v, %v, want error %s", tc.text, s, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "schema.invalid") {
			t.Errorf("%.100s: got %v, want none of our own URLs", tc.text, err)
		}
	}
	if _, err := schema.CompileWith("", []byte(`{}`), schema.Options{}); err == nil {
		t.Error("no name: got no error, want one")
	}
}

// A bomb is refused in milliseconds, also where resources hold its parts.
func TestTrap21BombsInResources(t *testing.T) {
	parts := resources("part30", `true`)
	for i := range 30 {
		next := fmt.Sprintf(`{"$ref":"part%d"}`, i+1)
		parts[fmt.Sprintf("part%d", i)] = []byte(`{"allOf":[` + next + `,` + next + `]}`)
	}
	var err error
	took := jsontest.Fastest(func() {
		_, err = schema.CompileWith("bomb", []byte(`{"$ref":"part0"}`), schema.Options{Resources: parts})
	})
	if err == nil || !strings.Contains(err.Error(), "costs more than 10000") {
		t.Errorf("got error %v, want that it costs too much", err)
	}
	if took > jsontest.Slack*100*time.Millisecond { // a few
		t.Errorf("got refused after %v, want at once", took)
	}
}

func TestCompileWithDraft(t *testing.T) {
	const text = `{"items":[{"type":"string"}],"dependentRequired":{"a":["b"]}}`
	for _, tc := range []struct {
		draft    schema.Draft
		instance string
		valid    bool
	}{
		{schema.Draft7, `[1]`, false},
		{schema.Draft7, `{"a":1}`, true}, // which it does not know
		{schema.Draft2019, `[1]`, false},
		{schema.Draft2019, `{"a":1}`, false},
	} {
		s, err := schema.CompileWith("test", []byte(text), schema.Options{Draft: tc.draft})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate([]byte(tc.instance)); (err == nil) != tc.valid {
			t.Errorf("draft %d: %s: got %v, want valid = %v", tc.draft, tc.instance, err, tc.valid)
		}
	}
	if _, err := schema.CompileWith("test", []byte(text), schema.Options{Draft: schema.Draft2020}); err == nil {
		t.Error("draft 2020: got no error, want one: items is no array there")
	}
	for _, draft := range []schema.Draft{schema.Draft7, schema.Draft2019, schema.Draft2020} {
		s, err := schema.CompileWith("test", []byte(`{"format":"email"}`), schema.Options{Draft: draft})
		if err != nil {
			t.Fatal(err)
		}
		wantViolation(t, "format by default", s.Validate([]byte(`"x"`)), "", "format")
		if s, err = schema.CompileWith("test", []byte(`{"format":"email"}`), schema.Options{Draft: draft, FormatIsAnnotation: true}); err != nil {
			t.Fatal(err)
		}
		if err := s.Validate([]byte(`"x"`)); err != nil {
			t.Errorf("draft %d: format as an annotation: got %v, want no error", draft, err)
		}
		if err := s.Closed().Validate([]byte(`"x"`)); err != nil {
			t.Errorf("draft %d: format as an annotation, closed: got %v, want no error", draft, err)
		}
		if s, err = schema.CompileWith("test", []byte(`{"$id":"https://json-schema.org/mine","format":"email"}`),
			schema.Options{Draft: draft, FormatIsAnnotation: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Early(`"x"`, []int{1}); err != nil {
			t.Errorf("draft %d: format as an annotation, while it arrives: got %v, want no error", draft, err)
		}
	}
}

// Resources are what was handed in, and never a file or a connection.
func TestResourcesReadNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host := l.Addr().String()
	const secret = "hunter2-of-the-operator"
	dir := t.TempDir()
	for _, name := range []string{"secret.json", "known.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"const":"`+secret+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	file := "file://" + filepath.ToSlash(dir)
	known := map[string][]byte{
		"known.json":                []byte(`{"type":"string"}`),
		"http://" + host + "/known": []byte(`{"type":"string"}`),
		file + "/known.json":        []byte(`{"type":"string"}`),
	}
	for _, text := range []string{
		`{"$ref":"secret.json"}`,
		`{"$ref":"../secret.json"}`,
		`{"$ref":"` + file + `/secret.json"}`,
		`{"$ref":"http://` + host + `/secret"}`,
		`{"$ref":"http://` + host + `/known?x"}`,
		`{"$id":"` + file + `/","$ref":"secret.json"}`,
		`{"$id":"http://` + host + `/","$ref":"x"}`,
		`{"$schema":"http://` + host + `/known"}`,
	} {
		_, err := schema.CompileWith("test", []byte(text), schema.Options{Resources: known})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got error %v, want one without the file's content", text, err)
		}
		resource := map[string][]byte{"r": []byte(text)}
		if _, err := schema.CompileWith("test", []byte(`{"$ref":"r"}`), schema.Options{Resources: resource}); err == nil ||
			strings.Contains(err.Error(), secret) {
			t.Errorf("%s in a resource: got error %v, want one without the file's content", text, err)
		}
	}
	for ref := range known {
		s, err := schema.CompileWith("test", []byte(`{"$ref":"`+ref+`"}`), schema.Options{Resources: known})
		if err != nil {
			t.Fatalf("%s: got %v, want no error", ref, err)
		}
		if err := s.Validate([]byte(`"x"`)); err != nil {
			t.Errorf("%s: got %v, want what was handed in, which accepts it", ref, err)
		}
	}
	if err := l.(*net.TCPListener).SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if c, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got a connection (%v, %v), want none", c, err)
	}
}
