package strictjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Of control characters these have a short escape, by the same place.
const (
	shortRunes   = "\b\t\n\f\r\"\\"
	shortEscapes = `btnfr"\`
)

// appendRune appends a character of a string, escaped if it must be.
func appendRune(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	if at := strings.IndexRune(shortRunes, r); at >= 0 {
		return append(dst, '\\', shortEscapes[at])
	}
	if r < ' ' {
		return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
	}
	return utf8.AppendRune(dst, r)
}

// ShortEscape returns the character that \c stands for, if that is an escape.
func ShortEscape(c byte) (byte, bool) {
	if at := strings.IndexByte(shortEscapes, c); at >= 0 {
		return shortRunes[at], true
	}
	return c, c == '/'
}

// A Text is a string that was read: what stands between its quotes.
type Text struct {
	raw     string
	escaped bool
}

// Escaped reports whether there are escapes in the text.
func (t Text) Escaped() bool { return t.escaped }

// String returns the string itself, without its escapes.
func (t Text) String() string {
	if !t.escaped {
		return t.raw // as most have none
	}
	return unescape(t.raw)
}

// Unquote returns the string that is written in src, which was read before.
func Unquote(src string) string {
	var r Reader
	r.Again(src)
	return r.Text().String()
}

// unescape returns what the content of a string means.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		switch {
		case s[i] != '\\':
			b = append(b, s[i])
			i++
		case s[i+1] == 'u':
			r, end := ReadEscape(s, i)
			b, i = utf8.AppendRune(b, r), end
		default:
			c, _ := ShortEscape(s[i+1])
			b = append(b, c)
			i += 2
		}
	}
	return View(b)
}

// IsShortest reports whether the escape is as short as one for the character can be, and in
// lower case: what [AppendNormal] leaves as it is.
func IsShortest(r rune, escape string) bool {
	var b [12]byte
	return string(appendRune(b[:0], r)) == escape
}

// ReadEscape reads the escape \uXXXX that begins at src[i], or two that make a
// surrogate pair. The end is -1 where there is none, or half a pair.
func ReadEscape(src string, i int) (r rune, end int) {
	r, end = readUnit(src, i)
	switch {
	case end < 0 || !utf16.IsSurrogate(r):
		return r, end
	case end+1 >= len(src) || src[end] != '\\' || src[end+1] != 'u':
		return 0, -1
	}
	second, end := readUnit(src, end)
	if end < 0 {
		return 0, -1
	}
	if r = utf16.DecodeRune(r, second); r == utf8.RuneError {
		return 0, -1
	}
	return r, end
}

// readUnit reads \uXXXX.
func readUnit(src string, i int) (r rune, end int) {
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

// IsHex reports whether c is a hexadecimal digit.
func IsHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
