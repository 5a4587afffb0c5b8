package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// Compile neither panics nor takes long, and what it accepts it can use.
func FuzzCompile(f *testing.F) {
	for _, s := range schematest.Schemas() {
		f.Add([]byte(s))
	}
	f.Add([]byte(schematest.Doubling(20)))
	f.Add([]byte(chain(40)))
	f.Add([]byte(`{"$id":"urn:a","$ref":"#/x/0","x":[{"$ref":"../b"}]}`))
	f.Add([]byte(`{"$id":"http://a/b#","properties":{"":{"$ref":"#/properties/~0/~1"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		began := time.Now()
		s, err := schema.Compile("fuzz", text)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		if !bytes.Equal(text, before) {
			t.Error("got the text changed")
		}
		if err != nil {
			if s != nil || !strings.HasPrefix(err.Error(), "schema: fuzz: ") || len(err.Error()) > 2048 || strings.Contains(err.Error(), "panic") {
				t.Errorf("got %v, %v, want a short error alone", s, err)
			}
			return
		}
		for _, instance := range jsontest.Instances() {
			agree(t, s, string(text), []byte(instance))
			if err := s.Validate([]byte(instance)); err != nil && s.Closed().Validate([]byte(instance)) == nil {
				t.Errorf("%s: got accepted once closed, but %v before", instance, err)
			}
		}
		for _, w := range s.Lint() {
			if w.Pointer == "" || w.Reason == "" {
				t.Errorf("got the warning %q, want one that says where and what", w)
			}
		}
		opts := schema.Options{Resources: map[string][]byte{"resource": text}}
		if s, err := schema.CompileWith("fuzz", []byte(`{"$ref":"resource"}`), opts); err == nil {
			for _, instance := range jsontest.Instances() {
				if err := s.Validate([]byte(instance)); errors.Is(err, schema.ErrIndeterminate) {
					t.Errorf("%s: got %v from it as a resource, want a verdict", instance, err)
				}
			}
		}
	})
}

// Validate accepts nothing that jsonschema does not, and says nothing of what it
// was given.
func FuzzValidate(f *testing.F) {
	for _, s := range schematest.Schemas() {
		for _, instance := range jsontest.Instances() {
			f.Add([]byte(s), []byte(instance))
		}
	}
	f.Fuzz(func(t *testing.T, text, instance []byte) {
		s, err := schema.Compile("fuzz", text)
		if err != nil {
			return
		}
		agree(t, s, string(text), instance)
	})
}

// agree fails where s, compiled from the text, does not keep its promises about an
// instance.
func agree(t *testing.T, s *schema.Schema, text string, instance []byte) {
	t.Helper()
	before := bytes.Clone(instance)
	began := time.Now()
	err := s.Validate(instance)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%s: took %v", instance, took)
	}
	if !bytes.Equal(instance, before) {
		t.Error("got the instance changed")
	}
	normal, again := s.Normalize(instance)
	if (err == nil) != (again == nil) || err != nil && (normal != nil || err.Error() != again.Error()) {
		t.Errorf("%s: %s: got %v from Validate and %s, %v from Normalize", text, instance, err, normal, again)
	}
	if err != nil {
		discreet(t, text, instance, err)
		return
	}
	var was, is any
	if err := jsontest.DecodeStrictly(instance, &was); err != nil {
		t.Errorf("%s: got accepted, but encoding/json says %v", instance, err)
	}
	if err := jsontest.DecodeStrictly(normal, &is); err != nil || !reflect.DeepEqual(was, is) {
		t.Errorf("%s: became %s, %v, which is not the same", instance, normal, err)
	}
	if more, err := s.Normalize(normal); err != nil || !bytes.Equal(more, normal) {
		t.Errorf("%s: became %s, %v the second time", normal, more, err)
	}
	raw, err := schematest.Upstream(text)
	if err != nil {
		t.Errorf("%s: got accepted, but jsonschema says %v", text, err)
		return
	}
	if err := raw.Validate(was); err != nil {
		t.Errorf("%s: %s: got accepted, but jsonschema says %v", text, instance, err)
	}
}

// What Decode returns satisfies the schema of its type, and where it returns nothing
// it says why without quoting.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(everythingText))
	for _, text := range jsontest.Sayings() {
		f.Add([]byte(text))
	}
	s := schema.MustFor[everything]()
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		v, err := schema.Decode[everything](s, text)
		if !bytes.Equal(text, before) {
			t.Error("got the text changed")
		}
		if err != nil {
			discreet(t, string(s.JSON()), text, err)
			return
		}
		if err := s.ValidateValue(v); err != nil {
			t.Errorf("got %+v, of which Validate says %v", v, err)
		}
	})
}

// discreet fails where an error holds a string or a name of the instance that the
// schema does not hold.
func discreet(t *testing.T, schemaText string, instance []byte, err error) {
	t.Helper()
	said := deep(err)
	if len(violations(err)) == 0 {
		t.Errorf("%s: %s: got %v, want a ValidationError", schemaText, instance, err)
	}
	var v any
	if json.Unmarshal(instance, &v) != nil {
		return
	}
	var walk func(any)
	check := func(s string) {
		// Shorter ones occur in any text.
		if len(s) >= 12 && strings.Contains(said, s) && !strings.Contains(schemaText, s) {
			t.Errorf("%s: %s: got %s, want nothing of the instance", schemaText, instance, said)
		}
	}
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			check(v)
		case []any:
			for _, v := range v {
				walk(v)
			}
		case map[string]any:
			for name, v := range v {
				check(name)
				walk(v)
			}
		}
	}
	walk(v)
}

// trapInstances are texts of the kinds that crashed, stalled or fooled validators
// and decoders.
var trapInstances = []string{
	`1e1000000000`, `1e-99999999`, `1e400`, strings.Repeat("7", 1000), `9223372036854775808`, `1.0`, `NaN`,
	`{"amount":50,"Amount":5000}`, `{"amount":50,"amount":5000}`, `{"amount":50,"\u0061mount":5000}`, `{"amount":50} {"amount":5000}`,
	`{"to":"\ud800","amount":1}`, "{\"to\":\"\xed\xa0\x80\",\"amount\":1}", "\ufeff{\"amount\":1}", "{\"to\":\"a\u202eb\",\"amount\":1}",
	strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64),
	`"` + strings.Repeat("a", 100) + `!"`, "```json\n{}\n```", `[1,1.0,1e0]`, `{"x-y":"abcd","x-":"ab"}`,
}

// The fast path accepts nothing that the judge refuses, or jsonschema by itself.
func FuzzAccepts(f *testing.F) {
	for _, s := range schematest.Schemas() {
		for _, instance := range append(jsontest.Instances(), trapInstances...) {
			f.Add(s, instance)
		}
	}
	for _, s := range []string{
		`{"enum":["a",1,null,true]}`, `{"pattern":"^(a+)+$"}`, `{"pattern":"^[A-Z]{2}[0-9]*$","maxLength":9}`, schematest.Doubling(4),
		`{"anyOf":[{"type":"object","properties":{"a":{"const":1},"b":{"properties":{"c":{}}}},"required":["a"]},{"properties":{"A":{}}},{"type":["string","null"]}]}`,
		`{"oneOf":[{"const":"a"},{"type":"object","required":["k"],"properties":{"k":{"enum":["x"]}}},{"type":"object","required":["k"],"properties":{"k":{"enum":["y","z"]}}}]}`,
		`{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"integer"}],"additionalItems":{"multipleOf":0.01,"exclusiveMinimum":0}}`,
	} {
		for _, instance := range trapInstances {
			f.Add(s, instance)
		}
	}
	f.Fuzz(func(t *testing.T, text, instance string) {
		s, err := schema.Compile("fuzz", []byte(text))
		if err != nil {
			return
		}
		if !s.Accepts(instance) {
			return
		}
		contract{text, s, schematest.MustUpstream(t, text)}.sound(t, instance)
		normal, err := s.Normalize([]byte(instance))
		if err != nil || !s.Accepts(string(normal)) {
			t.Errorf("%s: %s: became %s, %v, which is not accepted", text, instance, normal, err)
		}
	})
}
