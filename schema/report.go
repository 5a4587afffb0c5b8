package schema

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/phrase"
)

// The errors of jsonschema quote the instance. Of them only the places count: what
// the reports below say is made of the schema.

// report makes a ValidationError of one of jsonschema's, about the instance v.
func (s *Schema) report(invalid *jsonschema.ValidationError, v any) error {
	leaves := leavesOf(invalid, nil)
	slices.SortFunc(leaves, func(a, b *jsonschema.ValidationError) int {
		if c := strings.Compare(a.InstanceLocation, b.InstanceLocation); c != 0 {
			return c
		}
		return strings.Compare(a.KeywordLocation, b.KeywordLocation)
	})
	e := &ValidationError{Schema: s.name}
	for i, leaf := range leaves {
		if len(e.Violations) == MaxViolations {
			e.More = len(leaves) - i
			break
		}
		if v := s.violation(leaf, v); !slices.Contains(e.Violations, v) {
			e.Violations = append(e.Violations, v)
		}
	}
	return e
}

// twin makes a ValidationError of what the twins extension found.
func (s *Schema) twin(t graph.TwinError, v any) error {
	path, _ := follow(v, t.In.InstanceLocation)
	return s.violated(&strictjson.Fault{
		Keyword: KeywordTwin, Path: path, Offset: -1,
		Reason: "must not have a property whose name differs in case alone from one of the schema's",
	})
}

// leavesOf appends the errors that have no other cause.
func leavesOf(e *jsonschema.ValidationError, to []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return append(to, e)
	}
	if e.Message != "" { // else e only groups its causes
		switch e.KeywordLocation[strings.LastIndexByte(e.KeywordLocation, '/')+1:] {
		case "anyOf", "oneOf":
			if meant := meantBy(e); meant != nil {
				return leavesOf(meant, to)
			}
			return append(to, e)
		case "minContains":
			return append(to, e)
		}
	}
	for _, cause := range e.Causes {
		to = leavesOf(cause, to)
	}
	return to
}

// meantBy returns the cause of e that belongs to the only alternative that is for
// values of the type that the instance has, or nil if there is not one such.
func meantBy(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	var meant *jsonschema.ValidationError
	for _, cause := range e.Causes {
		leaf := cause
		for len(leaf.Causes) == 1 {
			leaf = leaf.Causes[0]
		}
		ofType := leaf.InstanceLocation == e.InstanceLocation && strings.HasSuffix(leaf.AbsoluteKeywordLocation, "/type")
		if len(leaf.Causes) == 0 && ofType {
			continue
		}
		if meant != nil {
			return nil //nolint:nilerr // a cause is no failure: two of them mean that none is meant
		}
		meant = cause
	}
	return meant
}

// violation translates one error about the instance v.
func (s *Schema) violation(e *jsonschema.ValidationError, v any) Violation {
	path, at := follow(v, e.InstanceLocation)
	n, keyword, rest := s.find(e)
	reason := s.discreet(keyword, reasonFor(n, keyword, rest, len(e.Causes) > 0, at))
	if keyword == "minContains" && n != nil && n.MinContains == 1 {
		keyword = "contains" // which asks for one item by itself
	}
	if ofName(e.KeywordLocation) && len(path) > 0 {
		path = path[:len(path)-1]
		keyword, reason = "propertyNames", "has a property whose name "+reason
	}
	return Violation{Pointer: s.pointer(path), Keyword: keyword, Reason: phrase.Clip(reason, MaxReason)}
}

// discreet returns the reason, or one that lists no values where none are to be shown.
func (s *Schema) discreet(keyword, reason string) string {
	if s.opts.Quiet && (keyword == "enum" || keyword == "const") {
		return "must be " + unlisted
	}
	return reason
}

// unlisted stands for the values of a schema that are not to be shown.
const unlisted = "one of the values that the schema lists"

// follow returns the path to one of jsonschema's instance locations, and the value
// there; nil where it is a property's name.
func follow(v any, location string) ([]strictjson.Step, any) {
	var path []strictjson.Step
	for token := range strings.SplitSeq(strings.TrimPrefix(location, "/"), "/") {
		if location == "" {
			break
		}
		token = unescapeToken(token)
		at := strictjson.Property(token)
		switch in := v.(type) {
		case map[string]any:
			v = in[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(in) {
				return path, nil
			}
			at, v = strictjson.Item(i), in[i]
		default:
			v = nil
		}
		path = append(path, at)
	}
	return path, v
}

// unescapeToken undoes what jsonschema does to a name in a location: it escapes it
// for a JSON Pointer, and that for a URI.
func unescapeToken(token string) string {
	if t, err := url.PathUnescape(token); err == nil {
		token = t
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
}

// find returns the schema that an error comes from, the keyword, and what follows
// the keyword in the location.
func (s *Schema) find(e *jsonschema.ValidationError) (n *graph.Node, keyword, rest string) {
	loc := e.AbsoluteKeywordLocation
	if n = s.nodes[loc]; n != nil { // false
		return n, applied(e.KeywordLocation), ""
	}
	for range 3 { // dependentRequired/name/0 is the longest
		i := strings.LastIndexByte(loc, '/')
		if i < 0 {
			break
		}
		loc = loc[:i]
		if n = s.nodes[loc]; n != nil {
			keyword, rest, _ = strings.Cut(e.AbsoluteKeywordLocation[i+1:], "/")
			return n, keyword, rest
		}
	}
	return nil, e.AbsoluteKeywordLocation[strings.LastIndexByte(e.AbsoluteKeywordLocation, '/')+1:], ""
}

// applied returns the keyword by which the last schema in a keyword location is
// applied; "false" for the root.
func applied(location string) string {
	keyword := "false"
	walkKeywords(location, func(kw string) { keyword = kw })
	return keyword
}

// ofName reports whether a keyword location is within a propertyNames.
func ofName(location string) bool {
	found := false
	walkKeywords(location, func(kw string) { found = found || kw == "propertyNames" })
	return found
}

// walkKeywords calls f for each keyword in a location, and not for the names of
// properties and the indexes that follow some.
func walkKeywords(location string, f func(keyword string)) {
	tokens := strings.Split(location, "/")
	for i := 1; i < len(tokens); i++ {
		f(tokens[i])
		if slices.Contains(namesSchemas, tokens[i]) {
			i++
		} else if i+1 < len(tokens) {
			if _, err := strconv.Atoi(tokens[i+1]); err == nil {
				i++
			}
		}
	}
}
