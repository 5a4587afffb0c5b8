package strictjson

import (
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// A byte of one, and its highest bit, in each byte of a word.
const (
	low  = 0x0101010101010101
	high = 0x80 * low
)

// SkipPlain returns the offset of the first byte of src from i on that is a quote, a
// backslash, a control character or not ASCII; or the length of src.
func SkipPlain(src string, i int) int {
	for ; i+8 <= len(src); i += 8 {
		w := Load8(src, i)
		// The lowest bit that is set is that of a byte looked for: a borrow
		// comes from one below.
		if odd := (w | (w - low*' ') | ((w ^ low*'"') - low) | ((w ^ low*'\\') - low)) & high; odd != 0 {
			return i + bits.TrailingZeros64(odd)>>3
		}
	}
	for ; i < len(src); i++ {
		if c := src[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// specials has the high bit set of the first byte of word, if any, that is a quote, a
// backslash or a control character. It may have later ones set too.
func specials(word uint64) uint64 {
	quote, back := word^'"'*low, word^'\\'*low
	return ((quote-low)&^quote | (back-low)&^back | (word-' '*low)&^word) & high
}

// Load8 returns eight bytes of src, the first one lowest.
func Load8(src string, i int) uint64 {
	src = src[i : i+8]
	return uint64(src[0]) | uint64(src[1])<<8 | uint64(src[2])<<16 | uint64(src[3])<<24 |
		uint64(src[4])<<32 | uint64(src[5])<<40 | uint64(src[6])<<48 | uint64(src[7])<<56
}

// View returns the bytes as a string, without a copy. The string must be gone
// before the bytes change.
func View(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // read during a judgement only
}
