package repair

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/safeconduct/internal/strictjson"
)

// Why [Extract] and [Repair] return no JSON. The errors wrap one of these, say
// where by a byte offset, and hold nothing of the text.
var (
	ErrNoJSON    = errors.New("there is no JSON in the text")
	ErrBroken    = errors.New("the JSON in the text is broken")
	ErrAmbiguous = errors.New("there are several JSON values in the text")
)

// Extract returns the one JSON value in what a model said, in a code fence or in
// prose, and takes away what wraps it; see the package's documentation for which
// value that is. It never guesses: where the value cannot be told, the error wraps
// [ErrNoJSON], [ErrBroken] or [ErrAmbiguous].
//
// The value is a part of the text, not a copy, except where it was within a
// string. The text is not modified. Time and memory are linear in its length,
// which may be [MaxBytes].
func Extract(text []byte) ([]byte, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("repair: %w: it %s", ErrNoJSON, strictjson.TooLong(MaxBytes).Reason)
	}
	s := newFinder(text)
	value, err := s.answer()
	if err != nil {
		return nil, err
	}
	value = s.unwrap(value)
	if _, f := strictjson.Parse(strictjson.View(value), MaxBytes, false); f != nil {
		return nil, fmt.Errorf("repair: %w: it %s", ErrBroken, f.Reason)
	}
	return value, nil
}

// A finder looks for JSON values in a text. How it reads them, and what they wrap, is
// in value.go.
type finder struct {
	text   []byte
	dec    *jsontext.Decoder
	fences fences

	fenced, maybeFenced, inProse candidates

	searchedFrom int    // where the search began
	almostJSON   [3]int // where what may be almost JSON begins, by how it is fenced; -1 if nothing does

	proseBrackets     int // brackets of prose that are not closed
	firstProseBracket int // where the first of them is
	brokenBrackets    int // brackets of broken JSON, and of what came since, that are not closed
	lastEnd           int // where the last candidate in prose ends; -1 if there is none
}

// candidates are those of one kind.
type candidates struct {
	value   []byte // the first
	several bool   // others differ from it
	broken  int    // where one begins that is no JSON; -1 if none does
	first   int    // where the first begins, JSON or not; -1 if there is none
}

func newFinder(text []byte) *finder {
	return &finder{
		text:        text,
		dec:         jsontext.NewDecoder(new(bytes.Buffer)),
		fences:      newFences(text),
		fenced:      candidates{broken: -1, first: -1},
		maybeFenced: candidates{broken: -1, first: -1},
		inProse:     candidates{broken: -1, first: -1},
		almostJSON:  [3]int{-1, -1, -1},
		lastEnd:     -1,
	}
}

// answer returns the only value that the text can mean.
func (s *finder) answer() ([]byte, error) {
	if value, ok := s.whole(s.text); ok {
		return value, nil
	}
	s.search(0, len(s.text))
	// What may be fenced must not make a difference.
	c := s.inProse
	if s.fenced.first >= 0 {
		c = s.fenced
	}
	c.join(s.maybeFenced)
	switch {
	case c.broken >= 0:
		return nil, fmt.Errorf("repair: %w (byte %d)", ErrBroken, c.broken)
	case c.several:
		return nil, fmt.Errorf("repair: %w", ErrAmbiguous)
	case c.value == nil:
		return nil, fmt.Errorf("repair: %w", ErrNoJSON)
	}
	return c.value, nil
}

// search finds all candidates from one offset to another. No byte is read twice: a
// bracket that opens no JSON is passed at once, and where JSON breaks off the search
// goes on from there.
func (s *finder) search(at, to int) {
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
func (s *finder) bracket(start int) int {
	fence := s.fences.pass(start)
	kind := bracketKind(s.text[start:])
	if kind == closing {
		s.close(start)
		return start + 1
	}
	if s.almostJSON[fence] < 0 && (fence != unfenced || introducesValue(s.text[s.searchedFrom:start])) {
		s.almostJSON[fence] = start
	}
	if kind == opensProse && fence == unfenced {
		s.openProse(start)
		return start + 1
	}
	value, end := []byte(nil), start+1
	if kind == opensJSON {
		value, end = s.value(start)
	}
	if value != nil {
		fence = s.fences.fills(fence, end)
	}
	s.fences.skip(end)
	switch {
	case s.brokenBrackets > 0:
		s.inProse.add(nil, start)
	case fence == surelyFenced:
		s.fenced.add(value, start)
	case s.proseBrackets > 0:
		s.inProse.add(nil, s.firstProseBracket)
	case fence == perhapsFenced:
		s.maybeFenced.add(value, start)
	default:
		s.inProse.add(value, start)
		s.lastEnd = end
	}
	if value == nil {
		s.brokenBrackets += openBrackets(s.text[start:end])
	}
	return end
}

// openProse takes a bracket that opens no JSON.
func (s *finder) openProse(at int) {
	if s.brokenBrackets > 0 {
		s.brokenBrackets++
		return
	}
	if s.proseBrackets++; s.proseBrackets == 1 {
		s.firstProseBracket = at
	}
}

// close takes a closing bracket of prose, or of what is broken. If it closes
// nothing, the value before it was perhaps to go on, unless nothing stands between
// them.
func (s *finder) close(at int) {
	switch {
	case s.brokenBrackets > 0:
		s.brokenBrackets--
	case s.proseBrackets > 0:
		s.proseBrackets--
	case s.lastEnd < 0:
	case len(bytes.TrimLeft(s.text[s.lastEnd:at], space)) == 0:
		s.lastEnd = at + 1
	default:
		s.inProse.add(nil, at)
		s.lastEnd = -1
	}
}

// openBrackets returns how many brackets are open at the end of what begins as JSON.
func openBrackets(text []byte) (n int) {
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
		c.several = !sameButForSpace(c.value, value)
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

// bracketKind returns what the bracket is that a text begins with.
func bracketKind(text []byte) int {
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
