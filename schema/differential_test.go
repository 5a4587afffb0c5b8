package schema_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

var (
	pairs    = flag.Int("pairs", 20_000/jsontest.Slack, "how many pairs of a schema and a text TestDifferential draws")
	drawSeed = flag.Uint64("seed", 1, "what TestDifferential draws from")
)

// A drawer draws schemas of all keywords and drafts, and texts that nearly satisfy
// them.
type drawer struct {
	jsontest.Mutator
	draft int
	defs  []string // names of definitions
}

func (d *drawer) pick(all ...string) string { return all[d.IntN(len(all))] }

var (
	drawnNames   = []string{"a", "b", "kind", "k", "é"}
	drawnStrings = []string{`"a"`, `"b"`, `"ab"`, `"é"`, `"\\u0061"`, `""`, `"2024-02-29"`, `"a@b.c"`, `"http://a.b/c"`, `"abcdef"`, `"127.0.0.1"`}
	drawnNumbers = []string{"0", "1", "2", "3", "-1", "0.5", "1.5", "1e2", "100", "0.01", "3e-1", "9007199254740993", "12345678901234567890"}
	drawnPattern = []string{`^a`, `^[a-c]+$`, `b$`, `^.{6}$`, `^.{1,3}$`, `^\\\\`, `[0-9]`, `^a*b?$`, `u00`}
	drawnFormats = []string{"date", "date-time", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid", "regex", "json-pointer", "unknown"}
	drawnTypes   = []string{"null", "boolean", "integer", "number", "string", "array", "object"}
)

func (d *drawer) number() string { return drawnNumbers[d.IntN(len(drawnNumbers))] }
func (d *drawer) small() string  { return fmt.Sprint(d.IntN(4)) }

// value draws a JSON value.
func (d *drawer) value(depth int) string {
	switch k := d.IntN(8); {
	case k < 2:
		return drawnStrings[d.IntN(len(drawnStrings))]
	case k < 4:
		return d.number()
	case k == 4 || depth == 0:
		return d.pick("null", "true", "false")
	case k == 5:
		var items []string
		for range d.IntN(4) {
			items = append(items, d.value(depth-1))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	var members []string
	for _, name := range drawnNames {
		if d.IntN(2) == 0 {
			members = append(members, fmt.Sprintf("%q:%s", name, d.value(depth-1)))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// schema draws a schema.
func (d *drawer) schema(depth int) string {
	if depth <= 0 || d.IntN(12) == 0 {
		if d.draft >= 6 && d.IntN(6) == 0 {
			return d.pick("true", "false")
		}
		return fmt.Sprintf(`{"type":%q}`, d.pick(drawnTypes...))
	}
	m := make(map[string]string)
	for range 1 + d.IntN(3) {
		d.keyword(m, depth-1)
	}
	return object(m)
}

func object(m map[string]string) string {
	var parts []string
	for name, v := range m {
		parts = append(parts, fmt.Sprintf("%q:%s", name, v))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (d *drawer) list(n int, of func() string) string {
	var all []string
	for range n {
		all = append(all, of())
	}
	return "[" + strings.Join(all, ",") + "]"
}

// keyword adds a keyword or a few that belong together.
func (d *drawer) keyword(m map[string]string, depth int) {
	sub := func() string { return d.schema(depth) }
	name := func() string { return fmt.Sprintf("%q", d.pick(drawnNames...)) }
	switch d.IntN(26) {
	case 0:
		m["type"] = fmt.Sprintf("%q", d.pick(drawnTypes...))
	case 1:
		m["type"] = `["string","` + d.pick("null", "integer", "object") + `"]`
	case 2:
		m["enum"] = d.list(1+d.IntN(3), func() string { return d.value(1) })
		if strings.Count(m["enum"], ",") > 0 && d.draft <= 7 {
			m["enum"] = "[" + d.value(1) + "]" // which must differ
		}
	case 3:
		if d.draft >= 6 {
			m["const"] = d.value(1)
		}
	case 4, 5:
		// Bounds, often of one value.
		n := d.number()
		low, high := d.pick("minimum", "maximum"), "exclusiveMinimum"
		if low == "maximum" {
			high = "exclusiveMaximum"
		}
		m[low] = n
		switch {
		case d.draft == 4:
			m[high] = d.pick("true", "false")
		case d.IntN(2) == 0:
			m[high] = d.pick(n, n, d.number())
		}
	case 6:
		m["multipleOf"] = d.pick("1", "2", "0.5", "0.01", "3", "0.1")
	case 7:
		m[d.pick("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")] = d.small()
	case 8:
		m["pattern"] = `"` + d.pick(drawnPattern...) + `"`
	case 9:
		m["format"] = fmt.Sprintf("%q", d.pick(drawnFormats...))
	case 10, 11, 12:
		properties := make(map[string]string)
		for range 1 + d.IntN(3) {
			properties[d.pick(drawnNames...)] = sub()
		}
		m["properties"] = object(properties)
		if d.IntN(2) == 0 {
			m["required"] = "[" + name() + "]"
		}
		if d.IntN(3) == 0 {
			m["additionalProperties"] = d.pick("false", "true", sub())
		}
	case 13:
		m["patternProperties"] = `{"` + d.pick("^a", "^k", "^.$") + `":` + sub() + `}`
	case 14:
		m["items"] = sub()
		if d.draft < 2020 && d.IntN(3) == 0 {
			m["items"] = "[" + sub() + "," + sub() + "]"
			m["additionalItems"] = d.pick("false", sub())
		}
	case 15:
		if d.draft >= 2020 {
			m["prefixItems"] = "[" + sub() + "]"
		}
		m["uniqueItems"] = d.pick("true", "false")
	case 16:
		m["contains"] = sub()
		if d.draft >= 2019 && d.IntN(2) == 0 {
			m[d.pick("minContains", "maxContains")] = d.small()
		}
	case 17, 18:
		m[d.pick("allOf", "anyOf", "oneOf")] = d.list(1+d.IntN(3), sub)
	case 19, 20:
		// One of several kinds, told by a property, which most of them require.
		kinds := []string{`"a"`, `"b"`, `"ab"`}
		var all []string
		for i := range 2 + d.IntN(2) {
			kind := `{"enum":[` + kinds[i] + `]}`
			parts := map[string]string{"type": `"object"`, "properties": `{"kind":` + kind + `,"a":` + sub() + `}`}
			if d.IntN(3) > 0 {
				parts["required"] = `["kind"]`
			}
			all = append(all, object(parts))
		}
		m["oneOf"] = "[" + strings.Join(all, ",") + "]"
	case 21:
		m["not"] = sub()
	case 22:
		m["if"], m["then"], m["else"] = sub(), sub(), sub()
	case 23:
		switch {
		case d.draft >= 2019 && d.IntN(2) == 0:
			m["dependentRequired"] = "{" + name() + ":[" + name() + "]}"
			m["dependentSchemas"] = "{" + name() + ":" + sub() + "}"
		default:
			m["dependencies"] = "{" + name() + ":" + d.pick("["+name()+"]", sub()) + "}"
		}
		if d.draft == 6 || d.draft == 7 {
			m["propertyNames"] = sub()
		}
	case 24:
		if d.draft >= 2019 {
			m[d.pick("unevaluatedProperties", "unevaluatedItems", "propertyNames")] = d.pick("false", sub())
		}
	case 25:
		m["$ref"] = `"#/` + d.defs[0] + `/` + d.pick(d.defs[1:]...) + `"`
	}
}

// draw draws a schema with definitions.
func (d *drawer) draw() string {
	drafts := []struct {
		draft     int
		url, defs string
	}{
		{4, "http://json-schema.org/draft-04/schema#", "definitions"},
		{6, "http://json-schema.org/draft-06/schema#", "definitions"},
		{7, "http://json-schema.org/draft-07/schema#", "definitions"},
		{2019, "https://json-schema.org/draft/2019-09/schema", "$defs"},
		{2020, "https://json-schema.org/draft/2020-12/schema", "$defs"},
	}
	of := drafts[d.IntN(len(drafts))]
	d.draft, d.defs = of.draft, []string{of.defs, "x", "y"}
	root := map[string]string{"$schema": fmt.Sprintf("%q", of.url), of.defs: `{"x":` + d.schema(2) + `,"y":` + d.schema(2) + `}`}
	for range 1 + d.IntN(3) {
		d.keyword(root, 3)
	}
	if root["$ref"] != "" && of.draft <= 7 && d.IntN(2) == 0 {
		delete(root, "$ref")
	}
	return object(root)
}

// Of whatever schema and text, what is accepted at once jsonschema accepts, Validate is
// of one mind with it, and what is refused while it arrives is refused.
func TestDifferential(t *testing.T) {
	d := &drawer{Mutator: jsontest.NewMutator(*drawSeed)}
	var compiled, refused, tried, strict, accepted, atOnce, early, work int
	for tried < *pairs {
		text := d.draw()
		raw, rawErr := schematest.Upstream(text)
		s, err := schema.Compile("drawn", []byte(text))
		switch {
		case rawErr != nil && err == nil:
			t.Fatalf("%s: got compiled, but jsonschema says %v", text, rawErr)
		case rawErr != nil:
			continue
		case err != nil:
			if refused++; !strings.Contains(err.Error(), "refers to itself") {
				t.Fatalf("%s: got %v, but jsonschema compiles it", text, err)
			}
			continue
		}
		compiled++
		closed := s.Closed()
		for range 60 {
			tried++
			instance := d.value(4)
			if d.IntN(3) > 0 {
				instance = d.Mutate(instance)
			}
			got := s.Validate([]byte(instance))
			if errors.Is(got, schema.ErrIndeterminate) {
				t.Fatalf("%s: %s: got %v, want a verdict", text, instance, got)
			}
			if s.Accepts(instance) {
				atOnce++
				if err := s.ValidateSlowly([]byte(instance)); err != nil {
					t.Fatalf("%s: %s: got accepted at once, but the judge says %v", text, instance, err)
				}
			}
			if closed.Accepts(instance) && closed.ValidateSlowly([]byte(instance)) != nil || got != nil && closed.Validate([]byte(instance)) == nil {
				t.Fatalf("%s: %s: got accepted as arguments, and the judge does not", text, instance)
			}
			if _, err := s.Early(instance, []int{1 + d.IntN(9)}); err != nil {
				if early++; got == nil {
					t.Fatalf("%s: %s: got accepted, but while it arrives %v", text, instance, err)
				}
			}
			var v any
			if jsontest.DecodeStrictly([]byte(instance), &v) != nil {
				if got == nil {
					t.Fatalf("%s: %s: got accepted, but it is not strict", text, instance)
				}
				continue
			}
			if v := violations(got); len(v) > 0 && v[0].Keyword == schema.KeywordNumber {
				continue // jsonschema may panic
			}
			strict++
			want := raw.Validate(v)
			switch v := violations(got); {
			case got == nil:
				accepted++
				if want != nil {
					t.Fatalf("%s: %s: got accepted, but jsonschema says %v", text, instance, want)
				}
			case want == nil && v[0].Keyword == schema.KeywordWork:
				work++
			case want == nil && !stricter(v[0].Keyword, text):
				t.Fatalf("%s: %s: got %v, but jsonschema accepts it", text, instance, got)
			}
		}
	}
	t.Logf("seed %d: %d pairs of %d schemas (%d with loops): %d strict, %d accepted, %d at once, %d refused early, %d for their work",
		*drawSeed, tried, compiled, refused, strict, accepted, atOnce, early, work)
	if atOnce < tried/20 || accepted < tried/10 || early < tried/20 {
		t.Error("got few accepted or refused, want many")
	}
}

// stricter reports whether jsonschema may accept what is refused for a keyword: a twin,
// a number out of bounds, or a format that is checked more closely.
func stricter(keyword, text string) bool {
	switch keyword {
	case schema.KeywordTwin, schema.KeywordEncoding, schema.KeywordDuplicate, "format":
		return true
	}
	return strings.Contains(text, `"format"`)
}
