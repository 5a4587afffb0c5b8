package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A document is a JSON text that passed the strict parse.
type document struct {
	value  any               // as encoding/json decodes it, with numbers as json.Number
	text   []byte            // value, serialised again; nil unless it was asked for
	values [MaxDepth + 1]int // how many values there are at each depth
	chars  int               // the length of all strings and property names
}

// A fault is why a JSON text did not pass the strict parse.
type fault struct {
	keyword string
	reason  string
	path    []step // to the offending value
	offset  int    // in bytes; -1 where it says nothing
}

func (f *fault) Error() string { return f.reason }

// A step leads from a value to one within it.
type step struct {
	name  string
	index int // of an array's item; -1 where the step is by name
}

// errToken stands for a token that cannot be where it is. The decoder reports
// those by itself.
var errToken = errors.New("unexpected token")

// A parser reads one JSON text. It is strict where parsers differ: what it lets
// through means the same to all of them.
type parser struct {
	src       []byte
	dec       *jsontext.Decoder
	path      []step
	twins     bool // are allowed
	serialise bool
	doc       document
}

// parse decodes src, of at most limit bytes.
func parse(src []byte, limit int, serialise, twins bool) (*document, *fault) {
	if len(src) > limit {
		return nil, tooLong(limit)
	}
	if !utf8.Valid(src) {
		return nil, &fault{keyword: KeywordEncoding, reason: "must be valid UTF-8", offset: invalidAt(src)}
	}
	p := &parser{
		src:       src,
		dec:       jsontext.NewDecoder(bytes.NewBuffer(src), jsontext.AllowDuplicateNames(true)),
		serialise: serialise,
		twins:     twins,
	}
	if serialise {
		p.doc.text = make([]byte, 0, len(src))
	}
	v, err := p.value()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, p.fault(err)
	}
	p.doc.value = v
	return &p.doc, nil
}

// invalidAt returns the offset of the first byte of src that is no UTF-8.
func invalidAt(src []byte) int {
	at := 0
	for at < len(src) {
		r, n := utf8.DecodeRune(src[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

func tooLong(limit int) *fault {
	return &fault{keyword: KeywordSize, reason: "must be at most " + plural(limit, "byte") + " long", offset: -1}
}

// end reports what follows the value.
func (p *parser) end() error {
	at := int(p.dec.InputOffset())
	if rest := bytes.TrimLeft(p.src[at:], " \t\r\n"); len(rest) > 0 {
		return &fault{keyword: KeywordSyntax, reason: "must be one JSON value and nothing after it", offset: len(p.src) - len(rest)}
	}
	return nil
}

// fault makes one of any error. Those of the decoder may quote the text, so
// that only their offset is used.
func (p *parser) fault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	// What is not JSON has no places within it.
	f = &fault{keyword: KeywordSyntax, reason: "must be JSON", offset: -1}
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		f.reason, f.offset = "must be JSON, and ends too early", len(p.src)
	case errors.As(err, &syntactic):
		f.offset = min(max(int(syntactic.ByteOffset), 0), len(p.src))
		if bytes.HasPrefix(p.src[f.offset:], []byte(`\u`)) {
			f.keyword, f.reason, f.path = KeywordEncoding, "must have no lone surrogate", p.path
		}
	}
	return f
}

// here makes a fault of the value that is being read.
func (p *parser) here(keyword, reason string) *fault {
	return &fault{keyword: keyword, reason: reason, path: p.path, offset: -1}
}

func (p *parser) value() (any, error) {
	p.doc.values[len(p.path)]++
	switch p.dec.PeekKind() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '0':
		raw, err := p.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		size, reason := checkNumber(raw)
		if reason != "" {
			return nil, p.here(KeywordNumber, reason)
		}
		p.doc.values[len(p.path)] += size / digitsPerValue
		p.write(raw)
		return json.Number(raw), nil
	case '"':
		return p.text()
	}
	tok, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	p.writeString(tok.String())
	switch tok.Kind() {
	case 't', 'f':
		return tok.Bool(), nil
	case 'n':
		return nil, nil
	}
	return nil, errToken
}

func (p *parser) object() (any, error) {
	if len(p.path) == MaxDepth {
		return nil, p.tooDeep()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	p.writeByte('{')
	m := make(map[string]any)
	var names nameSet
	for p.dec.PeekKind() != '}' {
		if len(m) > 0 {
			p.writeByte(',')
		}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if err := p.unique(m, &names, name); err != nil {
			return nil, err
		}
		p.writeByte(':')
		p.path = append(p.path, step{name, -1})
		if m[name], err = p.value(); err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
	}
	p.writeByte('}')
	_, err := p.dec.ReadToken()
	return m, err
}

func (p *parser) array() (any, error) {
	if len(p.path) == MaxDepth {
		return nil, p.tooDeep()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	p.writeByte('[')
	a := []any{}
	for p.dec.PeekKind() != ']' {
		if len(a) > 0 {
			p.writeByte(',')
		}
		p.path = append(p.path, step{"", len(a)})
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
		a = append(a, v)
	}
	p.writeByte(']')
	_, err := p.dec.ReadToken()
	return a, err
}

func (p *parser) tooDeep() error {
	return p.here(KeywordDepth, "must not be nested more than "+plural(MaxDepth, "level")+" deep")
}

// text reads a string or the name of a property.
func (p *parser) text() (string, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return "", err
	}
	if tok.Kind() != '"' {
		return "", errToken
	}
	s := tok.String()
	p.doc.chars += len(s)
	if p.serialise {
		if p.doc.text, err = jsontext.AppendQuote(p.doc.text, s); err != nil {
			return "", err
		}
	}
	return s, nil
}

// unique refuses a name that the object m has already, if in another case.
func (p *parser) unique(m map[string]any, names *nameSet, name string) error {
	if _, twice := m[name]; twice {
		return p.here(KeywordDuplicate, "must not have a property twice")
	}
	if !p.twins && !names.add(fold(name)) {
		return p.here(KeywordTwin, "must not have properties whose names differ in case alone")
	}
	return nil
}

func (p *parser) write(raw []byte) {
	if p.serialise {
		p.doc.text = append(p.doc.text, raw...)
	}
}

func (p *parser) writeString(s string) {
	if p.serialise {
		p.doc.text = append(p.doc.text, s...)
	}
}

func (p *parser) writeByte(c byte) {
	if p.serialise {
		p.doc.text = append(p.doc.text, c)
	}
}

// checkNumber returns the number of digits that it takes to write out a JSON
// number, or what is wrong with one that is too long to calculate with.
func checkNumber(raw []byte) (digits int, reason string) {
	mantissa, exponent := raw, 0
	if e := bytes.IndexAny(raw, "eE"); e >= 0 {
		var err error
		exponent, err = strconv.Atoi(string(raw[e+1:]))
		if err != nil || exponent < -MaxExponent || exponent > MaxExponent {
			return 0, "must be a number with an exponent from -" + strconv.Itoa(MaxExponent) + " to " + strconv.Itoa(MaxExponent)
		}
		mantissa = raw[:e]
	}
	digits = len(mantissa) - bytes.Count(mantissa, []byte("-")) - bytes.Count(mantissa, []byte("."))
	if digits > MaxDigits {
		return 0, "must be a number of at most " + plural(MaxDigits, "digit")
	}
	return digits + max(exponent, -exponent), ""
}
