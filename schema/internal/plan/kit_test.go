package plan_test

import (
	"errors"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/plan"
	"example.com/safeconduct/schema/internal/schematest"
)

// A compiled is a schema with its plan, and those who judge without one.
type compiled struct {
	text string
	plan *plan.Plan
	root *jsonschema.Schema // as package schema compiles it
	raw  *jsonschema.Schema // by jsonschema alone
}

func compile(t testing.TB, text string) compiled {
	t.Helper()
	root, _ := schematest.Compile(t, text)
	return compiled{text, plan.Lower(root, nil), root, schematest.MustUpstream(t, text)}
}

// accepts reports whether the plan accepts an instance by itself.
func (c compiled) accepts(instance string) bool {
	if c.plan == nil {
		return false
	}
	_, ok := c.plan.Accept(instance)
	return ok
}

// judge judges an instance without the plan.
func (c compiled) judge(instance string) (err error) {
	doc, f := strictjson.Parse(instance, strictjson.MaxBytes, false)
	if f != nil {
		return errors.New(f.Reason)
	}
	defer func() {
		if recover() != nil { // a twin, or a number that is too much
			err = errors.New("jsonschema panicked")
		}
	}()
	return c.root.Validate(doc.Value)
}

// sound fails where the plan accepts an instance that somebody else refuses: the
// strict parse with jsonschema, or encoding/json with jsonschema alone. It reports
// whether the plan accepts.
func (c compiled) sound(t testing.TB, instance string) bool {
	t.Helper()
	if !c.accepts(instance) {
		return false
	}
	if err := c.judge(instance); err != nil {
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

// watch returns what a watch says of a text that comes in pieces of the given sizes,
// over and over, and how many bytes it got to read.
func (c compiled) watch(text string, sizes ...int) (read int, f *strictjson.Fault) {
	w := plan.NewWatch(c.plan)
	for i := 0; read < len(text); i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(text)-read)
		if f := w.Write([]byte(text[read : read+n])); f != nil {
			return read + n, f
		}
		read += n
	}
	return read, nil
}
