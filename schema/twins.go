package schema

import (
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
)

// Twins are properties of one object whose names are the same but for case, as
// [strictjson.Fold] tells. This file finds those of properties that a schema declares, for
// jsonschema and for the fast path.

// A twinsCompiler looks for properties in every schema that jsonschema compiles.
type twinsCompiler struct{ draft Draft }

// Compile returns nil for a schema without properties. It keeps the schema of
// contentSchema, which jsonschema compiles and forgets.
func (c twinsCompiler) Compile(ctx jsonschema.CompilerContext, m map[string]any) (jsonschema.ExtSchema, error) {
	properties, _ := m["properties"].(map[string]any)
	hasContent := c.draft >= Draft7 && m["contentMediaType"] != nil && m["contentSchema"] != nil
	if len(properties) == 0 && !hasContent {
		return nil, nil
	}
	t := &twins{alone: make(map[string]string, len(properties))}
	if hasContent {
		var err error
		if t.content, err = ctx.Compile("contentSchema", true); err != nil {
			return nil, err
		}
	}
	for name := range properties {
		folded := strictjson.Fold(name)
		if _, twice := t.alone[folded]; twice {
			name = "" // which has no twin
		}
		t.alone[folded] = name
	}
	return t, nil
}

// twins are the properties that a schema declares, as fold maps them: none of those
// that are twins of one another.
type twins struct {
	alone   map[string]string
	content *node
}

// A twinError is what Validate panics with, so that neither a not nor an if nor
// an alternative can make something else of it.
type twinError struct{ at *jsonschema.ValidationError }

// Validate refuses an object with a property whose name differs in case alone
// from another one that is declared. Many programs would take it for that one.
func (t *twins) Validate(ctx jsonschema.ValidationContext, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for name := range m {
		if declared, ok := t.alone[strictjson.Fold(name)]; ok && declared != name {
			panic(twinError{ctx.Error("properties", "twin")})
		}
	}
	return nil
}

// mark notes the name of an undeclared property of an object whose own marks
// begin at the given one. It reports whether that certainly differs, and not in
// case alone, from those before and from all that schemas declare.
func (s *scanner) mark(p *objectPlan, marks int, name string) bool {
	hash, ascii := hashName(name)
	if !ascii || s.marks == maxMarks {
		return false
	}
	for _, declared := range p.twins {
		if declared == hash {
			return false
		}
	}
	for _, other := range s.hashes[marks:s.marks] {
		if other == hash {
			return false
		}
	}
	s.hashes[s.marks] = hash
	s.marks++
	return true
}

// hashName returns a hash of a name of ASCII letters that is the same in upper
// and lower case.
func hashName(name string) (hash uint64, ascii bool) {
	hash = 0xcbf29ce484222325
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= utf8.RuneSelf:
			return 0, false
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		hash = (hash ^ uint64(c)) * 0x100000001b3
	}
	return hash, true
}
