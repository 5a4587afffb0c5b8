package plan

import (
	"math/big"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/format"
	"example.com/safeconduct/schema/internal/graph"
)

// unplanned returns of which kinds s demands what no plan says.
func unplanned(s *graph.Node) kinds {
	unknown := kinds(0)
	if s.Not != nil || s.If != nil || graph.IsDynamic(s) {
		unknown = anyKind
	}
	for name := range s.Extensions {
		if name != graph.Extension {
			unknown = anyKind
		}
	}
	if s.PropertyNames != nil || s.RegexProperties || len(s.Dependencies) > 0 || len(s.DependentRequired) > 0 ||
		len(s.DependentSchemas) > 0 || s.UnevaluatedProperties != nil {
		unknown |= kindObject
	}
	if s.UniqueItems || s.Contains != nil || s.UnevaluatedItems != nil {
		unknown |= kindArray
	}
	return unknown
}

// require adds what s demands of a value alone, without what is within it. It
// returns the kinds for which there was no place in the plan.
func (p *Plan) require(s *graph.Node) kinds {
	unknown := kinds(0)
	if len(s.Types) > 0 {
		allowed := kinds(0)
		for _, name := range s.Types {
			allowed |= kindsNamed[name]
		}
		p.kinds &= allowed
	}
	if len(s.Constant) > 0 {
		unknown |= p.restrict("const", s.Constant)
	}
	if len(s.Enum) > 0 {
		unknown |= p.restrict("enum", s.Enum)
	}
	p.text.min, p.text.max = within(p.text.min, p.text.max, s.MinLength, s.MaxLength)
	if s.Pattern != nil {
		p.text.patterns = append(p.text.patterns, newPattern(s.Pattern))
	}
	is := format.Strict[s.Format]
	if is == nil || graph.IsMetaschema(s.Location) {
		is = jsonschema.Formats[s.Format]
	}
	if is != nil {
		p.text.asserted = append(p.text.asserted, asserted{s.Format, is})
		if has := format.Certain[s.Format]; has != nil {
			p.text.formats = append(p.text.formats, has)
		} else {
			unknown |= kindString
		}
	}
	return unknown | p.number.require(s)
}

// kindsNamed are the values of the keyword type.
var kindsNamed = map[string]kinds{
	"null": kindNull, "boolean": kindBoolean, "integer": kindInteger, "number": kindNumber,
	"string": kindString, "array": kindArray, "object": kindObject,
}

// within narrows a range by two keywords, of which -1 means that there is none.
func within(least, most, minimum, maximum int) (int, int) {
	if maximum >= 0 {
		most = min(most, maximum)
	}
	return max(least, minimum), most
}

func (p *numberPlan) require(s *graph.Node) kinds {
	unknown := kinds(0)
	for _, b := range []struct {
		at        **bound
		value     *big.Rat
		exclusive bool
		nearer    int // what compare says of a bound that says more
	}{
		{&p.min, s.Minimum, false, 1},
		{&p.min, s.ExclusiveMinimum, true, 1},
		{&p.max, s.Maximum, false, -1},
		{&p.max, s.ExclusiveMaximum, true, -1},
	} {
		if b.value == nil {
			continue
		}
		d, ok := strictjson.DecimalOf(b.value)
		if !ok {
			unknown = kindNumber
			continue
		}
		have := *b.at
		if have == nil || d.Compare(have.Decimal) == b.nearer || d.Compare(have.Decimal) == 0 && b.exclusive {
			*b.at = &bound{d, b.exclusive}
		}
	}
	if s.MultipleOf != nil {
		d, ok := strictjson.DecimalOf(s.MultipleOf)
		if !ok {
			return kindNumber
		}
		p.multipleOf = append(p.multipleOf, d)
	}
	return unknown
}

// allows reports whether d satisfies all demands, as far as that is easy to find
// out.
func (p *numberPlan) allows(d strictjson.Decimal) bool {
	if p.min != nil {
		if c := d.Compare(p.min.Decimal); c < 0 || c == 0 && p.min.exclusive {
			return false
		}
	}
	if p.max != nil {
		if c := d.Compare(p.max.Decimal); c > 0 || c == 0 && p.max.exclusive {
			return false
		}
	}
	for _, e := range p.multipleOf {
		if !d.MultipleOf(e) {
			return false
		}
	}
	return true
}
