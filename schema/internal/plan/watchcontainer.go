package plan

import (
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// A level is an object or an array that a watch is within.
type level struct {
	object bool
	n      int                        // properties or items that have begun
	name   string                     // of the property that is being read
	exact  strictjson.NameSet[string] // of the properties so far
	folded strictjson.NameSet[string] // as fold maps them
	live   []candidate                // what the object or array may still satisfy
}

// A candidate is a plan that the value being read may still satisfy. Where none is
// left, the text is refused. Alternatives make several candidates, of which each
// stands for those of the value around it that ask for it.
type candidate struct {
	plan *Plan  // nil where anything will do, as far as is known
	of   uint64 // bit i is for the candidate with index i of the level around
	seen uint64 // bit i is for the property with index i of the plan
}

// maxLive is how many candidates a value has at most: one for each bit. Of a value
// that has more nothing is known.
const maxLive = 64

// withPlan adds the candidates that a plan stands for.
func (w *Watch) withPlan(live []candidate, p *Plan, of uint64) []candidate {
	if p != nil && !w.spend(1+len(p.alternatives)) {
		p = nil
	}
	if p != nil && p.alternatives != nil {
		for _, alternative := range p.alternatives {
			live = w.withPlan(live, alternative, of)
		}
		return live
	}
	for i := range live {
		if live[i].plan == p {
			live[i].of |= of
			return live
		}
	}
	if len(live) < maxLive {
		return append(live, candidate{plan: p, of: of})
	}
	live[0] = candidate{of: ^uint64(0)} // stands for all
	return live
}

// spend takes n steps of what a watch may do besides reading, which grows with
// what it reads. Where that is not enough, something is not looked at.
func (w *Watch) spend(n int) bool {
	if w.spent+n > spareTimes*w.at+spareBytes {
		return false
	}
	w.spent += n
	return true
}

// expect finds out what a value of a kind, with its first byte, may satisfy.
func (w *Watch) expect(kind kinds, first byte) *strictjson.Fault {
	live := w.live[:0]
	if len(w.levels) == 0 {
		live = w.withPlan(live, w.plan, 1)
	} else {
		l := w.top()
		for i := range l.live {
			live = w.withPlan(live, l.live[i].child(l), 1<<i)
		}
	}
	w.live = live
	allowed := kinds(0)
	for _, candidate := range live {
		if candidate.plan != nil {
			allowed |= candidate.plan.kinds
		}
	}
	return w.settle(func(c *candidate) (keyword, reason string) {
		p := c.plan
		switch {
		case p.kinds&kind == 0 && allowed == 0:
			return "false", phrase.NotAllowed
		case len(live) == 1 && p.values != nil && p.values.kinds&kind == 0:
			return p.values.refused()
		case p.kinds&kind == 0:
			return "type", phrase.Type(allowed.names())
		case p.values == nil:
		case first == 't' && !p.values.yes, first == 'f' && !p.values.no, first == 'n' && !p.values.null:
			return p.values.refused()
		}
		return "", ""
	})
}

// child returns the plan of the property or the item that is being read.
func (c *candidate) child(l *level) *Plan {
	switch {
	case c.plan == nil:
		return nil
	case l.object:
		return c.plan.object.property(l.name)
	}
	return c.plan.array.item(l.n - 1)
}

// settle drops the candidates of the value being read that refused gives a keyword
// for.
func (w *Watch) settle(refused func(c *candidate) (keyword, reason string)) *strictjson.Fault {
	left, keyword, reason := drop(w.live, refused)
	if w.live = left; keyword != "" {
		return w.faultHere(keyword, reason)
	}
	return nil
}

// settleLevel is settle for the object or the array that is being read.
func (w *Watch) settleLevel(refused func(c *candidate) (keyword, reason string)) *strictjson.Fault {
	l := w.top()
	left, keyword, reason := drop(l.live, refused)
	if l.live = left; keyword != "" {
		return w.faultAround(keyword, reason)
	}
	return nil
}

// drop returns the candidates that are not refused. Where none is left, it says
// what they were refused for.
func drop(live []candidate, refused func(c *candidate) (keyword, reason string)) (left []candidate, keyword, reason string) {
	left = live[:0]
	for _, c := range live {
		k, r := "", ""
		if c.plan != nil {
			k, r = refused(&c)
		}
		switch {
		case k == "":
			left = append(left, c)
		case keyword == "":
			keyword, reason = k, r
		case keyword != k || reason != r:
			keyword, reason = "anyOf", "must satisfy one of the alternatives"
		}
	}
	if len(left) > 0 {
		return left, "", ""
	}
	return nil, keyword, reason
}

// agree drops those candidates of the level around a value that no candidate that
// is left of the value stands for.
func (w *Watch) agree(live []candidate) {
	if len(w.levels) == 0 {
		return
	}
	of := uint64(0)
	for _, c := range live {
		of |= c.of
	}
	l := w.top()
	left := l.live[:0]
	for i, c := range l.live {
		if of>>i&1 != 0 {
			left = append(left, c)
		}
	}
	l.live = left
}

// takeName takes the name of a property.
func (w *Watch) takeName(name string) *strictjson.Fault {
	l := w.top()
	switch {
	case !l.exact.Add(name):
		return w.faultAround(strictjson.KeywordDuplicate, strictjson.ReasonDuplicate)
	case !l.folded.Add(strictjson.Fold(name)):
		return w.faultAround(strictjson.KeywordTwin, strictjson.ReasonTwin)
	}
	l.n++
	l.name = name
	return w.settleLevel(func(c *candidate) (keyword, reason string) {
		p := &c.plan.object
		if l.n > p.max {
			return "maxProperties", phrase.MaxProperties(p.max)
		}
		if i := p.names.find(name, 0, len(name)); i >= 0 {
			c.seen |= 1 << i
		} else if p.extra.kinds == 0 {
			return "additionalProperties", p.noOthers()
		}
		return "", ""
	})
}

// noOthers says which properties alone there may be.
func (p *objectPlan) noOthers() string {
	var allowed []string
	for i, name := range p.names.all {
		if p.children[i].kinds != 0 {
			allowed = append(allowed, name)
		}
	}
	return phrase.NoOtherProperties(allowed)
}

// nextItem begins another item of an array.
func (w *Watch) nextItem() *strictjson.Fault {
	l := w.top()
	l.n++
	return w.settleLevel(func(c *candidate) (keyword, reason string) {
		if p := &c.plan.array; l.n > p.max {
			return "maxItems", phrase.MaxItems(p.max)
		}
		return "", ""
	})
}

// close ends an object or an array.
func (w *Watch) close() *strictjson.Fault {
	l := w.top()
	if f := w.settleLevel(func(c *candidate) (keyword, reason string) { return c.refusesEnd(l) }); f != nil {
		return f
	}
	w.live = l.live
	w.levels = w.levels[:len(w.levels)-1]
	w.agree(w.live)
	w.ended()
	return nil
}

func (c *candidate) refusesEnd(l *level) (keyword, reason string) {
	if !l.object {
		if p := &c.plan.array; l.n < p.min {
			return "minItems", phrase.MinItems(p.min)
		}
		return "", ""
	}
	p := &c.plan.object
	if lacks := p.required &^ c.seen; lacks != 0 {
		var missing []string
		for i, name := range p.names.all {
			if lacks>>i&1 != 0 {
				missing = append(missing, name)
			}
		}
		return "required", phrase.Required(missing)
	}
	if l.n < p.min {
		return "minProperties", phrase.MinProperties(p.min)
	}
	return "", ""
}
