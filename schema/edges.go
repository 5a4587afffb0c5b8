package schema

import (
	"maps"
	"slices"
)

// The edges of the graph that schemas make: which schemas one applies, to the value
// that it judges itself and to what is within that.

// closure returns the schemas and all that they lead to.
func closure(from []*node, next func(*node) []*node) []*node {
	var all []*node
	seen := make(map[*node]bool)
	for todo := slices.Clone(from); len(todo) > 0; {
		s := todo[0]
		todo = todo[1:]
		if s == nil || seen[s] {
			continue
		}
		seen[s] = true
		all = append(all, s)
		todo = append(todo, next(s)...)
	}
	return all
}

// mustApply returns the schemas that a value must satisfy to satisfy s.
func mustApply(s *node) []*node {
	all := append([]*node{s.Ref}, s.AllOf...)
	if r := s.RecursiveRef; r != nil && !r.RecursiveAnchor {
		all = append(all, r)
	}
	if r := s.DynamicRef; r != nil && r.DynamicAnchor == "" {
		all = append(all, r)
	}
	return all
}

// inPlace returns the schemas that s applies to the value that it judges itself,
// without those of dynamic references.
func inPlace(s *node) []*node {
	all := []*node{s.Ref, s.Not, s.If, s.Then, s.Else}
	all = append(all, s.AllOf...)
	all = append(all, s.AnyOf...)
	all = append(all, s.OneOf...)
	for _, d := range s.Dependencies {
		if sub, ok := d.(*node); ok {
			all = append(all, sub)
		}
	}
	for _, sub := range s.DependentSchemas {
		all = append(all, sub)
	}
	return slices.DeleteFunc(all, func(s *node) bool { return s == nil })
}

// isDynamic reports whether s refers to a schema that is found only when it judges.
func isDynamic(s *node) bool {
	return s.RecursiveRef != nil && s.RecursiveRef.RecursiveAnchor || s.DynamicRef != nil && s.DynamicRef.DynamicAnchor != ""
}

// mayApply returns the schemas that s may have judge its value, whether that must
// satisfy them or not. Of those that dynamic references find some may be missing.
func mayApply(s *node) []*node { return append(inPlace(s), s.RecursiveRef, s.DynamicRef) }

// compiledInPlace returns the schemas that jsonschema compiles as applied to the value
// that s judges, whether s applies them or not.
func compiledInPlace(s *node) []*node {
	all := mayApply(s)
	if t, ok := s.Extensions["twins"].(*twins); ok {
		all = append(all, t.content)
	}
	return slices.DeleteFunc(all, func(s *node) bool { return s == nil })
}

// dynamicTargets returns, for each dynamic reference of s, the schemas that it may
// find, of which it applies one.
func (a *analysis) dynamicTargets(s *node) [][]*node {
	var all [][]*node
	if r := s.RecursiveRef; r != nil {
		to := []*node{r}
		if r.RecursiveAnchor {
			to = append(to, a.anchored...)
		}
		all = append(all, to)
	}
	if r := s.DynamicRef; r != nil {
		to := []*node{r}
		if r.DynamicAnchor != "" {
			to = append(to, a.dynamic[r.DynamicAnchor]...)
		}
		all = append(all, to)
	}
	return all
}

// withinValue returns the schemas that s applies to properties, names and items.
func withinValue(s *node) []*node {
	all := []*node{s.PropertyNames, s.UnevaluatedProperties, s.Items2020, s.Contains, s.UnevaluatedItems, s.ContentSchema}
	if t, ok := s.Extensions["twins"].(*twins); ok {
		all = append(all, t.content)
	}
	all = append(all, slices.Collect(maps.Values(s.Properties))...)
	all = append(all, slices.Collect(maps.Values(s.PatternProperties))...)
	all = append(all, s.PrefixItems...)
	for _, v := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch v := v.(type) {
		case *node:
			all = append(all, v)
		case []*node:
			all = append(all, v...)
		}
	}
	return all
}

// reaches returns all schemas that s may apply, at its value or within it.
func reaches(s *node) []*node { return append(mayApply(s), withinValue(s)...) }

// ofProperty returns what s applies to a property. The schema that s declares for it
// is handed in, or nil. Every pattern is taken to match.
func ofProperty(s, declared *node) []*node {
	to := []*node{declared, s.PropertyNames, s.UnevaluatedProperties}
	for _, sub := range s.PatternProperties {
		to = append(to, sub)
	}
	if sub, ok := s.AdditionalProperties.(*node); ok && declared == nil {
		to = append(to, sub)
	}
	return to
}

// ofItem returns what s applies to item i.
func ofItem(s *node, i int) []*node {
	to := []*node{s.Contains, s.UnevaluatedItems}
	if i < len(s.PrefixItems) {
		to = append(to, s.PrefixItems[i])
	} else {
		to = append(to, s.Items2020)
	}
	switch items := s.Items.(type) {
	case *node:
		to = append(to, items)
	case []*node:
		if i < len(items) {
			to = append(to, items[i])
		} else if sub, ok := s.AdditionalItems.(*node); ok {
			to = append(to, sub)
		}
	}
	return to
}
