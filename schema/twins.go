package schema

import (
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
