package record

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on the strings of a record, in bytes. What is longer is cut and ends
// in an ellipsis.
const (
	MaxName   = 256
	MaxReason = 512
)

// clean returns s as a record may hold it: valid UTF-8, each invalid byte
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

// brief returns s as an error quotes it that a verifier finds: at most 200 bytes.
func Brief(s string) string { return Clean(s, 200) }

// maxOrigin is how long a name in a checkpoint can be.
const maxOrigin = 255

// CheckOrigin returns why a text cannot be the origin of a ledger, nil if it can.
// The errors do not say which text it is.
func CheckOrigin(origin string) error {
	if len(origin) > maxOrigin || origin != Clean(origin, MaxName) {
		return errors.New("is too long or not valid UTF-8")
	}
	for _, c := range origin {
		if unicode.IsSpace(c) || unicode.IsControl(c) || c == '+' { // as in the name of a note's key
			return errors.New("holds white space, a control character or a plus sign")
		}
	}
	return nil
}
