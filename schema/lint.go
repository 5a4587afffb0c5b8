package schema

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// A Warning is something that a schema may say, and that does not do what its
// author is likely to mean.
type Warning struct {
	Pointer string // to the keyword, as a JSON Pointer; into a resource after its URI and #
	Reason  string // what is likely to be wrong with it
}

// String returns a sentence, such as "/requierd is no keyword: required is one".
func (w Warning) String() string {
	return phrase.Visible(phrase.Clip(w.Pointer, MaxReason)) + " " + w.Reason
}

// Lint returns what in the schema and its resources is likely to be a mistake, at
// most 100 things: a keyword that is misspelt, that the draft does not have, or
// that has no effect, on the type that is declared, without another keyword or
// beside a $ref; a format that is not checked; a required property that is
// misspelt or not allowed; properties whose names differ in case alone. No warning
// is a reason not to use a schema. Of the zero Schema there is none.
func (s *Schema) Lint() []Warning {
	if s.root == nil {
		return nil
	}
	src, err := s.opts.read(s.text)
	if err != nil {
		return nil // it was read before
	}
	found, err := takeSurvey(src, s.opts.Draft)
	if err != nil {
		return nil
	}
	l := &linter{draft: found.draft, left: maxLint}
	for _, at := range found.schemas {
		l.lint(at.pointer, at.schema)
	}
	return l.warnings
}

const (
	maxWarnings = 100
	maxLint     = 1_000_000 // pairs of characters to compare
)

type linter struct {
	draft    Draft
	warnings []Warning
	left     int // of maxLint
}

func (l *linter) warn(pointer, reason string) {
	if len(l.warnings) < maxWarnings {
		l.warnings = append(l.warnings, Warning{pointer, phrase.Clip(reason, MaxReason)})
	}
}

func (l *linter) lint(pointer string, m map[string]any) {
	_, ref := m["$ref"]
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := pointer + "/" + escapeToken(name)
		kw, ok := keywords[name]
		if !ok {
			if meant := l.near(name, maps.Keys(keywords)); meant != "" {
				l.warn(at, "is no keyword: "+meant+" is one")
			}
			continue
		}
		switch {
		case kw.since > l.draft:
			l.warn(at, "has no effect: the draft of the schema does not have it")
		case kw.until != 0 && kw.until < l.draft:
			l.warn(at, "has no effect: the draft of the schema does not have it any more")
		case name == "$schema" && pointer != "" && !strings.HasSuffix(pointer, "#") && m["$id"] == nil:
			l.warn(at, "has no effect within a schema")
		case ref && l.draft <= Draft7 && kw.types != "":
			l.warn(at, "has no effect beside a $ref in drafts up to 7")
		case kw.needs != "" && m[kw.needs] == nil:
			l.warn(at, "has no effect without "+kw.needs)
		case kw.types != "" && !applies(kw.types, m["type"]):
			l.warn(at, "has no effect on the type that is declared")
		}
	}
	if format, ok := m["format"].(string); ok && jsonschema.Formats[format] == nil {
		l.warn(pointer+"/format", "is not checked: "+phrase.Quote(format)+" is none of the formats that are")
	}
	l.twins(pointer, m)
	l.required(pointer, m)
}

// twins looks for properties of which an object can have none.
func (l *linter) twins(pointer string, m map[string]any) {
	properties, _ := m["properties"].(map[string]any)
	folded := make(map[string]string, len(properties))
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if twin, ok := folded[strictjson.Fold(name)]; ok {
			both := phrase.Quote(twin) + " and " + phrase.Quote(name)
			l.warn(pointer+"/properties", "has "+both+", which differ in case alone: an object with one of them is refused")
		}
		folded[strictjson.Fold(name)] = name
	}
}

// required looks for required properties that the schema does not declare.
func (l *linter) required(pointer string, m map[string]any) {
	properties, _ := m["properties"].(map[string]any)
	required, _ := m["required"].([]any)
	for _, v := range required {
		name, _ := v.(string)
		if _, ok := properties[name]; ok || properties == nil {
			continue
		}
		if meant := l.near(name, maps.Keys(properties)); meant != "" {
			l.warn(pointer+"/required", "names "+phrase.Quote(name)+", and not the property "+phrase.Quote(meant))
		} else if m["additionalProperties"] == false && m["patternProperties"] == nil {
			l.warn(pointer+"/required", "names "+phrase.Quote(name)+", which additionalProperties refuses")
		}
	}
}

// applies reports whether a keyword for values of one type has a use beside a
// declared type or types.
func applies(to string, declared any) bool {
	names, ok := declared.([]any)
	if !ok {
		names = []any{declared}
	}
	return declared == nil || slices.Contains(names, any(to)) || to == "number" && slices.Contains(names, any("integer"))
}

// A keyword is one of JSON Schema.
type keyword struct {
	types        string // of the values that it is about; "" for all
	needs        string // another keyword
	since, until Draft  // 0 for always
}

var keywords = map[string]keyword{
	"title": {}, "description": {}, "default": {}, "deprecated": {}, "readOnly": {}, "writeOnly": {}, "$comment": {}, "$vocabulary": {},
	"$id":             {since: Draft6},
	"contentEncoding": {}, "contentMediaType": {}, "contentSchema": {},

	"$ref": {}, "$defs": {}, "definitions": {}, "$schema": {}, "type": {}, "enum": {}, "const": {since: Draft6},
	"allOf": {}, "anyOf": {}, "oneOf": {}, "not": {},
	"if": {since: Draft7}, "then": {needs: "if", since: Draft7}, "else": {needs: "if", since: Draft7},
	"$anchor": {since: Draft2019}, "$dynamicRef": {since: Draft2020}, "$dynamicAnchor": {since: Draft2020},
	"$recursiveRef": {since: Draft2019, until: Draft2019}, "$recursiveAnchor": {since: Draft2019, until: Draft2019},

	"minLength": {types: "string"}, "maxLength": {types: "string"}, "pattern": {types: "string"}, "format": {types: "string"},

	"minimum": {types: "number"}, "exclusiveMinimum": {types: "number"}, "maximum": {types: "number"},
	"exclusiveMaximum": {types: "number"}, "multipleOf": {types: "number"},

	"items": {types: "array"}, "prefixItems": {types: "array", since: Draft2020},
	"additionalItems": {types: "array", needs: "items", until: Draft2019},
	"minItems":        {types: "array"}, "maxItems": {types: "array"}, "uniqueItems": {types: "array"},
	"contains":         {types: "array", since: Draft6},
	"minContains":      {types: "array", needs: "contains", since: Draft2019},
	"maxContains":      {types: "array", needs: "contains", since: Draft2019},
	"unevaluatedItems": {types: "array", since: Draft2019},

	"properties": {types: "object"}, "patternProperties": {types: "object"}, "additionalProperties": {types: "object"},
	"propertyNames": {types: "object", since: Draft6}, "required": {types: "object"},
	"minProperties": {types: "object"}, "maxProperties": {types: "object"},
	"dependencies":          {types: "object"},
	"dependentRequired":     {types: "object", since: Draft2019},
	"dependentSchemas":      {types: "object", since: Draft2019},
	"unevaluatedProperties": {types: "object", since: Draft2019},
}

// near returns the name that another one is likely to be a misspelling of, or "".
// Of names of up to 3 letters and of very long ones there is no telling.
func (l *linter) near(name string, names iter.Seq[string]) string {
	best, least := "", 3
	for other := range names {
		most := 2
		switch short := min(len(name), len(other)); {
		case short <= 3, max(len(name), len(other)) > 40, len(name)-len(other) > most, len(other)-len(name) > most:
			continue
		case short < 6:
			most = 1
		}
		if l.left -= len(name) * len(other); l.left < 0 {
			return ""
		}
		d := 0
		if strictjson.Fold(name) != strictjson.Fold(other) {
			d = distance(name, other)
		}
		if d <= most && (d < least || d == least && other < best) {
			best, least = other, d
		}
	}
	return best
}

// distance returns how many characters have to be inserted, deleted, replaced or
// swapped with the next to make b of a.
func distance(a, b string) int {
	var before, above, row []int
	for i := range len(a) + 1 {
		before, above, row = above, row, make([]int, len(b)+1)
		for j := range row {
			switch {
			case i == 0 || j == 0:
				row[j] = i + j
				continue
			case a[i-1] == b[j-1]:
				row[j] = above[j-1]
			default:
				row[j] = 1 + min(above[j-1], above[j], row[j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
