package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"example.com/safeconduct/internal/strictjson"
)

// A Change is a kind of repair that [Repair] made. It holds nothing of the text.
type Change struct {
	What   string // one of the constants that begin with Repair
	Times  int    // it was made
	Offset int    // in the text, in bytes, where it was made first
}

// What Repair does to a text, and all that it does.
const (
	RepairComma   = "added or removed a comma"            // before a quoted name or between objects in an array; after the last value
	RepairComment = "removed a comment"                   // from // or # to the end of the line, or from /* to */
	RepairControl = "escaped a control character"         // in a string, such as a line feed
	RepairEscape  = "removed a needless backslash"        // before a single quote
	RepairClose   = "closed a bracket"                    // before another one, or at the end
	RepairLiteral = "wrote a literal of Python"           // True, False and None as true, false and null
	RepairName    = "quoted a name"                       // of letters, digits, _, $ and -
	RepairNumber  = "completed a number"                  // .5 as 0.5, 5. as 5.0, +5 as 5
	RepairQuotes  = "wrote other quotes as \""            // ' and the typographic ones
	RepairSpace   = "removed white space unknown to JSON" // such as U+00A0
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
// where Extract finds a value Repair returns it, without changes. What it returns
// is as strict as what Extract returns, unwrapped as that is, and where it made
// changes without white space. It is still to be judged.
//
// Repair mends an object or an array that begins a line, or follows a colon or the
// mark that begins a code fence. It makes the changes that the constants list, and no
// others: those after which there is one thing that the text can mean. It adds and
// drops no letter and no digit but those of literals, comments and the zeros of
// incomplete numbers. In particular it refuses
//
//   - strings without quotes or with quotes within them, names without a colon,
//     values left out, and numbers such as 05 and 1_000;
//   - a text that ends within a string, a number or a name, or after a comma, a
//     colon or an opening bracket: what was to come is not known. Brackets that
//     are missing after a whole value it closes;
//   - several values, and prose.
//
// The errors are those of Extract. The text is not modified. Time and memory are
// linear in its length, which may be [MaxBytes].
func Repair(text []byte) ([]byte, Changes, error) {
	value, err := Extract(text)
	if err == nil || errors.Is(err, ErrAmbiguous) || len(text) > MaxBytes {
		return value, nil, err
	}
	all := newScan(text)
	all.look(0, len(text))
	fence := surelyFenced
	for fence > unfenced && all.almost[fence] < 0 {
		fence--
	}
	start := all.almost[fence]
	if start < 0 {
		return nil, nil, err
	}
	s := newScan(text)
	s.look(0, start)
	m := &mender{src: text, at: start, fence: s.fences.closing()}
	if err := m.value(); err != nil {
		return nil, nil, err
	}
	if _, err := m.skip(); err != nil {
		return nil, nil, err
	}
	if fence != unfenced && m.peek() != 0 {
		return nil, nil, m.guess() // more than one value, perhaps
	}
	if s.others(m.at, s.fences.filled(fence, m.at)) {
		return nil, nil, fmt.Errorf("schema: %w", ErrAmbiguous)
	}
	value = newScan(nil).unwrap(m.out)
	if _, f := strictjson.Parse(strictjson.View(value), MaxBytes, false); f != nil {
		return nil, nil, fmt.Errorf("schema: %w: once repaired it %s", ErrBroken, f.Reason)
	}
	return value, m.changes, nil
}

// stands reports whether an object or array that a text ends before may be one that
// is almost JSON.
func stands(before []byte) bool {
	before = bytes.TrimRight(before, " \t")
	return len(before) == 0 || bytes.IndexByte([]byte("\n:`"), before[len(before)-1]) >= 0
}

// others reports whether another value stands before one, up to which the scan has
// looked, or after it, or around it: in a code fence if that certainly does, and
// else anywhere.
func (s *scan) others(end int, fence fencing) bool {
	certain := fence == surelyFenced
	before := s.plain.first >= 0 || s.fenced.first >= 0
	if s.perhaps.first >= 0 || certain && s.torn > 0 || !certain && before {
		return true
	}
	s.open, s.torn, s.ended, s.from = 0, 0, end, end
	s.plain, s.almost = candidates{broken: -1, first: -1}, [3]int{-1, -1, -1}
	s.fences.skip(end)
	s.look(end, len(s.text))
	return s.almost[surelyFenced] >= 0 || s.almost[perhapsFenced] >= 0 || !certain && (s.plain.first >= 0 || s.almost[unfenced] >= 0)
}
