package gates

import (
	"strconv"
	"unicode/utf8"
)

// maxShown is how many bytes of a name stand in a reason.
const maxShown = 64

// shown returns a name that a model or a user may have made up in a form that
// is safe in a reason: quoted, all ASCII, and not long.
func shown(name string) string { return string(appendShown(nil, name)) }

func appendShown(to []byte, name string) []byte {
	if len(name) > maxShown {
		cut := maxShown
		for cut > maxShown-utf8.UTFMax && !utf8.RuneStart(name[cut]) {
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
