package schema_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/safeconduct/schema"
)

// strictSeeds are texts about which parsers differ.
var strictSeeds = append([]string{
	``, ` `, "\ufeff{}", `{} {}`, `{}]`, `[1,]`, `[,1]`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{'a':1}`, `nul`, `truE`, `[1,2`, `{"a":1`, `"a`, `"\`, `"\u`, `"\u12`,
	`-`, `01`, `1.`, `.5`, `+1`, `1e`, `1e+`, `0x1`, `Infinity`, `-0`, `-0.0e-0`, `1E+05`, `1e0000000000000000308`,
	"\"a\x00\"", "\"a\nb\"", "\"a\x7f\"", "\"\u2028\"", `"\x"`, `"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\u00zz"`,
	`{"\ud800":1}`, `{"a":1,"\u0061":2}`, `{"K":1,"k":1}`, `{"\u212a":1,"k":1}`, `{"É":1,"é":1}`, `{"":1,"":2}`,
	"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "{\"\xc3(\":1}", "\xff",
	`"\/\b\f\n\r\t\"\\"`, `"\u0000\u001f\u0020\u007f\u00e9\u2028\uffff"`, `"\u001F\u000a\u000A"`, "1 // one", "\v1", "1\u00a0",
	`{"amount":50,"Amount":5000}`,
}, odd...)

// normal serialises a text again, as jsontext has it: without white space, and
// strings escaped as little as may be.
func normal(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true))
	dec := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true))
	for {
		tok, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return strings.TrimSuffix(out.String(), "\n")
		}
		if err != nil {
			t.Fatalf("%q: jsontext says %v", text, err)
		}
		if tok.Kind() == '0' { // a Token would be printed in another notation
			err = enc.WriteValue(jsontext.Value(tok.String()))
		} else {
			err = enc.WriteToken(tok)
		}
		if err != nil {
			t.Fatalf("%q: jsontext says %v", text, err)
		}
	}
}

// strict fails where the strict parse and other parsers disagree about a text in
// another way than they should.
func strict(t testing.TB, text string) {
	t.Helper()
	got, keyword := schema.Parse(text)
	switch keyword {
	case "":
		if !utf8.ValidString(text) {
			t.Errorf("%q: got accepted, want not: it is no UTF-8", text)
		}
		if v := jsontext.Value(text); !v.IsValid() {
			t.Errorf("%q: got accepted, but jsontext finds it invalid", text)
		}
		var want any
		if err := decodeStrictly([]byte(text), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, but encoding/json says %#v, %v", text, got, want, err)
		}
		if got, want := schema.Normal(text), normal(t, text); got != want {
			t.Errorf("%q: got %q serialised, want %q", text, got, want)
		}
		if again, _ := schema.Parse(schema.Normal(text)); !reflect.DeepEqual(got, again) {
			t.Errorf("%q: became %#v", text, again)
		}
	case schema.KeywordSyntax:
		if json.Valid([]byte(text)) {
			t.Errorf("%q: got a fault of syntax, but encoding/json takes it for JSON", text)
		}
	case schema.KeywordDuplicate, schema.KeywordEncoding:
		if utf8.ValidString(text) && jsontext.Value(text).IsValid() {
			t.Errorf("%q: got a fault of %s, but jsontext finds none", text, keyword)
		}
	case schema.KeywordTwin, schema.KeywordNumber, schema.KeywordDepth, schema.KeywordSize:
	default:
		t.Errorf("%q: got a fault of %s, want one of the strict parse", text, keyword)
	}
	// The fast path lets nothing through that the strict parse does not.
	if mustCompile(t, `true`).Accepts(text) && keyword != "" {
		t.Errorf("%q: got accepted at once, and a fault of %s", text, keyword)
	}
}

func TestStrictParse(t *testing.T) {
	m, accepted := newMutator(3), 0
	for _, seed := range strictSeeds {
		strict(t, seed)
		strict(t, ` { "a" : [ `+seed+` ] , "b" : null } `)
		for range 200 {
			text := seed
			for range 1 + m.IntN(3) {
				text = m.disturb(text)
			}
			strict(t, text)
			if _, keyword := schema.Parse(text); keyword == "" {
				accepted++
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("got %d accepted, want many", accepted)
	}
}

func FuzzStrictParse(f *testing.F) {
	for _, seed := range strictSeeds {
		f.Add(seed)
	}
	for _, seed := range fuzzInstances {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { strict(t, text) })
}
