package schema

import (
	"bytes"
	"errors"
	"fmt"

	"example.com/safeconduct/internal/strictjson"
	"github.com/go-json-experiment/json/jsontext"
)

// Why [Extract] and [Repair] return no JSON. The errors wrap one of these, say
// where by a byte offset, and hold nothing of the text.
var (
	ErrNoJSON    = errors.New("there is no JSON in the text")
	ErrBroken    = errors.New("the JSON in the text is broken")
	ErrAmbiguous = errors.New("there are several JSON values in the text")
)

// Extract returns the one JSON value in what a model said. It never guesses: a
// text whose value cannot be told is an error, which wraps [ErrNoJSON],
// [ErrBroken] or [ErrAmbiguous].
//
//   - A text that is JSON but for white space around it is its own value, an
//     object, an array, a string, a number, true, false or null.
//   - Else each outermost object and array in the text is a candidate, whatever
//     stands around it: prose, "Final Answer:", the marks of code fences.
//   - A candidate that fills a code fence goes before those in prose. Fences are
//     those of CommonMark, which are followed from the beginning of the text, and
//     those that models write, behind prose or with prose behind them. Where it is
//     not certain that a candidate is fenced, it must be the same as the others.
//   - Two candidates that are the same but for white space are one.
//   - What begins as an object or array and does not end as one is broken, and so
//     is the text, unless the answer fills a code fence: what is left of it, or
//     stands within it, is not taken for the answer, in a code fence or not. Nor is
//     a value within other brackets, one in prose that goes on to a bracket which
//     closes nothing, or what is not as strict as [Schema.Validate] demands, such
//     as an object with a property twice.
//
// A value that wraps another one is unwrapped: the object {"__arg1": ...}, in
// which langchaingo has models call tools, and a string that holds an object, an
// array or such a string, each but for white space.
//
// The value is a part of the text, not a copy, except where it was within a
// string. The text is not modified. Time and memory are linear in its length,
// which may be [MaxBytes].
func Extract(text []byte) ([]byte, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("schema: %w: it %s", ErrNoJSON, strictjson.TooLong(MaxBytes).Reason)
	}
	s := newScan(text)
	value, err := s.answer()
	if err != nil {
		return nil, err
	}
	value = s.unwrap(value)
	if _, f := strictjson.Parse(strictjson.View(value), MaxBytes, false); f != nil {
		return nil, fmt.Errorf("schema: %w: it %s", ErrBroken, f.Reason)
	}
	return value, nil
}

// A scan looks for JSON values in a text. How it reads them, and what they wrap, is
// in extractvalue.go.
type scan struct {
	text   []byte
	dec    *jsontext.Decoder
	fences fences

	fenced, perhaps, plain candidates // perhaps are those that may be fenced

	from   int    // where the scan began
	almost [3]int // where what need not be JSON begins, by how it is fenced; -1 if nothing does

	open  int // brackets of prose that are not closed
	outer int // where the first of them is
	torn  int // brackets of broken JSON, and of what came since, that are not closed
	ended int // where the last candidate in prose does; -1 if there is none
}

// candidates are those of one kind.
type candidates struct {
	value   []byte // the first
	several bool   // others differ from it
	broken  int    // where one begins that is no JSON; -1 if none does
	first   int    // where the first begins, JSON or not; -1 if there is none
}

func newScan(text []byte) *scan {
	return &scan{
		text:    text,
		dec:     jsontext.NewDecoder(new(bytes.Buffer)),
		fences:  newFences(text),
		fenced:  candidates{broken: -1, first: -1},
		perhaps: candidates{broken: -1, first: -1},
		plain:   candidates{broken: -1, first: -1},
		almost:  [3]int{-1, -1, -1},
		ended:   -1,
	}
}

// answer returns the only value that the text can mean.
func (s *scan) answer() ([]byte, error) {
	if value, ok := s.whole(s.text); ok {
		return value, nil
	}
	s.look(0, len(s.text))
	// What may be fenced must not make a difference.
	c := s.plain
	if s.fenced.first >= 0 {
		c = s.fenced
	}
	c.join(s.perhaps)
	switch {
	case c.broken >= 0:
		return nil, fmt.Errorf("schema: %w (byte %d)", ErrBroken, c.broken)
	case c.several:
		return nil, fmt.Errorf("schema: %w", ErrAmbiguous)
	case c.value == nil:
		return nil, fmt.Errorf("schema: %w", ErrNoJSON)
	}
	return c.value, nil
}

// look finds all candidates from one offset to another. No byte is read twice: a
// bracket that opens no JSON is passed at once, and where JSON breaks off the search
// goes on from there.
func (s *scan) look(at, to int) {
	for at < to {
		i := bytes.IndexAny(s.text[at:to], "{[}]")
		if i < 0 {
			break
		}
		at = s.bracket(at + i)
	}
	s.fences.pass(to)
}

// bracket looks at the bracket at start, and returns where to go on.
func (s *scan) bracket(start int) int {
	fence := s.fences.pass(start)
	kind := opening(s.text[start:])
	if kind == closing {
		s.close(start)
		return start + 1
	}
	if s.almost[fence] < 0 && (fence != unfenced || stands(s.text[s.from:start])) {
		s.almost[fence] = start
	}
	if kind == opensProse && fence == unfenced {
		s.prose(start)
		return start + 1
	}
	value, end := []byte(nil), start+1
	if kind == opensJSON {
		value, end = s.value(start)
	}
	if value != nil {
		fence = s.fences.filled(fence, end)
	}
	s.fences.skip(end)
	switch {
	case s.torn > 0:
		s.plain.add(nil, start)
	case fence == surelyFenced:
		s.fenced.add(value, start)
	case s.open > 0:
		s.plain.add(nil, s.outer)
	case fence == perhapsFenced:
		s.perhaps.add(value, start)
	default:
		s.plain.add(value, start)
		s.ended = end
	}
	if value == nil {
		s.torn += depth(s.text[start:end])
	}
	return end
}

// prose takes a bracket that opens no JSON.
func (s *scan) prose(at int) {
	if s.torn > 0 {
		s.torn++
		return
	}
	if s.open++; s.open == 1 {
		s.outer = at
	}
}

// close takes a closing bracket of prose, or of what is broken. If it closes
// nothing, the value before it was perhaps to go on, unless nothing stands between
// them.
func (s *scan) close(at int) {
	switch {
	case s.torn > 0:
		s.torn--
	case s.open > 0:
		s.open--
	case s.ended < 0:
	case len(bytes.TrimLeft(s.text[s.ended:at], space)) == 0:
		s.ended = at + 1
	default:
		s.plain.add(nil, at)
		s.ended = -1
	}
}

// depth returns how many brackets are open at the end of what begins as JSON.
func depth(text []byte) (n int) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			n++
		case '}', ']':
			n--
		}
	}
	return max(n, 0)
}

// add adds a value, or nil for a broken one.
func (c *candidates) add(value []byte, start int) {
	if c.first < 0 {
		c.first = start
	}
	switch {
	case value == nil:
		if c.broken < 0 {
			c.broken = start
		}
	case c.value == nil:
		c.value = value
	case !c.several:
		c.several = !same(c.value, value)
	}
}

// join adds others.
func (c *candidates) join(others candidates) {
	if others.value != nil {
		c.add(others.value, others.first)
	}
	if others.broken >= 0 {
		c.add(nil, others.broken)
	}
	c.several = c.several || others.several
}

const (
	space     = " \t\r\n"
	fenceMark = "```"
)

// What a bracket in a text is.
const (
	closing      = iota
	opensProse   // and nothing that could be meant for JSON
	opensRoughly // what some take for JSON, and is none
	opensJSON    // if what follows is some
)

// opening returns what the bracket is that a text begins with.
func opening(text []byte) int {
	rest := bytes.TrimLeft(text[1:], space)
	switch {
	case text[0] == '}' || text[0] == ']':
		return closing
	case len(rest) == 0:
		return opensProse
	case rest[0] == '"' || rest[0] == text[0]+2: // which closes it
		return opensJSON
	case quotes[firstRune(rest)] != 0:
		return opensRoughly
	}
	word := wordAt(rest)
	if text[0] == '{' {
		if after := bytes.TrimLeft(rest[len(word):], space); len(word) > 0 && bytes.HasPrefix(after, []byte(":")) {
			return opensRoughly
		}
		return opensProse
	}
	switch literal := literals[string(word)]; {
	case literal == "":
	case literal == string(word):
		return opensJSON
	default:
		return opensRoughly
	}
	if c := rest[0]; c == '{' || c == '[' || '0' <= c && c <= '9' || c == '-' && len(rest) > 1 && '0' <= rest[1] && rest[1] <= '9' {
		return opensJSON
	}
	return opensProse
}
