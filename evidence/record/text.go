package record

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on the strings of a record, in bytes. What is longer is cut and ends in an
// ellipsis: see [Clean].
const (
	MaxName   = 256 // names, classes of errors, and all else
	MaxReason = 512 // reasons, and who asked for an erasure
)

// Clean returns s as a record may hold it: valid UTF-8, each invalid byte
// sequence replaced by U+FFFD, and at most limit bytes.
func Clean(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) {
		return s
	}
	if len(s) > limit+utf8.UTFMax {
		s = s[:limit+utf8.UTFMax] // the rest is cut anyway
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	const ellipsis = "…"
	cut := limit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}

// Brief returns s as errors quote what a record says: valid UTF-8 of at most 200
// bytes.
func Brief(s string) string { return Clean(s, 200) }

// maxOrigin is how long a name in a checkpoint can be.
const maxOrigin = 255

// CheckOrigin returns why s cannot be the origin of a ledger, nil if it can. An
// origin has at most 255 bytes, and no white space, control character or "+". The
// error reads on from the name of what is checked: "is too long ...".
func CheckOrigin(s string) error {
	if len(s) > maxOrigin || s != Clean(s, MaxName) {
		return errors.New("is too long or not valid UTF-8")
	}
	for _, c := range s {
		if unicode.IsSpace(c) || unicode.IsControl(c) || c == '+' { // as in the name of a note's key
			return errors.New("holds white space, a control character or a plus sign")
		}
	}
	return nil
}
