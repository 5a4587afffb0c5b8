package schema_test

import (
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/schema"
)

// A metaschema judges regular expressions, and short ones alone.
func TestMetaschemaJudgesShortPatterns(t *testing.T) {
	units := []string{"a", "(a|b)?", `[\\pL\\pN]|`}
	for _, draft := range []string{
		"http://json-schema.org/draft-04/schema#",
		"http://json-schema.org/draft-06/schema#",
		"http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema",
		"https://json-schema.org/draft/2020-12/schema",
	} {
		s := mustCompile(t, `{"$schema":"`+draft+`","properties":{"s":{"$ref":"`+draft+`"}}}`)
		for _, unit := range units {
			pattern := strings.Repeat(unit, 300_000/len(unit))
			for _, text := range []string{
				`{"s":{"items":{"pattern":"` + pattern + `"}}}`,
				`{"s":{"allOf":[{"patternProperties":{"` + pattern + `":{}}}]}}`,
			} {
				var err error
				took := pair.Thread(func() { err = s.Validate([]byte(text)) })
				if limit := jsontest.Slack * 50 * time.Millisecond * 3; took > limit {
					t.Errorf("%s: %.60s: took %v, want at most %v", draft, text, took, limit)
				}
				wantViolation(t, text[:60], err, "", schema.KeywordWork)
			}
		}
		short := strings.Repeat("a", schema.MaxPattern)
		for text, want := range map[string]bool{
			`{"s":{"pattern":"` + short + `","patternProperties":{"` + short + `":{}}}}`: true,
			`{"s":{"description":"` + strings.Repeat("a", 5_000) + `","pattern":"^a$"}}`: true,
			`{"s":{"pattern":"("}}`: false,
		} {
			if err := s.Validate([]byte(text)); (err == nil) != want {
				t.Errorf("%s: %.60s: got %v, want valid = %v", draft, text, err, want)
			}
		}
	}
}
