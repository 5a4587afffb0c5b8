package format

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"example.com/safeconduct/internal/strictjson"
)

// URIs as RFC 3986 has them, IRIs as RFC 3987 does, and templates of RFC 6570. What is
// one here must be one to jsonschema, which goes by package net/url, as well.

// Characters that may stand for themselves, beside letters and digits.
const (
	unreserved = "-._~"
	subDelims  = "!$&'()*+,;="
	inPath     = unreserved + subDelims + ":@/"
	inQuery    = inPath + "?"
)

// isReference reports whether s is a URI reference, or the reference of an IRI, and has
// a scheme if it must.
func isReference(s string, iri, absolute bool) bool {
	rest, fragment, _ := strings.Cut(s, "#")
	rest, query, _ := strings.Cut(rest, "?")
	if iri {
		query = noPrivate(query)
	}
	if !consists(fragment, inQuery, iri) || !consists(query, inQuery, iri) {
		return false
	}
	head, _, _ := strings.Cut(rest, "/")
	scheme, _, has := strings.Cut(head, ":")
	switch {
	case has && !isScheme(scheme), absolute && !has:
		return false
	case has:
		rest = rest[len(scheme)+1:]
	}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		rest = ""
		if i := strings.IndexByte(authority, '/'); i >= 0 {
			authority, rest = authority[:i], authority[i:]
		}
		if !isAuthority(authority, iri) {
			return false
		}
	}
	return consists(rest, inPath, iri)
}

// noPrivate returns s without the characters for private use, which may stand in the
// query of an IRI.
func noPrivate(s string) string {
	return strings.Map(func(r rune) rune {
		if 0xe000 <= r && r <= 0xf8ff || r >= 0xf0000 && r&0xfffe != 0xfffe {
			return -1
		}
		return r
	}, s)
}

func isScheme(s string) bool {
	for i := range len(s) {
		letter := 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z'
		if !letter && (i == 0 || !isAlphanumeric(s[i]) && strings.IndexByte("+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// isAuthority knows what stands between the slashes: a host with or without a user
// and a port.
func isAuthority(s string, iri bool) bool {
	if user, host, ok := strings.Cut(s, "@"); ok {
		if !consists(user, unreserved+subDelims+":", iri) {
			return false
		}
		s = host
	}
	if literal, ok := strings.CutPrefix(s, "["); ok {
		address, port, ok := strings.Cut(literal, "]")
		if !ok || port != "" && port[0] != ':' || !isNumber(strings.TrimPrefix(port, ":")) {
			return false
		}
		a, err := netip.ParseAddr(address)
		return err == nil && a.Is6() && a.Zone() == "" || isFutureAddress(address)
	}
	host, port, _ := strings.Cut(s, ":")
	return isNumber(port) && consists(host, unreserved+subDelims, iri)
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// isFutureAddress knows addresses of versions of IP that do not exist yet.
func isFutureAddress(s string) bool {
	version, address, ok := strings.Cut(s, ".")
	if !ok || len(version) < 2 || version[0]|0x20 != 'v' || address == "" {
		return false
	}
	hex := strings.Trim(version[1:], "0123456789abcdefABCDEF") == ""
	return hex && consists(address, unreserved+subDelims+":", false) && !strings.Contains(address, "%")
}

// consists reports whether s consists of letters, digits, the other characters given,
// and characters that are escaped; in an IRI also of most that are not ASCII.
func consists(s, other string, iri bool) bool {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case isAlphanumeric(c) || strings.IndexByte(other, c) >= 0:
			i++
		case c == '%':
			if i+2 >= len(s) || !strictjson.IsHex(s[i+1]) || !strictjson.IsHex(s[i+2]) {
				return false
			}
			i += 3
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if !iri || !isUCS(r) {
				return false
			}
			i += n
		}
	}
	return true
}

// isUCS knows the characters that RFC 3987 adds to those of URIs.
func isUCS(r rune) bool {
	switch {
	case r < 0x10000:
		return 0xa0 <= r && r <= 0xd7ff || 0xf900 <= r && r <= 0xfdcf || 0xfdf0 <= r && r <= 0xffef
	case 0xe0000 <= r && r < 0xe1000:
		return false
	}
	return r < 0xf0000 && r&0xfffe != 0xfffe
}

// isTemplate knows URI templates.
func isTemplate(s string) bool {
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		if !consists(s[:i], inQuery+"#[]", true) {
			return false
		}
		if s = s[i:]; s == "" {
			return true
		}
		expression, rest, ok := strings.Cut(s[1:], "}")
		if s[0] == '}' || !ok || !isExpression(expression) {
			return false
		}
		s = rest
	}
	return true
}

// isExpression knows what stands in the braces of a template.
func isExpression(s string) bool {
	if s != "" && strings.IndexByte("+#./;?&=,!@|", s[0]) >= 0 {
		s = s[1:]
	}
	for variable := range strings.SplitSeq(s, ",") {
		name, most, prefix := strings.Cut(strings.TrimSuffix(variable, "*"), ":")
		if prefix && (len(most) == 0 || len(most) > 4 || most[0] == '0' || digits(most) < 0 || strings.HasSuffix(variable, "*")) {
			return false
		}
		for part := range strings.SplitSeq(name, ".") {
			if part == "" || !consists(part, "_", false) {
				return false
			}
		}
	}
	return true
}
