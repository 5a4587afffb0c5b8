package collector_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/schema"
)

// A doc is the OpenAPI document, as far as the tests look at it.
type doc struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Schemas map[string]json.RawMessage }

	mu      sync.Mutex
	schemas map[string]*schema.Schema
	met     map[string]bool // "method path status"
}

type operation struct {
	Responses map[string]struct {
		Content map[string]struct{ Schema json.RawMessage }
	}
}

var document = func() func(t testing.TB) *doc {
	var once sync.Once
	var d *doc
	return func(t testing.TB) *doc {
		once.Do(func() {
			d = &doc{schemas: make(map[string]*schema.Schema), met: make(map[string]bool)}
			if err := json.Unmarshal(collector.OpenAPI(), d); err != nil {
				t.Fatal(err)
			}
		})
		return d
	}
}()

// operation finds what the document says of a path.
func (d *doc) operation(t testing.TB, method, path string) (name string, op *operation) {
	t.Helper()
	for template, item := range d.Paths {
		pattern := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), `[^/]+`)
		if !regexp.MustCompile("^" + pattern + "$").MatchString(path) {
			continue
		}
		raw, ok := item[strings.ToLower(method)]
		if !ok {
			return template, nil
		}
		op = new(operation)
		if err := json.Unmarshal(raw, op); err != nil {
			t.Fatal(err)
		}
		return template, op
	}
	return "", nil
}

// check checks an answer against the document: its status, its content type and
// its body.
func (d *doc) check(t testing.TB, method, path string, a *answer) {
	t.Helper()
	name, op := d.operation(t, method, path)
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if op == nil { // an unknown path, or a method that it does not have
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed || kind != "application/problem+json" {
			t.Errorf("%s %s: got %v, and the document has no such operation", method, path, a)
		}
		d.validate(t, json.RawMessage(`{"$ref":"#/components/schemas/Problem"}`), a)
		return
	}
	response, ok := op.Responses[strconv.Itoa(a.status)]
	if !ok {
		t.Errorf("%s %s: the document does not have the status of %v", method, name, a)
		return
	}
	d.mark(method, name, strconv.Itoa(a.status))
	content, ok := response.Content[kind]
	switch {
	case len(response.Content) == 0 && len(a.body) == 0:
	case !ok:
		t.Errorf("%s %s: got content type %q of %v, which the document does not have", method, name, kind, a)
	case strings.HasSuffix(kind, "json"):
		d.validate(t, content.Schema, a)
	}
}

// mark notes what was answered.
func (d *doc) mark(method, path, status string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.met[method+" "+path+" "+status] = true
}

// validate checks a body against a schema of the document.
func (d *doc) validate(t testing.TB, s json.RawMessage, a *answer) {
	t.Helper()
	d.mu.Lock()
	compiled := d.schemas[string(s)]
	d.mu.Unlock()
	if compiled == nil {
		compiled = d.compile(t, s)
		d.mu.Lock()
		d.schemas[string(s)] = compiled
		d.mu.Unlock()
	}
	if err := compiled.Validate(a.body); err != nil {
		t.Errorf("%v: %v", a, err)
	}
}

// compile compiles a schema with the others of the document as its definitions.
func (d *doc) compile(t testing.TB, s json.RawMessage) *schema.Schema {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(s, &whole); err != nil {
		t.Fatal(err)
	}
	whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	whole["$defs"] = d.Components.Schemas
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := schema.Compile("openapi", []byte(strings.ReplaceAll(string(text), "#/components/schemas/", "#/$defs/")))
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestTheDocument(t *testing.T) {
	s := newSite(t, nil)
	if a := s.send("GET", "/openapi.json", "", nil); a.status != http.StatusOK || string(a.body) != string(collector.OpenAPI()) {
		t.Errorf("got %v", a)
	}
	d := document(t)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("got version %q", d.OpenAPI)
	}
	for _, raw := range d.Components.Schemas {
		d.compile(t, raw)
	}
	for _, path := range []string{"/", "/v1", "/v1/records/x", "/v2/records"} {
		if a := s.send("GET", path, auditor, nil); a.status != http.StatusNotFound {
			t.Errorf("%s: got %v", path, a)
		}
	}
	for path, allow := range map[string]string{"/v1/records": "POST", "/v1/checkpoints/prod": "GET, POST", "/v1/runs": "GET", "/healthz": "GET"} {
		if a := s.send("DELETE", path, auditor, nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != allow {
			t.Errorf("%s: got %v, %v, want %s", path, a, a.header, allow)
		}
	}
}

// unmet returns what the document says can be answered, and no test was.
func (d *doc) unmet() (statuses []string) {
	for path, item := range d.Paths {
		for method, raw := range item {
			var op operation
			if json.Unmarshal(raw, &op) != nil {
				continue // what all methods share
			}
			for status := range op.Responses {
				if name := strings.ToUpper(method) + " " + path + " " + status; !d.met[name] {
					statuses = append(statuses, name)
				}
			}
		}
	}
	slices.Sort(statuses)
	return statuses
}
