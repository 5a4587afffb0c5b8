package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// rootURL names a schema that has no $id. It is absolute, or else the working
// directory would show in errors, and under a domain that never resolves (RFC
// 6761).
const (
	baseURL = "https://schema.invalid/"
	rootURL = baseURL + "schema"
)

// Where schemas stand within a schema. Which draft knows which keyword does not
// matter here: what a draft does not know it ignores.
var (
	holdsSchema  = []string{"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
	holdsSchemas = []string{"allOf", "anyOf", "items", "oneOf", "prefixItems"}
	namesSchemas = []string{"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}

	references = []string{"$ref", "$dynamicRef", "$recursiveRef"}
	counts     = []string{"maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength", "minProperties"}
)

// A survey looks at every schema within a schema's document, and at everything
// that it refers to, before a validator sees it.
type survey struct {
	draft     Draft
	urls      map[string]string    // of resources that were handed in, by their URIs; of the schema by ""
	resources map[string]*resource // by their URLs
	refs      []reference
	walked    map[string]bool // pointers to schemas
	schemas   []located       // the objects among them
	targets   map[string]bool // pointers that references follow
	size      int             // of all targets together
	dynamic   []string        // pointers to schemas that a dynamic reference may find

	programs     map[string]int // instructions of each regular expression
	instructions int            // of all of them
}

// A resource is the root schema, or one within it that has an $id.
type resource struct {
	pointer string
	doc     any
	anchors map[string]bool
}

// A located is a schema and the pointer to it.
type located struct {
	pointer string
	schema  map[string]any
}

// A reference is a $ref, $dynamicRef or $recursiveRef.
type reference struct{ pointer, base, text string }

// look surveys the document of a schema, and its resources.
func look(src *source, want Draft) (*survey, error) {
	s := &survey{
		draft:     Draft2020,
		urls:      map[string]string{"": rootURL},
		resources: make(map[string]*resource),
		walked:    make(map[string]bool),
		targets:   make(map[string]bool),
		programs:  make(map[string]int),
	}
	if err := s.choose(src.doc, want); err != nil {
		return nil, err
	}
	base, err := s.document(src.doc, "", rootURL)
	if err != nil {
		return nil, err
	}
	total := size(src.doc)
	for _, uri := range slices.Sorted(maps.Keys(src.resources)) {
		if err := s.resource(uri, base, src.resources[uri]); err != nil {
			return nil, err
		}
		total += size(src.resources[uri])
	}
	for i := 0; i < len(s.refs); i++ { // following one may find more
		if err := s.follow(s.refs[i]); err != nil {
			return nil, err
		}
		// Of a target that is within another one all is looked at again.
		if s.size > 2*total+1000 {
			return nil, at(s.refs[i].pointer, "the schemas that are referred to hold one another too often")
		}
	}
	return s, nil
}

// choose finds out the draft.
func (s *survey) choose(doc any, want Draft) error {
	switch want {
	case 0:
	case Draft4, Draft6, Draft7, Draft2019, Draft2020:
		s.draft = want
	default:
		return fmt.Errorf("the draft %d is none of 4, 6, 7, 2019 and 2020", want)
	}
	m, _ := doc.(map[string]any)
	v, ok := m["$schema"]
	if !ok {
		return nil
	}
	u, _ := v.(string)
	d, ok := draftOf(u)
	switch {
	case !ok:
		return at("/$schema", "%s is none of draft 4, 6, 7, 2019-09 and 2020-12", quote(v))
	case want != 0 && d != want:
		return at("/$schema", "%s is not the draft that was asked for", quote(v))
	}
	s.draft = d
	return nil
}

// document surveys a whole document, and returns the base of references at its
// root.
func (s *survey) document(doc any, pointer, u string) (base string, err error) {
	m, isMap := doc.(map[string]any)
	if _, isBool := doc.(bool); !isMap && !isBool {
		const why = "a schema is an object, true or false"
		if pointer != "" {
			return "", at(pointer, why)
		}
		return "", errors.New(why)
	}
	id := s.id(m)
	if base, err = resolve(u, id); err != nil {
		return "", at(pointer+"/"+s.idKeyword(), "%s is no URI reference", quote(id))
	}
	if id == "" {
		s.resources[u] = &resource{pointer, doc, make(map[string]bool)}
	}
	return base, s.walk(doc, pointer, u)
}

// resource surveys a schema that was handed in under a URI, which is relative to
// the base. An $id of its own is the base of its references.
func (s *survey) resource(uri, base string, doc any) error {
	u, err := resolve(base, uri)
	if err != nil || uri == "" || strings.HasPrefix(uri, "/") || strings.Contains(uri, "#") {
		return fmt.Errorf("the resource %s has no URI that begins with a name and has no fragment", quote(uri))
	}
	if _, ok := draftOf(u); ok || builtin(u) || s.resources[u] != nil || u == rootURL {
		return fmt.Errorf("the resource %s has the URI of another schema", quote(uri))
	}
	s.urls[uri] = u
	id, err := s.document(doc, uri+"#", u)
	if err != nil {
		return err
	}
	s.resources[u] = s.resources[id]
	return nil
}

// absolute returns the URL of a place.
func (s *survey) absolute(pointer string) string {
	uri := ""
	if !strings.HasPrefix(pointer, "/") {
		uri, pointer, _ = strings.Cut(pointer, "#")
	}
	return s.urls[uri] + "#" + fragment(pointer)
}

// at makes an error about the place in a schema that a pointer leads to.
func at(pointer, format string, args ...any) error {
	return fmt.Errorf("at %s: %s", visible(clip(pointer, MaxReason)), fmt.Sprintf(format, args...))
}

// quote returns part of a schema for an error.
func quote(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "it"
	}
	return visible(clip(string(b), 100))
}

// idKeyword returns the keyword that names a schema.
func (s *survey) idKeyword() string {
	if s.draft == Draft4 {
		return "id"
	}
	return "$id"
}

// id returns the $id of a schema without its fragment.
func (s *survey) id(m map[string]any) string {
	id, _, _ := strings.Cut(s.named(m), "#")
	return id
}

// named returns the $id of a schema.
func (s *survey) named(m map[string]any) string {
	if _, ok := m["$ref"]; ok && s.draft <= Draft7 {
		return "" // a $ref hides what stands beside it
	}
	id, _ := m[s.idKeyword()].(string)
	return id
}

// walk surveys the schema v, which stands at the pointer.
func (s *survey) walk(v any, pointer, base string) error {
	if s.walked[pointer] {
		return nil
	}
	s.walked[pointer] = true
	if len(s.walked) > MaxSubschemas {
		return fmt.Errorf("holds more than %d schemas", MaxSubschemas)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	s.schemas = append(s.schemas, located{pointer, m})
	base, err := s.enter(m, pointer, base)
	if err != nil {
		return err
	}
	r := s.resources[base]
	if err := s.check(m, pointer, r != nil && r.pointer == pointer); err != nil {
		return err
	}
	for _, kw := range references {
		if ref, ok := m[kw].(string); ok {
			s.refs = append(s.refs, reference{pointer + "/" + kw, base, ref})
		}
	}
	for _, kw := range holdsSchema {
		if sub, ok := m[kw]; ok {
			if err := s.walk(sub, pointer+"/"+kw, base); err != nil {
				return err
			}
		}
	}
	for _, kw := range holdsSchemas {
		subs, _ := m[kw].([]any)
		for i, sub := range subs {
			if err := s.walk(sub, pointer+"/"+kw+"/"+strconv.Itoa(i), base); err != nil {
				return err
			}
		}
	}
	for _, kw := range namesSchemas {
		subs, _ := m[kw].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(subs)) {
			if err := s.walk(subs[name], pointer+"/"+kw+"/"+escapeToken(name), base); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter notes what can be referred to, and returns the base of references within
// the schema m.
func (s *survey) enter(m map[string]any, pointer, base string) (string, error) {
	if id := s.id(m); id != "" {
		u, err := resolve(base, id)
		if err != nil {
			return "", at(pointer+"/"+s.idKeyword(), "%s is no URI reference", quote(id))
		}
		if _, ok := draftOf(u); ok || builtin(u) {
			return "", at(pointer+"/"+s.idKeyword(), "%s is a metaschema's", quote(id))
		}
		if s.resources[u] != nil {
			return "", at(pointer+"/"+s.idKeyword(), "%s stands twice in the schema", quote(id))
		}
		s.resources[u] = &resource{pointer, m, make(map[string]bool)}
		base = u
	}
	anchors := []any{m["$anchor"], m["$dynamicAnchor"]}
	if s.draft <= Draft7 {
		_, fragment, _ := strings.Cut(s.named(m), "#")
		anchors = []any{fragment}
	}
	for _, a := range anchors {
		name, _ := a.(string)
		r := s.resources[base]
		switch {
		case name == "" || r == nil:
		case r.anchors[name]:
			return "", at(pointer, "the anchor %s stands twice in the schema", quote(name))
		default:
			r.anchors[name] = true
		}
	}
	if m["$dynamicAnchor"] != nil || m["$recursiveAnchor"] != nil {
		s.dynamic = append(s.dynamic, pointer)
	}
	return base, nil
}

// check refuses what a validator would trip over or silently ignore. A $schema has a
// meaning in a resource alone.
func (s *survey) check(m map[string]any, pointer string, resource bool) error {
	if v, ok := m["$schema"]; ok && resource {
		u, _ := v.(string)
		if d, ok := draftOf(u); !ok || d != s.draft {
			return at(pointer+"/$schema", "%s is not the draft of the whole schema", quote(v))
		}
	}
	if _, ok := m["regexProperties"]; ok {
		// jsonschema would take it for a keyword of its own.
		return at(pointer+"/regexProperties", "is no keyword of JSON Schema")
	}
	for _, kw := range counts {
		n, ok := m[kw].(json.Number)
		if !ok {
			continue
		}
		if f, err := n.Float64(); err != nil || f > math.MaxInt32 {
			return at(pointer+"/"+kw, "is more than %d", math.MaxInt32)
		}
	}
	if e, ok := m["enum"].([]any); ok && len(e) == 0 {
		return at(pointer+"/enum", "is empty: nothing would satisfy it")
	}
	if pattern, ok := m["pattern"].(string); ok {
		if err := s.pattern(pattern, pointer+"/pattern"); err != nil {
			return err
		}
	}
	patterns, _ := m["patternProperties"].(map[string]any)
	for _, pattern := range slices.Sorted(maps.Keys(patterns)) {
		if err := s.pattern(pattern, pointer+"/patternProperties"); err != nil {
			return err
		}
	}
	return nil
}

// pattern refuses a regular expression that is too large or that RE2 does not
// have.
func (s *survey) pattern(pattern, pointer string) error {
	if len(pattern) > MaxPattern {
		return at(pointer, "a regular expression of %d bytes is longer than %d", len(pattern), MaxPattern)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return at(pointer, "%s is no regular expression of RE2: %s", quote(pattern), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return at(pointer, "%s does not compile: %s", quote(pattern), err)
	}
	// The validator compiles each occurrence again.
	if s.instructions += len(prog.Inst); s.instructions > maxPrograms {
		return at(pointer, "the regular expressions up to %s repeat too much", quote(pattern))
	}
	s.programs[pattern] = len(prog.Inst)
	return nil
}

// follow refuses a reference that leads out of the schema or nowhere.
func (s *survey) follow(ref reference) error {
	target, err := resolve(ref.base, ref.text)
	if err != nil {
		return at(ref.pointer, "%s is no URI reference", quote(ref.text))
	}
	u, fragment, _ := strings.Cut(target, "#")
	r := s.resources[u]
	if r == nil {
		if _, builtin := draftOf(target); builtin {
			return nil
		}
		return at(ref.pointer, "%s leads out of the schema", quote(ref.text))
	}
	if fragment == "" || fragment == "/" || r.anchors[fragment] {
		return nil
	}
	v, pointer, ok := r.find(fragment)
	if !ok {
		return at(ref.pointer, "%s leads nowhere", quote(ref.text))
	}
	if !s.targets[pointer] {
		s.targets[pointer] = true
		s.size += size(v)
	}
	return s.walk(v, pointer, u)
}

// find returns what the fragment of a URI, a JSON Pointer, leads to, and the
// pointer to it from the root of the document.
func (r *resource) find(fragment string) (v any, pointer string, ok bool) {
	path, ok := strings.CutPrefix(fragment, "/")
	if !ok {
		return nil, "", false
	}
	v, pointer = r.doc, r.pointer
	for token := range strings.SplitSeq(path, "/") {
		token, err := url.PathUnescape(strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
		if err != nil {
			return nil, "", false
		}
		switch in := v.(type) {
		case map[string]any:
			v, ok = in[token]
		case []any:
			i, err := strconv.Atoi(token)
			if ok = err == nil && 0 <= i && i < len(in); ok {
				v = in[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, "", false
		}
		pointer += "/" + escapeToken(token)
	}
	return v, pointer, true
}

// resolve returns the URI that ref means in a resource with the given base, as
// jsonschema does it.
func resolve(base, ref string) (string, error) {
	switch {
	case ref == "":
		return base, nil
	case strings.HasPrefix(ref, "urn:"):
		return ref, nil
	}
	r, err := url.Parse(ref)
	if err != nil {
		return "", err
	}
	if r.IsAbs() {
		return ref, nil
	}
	if strings.HasPrefix(base, "urn:") {
		base, _, _ = strings.Cut(base, "#")
		return base + ref, nil
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	return b.ResolveReference(r).String(), nil
}
