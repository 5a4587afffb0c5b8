package gates

import (
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A fault says what is wrong with a JSON text.
type fault uint8

const (
	faultNone     fault = iota
	faultSyntax         // not JSON, or nothing at all
	faultTrailing       // something follows the value
	faultEncoding       // not UTF-8, or half of a surrogate pair
	faultDepth          // nested too deep
	faultTwin           // a name that is there twice, or twice but for its case
)

// String returns the rest of the sentence that begins with "the input".
func (f fault) String() string {
	return [...]string{
		faultNone:     "is fine",
		faultSyntax:   "is not valid JSON",
		faultTrailing: "has something after its JSON value",
		faultEncoding: "is not valid UTF-8",
		faultDepth:    "is nested deeper than " + strconv.Itoa(DefaultMaxDepth),
		faultTwin:     "has a name twice, or two that differ by case only",
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

	mode readMode
	seed uint64 // of readHash

	top  int        // of room in use
	room [16]uint64 // hashes of the names of the objects around, the innermost last
}

// A readMode says what else a reader does.
type readMode uint8

const (
	readStrict readMode = iota // look for twins
	readHash                   // hash the values
	readAgain                  // nothing: the text was read before
)

// read makes the reader ready for src.
func (r *reader) read(src string) {
	r.src, r.pos, r.fault = src, 0, faultNone
	r.depth = DefaultMaxDepth
	r.top = 0
	if !utf8.ValidString(src) {
		r.fault = faultEncoding
	}
}

func (r *reader) fail(f fault) {
	if r.fault == faultNone {
		r.fault = f
	}
	r.pos = len(r.src)
}

// end fails where anything but white space is left.
func (r *reader) end() {
	if r.space(); r.pos < len(r.src) {
		r.fail(faultTrailing)
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
		r.fail(faultSyntax)
		return 0
	}
	switch r.src[r.pos] {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		s := r.text()
		if r.mode != readHash || r.fault != faultNone {
			return 0
		}
		return mix(hashText(r.seed, s.String()), '"')
	case 't':
		return r.literal("true")
	case 'f':
		return r.literal("false")
	case 'n':
		return r.literal("null")
	}
	n := r.number()
	if r.mode != readHash || r.fault != faultNone {
		return 0
	}
	return mix(hashNumber(r.seed, n), '0')
}

func (r *reader) literal(word string) uint64 {
	if !strings.HasPrefix(r.src[r.pos:], word) {
		r.fail(faultSyntax)
		return 0
	}
	r.pos += len(word)
	return mix(uint64(word[0]), 'l')
}

// enter begins an array or an object.
func (r *reader) enter() {
	r.pos++
	if r.depth--; r.depth < 0 {
		r.fail(faultDepth)
	}
}

func (r *reader) array() (hash uint64) {
	r.enter()
	for n := 0; !r.take(']'); n++ {
		if n > 0 && !r.take(',') {
			r.fail(faultSyntax)
		}
		hash = mix(hash, r.value())
		if r.fault != faultNone {
			return 0
		}
	}
	r.depth++
	return mix(hash, '[')
}

func (r *reader) object() (hash uint64) {
	r.enter()
	names := r.names()
	for n := 0; !r.take('}'); n++ {
		name := r.name(n)
		if r.fault == faultNone && r.mode == readStrict {
			r.unique(&names, foldHash(name))
		}
		value := r.value()
		if r.fault != faultNone {
			return 0
		}
		if r.mode == readHash {
			hash += mix(hashText(r.seed, name.String()), value) // in any order
		}
	}
	r.top = names.from
	r.depth++
	return mix(hash, '{')
}

// name reads the name of an object's member n, and what stands around it.
func (r *reader) name(n int) quoted {
	if n > 0 && !r.take(',') {
		r.fail(faultSyntax)
	}
	if r.space(); r.pos == len(r.src) || r.src[r.pos] != '"' {
		r.fail(faultSyntax)
		return quoted{}
	}
	name := r.text()
	if !r.take(':') {
		r.fail(faultSyntax)
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
			r.fail(faultTwin)
			return
		}
	}
	if r.top < len(r.room) {
		r.room[r.top] = hash
		r.top++
		return
	}
	if _, twice := n.many[hash]; twice {
		r.fail(faultTwin)
		return
	}
	if n.many == nil {
		n.many = make(map[uint64]struct{})
	}
	n.many[hash] = struct{}{}
}

// A quoted is a JSON string that was read: what stands between its quotes.
type quoted struct {
	raw     string
	escaped bool
}

// text reads a string.
func (r *reader) text() (q quoted) {
	from := r.pos + 1
	src := r.src
	for i := from; i < len(src); i++ {
		for i+8 <= len(src) {
			special := specials(load8(src, i))
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
			return quoted{src[from:i], q.escaped}
		case c < ' ':
			r.fail(faultSyntax)
			return quoted{}
		}
		n := r.escape(src[i:])
		if n == 0 {
			return quoted{}
		}
		q.escaped = true
		i += n - 1
	}
	r.fail(faultSyntax)
	return quoted{}
}

// escape returns the length of the escape that s begins with. It fails and
// returns 0 where that is none.
func (r *reader) escape(s string) int {
	if len(s) < 2 {
		r.fail(faultSyntax)
		return 0
	}
	if s[1] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, s[1]) < 0 {
			r.fail(faultSyntax)
			return 0
		}
		return 2
	}
	c, ok := hex4(s)
	switch {
	case !ok:
		r.fail(faultSyntax)
		return 0
	case c < 0xd800 || c > 0xdfff:
		return 6
	}
	if low, ok := hex4(s[6:]); ok && c < 0xdc00 && low >= 0xdc00 && low <= 0xdfff {
		return 12
	}
	r.fail(faultEncoding) // half a pair: every parser makes something else of it
	return 0
}

// hex4 reads \uXXXX.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil && s[2] != '_' && s[2] != '+' && s[2] != '-'
}

// String returns the string itself, without its escapes.
func (q quoted) String() string {
	if !q.escaped {
		return q.raw
	}
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
		c, _ := hex4(s)
		s = s[6:]
		if c >= 0xd800 && c <= 0xdfff {
			low, _ := hex4(s)
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
	if r.fault != faultNone {
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
		r.fail(faultSyntax)
	}
}

// smallInt returns the number that text spells, where that is a plain one of up
// to 15 digits.
func smallInt(text string) (n int64, ok bool) {
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

// exactly returns the number that text spells, if a float64 tells it from every
// other number of as many digits: that it does for up to 15.
func exactly(text string) (float64, bool) {
	const digits = 15
	if n, ok := smallInt(text); ok {
		return float64(n), true
	}
	significant, seen := 0, 0 // up to the last digit that is not 0; up to here
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
