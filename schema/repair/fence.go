package repair

import (
	"bytes"
	"strings"
)

// Fences follow the code fences of a text from its beginning, so that the mark that
// ends one is never taken for one that begins another. A fence is that of CommonMark:
// it begins with a line of at least three backticks or tildes, with or without words
// after them, and ends with a line of at least as many of the same, or with the text.
//
// Models are not as strict. A fence of theirs may begin at the end of a line of prose,
// end behind what is in it or before more prose, or stand in one line. What that
// means for the fences that follow is not always certain; from there on all is in
// doubt.
type fences struct {
	text    []byte
	at      int // marks before it were taken
	line    int // where the line of at begins
	noMarks bool

	mark       byte // of the fence that is open
	size       int  // of its mark; 0 if none is open
	mayBeNone  bool // its mark is quoted, or so far indented that it may be none
	inlineSize int  // the size of a mark within this line that is not closed yet

	justBegun bool // by the last mark, as far as is known, and nothing has come since
	certain   bool // that it was begun
	inDoubt   bool
}

// A fencing says whether a value follows the mark that begins a code fence.
type fencing int

const (
	unfenced fencing = iota
	perhapsFenced
	surelyFenced
)

const maxLanguage = 20 // bytes of a word after a mark

func newFences(text []byte) fences {
	return fences{text: text, noMarks: !bytes.Contains(text, []byte("```")) && !bytes.Contains(text, []byte("~~~"))}
}

// pass takes the marks up to an offset, and reports what value may begin there.
func (f *fences) pass(to int) fencing {
	if f.noMarks {
		return unfenced
	}
	for i := f.at; i < to; {
		switch f.text[i] {
		case '\n':
			i++
			f.newline(i)
		case '`', '~':
			end := i + markSize(f.text[i:to])
			i = max(end, f.takeMark(i, end))
		case ' ', '\t', '\r':
			i++
		default:
			f.justBegun = false
			i++
		}
		f.at = i
	}
	begun := f.justBegun
	f.justBegun = false
	switch {
	case !begun:
		return unfenced
	case f.inDoubt || !f.certain:
		return perhapsFenced
	}
	return surelyFenced
}

// skip passes over a value up to an offset.
func (f *fences) skip(to int) {
	if i := bytes.LastIndexByte(f.text[f.at:max(to, f.at)], '\n'); i >= 0 {
		f.newline(f.at + i + 1)
	}
	f.at = max(to, f.at)
}

func (f *fences) newline(at int) {
	f.line = at
	f.inDoubt = f.inDoubt || f.inlineSize > 0 // a mark in prose that nothing answers
	f.inlineSize = 0
}

// markSize returns how often text repeats its first byte.
func markSize(text []byte) int {
	n := 1
	for n < len(text) && text[n] == text[0] {
		n++
	}
	return n
}

// takeMark takes a run of backticks or tildes, and returns where what is fenced may
// begin.
func (f *fences) takeMark(start, end int) int {
	c, size := f.text[start], end-start
	begins, strict := f.beginsLine(start)
	if size < len(fenceMark) || c == '~' && !begins {
		f.justBegun = false
		return end
	}
	language := end + len(languageAt(f.text[end:]))
	alone := f.endsLine(language)
	switch {
	case f.inDoubt:
		f.justBegun = true
		return f.contentStart(language)
	case f.size > 0:
		return f.takeInner(c, end, size, begins, strict)
	case f.inlineSize > 0:
		f.inDoubt = size != f.inlineSize
		f.inlineSize, f.justBegun = 0, f.inDoubt
		return language
	case !begins && !alone, c == '`' && !f.noBackticksFollow(end):
		f.inlineSize, f.justBegun, f.certain = size, true, false
		return language
	}
	f.mark, f.size, f.mayBeNone = c, size, begins && !strict
	f.justBegun = true
	content := f.contentStart(language)
	f.certain = !f.mayBeNone && (alone || content > language) // else CommonMark has words there
	return content
}

// contentStart returns where what is fenced may begin, if a mark with a language ends at an
// offset: there, or on the next line.
func (f *fences) contentStart(language int) int {
	if i := bytes.IndexAny(f.text[language:], "`{[\n"); i >= 0 && f.text[language+i] == '\n' {
		return language + i
	}
	return language
}

// takeInner takes a mark within a fence, which is one that begins another if a
// language stands behind it.
func (f *fences) takeInner(c byte, end, size int, begins, strict bool) int {
	f.justBegun = false
	switch {
	case c != f.mark || size < f.size:
	case !begins:
		f.inDoubt = true // it ends the fence or belongs to what is in it
	case f.languageFollows(end):
		f.inDoubt, f.justBegun = true, true
		return f.contentStart(end + len(languageAt(f.text[end:])))
	case !f.endsLine(end):
		f.inDoubt = true
	case f.mayBeNone == strict:
		f.inDoubt, f.justBegun = true, f.mayBeNone
	default:
		f.size = 0
	}
	return end
}

// languageFollows reports whether a language stands behind a mark.
func (f *fences) languageFollows(end int) bool {
	if end < len(f.text) && isWord(f.text[end]) {
		return true
	}
	language := languageAt(f.text[end:])
	return len(language) > 0 && f.endsLine(end+len(language))
}

// beginsLine reports whether a mark begins its line, and as CommonMark has it: indented
// by at most three spaces, and not within a quotation.
func (f *fences) beginsLine(mark int) (begins, strict bool) {
	before := f.text[f.line:mark]
	const most = 100 // bytes, so that many marks in a line take no longer
	if len(before) > most || len(bytes.Trim(before, "> \t")) > 0 {
		return false, false
	}
	return true, len(before) <= 3 && len(bytes.Trim(before, " ")) == 0
}

// endsLine reports whether nothing follows in the line.
func (f *fences) endsLine(at int) bool {
	rest := bytes.TrimLeft(f.text[at:], " \t\r")
	return len(rest) == 0 || rest[0] == '\n'
}

// noBackticksFollow reports whether the line goes on without backticks.
func (f *fences) noBackticksFollow(at int) bool {
	i := bytes.IndexAny(f.text[at:], "`\n")
	return i < 0 || f.text[at+i] == '\n'
}

// languageAt returns the language behind a mark that a text begins with, and the white
// space before it.
func languageAt(text []byte) []byte {
	start := len(text) - len(bytes.TrimLeft(text, " \t"))
	end := start
	for end < len(text) && end-start < maxLanguage && isWord(text[end]) {
		end++
	}
	if end == start {
		return nil
	}
	return text[:end]
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '-' || c == '_'
}

// fills reports whether a value that follows the mark that begins a fence is all
// that is in it, if it ends at an offset.
func (f *fences) fills(is fencing, at int) fencing {
	rest := bytes.TrimLeft(f.text[at:], space)
	switch {
	case is == unfenced || len(rest) == 0:
		return is
	case rest[0] != '`' && rest[0] != '~' || markSize(rest) < len(fenceMark):
		return unfenced
	case is == perhapsFenced:
		return is
	case rest[0] != f.mark || markSize(rest) < f.size:
		return unfenced
	}
	mark := len(f.text) - len(rest)
	if before := bytes.TrimRight(f.text[:mark], " \t"); bytes.HasSuffix(before, []byte("\n")) && f.languageFollows(mark+markSize(rest)) {
		return perhapsFenced
	}
	return surelyFenced
}

// closingMark returns the mark that ends the fence that is open, or may be.
func (f *fences) closingMark() string {
	if f.size == 0 {
		return fenceMark
	}
	return strings.Repeat(string(f.mark), f.size)
}
