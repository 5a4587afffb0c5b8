package plan

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/cost"
	"example.com/safeconduct/schema/internal/graph"
)

// maxLowering bounds the work of making a plan, in steps of a third of a
// microsecond or so: a schema, a property, an alternative or a value that is looked
// at. A schema that takes more has no plan.
const maxLowering = 50_000

// A lowering makes plans of compiled schemas.
type lowering struct {
	ids     map[*graph.Node]int
	names   map[*graph.Node]bool // whether a schema or one that it leads to may declare properties
	plans   map[string]*Plan
	choices []*Plan // whose alternatives are those of a oneOf
	steps   int

	programs cost.Programs
}

// A group is the anyOf or the oneOf of a schema.
type group struct {
	of  *graph.Node
	one bool
}

func (g group) members() []*graph.Node {
	if g.one {
		return g.of.OneOf
	}
	return g.of.AnyOf
}

// A site is the schemas that judge one value. It need not satisfy the optional ones,
// but they refuse twins: an object within it must have no property whose name differs
// in case alone from one that any of them declares.
type site struct {
	apply    []*graph.Node // must be satisfied
	optional []*graph.Node // need not be satisfied
	chosen   []group       // have their choice in apply already
}

// Lower returns the plan of a compiled schema, or nil where that would be too
// large.
func Lower(root *graph.Node, programs cost.Programs) *Plan {
	l := &lowering{ids: make(map[*graph.Node]int), names: make(map[*graph.Node]bool), plans: make(map[string]*Plan), programs: programs}
	p := l.plan(site{apply: []*graph.Node{root}})
	if l.exhausted() {
		return nil
	}
	for _, choice := range l.choices {
		if !l.exclusive(choice.alternatives) {
			choice.accepts = 0
		}
	}
	return p
}

func (l *lowering) exhausted() bool { return l.steps > maxLowering }

// spend takes n steps, and reports whether there were so many left.
func (l *lowering) spend(n int) bool {
	l.steps += n
	return !l.exhausted()
}

// plan returns the plan of all schemas that apply at a site.
func (l *lowering) plan(at site) *Plan {
	at.apply, at.optional = graph.Closure(at.apply, graph.MustApply), graph.Closure(at.optional, graph.MayApply)
	if !l.spend(1 + len(at.apply) + len(at.optional)) {
		return l.nothing()
	}
	at.apply = l.sorted(at.apply)
	at.optional = slices.DeleteFunc(l.sorted(at.optional), func(s *graph.Node) bool {
		_, applies := slices.BinarySearchFunc(at.apply, s, l.compare)
		return applies || !l.declares(s)
	})
	key := l.key(at)
	if p := l.plans[key]; p != nil {
		return p
	}
	p := &Plan{
		kinds:  anyKind,
		text:   textPlan{max: math.MaxInt},
		array:  arrayPlan{max: math.MaxInt},
		object: objectPlan{max: math.MaxInt},
	}
	l.plans[key] = p
	unknown := kinds(0)
	if slices.ContainsFunc(at.optional, graph.IsDynamic) {
		unknown = anyKind
	}
	for _, s := range at.apply {
		if s.Always != nil {
			if !*s.Always {
				p.kinds = 0
			}
			continue
		}
		if !l.spend(l.stepsOf(s)) {
			return p
		}
		unknown |= p.require(s) | unplanned(s)
	}
	unknown |= l.object(&p.object, at)
	l.array(&p.array, at)
	l.chooseGroup(p, at)
	p.accepts = p.kinds &^ unknown
	return p
}

// key tells sites apart.
func (l *lowering) key(at site) string {
	var b []byte
	for _, list := range [][]*graph.Node{at.apply, at.optional} {
		for _, s := range list {
			b = strconv.AppendInt(b, int64(l.id(s)), 36)
			b = append(b, ' ')
		}
		b = append(b, '|')
	}
	for _, g := range at.chosen {
		b = strconv.AppendInt(b, int64(l.id(g.of)), 36)
		b = append(strconv.AppendBool(b, g.one), ' ')
	}
	return string(b)
}

func (l *lowering) id(s *graph.Node) int {
	id, ok := l.ids[s]
	if !ok {
		id = len(l.ids)
		l.ids[s] = id
	}
	return id
}

func (l *lowering) sorted(list []*graph.Node) []*graph.Node {
	for _, s := range list {
		l.id(s)
	}
	slices.SortFunc(list, l.compare)
	return list
}

func (l *lowering) compare(a, b *graph.Node) int { return cmp.Compare(l.id(a), l.id(b)) }

// stepsOf returns the steps that [plan.demand] takes.
func (l *lowering) stepsOf(s *graph.Node) int {
	steps := len(s.Properties) + len(s.Required)
	for _, list := range [][]any{s.Enum, s.Constant} {
		for _, v := range list {
			switch v := v.(type) {
			case string:
				steps += 1 + len(v)/256
			case json.Number:
				steps += 4
			}
		}
	}
	if s.Pattern != nil {
		steps += l.programs.Of(s.Pattern)
	}
	return steps
}

// declares reports whether s or any schema that it leads to may declare properties.
func (l *lowering) declares(s *graph.Node) bool {
	if is, ok := l.names[s]; ok || l.exhausted() {
		return is
	}
	all := graph.Closure([]*graph.Node{s}, graph.Reaches)
	l.steps += len(all)
	l.names[s] = slices.ContainsFunc(all, func(s *graph.Node) bool { return len(s.Properties) > 0 || graph.IsDynamic(s) })
	return l.names[s]
}

// object plans the properties of objects at a site. It returns kindObject where it
// cannot say all.
func (l *lowering) object(p *objectPlan, at site) (unknown kinds) {
	names := make(map[string]bool) // and whether they are required
	for _, s := range at.apply {
		p.min, p.max = within(p.min, p.max, s.MinProperties, s.MaxProperties)
		for _, name := range s.Required {
			names[name] = true
		}
	}
	for _, s := range slices.Concat(at.apply, at.optional) {
		for name := range s.Properties {
			if _, ok := names[name]; !ok {
				names[name] = false
			}
		}
	}
	if len(names) > maxNames {
		p.extra = l.anything(kindObject)
		return kindObject
	}
	folded := make(map[string]bool)
	p.names = newTable(slices.Sorted(maps.Keys(names)))
	for i, name := range p.names.all {
		if names[name] {
			p.required |= 1 << i
		}
		p.children = append(p.children, l.property(at, name))
		if folded[strictjson.Fold(name)] {
			unknown = kindObject // it is the twin of another one
		}
		folded[strictjson.Fold(name)] = true
		p.twins = append(p.twins, strictjson.FoldHash(name))
	}
	p.extra = l.extra(at)
	return unknown
}

// property returns the plan of the property with the given name.
func (l *lowering) property(at site, name string) *Plan {
	if !l.spend(len(at.apply) + len(at.optional)) {
		return l.nothing()
	}
	var next site
	for _, s := range at.apply {
		sub, known := s.Properties[name]
		if known {
			next.apply = append(next.apply, sub)
		}
		for re, sub := range s.PatternProperties {
			if l.spend(1+2*len(name)*l.programs.Of(re)/cost.ScanPrice) && re.MatchString(name) {
				known = true
				next.apply = append(next.apply, sub)
			}
		}
		if !known && !next.add(s.AdditionalProperties) {
			return l.nothing()
		}
	}
	for _, s := range at.optional {
		next.optional = append(next.optional, graph.OfProperty(s, s.Properties[name])...)
	}
	return l.plan(next)
}

// extra returns the plan of the properties that no schema mentions.
func (l *lowering) extra(at site) *Plan {
	var next site
	for _, s := range at.apply {
		if len(s.PatternProperties) > 0 {
			return l.anything(anyKind)
		}
		if !next.add(s.AdditionalProperties) {
			return l.nothing()
		}
	}
	for _, s := range at.optional {
		next.optional = append(next.optional, graph.OfProperty(s, nil)...)
	}
	return l.plan(next)
}

// add adds what additionalProperties or additionalItems holds, and reports whether
// it allows anything.
func (at *site) add(additional any) bool {
	switch v := additional.(type) {
	case bool:
		return v
	case *graph.Node:
		at.apply = append(at.apply, v)
	}
	return true
}

// array plans the items of arrays at a site.
func (l *lowering) array(p *arrayPlan, at site) {
	prefix := 0
	for _, s := range at.apply {
		p.min, p.max = within(p.min, p.max, s.MinItems, s.MaxItems)
		items, _ := s.Items.([]*graph.Node)
		prefix = max(prefix, len(s.PrefixItems), len(items))
	}
	for _, s := range at.optional {
		items, _ := s.Items.([]*graph.Node)
		prefix = max(prefix, len(s.PrefixItems), len(items))
	}
	for i := range prefix {
		p.prefix = append(p.prefix, l.item(at, i))
	}
	p.items = l.item(at, prefix)
}

// item returns the plan of item i.
func (l *lowering) item(at site, i int) *Plan {
	if !l.spend(len(at.apply) + len(at.optional)) {
		return l.nothing()
	}
	var next site
	for _, s := range at.apply {
		if i < len(s.PrefixItems) {
			next.apply = append(next.apply, s.PrefixItems[i])
		} else if s.Items2020 != nil {
			next.apply = append(next.apply, s.Items2020)
		}
		switch items := s.Items.(type) {
		case *graph.Node:
			next.apply = append(next.apply, items)
		case []*graph.Node:
			if i < len(items) {
				next.apply = append(next.apply, items[i])
			} else if !next.add(s.AdditionalItems) {
				return l.nothing()
			}
		}
	}
	for _, s := range at.optional {
		next.optional = append(next.optional, graph.OfItem(s, i)...)
	}
	return l.plan(next)
}

// chooseGroup plans the first anyOf or oneOf at a site that has none chosen yet; the
// plans of its alternatives go on with the others.
func (l *lowering) chooseGroup(p *Plan, at site) {
	for _, s := range at.apply {
		for _, g := range []group{{s, false}, {s, true}} {
			if len(g.members()) == 0 || slices.Contains(at.chosen, g) {
				continue
			}
			l.alternatives(p, at, g)
			return
		}
	}
}

func (l *lowering) alternatives(p *Plan, at site, g group) {
	members := g.members()
	allowed := kinds(0)
	for i, member := range members {
		if !l.spend(len(members) + len(at.apply) + len(at.optional)) {
			return
		}
		next := site{
			apply:    append(slices.Clone(at.apply), member),
			optional: slices.Concat(at.optional, members[:i], members[i+1:]),
			chosen:   append(slices.Clone(at.chosen), g),
		}
		if alternative := l.plan(next); alternative.kinds != 0 {
			allowed |= alternative.kinds
			p.alternatives = append(p.alternatives, alternative)
		}
	}
	p.kinds &= allowed
	if g.one {
		l.choices = append(l.choices, p)
	}
}

// nothing returns the plan that no value satisfies.
func (l *lowering) nothing() *Plan {
	return l.special("nothing", &Plan{})
}

// anything returns a plan that makes no demands, and knows nothing of values of
// the given kinds.
func (l *lowering) anything(unknown kinds) *Plan {
	p := &Plan{kinds: anyKind, accepts: anyKind &^ unknown, text: textPlan{max: math.MaxInt}}
	p.array = arrayPlan{max: math.MaxInt, items: p}
	p.object = objectPlan{max: math.MaxInt, extra: p}
	return l.special("anything "+strconv.Itoa(int(unknown)), p)
}

func (l *lowering) special(key string, p *Plan) *Plan {
	if have := l.plans[key]; have != nil {
		return have
	}
	l.plans[key] = p
	return p
}
