package gates

import (
	"encoding/json"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
)

// The readers of before: that of gates, and Parse.

const oldMaxDepth = 64

// A fault says what is wrong with a JSON text.
type fault uint8

const (
	oldFaultNone     fault = iota
	oldFaultSyntax         // not JSON, or nothing at all
	oldFaultTrailing       // something follows the value
	oldFaultEncoding       // not UTF-8, or half of a surrogate pair
	oldFaultDepth          // nested too deep
	oldFaultTwin           // a name that is there twice, or twice but for its case
)

// String returns the rest of the sentence that begins with "the input".
func (f fault) String() string {
	return [...]string{
		oldFaultNone:     "is fine",
		oldFaultSyntax:   "is not valid JSON",
		oldFaultTrailing: "has something after its JSON value",
		oldFaultEncoding: "is not valid UTF-8",
		oldFaultDepth:    "is nested deeper than " + strconv.Itoa(oldMaxDepth),
		oldFaultTwin:     "has a name twice, or two that differ by case only",
	}[f]
}

// A reader reads JSON text by RFC 8259 and no other rules. It is strict where
// parsers differ: what it lets through means the same to all of them. It makes
// no values and allocates nothing for text as it should be.
type reader struct {
	src   string
	pos   int
	depth int // containers that may still nest
	fault fault

	mode oldReadMode
	seed uint64 // of oldReadHash

	top  int        // of room in use
	room [16]uint64 // hashes of the names of the objects around, the innermost oldLast
}

// A oldReadMode says what else a reader does.
type oldReadMode uint8

const (
	oldReadStrict oldReadMode = iota // look for twins
	oldReadHash                      // hash the values
	oldReadAgain                     // nothing: the text was read before
)

// read makes the reader ready for src.
func (r *reader) read(src string) {
	r.src, r.pos, r.fault = src, 0, oldFaultNone
	r.depth = oldMaxDepth
	r.top = 0
	if !utf8.ValidString(src) {
		r.fault = oldFaultEncoding
	}
}

func (r *reader) fail(f fault) {
	if r.fault == oldFaultNone {
		r.fault = f
	}
	r.pos = len(r.src)
}

// end fails where anything but white space is left.
func (r *reader) end() {
	if r.space(); r.pos < len(r.src) {
		r.fail(oldFaultTrailing)
	}
}

// space skips white space.
func (r *reader) space() {
	for r.pos < len(r.src) {
		if c := r.src[r.pos]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return
		}
		r.pos++
	}
}

// take skips white space and c, and reports whether c was there.
func (r *reader) take(c byte) bool {
	r.space()
	if r.pos < len(r.src) && r.src[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

// value reads one value. Where hashes are made, equal values have equal ones:
// the order of an object's members, white space, escapes and the spelling of
// numbers do not matter.
func (r *reader) value() (hash uint64) {
	if r.space(); r.pos == len(r.src) {
		r.fail(oldFaultSyntax)
		return 0
	}
	switch r.src[r.pos] {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		s := r.text()
		if r.mode != oldReadHash || r.fault != oldFaultNone {
			return 0
		}
		return oldMix(oldHashText(r.seed, s.String()), '"')
	case 't':
		return r.literal("true")
	case 'f':
		return r.literal("false")
	case 'n':
		return r.literal("null")
	}
	n := r.number()
	if r.mode != oldReadHash || r.fault != oldFaultNone {
		return 0
	}
	return oldMix(oldHashNumber(r.seed, n), '0')
}

func (r *reader) literal(word string) uint64 {
	if !strings.HasPrefix(r.src[r.pos:], word) {
		r.fail(oldFaultSyntax)
		return 0
	}
	r.pos += len(word)
	return oldMix(uint64(word[0]), 'l')
}

// enter begins an array or an object.
func (r *reader) enter() {
	r.pos++
	if r.depth--; r.depth < 0 {
		r.fail(oldFaultDepth)
	}
}

func (r *reader) array() (hash uint64) {
	r.enter()
	for n := 0; !r.take(']'); n++ {
		if n > 0 && !r.take(',') {
			r.fail(oldFaultSyntax)
		}
		hash = oldMix(hash, r.value())
		if r.fault != oldFaultNone {
			return 0
		}
	}
	r.depth++
	return oldMix(hash, '[')
}

func (r *reader) object() (hash uint64) {
	r.enter()
	names := r.names()
	for n := 0; !r.take('}'); n++ {
		name := r.name(n)
		if r.fault == oldFaultNone && r.mode == oldReadStrict {
			r.unique(&names, oldFoldHash(name))
		}
		value := r.value()
		if r.fault != oldFaultNone {
			return 0
		}
		if r.mode == oldReadHash {
			hash += oldMix(oldHashText(r.seed, name.String()), value) // in any order
		}
	}
	r.top = names.from
	r.depth++
	return oldMix(hash, '{')
}

// name reads the name of an object's member n, and what stands around it.
func (r *reader) name(n int) oldQuoted {
	if n > 0 && !r.take(',') {
		r.fail(oldFaultSyntax)
	}
	if r.space(); r.pos == len(r.src) || r.src[r.pos] != '"' {
		r.fail(oldFaultSyntax)
		return oldQuoted{}
	}
	name := r.text()
	if !r.take(':') {
		r.fail(oldFaultSyntax)
	}
	return name
}

// names are those of one object so far: in reader.room, and where that is full,
// in a set.
type names struct {
	from int
	many map[uint64]struct{}
}

func (r *reader) names() names { return names{from: r.top} }

// unique fails where a name with this hash was there before.
func (r *reader) unique(n *names, hash uint64) {
	for _, k := range r.room[n.from:r.top] {
		if k == hash {
			r.fail(oldFaultTwin)
			return
		}
	}
	if r.top < len(r.room) {
		r.room[r.top] = hash
		r.top++
		return
	}
	if _, twice := n.many[hash]; twice {
		r.fail(oldFaultTwin)
		return
	}
	if n.many == nil {
		n.many = make(map[uint64]struct{})
	}
	n.many[hash] = struct{}{}
}

// A oldQuoted is a JSON string that was read: what stands between its quotes.
type oldQuoted struct {
	raw     string
	escaped bool
}

// text reads a string.
func (r *reader) text() (q oldQuoted) {
	from := r.pos + 1
	src := r.src
	for i := from; i < len(src); i++ {
		for i+8 <= len(src) {
			special := oldSpecials(oldLoad8(src, i))
			i += bits.TrailingZeros64(special) / 8
			if special != 0 {
				break
			}
		}
		if i == len(src) {
			break
		}
		c := src[i]
		if c != '"' && c != '\\' && c >= ' ' {
			continue // near the end
		}
		switch {
		case c == '"':
			r.pos = i + 1
			return oldQuoted{src[from:i], q.escaped}
		case c < ' ':
			r.fail(oldFaultSyntax)
			return oldQuoted{}
		}
		n := r.escape(src[i:])
		if n == 0 {
			return oldQuoted{}
		}
		q.escaped = true
		i += n - 1
	}
	r.fail(oldFaultSyntax)
	return oldQuoted{}
}

// escape returns the length of the escape that s begins with. It fails and
// returns 0 where that is none.
func (r *reader) escape(s string) int {
	if len(s) < 2 {
		r.fail(oldFaultSyntax)
		return 0
	}
	if s[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s[1]) < 0 {
			r.fail(oldFaultSyntax)
			return 0
		}
		return 2
	}
	c, ok := oldHex4(s)
	switch {
	case !ok:
		r.fail(oldFaultSyntax)
		return 0
	case c < 0xd800 || c > 0xdfff:
		return 6
	}
	if low, ok := oldHex4(s[6:]); ok && c < 0xdc00 && low >= 0xdc00 && low <= 0xdfff {
		return 12
	}
	r.fail(oldFaultEncoding) // half a pair: every parser makes something else of it
	return 0
}

// oldHex4 reads \uXXXX.
func oldHex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil && s[2] != '_' && s[2] != '+' && s[2] != '-'
}

// String returns the string itself, without its escapes.
func (q oldQuoted) String() string {
	if !q.escaped {
		return q.raw // as most have none
	}
	return q.unescape()
}

func (q oldQuoted) unescape() string {
	var b strings.Builder
	for s := q.raw; ; {
		at := strings.IndexByte(s, '\\')
		if at < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:at])
		s = s[at:]
		if s[1] != 'u' {
			b.WriteByte("\"\\/\b\f\n\r\t"[strings.IndexByte(`"\/bfnrt`, s[1])])
			s = s[2:]
			continue
		}
		c, _ := oldHex4(s)
		s = s[6:]
		if c >= 0xd800 && c <= 0xdfff {
			low, _ := oldHex4(s)
			s = s[6:]
			c = (c-0xd800)<<10 + (low - 0xdc00) + 0x10000
		}
		b.WriteRune(c)
	}
}

// number reads a number and returns its text.
func (r *reader) number() string {
	from := r.pos
	if r.pos < len(r.src) && r.src[r.pos] == '-' {
		r.pos++
	}
	if r.pos < len(r.src) && r.src[r.pos] == '0' {
		r.pos++ // and no digit after it
	} else {
		r.digits()
	}
	if r.pos < len(r.src) && r.src[r.pos] == '.' {
		r.pos++
		r.digits()
	}
	if r.pos < len(r.src) && r.src[r.pos]|0x20 == 'e' {
		if r.pos++; r.pos < len(r.src) && (r.src[r.pos] == '+' || r.src[r.pos] == '-') {
			r.pos++
		}
		r.digits()
	}
	if r.fault != oldFaultNone {
		return ""
	}
	return r.src[from:r.pos]
}

// digits reads at least one digit.
func (r *reader) digits() {
	from := r.pos
	for r.pos < len(r.src) && '0' <= r.src[r.pos] && r.src[r.pos] <= '9' {
		r.pos++
	}
	if r.pos == from {
		r.fail(oldFaultSyntax)
	}
}

// oldSmallInt returns the number that text spells, where that is a plain one of up
// to 15 digits.
func oldSmallInt(text string) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 15 {
		return 0, false
	}
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// oldExactly returns the number that text spells, if a float64 tells it from every
// other number of as many digits: that it does for up to 15.
func oldExactly(text string) (float64, bool) {
	const digits = 15
	if n, ok := oldSmallInt(text); ok {
		return float64(n), true
	}
	significant, seen := 0, 0 // up to the oldLast digit that is not 0; up to here
	for i := 0; i < len(text) && text[i]|0x20 != 'e'; i++ {
		if c := text[i]; '0' <= c && c <= '9' && (seen > 0 || c != '0') {
			if seen++; c != '0' {
				significant = seen
			}
		}
	}
	if significant > digits {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 && significant > 0 {
		return 0, false // too large, or too small
	}
	return f, true
}

// The hashes here tell names and values apart that a model wrote. Whoever makes
// two of them collide has two things taken for one, which denies.

const (
	oldOnes  = 0x0101010101010101
	oldHighs = 0x80 * oldOnes
)

// oldLoad8 returns eight bytes of s.
func oldLoad8(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// oldSpecials has the high bit set of the first byte of word, if any, that is a
// quote, a backslash or a control character. It may have later oldOnes set too.
func oldSpecials(word uint64) uint64 {
	quote, back := word^'"'*oldOnes, word^'\\'*oldOnes
	return ((quote-oldOnes)&^quote | (back-oldOnes)&^back | (word-' '*oldOnes)&^word) & oldHighs
}

// oldLowerCase returns word with its ASCII letters in lower case. All bytes must be
// ASCII.
func oldLowerCase(word uint64) uint64 {
	upper := (word + (0x80-'A')*oldOnes) &^ (word + (0x7f-'Z')*oldOnes) & oldHighs
	return word + upper>>2
}

// oldMix makes one hash of two; the order matters.
func oldMix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(a, 23)
}

// oldLast returns the oldLast eight bytes of s. Of a shorter one it returns all, which
// are told from those of others by the length of s.
func oldLast(s string) uint64 {
	n := len(s)
	switch {
	case n >= 8:
		return oldLoad8(s, n-8)
	case n >= 4:
		return oldLoad4(s, 0) | oldLoad4(s, n-4)<<32
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return 0
}

// oldLoad4 returns four bytes of s.
func oldLoad4(s string, i int) uint64 {
	s = s[i : i+4]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// oldHashText hashes s.
func oldHashText(seed uint64, s string) uint64 {
	h := seed + uint64(len(s))
	for rest := s; len(rest) > 8; rest = rest[8:] {
		h = oldMix(h, oldLoad8(rest, 0))
	}
	return oldMix(h, oldLast(s))
}

// oldFoldHash is the same for all names that are equal but for their case.
func oldFoldHash(name oldQuoted) uint64 {
	h := uint64(len(name.raw))
	end := oldLast(name.raw)
	seen := end
	for rest := name.raw; len(rest) > 8; rest = rest[8:] {
		word := oldLoad8(rest, 0)
		seen |= word
		h = oldMix(h, oldLowerCase(word))
	}
	if seen&oldHighs != 0 || name.escaped {
		return oldHashText(0, strictjson.Fold(name.String()))
	}
	return oldMix(h, oldLowerCase(end)) // as oldHashText would hash it, folded
}

// oldHashNumber hashes a number by its value, where a float64 holds that.
func oldHashNumber(seed uint64, text string) uint64 {
	if _, ok := oldSmallInt(text); ok {
		return oldHashText(seed, text)
	}
	n, ok := oldExactly(text)
	if !ok {
		return oldHashText(seed, text)
	}
	format := byte('f')
	if math.Abs(n) >= 1e15 || math.Abs(n) < 1e-6 && n != 0 {
		format = 'g'
	}
	var b [32]byte
	return oldHashText(seed, string(strconv.AppendFloat(b[:0], n, format, -1, 64)))
}

// A parser reads one JSON text. It is strict where parsers differ: what it lets
// through means the same to all of them.
type parser struct {
	src        string
	at         int // the offset of the next byte
	path       []strictjson.Step
	allowTwins bool // properties whose names are equal but for case
	doc        strictjson.Document
}

// oldParse decodes src, of at most limit bytes. Unless twins are allowed, an object must
// not have two properties whose names are equal but for case. The strings in the
// document are parts of src.
func oldParse(src string, limit int, allowTwins bool) (*strictjson.Document, *strictjson.Fault) {
	if len(src) > limit {
		return nil, strictjson.TooLong(limit)
	}
	if !utf8.ValidString(src) {
		return nil, &strictjson.Fault{Keyword: strictjson.KeywordEncoding, Reason: strictjson.ReasonUTF8, Offset: oldInvalidAt(src)}
	}
	p := &parser{src: src, allowTwins: allowTwins}
	p.space()
	v, f := p.value()
	if f != nil {
		return nil, f
	}
	p.space()
	if p.at < len(src) {
		return nil, &strictjson.Fault{Keyword: strictjson.KeywordSyntax, Reason: strictjson.ReasonTrailing, Offset: p.at}
	}
	p.doc.Value = v
	return &p.doc, nil
}

// oldInvalidAt returns the offset of the first byte of src that is no UTF-8.
func oldInvalidAt(src string) int {
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
func (p *parser) here(keyword, reason string) *strictjson.Fault {
	return &strictjson.Fault{Keyword: keyword, Reason: reason, Path: p.path, Offset: -1}
}

// syntax makes a fault of the byte at an offset. What is not JSON has no places
// within it.
func (p *parser) syntax(at int) *strictjson.Fault {
	if at >= len(p.src) {
		return &strictjson.Fault{Keyword: strictjson.KeywordSyntax, Reason: strictjson.ReasonSyntax + ", and ends too early", Offset: len(p.src)}
	}
	return &strictjson.Fault{Keyword: strictjson.KeywordSyntax, Reason: strictjson.ReasonSyntax, Offset: at}
}

func (p *parser) space() {
	for p.at < len(p.src) && oldIsSpace(p.src[p.at]) {
		p.at++
	}
}

func oldIsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// next returns the next byte, and zero at the end.
func (p *parser) next() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

func (p *parser) value() (any, *strictjson.Fault) {
	p.doc.Values[len(p.path)]++
	switch p.next() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return oldBoxed(p.text())
	case 't':
		return true, p.literal("true")
	case 'f':
		return false, p.literal("false")
	case 'n':
		return nil, p.literal("null")
	}
	return oldBoxed(p.number())
}

func oldBoxed[T any](v T, f *strictjson.Fault) (any, *strictjson.Fault) { return v, f }

func (p *parser) literal(word string) *strictjson.Fault {
	for i := range len(word) {
		if p.next() != word[i] {
			return p.syntax(p.at)
		}
		p.at++
	}
	return nil
}

func (p *parser) object() (any, *strictjson.Fault) {
	if f := p.enter(); f != nil {
		return nil, f
	}
	m := make(map[string]any)
	if p.ends('}') {
		return m, nil
	}
	var names oldNameSet
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
		p.path = append(p.path, strictjson.Property(name))
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

func (p *parser) array() (any, *strictjson.Fault) {
	if f := p.enter(); f != nil {
		return nil, f
	}
	a := []any{}
	if p.ends(']') {
		return a, nil
	}
	for {
		p.path = append(p.path, strictjson.Item(len(a)))
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
func (p *parser) enter() *strictjson.Fault {
	if len(p.path) == strictjson.MaxDepth {
		return p.here(strictjson.KeywordDepth, strictjson.ReasonDepth)
	}
	p.at++
	p.space()
	return nil
}

// ends reads the oldLast byte of an object or an array if it is the next one.
func (p *parser) ends(oldLast byte) bool {
	if p.next() != oldLast {
		return false
	}
	p.at++
	return true
}

// more reads what follows a property or an item, and reports whether that is
// another one.
func (p *parser) more(oldLast byte) (bool, *strictjson.Fault) {
	p.space()
	if p.ends(oldLast) {
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
func (p *parser) text() (string, *strictjson.Fault) {
	start := p.at + 1
	end := start
	for escaped := false; ; {
		end = strictjson.SkipPlain(p.src, end)
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
				s = oldUnescape(s)
			}
			p.doc.Chars[len(p.path)] += len(s)
			return s, nil
		}
	}
}

// escape returns the offset after an escape, or two that make a surrogate pair.
func (p *parser) escape(at int) (int, *strictjson.Fault) {
	if at+1 < len(p.src) && strings.IndexByte(`"\/bfnrt`, p.src[at+1]) >= 0 {
		return at + 2, nil
	}
	if at+1 >= len(p.src) || p.src[at+1] != 'u' {
		return 0, p.syntax(min(at+1, len(p.src)))
	}
	_, end := oldReadEscape(p.src, at)
	if end >= 0 {
		return end, nil
	}
	if _, end := oldReadUnit(p.src, at); end < 0 {
		return 0, p.syntax(at)
	}
	f := p.here(strictjson.KeywordEncoding, strictjson.ReasonSurrogate)
	f.Offset = at
	return 0, f
}

// unique refuses a name that the object m has already, if in another case.
func (p *parser) unique(m map[string]any, names *oldNameSet, name string) *strictjson.Fault {
	if _, twice := m[name]; twice {
		return p.here(strictjson.KeywordDuplicate, strictjson.ReasonDuplicate)
	}
	if !p.allowTwins && !names.Add(strictjson.Fold(name)) {
		return p.here(strictjson.KeywordTwin, strictjson.ReasonTwin)
	}
	return nil
}

// number reads a number, and refuses one that is too long to calculate with.
func (p *parser) number() (json.Number, *strictjson.Fault) {
	_, digits, end := strictjson.ReadDigits(p.src, p.at)
	if end < 0 {
		return "", p.syntax(p.at)
	}
	if end < len(p.src) && p.src[end]|0x20 == 'e' {
		e := end + 1
		var exponent int
		if exponent, end = strictjson.ReadExponent(p.src, e); end < 0 {
			return "", p.syntax(e)
		}
		if !strictjson.ExponentFits(exponent) {
			return "", p.here(strictjson.KeywordNumber, strictjson.ReasonExponent)
		}
	}
	if digits > strictjson.MaxDigits {
		return "", p.here(strictjson.KeywordNumber, strictjson.ReasonDigits)
	}
	n := json.Number(p.src[p.at:end])
	p.doc.Values[len(p.path)] += strictjson.NumberSize(string(n)) / strictjson.DigitsPerValue
	p.at = end
	return n, nil
}

// A oldNameSet holds the names of the properties of one object, as they are or as [Fold]
// maps them. The zero oldNameSet is empty.
type oldNameSet struct {
	few  [12]string
	n    int
	many map[string]struct{}
}

// Add reports whether the name was new.
func (s *oldNameSet) Add(name string) bool {
	if s.many == nil {
		for _, have := range s.few[:s.n] {
			if have == name {
				return false
			}
		}
		if s.n < len(s.few) {
			s.few[s.n] = name
			s.n++
			return true
		}
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, have := range s.few {
			s.many[have] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}

// Of control characters these have a short escape, by the same place.
const (
	oldShortRunes   = "\b\t\n\f\r\"\\"
	oldShortEscapes = `btnfr"\`
)

// unescape returns what the content of a string means.
func oldUnescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b = append(b, s[i])
			i++
			continue
		}
		if s[i+1] == 'u' {
			r, end := oldReadEscape(s, i)
			b, i = utf8.AppendRune(b, r), end
			continue
		}
		c := s[i+1] // stands for itself, if it is no letter
		if at := strings.IndexByte(oldShortEscapes, c); at >= 0 {
			c = oldShortRunes[at]
		}
		b = append(b, c)
		i += 2
	}
	return string(b)
}

// oldReadEscape reads the escape \uXXXX that begins at src[i], or two that make a
// surrogate pair. The end is -1 where there is none, or half a pair.
func oldReadEscape(src string, i int) (r rune, end int) {
	r, end = oldReadUnit(src, i)
	switch {
	case end < 0 || !utf16.IsSurrogate(r):
		return r, end
	case end+1 >= len(src) || src[end] != '\\' || src[end+1] != 'u':
		return 0, -1
	}
	second, end := oldReadUnit(src, end)
	if end < 0 {
		return 0, -1
	}
	if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
		return 0, -1
	}
	return r, end
}

// oldReadUnit reads \uXXXX.
func oldReadUnit(src string, i int) (r rune, end int) {
	end = i + len(`\uXXXX`)
	if end > len(src) {
		return 0, -1
	}
	for _, c := range []byte(src[i+2 : end]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, -1
		}
		r = r<<4 | rune(c)
	}
	return r, end
}
