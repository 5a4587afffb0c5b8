package schema_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// A suiteGroup is a schema of the JSON Schema Test Suite with its tests.
type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// A suiteDraft is a draft that the suite has tests of.
type suiteDraft struct {
	name, url string
	draft     schema.Draft
}

// suiteDrafts returns the drafts whose tests are there: those of 7 and 2020-12 must be.
func suiteDrafts(t *testing.T) (drafts []suiteDraft) {
	t.Helper()
	for _, d := range []suiteDraft{
		{"draft4", "http://json-schema.org/draft-04/schema#", schema.Draft4},
		{"draft6", "http://json-schema.org/draft-06/schema#", schema.Draft6},
		{"draft7", "http://json-schema.org/draft-07/schema#", schema.Draft7},
		{"draft2019-09", "https://json-schema.org/draft/2019-09/schema", schema.Draft2019},
		{"draft2020-12", "https://json-schema.org/draft/2020-12/schema", schema.Draft2020},
	} {
		_, err := os.Stat(jsontest.Corpus(t, "json-schema-test-suite", d.name))
		if err != nil && d.draft != schema.Draft7 && d.draft != schema.Draft2020 {
			t.Logf("%s: no tests of it are there", d.name)
			continue
		}
		drafts = append(drafts, d)
	}
	return drafts
}

// suiteRefused are the groups of required tests whose schemas are refused.
var suiteRefused = map[string]string{
	// A metaschema of one's own could switch off what a schema seems to say.
	"draft2020-12/vocabulary.json: schema that uses custom metaschema with with no validation vocabulary": "is none of draft 4, 6, 7, 2019-09 and 2020-12",
	"draft2020-12/vocabulary.json: ignore unrecognized optional vocabulary":                               "is none of draft 4, 6, 7, 2019-09 and 2020-12",
	"draft2019-09/vocabulary.json: schema that uses custom metaschema with with no validation vocabulary": "is none of draft 4, 6, 7, 2019-09 and 2020-12",
	"draft2019-09/vocabulary.json: ignore unrecognized optional vocabulary":                               "is none of draft 4, 6, 7, 2019-09 and 2020-12",
	// jsonschema takes an empty enum for none and accepts everything.
	"draft2019-09/enum.json: empty enum": "is empty: nothing would satisfy it",
	"draft2020-12/enum.json: empty enum": "is empty: nothing would satisfy it",
}

// suiteFailed are the required tests that jsonschema fails, and with it Validate.
var suiteFailed = map[string]bool{
	"draft2020-12/dynamicRef.json: $dynamicRef skips over intermediate resources - direct reference: integer property passes": true,
	"draft2020-12/dynamicRef.json: $dynamicRef skips over intermediate resources - direct reference: string property fails":   true,
}

// The verdicts are those of the JSON Schema Test Suite, with the documents that it
// refers to as resources, but where a format is asserted, and where jsonschema is
// wrong.
func TestCorpusSuite(t *testing.T) {
	refused, toRefuse := 0, 0
	for _, draft := range suiteDrafts(t) {
		for name := range suiteRefused {
			if strings.HasPrefix(name, draft.name+"/") {
				toRefuse++
			}
		}
		opts := schema.Options{Draft: draft.draft, Resources: suiteRemotes(t, draft.name, draft.draft)}
		tests := 0
		files, err := filepath.Glob(filepath.Join(jsontest.Corpus(t, "json-schema-test-suite", draft.name), "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: got %d files, %v", draft.name, len(files), err)
		}
		for _, file := range files {
			for _, g := range suiteGroups(t, file, draft.url) {
				name := draft.name + "/" + filepath.Base(file) + ": " + g.Description
				s, err := schema.CompileWith("suite", g.Schema, opts)
				if want := suiteRefused[name]; want != "" {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: got error %v, want one that says %q", name, err, want)
					}
					refused++
					continue
				}
				if err != nil {
					t.Errorf("%s: got %v, want no error", name, err)
					continue
				}
				for _, tc := range g.Tests {
					tests++
					want := tc.Valid
					// No such format is known to jsonschema.
					idn := strings.Contains(g.Description, "idn-")
					if suiteFailed[name+": "+tc.Description] || !idn && strings.HasSuffix(tc.Description, "is only an annotation by default") {
						want = !want
					}
					if err := s.Validate(tc.Data); (err == nil) != want {
						t.Errorf("%s: %s: got %v, want valid = %v", name, tc.Description, err, want)
					} else if errors.Is(err, schema.ErrIndeterminate) {
						t.Errorf("%s: %s: got %v, want a verdict", name, tc.Description, err)
					}
				}
			}
		}
		t.Logf("%s: %d required tests", draft.name, tests)
	}
	if refused != toRefuse {
		t.Errorf("got %d schemas refused, want %d", refused, toRefuse)
	}
}

// In the optional tests the verdicts are at least those of jsonschema, and a string
// that has not the format is refused where the format is checked.
func TestCorpusSuiteOptional(t *testing.T) {
	refused := 0
	for _, d := range suiteDrafts(t) {
		draft, url := d.name, d.url
		for _, dir := range []string{"optional", "optional/format"} {
			files, err := filepath.Glob(filepath.Join(jsontest.Corpus(t, "json-schema-test-suite", draft, dir), "*.json"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s/%s: got %d files, %v", draft, dir, len(files), err)
			}
			for _, file := range files {
				for _, g := range suiteGroups(t, file, url) {
					s, err := schema.Compile("suite", g.Schema)
					if err != nil {
						continue
					}
					raw := schematest.MustUpstream(t, string(g.Schema))
					for _, tc := range g.Tests {
						got, want := s.Validate(tc.Data), raw.Validate(schematest.Decode(t, string(tc.Data)))
						if format := strings.TrimSuffix(filepath.Base(file), ".json"); dir == "optional/format" && want == nil && !tc.Valid &&
							jsonschema.Formats[format] != nil {
							if punycode := format == "hostname" && strings.Contains(strings.ToLower(string(tc.Data)), "xn--"); got == nil && !punycode {
								t.Errorf("%s: %s: %s: got no error, want it refused", file, tc.Description, tc.Data)
							}
							refused++
							continue
						}
						if (got == nil) != (want == nil) {
							t.Errorf("%s: %s: %s: got %v, but jsonschema says %v", file, g.Description, tc.Description, got, want)
						}
					}
				}
			}
		}
	}
	t.Logf("%d strings have not the format, as jsonschema does not say", refused)
}

// suiteRemotes returns the documents that the suite's schemas refer to, but for
// those that are no schemas of the draft or refer to one that is not among them.
func suiteRemotes(t *testing.T, name string, draft schema.Draft) map[string][]byte {
	t.Helper()
	root := os.DirFS(jsontest.Corpus(t, "json-schema-test-suite", "remotes"))
	texts := make(map[string][]byte)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() != name && (strings.HasPrefix(d.Name(), "draft") || d.Name() == "v1"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		texts["http://localhost:1234/"+path], err = fs.ReadFile(root, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	remotes := make(map[string][]byte)
	for more := true; more; {
		more = false
		for uri, text := range texts {
			try := maps.Clone(remotes)
			try[uri] = text
			if _, err := schema.CompileWith("suite", []byte(`{"$ref":"`+uri+`"}`), schema.Options{Draft: draft, Resources: try}); err == nil {
				remotes[uri], more = text, true
				delete(texts, uri)
			}
		}
	}
	if len(remotes) == 0 {
		t.Fatalf("%s: got none of the documents that it refers to", name)
	}
	return remotes
}

// suiteGroups reads one file of the suite. Schemas that name no draft get the one
// given, as the suite demands.
func suiteGroups(t *testing.T, file, url string) []suiteGroup {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var groups []suiteGroup
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		var m map[string]json.RawMessage
		if json.Unmarshal(groups[i].Schema, &m) != nil || m["$schema"] != nil {
			continue
		}
		m["$schema"], _ = json.Marshal(url)
		if groups[i].Schema, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
	}
	return groups
}

// A toolCall is one of the calls of BFCL.
type toolCall struct {
	Tool, Kind, Expect string
	Schema, Args       json.RawMessage
}

func toolCalls(t *testing.T) []toolCall {
	t.Helper()
	f, err := os.Open(jsontest.Corpus(t, "bfcl", "tool_gate_cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return jsonLines[toolCall](t, z)
}

// jsonLines reads a value from each line.
func jsonLines[T any](t *testing.T, r io.Reader) []T {
	t.Helper()
	var all []T
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// Of 11,924 tool calls the arguments are judged as expected; those whose tools'
// names are wrong are another gate's.
func TestCorpusToolCalls(t *testing.T) {
	compiled := make(map[string]*schema.Schema)
	judged := make(map[string]int)
	for _, c := range toolCalls(t) {
		s := compiled[string(c.Schema)]
		if s == nil {
			s = mustCompile(t, string(c.Schema)).Closed()
			compiled[string(c.Schema)] = s
		}
		want := c.Expect
		if strings.HasPrefix(c.Kind, "tool_name_") {
			want = "allow"
		}
		got := "allow"
		if len(violations(s.Validate(c.Args))) > 0 {
			got = "deny"
		}
		if got != want {
			t.Errorf("%s: %s: %s: got %s, want %s", c.Kind, c.Tool, c.Args, got, want)
		}
		judged[c.Kind]++
	}
	t.Logf("%d schemas, calls %v", len(compiled), judged)
	if n := judged["valid"]; n != 1738 {
		t.Errorf("got %d valid calls, want 1738", n)
	}
}

// A recordedCall is one of the calls of tau-bench.
type recordedCall struct{ Name, Arguments string }

// recordedCalls returns the schemas of tau-bench's tools and the calls of them.
func recordedCalls(t *testing.T) (schemas map[string]string, calls []recordedCall) {
	t.Helper()
	text, err := os.ReadFile(jsontest.Corpus(t, "tau-bench", "airline_tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tools []struct {
		Function struct {
			Name       string
			Parameters json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &tools); err != nil {
		t.Fatal(err)
	}
	schemas = make(map[string]string)
	for _, tool := range tools {
		schemas[tool.Function.Name] = string(tool.Function.Parameters)
	}
	f, err := os.Open(jsontest.Corpus(t, "tau-bench", "airline_calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return schemas, jsonLines[recordedCall](t, f)
}

// Real tool calls of a large model violate none of the contracts.
func TestCorpusRecordedToolCalls(t *testing.T) {
	schemas, calls := recordedCalls(t)
	contracts := make(map[string]*schema.Schema)
	for name, text := range schemas {
		contracts[name] = mustCompile(t, text).Closed()
	}
	for _, c := range calls {
		s := contracts[c.Name]
		if s == nil {
			t.Errorf("got a call of %s, which is no tool", c.Name)
			continue
		}
		if err := s.Validate([]byte(c.Arguments)); err != nil {
			t.Errorf("%s(%s): got %v, want no error", c.Name, c.Arguments, err)
		}
	}
	if len(calls) != 572 {
		t.Errorf("got %d calls, want 572", len(calls))
	}
}
