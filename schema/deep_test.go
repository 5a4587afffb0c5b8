package schema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// operators is a schema of what is asked of models: a tree whose nodes are one of
// several kinds that share a property.
const operators = `{"$ref":"#/$defs/e","$defs":{"e":{"oneOf":[{"type":"string"},
	{"type":"object","required":["op","args"],"properties":{"op":{"const":"not"},"args":{"items":{"$ref":"#/$defs/e"}}}},
	{"type":"object","required":["op","args"],"properties":{"op":{"const":"and"},"args":{"items":{"$ref":"#/$defs/e"}}}}]}}}`

// operation is an instance of operators.
func operation(depth int) string {
	return strings.Repeat(`{"op":"and","args":["x",`, depth) + `"y"` + strings.Repeat(`]}`, depth)
}

// A recursive schema whose alternatives share a property is a schema, however much an
// instance would cost that is as deep as may be. What that costs is refused there.
func TestDeepInstancesAreRefusedNotTheSchema(t *testing.T) {
	const doubles = `{"$ref":"#/$defs/t","$defs":{"t":{"allOf":[{"properties":{"next":{"$ref":"#/$defs/t"}}},{"properties":{"next":{"$ref":"#/$defs/t"}}}]}}}`
	next := func(n int) string { return strings.Repeat(`{"next":`, n) + "1" + strings.Repeat("}", n) }
	for _, tc := range []struct {
		name, text string
		instance   func(depth int) string
		shallow    int // levels that are judged
		deep       int // levels that are not
	}{
		{"operators", operators, operation, 8, 20},
		{"the same twice", doubles, next, 12, 30},
		{"patterns", strings.ReplaceAll(doubles, `"t":{`, `"t":{"patternProperties":{"^n[a-z]*t$":true},`), next, 10, 60},
	} {
		c := newContract(t, tc.text)
		for depth := range schema.MaxDepth {
			instance := tc.instance(depth)
			if strings.Count(instance, "{")+strings.Count(instance, "[") > schema.MaxDepth {
				break
			}
			var err error
			took := jsontest.Fastest(func() { err = c.s.Validate([]byte(instance)) })
			if took > jsontest.Slack*time.Second {
				t.Errorf("%s: %d levels took %v, want at most a second", tc.name, depth, took)
			}
			switch {
			case err != nil && depth <= tc.shallow:
				t.Errorf("%s: %d levels: got %v, want no error", tc.name, depth, err)
			case err != nil || depth >= tc.deep:
				wantViolation(t, fmt.Sprintf("%s, %d levels", tc.name, depth), err, "", schema.KeywordWork)
			default:
				c.sound(t, instance)
				if err := c.raw.Validate(schematest.Decode(t, instance)); err != nil {
					t.Errorf("%s: %d levels: got accepted, but jsonschema says %v", tc.name, depth, err)
				}
			}
		}
		if wrong := tc.instance(4); c.s.Validate([]byte(wrong[:len(wrong)-1])) == nil {
			t.Errorf("%s: half a text: got no error, want one", tc.name)
		}
	}
	wantViolation(t, "an operator", mustCompile(t, operators).Validate([]byte(`{"op":"not","args":[{"op":"or","args":[]}]}`)), "", "oneOf")
}

// What an instance costs is worked out from the schemas that apply to it, and not from
// the dearest that might.
func TestOneDearPropertyCostsNoOther(t *testing.T) {
	var alternatives strings.Builder
	for i := range 400 {
		fmt.Fprintf(&alternatives, `{"properties":{"p%d":{"const":%d}}},`, i, i)
	}
	s := mustCompile(t, `{"properties":{"dear":{"items":{"allOf":[`+alternatives.String()+
		`true]}},"cheap":{"items":{"type":"object","minProperties":1,"not":{"required":["x"]}}}}}`)
	cheap := []byte(`{"cheap":` + schematest.Array(`{"a":1}`, 1000) + `}`)
	if err := s.Validate(cheap); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	wantViolation(t, "the dear property", s.Validate([]byte(`{"dear":`+schematest.Array(`{"a":1}`, 1000)+`}`)), "", schema.KeywordWork)
}

// Any value may have a long property called pattern, unless a metaschema says what it
// is.
func TestALongPatternIsAValueLikeAnyOther(t *testing.T) {
	long := []byte(`{"pattern":"` + strings.Repeat("a", schema.MaxPattern+1) + `"}`)
	for text, keyword := range map[string]string{
		`{"type":"object"}`:                                       "",
		`{"properties":{"pattern":{"format":"regex"}}}`:           "format",
		`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`: schema.KeywordWork,
	} {
		v := violations(mustCompile(t, text).ValidateSlowly(long))
		if keyword == "" && len(v) > 0 || keyword != "" && (len(v) == 0 || v[0].Keyword != keyword) {
			t.Errorf("%s: got %v, want keyword %q", text, v, keyword)
		}
	}
}
