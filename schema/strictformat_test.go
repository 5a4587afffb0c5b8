package schema_test

import (
	"fmt"
	"testing"
)

// Every format that is said to be checked is.
func TestFormatsAreAsserted(t *testing.T) {
	for name, invalid := range map[string]string{
		"date-time": "2024-02-29", "date": "2023-02-29", "time": "25:00:00Z", "duration": "P", "period": "x", "email": "a@b.",
		"hostname": "a_b", "ipv4": "+1.2.3.4", "ip-address": "1.2.3", "ipv6": "::1%eth0", "uri": "http://h/a b", "uri-reference": "/ä",
		"uriref": "a b", "uri-template": "{a b}", "iri": "/ä", "iri-reference": "/ä b", "uuid": "123e4567e89b12d3a456426614174000",
		"json-pointer": "a", "relative-json-pointer": "/a", "regex": "(",
	} {
		s := mustCompile(t, fmt.Sprintf(`{"format":%q}`, name))
		instance := fmt.Sprintf("%q", invalid)
		wantViolation(t, name+": "+invalid, s.Validate([]byte(instance)), "", "format")
		if _, err := s.Early(instance, []int{len(instance)}); err != nil {
			wantViolation(t, name+": "+invalid, err, "", "format")
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
