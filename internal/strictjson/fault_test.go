package strictjson_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/internal/strictjson"
)

// A fault says what is wrong, where in the value and where in the text.
func TestFaultsSayWhere(t *testing.T) {
	deep := strings.Repeat("[", strictjson.MaxDepth) + strings.Repeat("]", strictjson.MaxDepth)
	for _, tc := range []struct {
		text, keyword, reason, path string
		offset                      int
	}{
		{``, "syntax", "must be JSON, and ends too early", "", 0},
		{`[1,`, "syntax", "must be JSON, and ends too early", "", 3},
		{`{"a":tru }`, "syntax", "must be JSON", "", 8},
		{`{"a" 1}`, "syntax", "must be JSON", "", 5},
		{"[\"\n\"]", "syntax", "must be JSON", "", 2},
		{`["\u12x4"]`, "syntax", "must be JSON", "", 2},
		{`["\x"]`, "syntax", "must be JSON", "", 3},
		{`[1ex]`, "syntax", "must be JSON", "", 3},
		{`1 2`, "syntax", "must be one JSON value and nothing after it", "", 2},
		{"[\"a\xff\"]", "encoding", "must be valid UTF-8", "", 3},
		{`{"a":["x","\ud800y"]}`, "encoding", "must have no lone surrogate", "/a/1", 11},
		{`{"a":` + deep + `}`, "depth", "must not be nested more than 64 levels deep", "/a" + strings.Repeat("/0", strictjson.MaxDepth-1), -1},
		{`{"a":[0,` + strings.Repeat("1", 101) + `]}`, "number", "must be a number of at most 100 digits", "/a/1", -1},
		{`{"a":1e309}`, "number", "must be a number with an exponent from -324 to 308", "/a", -1},
		{`{"b":{"a":1,"\u0061":2}}`, "duplicate", "must not have a property twice", "/b", -1},
		{`[{},{"a":1,"A":2}]`, "twin", "must not have properties whose names differ in case alone", "/1", -1},
	} {
		_, f := strictjson.Parse(tc.text, strictjson.MaxBytes, false)
		if f == nil {
			t.Errorf("%.50q: got no fault, want one of %s", tc.text, tc.keyword)
			continue
		}
		path := ""
		for _, step := range f.Path {
			if path += "/" + step.Name; step.Index >= 0 {
				path += strconv.Itoa(step.Index)
			}
		}
		if f.Keyword != tc.keyword || f.Reason != tc.reason || path != tc.path || f.Offset != tc.offset {
			t.Errorf("%.50q: got %s: %v at %s, byte %d; want %s: %s at %s, byte %d", tc.text, f.Keyword, f.Reason, path, f.Offset, tc.keyword, tc.reason,
				tc.path, tc.offset)
		}
	}
	if _, f := strictjson.Parse(deep, strictjson.MaxBytes, false); f != nil {
		t.Errorf("%d levels: got %v, want no fault", strictjson.MaxDepth, f)
	}
	if _, f := strictjson.Parse(`[1]`, 3, false); f != nil {
		t.Errorf("as long as it may be: got %v, want no fault", f)
	}
	if _, f := strictjson.Parse(`[1] `, 3, false); f == nil || f.Keyword != "size" || f.Reason != "must be at most 3 bytes long" || f.Offset != -1 {
		t.Errorf("too long: got %v, want a fault of size", f)
	}
	if _, f := strictjson.Parse(`{"a":1,"A":2}`, 100, true); f != nil {
		t.Errorf("twins that are allowed: got %v, want no fault", f)
	}
	if _, f := strictjson.Parse(`{"a":1,"a":2}`, 100, true); f == nil {
		t.Error("a name twice: got no fault, want one whether twins are allowed or not")
	}
}

// The sentences name the limits that hold.
func TestReasonsNameTheLimits(t *testing.T) {
	for got, want := range map[string]string{
		strictjson.ReasonDepth:    fmt.Sprintf("must not be nested more than %d levels deep", strictjson.MaxDepth),
		strictjson.ReasonDigits:   fmt.Sprintf("must be a number of at most %d digits", strictjson.MaxDigits),
		strictjson.ReasonExponent: fmt.Sprintf("must be a number with an exponent from %d to %d", strictjson.MinExponent, strictjson.MaxExponent),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A document counts its values and the length of its strings, level by level.
func TestParseCounts(t *testing.T) {
	doc, f := strictjson.Parse(`{"ab":["c","\u00e9",1],"d":1e64,"e":null}`, 100, false)
	if f != nil {
		t.Fatal(f)
	}
	if got, want := doc.Values[:4], []int{1, 3 + 65/strictjson.DigitsPerValue, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v values, want %v", got, want)
	}
	// A name counts where it is read and where its value is judged.
	if got, want := doc.Chars[:4], []int{4, 4, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v characters, want %v", got, want)
	}
}

func TestNameSet(t *testing.T) {
	var s strictjson.NameSet[string]
	for i := range 100 {
		if !s.Add(strconv.Itoa(i)) {
			t.Errorf("%d: got one that was there, want a new one", i)
		}
		for j := range i + 1 {
			if s.Add(strconv.Itoa(j)) {
				t.Errorf("%d after %d: got a new one, want one that was there", j, i)
			}
		}
	}
}

func TestSkipPlain(t *testing.T) {
	for n := range 20 {
		for _, end := range []string{"", `"`, `\`, "\x00", "\x1f", "\n", "é", "\xff"} {
			text := strings.Repeat("a~ \x7f", n)[:n] + end
			for i := range n + 1 {
				if got := strictjson.SkipPlain(text, i); got != n {
					t.Errorf("%q from %d: got %d, want %d", text, i, got, n)
				}
			}
		}
	}
}
