package plan

import (
	"unicode/utf16"
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
)

// A Watch reads a JSON text as it arrives, and tells as soon as no text that
// begins like that can satisfy the schema. What it refuses, the whole judgement
// refuses; what it does not refuse it has not accepted: the plan may not say all that
// the schemas demand. It reads each byte once, and keeps the names of properties and
// the value that it is at.
//
// This file is its parser, which is strict as [strictjson.Parse] is, for bytes that are
// cut anywhere. What the plan says of objects and arrays is in watchcontainer.go, and
// of other values in watchvalue.go.
type Watch struct {
	plan  *Plan // nil where nothing is known
	at    int   // how many bytes were read
	state watchState
	fault *strictjson.Fault // that was found, for good

	spent int // steps, of what may be spent

	levels []level
	live   []candidate // of the value that is being read

	// The string, property name, number or literal that is being read.
	token  []byte // as far as it came; of a string decoded
	chars  int    // of a string
	name   bool   // it is the name of a property
	number numberState
	word   string // that a literal must be
	digits int    // of a number, or of an escape
	unit   rune   // of an escape
	high   rune   // the first half of a surrogate pair
}

// A watchState is what a watch waits for, or is in.
type watchState uint8

const (
	wantValue watchState = iota
	wantItem             // or the end of the array
	wantFirst            // property's name, or the end of the object
	wantName
	wantColon
	wantMore // a comma, or the end
	wantEnd  // of the text
	inText
	inRune   // a character of several bytes
	inEscape // after its backslash
	inUnit   // the digits of \uXXXX
	wantLow  // the backslash of the second half of a surrogate pair
	wantUnit // its u
	inNumber
	inWord
)

// A numberState is what a number ends with so far.
type numberState uint8

const (
	endsMinus numberState = iota
	endsZero              // which is the whole part
	endsWhole
	endsDot
	endsFraction
	endsE
	endsSign
	endsExponent
)

// NewWatch returns a watch for one text. The plan may be nil: then it looks for faults
// of the text alone.
func NewWatch(p *Plan) *Watch { return &Watch{plan: p} }

// Write takes the next bytes. Once it has returned a fault it goes on to.
func (w *Watch) Write(p []byte) *strictjson.Fault {
	for _, c := range p {
		if w.fault != nil {
			break
		}
		if w.at == strictjson.MaxBytes {
			w.fault = strictjson.TooLong(strictjson.MaxBytes)
			break
		}
		if w.fault = w.read(c); w.fault == nil {
			w.at++
		}
	}
	if w.fault == nil {
		w.fault = w.pending()
	}
	return w.fault
}

// syntaxFault makes a fault of the byte that is next.
func (w *Watch) syntaxFault() *strictjson.Fault {
	reason := strictjson.ReasonSyntax
	if w.state == wantEnd {
		reason = strictjson.ReasonTrailing
	}
	return &strictjson.Fault{Keyword: strictjson.KeywordSyntax, Reason: reason, Offset: w.at}
}

// textFault makes a fault of a string that cannot be.
func (w *Watch) textFault(reason string) *strictjson.Fault {
	return &strictjson.Fault{Keyword: strictjson.KeywordEncoding, Reason: reason, Path: w.path(), Offset: w.at}
}

// faultHere makes a fault of the value that is being read.
func (w *Watch) faultHere(keyword, reason string) *strictjson.Fault {
	return &strictjson.Fault{Keyword: keyword, Reason: reason, Path: w.path(), Offset: -1}
}

// faultAround makes a fault of the object or the array that is being read.
func (w *Watch) faultAround(keyword, reason string) *strictjson.Fault {
	f := w.faultHere(keyword, reason)
	f.Path = f.Path[:len(f.Path)-1]
	return f
}

// path returns the way to the value that is being read.
func (w *Watch) path() []strictjson.Step {
	path := make([]strictjson.Step, len(w.levels))
	for i := range w.levels {
		l := &w.levels[i]
		path[i] = strictjson.Item(l.n - 1)
		if l.object {
			path[i] = strictjson.Property(l.name)
		}
	}
	return path
}

// read takes the next byte.
func (w *Watch) read(c byte) *strictjson.Fault {
	switch w.state {
	case inText:
		return w.inText(c)
	case inRune:
		return w.inRune(c)
	case inEscape:
		return w.inEscape(c)
	case inUnit:
		return w.inUnit(c)
	case wantLow, wantUnit:
		if w.state == wantLow && c == '\\' {
			w.state = wantUnit
			return nil
		}
		if w.state == wantUnit && c == 'u' {
			w.state, w.digits, w.unit = inUnit, 0, 0
			return nil
		}
		return w.textFault(strictjson.ReasonSurrogate)
	case inNumber:
		return w.inNumber(c)
	case inWord:
		if c != w.word[len(w.token)] {
			return w.syntaxFault()
		}
		if w.token = append(w.token, c); len(w.token) == len(w.word) {
			w.agree(w.live)
			w.ended()
		}
		return nil
	case wantValue, wantItem, wantFirst, wantName, wantColon, wantMore, wantEnd:
	}
	if strictjson.IsSpace(c) {
		return nil
	}
	return w.between(c)
}

// between takes a byte that is within no string, number or literal.
func (w *Watch) between(c byte) *strictjson.Fault {
	switch {
	case w.state == wantValue:
		return w.begin(c)
	case w.state == wantItem && c != ']':
		return w.item(c)
	case (w.state == wantFirst || w.state == wantName) && c == '"':
		w.text(true)
		return nil
	case w.state == wantColon && c == ':':
		w.state = wantValue
		return nil
	case w.state == wantMore && c == ',':
		w.state = wantName
		if !w.top().object {
			w.state = wantValue
			return w.nextItem()
		}
		return nil
	case w.state == wantItem, // and c is its end
		w.state == wantFirst && c == '}',
		w.state == wantMore && c == '}' && w.top().object,
		w.state == wantMore && c == ']' && !w.top().object:
		return w.close()
	}
	return w.syntaxFault()
}

func (w *Watch) top() *level { return &w.levels[len(w.levels)-1] }

// item begins the first item of an array.
func (w *Watch) item(c byte) *strictjson.Fault {
	if f := w.nextItem(); f != nil {
		return f
	}
	return w.begin(c)
}

// begin begins a value with its first byte.
func (w *Watch) begin(c byte) *strictjson.Fault {
	kind := kindsOf(c)
	if kind == 0 {
		return w.syntaxFault()
	}
	if f := w.expect(kind, c); f != nil {
		return f
	}
	switch kind {
	case kindObject, kindArray:
		return w.open(kind == kindObject)
	case kindString:
		w.text(false)
	case kindNumber:
		w.state, w.token, w.digits, w.number = inNumber, append(w.token[:0], c), 1, endsWhole
		switch c {
		case '-':
			w.digits, w.number = 0, endsMinus
		case '0':
			w.number = endsZero
		}
	default:
		w.state, w.token, w.word = inWord, append(w.token[:0], c), "null"
		switch c {
		case 't':
			w.word = "true"
		case 'f':
			w.word = "false"
		}
	}
	return nil
}

func (w *Watch) open(object bool) *strictjson.Fault {
	if len(w.levels) == strictjson.MaxDepth {
		return w.faultHere(strictjson.KeywordDepth, strictjson.ReasonDepth)
	}
	w.levels = append(w.levels, level{object: object, live: w.live})
	w.live = nil
	w.state = wantItem
	if object {
		w.state = wantFirst
	}
	return nil
}

// ended goes on after a value that has ended.
func (w *Watch) ended() {
	w.state = wantMore
	if len(w.levels) == 0 {
		w.state = wantEnd
	}
}

// text begins a string.
func (w *Watch) text(name bool) {
	w.state, w.token, w.chars, w.name, w.high = inText, w.token[:0], 0, name, 0
}

func (w *Watch) inText(c byte) *strictjson.Fault {
	switch {
	case c == '"':
		if w.name {
			w.state = wantColon
			return w.takeName(string(w.token))
		}
		w.ended()
		return w.judgeText(string(w.token))
	case c == '\\':
		w.state = inEscape
	case c < ' ':
		return w.syntaxFault()
	default:
		w.token = append(w.token, c)
		w.chars++
		if c >= utf8.RuneSelf {
			w.state, w.digits = inRune, 1
			return w.checkRune()
		}
	}
	return nil
}

// inRune takes another byte of a character; digits is how many there are.
func (w *Watch) inRune(c byte) *strictjson.Fault {
	w.token = append(w.token, c)
	w.digits++
	return w.checkRune()
}

func (w *Watch) checkRune() *strictjson.Fault {
	r := w.token[len(w.token)-w.digits:]
	if !utf8.FullRune(r) {
		return nil
	}
	if r, size := utf8.DecodeRune(r); size != w.digits || r == utf8.RuneError && size == 1 {
		return w.textFault(strictjson.ReasonUTF8)
	}
	w.state = inText
	return nil
}

func (w *Watch) inEscape(c byte) *strictjson.Fault {
	if c == 'u' {
		w.state, w.digits, w.unit = inUnit, 0, 0
		return nil
	}
	means, ok := strictjson.ShortEscape(c)
	if !ok {
		return w.syntaxFault()
	}
	w.state = inText
	w.token = append(w.token, means)
	w.chars++
	return nil
}

func (w *Watch) inUnit(c byte) *strictjson.Fault {
	if !strictjson.IsHex(c) {
		return w.syntaxFault()
	}
	d := c - '0'
	if d > 9 {
		d = c | 0x20 - 'a' + 10
	}
	w.unit = w.unit<<4 | rune(d)
	if w.digits++; w.digits < len("XXXX") {
		return nil
	}
	r := w.unit
	switch {
	case w.high != 0:
		if r = utf16.DecodeRune(w.high, r); r == utf8.RuneError {
			return w.textFault(strictjson.ReasonSurrogate)
		}
		w.high = 0
	case utf16.IsSurrogate(r):
		if r >= 0xdc00 {
			return w.textFault(strictjson.ReasonSurrogate)
		}
		w.high, w.state = r, wantLow
		return nil
	}
	w.state = inText
	w.token = utf8.AppendRune(w.token, r)
	w.chars++
	return nil
}

func (w *Watch) inNumber(c byte) *strictjson.Fault {
	digit := c-'0' <= 9
	var next numberState
	switch n := w.number; {
	case digit && n == endsMinus && c == '0':
		next = endsZero
	case digit && (n == endsMinus || n == endsWhole):
		next = endsWhole
	case digit && (n == endsDot || n == endsFraction):
		next = endsFraction
	case digit && n != endsZero:
		next = endsExponent
	case c == '.' && (n == endsZero || n == endsWhole):
		next = endsDot
	case c|0x20 == 'e' && (n == endsZero || n == endsWhole || n == endsFraction):
		next = endsE
	case (c == '+' || c == '-') && n == endsE:
		next = endsSign
	case digit || n == endsMinus || n == endsDot || n == endsE || n == endsSign:
		return w.syntaxFault()
	default:
		w.ended()
		if f := w.judgeNumber(string(w.token)); f != nil {
			return f
		}
		return w.read(c)
	}
	if digit && next != endsExponent {
		w.digits++
	}
	if w.digits > strictjson.MaxDigits {
		return w.faultHere(strictjson.KeywordNumber, strictjson.ReasonDigits)
	}
	w.number = next
	w.token = append(w.token, c)
	return nil
}
