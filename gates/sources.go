package gates

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// SourceRules say which documents a retrieval may return. The zero SourceRules allow
// none.
type SourceRules struct {
	// Allow are what the metadata of a document has to be, by its keys: all
	// conditions of all keys have to hold. A document without one of the keys, or
	// with nil there, is not allowed. Empty means that no document is.
	Allow map[string][]Condition

	// Drop leaves out the documents that are not allowed, and passes on the others.
	// False means that one such document denies the whole retrieval.
	Drop bool
}

// Sources returns the gate "sources", which says by their metadata which documents a
// retrieval may return, before a chain or a model reads them:
//
//	gates.Sources(gates.SourceRules{
//		Allow: map[string][]gates.Condition{"source": {gates.Under("handbook", "https://docs.example.com")}},
//		Drop:  true,
//	})
//
// The code is [middleware.CodePolicy]. What is dropped stands on the trail as a
// transform, whose reason says how many documents were, and why the first was; a result
// may be empty. Both reasons name the key and what the rule allows, see [Quiet], never
// what a document says. Sources panics where a key is empty or has no conditions.
func Sources(rules SourceRules) middleware.Interceptor {
	s := newSources(rules)
	return onRetrievals(middleware.TransformResult("sources", s.result))
}

// onRetrievals returns a gate that looks at retrievals only, and says so.
func onRetrievals(i middleware.Interceptor) middleware.Interceptor {
	only := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return i(nil)
		}
		judged := i(next)
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if call.Kind != middleware.KindRetriever {
				return next(ctx, call)
			}
			return judged(ctx, call)
		}
	}
	return saying(only, func(l *middleware.Layer) { l.Kinds = []middleware.Kind{middleware.KindRetriever} })
}

// Under is satisfied by strings that are one of these sources, letter for letter, or
// that stand below one, after a slash: a document in a folder, or a page of a host. So
// "handbook" is neither "handbook-old/a.md" nor "Handbook/a.md", and nothing gets out of
// it by "..", however that is escaped. Without sources it is satisfied by none. It is for
// labels, such as where a document was loaded from: for what a tool opens there are
// [Folder] and [Web]. Under panics if a source is empty, or has a part that is "." or "..".
func Under(sources ...string) Condition {
	if slices.Contains(sources, "") {
		panic("gates: Under: empty source")
	}
	const quiet = "be at or below a source that is listed"
	roots := slices.Clone(sources)
	for _, s := range roots {
		if climbs(s) {
			panic(fmt.Sprintf("gates: Under: %q has a part that is . or ..: name the source without it", s))
		}
	}
	c := Condition{judge: func(v value) answer {
		s, ok := v.str()
		if !ok {
			return answerUnknown
		}
		for _, root := range roots {
			if atOrBelow(s, root) {
				return answerYes
			}
		}
		return answerNo
	}}
	if len(sources) == 0 {
		return c.saying(quiet+": there are none", quiet)
	}
	one := ""
	if len(sources) > 1 {
		one = "one of "
	}
	return c.saying("be at or below "+one+shown.List(sources, shown.Text), quiet)
}

// atOrBelow reports whether s is root, or stands below it and stays there.
func atOrBelow(s, root string) bool {
	rest, ok := strings.CutPrefix(s, root)
	if !ok || rest == "" {
		return ok
	}
	slash := func(c byte) bool { return c == '/' || c == '\\' && strings.Contains(root, `\`) }
	return (slash(root[len(root)-1]) || slash(rest[0])) && !climbs(rest)
}

// climbs reports whether a part of s is a dot or two, as paths and URLs have it, or may be.
func climbs(s string) bool {
	if strings.Contains(s, "%") {
		unescape := strings.NewReplacer("%25", "%", "%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`)
		for n := 0; ; n++ { // it may be escaped again and again
			was := s
			if s = unescape.Replace(s); s == was {
				break
			}
			if n == maxEscaped {
				return true
			}
		}
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(`/\?#`, r) }) {
		part, _, _ = strings.Cut(part, ";") // parameters of a part of a URL
		if part = strings.TrimSpace(part); part == "." || part == ".." {
			return true
		}
	}
	return false
}

const maxEscaped = 8 // times that something in a source is escaped

// sources are SourceRules made ready.
type sources struct {
	rules []sourceRule // sorted by key, so that reasons are always the same
	drop  bool
}

type sourceRule struct {
	key        string
	conditions []Condition
}

func newSources(rules SourceRules) *sources {
	s := &sources{drop: rules.Drop}
	for _, key := range slices.Sorted(maps.Keys(rules.Allow)) {
		conditions := rules.Allow[key]
		if key == "" || len(conditions) == 0 {
			panic(fmt.Sprintf("gates: Sources: key %q: no key, or no conditions: name what is allowed, as with gates.Under", key))
		}
		mustConditions("Sources", conditions)
		s.rules = append(s.rules, sourceRule{key, slices.Clone(conditions)})
	}
	return s
}

// result judges what a retriever found.
func (s *sources) result(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
	docs, ok := res.Output.([]middleware.Document)
	if !ok {
		return res, false, middleware.Deny(middleware.CodeIndeterminate, "the output is no list of documents, as []middleware.Document is")
	}
	kept := make([]middleware.Document, 0, len(docs))
	first := ""
	for i := range docs {
		why := s.objection(docs[i].Metadata)
		switch {
		case why == "":
			kept = append(kept, docs[i])
		case !s.drop:
			return res, false, middleware.Deny(middleware.CodePolicy, "document %d of %d: %s", i+1, len(docs), why)
		case first == "":
			first = why
		}
	}
	n := len(docs) - len(kept)
	if n == 0 {
		return res, false, nil
	}
	res.Output = kept
	return res, true, middleware.Allow("%s dropped: %s", howMany(n, len(docs)), first)
}

// howMany returns "2 of 5 documents were", or "all 5 documents were".
func howMany(n, of int) string {
	switch {
	case n < of && n == 1:
		return "1 of " + strconv.Itoa(of) + " documents was"
	case n < of:
		return strconv.Itoa(n) + " of " + strconv.Itoa(of) + " documents were"
	case n == 1:
		return "the only document was"
	}
	return "all " + strconv.Itoa(n) + " documents were"
}

// objection returns why a document with this metadata is not allowed, or "".
func (s *sources) objection(metadata map[string]any) string {
	if len(s.rules) == 0 {
		return "no source is allowed"
	}
	for i := range s.rules {
		r := &s.rules[i]
		v := metadata[r.key]
		if v == nil {
			return shown.Name(r.key) + " is required"
		}
		// Condition.be is complete where a value cannot be judged, too.
		judged, ok := valueOf(v)
		if !ok {
			return shown.Name(r.key) + " must " + r.conditions[0].be
		}
		if c, f := judged.satisfies(r.conditions); f != answerYes {
			return shown.Name(r.key) + " must " + c.be
		}
	}
	return ""
}

// valueOf returns v as what conditions judge. It reports false for what is not data as
// JSON has it.
func valueOf(v any) (value, bool) {
	if !isJSON(v, 0) {
		return value{}, false
	}
	if p, ok := canonical(v); ok {
		if s, ok := p.(string); ok {
			return value{raw: s, text: true}, true
		}
		v = p
	}
	b, err := json.Marshal(v)
	if err != nil {
		return value{}, false // NaN and the like
	}
	raw := string(b)
	var r strictjson.Reader
	r.Init(raw)
	r.Next()
	r.Skip()
	r.End()
	return value{raw: raw}, r.Fault() == nil
}

// isJSON reports whether v is a scalar, or lists and maps of such.
func isJSON(v any, depth int) bool {
	if depth > DefaultMaxDepth {
		return false
	}
	switch v := v.(type) {
	case []string:
		return !slices.ContainsFunc(v, func(s string) bool { return !utf8.ValidString(s) })
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !isJSON(item, depth+1) })
	case map[string]any:
		for name, item := range v {
			if !utf8.ValidString(name) || !isJSON(item, depth+1) {
				return false
			}
		}
		return true
	}
	p, ok := canonical(v)
	s, isText := p.(string)
	return ok && (!isText || utf8.ValidString(s))
}
