package schema_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
)

// No text and no schema holds a judgement up: it takes at most 50 ms for each
// 100 kB, whether the fast path accepts, the strict parse refuses or jsonschema
// judges.
func TestWorstCases(t *testing.T) {
	const k100 = 100_000
	names := func(format string, n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`%q:1`, fmt.Sprintf(format, i))
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	fill := func(s string) string { return strings.Repeat(s, k100/len(s)) }
	nested := `{"type":"integer"}`
	for range 6 { // 3^6 ways to fail
		nested = `{"anyOf":[{"items":{"const":1}},{"items":{"const":2}},{"items":` + nested + `}]}`
	}
	colliding := make([]string, 64)
	for i := range colliding {
		colliding[i] = fmt.Sprintf(`"property%02dproperty":{}`, i)
	}
	slowest := 0.0
	for _, tc := range []struct{ name, schema, text string }{
		{"open brackets", `{}`, fill("[")},
		{"open objects", `{}`, fill(`{"a":`)},
		{"nested as deep as may be, many times", `{}`,
			"[" + strings.TrimSuffix(strings.Repeat(strings.Repeat("[", 63)+strings.Repeat("]", 63)+",", 790), ",") + "]"},
		{"a number of many digits", `{"type":"integer"}`, fill("7")},
		{"a number of many digits behind the point", `{"multipleOf":0.1}`, "0." + fill("7")},
		{"a number of many zeros", `{"type":"number"}`, fill("0")},
		{"an exponent of many digits", `{"type":"integer"}`, "1e" + fill("9")},
		{"an exponent of many zeros", `{"type":"integer"}`, "1e" + fill("0") + "1"},
		{"long numbers", `{"items":{"type":"integer"}}`, "[" + strings.TrimSuffix(fill(strings.Repeat("7", 99)+","), ",") + "]"},
		{"numbers of large exponents", `{"items":{"type":"integer"}}`, "[" + strings.TrimSuffix(strings.Repeat("1e308,", 2000), ",") + "]"},
		{"many keys", `{}`, names("k%d", 9_000)},
		{"many keys that few schemas name", `{"properties":{"k1":{},"k2":{}},"additionalProperties":{"type":"integer"}}`, names("k%d", 9_000)},
		{"many long keys alike", `{"properties":{` + strings.Join(colliding, ",") + `}}`, names("property%02dproperty", 64)},
		{"many keys that differ in case", `{}`, names("KEY%d", 9_000)},
		{"many keys of letters with folds", `{}`, names("\u212a\u017f\u0130%d", 5_000)},
		{"the same key many times", `{}`, "{" + strings.TrimSuffix(fill(`"a":1,`), ",") + "}"},
		{"many empty strings", `{"items":{"minLength":0}}`, "[" + strings.TrimSuffix(strings.Repeat(`"",`, 5_000), ",") + "]"},
		{"one string", `{"maxLength":200000,"pattern":"^x+$"}`, `"` + fill("x") + `"`},
		{"one string of escapes", `{"maxLength":200000}`, `"` + fill(`\u0041`) + `"`},
		{"one string of surrogates", `{"maxLength":200000}`, `"` + fill(`\ud83d\ude00`) + `"`},
		{"one string of other letters", `{"maxLength":200000}`, `"` + fill("é") + `"`},
		{"a string without an end", `{}`, `"` + fill("x")},
		{"white space", `{}`, fill(" ")},
		{"backslashes", `{}`, `"` + fill(`\\`)},
		{"a regular expression that other engines take for ever for", `{"pattern":"^(a+)+$"}`, `"` + strings.Repeat("a", 50_000) + `!"`},
		{"a pattern with doubts", `{"pattern":"^[a-y]*[b-y]*z$"}`, `"` + strings.Repeat("b", 30_000) + `"`},
		{"alternatives within one another", nested, "[[[[[[" + strings.TrimSuffix(strings.Repeat(`"x",`, 2_000), ",") + "]]]]]]"},
		{"alternatives of long strings",
			`{"anyOf":[{"maxLength":1},{"maxLength":2},{"maxLength":3},{"maxLength":4},{"maxLength":5},{"maxLength":6},{"maxLength":7},{"type":"string"}]}`, `"` + fill("x") + `"`},
		{"not UTF-8", `{}`, `"` + fill("\xff") + `"`},
		{"garbage", `{}`, fill("\x00\x01{]\xff")},
	} {
		s := mustCompile(t, tc.schema)
		bound := time.Duration(jsontest.Slack * 50 * float64(time.Millisecond) * max(float64(len(tc.text))/k100, 1))
		took := jsontest.Fastest(func() { _ = s.Validate([]byte(tc.text)) })
		if took > bound {
			t.Errorf("%s: %d bytes took %v, want at most %v", tc.name, len(tc.text), took, bound)
		}
		slowest = max(slowest, float64(took)/float64(bound))
	}
	t.Logf("the slowest took %.2f of what it may", slowest)

	// What is too long is not read at all.
	s, garbage := mustCompile(t, `{}`), []byte(strings.Repeat(`{"a":`, 2_000_000))
	if took := jsontest.Fastest(func() { _ = s.Validate(garbage) }); took > jsontest.Slack*time.Millisecond {
		t.Errorf("10 MB: took %v, want at most %v", took, jsontest.Slack*time.Millisecond)
	}
	if len(garbage) < 10_000_000 {
		t.Errorf("got %d bytes, want 10 MB", len(garbage))
	}
}

// A text that is accepted takes no memory, however large; and the stack stays
// small however deep it is.
func TestAcceptingTakesNoMemory(t *testing.T) {
	text := []byte("[" + strings.TrimSuffix(strings.Repeat(`{"a":"xyz","b":[1,2,{"c":null}]},`, 3_000), ",") + "]")
	s := mustCompile(t, `{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array"}},"additionalProperties":false}}`)
	if n := testing.AllocsPerRun(10, func() {
		if err := s.Validate(text); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%d bytes: got %v allocations, want none", len(text), n)
	}
	deep := []byte(strings.Repeat(`{"a":[`, schema.MaxDepth/2) + strings.Repeat(`]}`, schema.MaxDepth/2))
	open := mustCompile(t, `{"type":"object"}`)
	var before, after runtime.MemStats
	done := make(chan struct{})
	const goroutines = 500
	runtime.GC()
	runtime.ReadMemStats(&before)
	ready := make(chan struct{}, goroutines)
	for range goroutines {
		go func() {
			if err := open.Validate(deep); err != nil {
				t.Error(err)
			}
			ready <- struct{}{}
			<-done
		}()
	}
	for range goroutines {
		<-ready
	}
	runtime.ReadMemStats(&after)
	close(done)
	// Stacks have 32 KiB or 64; that of a goroutine of the runtime's may have grown, too.
	if grown := (after.StackInuse - before.StackInuse) / goroutines; grown > 33<<10 {
		t.Errorf("%d levels deep: got %d bytes of stack, want at most 32 KiB", schema.MaxDepth, grown)
	} else {
		t.Logf("%d levels deep: %d bytes of stack", schema.MaxDepth, grown)
	}
}
