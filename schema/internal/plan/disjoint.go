package plan

// exclusive reports whether certainly no value satisfies two of the plans.
func (l *lowering) exclusive(plans []*Plan) bool {
	for i, p := range plans {
		for _, q := range plans[:i] {
			if !l.disjoint(p, q, 4) {
				return false
			}
		}
	}
	return true
}

// disjoint reports whether certainly no value satisfies both plans, looking so many
// levels deep.
func (l *lowering) disjoint(p, q *Plan, levels int) bool {
	if !l.spend(1) {
		return false
	}
	both := p.kinds & q.kinds
	if p.values != nil && q.values != nil {
		l.spend((len(p.values.texts.all) + len(p.values.numbers)*len(q.values.numbers)) / 16)
		both &= p.values.common(q.values)
	}
	if both&kindObject != 0 && levels > 0 && l.objectsDisjoint(&p.object, &q.object, levels-1) {
		both &^= kindObject
	}
	return both == 0
}

// objectsDisjoint reports whether a property that one of the plans requires tells
// their objects apart.
func (l *lowering) objectsDisjoint(p, q *objectPlan, levels int) bool {
	for _, one := range [][2]*objectPlan{{p, q}, {q, p}} {
		for i, name := range one[0].names.all {
			if one[0].required>>i&1 != 0 && l.disjoint(one[0].children[i], one[1].property(name), levels) {
				return true
			}
		}
	}
	return false
}
