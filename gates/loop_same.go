package gates

import (
	"math"
	"strconv"
	"strings"

	"example.com/safeconduct/internal/strictjson"
)

// When two tool calls are the same.

// hashArguments returns a hash of the arguments of a tool call. Those that are equal
// have equal ones: the order of an object's members, white space, escapes and the
// spelling of numbers do not matter. Of arguments that are no JSON it is that of the
// text, without white space around it.
func hashArguments(seed uint64, input string) uint64 {
	h := valueHasher{seed: seed}
	h.Init(input)
	hash := h.value()
	if h.End(); h.Fault() != nil {
		return strictjson.Hash(seed, strings.TrimSpace(input))
	}
	return hash
}

// A valueHasher reads values and makes hashes of them.
type valueHasher struct {
	strictjson.Reader
	seed uint64
}

func (h *valueHasher) value() uint64 {
	first := h.Next()
	switch first {
	case '{':
		return strictjson.Mix(h.members(), '{')
	case '[':
		return strictjson.Mix(h.items(), '[')
	case '"':
		return strictjson.Mix(h.text(h.Text()), '"')
	case 't', 'f', 'n':
		h.Literal()
		return strictjson.Mix(uint64(first), 'l')
	}
	text, _, _ := h.Number()
	return strictjson.Mix(hashNumber(h.seed, text), '0')
}

func (h *valueHasher) text(t strictjson.Text) uint64 { return strictjson.Hash(h.seed, t.String()) }

func (h *valueHasher) members() (hash uint64) {
	h.Open()
	for n := 0; h.More(n, '}'); n++ {
		name := h.text(h.Name())
		h.Colon()
		hash += strictjson.Mix(name, h.value()) // in any order
	}
	return hash
}

func (h *valueHasher) items() (hash uint64) {
	h.Open()
	for n := 0; h.More(n, ']'); n++ {
		hash = strictjson.Mix(hash, h.value())
	}
	return hash
}

// hashNumber hashes a number by its value, where a float64 holds that.
func hashNumber(seed uint64, text string) uint64 {
	if _, ok := smallInt(text); ok {
		return strictjson.Hash(seed, text)
	}
	n, ok := exactFloat(text)
	if !ok {
		return strictjson.Hash(seed, text)
	}
	format := byte('f')
	if math.Abs(n) >= 1e15 || math.Abs(n) < 1e-6 && n != 0 {
		format = 'g'
	}
	var b [32]byte
	return strictjson.Hash(seed, string(strconv.AppendFloat(b[:0], n, format, -1, 64)))
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// zeros has the high bit set of the first byte of word that is zero, and of none
// if none is. It may have later ones set too.
func zeros(word uint64) uint64 { return (word - ones) &^ word & highs }

// sketch makes a sketch of a JSON text, which is far cheaper than to read it:
// texts that mean the same have the same, unless one of them is ambiguous. It is made
// of two sums over all bytes but white space, in any order: one of the bytes, and
// one in Gray's code, which tells 19 from 28. A text is ambiguous if it has an escape,
// or what may be a number with a fraction or an exponent.
func sketch(text string) (sum uint64, ambiguous bool) {
	const lanes = 0x00ff00ff00ff00ff
	var found, digits uint64
	for rest := text; len(rest) > 0; {
		var word uint64
		switch {
		case len(rest) >= 8:
			word, rest = strictjson.Load8(rest, 0), rest[8:]
		case len(text) >= 8:
			word, rest = strictjson.Load8(text, len(text)-8)>>(64-8*uint(len(rest))), ""
		default:
			for i := range len(rest) {
				word |= uint64(rest[i]) << (8 * uint(i))
			}
			rest = ""
		}
		before := digits >> 56                            // of the word before
		digits = zeros((word ^ '0'*ones) &^ (0xf * ones)) // and :;<=>?
		found |= zeros(word ^ '\\'*ones)
		if after := digits<<8 | before; after != 0 { // most text has few digits
			found |= after & (zeros(word^'.'*ones) | zeros((word|' '*ones)^'e'*ones))
		}
		seen := ((word | highs) - '!'*ones | word) & highs // no white space
		word &= seen >> 7 * 0xff
		gray := word ^ word>>1&^highs
		plain := (word&lanes + word>>8&lanes) * 0x0001000100010001
		gray = (gray&lanes + gray>>8&lanes) * 0x0001000100010001
		sum += plain>>48 | gray>>48<<32
	}
	return sum, found != 0
}
