package schema_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// A loop of references that nothing applies is found by jsonschema or is not, by the
// order of a map; Compile finds it each time.
func TestCompileIsOfOneMind(t *testing.T) {
	for _, text := range []string{
		`{"$id":"https://t.invalid/root","$defs":{"dyn":{"$dynamicAnchor":"dyn","properties":{"a":{"$ref":"inner"}}},
			"inner":{"$id":"inner","$dynamicRef":"#dyn","$defs":{"dyn":{"$dynamicAnchor":"dyn","$ref":"inner"}}}}}`,
		`{"$ref":"#/$defs/a","$defs":{"a":{"contentMediaType":"x","contentSchema":{"properties":{"x":{"$ref":"#/$defs/b"},"y":{"$ref":"#/$defs/c"}}}},
			"b":{"contentMediaType":"x","contentSchema":{"$ref":"#/$defs/c"}},"c":{"contentMediaType":"x","contentSchema":{"$ref":"#/$defs/b"}}}}`,
		`{"$schema":"https://json-schema.org/draft/2019-09/schema","$defs":{"a":{"$anchor":"a","$recursiveAnchor":true,"properties":{"x":{"$ref":"#b"},"y":{"$ref":"#c"}}},
			"b":{"$anchor":"b","anyOf":[{"$ref":"#c"}]},"c":{"$anchor":"c","if":{"$ref":"#b"}}},"$ref":"#a"}`,
	} {
		for range 400 / jsontest.Slack {
			if s, err := schema.Compile("loop", []byte(text)); err == nil || !strings.Contains(err.Error(), "refers to itself at the same place") {
				t.Fatalf("%s: got %v, %v, want the error about the loop each time", text, s, err)
			}
		}
	}
}

// Of whatever small graph of references, the verdict is the same each time, and a
// contract can be made of what compiles.
func TestCompileIsOfOneMindAboutGraphs(t *testing.T) {
	m, compiled, refused := jsontest.NewMutator(6), 0, 0
	for range 600 / jsontest.Slack {
		text := drawGraph(m)
		s, err := schema.Compile("graph", []byte(text))
		for range 4 {
			again, err2 := schema.Compile("graph", []byte(text))
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%s: got %v, then %v", text, err, err2)
			}
			if err2 == nil {
				schema.Input(schema.Tools{"a": again})
			}
		}
		if err != nil {
			refused++
			continue
		}
		compiled++
		schema.Input(schema.Tools{"a": s, "b": s})
		for _, instance := range []string{`{"a":{"b":{}}}`, `{}`, `[{"a":1}]`} {
			_ = s.Validate([]byte(instance))
		}
	}
	t.Logf("%d compiled, %d refused", compiled, refused)
	if min(compiled, refused) < 100/jsontest.Slack {
		t.Errorf("got %d compiled and %d refused, want many of both", compiled, refused)
	}
}

// drawGraph returns a schema of a few definitions that refer to one another.
func drawGraph(m jsontest.Mutator) string {
	pick := func(all ...string) string { return all[m.IntN(len(all))] }
	names := []string{"a", "b", "c", "d"}
	refs := func() string {
		name := names[m.IntN(len(names))]
		return pick(`"$ref":"/#/$defs/`+name+`"`, `"$ref":"`+name+`"`, `"$dynamicRef":"#dyn"`, `"$dynamicRef":"/#/$defs/`+name+`"`,
			`"$dynamicRef":"`+name+`#dyn"`, `"type":"object"`)
	}
	schemaOf := func(name string) string {
		parts := []string{`"$id":"` + name + `"`}
		inner := m.IntN(2) == 0
		if !inner {
			parts = append(parts, `"$dynamicAnchor":"dyn"`)
		} else {
			parts = append(parts, `"$defs":{"inner":{"$dynamicAnchor":"dyn",`+refs()+`}}`)
		}
		for range 1 + m.IntN(2) {
			part := refs()
			switch m.IntN(8) {
			case 0:
				part = `"properties":{"a":{` + part + `}}`
			case 1:
				part = pick(`"anyOf"`, `"allOf"`) + `:[{` + part + `}]`
			case 2:
				part = pick(`"not"`, `"if"`, `"items"`, `"unevaluatedProperties"`) + `:{` + part + `}`
			case 3:
				part = `"contentMediaType":"x","contentSchema":{` + part + `}`
			case 4: // it stays as it is
			default:
				part = `"properties":{"a":{` + part + `},"b":{` + refs() + `}}`
			}
			keyword, _, _ := strings.Cut(part, ":")
			if !strings.Contains(strings.Join(parts, ","), keyword+":") {
				parts = append(parts, part)
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	var defs []string
	for _, name := range names {
		defs = append(defs, fmt.Sprintf("%q:%s", name, schemaOf(name)))
	}
	return `{"$id":"https://t.invalid/","$ref":"` + names[m.IntN(len(names))] + `","$defs":{` + strings.Join(defs, ",") + `}}`
}

// A contract is made of a schema once, whoever asks for it, and the schema stays as it
// is.
func TestContractsAreClosedOnce(t *testing.T) {
	s := mustCompile(t, `{"properties":{"a":{"type":"integer"}}}`)
	closed := make([]*schema.Schema, 8)
	var all sync.WaitGroup
	for i := range closed {
		all.Go(func() {
			schema.Input(schema.Tools{"it": s})
			closed[i] = s.Closed()
		})
	}
	all.Wait()
	for _, c := range closed {
		if c != closed[0] {
			t.Error("got several contracts of one schema, want one")
		}
	}
	const undeclared = `{"a":1,"b":2}`
	if !s.Accepts(undeclared) || s.ValidateSlowly([]byte(undeclared)) != nil {
		t.Errorf("got %v, want the schema itself as it was", s.ValidateSlowly([]byte(undeclared)))
	}
	if closed[0].Accepts(undeclared) {
		t.Error("got an undeclared argument accepted at once, want it refused")
	}
	wantViolation(t, undeclared, closed[0].Validate([]byte(undeclared)), "", "additionalProperties")
	if got := new(schema.Schema).Closed(); got.Validate([]byte(`1`)) == nil {
		t.Error("the zero Schema: got a contract that decides, want none")
	}
	dear := mustCompile(t, wide(500))
	dear.Closed()
	if n := testing.AllocsPerRun(5, func() { schema.Input(schema.Tools{"it": dear}) }); n > 100 {
		t.Errorf("got %v allocations for a gate, want what its layers take", n)
	}
	gate := schema.Input(schema.Tools{"it": new(schema.Schema)})
	if _, err := run(returns("ok"), middleware.Call{Kind: middleware.KindTool, Name: "it", Input: "{}"}, gate); err == nil {
		t.Error("a contract of the zero Schema: got no denial, want one")
	}
}
