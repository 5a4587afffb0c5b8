package schema_test

import (
	"context"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// TestQuiet: what a schema lists comes to nobody by what it refuses, and what it says
// otherwise stays.
func TestQuiet(t *testing.T) {
	const text = `{"type":"object","required":["a"],"properties":{"a":{"enum":["hush","silence"]},"b":{"const":"hush"}},"propertyNames":{"enum":["a","b","hush"]}}`
	quiet, err := schema.CompileWith("s", []byte(text), schema.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	loud := mustCompile(t, text)
	for _, instance := range []string{`{"a":"x"}`, `{"a":5}`, `{"a":"silence","b":1}`, `{"a":"silence","zz":1}`} {
		q, l := quiet.Validate([]byte(instance)), loud.Validate([]byte(instance))
		if q == nil || l == nil || strings.Contains(q.Error(), "hush") || !strings.Contains(l.Error(), "hush") {
			t.Errorf("%s: got %v, and %v without Quiet", instance, q, l)
		}
		if q != nil && !strings.Contains(q.Error(), "must be one of the values that the schema lists") {
			t.Errorf("%s: got %v", instance, q)
		}
	}
	if err := quiet.Validate([]byte(`{}`)); err == nil || !strings.Contains(err.Error(), `must have the property "a"`) {
		t.Errorf("got %v, want that a is missing", err)
	}
	plain, err := schema.CompileWith("s", []byte(`{"enum":["hush",1]}`), schema.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, instance := range []string{`"x"`, `2 `, `true`} {
		_, early := plain.Early(instance, []int{1})
		if whole := plain.Validate([]byte(instance)); early == nil || whole == nil || early.Error() != whole.Error() {
			t.Errorf("%s: got %v early, and %v of the whole", instance, early, whole)
		}
	}
	if got := schema.Instructions(plain); strings.Contains(got, "hush") || !strings.HasSuffix(got, "must be one of the values that the schema lists.") {
		t.Errorf("got %s", got)
	}
	told := ""
	m := func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		for _, message := range call.Input.(*middleware.ModelRequest).Messages {
			told += message.Parts[0].Text
		}
		return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: `"x"`}}}}, nil
	}
	ask := func(is ...middleware.Interceptor) middleware.Handler { return middleware.Wrap(m, is...) }
	_, err = schema.Run[any](t.Context(), ask, schema.Prompt("Well?"), schema.BoundaryRules{Schema: plain, Reasks: 1})
	if err == nil || strings.Contains(err.Error()+told, "hush") || !strings.Contains(told, "refused") {
		t.Errorf("got %v, and the model was told %s", err, told)
	}
}
