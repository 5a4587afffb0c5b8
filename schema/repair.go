package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
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
// mark of a code fence. It makes the changes that the constants list, and no
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
	start, fenced := almostAt(text, true), true
	if start < 0 {
		start, fenced = almostAt(text, false), false
	}
	if start < 0 {
		return nil, nil, err
	}
	m := &mender{src: text, at: start}
	if err := m.value(); err != nil {
		return nil, nil, err
	}
	if _, err := m.skip(); err != nil {
		return nil, nil, err
	}
	if fenced && m.peek() != 0 {
		return nil, nil, m.guess() // more than one value, perhaps
	}
	if others(text[:start], text[m.at:], fenced) {
		return nil, nil, fmt.Errorf("schema: %w", ErrAmbiguous)
	}
	value = newScan(nil).unwrap(m.out)
	if _, f := parse(view(value), MaxBytes, false); f != nil {
		return nil, nil, fmt.Errorf("schema: %w: once repaired it %s", ErrBroken, f.reason)
	}
	return value, m.changes, nil
}

// almostAt returns where in a text an object or array begins that need not be
// JSON, or -1: right after the mark of a code fence, or where prose has none.
func almostAt(text []byte, fenced bool) int {
	for i, c := range text {
		if c != '{' && c != '[' {
			continue
		}
		if fenced {
			if endsInFence(text[:i]) {
				return i
			}
			continue
		}
		before := bytes.TrimRight(text[:i], " \t")
		if len(before) == 0 || bytes.IndexByte([]byte("\n:`"), before[len(before)-1]) >= 0 {
			return i
		}
	}
	return -1
}

// others reports whether another value stands before or after one, or around it: in
// a code fence if that does, and else anywhere.
func others(before, after []byte, fenced bool) bool {
	if fenced {
		s := newScan(before)
		s.look()
		return s.torn > 0 || almostAt(bytes.TrimLeft(after, "`"), true) >= 0
	}
	for i, text := range [][]byte{before, after} {
		s := newScan(text)
		if i == 1 {
			s.ended = 0 // the value does
		}
		s.look()
		for _, c := range []candidates{s.fenced, s.plain} {
			if c.value != nil || c.broken >= 0 {
				return true
			}
		}
	}
	return almostAt(after, false) >= 0
}
