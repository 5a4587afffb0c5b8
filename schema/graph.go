package schema

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// A node is a compiled schema.
type node = jsonschema.Schema

// An analysis works out the costs of a schema.
type analysis struct {
	programs map[string]int
	nodes    map[string]*node   // by location
	dynamic  map[string][]*node // by $dynamicAnchor
	anchors  int                // all of dynamic
	anchored []*node            // with $recursiveAnchor

	here    map[*node]*place // nil while one is being worked out
	steps   int
	entries []*entry
	byNode  map[*node]*entry
}

// A place says how often which schemas apply where one of them does.
type place struct {
	times map[*node]float64
	total float64 // of times
	chain int     // the longest way from one to the next
}

// An entry is a schema that applies to a value by way of a property or an item.
type entry struct {
	index int
	place *place
	own   price
	equal float64 // values to compare, below

	// The ways in which it leads on: to the properties that schemas declare, to all
	// others, to the first items and to those beyond.
	properties map[string][]term
	extra      []term
	items      [][]term
}

// ways returns all of them.
func (e *entry) ways() iter.Seq[[]term] {
	return func(yield func([]term) bool) {
		for _, way := range e.properties {
			if !yield(way) {
				return
			}
		}
		for _, way := range append(e.items[:len(e.items):len(e.items)], e.extra) {
			if !yield(way) {
				return
			}
		}
	}
}

// A term says that a schema applies to a property or an item so many times.
type term struct {
	to    *entry
	times float64
}

// analyse returns the costs of a compiled schema, and all schemas in it by their
// locations.
func analyse(root *node, dynamic []*node, programs map[string]int) (*bill, map[string]*node, error) {
	a := &analysis{
		programs: programs,
		nodes:    make(map[string]*node),
		dynamic:  make(map[string][]*node),
		here:     make(map[*node]*place),
		byNode:   make(map[*node]*entry),
	}
	a.collect(append([]*node{root}, dynamic...))
	if err := a.loops(); err != nil {
		return nil, nil, err
	}
	first, err := a.entry(root)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(a.entries); i++ { // an entry may lead to others
		if err := a.lead(a.entries[i]); err != nil {
			return nil, nil, err
		}
	}
	b, err := a.add(first)
	return b, a.nodes, err
}

// collect finds every schema that the given ones lead to.
func (a *analysis) collect(from []*node) {
	for _, s := range closure(from, leadsTo) {
		a.nodes[s.Location] = s
		if s.DynamicAnchor != "" {
			a.dynamic[s.DynamicAnchor] = append(a.dynamic[s.DynamicAnchor], s)
			a.anchors++
		}
		if s.RecursiveAnchor {
			a.anchored = append(a.anchored, s)
		}
	}
}

// loops looks for a schema that refers to itself at the same place in all that was
// compiled, whether anything applies it or not: jsonschema finds such a loop or does
// not, by the order in which it comes through the schemas.
func (a *analysis) loops() error {
	const open, done = 1, 2
	state := make(map[*node]int, len(a.nodes))
	var visit func(s *node) error
	visit = func(s *node) error {
		switch state[s] {
		case open:
			return loopError(s)
		case done:
			return nil
		}
		state[s] = open
		for _, to := range compiledInPlace(s) {
			if err := visit(to); err != nil {
				return err
			}
		}
		state[s] = done
		return nil
	}
	for _, at := range slices.Sorted(maps.Keys(a.nodes)) {
		if err := visit(a.nodes[at]); err != nil {
			return err
		}
	}
	return nil
}

func loopError(s *node) error {
	return fmt.Errorf("refers to itself at the same place, by way of %s", location(s.Location))
}

// place works out what applies where s does.
func (a *analysis) place(s *node) (*place, error) {
	if p, ok := a.here[s]; ok {
		if p == nil {
			return nil, loopError(s)
		}
		return p, nil
	}
	a.here[s] = nil
	p := &place{times: map[*node]float64{s: 1}, total: 1}
	for _, to := range inPlace(s) {
		if err := a.merge(p, []*node{to}); err != nil {
			return nil, err
		}
	}
	for _, to := range a.found(s) {
		if err := a.merge(p, to); err != nil {
			return nil, err
		}
	}
	if !(p.total <= MaxCost) {
		return nil, tooMuch(s)
	}
	if p.chain++; p.chain > maxChain {
		return nil, fmt.Errorf("more than %d schemas refer to one another at one place, at %s", maxChain, location(s.Location))
	}
	a.here[s] = p
	return p, nil
}

// merge adds to p what applies where one of the schemas does.
func (a *analysis) merge(p *place, anyOf []*node) error {
	most := make(map[*node]float64)
	for _, to := range anyOf {
		q, err := a.place(to)
		if err != nil {
			return err
		}
		p.chain = max(p.chain, q.chain)
		for s, times := range q.times {
			most[s] = max(most[s], times)
		}
		if err := a.step(len(q.times)); err != nil {
			return err
		}
	}
	for s, times := range most {
		p.times[s] += times
		p.total += times
	}
	return nil
}

// step counts the work of the analysis itself.
func (a *analysis) step(n int) error {
	if a.steps += n; a.steps > maxAnalysis {
		return errors.New("its schemas refer to one another in too many ways")
	}
	return nil
}

// lead works out what applies to the properties and the items of values to which
// e applies.
func (a *analysis) lead(e *entry) error {
	names := make(map[string]bool)
	prefix := 0
	for s := range e.place.times {
		for name := range s.Properties {
			names[name] = true
		}
		prefix = max(prefix, len(s.PrefixItems))
		if items, ok := s.Items.([]*node); ok {
			prefix = max(prefix, len(items))
		}
	}
	e.properties = make(map[string][]term, len(names))
	var err error
	for name := range names {
		if e.properties[name], err = a.way(e, func(s *node) []*node { return ofProperty(s, s.Properties[name]) }); err != nil {
			return err
		}
	}
	if e.extra, err = a.way(e, func(s *node) []*node { return ofProperty(s, nil) }); err != nil {
		return err
	}
	e.items = make([][]term, prefix+1)
	for i := range e.items {
		if e.items[i], err = a.way(e, func(s *node) []*node { return ofItem(s, i) }); err != nil {
			return err
		}
	}
	return nil
}

// way returns one way in which e leads on.
func (a *analysis) way(e *entry, schemas func(*node) []*node) (way []term, err error) {
	for s, times := range e.place.times {
		for _, to := range schemas(s) {
			if to == nil {
				continue
			}
			t, err := a.entry(to)
			if err != nil {
				return nil, err
			}
			way = append(way, term{t, times})
		}
	}
	return way, a.step(len(e.place.times) + len(way))
}
