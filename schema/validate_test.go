package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// Every keyword has a sentence that says what it demands, in the schema's words.
func TestViolations(t *testing.T) {
	const (
		draft7    = `"$schema":"http://json-schema.org/draft-07/schema#",`
		draft2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema",`
	)
	for _, tc := range []struct{ schema, instance, keyword, want string }{
		{`false`, `1`, "false", "the value is not allowed"},
		{`{"type":"string"}`, `1`, "type", "the value must be a string"},
		{`{"type":["integer","null","array"]}`, `"x"`, "type", "the value must be an integer or null or an array"},
		{`{"const":"usd"}`, `"eur"`, "const", `the value must be "usd"`},
		{`{"const":{"a":[1.50]}}`, `1`, "const", `the value must be {"a":[1.50]}`},
		{`{"enum":["a",1,null]}`, `2`, "enum", `the value must be one of "a", 1, null`},
		{`{"enum":` + schematest.Array("1", 5) + `}`, `2`, "enum", `the value must be one of 1, 1, 1, 1, 1`},
		{`{"enum":[1,2,3,4,5,6,7,8,9,10,11,12]}`, `0`, "enum", `the value must be one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more`},
		{`{"format":"uuid"}`, `"x"`, "format", `the value must have the format "uuid"`},
		{`{"pattern":"^[a-z]+$"}`, `"X"`, "pattern", `the value must match the pattern "^[a-z]+$"`},
		{`{"minLength":1}`, `""`, "minLength", "the value must be at least 1 character long"},
		{`{"maxLength":2}`, `"abc"`, "maxLength", "the value must be at most 2 characters long"},
		{`{"minimum":0.5}`, `0`, "minimum", "the value must be at least 0.5"},
		{`{"maximum":100}`, `101`, "maximum", "the value must be at most 100"},
		{`{"exclusiveMinimum":0}`, `0`, "exclusiveMinimum", "the value must be more than 0"},
		{`{"exclusiveMaximum":18446744073709551616}`, `1e20`, "exclusiveMaximum", "the value must be less than 1.8446744073709552e+19"},
		{`{"multipleOf":0.01}`, `0.001`, "multipleOf", "the value must be a multiple of 0.01"},
		{`{"minItems":1}`, `[]`, "minItems", "the value must have at least 1 item"},
		{`{"maxItems":0}`, `[1]`, "maxItems", "the value must have at most 0 items"},
		{`{"uniqueItems":true}`, `[1,1.0]`, "uniqueItems", "the value must not have two equal items"},
		{`{"contains":{"type":"null"}}`, `[1]`, "contains", "the value must have at least 1 item of the kind that contains describes"},
		{`{"contains":{"type":"null"},"minContains":2}`, `[null]`, "minContains", "the value must have at least 2 items of the kind that contains describes"},
		{`{"contains":{"type":"null"},"maxContains":1}`, `[null,null]`, "maxContains",
			"the value must have at most 1 item of the kind that contains describes"},
		{`{` + draft7 + `"contains":false}`, `[1]`, "contains", "the value must have at least 1 item of the kind that contains describes"},
		{`{` + draft7 + `"items":[true],"additionalItems":false}`, `[1,2]`, "additionalItems", "the value must have at most 1 item"},
		{`{"items":false}`, `[1]`, "items", "/0 is not allowed"},
		{`{"prefixItems":[{"type":"string"},false]}`, `["x",1]`, "prefixItems", "/1 is not allowed"},
		{`{"prefixItems":[true],"unevaluatedItems":false}`, `[1,2]`, "unevaluatedItems", "/1 is not allowed"},
		{`{"minProperties":2}`, `{"a":1}`, "minProperties", "the value must have at least 2 properties"},
		{`{"maxProperties":1}`, `{"a":1,"b":1}`, "maxProperties", "the value must have at most 1 property"},
		{`{"required":["a","b","c"]}`, `{"b":1}`, "required", `the value must have the properties "a", "c"`},
		{`{"required":["a"]}`, `{}`, "required", `the value must have the property "a"`},
		{`{"dependentRequired":{"a/b c":["d"]}}`, `{"a/b c":1}`, "dependentRequired", `the value must have the property "d" where it has "a/b c"`},
		{`{` + draft7 + `"dependencies":{"a":["x","d"]}}`, `{"a":1,"x":1}`, "dependencies", `the value must have the property "d" where it has "a"`},
		{`{"dependentSchemas":{"a":false}}`, `{"a":1}`, "dependentSchemas", "the value is not allowed"},
		{`{"properties":{"a":false}}`, `{"a":1}`, "properties", "/a is not allowed"},
		{`{"properties":{"items":{"type":"string"}}}`, `{"items":1}`, "type", "/items must be a string"},
		{`{"additionalProperties":false}`, `{"a":1}`, "additionalProperties", "the value must have no properties"},
		{`{"properties":{"b":{},"a":{}},"patternProperties":{"^x-":{}},"additionalProperties":false}`, `{"c":1}`, "additionalProperties",
			`the value must have no properties other than "a", "b" and those that patternProperties describes`},
		{`{"additionalProperties":{"type":"string"}}`, `{"mine":1}`, "type", "/* must be a string"},
		{`{"patternProperties":{"/":{"type":"string"}}}`, `{"a/b":1}`, "type", "/* must be a string"},
		{`{"properties":{"a/b~c":{"items":{"type":"string"}}}}`, `{"a/b~c":["x",1]}`, "type", "/a~1b~0c/1 must be a string"},
		{`{"properties":{"50%":{"type":"string"}}}`, `{"50%":1}`, "type", "/50% must be a string"},
		{`{"properties":{"\u202e":{"type":"string"}}}`, `{"\u202e":1}`, "type", `"/\u202e" must be a string`},
		{`{"unevaluatedProperties":false}`, `{"mine":1}`, "unevaluatedProperties", "/* is not allowed"},
		{`{"propertyNames":{"maxLength":3}}`, `{"mine":1}`, "propertyNames", "the value has a property whose name must be at most 3 characters long"},
		{`{"properties":{"o":{"propertyNames":{"enum":["a"]}}}}`, `{"o":{"mine":1}}`, "propertyNames", `/o has a property whose name must be one of "a"`},
		{`{"properties":{"propertyNames":{"type":"string"}}}`, `{"propertyNames":1}`, "type", "/propertyNames must be a string"},
		{`{"not":{"type":"string"}}`, `"x"`, "not", "the value must not satisfy the schema of not"},
		{`{"allOf":[{"type":"string"}]}`, `1`, "type", "the value must be a string"},
		{`{"anyOf":[{"type":"string"},{"minimum":5}]}`, `1`, "minimum", "the value must be at least 5"},
		{`{"anyOf":[{"maximum":0},{"minimum":5}]}`, `1`, "anyOf", "the value must satisfy one of the 2 schemas of anyOf"},
		{`{"anyOf":[{"type":"null"},{"$ref":"#/$defs/s"}],"$defs":{"s":{"type":"object","required":["a"]}}}`, `{}`, "required",
			`the value must have the property "a"`},
		{`{"oneOf":[{"type":"string"},{"type":"null"}]}`, `1`, "oneOf", "the value must satisfy one of the 2 schemas of oneOf"},
		{`{"oneOf":[{},{"type":"integer"}]}`, `1`, "oneOf", "the value must satisfy only one of the 2 schemas of oneOf"},
		{`{"if":{"type":"integer"},"then":{"minimum":5},"else":{"type":"string"}}`, `1`, "minimum", "the value must be at least 5"},
		{`{"if":{"type":"integer"},"then":true,"else":false}`, `""`, "else", "the value is not allowed"},
		{`{"$ref":"#/$defs/never","$defs":{"never":false}}`, `1`, "$ref", "the value is not allowed"},
		{`{"$ref":"other","$defs":{"o":{"$id":"other","properties":{"a":{"type":"string"}}}}}`, `{"a":1}`, "type", "/a must be a string"},
		{`{` + draft2019 + `"$recursiveAnchor":true,"type":"array","items":{"$recursiveRef":"#"}}`, `[[1]]`, "type", "/0/0 must be an array"},
		{`{"$dynamicAnchor":"a","type":"array","items":{"$dynamicRef":"#a"}}`, `[[1]]`, "type", "/0/0 must be an array"},
		{`{"enum":["` + strings.Repeat("é", 300) + `"]}`, `1`, "enum", `the value must be one of "` + strings.Repeat("é", 48) + "..."},
	} {
		err := mustCompile(t, tc.schema).Validate([]byte(tc.instance))
		v := violations(err)
		if len(v) != 1 {
			t.Errorf("%s: %s: got %v, want one violation", tc.schema, tc.instance, err)
			continue
		}
		if v[0].Keyword != tc.keyword || v[0].String() != tc.want {
			t.Errorf("%s: %s:\ngot  %s: %s\nwant %s: %s", tc.schema, tc.instance, v[0].Keyword, v[0], tc.keyword, tc.want)
		}
		if got, want := err.Error(), "schema: test: "+tc.want; got != want {
			t.Errorf("%s: %s:\ngot  %s\nwant %s", tc.schema, tc.instance, got, want)
		}
	}
}

// The violations of one instance come in order, the same ones each time.
func TestViolationsInOrder(t *testing.T) {
	s := mustCompile(t, `{"required":["z"],"properties":{"a":{"type":"string","allOf":[{"type":"string"}]},"b":{"items":{"type":"string"}}},"additionalProperties":false}`)
	const instance = `{"x":1,"b":[1,2],"a":1}`
	want := []string{
		`the value must have no properties other than "a", "b"`,
		`the value must have the property "z"`,
		`/a must be a string`,
		`/b/0 must be a string`,
		`/b/1 must be a string`,
	}
	for range 20 {
		var got []string
		for _, v := range violations(s.Validate([]byte(instance))) {
			got = append(got, v.String())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	}
}

func TestErrorLength(t *testing.T) {
	name := strings.Repeat("n", 200)
	s := mustCompile(t, `{"additionalProperties":{"properties":{"`+name+`":{"type":"string"}}}}`)
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, `,"k%d":{"%s":1}`, i, name)
	}
	err := s.Validate([]byte("{" + b.String()[1:] + "}"))
	// All of them read the same once the model's own names are left out.
	if v := violations(err); len(v) != 1 || v[0].Pointer != "/*/"+name {
		t.Errorf("got %v, want one violation", err)
	}

	s = mustCompile(t, `{"items":{"properties":{"`+name+`":{"type":"string"}}}}`)
	err = s.Validate([]byte(schematest.Array(`{"`+name+`":1}`, 50)))
	if n := len(err.Error()); n > 1200 || !strings.HasSuffix(err.Error(), "; and 46 more") {
		t.Errorf("got %d bytes: %s, want at most 1200 that end with 46 more", n, err)
	}
}

func TestValidateValue(t *testing.T) {
	s := mustCompile(t, `{"type":"object","properties":{"n":{"type":"integer","maximum":10},"s":{"type":"string"}},"additionalProperties":false}`)
	type answer struct {
		N int    `json:"n"`
		S string `json:"s,omitempty"`
	}
	for _, tc := range []struct {
		v       any
		keyword string // of the violation, or empty
	}{
		{map[string]any{"n": 1}, ""},
		{map[string]any{"n": json.Number("1")}, ""},
		{map[string]any{"n": json.Number("11")}, "maximum"},
		{map[string]any{"n": 1.5}, "type"},
		{answer{N: 3, S: "<\ufffd\\ufffd>"}, ""},
		{&answer{N: 30}, "maximum"},
		{json.RawMessage(`{"n":1,"n":2}`), schema.KeywordDuplicate},
		{map[string]any{"n": 1, "N": 2}, schema.KeywordTwin},
		{nil, "type"},
		{[]byte("{}"), "type"},
		{"{}", "type"},
	} {
		err := s.ValidateValue(tc.v)
		if tc.keyword == "" && err != nil {
			t.Errorf("%#v: got %v, want no error", tc.v, err)
		}
		if tc.keyword != "" {
			if v := violations(err); len(v) != 1 || v[0].Keyword != tc.keyword {
				t.Errorf("%#v: got %v, want a violation of %s", tc.v, err, tc.keyword)
			}
		}
	}
	for _, v := range []any{
		func() {}, make(chan int), math.NaN(), math.Inf(1),
		map[string]any{"s": "hunter2\xff"}, map[string]any{"hunter2\xff": 1}, `\` + "\xff",
		json.RawMessage(`{"s":"hunter2`), json.Number("hunter2"),
	} {
		err := s.ValidateValue(v)
		if !errors.Is(err, schema.ErrIndeterminate) || len(violations(err)) > 0 {
			t.Errorf("%#v: got %v, want %v", v, err, schema.ErrIndeterminate)
		}
		if strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%#v: got %v, want nothing of the value", v, err)
		}
	}
}

func TestZeroSchema(t *testing.T) {
	var s schema.Schema
	for what, err := range map[string]error{
		"Validate":      s.Validate([]byte(`{}`)),
		"ValidateValue": s.ValidateValue(1),
	} {
		if !errors.Is(err, schema.ErrIndeterminate) {
			t.Errorf("%s: got %v, want %v", what, err, schema.ErrIndeterminate)
		}
	}
	if text, err := s.Normalize([]byte(`{}`)); text != nil || !errors.Is(err, schema.ErrIndeterminate) {
		t.Errorf("Normalize: got %q, %v, want %v", text, err, schema.ErrIndeterminate)
	}
}

func TestNormalize(t *testing.T) {
	s := mustCompile(t, `{"type":["object","string","array","boolean","null"]}`)
	for _, tc := range []struct{ instance, want string }{
		{"{ \"b\" : [ 1 , 2.50 , -0 , 1E+2 ] ,\r\n\t\"a\":null } ", `{"b":[1,2.50,-0,1E+2],"a":null}`},
		{`[true,false,null,{},[],""]`, `[true,false,null,{},[],""]`},
		{`"\u0041\/\u00e9\ud83d\ude00\n\u001f"`, "\"A/é😀\\n\\u001f\""},
		{"\"<>&\u2028\u202e\u200b\ufeff\x7f\"", "\"<>&\u2028\u202e\u200b\ufeff\x7f\""},
		{`"\"\\\b\f\r\t\u0000"`, `"\"\\\b\f\r\t\u0000"`},
		{`{"\u0061":9007199254740993}`, `{"a":9007199254740993}`},
		{`true`, `true`},
	} {
		in := []byte(tc.instance)
		got, err := s.Normalize(in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got %s, %v, want %s", tc.instance, got, err, tc.want)
		}
		if string(in) != tc.instance {
			t.Errorf("%s: got the text changed to %s", tc.instance, in)
		}
		if again, err := s.Normalize(got); err != nil || string(again) != string(got) {
			t.Errorf("%s: once more: got %s, %v, want %s", tc.instance, again, err, got)
		}
	}
	if got, err := s.Normalize([]byte(`1`)); got != nil || err == nil {
		t.Errorf("a violation: got %q, %v, want an error alone", got, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := mustCompile(t, `{"type":"object","properties":{"a":{"type":"integer"},"b":{"format":"email","pattern":"x"}},"unevaluatedProperties":false}`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				if err := s.Validate([]byte(`{"a":1,"b":"x@example.com"}`)); err != nil {
					t.Errorf("goroutine %d: got %v, want no error", i, err)
				}
				if err := s.Validate([]byte(`{"a":"x","b":"x","c":1}`)); len(violations(err)) != 3 {
					t.Errorf("goroutine %d: got %v, want three violations", i, err)
				}
			}
		})
	}
	wg.Wait()
}
