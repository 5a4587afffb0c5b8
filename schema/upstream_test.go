package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/schema"
)

// upstream compiles a schema with jsonschema alone, in the dialect of package
// schema, for tests of what jsonschema does by itself.
func upstream(text string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.AssertFormat = true
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, errors.New("no " + url) }
	c.Decoders["base64"] = nil
	c.MediaTypes["application/json"] = nil
	const url = "https://upstream.invalid/schema"
	if err := c.AddResource(url, strings.NewReader(text)); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

func mustUpstream(t testing.TB, text string) *jsonschema.Schema {
	t.Helper()
	s, err := upstream(text)
	if err != nil {
		t.Fatalf("jsonschema refuses %s: %v", text, err)
	}
	return s
}

// decode decodes as jsonschema wants it.
func decode(t testing.TB, text string) any {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json refuses %.100q: %v", text, err)
	}
	return v
}

// panics reports whether f panics.
func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

// wantPanic fails unless f panics, and says what begins so.
func wantPanic(t testing.TB, what, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got panic %q, want one that begins with %q", what, got, want)
		}
	}()
	f()
}

func mustCompile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile("test", []byte(text))
	if err != nil {
		t.Fatalf("Compile(%.200s): got %v, want no error", text, err)
	}
	return s
}

// violations returns those of err, or none where it is no ValidationError.
func violations(err error) []schema.Violation {
	var invalid *schema.ValidationError
	if errors.As(err, &invalid) {
		return invalid.Violations
	}
	return nil
}

// wantViolation fails unless err is a ValidationError that begins with a violation
// of the keyword at the pointer.
func wantViolation(t testing.TB, what string, err error, pointer, keyword string) {
	t.Helper()
	v := violations(err)
	if len(v) == 0 {
		t.Errorf("%.100s: got error %v, want a violation of %s at %q", what, err, keyword, pointer)
		return
	}
	if v[0].Pointer != pointer || v[0].Keyword != keyword {
		t.Errorf("%.100s: got a violation of %s at %q (%s), want one of %s at %q",
			what, v[0].Keyword, v[0].Pointer, v[0].Reason, keyword, pointer)
	}
}

// array returns a JSON array of n times the item.
func array(item string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

// doubling returns a schema of n levels that each refer to the next one twice.
func doubling(n int) string {
	var b bytes.Buffer
	b.WriteString(`{"$ref":"#/$defs/s0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"s%d":{"allOf":[{"$ref":"#/$defs/s%d"},{"$ref":"#/$defs/s%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"s%d":{"type":"integer"}}}`, n)
	return b.String()
}
