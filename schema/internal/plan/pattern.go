package plan

import (
	"regexp"
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// A pattern is a regular expression. Many of those in schemas are a sequence of
// character classes from the beginning of the text, each repeated so and so often;
// where it is never in doubt which class a character belongs to, they are matched
// one after the other, without a regular expression.
type pattern struct {
	re   *regexp.Regexp
	runs []run // nil where the regular expression must match
	open bool  // more may follow the last run
}

// A run is characters of one class. Those that are not ASCII are left to the
// regular expression.
type run struct {
	class    [2]uint64
	min, max int // max is -1 where there is none
}

func (r *run) has(c byte) bool { return r.class[c>>6]>>(c&63)&1 != 0 }

func (r *run) overlaps(o *run) bool {
	return r.class[0]&o.class[0]|r.class[1]&o.class[1] != 0
}

// matches reports whether the pattern matches s. It takes time in proportion to
// the length of s.
func (p *pattern) matches(s string) bool {
	if p.runs == nil {
		return p.re.MatchString(s)
	}
	i := 0
	for k := range p.runs {
		r := &p.runs[k]
		n := 0
		for ; i < len(s) && n != r.max; i++ {
			if s[i] >= utf8.RuneSelf {
				return p.re.MatchString(s)
			}
			if !r.has(s[i]) {
				break
			}
			n++
		}
		if n < r.min {
			return false
		}
	}
	return p.open || i == len(s)
}

// newPattern looks for runs in a regular expression.
func newPattern(re *regexp.Regexp) *pattern {
	p := &pattern{re: re}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat || tree.Sub[0].Op != syntax.OpBeginText {
		return p
	}
	parts := tree.Sub[1:]
	open := true
	if last := len(parts) - 1; last >= 0 && parts[last].Op == syntax.OpEndText {
		parts, open = parts[:last], false
	}
	runs := []run{}
	for _, part := range parts {
		var ok bool
		if runs, ok = appendRuns(runs, part); !ok {
			return p
		}
	}
	if certain(runs) {
		p.runs, p.open = runs, open
	}
	return p
}

// certain reports whether each character that a run takes could belong to none
// that comes after.
func certain(runs []run) bool {
	for i := range runs {
		if runs[i].min == runs[i].max {
			continue
		}
		for k := i + 1; k < len(runs); k++ {
			if runs[i].overlaps(&runs[k]) {
				return false
			}
			if runs[k].min > 0 {
				break
			}
		}
	}
	return true
}

// maxRuns is how many runs one pattern may have.
const maxRuns = 100

func appendRuns(runs []run, part *syntax.Regexp) ([]run, bool) {
	if len(runs) > maxRuns || part.Flags&syntax.FoldCase != 0 {
		return nil, false
	}
	least, most := 1, 1
	switch part.Op {
	case syntax.OpCapture:
		return appendRuns(runs, part.Sub[0])
	case syntax.OpLiteral:
		for _, c := range part.Rune {
			if c > unicode.MaxASCII {
				return nil, false
			}
			runs = append(runs, run{class: classOf([]rune{c, c}), min: 1, max: 1})
		}
		return runs, true
	case syntax.OpStar:
		least, most = 0, -1
	case syntax.OpPlus:
		most = -1
	case syntax.OpQuest:
		least = 0
	case syntax.OpRepeat:
		least, most = part.Min, part.Max
	}
	if part.Op != syntax.OpCharClass && part.Op != syntax.OpAnyCharNotNL && part.Op != syntax.OpAnyChar {
		if len(part.Sub) != 1 {
			return nil, false
		}
		inner, ok := appendRuns(nil, part.Sub[0])
		if !ok || len(inner) != 1 || inner[0].min != 1 || inner[0].max != 1 {
			return nil, false
		}
		return append(runs, run{inner[0].class, least, most}), true
	}
	ranges := part.Rune
	switch part.Op {
	case syntax.OpAnyCharNotNL:
		ranges = []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
	case syntax.OpAnyChar:
		ranges = []rune{0, unicode.MaxRune}
	}
	return append(runs, run{class: classOf(ranges), min: 1, max: 1}), true
}

// classOf returns the ASCII characters in pairs of first and last ones.
func classOf(ranges []rune) (class [2]uint64) {
	for i := 0; i+1 < len(ranges); i += 2 {
		for c := ranges[i]; c <= min(ranges[i+1], unicode.MaxASCII); c++ {
			class[c>>6] |= 1 << (c & 63)
		}
	}
	return class
}

// allows reports whether s matches the patterns and has the formats.
func (p *textPlan) allows(s string) bool {
	for _, pattern := range p.patterns {
		if !pattern.matches(s) {
			return false
		}
	}
	for _, has := range p.formats {
		if !has(s) {
			return false
		}
	}
	return true
}
