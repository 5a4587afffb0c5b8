package gates

import (
	"math/bits"
	"strconv"
	"strings"
)

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
		return q.raw // as most have none
	}
	return q.unescape()
}

func (q quoted) unescape() string {
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
