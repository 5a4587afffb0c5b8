package strictjson

import (
	"math/bits"
	"unicode/utf8"
)

// A Reader reads one JSON text from left to right. It makes no values, and allocates
// nothing for a text as it should be. It is strict where parsers differ: what it lets
// through means the same to all of them.
//
// [Reader.Next] says what the next value begins with, and Open, Text, Literal or Number
// reads it. With the first fault the Reader goes to the end of the text, where there is
// nothing to read: whoever reads asks for the fault once, at the end.
type Reader struct {
	src   string
	at    int // the offset of the next byte
	depth int // of objects and arrays that are open
	again bool
	fault *Fault
}

// Init makes a zero Reader ready for src.
func (r *Reader) Init(src string) {
	r.src = src
	if !utf8.ValidString(src) {
		r.fail(KeywordEncoding, ReasonUTF8, invalidAt(src))
	}
}

// Again makes a zero Reader ready for a text, or for a value in one, that was read before
// and is as it should be. It does not look for that again.
func (r *Reader) Again(src string) { r.src, r.again = src, true }

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

// Fault returns the first fault, or nil. Its Path is for others to fill in.
func (r *Reader) Fault() *Fault { return r.fault }

// Offset returns the offset of the next byte.
func (r *Reader) Offset() int { return r.at }

func (r *Reader) fail(keyword, reason string, at int) {
	if r.fault == nil {
		r.fault = &Fault{Keyword: keyword, Reason: reason, Offset: at}
	}
	r.at = len(r.src)
}

// syntax fails at the byte at an offset.
func (r *Reader) syntax(at int) {
	reason := ReasonSyntax
	if at >= len(r.src) {
		reason, at = ReasonSyntax+", and ends too early", len(r.src)
	}
	r.fail(KeywordSyntax, reason, at)
}

// IsSpace reports whether c is white space to JSON.
func IsSpace(c byte) bool {
	const spaces uint64 = 1<<' ' | 1<<'\n' | 1<<'\t' | 1<<'\r'
	return c <= ' ' && spaces>>c&1 != 0
}

func (r *Reader) space() {
	for r.at < len(r.src) && IsSpace(r.src[r.at]) {
		r.at++
	}
}

// Next passes white space, and returns the next byte or zero at the end.
func (r *Reader) Next() byte {
	if r.space(); r.at < len(r.src) {
		return r.src[r.at]
	}
	return 0
}

// End fails where anything follows.
func (r *Reader) End() {
	if r.space(); r.at < len(r.src) {
		r.fail(KeywordSyntax, ReasonTrailing, r.at)
	}
}

// Open reads the bracket that an object or an array begins with.
func (r *Reader) Open() {
	if r.at++; r.depth == MaxDepth {
		r.fail(KeywordDepth, ReasonDepth, -1)
	}
	r.depth++
}

// More reads what stands before the nth member of an object or item of an array, from
// 0, and reports whether there is one. Where there is none, it reads the end, which is
// a bracket.
func (r *Reader) More(n int, end byte) bool {
	switch c := r.Next(); {
	case c == end:
		r.at++
		r.depth--
		return false
	case n == 0:
	case c == ',':
		r.at++
	default:
		r.syntax(r.at)
	}
	return r.fault == nil
}

// Name reads the name of a member. After it stands a [Reader.Colon].
func (r *Reader) Name() Text {
	if r.Next() != '"' {
		r.syntax(r.at)
		return Text{}
	}
	return r.Text()
}

// Colon reads what stands between a name and its value.
func (r *Reader) Colon() {
	if r.Next() != ':' {
		r.syntax(r.at)
		return
	}
	r.at++
}

// Unique fails where an object has a name already, if in another case. Names are told
// by their [FoldHash]: whoever makes those of two names collide has them taken for one.
func (r *Reader) Unique(names *NameSet[uint64], foldHash uint64) {
	if !names.Add(foldHash) {
		r.fail(KeywordTwin, ReasonTwin, -1)
	}
}

// Skip reads one value.
func (r *Reader) Skip() {
	switch r.Next() {
	case '{':
		r.skipObject()
	case '[':
		r.Open()
		for n := 0; r.More(n, ']'); n++ {
			r.Skip()
		}
	case '"':
		r.Text()
	case 't', 'f', 'n':
		r.Literal()
	default:
		r.Number()
	}
}

func (r *Reader) skipObject() {
	var names NameSet[uint64]
	r.Open()
	for n := 0; r.More(n, '}'); n++ {
		name := r.Name()
		r.Colon()
		if !r.again {
			r.Unique(&names, name.FoldHash())
		}
		r.Skip()
	}
}

// Literal reads true, false or null, as its first letter says.
func (r *Reader) Literal() {
	word := "null"
	switch r.src[r.at] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	}
	for i := range len(word) {
		if r.at == len(r.src) || r.src[r.at] != word[i] {
			r.syntax(r.at)
			return
		}
		r.at++
	}
}

// Number reads a number. It returns it as it is written, how many digits it has before
// its exponent, and that; neither need be one that a number may have. Of what is no
// number the text is empty.
func (r *Reader) Number() (text string, digits, exponent int) {
	from := r.at
	_, digits, end := ReadDigits(r.src, from)
	if end < 0 {
		r.syntax(from)
		return
	}
	if end < len(r.src) && r.src[end]|0x20 == 'e' {
		begin := end + 1
		if exponent, end = ReadExponent(r.src, begin); end < 0 {
			r.syntax(begin)
			return
		}
	}
	r.at = end
	return r.src[from:end], digits, exponent
}

// Text reads a string.
func (r *Reader) Text() Text {
	src, from := r.src, r.at+1
	escaped := false
	for i := from; ; i++ {
		for i+8 <= len(src) {
			special := specials(Load8(src, i))
			i += bits.TrailingZeros64(special) / 8
			if special != 0 {
				break
			}
		}
		if i == len(src) {
			r.syntax(i)
			return Text{}
		}
		switch c := src[i]; {
		case c == '"':
			r.at = i + 1
			return Text{src[from:i], escaped}
		case c == '\\':
			if i = r.escape(i) - 1; i < 0 {
				return Text{}
			}
			escaped = true
		case c < ' ':
			r.syntax(i)
			return Text{}
		}
	}
}

// escape returns the offset after an escape, or two that make a surrogate pair.
func (r *Reader) escape(at int) int {
	c := byte(0)
	if at+1 < len(r.src) {
		c = r.src[at+1]
	}
	if _, ok := ShortEscape(c); ok {
		return at + 2
	}
	if c != 'u' {
		r.syntax(at + 1)
		return -1
	}
	_, end := ReadEscape(r.src, at)
	if end >= 0 {
		return end
	}
	if _, end := readUnit(r.src, at); end < 0 {
		r.syntax(at)
	} else {
		r.fail(KeywordEncoding, ReasonSurrogate, at)
	}
	return -1
}
