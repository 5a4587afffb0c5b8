package schema

import (
	"slices"

	"example.com/safeconduct/schema/internal/graph"
)

// closeArguments returns the root of a schema that refuses properties which it
// does not declare, if the root or what applies in its place declares some and
// says nothing about others; and else the root itself. What stands below is not
// changed, nor is a schema that the root and another place share.
//
// Only a schema that alone says which properties the arguments have can be closed.
// Where several apply, as with allOf or beside a $ref, each of them would refuse
// what the others declare. And closing one never lets more through: so none is
// closed within a not, an if or a dependency, or beside another alternative of a
// oneOf that it would give way to.
func closeArguments(root *graph.Node) *graph.Node {
	var only *graph.Node
	seen := make(map[*graph.Node]bool)
	for todo := []*graph.Node{root}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		if !alwaysDemands(n) || only != nil && describesObject(n) {
			return root
		}
		if describesObject(n) {
			only = n
		}
		todo = append(todo, graph.InPlace(n)...)
	}
	if only == nil || only.Properties == nil || saysAboutOthers(only) {
		return root
	}
	return (&closer{only, make(map[*graph.Node]*graph.Node)}).copy(root)
}

// alwaysDemands reports whether whatever n applies to a value says what that must be.
func alwaysDemands(n *graph.Node) bool {
	// What a not or an if holds is no demand, what a dependency holds is one
	// on some values, and what a dynamic reference finds is not known. One that
	// stands below would find the closed schema by its $recursiveAnchor.
	if n.Not != nil || n.If != nil || n.Then != nil || n.Else != nil || len(n.DependentSchemas) > 0 ||
		n.DynamicRef != nil || n.RecursiveRef != nil || n.RecursiveAnchor {
		return false
	}
	for _, d := range n.Dependencies {
		if _, ok := d.(*graph.Node); ok {
			return false
		}
	}
	// Of two alternatives that hold, oneOf refuses both.
	objects := 0
	for _, alternative := range n.OneOf {
		if len(alternative.Types) == 0 || slices.Contains(alternative.Types, "object") {
			objects++
		}
	}
	return objects <= 1
}

// describesObject reports whether a schema says what an object holds.
func describesObject(n *graph.Node) bool {
	return n.Properties != nil || saysAboutOthers(n)
}

// saysAboutOthers reports whether a schema says something about properties that it
// does not declare.
func saysAboutOthers(n *graph.Node) bool {
	return n.AdditionalProperties != nil || len(n.PatternProperties) > 0 || n.UnevaluatedProperties != nil
}

// A closer copies the schemas that lead to the one to be closed.
type closer struct {
	target *graph.Node
	copies map[*graph.Node]*graph.Node
}

func (c *closer) copy(n *graph.Node) *graph.Node {
	if n == nil {
		return nil
	}
	if done, ok := c.copies[n]; ok {
		return done
	}
	same := *n
	if n == c.target {
		same.AdditionalProperties = false
	}
	same.Ref = c.copy(n.Ref)
	same.AllOf, same.AnyOf, same.OneOf = c.copyAll(n.AllOf), c.copyAll(n.AnyOf), c.copyAll(n.OneOf)
	c.copies[n] = &same
	return &same
}

func (c *closer) copyAll(all []*graph.Node) []*graph.Node {
	copies := slices.Clone(all)
	for i, n := range copies {
		copies[i] = c.copy(n)
	}
	return copies
}
