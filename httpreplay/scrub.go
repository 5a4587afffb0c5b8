package httpreplay

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Scrubbed stands in a recording for the value of a query's parameter that is for a
// secret. Such a parameter is replayed whatever its value is.
const Scrubbed = "scrubbed"

// minSecret is how long a secret is at least that is looked for everywhere: shorter
// ones, such as "none", are found in anything.
const minSecret = 8

// isSecret reports whether a header or a parameter of this name is for a secret.
func isSecret(name string) bool {
	name = strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(name))
	switch name {
	case "key", "auth", "sig", "hmac", "pass", "pwd", "sid", "session", "sessionid", "jwt", "bearer", "cookie", "setcookie", "appid",
		"xauth", "proxyauthorization", "authorization":
		return true
	}
	for _, end := range []string{
		"apikey", "accesskey", "accesskeyid", "subscriptionkey", "secretkey", "authkey", "token", "secret", "signature",
		"password", "passwd", "passphrase", "credential", "credentials", "authorization",
	} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// isOrganization reports whether a header of this name says on whose account something
// is asked.
func isOrganization(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "organization") || strings.HasSuffix(name, "-project")
}

// A scrubber keeps secrets out of a recording.
type scrubber struct {
	keep    map[string]bool
	scrub   func([]byte) []byte
	secrets []string // that were seen, and must not be anywhere
	ids     []string // of organizations, and are replaced everywhere
	orgs    *regexp.Regexp
	keys    []keyPattern
}

func newScrubber(opts RecordOptions) *scrubber {
	s := &scrubber{keep: make(map[string]bool), scrub: opts.Scrub, keys: keyPatterns()}
	for _, name := range append(keptHeaders(), opts.Keep...) {
		s.keep[http.CanonicalHeaderKey(name)] = true
	}
	s.orgs = regexp.MustCompile(`\b(org-|proj_)[A-Za-z0-9]{16,}\b`)
	return s
}

// learn takes note of the secrets in an exchange.
func (s *scrubber) learn(t *taken) {
	headers := []http.Header{t.req.Header}
	if t.res != nil {
		headers = append(headers, t.res.Header)
	}
	for _, h := range headers {
		for name, values := range h {
			for _, v := range values {
				switch {
				case isSecret(name):
					s.addSecret(name, v)
				case isOrganization(name) && len(v) >= minSecret:
					s.ids = append(s.ids, v)
				}
			}
		}
	}
	if password, ok := t.req.URL.User.Password(); ok {
		s.add(password)
	}
	for name, values := range t.req.URL.Query() {
		if isSecret(name) {
			for _, v := range values {
				s.add(v)
			}
		}
	}
}

// addSecret adds what is secret in a header's value.
func (s *scrubber) addSecret(header, value string) {
	if strings.HasSuffix(strings.ToLower(header), "cookie") {
		for part := range strings.SplitSeq(value, ";") {
			if _, v, ok := strings.Cut(part, "="); ok {
				s.add(strings.TrimSpace(v))
			}
			if strings.EqualFold(header, "Set-Cookie") {
				break // what follows are its attributes
			}
		}
		return
	}
	scheme, rest, ok := strings.Cut(value, " ")
	if !ok {
		s.add(value)
		return
	}
	s.add(strings.TrimSpace(rest))
	if strings.EqualFold(scheme, "Basic") {
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
			_, password, _ := strings.Cut(string(plain), ":")
			s.add(password)
		}
	}
}

func (s *scrubber) add(secret string) {
	if len(secret) >= minSecret && secret != Scrubbed {
		s.secrets = append(s.secrets, secret)
	}
}

// url returns a URL without user, password and the values that are secret.
func (s *scrubber) url(u *url.URL) *url.URL {
	c := *u
	c.User, c.Fragment, c.RawFragment = nil, "", ""
	q, changed := c.Query(), false
	for name, values := range q {
		if isSecret(name) {
			for i := range values {
				values[i], changed = Scrubbed, true
			}
		}
	}
	if changed {
		c.RawQuery = q.Encode()
	}
	if c.Path == "" && c.Opaque == "" {
		c.Path = "/"
	}
	return &c
}

// location scrubs where a response points to.
func (s *scrubber) location(v string) string {
	u, err := url.Parse(v)
	if err != nil {
		return Scrubbed
	}
	if u.Path == "" {
		return v
	}
	return s.url(u).String()
}

// body returns what is kept of a body.
func (s *scrubber) body(body []byte) []byte {
	for _, id := range s.ids {
		body = bytes.ReplaceAll(body, []byte(id), []byte(Scrubbed))
	}
	body = s.orgs.ReplaceAll(body, []byte("${1}"+Scrubbed)) // a copy
	if s.scrub != nil {
		body = s.scrub(body)
	}
	return body
}

// secretIn says what in text looks like a key, or "".
func (s *scrubber) secretIn(text []byte) string {
	for _, secret := range s.secrets {
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(url.QueryEscape(secret))) {
			return "what was sent as a secret"
		}
	}
	text = bytes.ReplaceAll(text, []byte(Scrubbed), nil) // it stands where a secret was
	for _, p := range s.keys {
		if p.re.Match(text) {
			return "what looks like " + p.what
		}
	}
	return ""
}

type keyPattern struct {
	what string
	re   *regexp.Regexp
}

// secretNames are names that nothing has but a secret, in a regular expression.
const secretNames = `api[_-]?key|access[_-]?key|secret[_-]?key|(access|refresh|id|auth|api|session)[_-]?token|` +
	`(client[_-]?)?secret|password|passphrase|authorization`

// keyPatterns are the forms of well-known keys.
func keyPatterns() []keyPattern {
	var patterns []keyPattern
	for _, p := range [][2]string{
		{"a key of a model's provider", `\b(sk|rk|pk)-[A-Za-z0-9_-]{16,}|\b(gsk_|xai-|pplx-|nvapi-|hf_|r8_|tvly-)[A-Za-z0-9_-]{16,}`},
		{"a key of Google's", `\bAIza[0-9A-Za-z_-]{30,}|\bya29\.[0-9A-Za-z_-]{20,}`},
		{"a key of AWS", `\b(AKIA|ASIA)[0-9A-Z]{16}\b`},
		{"a token of GitHub's", `\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{20,}`},
		{"a token of Slack's", `\bxox[abeoprs]-[A-Za-z0-9-]{10,}`},
		{"a key of Stripe's", `\b[sr]k_(live|test)_[A-Za-z0-9]{16,}`},
		{"a JSON Web Token", `\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+`},
		{"a private key", `-----BEGIN [A-Z ]*PRIVATE KEY`},
		{"a bearer token", `(?i)\bbearer +[A-Za-z0-9._~+/=-]{16,}`},
		{"a secret in a member of JSON", `(?i)\\?"(` + secretNames + `)\\?"\s*:\s*\\?"[^"\\]{8,}`},
		{"a secret in a form or a query", `(?i)(\r\n\r\n|[?&;])(` + secretNames + `)=[^&;\s"\\]{8,}`},
	} {
		patterns = append(patterns, keyPattern{p[0], regexp.MustCompile(p[1])})
	}
	return patterns
}

// sameQuery reports whether the query is the one that was recorded, in whatever order,
// and whatever stands where a value was scrubbed.
func sameQuery(recorded, got url.Values) bool {
	for name, values := range recorded {
		for i, v := range values {
			if v == Scrubbed && isSecret(name) && i < len(got[name]) {
				got[name] = slices.Clone(got[name])
				got[name][i] = Scrubbed
			}
		}
	}
	return recorded.Encode() == got.Encode()
}
