package schema_test

import (
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// A contract is a schema, compiled by package schema and by jsonschema alone.
type contract struct {
	text string
	s    *schema.Schema
	raw  *jsonschema.Schema
}

func newContract(t testing.TB, text string) contract {
	t.Helper()
	return contract{text, mustCompile(t, text), schematest.MustUpstream(t, text)}
}

// sound fails where the fast path accepts an instance that somebody else refuses:
// the strict parse with jsonschema, or encoding/json with jsonschema alone. It
// reports whether the fast path accepts.
func (c contract) sound(t testing.TB, instance string) bool {
	t.Helper()
	if !c.s.Accepts(instance) {
		return false
	}
	if err := c.s.ValidateSlowly([]byte(instance)); err != nil {
		t.Errorf("%s: %.2000s: got accepted at once, but the judge says %v", c.text, instance, err)
	}
	var v any
	if err := jsontest.DecodeStrictly([]byte(instance), &v); err != nil {
		t.Errorf("%s: %.2000s: got accepted at once, but encoding/json says %v", c.text, instance, err)
	} else if err := c.raw.Validate(v); err != nil {
		t.Errorf("%s: %.2000s: got accepted at once, but jsonschema says %v", c.text, instance, err)
	}
	return true
}
