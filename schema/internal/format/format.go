// Package format knows the formats of strings that schemas ask for: by which each is
// checked, and which of them the fast path can be certain of.
package format

import (
	"net/netip"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/strictjson"
)

// Strict take the place of those of jsonschema's formats that take what has not the
// format, and of those that cost more than linear time in the length of a string:
// longer strings do not have the format. None takes a string that jsonschema refuses.
var Strict = map[string]func(any) bool{
	"duration": Linear["duration"],
	"regex":    Linear["regex"],

	"email":         stricter("email", hasHostname),
	"hostname":      stricter("hostname", isHostname),
	"ip-address":    stricter("ip-address", isIPv4),
	"ipv4":          stricter("ipv4", isIPv4),
	"ipv6":          stricter("ipv6", isIPv6),
	"iri":           stricter("iri", func(s string) bool { return isReference(s, true, true) }),
	"iri-reference": stricter("iri-reference", func(s string) bool { return isReference(s, true, false) }),
	"uri":           stricter("uri", func(s string) bool { return isReference(s, false, true) }),
	"uri-reference": stricter("uri-reference", func(s string) bool { return isReference(s, false, false) }),
	"uriref":        stricter("uriref", func(s string) bool { return isReference(s, false, false) }),
	"uri-template":  stricter("uri-template", isTemplate),
}

// Linear are those that cost too much.
var Linear = map[string]func(any) bool{
	"duration": atMost(MaxPattern, jsonschema.Formats["duration"]),
	"regex":    atMost(MaxPattern, jsonschema.Formats["regex"]),
}

// MaxPattern is how long a regular expression may be, in bytes.
const MaxPattern = 1000

func atMost(n int, format func(any) bool) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return (!ok || len(s) <= n) && format(v)
	}
}

// stricter returns a format that is one of jsonschema's, and more strict.
func stricter(name string, is func(string) bool) func(any) bool {
	upstream := jsonschema.Formats[name]
	return func(v any) bool {
		s, ok := v.(string)
		return !ok || is(s) && upstream(v)
	}
}

// A Func reports whether a string certainly has a format: where it says so,
// jsonschema does as well. Of unusual strings it does not say so.
type Func func(s string) bool

// Certain are the formats that the fast path knows.
var Certain = map[string]Func{
	"date":      isDate,
	"date-time": isDateTime,
	"time":      isTime,
	"email":     isEmail,
	"hostname":  isHostname,
	"ipv4":      isIPv4,
	"ipv6":      isIPv6,
	"uuid":      isUUID,
	"uri":       isURI,
	"iri":       isURI,
}

// digits returns what the decimal digits of s mean, or -1 where there are others.
func digits(s string) int {
	n := 0
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return -1
		}
		n = 10*n + int(c)
	}
	return n
}

// isDate knows the dates of RFC 3339, section 5.6.
func isDate(s string) bool {
	if len(s) != len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return false
	}
	year, month, day := digits(s[:4]), digits(s[5:7]), digits(s[8:])
	if year < 0 || month < 1 || month > 12 || day < 1 {
		return false
	}
	return day <= 28 || day <= time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}

func isDateTime(s string) bool {
	return len(s) > len("2006-01-02T") && s[10]|0x20 == 't' && isDate(s[:10]) && isTime(s[11:])
}

// isTime knows the times of RFC 3339, section 5.6, without leap seconds.
func isTime(s string) bool {
	if len(s) < len("15:04:05Z") || !isClock(s[:5]) || s[5] != ':' || !upTo(s[6:8], 59) {
		return false
	}
	s = s[8:]
	if s[0] == '.' {
		fraction := strings.TrimLeft(s[1:], "0123456789")
		if len(fraction) == len(s)-1 || fraction == "" {
			return false
		}
		s = fraction
	}
	switch s[0] {
	case 'Z', 'z':
		return len(s) == 1
	case '+', '-':
		return isClock(s[1:])
	}
	return false
}

// isClock reports whether s is a time of day such as 15:04.
func isClock(s string) bool {
	return len(s) == len("15:04") && s[2] == ':' && upTo(s[:2], 23) && upTo(s[3:], 59)
}

// upTo reports whether s is a number of at most most.
func upTo(s string, most int) bool {
	n := digits(s)
	return 0 <= n && n <= most
}

// isEmail knows the addresses of RFC 5322 whose local part is a dot-atom and whose
// domain is a hostname.
func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > 254 || len(local) > 64 || !isHostname(domain) {
		return false
	}
	const other = ".!#$%&'*+-/=?^_`{|}~"
	dot := true // before each atom
	for i := range len(local) {
		c := local[i]
		if c == '.' && dot || !isAlphanumeric(c) && strings.IndexByte(other, c) < 0 {
			return false
		}
		dot = c == '.'
	}
	return !dot
}

// hasHostname reports whether an address has a hostname or an IP address behind its @.
func hasHostname(s string) bool {
	domain := s[strings.LastIndexByte(s, '@')+1:]
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		literal = strings.TrimSuffix(literal, "]")
		if address, ok := strings.CutPrefix(literal, "IPv6:"); ok {
			return isIPv6(address)
		}
		return isIPv4(literal)
	}
	return isHostname(domain)
}

// isHostname knows the names of RFC 1123, without a dot at the end. What a label that
// begins with xn-- stands for it does not look at.
func isHostname(s string) bool {
	if len(s) > 253 {
		return false
	}
	size, last := 0, byte('-') // of the label so far
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if size == 0 || last == '-' {
				return false
			}
			size, last = 0, '-'
			continue
		case isAlphanumeric(c):
		case c == '-' && size > 0:
		default:
			return false
		}
		if size++; size > 63 {
			return false
		}
		last = c
	}
	return size > 0 && last != '-'
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// isIPv4 knows dotted quads.
func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// isIPv6 knows addresses of RFC 4291 without a zone.
func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && strings.IndexByte(s, ':') >= 0 && a.Zone() == ""
}

// isUUID knows UUIDs as RFC 4122 writes them.
func isUUID(s string) bool {
	if len(s) != len("00000000-0000-0000-0000-000000000000") {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !strictjson.IsHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// isURI knows URIs of RFC 3986 that have the name of a host, without user and
// port.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme == "" || scheme[0]|0x20 < 'a' || scheme[0]|0x20 > 'z' {
		return false
	}
	for i := range len(scheme) {
		if !isAlphanumeric(scheme[i]) {
			return false
		}
	}
	host := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host = rest[:end]
	}
	if !isHostname(host) {
		return false
	}
	const other = "-._~!$&'()*+,;=:@/?"
	fragment := false
	for rest = rest[len(host):]; rest != ""; rest = rest[1:] {
		c := rest[0]
		switch {
		case isAlphanumeric(c), strings.IndexByte(other, c) >= 0:
		case c == '#' && !fragment:
			fragment = true
		case c == '%' && len(rest) > 2 && strictjson.IsHex(rest[1]) && strictjson.IsHex(rest[2]):
		default:
			return false
		}
	}
	return true
}
