package repair

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/safeconduct/internal/strictjson"
)

// A mender reads a value that is almost JSON, once and from left to right, and
// writes JSON.
type mender struct {
	src     []byte
	at      int
	out     []byte
	open    []byte // brackets
	fence   string // ends the text
	changes Changes
}

// note notes a change of the text at an offset.
func (m *mender) note(what string, at int) {
	for i := range m.changes {
		if m.changes[i].What == what {
			m.changes[i].Times++
			return
		}
	}
	m.changes = append(m.changes, Change{what, 1, at})
}

// guessError is the error of a place that could mean several things.
func (m *mender) guessError() error {
	if m.at >= len(m.src) {
		return fmt.Errorf("repair: %w: it ends too early", ErrBroken)
	}
	return fmt.Errorf("repair: %w: to repair it takes a guess (byte %d)", ErrBroken, m.at)
}

// has reports whether the text goes on with s.
func (m *mender) has(s string) bool { return bytes.HasPrefix(m.src[m.at:], []byte(s)) }

// peek returns the next byte, or 0 at the end of the text or of its code fence.
func (m *mender) peek() byte {
	if m.at >= len(m.src) || m.has(m.fence) {
		return 0
	}
	return m.src[m.at]
}

// skip passes white space and comments. It reports whether there were any.
func (m *mender) skip() (bool, error) {
	start := m.at
	for m.at < len(m.src) {
		end := ""
		switch {
		case bytes.IndexByte([]byte(space), m.src[m.at]) >= 0:
			m.at++
			continue
		case m.has("//"), m.has("#"):
			end = "\n"
		case m.has("/*"):
			end = "*/"
		default:
			r, n := utf8.DecodeRune(m.src[m.at:])
			if !unicode.IsSpace(r) && r != '\ufeff' && r != '\u200b' {
				return m.at > start, nil
			}
			m.note(Space, m.at)
			m.at += n
			continue
		}
		m.note(Comment, m.at)
		i := bytes.Index(m.src[m.at:], []byte(end))
		switch {
		case i >= 0:
			m.at += i + len(end)
		case end == "\n" && len(m.open) == 0:
			m.at = len(m.src)
		default: // it may hide what was to come
			m.at = len(m.src)
			return true, m.guessError()
		}
	}
	return m.at > start, nil
}

// value mends the value that begins where the mender is.
func (m *mender) value() error {
	switch c := m.peek(); {
	case c == '{':
		return m.container('}', m.member)
	case c == '[':
		return m.container(']', m.value)
	case m.quote() != 0:
		return m.text()
	case c == '+' || c == '-' || c == '.' || '0' <= c && c <= '9':
		return m.number()
	}
	return m.literal()
}

// container mends an object or an array, whose elements the func mends.
func (m *mender) container(end byte, element func() error) error {
	if len(m.open) == strictjson.MaxDepth {
		return m.guessError()
	}
	m.open = append(m.open, end)
	m.out = append(m.out, m.src[m.at])
	m.at++
	for first := true; ; first = false {
		spaced, err := m.skip()
		if err != nil {
			return err
		}
		if m.peek() == end {
			m.at++
			break
		}
		if !first {
			done, err := m.separate(end, spaced)
			if err != nil {
				return err
			}
			if done {
				break
			}
		}
		if err := element(); err != nil {
			return err
		}
	}
	m.out = append(m.out, end)
	m.open = m.open[:len(m.open)-1]
	return nil
}

// separate mends what stands between two elements, and reports whether it was
// the end of them instead.
func (m *mender) separate(end byte, spaced bool) (done bool, err error) {
	switch c := m.peek(); {
	case c == ',':
		comma := m.at
		m.at++
		if _, err := m.skip(); err != nil {
			return false, err
		}
		if m.peek() == end {
			m.note(Comma, comma)
			m.at++
			return true, nil
		}
	case c == 0, (c == '}' || c == ']') && bytes.IndexByte(m.open, c) >= 0:
		m.note(Bracket, m.at)
		return true, nil
	case end == '}' && spaced && m.quote() != 0, end == ']' && m.lastIsContainer() && (c == '{' || c == '['):
		m.note(Comma, m.at)
	default:
		return false, m.guessError()
	}
	m.out = append(m.out, ',')
	return false, nil
}

// lastIsContainer reports whether the last element was an object or an array.
func (m *mender) lastIsContainer() bool {
	c := m.out[len(m.out)-1]
	return c == '}' || c == ']'
}

// member mends a name and its value.
func (m *mender) member() error {
	if m.quote() != 0 {
		if err := m.text(); err != nil {
			return err
		}
	} else if err := m.name(); err != nil {
		return err
	}
	if _, err := m.skip(); err != nil {
		return err
	}
	if m.peek() != ':' {
		return m.guessError()
	}
	m.at++
	m.out = append(m.out, ':')
	if _, err := m.skip(); err != nil {
		return err
	}
	return m.value()
}

// name mends a name without quotes.
func (m *mender) name() error {
	word := m.word()
	if len(word) == 0 {
		return m.guessError()
	}
	m.note(Name, m.at)
	m.out = append(append(append(m.out, '"'), word...), '"')
	m.at += len(word)
	return nil
}

// word returns the letters, digits and the like that come next.
func (m *mender) word() []byte { return wordAt(m.src[m.at:]) }

// wordAt returns the letters, digits and the like that a text begins with.
func wordAt(text []byte) []byte {
	n := 0
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '$' && r != '-' {
			break
		}
		n += size
	}
	return text[:n]
}

// quotes are those that may stand around a string, with what ends it.
var quotes = map[rune]rune{'"': '"', '\'': '\'', '\u201c': '\u201d', '\u2018': '\u2019'}

// quote returns what ends the string that begins where the mender is, or 0.
func (m *mender) quote() rune { return quotes[firstRune(m.src[m.at:])] }

func firstRune(text []byte) rune {
	r, _ := utf8.DecodeRune(text)
	return r
}

// text mends a string.
func (m *mender) text() error {
	end := m.quote()
	if end != '"' {
		m.note(Quotes, m.at)
	}
	_, n := utf8.DecodeRune(m.src[m.at:])
	m.at += n
	m.out = append(m.out, '"')
	for m.at < len(m.src) {
		r, n := utf8.DecodeRune(m.src[m.at:])
		switch {
		case r == end:
			m.at += n
			m.out = append(m.out, '"')
			return nil
		case r == '\\':
			if err := m.escape(); err != nil {
				return err
			}
			continue
		case r == '"' && end == '\'':
			m.out = append(m.out, `\"`...)
		case end > utf8.RuneSelf && (quotes[r] != 0 || r == '\u201d'):
			return m.guessError() // which quotes belong together is not known
		case r < ' ':
			m.note(ControlCharacter, m.at)
			m.out = append(m.out, escaped(byte(r))...)
		default:
			m.out = append(m.out, m.src[m.at:m.at+n]...)
		}
		m.at += n
	}
	return m.guessError()
}

// escaped returns the escape for a control character.
func escaped(c byte) string {
	switch c {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	return fmt.Sprintf(`\u%04x`, c)
}

// escape mends an escape within a string.
func (m *mender) escape() error {
	if m.at+1 == len(m.src) {
		m.at++
		return m.guessError()
	}
	switch c := m.src[m.at+1]; c {
	case '\'':
		m.note(Backslash, m.at)
		m.out = append(m.out, c)
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't', 'u':
		m.out = append(m.out, '\\', c)
	default:
		return m.guessError()
	}
	m.at += 2
	return nil
}

// number mends a number.
func (m *mender) number() error {
	rest := m.src[m.at:]
	n := 0
	for n < len(rest) && (isWord(rest[n]) || rest[n] == '.') {
		n++
	}
	if n == len(rest) {
		m.at = len(m.src) // more digits may have been to come
		return m.guessError()
	}
	number := completed(rest[:n])
	if !jsontext.Value(number).IsValid() {
		return m.guessError()
	}
	if !bytes.Equal(number, rest[:n]) {
		m.note(Number, m.at)
	}
	m.out = append(m.out, number...)
	m.at += n
	return nil
}

// completed adds the zero that a number lacks, and takes away its plus sign.
func completed(number []byte) []byte {
	if bytes.HasPrefix(number, []byte("+-")) {
		return number // which is none
	}
	number = bytes.TrimPrefix(number, []byte("+"))
	digits, sign := bytes.TrimPrefix(number, []byte("-")), ""
	if len(digits) < len(number) {
		sign = "-"
	}
	switch {
	case bytes.HasPrefix(digits, []byte(".")):
		return append([]byte(sign+"0"), digits...)
	case bytes.HasSuffix(digits, []byte(".")):
		return append([]byte(sign), append(bytes.Clone(digits), '0')...)
	}
	return number
}

// literals are those of JSON, and those of Python with what they are in JSON.
var literals = map[string]string{"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}

// literal mends true, false or null.
func (m *mender) literal() error {
	word := m.word()
	literal, ok := literals[string(word)]
	if !ok {
		if m.at+len(word) == len(m.src) {
			m.at = len(m.src) // where more was to come
		}
		return m.guessError()
	}
	if literal != string(word) {
		m.note(Literal, m.at)
	}
	m.out = append(m.out, literal...)
	m.at += len(word)
	return nil
}
