package cost

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"example.com/safeconduct/schema/internal/graph"
)

// An analysis works out the costs of a schema.
type analysis struct {
	programs Programs
	nodes    map[string]*graph.Node   // by location
	dynamic  map[string][]*graph.Node // by $dynamicAnchor
	anchors  int                      // all of dynamic
	anchored []*graph.Node            // with $recursiveAnchor

	clusters map[*graph.Node]*cluster // nil while one is being worked out
	steps    int
	entries  []*entry
	byNode   map[*graph.Node]*entry
}

// A cluster is a schema and all those that judge the same value because it does, with
// how often each of them does.
type cluster struct {
	times map[*graph.Node]float64
	total float64 // of times
	chain int     // the longest chain of them, of which each applies the next
}

// An entry is a schema that applies to a value by way of a property or an item.
type entry struct {
	index   int
	cluster *cluster
	own     price
	equal   float64 // values to compare, below

	// What applies within a value that it judges: to the properties that schemas
	// declare, to all others, to the first items and to those beyond.
	properties map[string][]application
	extra      []application
	items      [][]application
}

// applications returns what applies in each place within the value.
func (e *entry) applications() iter.Seq[[]application] {
	return func(yield func([]application) bool) {
		for _, applied := range e.properties {
			if !yield(applied) {
				return
			}
		}
		for _, applied := range append(e.items[:len(e.items):len(e.items)], e.extra) {
			if !yield(applied) {
				return
			}
		}
	}
}

// An application is a schema that judges a property or an item so many times.
type application struct {
	to    *entry
	times float64
}

// Analyse returns the costs of a compiled schema, and all schemas in it by their
// locations.
func Analyse(root *graph.Node, dynamic []*graph.Node, programs Programs) (*Bill, map[string]*graph.Node, error) {
	a := &analysis{
		programs: programs,
		nodes:    make(map[string]*graph.Node),
		dynamic:  make(map[string][]*graph.Node),
		clusters: make(map[*graph.Node]*cluster),
		byNode:   make(map[*graph.Node]*entry),
	}
	a.collect(append([]*graph.Node{root}, dynamic...))
	if err := a.loops(); err != nil {
		return nil, nil, err
	}
	first, err := a.entry(root)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(a.entries); i++ { // an entry may lead to others
		if err := a.findWithin(a.entries[i]); err != nil {
			return nil, nil, err
		}
	}
	b, err := a.total(first)
	return b, a.nodes, err
}

// collect finds every schema that the given ones lead to.
func (a *analysis) collect(from []*graph.Node) {
	for _, s := range graph.Closure(from, graph.Reaches) {
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
	state := make(map[*graph.Node]int, len(a.nodes))
	var visit func(s *graph.Node) error
	visit = func(s *graph.Node) error {
		switch state[s] {
		case open:
			return loopError(s)
		case done:
			return nil
		}
		state[s] = open
		for _, to := range graph.CompiledInPlace(s) {
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

func loopError(s *graph.Node) error {
	return fmt.Errorf("refers to itself at the same place, by way of %s", graph.Location(s.Location))
}

// cluster works out what applies where s does.
func (a *analysis) cluster(s *graph.Node) (*cluster, error) {
	if p, ok := a.clusters[s]; ok {
		if p == nil {
			return nil, loopError(s)
		}
		return p, nil
	}
	a.clusters[s] = nil
	p := &cluster{times: map[*graph.Node]float64{s: 1}, total: 1}
	for _, to := range graph.InPlace(s) {
		if err := a.merge(p, []*graph.Node{to}); err != nil {
			return nil, err
		}
	}
	for _, to := range a.dynamicTargets(s) {
		if err := a.merge(p, to); err != nil {
			return nil, err
		}
	}
	if !(p.total <= MaxCost) {
		return nil, tooMuch(s)
	}
	if p.chain++; p.chain > maxChain {
		return nil, fmt.Errorf("more than %d schemas refer to one another at one place, at %s", maxChain, graph.Location(s.Location))
	}
	a.clusters[s] = p
	return p, nil
}

// merge adds to p what applies where one of the schemas does.
func (a *analysis) merge(p *cluster, anyOf []*graph.Node) error {
	most := make(map[*graph.Node]float64)
	for _, to := range anyOf {
		q, err := a.cluster(to)
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

// findWithin works out what applies to the properties and the items of the values that
// e judges.
func (a *analysis) findWithin(e *entry) error {
	names := make(map[string]bool)
	prefix := 0
	for s := range e.cluster.times {
		for name := range s.Properties {
			names[name] = true
		}
		prefix = max(prefix, len(s.PrefixItems))
		if items, ok := s.Items.([]*graph.Node); ok {
			prefix = max(prefix, len(items))
		}
	}
	e.properties = make(map[string][]application, len(names))
	var err error
	for name := range names {
		declared := func(s *graph.Node) []*graph.Node { return graph.OfProperty(s, s.Properties[name]) }
		if e.properties[name], err = a.applied(e, declared); err != nil {
			return err
		}
	}
	if e.extra, err = a.applied(e, func(s *graph.Node) []*graph.Node { return graph.OfProperty(s, nil) }); err != nil {
		return err
	}
	e.items = make([][]application, prefix+1)
	for i := range e.items {
		if e.items[i], err = a.applied(e, func(s *graph.Node) []*graph.Node { return graph.OfItem(s, i) }); err != nil {
			return err
		}
	}
	return nil
}

// applied returns what the schemas of e apply in one place within the value.
func (a *analysis) applied(e *entry, schemas func(*graph.Node) []*graph.Node) (applied []application, err error) {
	for s, times := range e.cluster.times {
		for _, to := range schemas(s) {
			if to == nil {
				continue
			}
			t, err := a.entry(to)
			if err != nil {
				return nil, err
			}
			applied = append(applied, application{t, times})
		}
	}
	return applied, a.step(len(e.cluster.times) + len(applied))
}

// entry returns the entry of s.
func (a *analysis) entry(s *graph.Node) (*entry, error) {
	if e, ok := a.byNode[s]; ok {
		return e, nil
	}
	p, err := a.cluster(s)
	if err != nil {
		return nil, err
	}
	e := &entry{index: len(a.entries), cluster: p}
	for s, times := range p.times {
		e.own = e.own.plus(a.price(s), times)
		if s.UniqueItems {
			e.equal += equalsPrice * times
		}
	}
	if !(e.own.keywords <= MaxCost) {
		return nil, tooMuch(s)
	}
	a.byNode[s] = e
	a.entries = append(a.entries, e)
	return e, nil
}

func tooMuch(s *graph.Node) error {
	return fmt.Errorf("costs more than %d at one place, at %s", MaxCost, graph.Location(s.Location))
}

// dynamicTargets returns, for each dynamic reference of s, the schemas that it may
// find, of which it applies one.
func (a *analysis) dynamicTargets(s *graph.Node) [][]*graph.Node {
	var all [][]*graph.Node
	if r := s.RecursiveRef; r != nil {
		to := []*graph.Node{r}
		if r.RecursiveAnchor {
			to = append(to, a.anchored...)
		}
		all = append(all, to)
	}
	if r := s.DynamicRef; r != nil {
		to := []*graph.Node{r}
		if r.DynamicAnchor != "" {
			to = append(to, a.dynamic[r.DynamicAnchor]...)
		}
		all = append(all, to)
	}
	return all
}
