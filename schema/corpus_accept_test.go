package schema_test

import (
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// An example is an instance of a schema.
type example struct {
	contract
	instance string
}

// realCalls returns the valid calls of BFCL and those of tau-bench.
func realCalls(t *testing.T) []example {
	t.Helper()
	var all []example
	contracts := make(map[string]contract)
	add := func(text, instance string) {
		c, ok := contracts[text]
		if !ok {
			c = newContract(t, text)
			contracts[text] = c
		}
		all = append(all, example{c, instance})
	}
	for _, c := range toolCalls(t) {
		if c.Kind == "valid" {
			add(string(c.Schema), string(c.Args))
		}
	}
	schemas, calls := recordedCalls(t)
	for _, c := range calls {
		add(schemas[c.Name], c.Arguments)
	}
	return all
}

// suiteSamples returns all tests of the JSON Schema Test Suite whose schemas
// compile, the optional ones too.
func suiteSamples(t *testing.T) []example {
	t.Helper()
	var all []example
	for _, draft := range suiteDrafts(t) {
		for _, dir := range []string{".", "optional", "optional/format"} {
			files, err := filepath.Glob(filepath.Join(jsontest.Corpus(t, "json-schema-test-suite", draft.name, dir), "*.json"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s/%s: got %d files, %v", draft.name, dir, len(files), err)
			}
			for _, file := range files {
				for _, g := range suiteGroups(t, file, draft.url) {
					s, err := schema.Compile("suite", g.Schema)
					if err != nil {
						continue
					}
					c := contract{string(g.Schema), s, schematest.MustUpstream(t, string(g.Schema))}
					for _, tc := range g.Tests {
						all = append(all, example{c, string(tc.Data)})
					}
				}
			}
		}
	}
	return all
}

// Of the schemas that jsonschema compiles less than one in 200 is refused, and none for
// what it costs.
func TestCorpusRefusesFewSchemas(t *testing.T) {
	texts := make(map[string]bool)
	for _, c := range toolCalls(t) {
		texts[string(c.Schema)] = true
	}
	tools, _ := recordedCalls(t)
	for _, text := range tools {
		texts[text] = true
	}
	for _, d := range suiteDrafts(t) {
		for _, dir := range []string{".", "optional", "optional/format"} {
			files, err := filepath.Glob(filepath.Join(jsontest.Corpus(t, "json-schema-test-suite", d.name, dir), "*.json"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s/%s: got %d files, %v", d.name, dir, len(files), err)
			}
			for _, file := range files {
				for _, g := range suiteGroups(t, file, d.url) {
					texts[string(g.Schema)] = true
				}
			}
		}
	}
	compiled, refused := 0, 0
	for text := range texts {
		if _, err := schematest.Upstream(text); err != nil {
			continue
		}
		compiled++
		if _, err := schema.Compile("suite", []byte(text)); err != nil {
			refused++
			t.Logf("%.200s: %v", text, err)
			if strings.Contains(err.Error(), "costs") || strings.Contains(err.Error(), "too many ways") {
				t.Errorf("%.200s: got %v, want no error", text, err)
			}
		}
	}
	t.Logf("%d of %d refused", refused, compiled)
	if 200*refused >= compiled {
		t.Errorf("got %d of %d schemas refused, want less than one in 200", refused, compiled)
	}
}

// The fast path accepts nearly all real tool calls, so that jsonschema judges what
// is wrong or odd alone.
func TestCorpusShareOfTheFastPath(t *testing.T) {
	calls := realCalls(t)
	accepted, asArguments := 0, 0
	covered := make(map[*schema.Schema]bool)
	closed := make(map[*schema.Schema]*schema.Schema)
	for _, c := range calls {
		if closed[c.s] == nil {
			closed[c.s] = c.s.Closed()
		}
		if closed[c.s].Accepts(c.instance) {
			asArguments++
		}
		if _, seen := covered[c.s]; !seen {
			covered[c.s] = true
		}
		if c.sound(t, c.instance) {
			accepted++
		} else {
			covered[c.s] = false
		}
	}
	whole := 0
	for _, is := range covered {
		if is {
			whole++
		}
	}
	t.Logf("accepted at once: %d of %d calls, %d as arguments of tools; all calls of %d of %d schemas", accepted, len(calls), asArguments, whole, len(covered))
	if 100*min(accepted, asArguments) < 95*len(calls) || 100*whole < 95*len(covered) {
		t.Errorf("got %d and %d of %d calls and %d of %d schemas, want at least 95%% of each", accepted, asArguments, len(calls), whole, len(covered))
	}
}

// What the fast path accepts jsonschema accepts: of every test of the suite, and
// of 100,000 texts that were made of real calls and of the suite's; of a tenth of
// them under the race detector.
func TestCorpusAcceptsSoundly(t *testing.T) {
	const generated = 100_000 / jsontest.Slack
	suite := suiteSamples(t)
	accepted := 0
	for _, c := range suite {
		if c.sound(t, c.instance) {
			accepted++
		}
	}
	t.Logf("the suite: accepted at once: %d of %d", accepted, len(suite))
	if accepted < len(suite)/10 {
		t.Errorf("got %d of %d of the suite accepted, want many", accepted, len(suite))
	}
	m, samples := jsontest.NewMutator(2), append(suite, realCalls(t)...)
	accepted = 0
	for i := range generated {
		c := samples[i%len(samples)]
		if c.sound(t, m.Mutate(c.instance)) {
			accepted++
		}
	}
	t.Logf("generated: accepted at once: %d of %d", accepted, generated)
	if accepted < generated/10 {
		t.Errorf("got %d of %d generated accepted, want many", accepted, generated)
	}
}
