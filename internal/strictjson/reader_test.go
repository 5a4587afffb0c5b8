package strictjson_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/internal/strictjson"
)

// skip reads a text with a Reader.
func skip(text string) *strictjson.Fault {
	var r strictjson.Reader
	r.Init(text)
	r.Next()
	r.Skip()
	r.End()
	return r.Fault()
}

// skims fails where a Reader and Parse disagree about a text in another way than they
// should: a Reader has no limits for numbers, and does not tell names that are the same
// from those that differ in case.
func skims(t testing.TB, text string) {
	t.Helper()
	got, want := skip(text), (*strictjson.Fault)(nil)
	if _, f := strictjson.Parse(text, strictjson.MaxBytes, false); f != nil {
		want = f
	}
	switch {
	case want == nil && got == nil, want != nil && want.Keyword == strictjson.KeywordNumber:
	case want == nil || got == nil:
		t.Errorf("%q: got a fault %v of a Reader, and %v of Parse", text, got, want)
	case want.Keyword == strictjson.KeywordDuplicate || want.Keyword == strictjson.KeywordTwin:
		// Parse says so at the name, a Reader after its colon.
		if got.Keyword != strictjson.KeywordTwin && got.Keyword != strictjson.KeywordSyntax {
			t.Errorf("%q: got a fault of %s, want one of twin", text, got.Keyword)
		}
	case got.Keyword != want.Keyword || got.Reason != want.Reason || got.Offset != want.Offset:
		t.Errorf("%q: got %s at %d: %v, want %s at %d: %v", text, got.Keyword, got.Offset, got, want.Keyword, want.Offset, want)
	}
}

func TestReadersAgreeWithParse(t *testing.T) {
	m := jsontest.NewMutator(5)
	for _, seed := range append(jsontest.StrictTexts(), jsontest.Instances()...) {
		skims(t, seed)
		skims(t, `{"a":[`+seed+`],"A":null}`)
		for range 100 {
			skims(t, m.Disturb(seed))
		}
	}
	deep := strings.Repeat(`[{"":`, strictjson.MaxDepth/2)
	skims(t, deep+`0`+strings.Repeat(`}]`, strictjson.MaxDepth/2))
	skims(t, deep+`[0]`+strings.Repeat(`}]`, strictjson.MaxDepth/2))
}

func FuzzReader(f *testing.F) {
	for _, seed := range jsontest.StrictTexts() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { skims(t, text) })
}

// A Reader hands out what it reads, one by one.
func TestReader(t *testing.T) {
	var r strictjson.Reader
	r.Init(` { "a" : [ 1.50e+2 , true ] , "\u0062" : "\n/" , "c" : { } } `)
	var got []string
	r.Next()
	r.Open()
	for n := 0; r.More(n, '}'); n++ {
		name := r.Name()
		r.Colon()
		switch r.Next() {
		case '[':
			r.Open()
			for i := 0; r.More(i, ']'); i++ {
				if r.Next() == 't' {
					r.Literal()
					got = append(got, fmt.Sprint(name, i, " true"))
					continue
				}
				text, digits, exponent := r.Number()
				got = append(got, fmt.Sprint(name, i, " ", text, " ", digits, " ", exponent))
			}
		case '"':
			text := r.Text()
			got = append(got, fmt.Sprintf("%v %q %v", name, text, text.Escaped()))
		default:
			from := r.Offset()
			r.Skip()
			got = append(got, fmt.Sprint(name, " ", r.Offset()-from))
		}
	}
	r.End()
	want := []string{"a 0 1.50e+2 3 2", "a 1 true", `b "\n/" true`, "c 3"}
	if fmt.Sprint(got) != fmt.Sprint(want) || r.Fault() != nil {
		t.Errorf("got %q, %v, want %q", got, r.Fault(), want)
	}
}

// With the first fault a Reader has nothing more to read.
func TestReadersEndWithAFault(t *testing.T) {
	var r strictjson.Reader
	r.Init(`[1 2]`)
	r.Next()
	r.Skip()
	first := r.Fault()
	if first == nil || first.Keyword != strictjson.KeywordSyntax || first.Offset != 3 {
		t.Fatalf("got %+v, want one of syntax at byte 3", first)
	}
	if r.Next() != 0 || r.Offset() != 5 || r.More(0, ']') || r.More(1, ']') {
		t.Error("got more to read, want the end")
	}
	r.Skip()
	if r.End(); r.Fault() != first {
		t.Errorf("got %+v, want the first fault still", r.Fault())
	}
}

// How deep a text is does not grow with how many values it has.
func TestDepthIsThatOfOneValue(t *testing.T) {
	for _, one := range []string{`[]`, `[[1]]`, `{}`, `{"a":{}}`} {
		var r strictjson.Reader
		r.Init("[" + strings.Repeat(one+",", 2*strictjson.MaxDepth) + one + "]")
		r.Next()
		r.Skip()
		if r.End(); r.Fault() != nil {
			t.Errorf("%s, many times: got %v, want no fault", one, r.Fault())
		}
	}
}

// A text that was read before is not judged again.
func TestAgain(t *testing.T) {
	var r strictjson.Reader
	r.Again("{\"a\":{\"b\":1,\"B\":\"\xff\"}}")
	r.Next()
	r.Skip()
	if r.End(); r.Fault() != nil {
		t.Errorf("got %v, want no fault", r.Fault())
	}
	for src, want := range map[string]string{`""`: "", `"a"`: "a", `"\u00e9\ud83d\ude00 \"\\\/\b\f\n\r\t"`: "é😀 \"\\/\b\f\n\r\t"} {
		if got := strictjson.Unquote(src); got != want {
			t.Errorf("%s: got %q, want %q", src, got, want)
		}
	}
}

func TestReadersAllocateNothing(t *testing.T) {
	var b strings.Builder
	for i := range 12 {
		b.WriteString(`,"CamelCase` + strconv.Itoa(i) + `":[1.5,true,"text",{"a":null}]`)
	}
	text := "{" + b.String()[1:] + "}"
	if n := testing.AllocsPerRun(100, func() { _ = skip(text) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func TestFoldHashIsThatOfFold(t *testing.T) {
	names := []string{
		"", "a", "A", "city", "City", "cITY", "account", "ACCOUNT", "account_number", "Account_Number", "ACCOUNT_NUMBER", "account-number",
		"key", "\u212aey", "keyboard", "\u212aeyboard", "KEYBOARD", "keyboard_layout", "\u212aeyboard_layout", "straße", "STRASSE", "ſecret", "secret", "@", "`", "[", "{", "é", "É", "\x80", "a\xffB",
	}
	for _, a := range names {
		for _, b := range names {
			got, want := strictjson.FoldHash(a) == strictjson.FoldHash(b), strictjson.Fold(a) == strictjson.Fold(b)
			if got != want {
				t.Errorf("FoldHash(%q) == FoldHash(%q) is %v, want %v", a, b, got, want)
			}
		}
	}
	var r strictjson.Reader
	r.Again(`"\u0041ccount"`)
	if got, want := r.Text().FoldHash(), strictjson.FoldHash("account"); got != want {
		t.Errorf("got %x of an escaped name, want %x", got, want)
	}
}

// Texts that differ in one bit have different hashes, whatever their length.
func TestHashTellsTextsApart(t *testing.T) {
	for n := 1; n < 40; n++ {
		text := []byte(strings.Repeat("\x55", n))
		want := strictjson.Hash(1, string(text))
		for i := range text {
			for bit := range 8 {
				text[i] ^= 1 << bit
				if strictjson.Hash(1, string(text)) == want {
					t.Errorf("%q: got the hash of a text that differs", text)
				}
				text[i] ^= 1 << bit
			}
		}
		if strictjson.Hash(2, string(text)) == want || strictjson.Hash(1, string(text[:n-1])) == want {
			t.Errorf("%q: got the same hash by another seed, or of a shorter text", text)
		}
	}
}

func TestIsHex(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte("0123456789abcdefABCDEF", byte(c)) >= 0
		if got := strictjson.IsHex(byte(c)); got != want {
			t.Errorf("%#x: got %v, want %v", c, got, want)
		}
	}
}

func TestNormalEscapesAsLittleAsMayBe(t *testing.T) {
	const text = `"\u0008\u0009\u000a\u000c\u000d\u0022\u005c\u001F\/\u0041"`
	if got, want := strictjson.Normal(text), `"\b\t\n\f\r\"\\\u001f/A"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
