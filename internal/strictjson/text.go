package strictjson

import (
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// SkipPlain returns the offset of the first byte of src from i on that is a quote, a
// backslash, a control character or not ASCII; or the length of src.
func SkipPlain(src string, i int) int {
	const (
		low  = 0x0101010101010101
		high = 0x8080808080808080
	)
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

// Load8 returns eight bytes of src, the first one lowest.
func Load8(src string, i int) uint64 {
	_ = src[i+7]
	return uint64(src[i]) | uint64(src[i+1])<<8 | uint64(src[i+2])<<16 | uint64(src[i+3])<<24 |
		uint64(src[i+4])<<32 | uint64(src[i+5])<<40 | uint64(src[i+6])<<48 | uint64(src[i+7])<<56
}

// View returns the bytes as a string, without a copy. The string must be gone
// before the bytes change.
func View(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // read during a judgement only
}
