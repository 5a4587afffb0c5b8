package plan

import (
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
)

// The fast path: a text is read once, and each value is held against its plan
// while it is read. Nothing is decoded and nothing is allocated. The outcome is
// that the text is accepted, or that somebody else must judge it: the scanner
// refuses nothing and explains nothing. It gives up wherever something is out of
// the ordinary, so that what it accepts passes the strict parse as well.

// A scanner reads one text. All methods that read something take the offset where
// it begins and return the one after it, or -1 where they give up.
type scanner struct {
	src       string
	notNormal bool // the text differs from what Normalize makes of it
	depth     int
	most      int // the greatest depth so far
	values    int // how many were read, with what long numbers count
	at        int // how far reading has come
	spare     int // bytes that alternatives may read in vain, each at least one

	// The hashes of the names of undeclared properties, of all objects that
	// are being read.
	marks  int
	hashes [maxMarks]uint64
}

const (
	maxMarks = 32

	// Alternatives are tried one after the other. All texts that are not
	// accepted are judged again, so that what is read in vain is bounded.
	spareTimes = 8
	spareBytes = 1 << 10
)

// A Reading is what was seen of a text that was accepted.
type Reading struct {
	Normal bool // serialised again, the text would be the same
	Values int  // how many there are, with what long numbers count
	Depth  int  // of objects and arrays within one another
}

// Accept reports whether the text certainly satisfies the plan. A text that it does
// not accept may satisfy it all the same.
func (p *Plan) Accept(text string) (Reading, bool) {
	s := scanner{src: text, spare: spareTimes*len(text) + spareBytes}
	end := s.value(p, s.space(0))
	if end < 0 || s.space(end) != len(text) {
		return Reading{}, false
	}
	return Reading{!s.notNormal, s.values, s.most}, true
}

// value reads one value.
func (s *scanner) value(p *Plan, i int) int {
	s.values++
	s.at = i
	if i >= len(s.src) {
		return -1
	}
	if p.alternatives != nil {
		return s.choose(p, i)
	}
	switch s.src[i] {
	case '"':
		if p.accepts&kindString != 0 {
			return s.text(p, i)
		}
	case '{':
		if p.accepts&kindObject != 0 {
			return s.object(&p.object, i)
		}
	case '[':
		if p.accepts&kindArray != 0 {
			return s.array(&p.array, i)
		}
	case 't':
		if p.accepts&kindBoolean != 0 && (p.values == nil || p.values.yes) {
			return s.literal("true", i)
		}
	case 'f':
		if p.accepts&kindBoolean != 0 && (p.values == nil || p.values.no) {
			return s.literal("false", i)
		}
	case 'n':
		if p.accepts&kindNull != 0 && (p.values == nil || p.values.null) {
			return s.literal("null", i)
		}
	default:
		if p.accepts&kindNumber != 0 {
			return s.number(p, i)
		}
	}
	return -1
}

// choose reads a value that must satisfy one of the alternatives.
func (s *scanner) choose(p *Plan, i int) int {
	kind := p.accepts & kindsOf(s.src[i])
	depth, marks := s.depth, s.marks
	for _, alternative := range p.alternatives {
		if alternative.accepts&kind == 0 {
			continue
		}
		if end := s.value(alternative, i); end >= 0 {
			return end
		}
		s.depth, s.marks = depth, marks
		if s.spare -= 1 + s.at - i; s.spare < 0 {
			break
		}
	}
	return -1
}

func (s *scanner) object(p *objectPlan, i int) int {
	if s.depth == strictjson.MaxDepth {
		return -1
	}
	s.depth++
	s.most = max(s.most, s.depth)
	marks := s.marks
	seen, n := uint64(0), 0
	i = s.space(i + 1)
	if i >= len(s.src) || s.src[i] != '}' {
		if seen, n, i = s.properties(p, i); i < 0 {
			return -1
		}
	}
	if seen&p.required != p.required || n < p.min || n > p.max {
		return -1
	}
	s.depth--
	s.marks = marks
	return i + 1
}

// properties reads one property or more, and returns which of the plan's and how
// many there were, and the offset of the brace behind them.
func (s *scanner) properties(p *objectPlan, i int) (seen uint64, n, end int) {
	src, marks := s.src, s.marks
	for {
		if i >= len(src) || src[i] != '"' {
			return 0, 0, -1
		}
		start := i + 1
		i = strictjson.SkipPlain(src, start)
		if i < len(src) && src[i] >= utf8.RuneSelf {
			i = s.name(i)
		}
		if i < 0 || i >= len(src) || src[i] != '"' {
			return 0, 0, -1
		}
		sub := p.extra
		if at := p.names.find(src, start, i); at >= 0 {
			bit := uint64(1) << at
			if seen&bit != 0 {
				return 0, 0, -1
			}
			seen |= bit
			sub = p.children[at]
		} else if sub.accepts == 0 || !s.mark(p, marks, src[start:i]) {
			return 0, 0, -1
		}
		if i = s.space(i + 1); i >= len(src) || src[i] != ':' {
			return 0, 0, -1
		}
		if i = s.value(sub, s.space(i+1)); i < 0 {
			return 0, 0, -1
		}
		n++
		if i = s.space(i); i >= len(src) {
			return 0, 0, -1
		}
		if src[i] == '}' {
			return seen, n, i
		}
		if src[i] != ',' {
			return 0, 0, -1
		}
		i = s.space(i + 1)
	}
}

// name finds the end of a property name from a byte of it that is not ASCII.
func (s *scanner) name(i int) int {
	for i < len(s.src) && s.src[i] >= utf8.RuneSelf {
		for i < len(s.src) && s.src[i] >= utf8.RuneSelf {
			i++
		}
		i = strictjson.SkipPlain(s.src, i)
	}
	return i
}

func (s *scanner) array(p *arrayPlan, i int) int {
	if s.depth == strictjson.MaxDepth {
		return -1
	}
	s.depth++
	s.most = max(s.most, s.depth)
	n := 0
	i = s.space(i + 1)
	if i >= len(s.src) || s.src[i] != ']' {
		if n, i = s.items(p, i); i < 0 {
			return -1
		}
	}
	if n < p.min || n > p.max {
		return -1
	}
	s.depth--
	return i + 1
}

// items reads one item or more, and returns how many there were and the offset of
// the bracket behind them.
func (s *scanner) items(p *arrayPlan, i int) (n, end int) {
	for {
		if i = s.value(p.item(n), i); i < 0 {
			return 0, -1
		}
		n++
		if i = s.space(i); i >= len(s.src) {
			return 0, -1
		}
		if s.src[i] == ']' {
			return n, i
		}
		if s.src[i] != ',' {
			return 0, -1
		}
		i = s.space(i + 1)
	}
}

func (s *scanner) literal(word string, i int) int {
	if end := i + len(word); end <= len(s.src) && s.src[i:end] == word {
		return end
	}
	return -1
}

func (s *scanner) number(p *Plan, i int) int {
	d, digits, end := strictjson.ReadDigits(s.src, i)
	if end < 0 || digits > strictjson.MaxDigits {
		return -1
	}
	whole, size := d.Exponent == 0, digits
	if end < len(s.src) && s.src[end]|0x20 == 'e' {
		var exponent int
		if exponent, end = strictjson.ReadExponent(s.src, end+1); end < 0 || !strictjson.ExponentFits(exponent) {
			return -1
		}
		d.Exponent += exponent
		whole = false
		size += max(exponent, -exponent)
	}
	s.values += size / strictjson.DigitsPerValue
	kind := kindInteger
	switch {
	case digits > strictjson.DecimalDigits:
		if p.values != nil || !p.number.unbounded() || !whole && p.accepts&kindNumber != kindNumber {
			return -1
		}
	case !d.IsInteger():
		kind = kindFraction
	}
	if p.accepts&kind == 0 || digits <= strictjson.DecimalDigits && !p.number.allows(d) || p.values != nil && !p.values.lists(d) {
		return -1
	}
	return end
}

func (s *scanner) text(p *Plan, i int) int {
	start := i + 1
	end := strictjson.SkipPlain(s.src, start)
	if end >= len(s.src) {
		return -1
	}
	if s.src[end] != '"' {
		return s.longText(p, start, end)
	}
	s.at = end
	if n := end - start; n < p.text.min || n > p.text.max {
		return -1
	}
	if p.values != nil && p.values.texts.find(s.src, start, end) < 0 {
		return -1
	}
	if p.text.judgesContent() && !p.text.allows(s.src[start:end]) {
		return -1
	}
	return end + 1
}

// longText reads a string that began at start, from i, where an escape or a
// character is that is not ASCII.
func (s *scanner) longText(p *Plan, start, i int) int {
	length := i - start
	escaped := false
	for {
		if i >= len(s.src) {
			return -1
		}
		switch c := s.src[i]; {
		case c == '"':
			s.at = i
			if length < p.text.min || length > p.text.max {
				return -1
			}
			if escaped && (p.values != nil || p.text.judgesContent()) {
				return -1
			}
			if p.values != nil && p.values.texts.find(s.src, start, i) < 0 {
				return -1
			}
			if p.text.judgesContent() && !p.text.allows(s.src[start:i]) {
				return -1
			}
			return i + 1
		case c == '\\':
			if i = s.escape(i); i < 0 {
				return -1
			}
			escaped = true
			length++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s.src[i:])
			if r == utf8.RuneError && size == 1 {
				return -1
			}
			i += size
			length++
		case c < ' ':
			return -1
		default:
			from := i
			i = strictjson.SkipPlain(s.src, i)
			length += i - from
		}
	}
}

// escape reads one escape, or the two of a surrogate pair.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.src) {
		return -1
	}
	switch s.src[i+1] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case '/':
		s.notNormal = true
		return i + 2
	case 'u':
		r, end := strictjson.ReadEscape(s.src, i)
		if end >= 0 && !strictjson.IsShortest(r, s.src[i:end]) {
			s.notNormal = true
		}
		return end
	}
	return -1
}

// space skips white space.
func (s *scanner) space(i int) int {
	if i < len(s.src) && s.src[i] <= ' ' {
		return s.skip(i)
	}
	return i
}

func (s *scanner) skip(i int) int {
	s.notNormal = true
	for i < len(s.src) && strictjson.IsSpace(s.src[i]) {
		i++
	}
	return i
}
