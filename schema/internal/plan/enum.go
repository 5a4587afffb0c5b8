package plan

import (
	"encoding/json"
	"math/big"
	"slices"

	"example.com/safeconduct/internal/strictjson"
)

// maxNumbers is how many numbers of an enum a plan tells.
const maxNumbers = 64

// restrict allows the values of a const or an enum alone, of those that the plan
// allows already.
func (p *Plan) restrict(keyword string, list []any) (unknown kinds) {
	next, kinds := valuesOf(list)
	next.keyword, next.said, next.kinds = keyword, list, kinds
	if was := p.values; was != nil {
		next.null, next.yes, next.no = next.null && was.null, next.yes && was.yes, next.no && was.no
		missing := func(s string) bool { return was.texts.find(s, 0, len(s)) < 0 }
		next.texts = newTable(slices.DeleteFunc(slices.Clone(next.texts.all), missing))
		next.numbers = slices.DeleteFunc(next.numbers, func(d strictjson.Decimal) bool { return !was.lists(d) })
		next.unlisted |= was.unlisted
		next.said = slices.DeleteFunc(slices.Clone(list), func(item any) bool { return !was.admits(item) })
		next.kinds &= was.kinds
	}
	p.values = next
	p.kinds &= kinds
	return next.unlisted
}

// valuesOf returns the values of a list, and their kinds.
func valuesOf(list []any) (v *values, all kinds) {
	v = &values{}
	var texts []string
	seen := make(map[string]bool)
	for _, item := range list {
		switch item := item.(type) {
		case nil:
			v.null = true
			all |= kindNull
		case bool:
			v.yes, v.no = v.yes || item, v.no || !item
			all |= kindBoolean
		case string:
			if !seen[item] {
				seen[item] = true
				texts = append(texts, item)
			}
			all |= kindString
		case json.Number:
			all |= v.number(item)
		case []any:
			v.unlisted |= kindArray
		default:
			v.unlisted |= kindObject
		}
	}
	v.texts = newTable(texts)
	return v, all | v.unlisted
}

// number adds a number to the list and returns its kind.
func (v *values) number(n json.Number) kinds {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		v.unlisted |= kindNumber
		return kindNumber
	}
	kind := kindFraction
	if r.IsInt() {
		kind = kindInteger
	}
	d, ok := strictjson.DecimalOf(r)
	if !ok || len(v.numbers) == maxNumbers {
		v.unlisted |= kindNumber
		return kind
	}
	v.numbers = append(v.numbers, d)
	return kind
}

// admits reports whether a value of another list may be among the values.
func (v *values) admits(item any) bool {
	switch item := item.(type) {
	case nil:
		return v.null
	case bool:
		return item && v.yes || !item && v.no
	case string:
		return v.texts.find(item, 0, len(item)) >= 0
	case json.Number:
		r, ok := new(big.Rat).SetString(string(item))
		if !ok {
			return true
		}
		d, ok := strictjson.DecimalOf(r)
		return !ok || v.unlisted&kindNumber != 0 || v.lists(d)
	}
	return true
}

// lists reports whether d is among the values.
func (v *values) lists(d strictjson.Decimal) bool {
	for _, e := range v.numbers {
		if d.Compare(e) == 0 {
			return true
		}
	}
	return false
}

// common returns the kinds of which both lists may hold the same value.
func (v *values) common(w *values) kinds {
	both := v.unlisted | w.unlisted
	if v.null && w.null {
		both |= kindNull
	}
	if v.yes && w.yes || v.no && w.no {
		both |= kindBoolean
	}
	if slices.ContainsFunc(v.texts.all, func(s string) bool { return w.texts.find(s, 0, len(s)) >= 0 }) {
		both |= kindString
	}
	if slices.ContainsFunc(v.numbers, w.lists) {
		both |= kindNumber
	}
	return both
}
