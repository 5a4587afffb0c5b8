package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"example.com/safeconduct/schema/internal/cost"
	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/phrase"
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
	holdsSchema = []string{
		"additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
		"propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
	}
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

	programs     cost.Programs
	instructions int // of all of them
}

// A located is a schema and the pointer to it.
type located struct {
	pointer string
	schema  map[string]any
}

// takeSurvey surveys the document of a schema, and its resources.
func takeSurvey(src *source, want Draft) (*survey, error) {
	s := &survey{
		draft:     Draft2020,
		urls:      map[string]string{"": rootURL},
		resources: make(map[string]*resource),
		walked:    make(map[string]bool),
		targets:   make(map[string]bool),
		programs:  make(cost.Programs),
	}
	if err := s.chooseDraft(src.doc, want); err != nil {
		return nil, err
	}
	base, err := s.document(src.doc, "", rootURL)
	if err != nil {
		return nil, err
	}
	total := cost.Size(src.doc)
	for _, uri := range slices.Sorted(maps.Keys(src.resources)) {
		if err := s.resource(uri, base, src.resources[uri]); err != nil {
			return nil, err
		}
		total += cost.Size(src.resources[uri])
	}
	for i := 0; i < len(s.refs); i++ { // following one may find more
		if err := s.follow(s.refs[i]); err != nil {
			return nil, err
		}
		// Of a target that is within another one all is looked at again.
		if s.size > 2*total+1000 {
			return nil, errorAt(s.refs[i].pointer, "the schemas that are referred to hold one another too often")
		}
	}
	return s, nil
}

// chooseDraft finds out the draft.
func (s *survey) chooseDraft(doc any, want Draft) error {
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
		return errorAt("/$schema", "%s is none of draft 4, 6, 7, 2019-09 and 2020-12", phrase.Quote(v))
	case want != 0 && d != want:
		return errorAt("/$schema", "%s is not the draft that was asked for", phrase.Quote(v))
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
			return "", errorAt(pointer, why)
		}
		return "", errors.New(why)
	}
	id := s.id(m)
	if base, err = resolve(u, id); err != nil {
		return "", errorAt(pointer+"/"+s.idKeyword(), "%s is no URI reference", phrase.Quote(id))
	}
	if id == "" {
		s.resources[u] = &resource{pointer, doc, make(map[string]bool)}
	}
	return base, s.walk(doc, pointer, u)
}

// errorAt makes an error about the place in a schema that a pointer leads to.
func errorAt(pointer, format string, args ...any) error {
	return fmt.Errorf("at %s: %s", phrase.Visible(phrase.Clip(pointer, MaxReason)), fmt.Sprintf(format, args...))
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
	id, _, _ := strings.Cut(s.rawID(m), "#")
	return id
}

// rawID returns the $id of a schema.
func (s *survey) rawID(m map[string]any) string {
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
	base, err := s.noteResource(m, pointer, base)
	if err != nil {
		return err
	}
	r := s.resources[base]
	if err := s.checkKeywords(m, pointer, r != nil && r.pointer == pointer); err != nil {
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

// noteResource notes what can be referred to, and returns the base of references within
// the schema m.
func (s *survey) noteResource(m map[string]any, pointer, base string) (string, error) {
	if id := s.id(m); id != "" {
		u, err := resolve(base, id)
		if err != nil {
			return "", errorAt(pointer+"/"+s.idKeyword(), "%s is no URI reference", phrase.Quote(id))
		}
		if _, ok := draftOf(u); ok || graph.IsMetaschema(u) {
			return "", errorAt(pointer+"/"+s.idKeyword(), "%s is a metaschema's", phrase.Quote(id))
		}
		if s.resources[u] != nil {
			return "", errorAt(pointer+"/"+s.idKeyword(), "%s stands twice in the schema", phrase.Quote(id))
		}
		s.resources[u] = &resource{pointer, m, make(map[string]bool)}
		base = u
	}
	anchors := []any{m["$anchor"], m["$dynamicAnchor"]}
	if s.draft <= Draft7 {
		_, fragment, _ := strings.Cut(s.rawID(m), "#")
		anchors = []any{fragment}
	}
	for _, a := range anchors {
		name, _ := a.(string)
		r := s.resources[base]
		switch {
		case name == "" || r == nil:
		case r.anchors[name]:
			return "", errorAt(pointer, "the anchor %s stands twice in the schema", phrase.Quote(name))
		default:
			r.anchors[name] = true
		}
	}
	if m["$dynamicAnchor"] != nil || m["$recursiveAnchor"] != nil {
		s.dynamic = append(s.dynamic, pointer)
	}
	return base, nil
}

// checkKeywords refuses what a validator would trip over or silently ignore. A $schema has a
// meaning in a resource alone.
func (s *survey) checkKeywords(m map[string]any, pointer string, resource bool) error {
	if v, ok := m["$schema"]; ok && resource {
		u, _ := v.(string)
		if d, ok := draftOf(u); !ok || d != s.draft {
			return errorAt(pointer+"/$schema", "%s is not the draft of the whole schema", phrase.Quote(v))
		}
	}
	if _, ok := m["regexProperties"]; ok {
		// jsonschema would take it for a keyword of its own.
		return errorAt(pointer+"/regexProperties", "is no keyword of JSON Schema")
	}
	for _, kw := range counts {
		n, ok := m[kw].(json.Number)
		if !ok {
			continue
		}
		if f, err := n.Float64(); err != nil || f > math.MaxInt32 {
			return errorAt(pointer+"/"+kw, "is more than %d", math.MaxInt32)
		}
	}
	if e, ok := m["enum"].([]any); ok && len(e) == 0 {
		return errorAt(pointer+"/enum", "is empty: nothing would satisfy it")
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
		return errorAt(pointer, "a regular expression of %d bytes is longer than %d", len(pattern), MaxPattern)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return errorAt(pointer, "%s is no regular expression of RE2: %s", phrase.Quote(pattern), why)
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return errorAt(pointer, "%s does not compile: %s", phrase.Quote(pattern), err)
	}
	// The validator compiles each occurrence again.
	if s.instructions += len(prog.Inst); s.instructions > maxPrograms {
		return errorAt(pointer, "the regular expressions up to %s repeat too much", phrase.Quote(pattern))
	}
	s.programs[pattern] = len(prog.Inst)
	return nil
}
