package strictjson

import "encoding/json"

// A Document is a JSON text that passed the strict parse.
type Document struct {
	Value  any               // as encoding/json decodes it, with numbers as json.Number
	Values [MaxDepth + 1]int // how many values there are at each depth
	Chars  [MaxDepth + 1]int // how long all strings at each depth are, names with those of their values
}

// A parser makes a Document of one JSON text.
type parser struct {
	Reader
	path       []Step
	allowTwins bool // properties whose names are equal but for case
	doc        Document
}

// Parse decodes src, of at most limit bytes. Unless twins are allowed, an object must
// not have two properties whose names are equal but for case. The strings in the
// document are parts of src.
func Parse(src string, limit int, allowTwins bool) (*Document, *Fault) {
	if len(src) > limit {
		return nil, TooLong(limit)
	}
	p := &parser{allowTwins: allowTwins}
	p.Init(src)
	p.doc.Value = p.value()
	p.End()
	if f := p.fault; f != nil {
		if f.Keyword != KeywordSyntax { // what is not JSON has no places within it
			f.Path = p.path
		}
		return nil, f
	}
	return &p.doc, nil
}

func (p *parser) value() any {
	p.doc.Values[len(p.path)]++
	switch p.Next() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		return p.text(p.Text())
	case 't':
		p.Literal()
		return true
	case 'f':
		p.Literal()
		return false
	case 'n':
		p.Literal()
		return nil
	}
	return p.number()
}

func (p *parser) object() any {
	m := make(map[string]any)
	var folded NameSet[string]
	p.Open()
	for n := 0; p.More(n, '}'); n++ {
		name := p.text(p.Name())
		p.unique(m, &folded, name)
		p.doc.Chars[len(p.path)+1] += len(name) // which is judged as a value, too
		p.Colon()
		m[name] = p.within(Property(name))
	}
	return m
}

func (p *parser) array() any {
	a := []any{}
	p.Open()
	for p.More(len(a), ']') {
		a = append(a, p.within(Item(len(a))))
	}
	return a
}

// within reads the value that a step leads to. After a fault the path stays.
func (p *parser) within(step Step) (v any) {
	if p.fault == nil {
		p.path = append(p.path, step)
		v = p.value()
	}
	if p.fault == nil {
		p.path = p.path[:len(p.path)-1]
	}
	return v
}

// text returns a string or the name of a property.
func (p *parser) text(t Text) string {
	s := t.String()
	p.doc.Chars[len(p.path)] += len(s)
	return s
}

// unique refuses a name that the object m has already, if in another case.
func (p *parser) unique(m map[string]any, folded *NameSet[string], name string) {
	if _, twice := m[name]; twice {
		p.fail(KeywordDuplicate, ReasonDuplicate, -1)
	} else if !p.allowTwins && !folded.Add(Fold(name)) {
		p.fail(KeywordTwin, ReasonTwin, -1)
	}
}

// number reads a number, and refuses one that is too long to calculate with.
func (p *parser) number() json.Number {
	text, digits, exponent := p.Number()
	switch {
	case !ExponentFits(exponent):
		p.fail(KeywordNumber, ReasonExponent, -1)
	case digits > MaxDigits:
		p.fail(KeywordNumber, ReasonDigits, -1)
	}
	p.doc.Values[len(p.path)] += (digits + max(exponent, -exponent)) / DigitsPerValue
	return json.Number(text)
}
