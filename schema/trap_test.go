package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// The tests in this file are about what jsonschema and encoding/json do that
// package schema exists to prevent. Each also asserts what they do themselves: one
// that fails there says that a guard of this package may have become needless.

// A number can crash the process, or hold it up.
func TestTrap20NumbersThatPanicOrStall(t *testing.T) {
	for _, tc := range []struct {
		schema, number string
		panics         bool // upstream
	}{
		{`{"type":"integer"}`, "1e1000000000", true},
		{`{"multipleOf":3}`, "1e-99999999", true},
		{`{"type":"integer"}`, strings.Repeat("7", 1_000_000), false}, // takes seconds
		{`{"type":"number"}`, "1e309", false},
		{`{"type":"number"}`, "-1E-325", false},
		{`{"type":"number"}`, "0." + strings.Repeat("0", 100), false},
		{`{"type":"number"}`, "1e" + strings.Repeat("0", 1000) + "309", false},
	} {
		if tc.panics {
			s := schematest.MustUpstream(t, tc.schema)
			if !panics(func() { _ = s.Validate(json.Number(tc.number)) }) {
				t.Errorf("jsonschema: %s against %s: got no panic, want one", tc.number, tc.schema)
			}
		}
		s := mustCompile(t, tc.schema)
		var err error
		took := jsontest.Fastest(func() { err = s.Validate([]byte(`{"n":[` + tc.number + `]}`)) })
		if took > jsontest.Slack*50*time.Millisecond {
			t.Errorf("%.20s: got a verdict after %v, want one within 50ms", tc.number, took)
		}
		wantViolation(t, tc.number, err, "/*/0", schema.KeywordNumber)
	}

	// Behind the bounds stands a recover.
	s := mustCompile(t, `{"type":"integer"}`)
	if err := s.ValidateDecoded(json.Number("1e1000000000")); !errors.Is(err, schema.ErrIndeterminate) {
		t.Errorf("a validator that panics: got %v, want %v", err, schema.ErrIndeterminate)
	}

	// Numbers within the bounds have the verdicts that they had.
	for _, tc := range []struct {
		schema, number string
		valid          bool
	}{
		{`{"type":"integer"}`, "9223372036854775808", true},
		{`{"type":"integer"}`, "1.0", true},
		{`{"type":"integer"}`, "1e308", true},
		{`{"type":"integer"}`, "1e-308", false},
		{`{"type":"number"}`, "5e-324", true},
		{`{"minimum":0}`, "-5e-324", false},
		{`{"exclusiveMinimum":0}`, "5e-324", true},
		{`{"type":"integer"}`, strings.Repeat("7", schema.MaxDigits), true},
		{`{"type":"number"}`, "-0", true},
		{`{"type":"number"}`, "NaN", false},
		{`{"maximum":9007199254740992}`, "9007199254740993", false},
		{`{"multipleOf":0.01}`, "19.99", true},
	} {
		if err := mustCompile(t, tc.schema).Validate([]byte(tc.number)); (err == nil) != tc.valid {
			t.Errorf("%.30s against %s: got %v, want valid = %v", tc.number, tc.schema, err, tc.valid)
		}
	}
}

// A short schema can cost 2^n.
func TestTrap21SchemasThatCostTwoToTheN(t *testing.T) {
	price := func(n int) float64 {
		s := schematest.MustUpstream(t, schematest.Doubling(n))
		return testing.AllocsPerRun(3, func() { _ = s.Validate(json.Number("1")) })
	}
	if six, eight := price(6), price(8); eight < 3*six {
		t.Errorf("jsonschema: got %v allocations for 6 levels and %v for 8, want four times as many", six, eight)
	}

	for _, text := range []string{schematest.Doubling(14), schematest.Doubling(30), schematest.Doubling(300)} {
		var err error
		took := jsontest.Fastest(func() { _, err = schema.Compile("bomb", []byte(text)) })
		if err == nil || !strings.Contains(err.Error(), "costs more than 10000") {
			t.Errorf("%.80s: got error %v, want that it costs too much", text, err)
		}
		if took > jsontest.Slack*500*time.Millisecond { // a few for a bomb of 30 levels
			t.Errorf("%.80s: got refused after %v, want at once", text, took)
		}
	}
	// Fewer levels are not worth a refusal.
	if err := mustCompile(t, schematest.Doubling(8)).Validate([]byte("1")); err != nil {
		t.Errorf("8 levels: got %v, want no error", err)
	}
}

// The default loader reads files and quotes them, and errors name the working
// directory.
func TestTrap22ReferencesThatReadFiles(t *testing.T) {
	const secret = "hunter2-of-the-operator"
	file := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(file, []byte(`1 "`+secret+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := `{"$ref":"file://` + filepath.ToSlash(file) + `"}`

	_, err := jsonschema.CompileString("schema.json", ref)
	dir, _ := os.Getwd()
	if err == nil || !strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), dir) {
		t.Errorf("jsonschema: got error %v, want one with the file's content and the working directory", err)
	}

	_, err = schema.Compile("test", []byte(ref))
	if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want one with neither the file's content nor the working directory", err)
	}
	if want := "at /$ref:"; err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one that says %q", err, want)
	}
}

// Whether format is asserted depends on $schema being there.
func TestTrap23FormatThatIsNotAsserted(t *testing.T) {
	const without = `{"format":"email"}`
	for _, draft := range []string{
		"http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema",
		"https://json-schema.org/draft/2020-12/schema",
	} {
		with := `{"$schema":"` + draft + `","format":"email"}`
		for _, text := range []string{with, without} {
			s := mustCompile(t, text)
			wantViolation(t, text, s.Validate([]byte(`"nobody"`)), "", "format")
			if err := s.Validate([]byte(`"nobody@example.com"`)); err != nil {
				t.Errorf("%s: got %v, want no error", text, err)
			}
		}
	}
	raw := jsonschema.MustCompileString("mem:///s", `{"$schema":"https://json-schema.org/draft/2020-12/schema","format":"email"}`)
	if err := raw.Validate("nobody"); err != nil {
		t.Errorf("jsonschema, with a $schema: got %v, want that it does not assert format", err)
	}
	raw = jsonschema.MustCompileString("mem:///s", without)
	if err := raw.Validate("nobody"); err == nil {
		t.Error("jsonschema, without a $schema: got no error, want that it asserts format")
	}
}

// Errors can be as large as they like, and quote what they are about.
func TestTrap24ErrorsThatQuoteAndGrow(t *testing.T) {
	const secret = "4111-1111-1111-1111"
	for _, tc := range []struct{ schema, instance string }{
		{`{"properties":{"card":{"format":"email"}}}`, `{"card":"` + secret + `"}`},
		{`{"additionalProperties":false}`, `{"` + secret + `":1}`},
		{`{"propertyNames":{"maxLength":3}}`, `{"` + secret + `":1}`},
		{`{"patternProperties":{"^4":{"type":"string"}}}`, `{"` + secret + `":1}`},
		{`{"unevaluatedProperties":false}`, `{"` + secret + `":1}`},
	} {
		if err := schematest.MustUpstream(t, tc.schema).Validate(schematest.Decode(t, tc.instance)); err == nil || !strings.Contains(deep(err), secret) {
			t.Errorf("jsonschema: %s: got %v, want an error that quotes the instance", tc.schema, err)
		}
		err := mustCompile(t, tc.schema).Validate([]byte(tc.instance))
		if err == nil || strings.Contains(deep(err), secret) {
			t.Errorf("%s: got %#v, want an error that does not quote the instance", tc.schema, err)
		}
	}

	const many = 100_000
	text := schematest.Array("1", many)
	raw := schematest.MustUpstream(t, `{"items":{"type":"string"}}`).Validate(schematest.Decode(t, text))
	if n := len(deep(raw)); n < 1<<20 {
		t.Errorf("jsonschema: got an error of %d bytes, want megabytes", n)
	}
	err := mustCompile(t, `{"items":{"type":"string"}}`).Validate([]byte(text))
	var invalid *schema.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want a ValidationError", err)
	}
	if len(invalid.Violations) != schema.MaxViolations || invalid.More != many-schema.MaxViolations {
		t.Errorf("got %d violations and %d more, want %d and %d", len(invalid.Violations), invalid.More, schema.MaxViolations, many-schema.MaxViolations)
	}
	if n := len(err.Error()); n > 2048 {
		t.Errorf("got an error of %d bytes, want at most 2048", n)
	}
}

// deep prints all of an error.
func deep(err error) string {
	var b strings.Builder
	var raw *jsonschema.ValidationError
	if errors.As(err, &raw) {
		var walk func(*jsonschema.ValidationError)
		walk = func(e *jsonschema.ValidationError) {
			b.WriteString(e.InstanceLocation + " " + e.Message + "\n")
			for _, cause := range e.Causes {
				walk(cause)
			}
		}
		walk(raw)
		return b.String()
	}
	b.WriteString(err.Error())
	for _, v := range violations(err) {
		b.WriteString("\n" + v.Pointer + " " + v.Keyword + " " + v.Reason)
	}
	return b.String()
}

// What a tool decodes need not be what was judged.
func TestTrap25PropertiesThatOnlyTheToolSees(t *testing.T) {
	const text = `{"properties":{"amount":{"maximum":100}}}`
	s := mustCompile(t, text)
	for _, tc := range []struct{ instance, keyword string }{
		{`{"amount":50,"Amount":5000}`, schema.KeywordTwin},
		{`{"Amount":5000}`, schema.KeywordTwin},
		{`{"amount":50,"amount":5000}`, schema.KeywordDuplicate},
		{`{"amount":50,"\u0061mount":5000}`, schema.KeywordDuplicate},
		{`{"amount":50}{"amount":5000}`, schema.KeywordSyntax},
		{`{"amount":50} true`, schema.KeywordSyntax},
		{`{"other":{"x":1,"X":2}}`, schema.KeywordTwin},
	} {
		err := s.Validate([]byte(tc.instance))
		if v := violations(err); len(v) != 1 || v[0].Keyword != tc.keyword {
			t.Errorf("%s: got %v, want a violation of %s", tc.instance, err, tc.keyword)
		}
	}

	const twins = `{"amount":50,"Amount":5000}`
	if err := schematest.MustUpstream(t, text).Validate(schematest.Decode(t, twins)); err != nil {
		t.Errorf("jsonschema: got %v, want that it accepts %s", err, twins)
	}
	var tool struct{ Amount int }
	if err := json.Unmarshal([]byte(twins), &tool); err != nil || tool.Amount != 5000 {
		t.Errorf("encoding/json: got amount %d, %v, want the one that was not judged", tool.Amount, err)
	}
}

// Strings that are no Unicode change on their way.
func TestTrap26StringsThatBecomeReplacementCharacters(t *testing.T) {
	s := mustCompile(t, `{}`)
	for _, tc := range []struct{ instance, pointer string }{
		{"\"\xff\"", ""},
		{"{\"a\":\"\xc0\xaf\"}", ""},
		{"\"\xed\xa0\x80\"", ""}, // a surrogate, in UTF-8
		{`"\ud800"`, ""},
		{`["\udc00x"]`, "/0"},
		{`["\ud800\ud800"]`, "/0"},
		{`["\ud800A"]`, "/0"},
	} {
		err := s.Validate([]byte(tc.instance))
		wantViolation(t, tc.instance, err, tc.pointer, schema.KeywordEncoding)
		var v any
		if err := json.Unmarshal([]byte(tc.instance), &v); err != nil {
			t.Errorf("encoding/json: %q: got %v, want that it decodes it", tc.instance, err)
		}
		again, _ := json.Marshal(v)
		if !bytes.Contains(again, []byte("\ufffd")) {
			t.Errorf("encoding/json: %q became %q, want a U+FFFD in it", tc.instance, again)
		}
	}
	for _, instance := range []string{`"\ud83d\ude00"`, "\"\ufffd\"", `"\ufffd"`, `"\u0000\u202e\u200b\ufeff"`} {
		if err := s.Validate([]byte(instance)); err != nil {
			t.Errorf("%s: got %v, want no error", instance, err)
		}
	}
}
