package schema

import (
	"slices"

	"example.com/safeconduct/schema/internal/format"
	"example.com/safeconduct/schema/internal/graph"
)

// negatesFormats reports whether a string that has not a format may be what makes a
// value satisfy the schemas: then one that is more strict than jsonschema's could let
// more through.
func negatesFormats(nodes map[string]*graph.Node) bool {
	strict, turns := false, false
	for location, n := range nodes {
		strict = strict || format.Strict[n.Format] != nil && format.Linear[n.Format] == nil && !graph.IsMetaschema(location)
		turns = turns || n.Not != nil || n.If != nil || len(n.OneOf) > 0 || n.MaxContains >= 0
	}
	return strict && turns
}

// judgesPatterns reports whether a metaschema is among the schemas. Those are
// everybody's, and keep the format regex of jsonschema.
func judgesPatterns(nodes map[string]*graph.Node) bool {
	for location, n := range nodes {
		if (n.Format == "regex" || n.RegexProperties) && graph.IsMetaschema(location) {
			return true
		}
	}
	return false
}

// holdsLongPattern reports whether there is anything in v that a metaschema could
// take for a regular expression of more than MaxPattern bytes.
func holdsLongPattern(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, holdsLongPattern)
	case map[string]any:
		pattern, _ := v["pattern"].(string)
		patterns, _ := v["patternProperties"].(map[string]any)
		for name := range patterns {
			if len(name) > len(pattern) {
				pattern = name
			}
		}
		if len(pattern) > MaxPattern {
			return true
		}
		for _, sub := range v {
			if holdsLongPattern(sub) {
				return true
			}
		}
	}
	return false
}
