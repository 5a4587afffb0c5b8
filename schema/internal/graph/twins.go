package graph

import (
	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
)

// Extension is the name by which jsonschema knows [Twins].
const Extension = "twins"

// Twins is an extension of jsonschema, which refuses twins: properties of one object
// whose names are equal but for case, as [strictjson.Fold] tells, if a schema declares
// one of them.
type Twins struct {
	KeepsContent bool // in the draft of the schemas contentSchema has a meaning
}

// Compile returns nil for a schema without properties. It keeps the schema of
// contentSchema, which jsonschema compiles and forgets.
func (c Twins) Compile(ctx jsonschema.CompilerContext, m map[string]any) (jsonschema.ExtSchema, error) {
	properties, _ := m["properties"].(map[string]any)
	hasContent := c.KeepsContent && m["contentMediaType"] != nil && m["contentSchema"] != nil
	if len(properties) == 0 && !hasContent {
		return nil, nil
	}
	t := &declared{alone: make(map[string]string, len(properties))}
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

// declared are the properties that a schema declares, as Fold maps them: none of those
// that are twins of one another.
type declared struct {
	alone   map[string]string
	content *Node
}

// A TwinError is what Validate panics with, so that neither a not nor an if nor
// an alternative can make something else of it.
type TwinError struct{ In *jsonschema.ValidationError }

// Validate refuses an object with a property whose name differs in case alone
// from another one that is declared. Many programs would take it for that one.
func (t *declared) Validate(ctx jsonschema.ValidationContext, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	for name := range m {
		if declared, ok := t.alone[strictjson.Fold(name)]; ok && declared != name {
			panic(TwinError{ctx.Error("properties", "twin")})
		}
	}
	return nil
}
