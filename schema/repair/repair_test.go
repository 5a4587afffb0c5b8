package repair_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/repair"
)

func TestRepair(t *testing.T) {
	for _, tc := range []struct{ text, want, changes string }{
		// What Extract finds is left alone.
		{`{"a" : 1}`, `{"a" : 1}`, ``},
		{"Sure:\n```json\n[1]\n```", `[1]`, ``},
		{`"London"`, `"London"`, ``},

		// One of each kind.
		{`{"a":1,}`, `{"a":1}`, `added or removed a comma at byte 6`},
		{"{\"a\":1\n\"b\":2}", `{"a":1,"b":2}`, `added or removed a comma at byte 7`},
		{`[{"a":1} {"a":2}]`, `[{"a":1},{"a":2}]`, `added or removed a comma at byte 9`},
		{"{\"a\":1, // one\n\"b\":2 /* two */ # three\n}", `{"a":1,"b":2}`, `removed a comment, 3 times from byte 8`},
		{"{\"a\":\"x\ny\tz\x01\"}", `{"a":"x\ny\tz\u0001"}`, `escaped a control character, 3 times from byte 7`},
		{`{"a":"it\'s"}`, `{"a":"it's"}`, `removed a needless backslash at byte 8`},
		{`{"a":[{"b":"c"`, `{"a":[{"b":"c"}]}`, `closed a bracket, 3 times from byte 14`},
		{`{"a":[1,2}`, `{"a":[1,2]}`, `closed a bracket at byte 9`},
		{`[{"a":1]`, `[{"a":1}]`, `closed a bracket at byte 7`},
		{`{"a":[True,False,None]}`, `{"a":[true,false,null]}`, `wrote a literal of Python, 3 times from byte 6`},
		{`{a:1, $b_2-c: 2, é: 3, 4: 5}`, `{"a":1,"$b_2-c":2,"é":3,"4":5}`, `quoted a name, 4 times from byte 1`},
		{`[.5, 5., -.5, +5, -5.]`, `[0.5,5.0,-0.5,5,-5.0]`, `completed a number, 5 times from byte 1`},
		{`{'a': 'say "x"', “b”: ‘c’}`, `{"a":"say \"x\"","b":"c"}`, `wrote other quotes as ", 4 times from byte 1`},
		{"{\"a\":\u00a01\u2028}", `{"a":1}`, `removed white space unknown to JSON, 2 times from byte 5`},

		// Wrapped.
		{`{'__arg1': {'a':1}}`, `{"a":1}`, `wrote other quotes as ", 2 times from byte 1`},
		{`{'__arg1': '{"a":1}'}`, `{"a":1}`, `wrote other quotes as ", 2 times from byte 1`},

		// Where it stands.
		{"Final Answer: {'a':1}", `{"a":1}`, `wrote other quotes as " at byte 15`},
		{"Here:\n\n{'a':1}\n\nHope this helps.", `{"a":1}`, `wrote other quotes as " at byte 8`},
		{"As {x} said,\n```json\n{'a':1}\n```\n\nand so on.", `{"a":1}`, `wrote other quotes as " at byte 22`},
		{"Given {\"q\":1}:\n```\n{'a': 12\n```", `{"a":12}`, `wrote other quotes as " at byte 20; closed a bracket at byte 28`},
		{"```python\n{'a': '```'}```", "{\"a\":\"```\"}", `wrote other quotes as ", 2 times from byte 11`},
	} {
		got, changes, err := repair.Repair([]byte(tc.text))
		if err != nil || string(got) != tc.want || changes.String() != tc.changes {
			t.Errorf("%q:\ngot  %s, %s, %v\nwant %s, %s", tc.text, got, changes, err, tc.want, tc.changes)
		}
	}
}

// What a repair would have to guess it refuses.
func TestRepairRefuses(t *testing.T) {
	const guess = "repair: the JSON in the text is broken: to repair it takes a guess"
	const early = "repair: the JSON in the text is broken: it ends too early"
	for _, tc := range []struct{ text, want string }{
		// What was to come is not known.
		{`{"a": 1`, early}, // or 12, or 1.5
		{`{"a": "b`, early},
		{`{"a": "b\`, early},
		{`{"a": "b\"`, early},
		{`{"a": tru`, early},
		{`{"a": true, "b`, early},
		{`{"a": true, "b"`, early},
		{`{"a": true, b`, early},
		{`{"a": true,`, early},
		{`{"a":`, early},
		{`[`, early},
		{`[[], /* and`, early},
		{"```\n[1,\n```", guess},
		{"```\n{'a':1}\n{'b':2}\n```", guess},
		{"```\n{'a':1},\n```", guess},
		{"{\"a\":'b'\n\nNote: 5", guess},

		// What is meant is not known.
		{`{"a": b}`, guess},
		{`{"a": "say "x" to"}`, guess},
		{`{"a": "x, "b": "y"}`, guess},
		{`{"a": 'it's'}`, guess},
		{`{“a": “b”}`, guess},
		{`{"a": “x "y"”}`, guess},
		{`{"a" 1}`, guess},
		{`{"a":,"b":1}`, guess},
		{`{"a": 05}`, guess},
		{`{"a": 1_000}`, guess},
		{`{"a": 1,000}`, guess},
		{`[1,000]`, guess},
		{`[0x1F]`, guess},
		{`[1 2]`, guess},
		{`["a" "b"]`, guess},
		{`["a" + "b"]`, guess},
		{`[1,,2]`, guess},
		{`[,1]`, guess},
		{`[1, 2, ...]`, guess},
		{`{"a": NaN}`, guess},
		{`{"a": undefined}`, guess},
		{`{"a": "\d"}`, guess},
		{`{"a": new Date()}`, guess},
		{`[1,[}]`, guess},
		{`{"a":[}`, guess},
		{`{"a": +-5}`, guess},
		{`{"a": 5 // 2, "b": 3}`, early},
		{`{"a": 5 # of 6`, early},
		{`[1}`, guess},
		{strings.Repeat(`{a:`, 65), guess},

		// What is not strict.
		{`{a:1,'a':2}`, "repair: the JSON in the text is broken: once repaired it must not have a property twice"},
		{`{a:1,A:2}`, "repair: the JSON in the text is broken: once repaired it must not have properties whose names differ in case alone"},
		{`[1e1000000000,]`, "repair: the JSON in the text is broken: once repaired it must be a number with an exponent from -324 to 308"},
		{`['\ud800']`, "repair: the JSON in the text is broken: once repaired it must have no lone surrogate"},
		{"['\xff']", "repair: the JSON in the text is broken: once repaired it must be valid UTF-8"},

		// No value, or several.
		{`hello world`, "repair: there is no JSON in the text"},
		{`'London'`, "repair: there is no JSON in the text"},
		{`.3`, "repair: there is no JSON in the text"},
		{`-05`, "repair: there is no JSON in the text"},
		{`f({'a':1})`, "repair: the JSON in the text is broken (byte 2)"},
		{`{"a":1} {"a":2}`, "repair: there are several JSON values in the text"},
		{"{'a':1}\n{'a':2}", "repair: there are several JSON values in the text"},
		{"{'a':1}{'a':2}", "repair: there are several JSON values in the text"},
		{"Given {\"a\":1}:\n{'a':2}", "repair: there are several JSON values in the text"},
		{"{'a':1} or {\"a\":2}", "repair: there are several JSON values in the text"},
		{"Take [it:\n[1, \"x\"]", "repair: there are several JSON values in the text"}, // it may be in the bracket before it
		{"Take {it:\n{'a':1}", "repair: there are several JSON values in the text"},
		{`{'a': {'b': 1}}, 'c': 2}`, "repair: there are several JSON values in the text"},
		{`{"a": {"b": 1}}, "c": 2}`, "repair: there are several JSON values in the text"},
		{"{'a':'b'c ```json\n{'d':1}\n```'}", "repair: there are several JSON values in the text"},
		{"```\n{'a':1} // x\n```\n```\n{'a':2}\n```", "repair: there are several JSON values in the text"},
		{strings.Repeat("{a:1}", repair.MaxBytes/5+1), "repair: there is no JSON in the text: it must be at most 1048576 bytes long"},
	} {
		got, changes, err := repair.Repair([]byte(tc.text))
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%.100q: got %s, %s, %v, want error %s", tc.text, got, changes, err, tc.want)
		}
		if err != nil && (got != nil || changes != nil) {
			t.Errorf("%.100q: got %s, %s and an error, want the error alone", tc.text, got, changes)
		}
	}
}

func TestRepairIsLinear(t *testing.T) {
	for what, text := range hostile(repair.MaxBytes / jsontest.Slack) {
		jsontest.Within(t, what, text, func() { _, _, _ = repair.Repair([]byte(text)) })
	}
	for _, unit := range []string{"a:1,", "'a':'b'\n", "// c\n", "/**/", "\u00a0", "a:[1]\n", "'b':{}\n", "c:.5,", "'\n':'\\''\n"} {
		text := "{" + strings.Repeat(unit, (repair.MaxBytes/jsontest.Slack-1)/len(unit))
		jsontest.Within(t, unit, text, func() { _, _, _ = repair.Repair([]byte(text)) })
	}
}

// A sloppy writer writes a value as models do.
type sloppy struct {
	t *rapid.T
	b strings.Builder
}

func (s *sloppy) maybe(what string) bool { return rapid.Bool().Draw(s.t, what) }

func (s *sloppy) space() {
	s.b.WriteString(rapid.SampledFrom([]string{"", " ", "\n", "// [1]\n", "/* {'x'} */", "\u00a0"}).Draw(s.t, "space"))
}

func (s *sloppy) text(text string) {
	if s.maybe("quotes") {
		s.b.WriteString(strconv.Quote(text))
		return
	}
	s.b.WriteString("'" + strings.ReplaceAll(text, "'", `\'`) + "'")
}

func (s *sloppy) value(v any) {
	switch v := v.(type) {
	case []any:
		s.b.WriteByte('[')
		for i, v := range v {
			if i > 0 {
				s.b.WriteByte(',')
			}
			s.space()
			s.value(v)
			s.space()
		}
		s.closeBracket(len(v), "]")
	case map[string]any:
		s.b.WriteByte('{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			missing := i > 0 && s.maybe("missing comma")
			if missing {
				s.b.WriteByte('\n')
			} else if i > 0 {
				s.b.WriteByte(',')
			}
			s.space()
			if !missing && s.maybe("bare") {
				s.b.WriteString(name)
			} else {
				s.text(name)
			}
			s.space()
			s.b.WriteByte(':')
			s.space()
			s.value(v[name])
			s.space()
		}
		s.closeBracket(len(v), "}")
	case string:
		s.text(v)
	case nil:
		s.b.WriteString(rapid.SampledFrom([]string{"null", "None"}).Draw(s.t, "null"))
	case float64:
		s.b.WriteString(rapid.SampledFrom([]string{"0.5", ".5", "+0.5"}).Draw(s.t, "half"))
	case int:
		s.b.WriteString(strconv.Itoa(v))
	}
}

func (s *sloppy) closeBracket(n int, bracket string) {
	if n > 0 && s.maybe("trailing comma") {
		s.b.WriteByte(',')
	}
	s.space()
	s.b.WriteString(bracket)
}

// Whatever a sloppy writer writes, Repair reads what was meant.
func TestRepairReadsWhatWasMeant(t *testing.T) {
	repaired := 0
	rapid.Check(t, func(t *rapid.T) {
		meant := map[string]any{"a": jsontest.DrawValue(t, 3), "b": "x'y"}
		s := &sloppy{t: t}
		s.value(meant)
		got, changes, err := repair.Repair([]byte(s.b.String()))
		if err != nil {
			t.Fatalf("%s: got %v, want a value", s.b.String(), err)
		}
		if len(changes) > 0 {
			repaired++
		}
		want, err := json.Marshal(meant)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(jsontest.DecodeValue(got), jsontest.DecodeValue(want)) {
			t.Fatalf("%s: got %s, want %s", s.b.String(), got, want)
		}
	})
	if repaired == 0 {
		t.Error("got no text repaired, want most")
	}
}

// repairedOtherwise are the pairs of which Repair makes another value than the
// tool whose tests they are.
var repairedOtherwise = map[string]string{
	"callback {}": "a value in prose, which the tool refuses",
	"/* 1 */\n{}\n\n/* 2 */\n{}\n\n/* 3 */\n{}\n":    "one value thrice, of which the tool makes an array",
	"/* 1 */\n{},\n\n/* 2 */\n{},\n\n/* 3 */\n{},\n": "the same with commas",
}

// Of the texts of another tool's tests comes strict JSON or an error. Most of the
// errors are for what the tool guesses.
func TestCorpusRepair(t *testing.T) {
	f, err := os.Open(jsontest.Corpus(t, "json-repair", "pairs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := schema.MustCompile("any", `true`)
	pairs, equal, refused := 0, 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); pairs++ {
		var p struct{ Input, Expected string }
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		got, _, err := repair.Repair([]byte(p.Input))
		if err != nil {
			if got != nil || whys(err) != 1 {
				t.Errorf("%q: got %s, %v, want one of the errors alone", p.Input, got, err)
			}
			refused++
			continue
		}
		if err := all.Validate(got); err != nil {
			t.Errorf("%q: got %s, and Validate says %v", p.Input, got, err)
		}
		if p.Expected != "" && reflect.DeepEqual(jsontest.DecodeValue(got), jsontest.DecodeValue([]byte(p.Expected))) {
			equal++
		} else if repairedOtherwise[p.Input] == "" {
			t.Errorf("%q: got %s, want %s or an error", p.Input, got, p.Expected)
		}
	}
	t.Logf("%d pairs: %d as expected, %d refused, %d otherwise", pairs, equal, refused, len(repairedOtherwise))
	if pairs != 214 || equal+refused+len(repairedOtherwise) != pairs || equal < 76 {
		t.Errorf("got %d pairs, %d as expected, %d refused; want 214, at least 77 as expected and %d otherwise", pairs, equal, refused, len(repairedOtherwise))
	}
}

// No change says anything of the text.
func TestChangesAreDiscreet(t *testing.T) {
	_, changes, err := repair.Repair([]byte(`{hunter2: 'hunter2', "hunter2b": 'x',}`))
	if err != nil || len(changes) != 3 {
		t.Fatalf("got %v, %v, want three kinds of change", changes, err)
	}
	if strings.Contains(changes.String(), "hunter2") {
		t.Errorf("got %s, want nothing of the text", changes)
	}
	want := repair.Change{What: repair.Quotes, Times: 2, Offset: 10}
	if !slices.Contains(changes, want) {
		t.Errorf("got %v, want %v among them", changes, want)
	}
	if got := (repair.Changes)(nil).String(); got != "" {
		t.Errorf("no changes: got %q, want none", got)
	}
}
