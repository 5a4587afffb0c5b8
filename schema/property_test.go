package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
)

// drawSchema draws a schema that may refer to $defs a, b and c.
func drawSchema(t *rapid.T, depth int) any {
	kinds := 8
	if depth == 0 {
		kinds = 3
	}
	sub := func() any { return drawSchema(t, depth-1) }
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return true
	case 1:
		return map[string]any{"type": rapid.SampledFrom([]any{"integer", "string", "object", "array", []string{"null", "object"}}).Draw(t, "type")}
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
		kw := rapid.SampledFrom([]string{"items", "additionalProperties", "not", "contains", "unevaluatedProperties", "unevaluatedItems", "propertyNames"}).Draw(t, "keyword")
		return map[string]any{kw: sub(), "uniqueItems": true}
	case 7:
		return map[string]any{"if": sub(), "then": sub(), "else": sub(), "properties": map[string]any{"c": sub()}, "additionalProperties": sub()}
	}
	return map[string]any{"patternProperties": map[string]any{"^[ab]": sub()}, "dependentSchemas": map[string]any{"a": sub()}}
}

func drawSchemaText(t *rapid.T) string {
	root := map[string]any{"allOf": []any{drawSchema(t, 3)}, "$defs": map[string]any{
		"a": drawSchema(t, 3), "b": drawSchema(t, 2), "c": drawSchema(t, 2),
	}}
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Validate and jsonschema are of one mind about every strict text.
func TestValidateAgreesWithJSONSchema(t *testing.T) {
	compiled, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawSchemaText(t)
		s, err := schema.Compile("drawn", []byte(text))
		raw, rawErr := upstream(text)
		if err == nil && rawErr != nil {
			t.Fatalf("%s: got compiled, but jsonschema says %v", text, rawErr)
		}
		if err != nil {
			return // a reference back to where it stands, or too dear
		}
		compiled++
		for range 5 {
			instance, err := json.Marshal(jsontest.DrawValue(t, 3))
			if err != nil {
				t.Fatal(err)
			}
			got, want := s.Validate(instance), raw.Validate(jsontest.DecodeValue(instance))
			if (got == nil) != (want == nil) {
				t.Fatalf("%s: %s: got %v, but jsonschema says %v", text, instance, got, want)
			}
			if got == nil {
				accepted++
			}
		}
	})
	t.Logf("%d schemas compiled, %d instances accepted", compiled, accepted)
	if compiled == 0 || accepted == 0 {
		t.Error("got no schemas compiled or no instances accepted, want many")
	}
}

// jsonschema never judges more often than the work that was worked out before.
func TestWorkIsAnUpperBound(t *testing.T) {
	most := 0.0
	rapid.Check(t, func(t *rapid.T) {
		text := drawSchemaText(t)
		s, err := schema.Compile("drawn", []byte(text))
		if err != nil {
			return
		}
		judged := 0
		raw, err := counting(text, &judged)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := json.Marshal(jsontest.DrawValue(t, 4))
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Validate(jsontest.DecodeValue(instance))
		work, exact := s.Work(instance), s.ExactWork(instance)
		if float64(judged) > exact || exact > work && exact <= schema.MaxWork {
			t.Fatalf("%s: %s: got %d judgements, want at most %v, and that at most %v", text, instance, judged, exact, work)
		}
		most = max(most, float64(judged)/exact)
	})
	t.Logf("at most %.2f of the bound", most)
}

// counting compiles a schema with jsonschema and counts how often one in it judges
// a value of a type that it is for.
func counting(text string, n *int) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat = true
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, errors.New("no " + url) }
	c.RegisterExtension("count", nil, counter{n})
	const url = "https://upstream.invalid/schema"
	if err := c.AddResource(url, strings.NewReader(text)); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

type counter struct{ n *int }

func (c counter) Compile(jsonschema.CompilerContext, map[string]any) (jsonschema.ExtSchema, error) {
	return c, nil
}

func (c counter) Validate(jsonschema.ValidationContext, any) error {
	*c.n++
	return nil
}

// No error holds a name or a value that the instance alone brought.
func TestErrorsAreDiscreet(t *testing.T) {
	const marker = "zq7-"
	secret := rapid.Custom(func(t *rapid.T) string {
		return marker + rapid.StringN(0, 5, 20).Draw(t, "rest")
	})
	rapid.Check(t, func(t *rapid.T) {
		s, err := schema.Compile("drawn", []byte(drawSchemaText(t)))
		if err != nil {
			return
		}
		var spoil func(v any) any
		spoil = func(v any) any {
			switch v := v.(type) {
			case string:
				return secret.Draw(t, "value")
			case float64, int:
				return json.Number(fmt.Sprintf("7351%d", rapid.IntRange(1000, 9999).Draw(t, "number")))
			case []any:
				for i := range v {
					v[i] = spoil(v[i])
				}
			case map[string]any:
				for name, sub := range v {
					v[name] = spoil(sub)
				}
				v[secret.Draw(t, "name")] = spoil("")
			}
			return v
		}
		instance, err := json.Marshal(spoil(jsontest.DrawValue(t, 3)))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "cut") {
			instance = instance[:len(instance)-1]
		}
		err = s.Validate(instance)
		if err == nil {
			return
		}
		if said := deep(err); strings.Contains(said, marker) || strings.Contains(said, "7351") {
			t.Fatalf("%s: got %s, want nothing of the instance", instance, said)
		}
	})
}
