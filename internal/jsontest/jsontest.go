// Package jsontest holds texts, values and measures that the tests of whatever reads
// JSON share.
package jsontest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/safeconduct/internal/missing"
	"example.com/safeconduct/internal/pair"
)

// Fastest returns the least time that f took of a few tries: on a busy machine the
// others say nothing.
func Fastest(f func()) time.Duration {
	least := time.Hour
	for range 5 {
		least = min(least, pair.Thread(f))
	}
	return least
}

// Within fails where f takes more than 50 ms of CPU time for each 100 kB of the
// text.
func Within(t testing.TB, what, text string, f func()) {
	t.Helper()
	limit := Slack * 50 * time.Millisecond * time.Duration(max(1, len(text)/100_000))
	if took := pair.Thread(f); took > limit {
		if took = Fastest(f); took > limit {
			t.Errorf("%q: took %v, want at most %v", what, took, limit)
		}
	}
}

// Corpus returns the path of one of the public corpora, which are not part of the
// project.
func Corpus(t testing.TB, name ...string) string {
	t.Helper()
	dir := os.Getenv("SAFECONDUCT_CORPORA")
	if dir == "" {
		missing.Skip(t, "corpora", "SAFECONDUCT_CORPORA is unset")
	}
	return filepath.Join(append([]string{dir}, name...)...)
}

// Sayings returns what models say, and what the traps are about.
func Sayings() []string {
	return []string{
		"Sure:\n```json\n{\"a\": [1, \"x\"]}\n```\nDone.",
		"```\n{\"a\":1}\n``` and ```json\n{\"a\":2}",
		`Final Answer: {"a":1} {"a": 1}`,
		`{"__arg1":"{\"a\":1}"}`,
		`"\"{\\\"a\\\":1}\""`,
		`{"a":{"b":1},"c":oops} [1]`,
		`{"n":1e1000000000}`,
		`[1e-99999999]`,
		`{"amount":50,"Amount":5000}`,
		`{"amount":50,"amount":5000}`,
		`{"amount":50}{"amount":5000}`,
		"[\"\xff\"]",
		`["\ud800"]`,
		`[1,[}]`,
		`.3`,
		`[.3,-05]`,
		`{'a': True, b: "x y", // c` + "\n" + `"d": [1 2 3,], "e": "x` + "\n" + `y"`,
		`[{"a": "He said "hi"", ...`,
		`{{"a":1}}`,
	}
}

// DecodeStrictly decodes one JSON value with nothing after it, with its numbers as
// [json.Number].
func DecodeStrictly(text []byte, v any) error {
	if !json.Valid(text) {
		return json.Unmarshal(text, v)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// DecodeValue returns what [DecodeStrictly] decodes; nil where that fails.
func DecodeValue(text []byte) any {
	var v any
	_ = DecodeStrictly(text, &v)
	return v
}

// Names returns a few names of properties, so that schemas and instances meet.
func Names() []string { return []string{"a", "b", "c"} }

// DrawValue draws a value that package encoding/json can write, of objects and arrays
// at most so many levels deep.
func DrawValue(t *rapid.T, depth int) any {
	kinds := 5
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.IntRange(-1, 4).Draw(t, "n")
	case 2:
		return rapid.SampledFrom([]string{"", "a", "abcd"}).Draw(t, "s")
	case 3:
		return 0.5
	case 4:
		a := make([]any, rapid.IntRange(0, 4).Draw(t, "items"))
		for i := range a {
			a[i] = DrawValue(t, depth-1)
		}
		return a
	}
	m := make(map[string]any)
	for _, name := range append(Names(), "d") {
		if rapid.Bool().Draw(t, name) {
			m[name] = DrawValue(t, depth-1)
		}
	}
	return m
}

// Instances returns JSON texts, most of them strict ones, of the kinds that schemas in
// tests are about.
func Instances() []string {
	return []string{
		`{"to":"bob@example.com","amount":19.99}`,
		`{"to":"bob","amount":1e309,"Amount":5}`,
		`["a",null,[1,null]]`,
		`"aaa"`,
		`{"a":1,"b":{"A":2}}`,
		`{"x":{"x":{}}}`,
		`{"next":{"next":{"x-y":"abc"}},"z":true}`,
		`"2024-02-29T23:59:60Z"`,
		`{"type":"object","properties":{"a":{"$ref":"#"}}}`,
		"{\"\\ud800\":\"\xff\"} x",
		`[-0,1E+2,1.50,9007199254740993]`,
	}
}

// StrictTexts returns texts about which parsers differ.
func StrictTexts() []string {
	return append([]string{
		``, ` `, "\ufeff{}", `{} {}`, `{}]`, `[1,]`, `[,1]`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{'a':1}`,
		`nul`, `truE`, `[1,2`, `{"a":1`, `"a`, `"\`, `"\u`, `"\u12`,
		`-`, `01`, `1.`, `.5`, `+1`, `1e`, `1e+`, `0x1`, `Infinity`, `-0`, `-0.0e-0`, `1E+05`, `1e0000000000000000308`,
		"\"a\x00\"", "\"a\nb\"", "\"a\x7f\"", `" "`, `{"a b":[" c "]}`, "\"\u2028\"", `"\x"`, `"\ud800"`, `"\udc00"`, `"\ud800\u0041"`,
		`"\ud800\ud800"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\u00zz"`,
		`{"\ud800":1}`, `{"a":1,"\u0061":2}`, `{"K":1,"k":1}`, `{"\u212a":1,"k":1}`, `{"É":1,"é":1}`, `{"":1,"":2}`,
		"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "{\"\xc3(\":1}", "\xff",
		`"\/\b\f\n\r\t\"\\"`, `"\u0000\u001f\u0020\u007f\u00e9\u2028\uffff"`, `"\u001F\u000a\u000A"`, "1 // one", "\v1", "1\u00a0",
		`{"amount":50,"Amount":5000}`,
	}, Odd()...)
}
