package graph_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/schematest"
)

// places prints where schemas stand, in order.
func places(all []*graph.Node) string {
	var at []string
	for _, s := range all {
		if s != nil {
			at = append(at, strings.TrimPrefix(graph.Location(s.Location), "/"))
		}
	}
	slices.Sort(at)
	return strings.Join(at, " ")
}

const whole = `{"$schema":"https://json-schema.org/draft/2019-09/schema","$ref":"#/$defs/a","allOf":[{}],"anyOf":[{}],"oneOf":[{}],
	"not":{},"if":{},"then":{},"else":{},"dependentSchemas":{"d":{}},"$recursiveRef":"#/$defs/b","properties":{"p":{}},
	"patternProperties":{"q":{}},"additionalProperties":{},"propertyNames":{},"unevaluatedProperties":{},"items":[{},{}],"additionalItems":{},
	"contains":{},"unevaluatedItems":{},"$defs":{"a":{"$id":"a"},"b":{"$id":"b"}}}`

func TestEdges(t *testing.T) {
	root, _ := schematest.Compile(t, whole)
	const (
		inPlace = "allOf/0 anyOf/0 dependentSchemas/d else if not oneOf/0 then"
		within  = "additionalItems additionalProperties contains items/0 items/1 patternProperties/q properties/p propertyNames unevaluatedItems unevaluatedProperties"
	)
	all := strings.Split(inPlace+" "+within, " ")
	slices.Sort(all)
	for what, tc := range map[string]struct {
		got  []*graph.Node
		want string
	}{
		"must apply":     {graph.MustApply(root), "$defs/a $defs/b allOf/0"},
		"in place":       {graph.InPlace(root), "$defs/a " + inPlace},
		"may apply":      {graph.MayApply(root), "$defs/a $defs/b " + inPlace},
		"compiled":       {graph.CompiledInPlace(root), "$defs/a $defs/b " + inPlace},
		"a property":     {graph.OfProperty(root, root.Properties["p"]), "patternProperties/q properties/p propertyNames unevaluatedProperties"},
		"another":        {graph.OfProperty(root, nil), "additionalProperties patternProperties/q propertyNames unevaluatedProperties"},
		"item 1":         {graph.OfItem(root, 1), "contains items/1 unevaluatedItems"},
		"an item beyond": {graph.OfItem(root, 2), "additionalItems contains unevaluatedItems"},
	} {
		if got := places(tc.got); got != tc.want {
			t.Errorf("%s: got %s, want %s", what, got, tc.want)
		}
	}
	if got, want := places(graph.Reaches(root)), "$defs/a $defs/b "+strings.Join(all, " "); got != want {
		t.Errorf("reaches: got %s, want %s", got, want)
	}
}

func TestItemsOfDraft2020(t *testing.T) {
	root, _ := schematest.Compile(t, `{"prefixItems":[{},{}],"items":{},"$dynamicAnchor":"x","properties":{"a":{"$dynamicRef":"#x"},"b":{"$ref":"#"}}}`)
	for i, want := range []string{"prefixItems/0", "prefixItems/1", "items"} {
		if got := places(graph.OfItem(root, i)); got != want {
			t.Errorf("item %d: got %s, want %s", i, got, want)
		}
	}
	if a, b := root.Properties["a"], root.Properties["b"]; !graph.IsDynamic(a) || graph.IsDynamic(b) || graph.IsDynamic(root) {
		t.Error("got the wrong schemas for those with a dynamic reference")
	}
	if got := graph.MustApply(root.Properties["a"]); slices.Contains(got, root) {
		t.Error("got what a dynamic reference may find among what must apply")
	}
	if got := graph.MayApply(root.Properties["a"]); !slices.Contains(got, root) {
		t.Error("got nothing that a dynamic reference may find among what may apply")
	}
	if got := graph.Closure([]*graph.Node{root.Properties["b"]}, graph.MustApply); !slices.Contains(got, root) || len(got) != 2 {
		t.Errorf("got a closure of %d, want the schema and the root", len(got))
	}
}

// A twin of a declared property is refused, whatever stands around the schema; two
// that are declared and twins of one another are none of anybody's.
func TestTwins(t *testing.T) {
	for _, tc := range []struct {
		schema   string
		instance map[string]any
		twin     bool
	}{
		{`{"properties":{"a":{}}}`, map[string]any{"a": 1, "b": 1}, false},
		{`{"properties":{"a":{}}}`, map[string]any{"A": 1}, true},
		{`{"not":{"properties":{"k":{}}}}`, map[string]any{"\u212a": 1}, true},
		{`{"properties":{"a":{},"A":{}}}`, map[string]any{"a": 1}, true},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","contentMediaType":"x","contentSchema":{"properties":{"a":{}}}}`, map[string]any{"A": 1}, false},
	} {
		root, _ := schematest.Compile(t, tc.schema)
		got := func() (twin bool) {
			defer func() {
				e, ok := recover().(graph.TwinError)
				if twin = ok; ok && e.In == nil {
					t.Errorf("%s: got no place of the twin", tc.schema)
				}
			}()
			_ = root.Validate(tc.instance)
			return false
		}()
		if got != tc.twin {
			t.Errorf("%s: %v: got a twin = %v, want %v", tc.schema, tc.instance, got, tc.twin)
		}
	}
	content, _ := schematest.Compile(t, `{"$schema":"http://json-schema.org/draft-07/schema#","contentMediaType":"x","contentSchema":{}}`)
	if got := places(graph.CompiledInPlace(content)); got != "contentSchema" {
		t.Errorf("got %s compiled in place, want contentSchema", got)
	}
	if got := places(graph.Closure([]*graph.Node{content}, graph.Reaches)); got != "contentSchema its root" {
		t.Errorf("got that it reaches %s, want contentSchema", got)
	}
}

func TestLocation(t *testing.T) {
	for location, want := range map[string]string{
		"https://schema.invalid/schema#": "its root", "https://schema.invalid/schema": "its root",
		"https://schema.invalid/schema#/$defs/a": "/$defs/a", "x#/a\nb": `"/a\nb"`,
	} {
		if got := graph.Location(location); got != want {
			t.Errorf("%s: got %s, want %s", location, got, want)
		}
	}
	for url, want := range map[string]bool{
		"http://json-schema.org/draft-07/schema#": true, "https://json-schema.org/draft/2020-12/meta/core": true,
		"https://schema.invalid/schema": false, "https://json-schema.org/schema": false,
	} {
		if got := graph.IsMetaschema(url); got != want {
			t.Errorf("%s: a metaschema: got %v, want %v", url, got, want)
		}
	}
}
