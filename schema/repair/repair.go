package repair

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"example.com/safeconduct/internal/strictjson"
)

// A Change is a kind of repair that [Repair] made. It holds nothing of the text.
type Change struct {
	What   string // one of the constants of this package
	Times  int    // it was made
	Offset int    // in the text, in bytes, where it was made first
}

// What Repair does to a text, and all that it does.
const (
	Comma            = "added or removed a comma"            // before a quoted name or between objects in an array; after the last value
	Comment          = "removed a comment"                   // from // or # to the end of the line, or from /* to */
	ControlCharacter = "escaped a control character"         // in a string, such as a line feed
	Backslash        = "removed a needless backslash"        // before a single quote
	Bracket          = "closed a bracket"                    // before another one, or at the end
	Literal          = "wrote a literal of Python"           // True, False and None as true, false and null
	Name             = "quoted a name"                       // of letters, digits, _, $ and -
	Number           = "completed a number"                  // .5 as 0.5, 5. as 5.0, +5 as 5
	Quotes           = "wrote other quotes as \""            // ' and the typographic ones
	Space            = "removed white space unknown to JSON" // such as U+00A0
)

// Changes are the repairs of a text, at most one of each kind.
type Changes []Change

// String lists the repairs, as in "quoted a name, 2 times from byte 1; closed a
// bracket at byte 9". It is safe to show and to record.
func (c Changes) String() string {
	all := make([]string, len(c))
	for i, change := range c {
		all[i] = fmt.Sprintf("%s at byte %d", change.What, change.Offset)
		if change.Times > 1 {
			all[i] = fmt.Sprintf("%s, %d times from byte %d", change.What, change.Times, change.Offset)
		}
	}
	return strings.Join(all, "; ")
}

// Repair is [Extract] for models that write almost JSON, and says what it changed;
// where Extract finds a value Repair returns it, without changes. It mends what can
// mean one thing alone, and nothing else; see the package's documentation. Where it
// made changes the value is a copy, without white space.
//
// The errors are those of Extract. The text is not modified. Time and memory are
// linear in its length, which may be [MaxBytes].
func Repair(text []byte) ([]byte, Changes, error) {
	value, err := Extract(text)
	if err == nil || errors.Is(err, ErrAmbiguous) || len(text) > MaxBytes {
		return value, nil, err
	}
	all := newFinder(text)
	all.search(0, len(text))
	fence := surelyFenced
	for fence > unfenced && all.almostJSON[fence] < 0 {
		fence--
	}
	start := all.almostJSON[fence]
	if start < 0 {
		return nil, nil, err
	}
	s := newFinder(text)
	s.search(0, start)
	m := &mender{src: text, at: start, fence: s.fences.closingMark()}
	if err := m.value(); err != nil {
		return nil, nil, err
	}
	if _, err := m.skip(); err != nil {
		return nil, nil, err
	}
	if fence != unfenced && m.peek() != 0 {
		return nil, nil, m.guessError() // more than one value, perhaps
	}
	if s.findsOthers(m.at, s.fences.fills(fence, m.at)) {
		return nil, nil, fmt.Errorf("repair: %w", ErrAmbiguous)
	}
	value = newFinder(nil).unwrap(m.out)
	if _, f := strictjson.Parse(strictjson.View(value), MaxBytes, false); f != nil {
		return nil, nil, fmt.Errorf("repair: %w: once repaired it %s", ErrBroken, f.Reason)
	}
	return value, m.changes, nil
}

// introducesValue reports whether an object or array behind a text may be one that is
// almost JSON: it begins a line, or follows a colon or the mark of a code fence.
func introducesValue(before []byte) bool {
	before = bytes.TrimRight(before, " \t")
	return len(before) == 0 || bytes.IndexByte([]byte("\n:`"), before[len(before)-1]) >= 0
}

// findsOthers reports whether there is another value before one, up to which the
// finder has searched, or after it, or around it: in a code fence if the one is
// certainly in a fence, and else anywhere. A bracket before it that nothing closes is
// around it, as it is for Extract.
func (s *finder) findsOthers(end int, fence fencing) bool {
	certain := fence == surelyFenced
	before := s.inProse.first >= 0 || s.fenced.first >= 0 || s.proseBrackets > 0
	if s.maybeFenced.first >= 0 || s.brokenBrackets > 0 || !certain && before {
		return true
	}
	s.proseBrackets, s.brokenBrackets, s.lastEnd, s.searchedFrom = 0, 0, end, end
	s.inProse, s.almostJSON = candidates{broken: -1, first: -1}, [3]int{-1, -1, -1}
	s.fences.skip(end)
	s.search(end, len(s.text))
	if s.almostJSON[surelyFenced] >= 0 || s.almostJSON[perhapsFenced] >= 0 {
		return true
	}
	return !certain && (s.inProse.first >= 0 || s.almostJSON[unfenced] >= 0)
}
