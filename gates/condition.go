package gates

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/internal/strictjson"
)

// A Condition is what the value of one argument has to be. Conditions are made
// by the funcs of this package, [Equal] and the others; the zero Condition is
// none, and panics where it is used. A Condition is safe for concurrent use.
//
// A value that a condition cannot judge, such as a list where a number is
// expected, does not satisfy it, and does not satisfy the [Not] of it either.
//
// The reason of a denial says what the value has to be, and so names what the rule
// allows: values, prefixes, the folder, hosts. [Quiet] has it say less.
type Condition struct {
	judge func(v value) answer
	be    string // what it has to be, after "must "
	quiet string // the same without what is listed
}

// maxBe bounds what a denial says of a condition and those within it, in bytes.
const maxBe = 512

// saying returns the condition with what is said of it.
func (c Condition) saying(be, quiet string) Condition {
	if len(be) > maxBe {
		be = quiet
	}
	c.be, c.quiet = be, quiet
	return c
}

// Quiet is c, of which no denial says what it lists: not the values, prefixes, folder
// or hosts, which models and users read otherwise. It panics if c is the zero
// Condition.
func Quiet(c Condition) Condition {
	mustConditions("Quiet", []Condition{c})
	c.be = c.quiet
	return c
}

// An answer says whether a value satisfies a condition.
type answer uint8

const (
	answerNo answer = iota
	answerYes
	answerUnknown // it cannot be judged
)

func answerIf(ok bool) answer {
	if ok {
		return answerYes
	}
	return answerNo
}

// A value is one JSON value as it was written, or text that is no JSON.
type value struct {
	raw   string
	text  bool // raw is the value itself
	clean bool // raw is a string that has no escapes
}

// str returns the string that v is.
func (v value) str() (string, bool) {
	switch {
	case v.text:
		return v.raw, true
	case v.clean:
		return v.raw[1 : len(v.raw)-1], true
	case v.raw == "" || v.raw[0] != '"':
		return "", false
	}
	return strictjson.Unquote(v.raw), true
}

// number returns the number that v is, where it can be told exactly.
func (v value) number() (float64, bool) {
	if v.text || v.raw == "" || v.raw[0] != '-' && (v.raw[0] < '0' || v.raw[0] > '9') {
		return 0, false
	}
	return exactFloat(v.raw)
}

// each calls f for every item of a list, or every member of an object, until it
// returns false. It reports whether v is a container that begins with open.
func (v value) each(open byte, f func(name strictjson.Text, item value) bool) bool {
	if v.text || v.raw == "" || v.raw[0] != open {
		return false
	}
	var r strictjson.Reader
	r.Again(v.raw)
	r.Open()
	for n := 0; r.More(n, open+2); n++ { // ] and } stand two after [ and {
		var name strictjson.Text
		if open == '{' {
			name = r.Name()
			r.Colon()
		}
		r.Next()
		from := r.Offset()
		r.Skip()
		if !f(name, value{raw: v.raw[from:r.Offset()]}) {
			break
		}
	}
	return true
}

// satisfies judges v by all conditions. It returns the first that v does not
// satisfy, and how.
func (v value) satisfies(conditions []Condition) (*Condition, answer) {
	for i := range conditions {
		if f := conditions[i].judge(v); f != answerYes {
			return &conditions[i], f
		}
	}
	return nil, answerYes
}

// Equal is satisfied by one string, number, true, false or null (nil). It panics
// if want is something else, or a number that a float64 cannot hold exactly.
func Equal(want any) Condition {
	return oneOf("Equal", []any{want}).saying(beOneOf([]any{want}), "be the one value that is listed")
}

// OneOf is satisfied by any of these values, which are as for [Equal]. Without
// values it is satisfied by none. Strings are compared byte by byte, numbers by
// value. A number with more than 15 digits cannot be judged.
func OneOf(values ...any) Condition {
	return oneOf("OneOf", values).saying(beOneOf(values), "be one of the values that are listed")
}

// beOneOf says which values are allowed, after "must ".
func beOneOf(values []any) string {
	list := shown.List(values, func(v any) string {
		p, _ := canonical(v)
		return shown.Value(p)
	})
	switch len(values) {
	case 0:
		return "be one of the values that are listed: there are none"
	case 1:
		return "be " + list
	}
	return "be one of " + list
}

func oneOf(who string, values []any) Condition {
	strs := make(map[string]struct{})
	nums := make(map[float64]struct{})
	words := make(map[string]struct{})
	for _, v := range values {
		p, ok := canonical(v)
		switch p := p.(type) {
		case string:
			strs[p] = struct{}{}
		case bool:
			words[strconv.FormatBool(p)] = struct{}{}
		case int64:
			nums[float64(p)] = struct{}{}
			ok = p > -1e15 && p < 1e15
		case float64:
			nums[p] = struct{}{}
			ok = !math.IsNaN(p) && !math.IsInf(p, 0)
		case nil:
			words["null"] = struct{}{}
		default:
			ok = false
		}
		if !ok {
			panic(fmt.Sprintf("gates: %s: a value of type %T cannot be compared", who, v))
		}
	}
	var few []string // are compared one by one
	if len(strs) <= 4 {
		few, strs = slices.Collect(maps.Keys(strs)), nil
	}
	return Condition{judge: func(v value) answer {
		ok := false
		if s, is := v.str(); is {
			for _, one := range few {
				if one == s {
					return answerYes
				}
			}
			_, ok = strs[s]
			return answerIf(ok)
		}
		switch v.raw[0] {
		case '{', '[':
			return answerUnknown
		case 't', 'f', 'n':
			_, ok = words[v.raw]
			return answerIf(ok)
		}
		n, exact := v.number()
		if !exact {
			return answerUnknown
		}
		_, ok = nums[n]
		return answerIf(ok)
	}}
}

// Between is satisfied by numbers from least to most, both included. A number
// with more than 15 digits cannot be judged. Use math.Inf for no bound. Between
// panics if least is more than most or one is NaN.
func Between(least, most float64) Condition {
	if !(least <= most) {
		panic(fmt.Sprintf("gates: Between(%v, %v)", least, most))
	}
	be := fmt.Sprintf("be a number between %v and %v", least, most)
	return Condition{be: be, quiet: be, judge: func(v value) answer {
		n, ok := v.number()
		if !ok {
			return answerUnknown
		}
		return answerIf(least <= n && n <= most)
	}}
}

// Length is satisfied by strings of least to most characters, lists of as many
// items, and objects of as many members. Length panics if least is negative or
// more than most.
func Length(least, most int) Condition {
	if least < 0 || least > most {
		panic(fmt.Sprintf("gates: Length(%d, %d)", least, most))
	}
	be := fmt.Sprintf("have a length between %d and %d", least, most)
	return Condition{be: be, quiet: be, judge: func(v value) answer {
		n := 0
		if s, ok := v.str(); ok {
			n = utf8.RuneCountInString(s)
		} else if count := func(strictjson.Text, value) bool { n++; return true }; !v.each('[', count) && !v.each('{', count) {
			return answerUnknown
		}
		return answerIf(least <= n && n <= most)
	}}
}

// Prefix is satisfied by strings that begin with one of these prefixes, byte by
// byte. For paths and URLs it is the wrong tool: see [Folder] and [Web]. Prefix
// panics without prefixes, or if one is empty.
func Prefix(prefixes ...string) Condition {
	if len(prefixes) == 0 || slices.Contains(prefixes, "") {
		panic("gates: Prefix: no prefix, or an empty one")
	}
	prefixes = slices.Clone(prefixes)
	c := Condition{judge: func(v value) answer {
		s, ok := v.str()
		if !ok {
			return answerUnknown
		}
		for _, p := range prefixes {
			if strings.HasPrefix(s, p) {
				return answerYes
			}
		}
		return answerNo
	}}
	one := ""
	if len(prefixes) > 1 {
		one = "one of "
	}
	return c.saying("begin with "+one+shown.List(prefixes, shown.Text), "begin with a prefix that is listed")
}

// Not is satisfied by values that c judges and that do not satisfy it: what c
// lists is denied. Prefer to list what is allowed. No denial names what is denied, which
// would only help to get around it.
func Not(c Condition) Condition {
	mustConditions("Not", []Condition{c})
	be := "not " + c.quiet
	return Condition{be: be, quiet: be, judge: func(v value) answer {
		switch c.judge(v) {
		case answerYes:
			return answerNo
		case answerNo:
			return answerYes
		case answerUnknown:
		}
		return answerUnknown
	}}
}

// Field is satisfied by objects that have a member of this name which satisfies
// all conditions; without conditions it just has to be there. An object with a
// member whose name differs from it by case only cannot be judged. Field panics
// if name is empty.
func Field(name string, conditions ...Condition) Condition {
	mustConditions("Field", conditions)
	if name == "" {
		panic("gates: Field: empty name")
	}
	conditions = slices.Clone(conditions)
	folded := strictjson.FoldHash(name)
	c := Condition{judge: func(v value) answer {
		found := answerNo
		if !v.each('{', func(n strictjson.Text, item value) bool {
			if n.FoldHash() != folded {
				return true
			}
			if found = answerUnknown; n.String() == name {
				_, found = item.satisfies(conditions)
			}
			return false // there are no twins
		}) {
			return answerUnknown
		}
		return found
	}}
	quiet := "have a field " + shown.Name(name) + " that is allowed"
	if len(conditions) == 0 {
		return c.saying("have a field "+shown.Name(name), quiet)
	}
	return c.saying("have a field "+shown.Name(name)+", which must "+allBe(conditions), quiet)
}

// allBe says what a value has to be that satisfies all conditions.
func allBe(conditions []Condition) string {
	var be []string
	for _, c := range conditions {
		be = append(be, c.be)
	}
	return strings.Join(be, " and ")
}

// Each is satisfied by lists in which each item satisfies all conditions, as
// they do in an empty one.
func Each(conditions ...Condition) Condition {
	mustConditions("Each", conditions)
	conditions = slices.Clone(conditions)
	c := Condition{judge: func(v value) answer {
		all := answerYes
		if !v.each('[', func(_ strictjson.Text, item value) bool {
			_, all = item.satisfies(conditions)
			return all == answerYes
		}) {
			return answerUnknown
		}
		return all
	}}
	const quiet = "be a list in which each item is allowed"
	if len(conditions) == 0 {
		return c.saying("be a list", quiet)
	}
	return c.saying("be a list in which each item must "+allBe(conditions), quiet)
}

// AtMost is satisfied by lists in which no more than n items satisfy all
// conditions. It panics if n is negative.
func AtMost(n int, conditions ...Condition) Condition {
	mustConditions("AtMost", conditions)
	if n < 0 {
		panic(fmt.Sprintf("gates: AtMost(%d)", n))
	}
	conditions = slices.Clone(conditions)
	c := Condition{judge: func(v value) answer {
		count, unknown := 0, false
		if !v.each('[', func(_ strictjson.Text, item value) bool {
			switch _, f := item.satisfies(conditions); f {
			case answerYes:
				count++
			case answerUnknown:
				unknown = true
			case answerNo:
			}
			return true
		}) || unknown {
			return answerUnknown
		}
		return answerIf(count <= n)
	}}
	quiet := fmt.Sprintf("be a list with no more than %d items of the kind that is bounded", n)
	if len(conditions) == 0 {
		return c.saying(fmt.Sprintf("be a list of no more than %d items", n), quiet)
	}
	return c.saying(fmt.Sprintf("be a list in which no more than %d items may %s", n, allBe(conditions)), quiet)
}

func mustConditions(who string, conditions []Condition) {
	for _, c := range conditions {
		if c.judge == nil {
			panic("gates: " + who + ": zero Condition")
		}
	}
}
