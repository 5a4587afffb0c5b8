package schema_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/safeconduct/internal/jsontest"
)

// What is said to be checked is checked, and by no less than what jsonschema asks.
func TestFormatsAreChecked(t *testing.T) {
	for format, tc := range map[string]struct{ valid, invalid []string }{
		"ipv4":     {[]string{"0.0.0.0", "192.0.2.255"}, []string{"+1.2.3.4", "00.0.0.0", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/8", "", "::1", "１.2.3.4", "1.2.3.-0"}},
		"ipv6":     {[]string{"::", "2001:db8::1", "::ffff:192.0.2.1"}, []string{"::1%eth0", "1::2::3", "12345::", "[::1]", "192.0.2.1", "::ffff:1.2.3"}},
		"hostname": {[]string{"a", "example.com", "A-1.b2", strings.Repeat("a", 63)}, []string{"example.", ".a", "a..b", "-a", "a-", "a.-b", "a.b-.c", "a_b", "ä.de", "", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a"}},
		"email":    {[]string{"a@b", "a.b+c@example.com", `"a b"@example.com`, "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]"}, []string{"a@b.", "a@x.-b", "a@[192.0.2.1", "a@[00.2.3.4]", "a@[IPv6:::1%25e]", "a", "@b", "a@", "a b@c", "A <a@b>"}},
		"uri": {
			[]string{"http://example.com", "urn:isbn:0451450523", "mailto:a@b.c", "http://u:p@h:80/a;b=c/%41?q", "http://[::1]:8080/", "http://h?a=b/c?d#e/f?g", "file:///etc", "ftp://192.0.2.1/", "x:", "http://h:/", "a+b-c.d:x"},
			[]string{"http://a b", "http://h/a b", "http://h/ä", `http://h/\a`, `http://h/"a"`, "http://h/<a>", "http://h/{a}", "http://h/^", "http://h/`", "http://h/|", "http:/[::1]", "http://h/%4", "http://h/%zz", "//h/a", "a", "1a://h", "http://u@v@h/", "http://[::1/", "http://[::1%25e]/", "http://h:8a/", "http://h#a#b", "http://[]/", "://h", "", "http://h/?q=[]"},
		},
		"uri-reference": {[]string{"", "a", "/a/b", "//h/a", "?q", "#f", "../a;b", "http://h/", "./a:b", "a%20b"}, []string{"/ä", `/a"b`, "/[::1]", "//a@b@c/", "a:b c", ":a", "1:a", "a b", "#a#", `\\a\b`, "/%2"}},
		"iri":           {[]string{"http://example.com/ä?ö#ü", "http://ä.de/", "http://h/?\ue000\uf8ff\U000f0000\U000ffffd\U00100000\U0010fffd"}, []string{"http://h/?\ufffe", "http://h/?\U000ffffe", "http://h/?\U0010ffff", "http://h/\U000f0000", "http://h/a b", "http://h/\ue000", "http://h/\u0080", "http://h/<ä>", "/ä", "http://h/\ufffe"}},
		"iri-reference": {[]string{"/ä", "ä", "//ä.de"}, []string{"/ä b", "/<ä>", `\ä`, "ä#ö#"}},
		"uri-template":  {[]string{"http://h/{a}", "/{a,b}/x", "a{b*}", "/{+a}{a:3}{a.b_c}", "", "ä"}, []string{"{}", "{a,,b}", "{a..b}", "a b", "{a,}", "{a=b}", "{,+a}", "{a", "a}", "{{a}}", "{a:0}", "{a:12345}", "{a b}", "<a>", "{a:3*}"}},
		"date":          {[]string{"2024-02-29"}, []string{"2023-02-29", "2024-2-29", "２024-02-29"}},
		"date-time":     {[]string{"2024-02-29T12:00:00Z", "1998-12-31T23:59:60Z"}, []string{"2024-02-29", "2024-02-29T12:00:00", "1998-12-31T23:58:60Z", "2024-02-29T24:00:00Z"}},
		"uuid":          {[]string{"123e4567-e89b-12d3-a456-426614174000"}, []string{"123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}"}},
	} {
		s := mustCompile(t, fmt.Sprintf(`{"format":%q}`, format))
		if err := s.Validate([]byte(`5`)); err != nil {
			t.Errorf("%s: a number: got %v, want no error", format, err)
		}
		for _, text := range tc.valid {
			instance, _ := json.Marshal(text)
			if err := s.Validate(instance); err != nil {
				t.Errorf("%s: %q: got %v, want no error", format, text, err)
			}
		}
		for _, text := range tc.invalid {
			instance, _ := json.Marshal(text)
			wantViolation(t, format+": "+text, s.Validate(instance), "", "format")
			if _, err := s.Early(string(instance), []int{len(instance)}); err != nil {
				wantViolation(t, format+": "+text, err, "", "format")
			}
		}
		// Whatever else is accepted jsonschema accepts, and the fast path no more.
		is, m := jsonschema.Formats[format], jsontest.NewMutator(9)
		for _, seed := range append(tc.valid, tc.invalid...) {
			for range 300 / jsontest.Slack {
				text := seed
				for range 1 + m.IntN(3) {
					text = respell(m, text)
				}
				instance, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				slowly := s.ValidateSlowly(instance) == nil
				if slowly && !is(strings.ToValidUTF8(text, "\ufffd")) {
					t.Errorf("%s: %q: got no error, but jsonschema refuses it", format, text)
				}
				if s.Accepts(string(instance)) && !slowly {
					t.Errorf("%s: %q: got accepted at once, but the judge refuses it", format, text)
				}
			}
		}
	}
}

// Where a string must not have a format, one that jsonschema takes for such is refused
// as well.
func TestAStricterFormatLetsNothingThrough(t *testing.T) {
	for _, tc := range []struct{ schema, refused, accepted string }{
		{`{"not":{"format":"ipv4"}}`, `"+1.2.3.4"`, `"a"`},
		{`{"oneOf":[{"format":"uri"},{"const":"http://h/a b"}]}`, `"http://h/a b"`, `"http://h/a"`},
		{`{"if":{"format":"hostname"},"then":{"maxLength":3}}`, `"host."`, `"a host"`},
		{`{"maxContains":1,"contains":{"type":"string","format":"uri"}}`, `["a:b","http://h/a b"]`, `["a:b"]`},
		{`{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"not":{"format":"ipv4"}}}}`, `{"a":"+1.2.3.4"}`, `{"a":"1"}`},
		{`{"anyOf":[{"format":"ipv4"},{"maxLength":3}],"not":{"const":1}}`, `"+1.2.3.4"`, `"abc"`},
	} {
		c := newContract(t, tc.schema)
		for _, s := range []interface{ Validate([]byte) error }{c.s, c.s.Closed()} {
			if err := s.Validate([]byte(tc.refused)); len(violations(err)) == 0 {
				t.Errorf("%s: %s: got %v, want a violation", tc.schema, tc.refused, err)
			}
			if err := s.Validate([]byte(tc.accepted)); err != nil {
				t.Errorf("%s: %s: got %v, want no error", tc.schema, tc.accepted, err)
			}
		}
		c.sound(t, tc.refused)
	}
}
