package graph

import (
	"maps"
	"slices"
)

// The edges of the graph that schemas make: which schemas one applies, to the value
// that it judges itself and to what is within that.

// Closure returns the schemas and all that they lead to.
func Closure(from []*Node, next func(*Node) []*Node) []*Node {
	var all []*Node
	seen := make(map[*Node]bool)
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

// MustApply returns the schemas that a value must satisfy to satisfy s.
func MustApply(s *Node) []*Node {
	all := append([]*Node{s.Ref}, s.AllOf...)
	if r := s.RecursiveRef; r != nil && !r.RecursiveAnchor {
		all = append(all, r)
	}
	if r := s.DynamicRef; r != nil && r.DynamicAnchor == "" {
		all = append(all, r)
	}
	return all
}

// InPlace returns the schemas that s applies to the value that it judges itself,
// without those of dynamic references.
func InPlace(s *Node) []*Node {
	all := []*Node{s.Ref, s.Not, s.If, s.Then, s.Else}
	all = append(all, s.AllOf...)
	all = append(all, s.AnyOf...)
	all = append(all, s.OneOf...)
	for _, d := range s.Dependencies {
		if sub, ok := d.(*Node); ok {
			all = append(all, sub)
		}
	}
	for _, sub := range s.DependentSchemas {
		all = append(all, sub)
	}
	return slices.DeleteFunc(all, func(s *Node) bool { return s == nil })
}

// IsDynamic reports whether s refers to a schema that is found only when it judges.
func IsDynamic(s *Node) bool {
	return s.RecursiveRef != nil && s.RecursiveRef.RecursiveAnchor || s.DynamicRef != nil && s.DynamicRef.DynamicAnchor != ""
}

// MayApply returns the schemas that s may have judge its value, whether that must
// satisfy them or not. Of those that dynamic references find some may be missing.
func MayApply(s *Node) []*Node { return append(InPlace(s), s.RecursiveRef, s.DynamicRef) }

// CompiledInPlace returns the schemas that jsonschema compiles as applied to the value
// that s judges, whether s applies them or not.
func CompiledInPlace(s *Node) []*Node {
	all := MayApply(s)
	if t, ok := s.Extensions[Extension].(*declared); ok {
		all = append(all, t.content)
	}
	return slices.DeleteFunc(all, func(s *Node) bool { return s == nil })
}

// withinValue returns the schemas that s applies to properties, names and items.
func withinValue(s *Node) []*Node {
	all := []*Node{s.PropertyNames, s.UnevaluatedProperties, s.Items2020, s.Contains, s.UnevaluatedItems, s.ContentSchema}
	if t, ok := s.Extensions[Extension].(*declared); ok {
		all = append(all, t.content)
	}
	all = append(all, slices.Collect(maps.Values(s.Properties))...)
	all = append(all, slices.Collect(maps.Values(s.PatternProperties))...)
	all = append(all, s.PrefixItems...)
	for _, v := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch v := v.(type) {
		case *Node:
			all = append(all, v)
		case []*Node:
			all = append(all, v...)
		}
	}
	return all
}

// Reaches returns all schemas that s may apply, at its value or within it.
func Reaches(s *Node) []*Node { return append(MayApply(s), withinValue(s)...) }

// OfProperty returns what s applies to a property. The schema that s declares for it
// is handed in, or nil. Every pattern is taken to match.
func OfProperty(s, declared *Node) []*Node {
	to := []*Node{declared, s.PropertyNames, s.UnevaluatedProperties}
	for _, sub := range s.PatternProperties {
		to = append(to, sub)
	}
	if sub, ok := s.AdditionalProperties.(*Node); ok && declared == nil {
		to = append(to, sub)
	}
	return to
}

// OfItem returns what s applies to item i.
func OfItem(s *Node, i int) []*Node {
	to := []*Node{s.Contains, s.UnevaluatedItems}
	if i < len(s.PrefixItems) {
		to = append(to, s.PrefixItems[i])
	} else {
		to = append(to, s.Items2020)
	}
	switch items := s.Items.(type) {
	case *Node:
		to = append(to, items)
	case []*Node:
		if i < len(items) {
			to = append(to, items[i])
		} else if sub, ok := s.AdditionalItems.(*Node); ok {
			to = append(to, sub)
		}
	}
	return to
}
