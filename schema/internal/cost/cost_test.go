package cost_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/cost"
	"example.com/safeconduct/schema/internal/schematest"
)

// analyse returns the bill of a schema.
func analyse(t testing.TB, text string) *cost.Bill {
	t.Helper()
	root, dynamic := schematest.Compile(t, text)
	b, _, err := cost.Analyse(root, dynamic, nil)
	if err != nil {
		t.Fatalf("%.200s: got %v, want no error", text, err)
	}
	return b
}

func parse(t schematest.T, instance []byte) *strictjson.Document {
	t.Helper()
	doc, f := strictjson.Parse(string(instance), strictjson.MaxBytes, true)
	if f != nil {
		t.Fatalf("%s: %v", instance, f)
	}
	return doc
}

// A schema is refused for what it asks for at its own place, for a chain of schemas
// that is too long, and for one that leads back to where it stands.
func TestAnalyseRefuses(t *testing.T) {
	chain := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"s%d":{"$ref":"#/$defs/s%d"},`, i, i+1)
		}
		return fmt.Sprintf(`{"$ref":"#/$defs/s0","$defs":{%s"s%d":true}}`, b.String(), n)
	}
	for _, tc := range []struct{ text, want string }{
		{schematest.Doubling(11), ""},
		{schematest.Doubling(12), "costs more than 10000 at one place, at /"},
		{`{"enum":` + schematest.Array("7", 9_998) + `}`, ""},
		{`{"enum":` + schematest.Array("7", 10_000) + `}`, "costs more than 10000 at one place, at its root"},
		{`{"enum":[` + schematest.Array(`{"a":7}`, 5_000) + `]}`, "costs more than 10000 at one place, at its root"},
		{`{"properties":{"a":{"enum":` + schematest.Array("7", 10_000) + `}}}`, "costs more than 10000 at one place, at /properties/a"},
		{chain(30), ""},
		{chain(31), "more than 32 schemas refer to one another at one place, at its root"},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"x":{"$ref":"#/$defs/b"}},"if":{"$ref":"#/$defs/b"}},"b":{"if":{"$ref":"#/$defs/a"}}}}`,
			"refers to itself at the same place, by way of /"},
	} {
		root, dynamic := schematest.Compile(t, tc.text)
		b, nodes, err := cost.Analyse(root, dynamic, nil)
		switch {
		case tc.want == "" && (err != nil || b == nil || nodes[root.Location] != root):
			t.Errorf("%.80s: got %v, want no error", tc.text, err)
		case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)):
			t.Errorf("%.80s: got %v, want %s", tc.text, err, tc.want)
		}
	}
}

// What covers a text covers the document that it is, and what it costs exactly.
func TestCoversIsAnUpperBound(t *testing.T) {
	for _, text := range schematest.Schemas() {
		b := analyse(t, text)
		for _, instance := range jsontest.Instances() {
			doc, f := strictjson.Parse(instance, strictjson.MaxBytes, true)
			if f != nil {
				continue
			}
			values, depth := 0, 0
			for at, n := range doc.Values {
				if values += n; n > 0 {
					depth = at
				}
			}
			if !b.Affords(doc) {
				t.Errorf("%s: %s: got too much, want not", text, instance)
			}
			if b.Covers(len(instance), 1<<30, depth) {
				t.Errorf("%s: got any number of values covered", text)
			}
			if !b.Covers(len(instance), values, depth) && b.Total(doc) < cost.MaxWork/100 {
				t.Errorf("%s: %s: got not covered, want what is cheap covered", text, instance)
			}
		}
	}
}

// What an instance costs is worked out from the schemas that apply to it, and not from
// the dearest that might.
func TestOneDearPropertyCostsNoOther(t *testing.T) {
	var alternatives strings.Builder
	for i := range 400 {
		fmt.Fprintf(&alternatives, `{"properties":{"p%d":{"const":%d}}},`, i, i)
	}
	b := analyse(t, `{"properties":{"dear":{"items":{"allOf":[`+alternatives.String()+
		`true]}},"cheap":{"items":{"type":"object","minProperties":1,"not":{"required":["x"]}}}}}`)
	cheap := []byte(`{"cheap":` + schematest.Array(`{"a":1}`, 1000) + `}`)
	doc := parse(t, cheap)
	if work := b.Total(doc); work < cost.MaxWork {
		t.Errorf("got %v for the worst instance like it, want more than MaxWork: the test is void", work)
	}
	if work := b.Exact(doc); work > 20_000 {
		t.Errorf("got %v, want at most some of each value", work)
	}
	if !b.Affords(doc) {
		t.Error("got that the instance costs too much, want that it does not")
	}
	if dear := parse(t, []byte(`{"dear":`+schematest.Array(`{"a":1}`, 1000)+`}`)); b.Affords(dear) {
		t.Error("the dear property: got that it does not cost too much, want that it does")
	}
}

// What judges a value twice costs twice, and what a reference may find when it runs
// costs as if it did.
func TestWorkCountsEachJudgement(t *testing.T) {
	const draft2019 = `"$schema":"https://json-schema.org/draft/2019-09/schema",`
	dear := `"enum":` + schematest.Array("7", 500)
	anchors := ""
	for i := range 200 {
		anchors += fmt.Sprintf(`"a%d":{"$dynamicAnchor":"a%d"},`, i, i)
	}
	for _, tc := range []struct {
		name, cheap, dear string
		instance          string
		times             float64
	}{
		{"a schema, twice", `{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"items":{` + dear + `}}}}`,
			`{"properties":{"a":{"allOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]}},"$defs":{"n":{"items":{` + dear + `}}}}`, `{"a":[7,7,7]}`, 1.9},
		{"and that twice", `{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"items":{"$ref":"#/$defs/m"}},"m":{"items":{` + dear + `}}}}`,
			`{"properties":{"a":{"allOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]}},"$defs":{"n":{"items":{"allOf":[{"$ref":"#/$defs/m"},{"$ref":"#/$defs/m"}]}},"m":{"items":{` + dear + `}}}}`, `{"a":[[7,7],[7]]}`, 3.8},
		{"unique items, twice", `{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"uniqueItems":true}}}`,
			`{"properties":{"a":{"allOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]}},"$defs":{"n":{"uniqueItems":true}}}`, `{"a":` + numbers(1000) + `}`, 3},
		{"what a dynamic reference looks through", `{"$ref":"#/$defs/a0","$defs":{` + anchors + `"x":true}}`,
			`{"$dynamicRef":"#a0","$defs":{` + anchors + `"x":true}}`, `1`, 5},
		{"what a recursive reference finds",
			`{` + draft2019 + `"$recursiveAnchor":true,"$ref":"tree",` + dear + `,"$defs":{"tree":{"$id":"tree","properties":{"x":{"$recursiveRef":"#"}}}}}`,
			`{` + draft2019 + `"$recursiveAnchor":true,"$ref":"tree",` + dear +
				`,"$defs":{"tree":{"$id":"tree","$recursiveAnchor":true,"properties":{"x":{"$recursiveRef":"#"}}}}}`, `{"x":{"x":{"x":{}}}}`, 3},
	} {
		doc := parse(t, []byte(tc.instance))
		cheap, dear := analyse(t, tc.cheap).Exact(doc), analyse(t, tc.dear).Exact(doc)
		if cheap <= 0 || dear < tc.times*cheap {
			t.Errorf("%s: got %v and %v, want at least %v times as much", tc.name, cheap, dear, tc.times)
		}
	}
}

// What jsonschema came through to a judgement makes it dearer: a way of three times as many
// schemas from one value to the next costs more than three times as much deep within one.
func TestALongWayToAJudgementCostsMore(t *testing.T) {
	way := func(n int) *cost.Bill {
		return analyse(t, strings.Repeat(`{"allOf":[`, n)+`{"items":{"$ref":"#"}}`+strings.Repeat("]}", n))
	}
	doc := parse(t, []byte(strings.Repeat("[", 30)+strings.Repeat("]", 30)))
	short, long := way(8).Exact(doc), way(24).Exact(doc)
	if short <= 0 || long < 5*short {
		t.Errorf("got %v and %v, want at least 5 times as much", short, long)
	}
}

// A schema costs a keyword of its own, and one for all that it looks at.
func TestWhatASchemaCosts(t *testing.T) {
	work := func(text, instance string) float64 { return analyse(t, text).Exact(parse(t, []byte(instance))) }
	long := `"` + strings.Repeat("x", cost.ScanPrice) + `"`
	for _, tc := range []struct {
		text, instance string
		keywords       float64
	}{
		{`{}`, `1`, 1},
		{`{"required":["a","b"]}`, `1`, 3},
		{`{"dependentRequired":{"a":["b","c"]}}`, `1`, 4},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b","c"]}}`, `1`, 4},
		{`{"enum":[1,[2,3]]}`, `1`, 5},
		{`{"const":{"a":1}}`, `1`, 3},
		{`{"properties":{"a":{}}}`, `1`, 2},
		{`{"patternProperties":{"a":{}}}`, `1`, 2},
		{`{}`, `1e96`, 4},
		{`{"pattern":"abcd"}`, long, 1 + 4},
		{`{"patternProperties":{"abcd":true,"ab":true}}`, `{` + long + `:1}`, 3 + 6 + 2 + 1},
	} {
		if got := work(tc.text, tc.instance) / work(`{}`, `1`); math.Abs(got-tc.keywords) > 0.1 {
			t.Errorf("%s: %.20s: got %v times as much as by an empty schema, want %v", tc.text, tc.instance, got, tc.keywords)
		}
	}
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", i)
	}
	return "[" + b.String()[1:] + "]"
}

// jsonschema never judges more often than the work that was worked out before.
func TestWorkIsAnUpperBound(t *testing.T) {
	most := 0.0
	rapid.Check(t, func(t *rapid.T) {
		text := schematest.DrawSchema(t)
		if _, err := schematest.Upstream(text); err != nil {
			return
		}
		root, dynamic := schematest.Compile(t, text)
		b, _, err := cost.Analyse(root, dynamic, nil)
		if err != nil {
			return
		}
		judged := 0
		raw, err := counting(text, &judged)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := json.Marshal(jsontest.DrawValue(t, 4))
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Validate(jsontest.DecodeValue(instance))
		doc := parse(t, instance)
		work, exact := b.Total(doc), b.Exact(doc)
		if float64(judged) > exact || exact > work && exact <= cost.MaxWork {
			t.Fatalf("%s: %s: got %d judgements, want at most %v, and that at most %v", text, instance, judged, exact, work)
		}
		most = max(most, float64(judged)/exact)
	})
	t.Logf("at most %.2f of the bound", most)
}

// counting compiles a schema with jsonschema and counts how often one in it judges
// a value of a type that it is for.
func counting(text string, n *int) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat = true
	c.LoadURL = func(url string) (io.ReadCloser, error) { return nil, errors.New("no " + url) }
	c.RegisterExtension("count", nil, counter{n})
	const url = "https://upstream.invalid/schema"
	if err := c.AddResource(url, strings.NewReader(text)); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

type counter struct{ n *int }

func (c counter) Compile(jsonschema.CompilerContext, map[string]any) (jsonschema.ExtSchema, error) {
	return c, nil
}

func (c counter) Validate(jsonschema.ValidationContext, any) error {
	*c.n++
	return nil
}
