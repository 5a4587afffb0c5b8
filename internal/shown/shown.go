// Package shown makes what a denial's reason has to name safe to show: names that a model
// or a user may have made up, what a programmer wrote, and where a check panicked.
package shown

import (
	"strconv"
	"unicode/utf8"
)

// maxName is how many bytes of a name are shown.
const maxName = 64

// Name returns the name quoted, all ASCII, and cut where it is long.
func Name(name string) string { return string(AppendName(nil, name)) }

// AppendName appends what [Name] returns.
func AppendName(to []byte, name string) []byte {
	if len(name) > maxName {
		cut := maxName
		for cut > maxName-utf8.UTFMax && !utf8.RuneStart(name[cut]) {
			cut--
		}
		return append(strconv.AppendQuoteToASCII(to, name[:cut]), "..."...)
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return strconv.AppendQuoteToASCII(to, name)
		}
	}
	to = append(to, '"') // the same, for names as they should be
	to = append(to, name...)
	return append(to, '"')
}
