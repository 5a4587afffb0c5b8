package strictjson_test

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

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/strictjson"
)

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

// parse decodes a text. The keyword is that of a fault, or empty.
func parse(text string) (v any, keyword string) {
	doc, f := strictjson.Parse(text, strictjson.MaxBytes, false)
	if f != nil {
		return nil, f.Keyword
	}
	return doc.Value, ""
}

// strict fails where the strict parse and other parsers disagree about a text in
// another way than they should.
func strict(t testing.TB, text string) (keyword string) {
	t.Helper()
	got, keyword := parse(text)
	switch keyword {
	case "":
		if !utf8.ValidString(text) {
			t.Errorf("%q: got accepted, want not: it is no UTF-8", text)
		}
		if v := jsontext.Value(text); !v.IsValid() {
			t.Errorf("%q: got accepted, but jsontext finds it invalid", text)
		}
		var want any
		if err := jsontest.DecodeStrictly([]byte(text), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, but encoding/json says %#v, %v", text, got, want, err)
		}
		if got, want := strictjson.Normal(text), normal(t, text); got != want {
			t.Errorf("%q: got %q serialised, want %q", text, got, want)
		}
		if again, _ := parse(strictjson.Normal(text)); !reflect.DeepEqual(got, again) {
			t.Errorf("%q: became %#v", text, again)
		}
	case strictjson.KeywordSyntax:
		if json.Valid([]byte(text)) {
			t.Errorf("%q: got a fault of syntax, but encoding/json takes it for JSON", text)
		}
	case strictjson.KeywordDuplicate, strictjson.KeywordEncoding:
		if utf8.ValidString(text) && jsontext.Value(text).IsValid() {
			t.Errorf("%q: got a fault of %s, but jsontext finds none", text, keyword)
		}
	case strictjson.KeywordTwin, strictjson.KeywordNumber, strictjson.KeywordDepth, strictjson.KeywordSize:
	default:
		t.Errorf("%q: got a fault of %s, want one of Parse's", text, keyword)
	}
	return keyword
}

func TestParseIsStrict(t *testing.T) {
	m, accepted := jsontest.NewMutator(3), 0
	for _, seed := range jsontest.StrictTexts() {
		strict(t, seed)
		strict(t, ` { "a" : [ `+seed+` ] , "b" : null } `)
		for range 200 {
			text := seed
			for range 1 + m.IntN(3) {
				text = m.Disturb(text)
			}
			if strict(t, text) == "" {
				accepted++
			}
		}
	}
	if accepted < 1000 {
		t.Errorf("got %d accepted, want many", accepted)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range jsontest.StrictTexts() {
		f.Add(seed)
	}
	for _, seed := range jsontest.Instances() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { strict(t, text) })
}
