package schema

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"example.com/safeconduct/schema/internal/cost"
	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/phrase"
)

// A resource is the root schema, or one within it that has an $id.
type resource struct {
	pointer string
	doc     any
	anchors map[string]bool
}

// A reference is a $ref, $dynamicRef or $recursiveRef.
type reference struct{ pointer, base, text string }

// resource surveys a schema that was handed in under a URI, which is relative to
// the base. An $id of its own is the base of its references.
func (s *survey) resource(uri, base string, doc any) error {
	u, err := resolve(base, uri)
	if err != nil || uri == "" || strings.HasPrefix(uri, "/") || strings.Contains(uri, "#") {
		return fmt.Errorf("the resource %s has no URI that begins with a name and has no fragment", phrase.Quote(uri))
	}
	if _, ok := draftOf(u); ok || graph.IsMetaschema(u) || s.resources[u] != nil || u == rootURL {
		return fmt.Errorf("the resource %s has the URI of another schema", phrase.Quote(uri))
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

// follow refuses a reference that leads out of the schema or nowhere.
func (s *survey) follow(ref reference) error {
	target, err := resolve(ref.base, ref.text)
	if err != nil {
		return errorAt(ref.pointer, "%s is no URI reference", phrase.Quote(ref.text))
	}
	u, fragment, _ := strings.Cut(target, "#")
	r := s.resources[u]
	if r == nil {
		if _, builtin := draftOf(target); builtin {
			return nil
		}
		return errorAt(ref.pointer, "%s leads out of the schema: "+
			"Options.Resources of CompileWith can hold what it names", phrase.Quote(ref.text))
	}
	if fragment == "" || fragment == "/" || r.anchors[fragment] {
		return nil
	}
	v, pointer, ok := r.find(fragment)
	if !ok {
		return errorAt(ref.pointer, "%s leads nowhere", phrase.Quote(ref.text))
	}
	if !s.targets[pointer] {
		s.targets[pointer] = true
		s.size += cost.Size(v)
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
