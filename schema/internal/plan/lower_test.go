package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/schema/internal/plan"
	"example.com/safeconduct/schema/internal/schematest"
)

// repeated returns n texts of a format that takes a number, with commas between.
func repeated(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

// choices returns a schema of n groups of alternatives at one place.
func choices(keyword string, n, alternatives int) string {
	groups := make([]string, n)
	for i := range groups {
		group := strings.ReplaceAll(`{"properties":{"gN_%[1]d":{"type":"object"}},"required":["gN_%[1]d"]}`, "N", fmt.Sprint(i))
		groups[i] = `{"` + keyword + `":[` + repeated(alternatives, group) + `]}`
	}
	return `{"allOf":[` + strings.Join(groups, ",") + `]}`
}

// No schema holds up Compile by what its alternatives multiply to, or by what is
// compared with what: a plan is made in about 20 ms, or there is none.
func TestLoweringIsBounded(t *testing.T) {
	const limit = jsontest.Slack * 50 * time.Millisecond
	longNames := repeated(60, `"`+strings.Repeat("a", 3000)+`%d":{}`)
	slowPatterns := repeated(60, `"(a|b)*c{20}%d$":{}`)
	slowest := time.Duration(0)
	for _, tc := range []struct{ name, text string }{
		{"twelve oneOf of two", choices("oneOf", 12, 2)},
		{"twelve oneOf of four", choices("oneOf", 12, 4)},
		{"eight oneOf of eight", choices("oneOf", 8, 8)},
		{"thirty anyOf of two", choices("anyOf", 30, 2)},
		{"three anyOf of sixteen", choices("anyOf", 3, 16)},
		{"one anyOf of many", choices("anyOf", 1, 600)},
		{"one oneOf of many enums", `{"oneOf":[` + repeated(40, `{"properties":{"k":{"enum":[`+repeated(60, `"%d-%%[1]d"`)+`]}},"required":["k"]}`) + `]}`},
		{"numbers to compare", `{"oneOf":[` + repeated(100, `{"enum":[`+repeated(60, `1%d%%03[1]d`)+`]}`) + `]}`},
		{"an enum of many", `{"enum":[` + repeated(9_000, `"%d"`) + `]}`},
		{"an enum of many beside alternatives",
			`{"enum":[` + repeated(4_000, `"%d"`) + `],"allOf":[` + repeated(8, `{"anyOf":[{"minLength":%d},{"maxLength":2},{"pattern":"a"}]}`) + `]}`},
		{"many properties in alternatives", `{"oneOf":[` + repeated(900, `{"properties":{"p%d":{}}}`) + `]}`},
		{"many items beside alternatives", `{"anyOf":[` + repeated(900, `{"minItems":%d}`) + `],"prefixItems":[` + repeated(900, `{"minLength":%d}`) + `]}`},
		{"long names against patterns", `{"properties":{` + longNames + `},"patternProperties":{` + slowPatterns + `}}`},
		{"sets of schemas", `{"$ref":"#/$defs/s","$defs":{"q12":{},` +
			`"s":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/s"},{"$ref":"#/$defs/q0"}]},"b":{"$ref":"#/$defs/s"}}}` +
			`,` + steps(12) + `}}`},
	} {
		root, _ := schematest.Compile(t, tc.text)
		lower := func() { plan.Lower(root, nil) } // regular expressions seem cheaper than they are
		took := pair.Thread(lower)
		for range 2 {
			took = min(took, pair.Thread(lower))
		}
		if took > limit {
			t.Errorf("%s: %d bytes took %v, want at most %v", tc.name, len(tc.text), took, limit)
		}
		slowest = max(slowest, took)
	}
	t.Logf("the slowest took %v", slowest)
}

// steps returns n definitions, each of which has two properties that refer to the
// next.
func steps(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"q%d":{"properties":{"a":{"$ref":"#/$defs/q%[2]d"},"b":{"$ref":"#/$defs/q%[2]d"}}}`, i, i+1)
	}
	return strings.Join(all, ",")
}
