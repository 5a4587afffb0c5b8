package format_test

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema/internal/format"
)

// checks returns what checks a format.
func checks(name string) func(any) bool {
	if strict := format.Strict[name]; strict != nil {
		return strict
	}
	return jsonschema.Formats[name]
}

// What is said to be checked is checked, and by no less than what jsonschema asks.
func TestFormatsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct{ valid, invalid []string }{
		"ipv4": {[]string{"0.0.0.0", "192.0.2.255"},
			[]string{"+1.2.3.4", "00.0.0.0", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/8", "", "::1", "１.2.3.4", "1.2.3.-0"}},
		"ipv6": {[]string{"::", "2001:db8::1", "::ffff:192.0.2.1"}, []string{"::1%eth0", "1::2::3", "12345::", "[::1]", "192.0.2.1", "::ffff:1.2.3"}},
		"hostname": {[]string{"a", "example.com", "A-1.b2", strings.Repeat("a", 63)},
			[]string{"example.", ".a", "a..b", "-a", "a-", "a.-b", "a.b-.c", "a_b", "ä.de", "", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"}},
		"email": {[]string{"a@b", "a.b+c@example.com", `"a b"@example.com`, "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"},
			[]string{"a@b.", "a@x.-b", "a@[192.0.2.1", "a@[00.2.3.4]", "a@[IPv6:::1%25e]", "a", "@b", "a@", "a b@c", "A <a@b>"}},
		"uri": {
			[]string{"http://example.com", "urn:isbn:0451450523", "mailto:a@b.c", "http://u:p@h:80/a;b=c/%41?q", "http://[::1]:8080/",
				"http://h?a=b/c?d#e/f?g", "file:///etc", "ftp://192.0.2.1/", "x:", "http://h:/", "a+b-c.d:x"},
			[]string{"http://a b", "http://h/a b", "http://h/ä", `http://h/\a`, `http://h/"a"`, "http://h/<a>", "http://h/{a}", "http://h/^", "http://h/`", "http://h/|", "http:/[::1]", "http://h/%4", "http://h/%zz", "//h/a", "a", "1a://h", "http://u@v@h/", "http://[::1/", "http://[::1%25e]/", "http://h:8a/", "http://h#a#b", "http://[]/", "://h", "", "http://h/?q=[]"},
		},
		"uri-reference": {[]string{"", "a", "/a/b", "//h/a", "?q", "#f", "../a;b", "http://h/", "./a:b", "a%20b"}, []string{"/ä", `/a"b`, "/[::1]", "//a@b@c/", "a:b c", ":a", "1:a", "a b", "#a#", `\\a\b`, "/%2"}},
		"iri":           {[]string{"http://example.com/ä?ö#ü", "http://ä.de/", "http://h/?\ue000\uf8ff\U000f0000\U000ffffd\U00100000\U0010fffd"}, []string{"http://h/?\ufffe", "http://h/?\U000ffffe", "http://h/?\U0010ffff", "http://h/\U000f0000", "http://h/a b", "http://h/\ue000", "http://h/\u0080", "http://h/<ä>", "/ä", "http://h/\ufffe", "http://h/\U000e0001"}},
		"iri-reference": {[]string{"/ä", "ä", "//ä.de"}, []string{"/ä b", "/<ä>", `\ä`, "ä#ö#"}},
		"uri-template":  {[]string{"http://h/{a}", "/{a,b}/x", "a{b*}", "/{+a}{a:3}{a.b_c}", "", "ä"}, []string{"{}", "{a,,b}", "{a..b}", "a b", "{a,}", "{a=b}", "{,+a}", "{a", "a}", "{{a}}", "{a:0}", "{a:12345}", "{a b}", "<a>", "{a:3*}"}},
		"date":          {[]string{"2024-02-29"}, []string{"2023-02-29", "2024-2-29", "２024-02-29"}},
		"date-time":     {[]string{"2024-02-29T12:00:00Z", "1998-12-31T23:59:60Z"}, []string{"2024-02-29", "2024-02-29T12:00:00", "1998-12-31T23:58:60Z", "2024-02-29T24:00:00Z"}},
		"uuid":          {[]string{"123e4567-e89b-12d3-a456-426614174000"}, []string{"123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}"}},
	} {
		has, upstream := checks(name), jsonschema.Formats[name]
		certain := format.Certain[name]
		if !has(5) {
			t.Errorf("%s: a number: got refused, want accepted", name)
		}
		for _, text := range tc.valid {
			if !has(text) {
				t.Errorf("%s: %q: got refused, want accepted", name, text)
			}
		}
		for _, text := range tc.invalid {
			if has(text) {
				t.Errorf("%s: %q: got accepted, want refused", name, text)
			}
		}
		// Whatever else is accepted jsonschema accepts, and what is certain is accepted.
		m := jsontest.NewMutator(9)
		for _, seed := range append(tc.valid, tc.invalid...) {
			for i := range 1000 {
				text := seed
				for range i % 4 {
					text = m.Respell(text)
				}
				if has(text) && !upstream(text) {
					t.Errorf("%s: %q: got accepted, but jsonschema refuses it", name, text)
				}
				if certain != nil && certain(text) && !has(text) {
					t.Errorf("%s: %q: got certain, but it is refused", name, text)
				}
			}
		}
	}
}

// What is usual is certain.
func TestCertain(t *testing.T) {
	for name, texts := range map[string][]string{
		"date":      {"2024-02-29", "1999-12-31", "2024-01-28", "2023-04-30"},
		"date-time": {"2024-02-29T23:59:59Z", "1999-12-31t00:00:00.123+05:30"},
		"time":      {"23:59:59Z", "00:00:00.000001-12:00", "12:00:00z"},
		"email":     {"a@b", "john.doe+tag@mail.example.com", "o'neil@x-y.org", strings.Repeat("a", 64) + "@b"},
		"hostname":  {"example.com", "a", "a-b.c1", strings.Repeat("a", 63) + ".b"},
		"ipv4":      {"127.0.0.1", "255.255.255.255"},
		"ipv6":      {"::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4"},
		"uuid":      {"123e4567-e89b-12d3-a456-426614174000", "ABCDEF00-0000-0000-0000-000000000000"},
		"uri":       {"https://example.com/a/b?c=d#e", "ftp://x", "http://a.b/%20", "http://a-b.c/~d;e=(f)?g=*#h!"},
		"iri":       {"https://example.com/a"},
	} {
		for _, text := range texts {
			if !format.Certain[name](text) || !checks(name)(text) {
				t.Errorf("%s: %q: got not certain, want certain", name, text)
			}
		}
	}
	if got, want := len(format.Certain), 10; got != want {
		t.Errorf("got %d formats, want %d", got, want)
	}
}

// Formats that are slow to check are checked of short strings alone.
func TestLinear(t *testing.T) {
	short := strings.Repeat("a", format.MaxPattern)
	if has := format.Linear["regex"]; !has(short) || has(short+"a") || has("(") || !has(5) {
		t.Error("regex: got a long one or a wrong one, or no short one")
	}
	if has := format.Linear["duration"]; !has("P1D") || has("P"+strings.Repeat("1", format.MaxPattern)+"D") {
		t.Error("duration: got a long one, or no short one")
	}
}
