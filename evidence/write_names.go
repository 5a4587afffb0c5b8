package evidence

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// What a model makes up in the place of a name is content: it may be a key that
// it was told to give away. So it does not stand in a record as it is.

const (
	maxMadeUp     = 64 // bytes of a made-up name that a record shows
	maxStopReason = 40 // bytes of a stop reason of a known form
)

// names says what of made-up names stands in records.
type names struct{ omit bool }

// toolCall returns the record of a tool call, whose name is known where it is that
// of a registered tool, or of one that was offered to the model.
func (n names) toolCall(c *middleware.ToolCall, offered []string) record.ToolCall {
	t := record.ToolCall{Name: c.Name, Registered: cleanName(c.Registered), Size: int64(len(c.Input))}
	if c.Name == "" || c.Name != c.Registered && !slices.Contains(offered, c.Name) {
		t.Name, t.Digest = n.madeUp(c.Name)
	} else {
		t.Name = cleanName(c.Name)
	}
	return t
}

// stopReason returns a stop reason as a record holds it, with its digest where it
// is not a word of letters, "_" and "-", as those of all providers are.
func (n names) stopReason(s string) (string, record.Hash) {
	known := len(s) <= maxStopReason
	for i := 0; i < len(s) && known; i++ {
		c := s[i] | 0x20 // lower case
		known = 'a' <= c && c <= 'z' || s[i] == '_' || s[i] == '-'
	}
	if known {
		return s, record.Hash{}
	}
	return n.madeUp(s)
}

// madeUp returns what stands in a record of what a model made up.
func (n names) madeUp(s string) (shown string, digest record.Hash) {
	digest = sha256.Sum256([]byte(s))
	if n.omit {
		return "", digest
	}
	if len(s) <= maxMadeUp {
		return printable(s), digest
	}
	cut := maxMadeUp
	for cut > maxMadeUp-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return printable(s[:cut]) + "…", digest
}

// reason returns a reason as a record holds it. Gates show made-up names in
// quotes.
func (n names) reason(s string) string {
	if n.omit {
		s = unquoted(s)
	}
	return record.Clean(printable(s), record.MaxReason)
}

// cleanName returns a name as a record holds it.
func cleanName(s string) string { return record.Clean(s, record.MaxName) }

// printable returns s with what does not print and bytes that are not UTF-8 in
// the form that Go writes them in.
func printable(s string) string {
	at := strings.IndexFunc(s, func(c rune) bool { return c == utf8.RuneError || !strconv.IsPrint(c) })
	if at < 0 {
		return s
	}
	b := []byte(s[:at])
	for s = s[at:]; s != ""; {
		c, n := utf8.DecodeRuneInString(s)
		if strconv.IsPrint(c) && (c != utf8.RuneError || n > 1) {
			b = append(b, s[:n]...)
		} else {
			quoted := strconv.Quote(s[:n])
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		s = s[n:]
	}
	return string(b)
}

// unquoted returns s with nothing between its quotes, of which an open one goes
// to the end.
func unquoted(s string) string {
	before, rest, found := strings.Cut(s, `"`)
	if !found {
		return s
	}
	var b strings.Builder
	for found {
		b.WriteString(before + `"…"`)
		end := 0
		for end < len(rest) && rest[end] != '"' {
			if end++; rest[end-1] == '\\' {
				end++
			}
		}
		before, rest, found = strings.Cut(rest[min(end+1, len(rest)):], `"`)
	}
	b.WriteString(before)
	return b.String()
}
