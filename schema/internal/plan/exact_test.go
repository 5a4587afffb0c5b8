package plan_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema/internal/plan"
)

// A pattern that is matched as runs of characters matches what the regular
// expression does.
func TestPatternsAsRuns(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		runs    bool
	}{
		{`^$`, true},
		{`^a$`, true},
		{`^[a-c]+$`, true},
		{`^[a-c]*`, true},
		{`^ab?c$`, true},
		{`^a{2,3}$`, true},
		{`^a{2,}b$`, true},
		{`^(a)(b)$`, true},
		{`^\d{1,2}-\w+$`, true},
		{`^\w+-\d{1,2}$`, true},
		{`^[^a]+$`, true},
		{`^.b$`, true},
		{`(?s)^.b$`, true},
		{`^[-a]?[a-b]{2}$`, false},
		{`^a+?b$`, true},
		{`^a*a$`, false},
		{`^a+[ab]$`, false},
		{`^a?b?a$`, false},
		{`^a{0,2}b*[ac]$`, false},
		{`^(ab)+$`, false},
		{`^(a|b)$`, true},
		{`^a|b$`, false},
		{`a+$`, false},
		{`(?i)^k$`, false},
		{`(?m)^a$`, false},
		{`^é+$`, false},
		{`^é[a-b]$`, false},
		{`^[a-b]é$`, false},
		{`^aé?$`, false},
		{`^a\b$`, false},
		{`^(a+)+$`, false},
		{`^[a-b]+\.c$`, true},
	} {
		matches, runs := plan.Pattern(tc.pattern)
		if runs != tc.runs {
			t.Errorf("%s: got runs = %v, want %v", tc.pattern, runs, tc.runs)
		}
		re := regexp.MustCompile(tc.pattern)
		var try func(s string, left int)
		try = func(s string, left int) {
			if got, want := matches(s), re.MatchString(s); got != want {
				t.Errorf("%s: %q: got %v, want %v", tc.pattern, s, got, want)
			}
			if left > 0 {
				for _, c := range "ab-c.\n1éK\u212a" {
					try(s+string(c), left-1)
				}
			}
		}
		try("", 4)
	}
}

// Numbers of few digits are compared exactly, and all that satisfy a schema are
// accepted at once.
func TestNumbersAreExact(t *testing.T) {
	m := jsontest.NewMutator(4)
	number := func() string {
		s := strconv.FormatInt(m.Int64N(1e6), 10)
		if m.IntN(4) == 0 {
			s = strconv.FormatInt(m.Int64N(1e17), 10)
		}
		if len(s) < 10 && m.IntN(3) == 0 {
			s += "." + strings.Repeat("0", m.IntN(3)) + strconv.Itoa(m.IntN(100))
		}
		if m.IntN(4) == 0 {
			s += "e" + strconv.Itoa(m.IntN(12)-6)
		}
		if m.IntN(4) == 0 {
			s = "-" + s
		}
		return s
	}
	digits := func(s string) int {
		s, _, _ = strings.Cut(s, "e")
		return len(strings.NewReplacer("-", "", ".", "").Replace(s))
	}
	valid := 0
	for range 400 {
		bound := number()
		for _, keyword := range []string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf", "const"} {
			if keyword == "multipleOf" {
				bound = strconv.FormatFloat(float64(1+m.IntN(500))/[]float64{1, 10, 100, 8}[m.IntN(4)], 'f', -1, 64)
			}
			c := compile(t, fmt.Sprintf(`{%q:%s}`, keyword, bound))
			near := json.Number(bound)
			f, err := near.Float64()
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{
				bound, bound + "0", "-" + strings.TrimPrefix(bound, "-"), strconv.FormatFloat(f+0.01, 'f', -1, 64),
				strconv.FormatFloat(f*3, 'f', -1, 64), number(), number(), "0", "1e300", "1e-300",
			} {
				if strings.Contains(bound, "e") && n == bound+"0" || digits(n) > 18 {
					continue
				}
				got, want := c.sound(t, n), c.judge(n) == nil
				if want {
					valid++
				}
				if got != want && (keyword != "multipleOf" || !strings.Contains(n, "e")) {
					t.Errorf("%s: %s: got accepted at once = %v, want %v", c.text, n, got, want)
				}
			}
		}
	}
	if valid < 1000 {
		t.Errorf("got %d valid numbers, want many", valid)
	}
}

// What is a multiple is exact where calculating takes more than 64 bits.
func TestMultiplesBeyondAWord(t *testing.T) {
	// Ten to the tenth times this is 1024 more than a multiple of 2 to the 64th.
	const wraps = int64(11248060840943433)
	for _, tc := range []struct{ by, number string }{
		{fmt.Sprint(wraps), "0.0000001024"},
		{fmt.Sprint(wraps), "0.0000010240"},
		{fmt.Sprint(wraps), "3072e-10"},
		{fmt.Sprint(2 * wraps), "2048e-10"},
	} {
		c := compile(t, `{"multipleOf":`+tc.by+`}`)
		if c.sound(t, tc.number) || c.judge(tc.number) == nil {
			t.Errorf("%s: %s: got accepted, want refused", c.text, tc.number)
		}
	}
	m, multiples := jsontest.NewMutator(3), 0
	for range 2000 / jsontest.Slack {
		c := compile(t, fmt.Sprintf(`{"multipleOf":%d}`, []int{3, 7, 11, 13, 17, 9973, 65537}[m.IntN(7)]))
		for range 20 {
			number := fmt.Sprintf("%d%se%d", 1+m.Int64N(9e16), []string{"", ".0", "0"}[m.IntN(3)], m.IntN(18))
			got, want := c.sound(t, number), c.judge(number) == nil
			if want {
				multiples++
			}
			if got != want {
				t.Errorf("%s: %s: got accepted at once = %v, want %v", c.text, number, got, want)
			}
			if _, f := c.watch(number, len(number)); f != nil && want {
				t.Errorf("%s: %s: got %v while it arrives, want no fault", c.text, number, f)
			}
		}
	}
	if multiples < 1000/jsontest.Slack {
		t.Errorf("got %d multiples, want many", multiples)
	}
}

// A string that the fast path takes for one of a format has it.
func TestFormatsAreSound(t *testing.T) {
	for format, seeds := range map[string][]string{
		"date":      {"2024-02-29", "1999-12-31", "0000-01-01", "2023-04-31"},
		"date-time": {"2024-02-29T23:59:59Z", "1999-12-31t00:00:00.123+05:30", "2016-12-31T23:59:60Z"},
		"time":      {"23:59:59Z", "00:00:00.000001-12:00", "12:00:00z"},
		"email":     {"a@b", "john.doe+tag@mail.example.com", `"q"@example.com`, "a@[127.0.0.1]", "o'neil@x-y.org"},
		"hostname":  {"example.com", "a", "a-b.c1", strings.Repeat("a", 63) + ".b", "1.2.3.4"},
		"ipv4":      {"127.0.0.1", "255.255.255.255", "0.0.0.0", "01.2.3.4"},
		"ipv6":      {"::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4", "fe80::1%eth0"},
		"uuid":      {"123e4567-e89b-12d3-a456-426614174000", "ABCDEF00-0000-0000-0000-000000000000"},
		"uri":       {"https://example.com/a/b?c=d#e", "ftp://x", "urn:a:b", "http://a.b/%20%zz", "http://[::1]/"},
		"iri":       {"https://example.com/ä", "http://a-b.c/~d;e=(f)?g=*#h!"},
	} {
		c := compile(t, fmt.Sprintf(`{"format":%q}`, format))
		m, accepted := jsontest.NewMutator(5), 0
		for _, seed := range seeds {
			for i := range 2000 {
				s := seed
				for range i % 4 {
					s = m.Respell(s)
				}
				text, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				if c.sound(t, string(text)) {
					accepted++
				}
			}
		}
		if accepted < 500 {
			t.Errorf("%s: got %d accepted at once, want many", format, accepted)
		}
	}
}

// Names and values of an enum are told apart however alike they are, and however
// many.
func TestManyAlike(t *testing.T) {
	var alike, many []string
	for i := range 60 {
		alike = append(alike, fmt.Sprintf("property%02dproperty", i))
	}
	for i := range 1000 {
		many = append(many, fmt.Sprintf("v%d", i))
	}
	for _, names := range [][]string{alike, many[:60], many} {
		list, err := json.Marshal(names)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{fmt.Sprintf(`{"enum":%s}`, list)}
		if len(names) <= 60 {
			var properties []string
			for _, name := range names {
				properties = append(properties, fmt.Sprintf(`%q:{}`, name))
			}
			texts = append(texts, `{"properties":{`+strings.Join(properties, ",")+`},"additionalProperties":false}`)
		}
		for i, text := range texts {
			c := compile(t, text)
			for _, name := range append([]string{"property60property", "v1000", "w1", "v", "property", ""}, names...) {
				instance := fmt.Sprintf("%q", name)
				if i == 1 {
					instance = fmt.Sprintf(`{%q:1}`, name)
				}
				if got, want := c.sound(t, instance), c.judge(instance) == nil; got != want {
					t.Errorf("%.60s: %s: got accepted at once = %v, want %v", text, instance, got, want)
				}
			}
		}
	}
}
