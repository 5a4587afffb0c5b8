package plan

import (
	"slices"
	"strings"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// What a watch says of strings, numbers and listed values.

// judgeText judges a string that has ended.
func (w *Watch) judgeText(s string) *strictjson.Fault {
	f := w.settle(func(c *candidate) (keyword, reason string) { return w.refusesText(c.plan, s) })
	w.agree(w.live)
	return f
}

func (w *Watch) refusesText(p *Plan, s string) (keyword, reason string) {
	switch {
	case w.chars < p.text.min:
		return "minLength", phrase.MinLength(p.text.min)
	case w.chars > p.text.max:
		return p.text.tooLong()
	case p.values != nil && p.values.texts.find(s, 0, len(s)) < 0:
		return p.values.refused()
	}
	for _, pattern := range p.text.patterns {
		if w.spend(4*len(s)) && !pattern.matches(s) {
			return "pattern", phrase.Pattern(pattern.re.String())
		}
	}
	for _, f := range p.text.asserted {
		if w.spend(4*len(s)) && !f.has(s) {
			return "format", phrase.Format(f.name)
		}
	}
	return "", ""
}

func (p *textPlan) tooLong() (keyword, reason string) {
	return "maxLength", phrase.MaxLength(p.max)
}

// judgeNumber judges a number that has ended.
func (w *Watch) judgeNumber(text string) *strictjson.Fault {
	d, digits, end := strictjson.ReadDigits(text, 0)
	if end < len(text) {
		exponent, _ := strictjson.ReadExponent(text, end+1)
		if !strictjson.ExponentFits(exponent) {
			return w.faultHere(strictjson.KeywordNumber, strictjson.ReasonExponent)
		}
		d.Exponent += exponent
	}
	var f *strictjson.Fault
	if digits <= strictjson.DecimalDigits { // else the whole judgement says
		f = w.settle(func(c *candidate) (keyword, reason string) { return c.plan.refusesNumber(d) })
	}
	w.agree(w.live)
	return f
}

func (p *Plan) refusesNumber(d strictjson.Decimal) (keyword, reason string) {
	kind := kindInteger
	if !d.IsInteger() {
		kind = kindFraction
	}
	if p.values != nil && p.values.kinds&kind == 0 {
		return p.values.refused()
	}
	if p.kinds&kind == 0 {
		return "type", phrase.Type(p.kinds.names())
	}
	if p.values != nil && p.values.unlisted&kindNumber == 0 && !p.values.lists(d) {
		return p.values.refused()
	}
	if least := p.number.min; least != nil {
		switch c := d.Compare(least.Decimal); {
		case c < 0 && !least.exclusive:
			return "minimum", phrase.Minimum(least.String())
		case c <= 0 && least.exclusive:
			return "exclusiveMinimum", phrase.ExclusiveMinimum(least.String())
		}
	}
	if most := p.number.max; most != nil {
		switch c := d.Compare(most.Decimal); {
		case c > 0 && !most.exclusive:
			return "maximum", phrase.Maximum(most.String())
		case c >= 0 && most.exclusive:
			return "exclusiveMaximum", phrase.ExclusiveMaximum(most.String())
		}
	}
	for _, e := range p.number.multipleOf {
		if d.NoMultipleOf(e) {
			return "multipleOf", phrase.MultipleOf(e.String())
		}
	}
	return "", ""
}

// maxBegun is how long a string is, in bytes, while it is looked at before it
// ends.
const maxBegun = 256

// pending judges what has come of a string or of a property's name that has not
// ended.
func (w *Watch) pending() *strictjson.Fault {
	if w.state < inText || w.state == inNumber || w.state == inWord {
		return nil
	}
	if w.name {
		return w.settleLevel(func(c *candidate) (keyword, reason string) {
			p := &c.plan.object
			if p.extra.kinds == 0 && !w.begins(p.names.all) {
				return "additionalProperties", p.noOthers()
			}
			return "", ""
		})
	}
	return w.settle(func(c *candidate) (keyword, reason string) {
		switch p := c.plan; {
		case w.chars > p.text.max:
			return p.text.tooLong()
		case p.values != nil && !w.begins(p.values.texts.all):
			return p.values.refused()
		}
		return "", ""
	})
}

// begins reports whether any of the strings begins with the one that is being
// read, or that it has not looked.
func (w *Watch) begins(all []string) bool {
	if len(w.token) > maxBegun || !w.spend(len(all)) {
		return true
	}
	begun := strictjson.View(w.token)
	return slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, begun) })
}

// refused says that a value is none of those listed.
func (v *values) refused() (keyword, reason string) {
	switch {
	case len(v.said) == 0:
		return v.keyword, phrase.NotAllowed
	case v.keyword == "const":
		return v.keyword, phrase.Const(v.said[0])
	}
	return v.keyword, phrase.OneOf(v.said)
}

// names returns the types of JSON Schema that the kinds are.
func (k kinds) names() (all []string) {
	for _, t := range []struct {
		kinds kinds
		name  string
	}{
		{kindNull, "null"}, {kindBoolean, "boolean"}, {kindNumber, "number"}, {kindInteger, "integer"},
		{kindString, "string"}, {kindArray, "array"}, {kindObject, "object"},
	} {
		if k&t.kinds == t.kinds && (t.kinds != kindInteger || k&kindNumber != kindNumber) {
			all = append(all, t.name)
		}
	}
	return all
}
