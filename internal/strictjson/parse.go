package strictjson

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// A Document is a JSON text that passed the strict parse.
type Document struct {
	Value  any               // as encoding/json decodes it, with numbers as json.Number
	Values [MaxDepth + 1]int // how many values there are at each depth
	Chars  [MaxDepth + 1]int // how long all strings at each depth are, names with those of their values
}

// A parser reads one JSON text. It is strict where parsers differ: what it lets
// through means the same to all of them.
type parser struct {
	src        string
	at         int // the offset of the next byte
	path       []Step
	allowTwins bool // properties whose names are equal but for case
	doc        Document
}

// Parse decodes src, of at most limit bytes. Unless twins are allowed, an object must
// not have two properties whose names are equal but for case. The strings in the
// document are parts of src.
func Parse(src string, limit int, allowTwins bool) (*Document, *Fault) {
	if len(src) > limit {
		return nil, TooLong(limit)
	}
	if !utf8.ValidString(src) {
		return nil, &Fault{Keyword: KeywordEncoding, Reason: ReasonUTF8, Offset: invalidAt(src)}
	}
	p := &parser{src: src, allowTwins: allowTwins}
	p.space()
	v, f := p.value()
	if f != nil {
		return nil, f
	}
	p.space()
	if p.at < len(src) {
		return nil, &Fault{Keyword: KeywordSyntax, Reason: ReasonTrailing, Offset: p.at}
	}
	p.doc.Value = v
	return &p.doc, nil
}

// invalidAt returns the offset of the first byte of src that is no UTF-8.
func invalidAt(src string) int {
	for at, r := range src {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(src[at:]); n == 1 {
				return at
			}
		}
	}
	return len(src)
}

// here makes a fault of the value that is being read.
func (p *parser) here(keyword, reason string) *Fault {
	return &Fault{Keyword: keyword, Reason: reason, Path: p.path, Offset: -1}
}

// syntax makes a fault of the byte at an offset. What is not JSON has no places
// within it.
func (p *parser) syntax(at int) *Fault {
	if at >= len(p.src) {
		return &Fault{Keyword: KeywordSyntax, Reason: ReasonSyntax + ", and ends too early", Offset: len(p.src)}
	}
	return &Fault{Keyword: KeywordSyntax, Reason: ReasonSyntax, Offset: at}
}

func (p *parser) space() {
	for p.at < len(p.src) && IsSpace(p.src[p.at]) {
		p.at++
	}
}

// IsSpace reports whether c is white space to JSON.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// next returns the next byte, and zero at the end.
func (p *parser) next() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

func (p *parser) value() (any, *Fault) {
	p.doc.Values[len(p.path)]++
	switch p.next() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return boxed(p.text())
	case 't':
		return true, p.literal("true")
	case 'f':
		return false, p.literal("false")
	case 'n':
		return nil, p.literal("null")
	}
	return boxed(p.number())
}

func boxed[T any](v T, f *Fault) (any, *Fault) { return v, f }

func (p *parser) literal(word string) *Fault {
	for i := range len(word) {
		if p.next() != word[i] {
			return p.syntax(p.at)
		}
		p.at++
	}
	return nil
}

func (p *parser) object() (any, *Fault) {
	if f := p.enter(); f != nil {
		return nil, f
	}
	m := make(map[string]any)
	if p.ends('}') {
		return m, nil
	}
	var names NameSet
	for {
		if p.next() != '"' {
			return nil, p.syntax(p.at)
		}
		name, f := p.text()
		if f != nil {
			return nil, f
		}
		if f := p.unique(m, &names, name); f != nil {
			return nil, f
		}
		p.doc.Chars[len(p.path)+1] += len(name) // which is judged as a value, too
		if p.space(); p.next() != ':' {
			return nil, p.syntax(p.at)
		}
		p.at++
		p.space()
		p.path = append(p.path, Step{name, -1})
		if m[name], f = p.value(); f != nil {
			return nil, f
		}
		p.path = p.path[:len(p.path)-1]
		more, f := p.more('}')
		if !more {
			return m, f
		}
	}
}

func (p *parser) array() (any, *Fault) {
	if f := p.enter(); f != nil {
		return nil, f
	}
	a := []any{}
	if p.ends(']') {
		return a, nil
	}
	for {
		p.path = append(p.path, Step{"", len(a)})
		v, f := p.value()
		if f != nil {
			return nil, f
		}
		p.path = p.path[:len(p.path)-1]
		a = append(a, v)
		more, f := p.more(']')
		if !more {
			return a, f
		}
	}
}

// enter reads the first byte of an object or an array.
func (p *parser) enter() *Fault {
	if len(p.path) == MaxDepth {
		return p.here(KeywordDepth, ReasonDepth)
	}
	p.at++
	p.space()
	return nil
}

// ends reads the last byte of an object or an array if it is the next one.
func (p *parser) ends(last byte) bool {
	if p.next() != last {
		return false
	}
	p.at++
	return true
}

// more reads what follows a property or an item, and reports whether that is
// another one.
func (p *parser) more(last byte) (bool, *Fault) {
	p.space()
	if p.ends(last) {
		return false, nil
	}
	if p.next() != ',' {
		return false, p.syntax(p.at)
	}
	p.at++
	p.space()
	return true, nil
}

// text reads a string or the name of a property.
func (p *parser) text() (string, *Fault) {
	start := p.at + 1
	end := start
	for escaped := false; ; {
		end = SkipPlain(p.src, end)
		switch {
		case end >= len(p.src), p.src[end] < ' ':
			return "", p.syntax(end)
		case p.src[end] >= utf8.RuneSelf:
			end++
		case p.src[end] == '\\':
			next, f := p.escape(end)
			if f != nil {
				return "", f
			}
			end, escaped = next, true
		default:
			p.at = end + 1
			s := p.src[start:end]
			if escaped {
				s = unescape(s)
			}
			p.doc.Chars[len(p.path)] += len(s)
			return s, nil
		}
	}
}

// escape returns the offset after an escape, or two that make a surrogate pair.
func (p *parser) escape(at int) (int, *Fault) {
	if at+1 < len(p.src) && strings.IndexByte(`"\/bfnrt`, p.src[at+1]) >= 0 {
		return at + 2, nil
	}
	if at+1 >= len(p.src) || p.src[at+1] != 'u' {
		return 0, p.syntax(min(at+1, len(p.src)))
	}
	_, end := ReadEscape(p.src, at)
	if end >= 0 {
		return end, nil
	}
	if _, end := readUnit(p.src, at); end < 0 {
		return 0, p.syntax(at)
	}
	f := p.here(KeywordEncoding, ReasonSurrogate)
	f.Offset = at
	return 0, f
}

// unique refuses a name that the object m has already, if in another case.
func (p *parser) unique(m map[string]any, names *NameSet, name string) *Fault {
	if _, twice := m[name]; twice {
		return p.here(KeywordDuplicate, ReasonDuplicate)
	}
	if !p.allowTwins && !names.Add(Fold(name)) {
		return p.here(KeywordTwin, ReasonTwin)
	}
	return nil
}

// number reads a number, and refuses one that is too long to calculate with.
func (p *parser) number() (json.Number, *Fault) {
	_, digits, end := ReadDigits(p.src, p.at)
	if end < 0 {
		return "", p.syntax(p.at)
	}
	if end < len(p.src) && p.src[end]|0x20 == 'e' {
		e := end + 1
		var exponent int
		if exponent, end = ReadExponent(p.src, e); end < 0 {
			return "", p.syntax(e)
		}
		if !ExponentFits(exponent) {
			return "", p.here(KeywordNumber, ReasonExponent)
		}
	}
	if digits > MaxDigits {
		return "", p.here(KeywordNumber, ReasonDigits)
	}
	n := json.Number(p.src[p.at:end])
	p.doc.Values[len(p.path)] += NumberSize(string(n)) / DigitsPerValue
	p.at = end
	return n, nil
}
