package jsontest

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Mutator makes texts that are nearly valid of texts that are. It is
// deterministic.
type Mutator struct{ *rand.Rand }

// NewMutator returns the Mutator with the seed.
func NewMutator(seed uint64) Mutator {
	return Mutator{rand.New(rand.NewPCG(seed, 7))} //nolint:gosec // tests are to be repeatable
}

// Odd returns values, and texts that some parsers take for values.
func Odd() []string {
	return []string{
		`null`, `true`, `false`, `0`, `-0`, `-1`, `1.0`, `1e2`, `0.5`, `1e400`, `-1E-400`, `1e309`, `9007199254740993`,
		`123456789012345678901234567890`, `1.00000000000000000000001`, `01`, `1.`, `+1`, `NaN`,
		`""`, `"a"`, `"A"`, `"\u0041"`, `"\ud83d\ude00"`, `"\ud800"`, `"\udc00\ud800"`, `"é"`, `"\u00e9"`, `"\/"`, `"\x"`,
		"\"\xff\"", "\"\x00\"", "\"a\nb\"", `"\u0000"`, `"\u001F"`, `"` + strings.Repeat("x", 40) + `"`,
		`[]`, `[null]`, `[1,2,3]`, `[[[]]]`, `{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"k":1,"\u212a":2}`,
	}
}

// Mutate returns a text like the one given, with a few changes.
func (m Mutator) Mutate(text string) string {
	if m.IntN(3) == 0 {
		for range 1 + m.IntN(3) {
			text = m.Disturb(text)
		}
		return text
	}
	v := DecodeValue([]byte(text))
	if m.IntN(8) > 0 {
		for range 1 + m.IntN(2) {
			v = m.change(v)
		}
	}
	var b strings.Builder
	m.write(&b, v, m.IntN(3))
	return b.String()
}

// Disturb changes the bytes of a text.
func (m Mutator) Disturb(text string) string {
	i := m.IntN(len(text) + 1)
	switch m.IntN(4) {
	case 0:
		return text[:i]
	case 1:
		j := i + m.IntN(len(text)-i+1)
		return text[:i] + text[j:]
	case 2:
		j := i + m.IntN(len(text)-i+1)
		return text[:j] + text[i:]
	}
	const bytes = "{}[]\",:0123456789eE+-.\\utrfn \t\n\x00\xc3\xa9aAbBkK"
	return text[:i] + string(bytes[m.IntN(len(bytes))]) + text[i:]
}

// A raw is JSON, or is not, as it stands.
type raw string

// change changes one value within v.
func (m Mutator) change(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 && m.IntN(4) > 0 {
			name := m.name(v)
			v[name] = m.change(v[name])
			return v
		}
		return m.changeObject(v)
	case []any:
		if len(v) > 0 && m.IntN(4) > 0 {
			i := m.IntN(len(v))
			v[i] = m.change(v[i])
			return v
		}
		switch {
		case len(v) > 0 && m.IntN(3) == 0:
			return v[:len(v)-1]
		case len(v) > 0 && m.IntN(2) == 0:
			return append(v, v[m.IntN(len(v))])
		}
		return append(v, raw(m.odd()))
	case string:
		if m.IntN(2) == 0 {
			return []any{v + "x", v + " ", strings.ToUpper(v), "é" + v, v + v, " " + v}[m.IntN(6)]
		}
	case json.Number:
		if m.IntN(2) == 0 {
			n := string(v)
			return raw([]string{n + ".0", n + "e0", "-" + n, n + "00", n + ".5", n + "e1", n}[m.IntN(7)])
		}
	}
	return raw(m.odd())
}

func (m Mutator) odd() string {
	all := Odd()
	return all[m.IntN(len(all))]
}

func (m Mutator) changeObject(v map[string]any) any {
	name := "extra"
	if len(v) > 0 {
		name = m.name(v)
	}
	switch m.IntN(4) {
	case 0:
		delete(v, name)
	case 1: // a twin
		i := m.IntN(len(name) + 1)
		v[name[:i]+strings.Map(swapCase, name[i:])] = v[name]
	case 2:
		v[[]string{"x", "extra", "é", "K", "\u212a", "a b", name + "s", ""}[m.IntN(8)]] = raw(m.odd())
	default:
		return raw(m.odd())
	}
	return v
}

func (m Mutator) name(v map[string]any) string {
	names := slices.Sorted(maps.Keys(v))
	return names[m.IntN(len(names))]
}

func swapCase(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

// write writes v: style 0 is compact, 1 has white space, and 2 odd escapes too.
func (m Mutator) write(b *strings.Builder, v any, style int) {
	space := func() {
		if style > 0 && m.IntN(2) == 0 {
			b.WriteString([]string{" ", "\n", "\t", "\r\n  "}[m.IntN(4)])
		}
	}
	space()
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		names := slices.Sorted(maps.Keys(v))
		m.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			space()
			m.quote(b, name, style)
			space()
			b.WriteByte(':')
			m.write(b, v[name], style)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			m.write(b, item, style)
		}
		b.WriteByte(']')
	case raw:
		b.WriteString(string(v))
	case string:
		m.quote(b, v, style)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		b.Write(text)
	}
	space()
}

func (m Mutator) quote(b *strings.Builder, s string, style int) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || style == 2 && r <= 0xffff && m.IntN(20) == 0:
			code := "000" + strconv.FormatInt(int64(r), 16)
			b.WriteString(`\u` + code[len(code)-4:])
		default:
			b.Write(utf8.AppendRune(nil, r))
		}
	}
	b.WriteByte('"')
}

// Respell changes one byte of an ASCII string.
func (m Mutator) Respell(s string) string {
	const bytes = "0123456789azAZ.-+:@/%#?[]_~TtZz "
	i := m.IntN(len(s) + 1)
	c := string(bytes[m.IntN(len(bytes))])
	switch {
	case m.IntN(3) == 0 || i == len(s):
		return s[:i] + c + s[i:]
	case m.IntN(2) == 0:
		return s[:i] + s[i+1:]
	}
	return s[:i] + c + s[i+1:]
}
