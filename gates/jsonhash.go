package gates

import (
	"math"
	"math/bits"
	"strconv"

	"example.com/safeconduct/internal/strictjson"
)

// The hashes here tell names and values apart that a model wrote. Whoever makes
// two of them collide has two things taken for one, which denies.

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// load8 returns eight bytes of s.
func load8(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// specials has the high bit set of the first byte of word, if any, that is a
// quote, a backslash or a control character. It may have later ones set too.
func specials(word uint64) uint64 {
	quote, back := word^'"'*ones, word^'\\'*ones
	return ((quote-ones)&^quote | (back-ones)&^back | (word-' '*ones)&^word) & highs
}

// lowerCase returns word with its ASCII letters in lower case. All bytes must be
// ASCII.
func lowerCase(word uint64) uint64 {
	upper := (word + (0x80-'A')*ones) &^ (word + (0x7f-'Z')*ones) & highs
	return word + upper>>2
}

// mix makes one hash of two; the order matters.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xe7037ed1a0b428db)
	return hi ^ lo ^ bits.RotateLeft64(a, 23)
}

// last returns the last eight bytes of s. Of a shorter one it returns all, which
// are told from those of others by the length of s.
func last(s string) uint64 {
	n := len(s)
	switch {
	case n >= 8:
		return load8(s, n-8)
	case n >= 4:
		return load4(s, 0) | load4(s, n-4)<<32
	case n > 0:
		return uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	return 0
}

// load4 returns four bytes of s.
func load4(s string, i int) uint64 {
	s = s[i : i+4]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// hashText hashes s.
func hashText(seed uint64, s string) uint64 {
	h := seed + uint64(len(s))
	for rest := s; len(rest) > 8; rest = rest[8:] {
		h = mix(h, load8(rest, 0))
	}
	return mix(h, last(s))
}

// foldHash is the same for all names that are equal but for their case.
func foldHash(name quoted) uint64 {
	h := uint64(len(name.raw))
	end := last(name.raw)
	seen := end
	for rest := name.raw; len(rest) > 8; rest = rest[8:] {
		word := load8(rest, 0)
		seen |= word
		h = mix(h, lowerCase(word))
	}
	if seen&highs != 0 || name.escaped {
		return hashText(0, strictjson.Fold(name.String()))
	}
	return mix(h, lowerCase(end)) // as hashText would hash it, folded
}

// hashNumber hashes a number by its value, where a float64 holds that.
func hashNumber(seed uint64, text string) uint64 {
	if _, ok := smallInt(text); ok {
		return hashText(seed, text)
	}
	n, ok := exactly(text)
	if !ok {
		return hashText(seed, text)
	}
	format := byte('f')
	if math.Abs(n) >= 1e15 || math.Abs(n) < 1e-6 && n != 0 {
		format = 'g'
	}
	var b [32]byte
	return hashText(seed, string(strconv.AppendFloat(b[:0], n, format, -1, 64)))
}

// zeros has the high bit set of the first byte of word that is zero, and of none
// if none is. It may have later ones set too.
func zeros(word uint64) uint64 { return (word - ones) &^ word & highs }

// sketch makes a sketch of a JSON text, which is far cheaper than to read it:
// texts that mean the same have the same, unless one of them is odd. It is made
// of two sums over all bytes but white space, in any order: one of the bytes, and
// one in Gray's code, which tells 19 from 28. A text is odd if it has an escape,
// or what may be a number with a fraction or an exponent.
func sketch(text string) (sum uint64, odd bool) {
	const lanes = 0x00ff00ff00ff00ff
	var found, digits uint64
	for rest := text; len(rest) > 0; {
		var word uint64
		switch {
		case len(rest) >= 8:
			word, rest = load8(rest, 0), rest[8:]
		case len(text) >= 8:
			word, rest = load8(text, len(text)-8)>>(64-8*uint(len(rest))), ""
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
