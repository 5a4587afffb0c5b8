package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// Validate and jsonschema are of one mind about every strict text.
func TestValidateAgreesWithJSONSchema(t *testing.T) {
	compiled, accepted := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := schematest.DrawSchema(t)
		s, err := schema.Compile("drawn", []byte(text))
		raw, rawErr := schematest.Upstream(text)
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

// No error holds a name or a value that the instance alone brought.
func TestErrorsAreDiscreet(t *testing.T) {
	const marker = "zq7-"
	secret := rapid.Custom(func(t *rapid.T) string {
		return marker + rapid.StringN(0, 5, 20).Draw(t, "rest")
	})
	rapid.Check(t, func(t *rapid.T) {
		s, err := schema.Compile("drawn", []byte(schematest.DrawSchema(t)))
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
