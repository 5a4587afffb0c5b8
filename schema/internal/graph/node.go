// Package graph is about compiled schemas: how they lead to one another, and what
// package schema adds to them when jsonschema compiles them.
package graph

import (
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/schema/internal/phrase"
)

// A Node is a schema as jsonschema compiled it.
type Node = jsonschema.Schema

// Location shortens one of jsonschema's locations to the place in the schema.
func Location(loc string) string {
	_, pointer, _ := strings.Cut(loc, "#")
	if pointer == "" {
		return "its root"
	}
	return phrase.Visible(phrase.Clip(pointer, phrase.MaxReason))
}

// IsMetaschema reports whether a URL is within the metaschemas, which jsonschema brings
// compiled.
func IsMetaschema(u string) bool {
	return strings.HasPrefix(u, "http://json-schema.org/draft-0") || strings.HasPrefix(u, "https://json-schema.org/draft/")
}
