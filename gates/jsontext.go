package gates

import (
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
