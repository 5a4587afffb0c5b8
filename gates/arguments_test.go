package gates_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

const (
	policy   = middleware.CodePolicy
	badInput = middleware.CodeBadInput
)

// judged is what the gate makes of one input under rules.
func judged(t *testing.T, input string, rules ...gates.Rule) error {
	t.Helper()
	var spy kit.Spy
	_, err := middleware.Wrap(spy.Handle, gates.Arguments(gates.ArgumentRules{"tool": rules}))(t.Context(), kit.Tool("tool", input))
	if calls := spy.Calls(); err == nil && (len(calls) != 1 || calls[0].Input != input) {
		t.Errorf("%s: the tool did not get what was judged", input)
	} else if err != nil && len(calls) > 0 {
		t.Errorf("%s: denied, and the tool ran", input)
	}
	return err
}

func TestArguments(t *testing.T) {
	path := gates.Field("a", gates.Field("b", gates.Equal(1)))
	tests := []struct {
		name  string
		rule  gates.Rule
		allow []string
		deny  map[string]middleware.Code
	}{
		{"Equal", gates.Arg("x", gates.Equal("Az")),
			[]string{`{"x":"Az"}`, `{"x":"\u0041z","y":[]}`},
			map[string]middleware.Code{`{"x":"az"}`: policy, `{"x":"Az "}`: policy, `{"x":1}`: policy, `{"x":null}`: policy,
				`{"x":["Az"]}`: badInput, `{}`: badInput, `{"y":"Az"}`: badInput}},
		{"Equal, escapes", gates.Arg("x", gates.Equal("a\U0001f600\"\\/\b\f\n\r\t\u00e4\u20acz\U0010ffff!")),
			[]string{`{"x":"a\ud83d\ude00\"\\\/\b\f\n\r\t\u00e4\u20ACz\udbff\udfff!"}`},
			map[string]middleware.Code{`{"x":"a\ud83d\ude01\"\\\/\b\f\n\r\t\u00e4\u20acz\udbff\udfff!"}`: policy}},
		{"Equal, a number", gates.Arg("x", gates.Equal(100)),
			[]string{`{"x":100}`, `{"x":1e2}`, `{"x":100.0}`},
			map[string]middleware.Code{`{"x":101}`: policy, `{"x":"100"}`: policy, `{"x":100.00000000000000000001}`: badInput,
				`{"x":1e400}`: badInput, `{"x":-1e400}`: badInput}},
		{"Equal, zero", gates.Arg("x", gates.Equal(0)),
			[]string{`{"x":0}`, `{"x":-0}`, `{"x":0e99}`},
			map[string]middleware.Code{`{"x":1e-400}`: badInput, `{"x":1e-9}`: policy}},
		{"OneOf", gates.Arg("x", gates.OneOf("a", 7, true, nil)),
			[]string{`{"x":"a"}`, `{"x":7}`, `{"x":true}`, `{"x":null}`},
			map[string]middleware.Code{`{"x":"b"}`: policy, `{"x":8}`: policy, `{"x":false}`: policy, `{"x":{}}`: badInput}},
		{"OneOf, many", gates.Arg("x", gates.OneOf("a", "b", "c", "d", "e", "f")),
			[]string{`{"x":"f"}`}, map[string]middleware.Code{`{"x":"g"}`: policy}},
		{"OneOf, none", gates.Arg("x", gates.OneOf()), nil,
			map[string]middleware.Code{`{"x":"a"}`: policy, `{"x":1}`: policy, `{"x":null}`: policy}},
		{"Between", gates.Arg("x", gates.Between(-1.5, 10)),
			[]string{`{"x":-1.5}`, `{"x":10}`, `{"x":0}`, `{"x":1E1}`},
			map[string]middleware.Code{`{"x":10.1}`: policy, `{"x":-1.6}`: policy, `{"x":10.0000000000000000000000001}`: badInput,
				`{"x":"5"}`: badInput, `{"x":99999999999999999999}`: badInput}},
		{"Length of a string", gates.Arg("x", gates.Length(2, 3)),
			[]string{`{"x":"ab"}`, `{"x":"äöü"}`, `{"x":"\u00e4\u00f6"}`, `{"x":[1,2]}`, `{"x":{"a":1,"b":2}}`},
			map[string]middleware.Code{`{"x":"a"}`: policy, `{"x":"abcd"}`: policy, `{"x":[]}`: policy, `{"x":{"a":1}}`: policy, `{"x":12}`: badInput}},
		{"Prefix", gates.Arg("x", gates.Prefix("card_", "gift_")),
			[]string{`{"x":"card_1"}`, `{"x":"gift_"}`},
			map[string]middleware.Code{`{"x":"certificate_1"}`: policy, `{"x":"Card_1"}`: policy, `{"x":" card_1"}`: policy, `{"x":1}`: badInput}},
		{"Not", gates.Arg("x", gates.Not(gates.OneOf("rm", "dd"))),
			[]string{`{"x":"ls"}`, `{"x":1}`},
			map[string]middleware.Code{`{"x":"rm"}`: policy, `{"x":"\u0072m"}`: policy, `{"x":["rm"]}`: badInput, `{}`: badInput}},
		{"Not Between", gates.Arg("x", gates.Not(gates.Between(0, 1))),
			[]string{`{"x":2}`}, map[string]middleware.Code{`{"x":1}`: policy, `{"x":"1"}`: badInput, `{"x":1.0000000000000000001}`: badInput}},
		{"Field", gates.Arg("x", path),
			[]string{`{"x":{"c":2,"a":{"b":1}}}`},
			map[string]middleware.Code{`{"x":{"a":{"b":2}}}`: policy, `{"x":{"a":{}}}`: policy, `{"x":[]}`: badInput,
				`{"x":{"A":{"b":1}}}`: badInput, `{"x":{"a":1}}`: badInput}},
		{"Each", gates.Arg("x", gates.Each(gates.Between(0, 9))),
			[]string{`{"x":[]}`, `{"x":[1, 2]}`},
			map[string]middleware.Code{`{"x":[1,10]}`: policy, `{"x":[1,"2"]}`: badInput, `{"x":1}`: badInput}},
		{"AtMost", gates.Arg("x", gates.AtMost(1, gates.Prefix("a"))),
			[]string{`{"x":[]}`, `{"x":["a","b","b"]}`},
			map[string]middleware.Code{`{"x":["a","ab"]}`: policy, `{"x":["a",1]}`: badInput, `{"x":"a"}`: badInput}},
		{"several conditions", gates.Arg("x", gates.Prefix("a"), gates.Length(0, 2)),
			[]string{`{"x":"ab"}`}, map[string]middleware.Code{`{"x":"abc"}`: policy, `{"x":"b"}`: policy}},
		{"Arg alone", gates.Arg("x"), []string{`{"x":null}`, `{"x":[[]]}`}, map[string]middleware.Code{`{"y":1}`: badInput}},
		{"OptionalArg", gates.OptionalArg("x", gates.Equal(1)),
			[]string{`{}`, `{"x":1}`, `{"y":2}`},
			map[string]middleware.Code{`{"x":2}`: policy, `{"X":1}`: badInput, `{"x":1,"X":2}`: badInput, `{"X":2}`: badInput}},
		{"Text", gates.Text(gates.Length(1, 5), gates.Prefix("a")),
			[]string{"a", "abcde", `a{"x`},
			map[string]middleware.Code{"": policy, "abcdef": policy, "b": policy, "a\xff": badInput}},
		{"Text, a number", gates.Text(gates.Between(1, 5)), nil, map[string]middleware.Code{"3": badInput}},
		{"Text, a list", gates.Text(gates.Each(gates.Equal(1))), nil, map[string]middleware.Code{"[1]": badInput}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, input := range tt.allow {
				if err := judged(t, input, tt.rule); err != nil {
					t.Errorf("%s: got %v, want it allowed", input, err)
				}
			}
			for input, code := range tt.deny {
				if err := judged(t, input, tt.rule); !denied(err, code) {
					t.Errorf("%s: got %v, want a denial with code %s", input, err, code)
				}
			}
		})
	}
}

// TestArgumentsAreReadStrictly shows that what parsers may read in different
// ways is denied, whatever the rules say of it.
func TestArgumentsAreReadStrictly(t *testing.T) {
	many := func(last string) string {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, `"n%d":%d,`, i, i)
		}
		return "{" + b.String() + last + ":1}"
	}
	for input, reason := range map[string]string{
		`{"x":1,"x":2}`:               "has a name twice",
		`{"x":1,"\u0078":2}`:          "has a name twice",
		`{"a":1,"A":2}`:               "has a name twice",
		`{"k":1,"\u212a":2}`:          "has a name twice", // the Kelvin sign
		`{"s":1,"ſ":2}`:               "has a name twice",
		`{"STRASSE8":1,"strasse8":2}`: "has a name twice",
		`{"y":{"a":1,"A":2}}`:         "has a name twice",
		`{"y":[{"b":{"é":1,"É":2}}]}`: "has a name twice",
		many(`"N7"`):                  "has a name twice",
		many(`"n99"`):                 "has a name twice",
		`{"x":1}{"x":2}`:              "something after",
		`{"x":1} x`:                   "something after",
		`{"x":1},`:                    "something after",
		`{"x":1`:                      "not valid JSON",
		`{"x":1,}`:                    "not valid JSON",
		`{"x"}`:                       "not valid JSON",
		`{"x" 1}`:                     "not valid JSON",
		`{x:1}`:                       "not valid JSON",
		`{'x':1}`:                     "not valid JSON",
		`{"x":01}`:                    "not valid JSON",
		`{"x":+1}`:                    "not valid JSON",
		`{"x":.5}`:                    "not valid JSON",
		`{"x":1.}`:                    "not valid JSON",
		`{"x":1e}`:                    "not valid JSON",
		`{"x":-}`:                     "not valid JSON",
		`{"x":NaN}`:                   "not valid JSON",
		`{"x":tru}`:                   "not valid JSON",
		`{"x":[1 2]}`:                 "not valid JSON",
		`{"x":[1,]}`:                  "not valid JSON",
		`{"x":"a` + "\n" + `"}`:       "not valid JSON",
		`{"x":"\x41"}`:                "not valid JSON",
		`{"x":"\u00g0"}`:              "not valid JSON",
		`{"x":"\u+123"}`:              "not valid JSON",
		`{"x":"\`:                     "not valid JSON",
		`{"x":"abcdefgh`:              "not valid JSON",
		`{"x":/**/1}`:                 "not valid JSON",
		"{\"x\":1}\v":                 "something after",
		"\ufeff{\"x\":1}":             "not a JSON object",
		`{"x":"\ud800"}`:              "not valid UTF-8",
		`{"x":"\udc00\ud800"}`:        "not valid UTF-8",
		`{"x":"\ud800\u0041"}`:        "not valid UTF-8",
		"{\"x\":\"\xff\"}":            "not valid UTF-8",
		`[{"x":1}]`:                   "not a JSON object",
		`"{}"`:                        "not a JSON object",
		"":                            "not a JSON object",
		"```json\n{\"x\":1}\n```":     "not a JSON object",
		`{"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}": "nested deeper than 64",
		`{"x":"` + strings.Repeat("a", gates.DefaultMaxBytes) + `"}`:      "larger than",
		`{"X":1}`:         "is spelled in another way",
		`{"X":01}`:        "not valid JSON",
		`{"\u0058":1}`:    "is spelled in another way",
		`{"y":1,"X":"2"}`: "is spelled in another way",
	} {
		err := judged(t, input, gates.OptionalArg("x"))
		show := input[:min(len(input), 60)]
		if !denied(err, badInput) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want a denial that says %q", show, err, reason)
		}
	}
	for _, input := range []string{
		`{}`, ` { "x" : 1 } `, "\t{\"y\":\r\n[]}", many(`"n100"`), `{"x":"\ud83d\ude00\"\\\/\b\f\n\r\t"}`,
		`{"a_":1,"a?":2,"a\u007f":3}`, `{"y":{"a":1},"z":{"a":1}}`, `{"[":1,"{":2}`, `{"@":1,"` + "`" + `":2}`,
		`{"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "}",
		`{"x":-0.0e-0,"y":1E+2,"z":0}`,
	} {
		if err := judged(t, input, gates.OptionalArg("x")); err != nil {
			t.Errorf("%s: got %v, want it allowed", input, err)
		}
	}
}

// TestArgumentsByTool shows that the rules of a tool hold for it and no other,
// however many there are, and that the names of tools fold as lookups do.
func TestArgumentsByTool(t *testing.T) {
	rules := gates.ArgumentRules{}
	for i := range 50 {
		rules[fmt.Sprintf("Tool%d", i)] = []gates.Rule{gates.Arg("x", gates.Equal(i))}
	}
	h := middleware.Wrap(kit.Echo, middleware.Tell, gates.Arguments(rules))
	for _, tt := range []struct {
		tool, input string
		done        bool
	}{
		{"Tool7", `{"x":7}`, true}, {"Tool7", `{"x":8}`, false}, {"Tool8", `{"x":8}`, true}, {"tool9", `{"x":8}`, false},
		{"other", "what it likes", true}, {"", "", true},
	} {
		res, err := h(t.Context(), kit.Tool(tt.tool, tt.input))
		if got := became(res, err) == "done"; got != tt.done {
			t.Errorf("%s %s: got %v, %v", tt.tool, tt.input, res.Output, err)
		}
	}
}

// TestArgumentsOfAPlan shows that one call that breaks a rule has the whole
// batch refused, before any of it runs.
func TestArgumentsOfAPlan(t *testing.T) {
	gate := gates.Arguments(gates.ArgumentRules{"pay": {gates.Arg("amount", gates.Between(0, 100))}})
	good, bad := kit.Ask("pay", `{"amount":1}`), kit.Ask("pay", `{"amount":101}`)
	for name, tt := range map[string]struct {
		batch []middleware.ToolCall
		want  string
	}{
		"a final answer":  {nil, ""},
		"good":            {[]middleware.ToolCall{good, kit.Ask("search", "")}, ""},
		"one bad":         {[]middleware.ToolCall{good, bad}, `tool call 2, "pay": argument "amount" must be a number between 0 and 100`},
		"spelled in caps": {[]middleware.ToolCall{{Name: "PAY", Input: `{"amount":101}`, Registered: "pay"}}, `tool call 1, "pay": argument "amount" must be a number between 0 and 100`},
		"not registered":  {[]middleware.ToolCall{{Name: "Pay", Input: `{"amount":101}`}}, `tool call 1, "pay": argument "amount" must be a number between 0 and 100`},
	} {
		_, err := middleware.Wrap(kit.Planner(tt.batch...), gate)(t.Context(), kit.Plan())
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: got %v", name, err)
			}
		} else if d := kit.WantDenied(t, err, policy); d.Reason != tt.want || d.Gate != "arguments" {
			t.Errorf("%s: got %+v, want %q", name, d, tt.want)
		}
	}
	_, err := middleware.Wrap(kit.Echo, gate)(t.Context(), kit.Plan())
	kit.WantDenied(t, err, middleware.CodeIndeterminate)
}

// TestCheck shows that a func sees the arguments once the other rules hold, and
// that its errors, denials and panics deny.
func TestCheck(t *testing.T) {
	secret := errors.New("secret")
	for name, tt := range map[string]struct {
		check func(args map[string]any) error
		code  middleware.Code
	}{
		"allows": {func(args map[string]any) error {
			if fmt.Sprint(args) != "map[n:12345678901234567890 x:1]" {
				return fmt.Errorf("got %v", args)
			}
			return nil
		}, ""},
		"denies":        {func(map[string]any) error { return middleware.Deny("mine", "no") }, "mine"},
		"cannot decide": {func(map[string]any) error { return secret }, middleware.CodeIndeterminate},
		"panics":        {func(map[string]any) error { panic("secret") }, middleware.CodeIndeterminate},
		"abstains":      {func(map[string]any) error { return middleware.ErrAbstain }, ""},
		"allows alone":  {func(map[string]any) error { return middleware.Allow("secret") }, middleware.CodeIndeterminate},
	} {
		check := gates.Check(func(_ context.Context, call middleware.Call, args map[string]any) error {
			if call.Name != "tool" || call.Kind != middleware.KindTool {
				t.Errorf("got call %+v", call)
			}
			return tt.check(args)
		})
		err := judged(t, `{"x":1,"n":12345678901234567890}`, gates.Arg("x", gates.Equal(1)), check)
		if tt.code == "" && err != nil || tt.code != "" && !denied(err, tt.code) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", name, err)
		}
		if where := "the gate panicked at arguments_test.go:"; name == "panics" && !strings.Contains(err.Error(), where) {
			t.Errorf("got %v, want %q in it", err, where)
		}
		if err := judged(t, `{"x":2}`, check, gates.Arg("x", gates.Equal(1))); !denied(err, policy) {
			t.Errorf("%s: got %v where another rule is broken", name, err)
		}
	}
}

// TestCheckDoesNotSpeakForOtherRules shows that one that abstains leaves the rest of the
// plan, and the other checks, to judge.
func TestCheckDoesNotSpeakForOtherRules(t *testing.T) {
	check := func(err error) gates.Rule {
		return gates.Check(func(context.Context, middleware.Call, map[string]any) error { return err })
	}
	no := middleware.Deny("mine", "no")
	for name, rules := range map[string]gates.ArgumentRules{
		"another check": {"a": {check(middleware.ErrAbstain), check(no)}, "b": {gates.Arg("x")}},
		"another tool":  {"a": {check(middleware.ErrAbstain)}, "b": {check(no)}},
	} {
		agent := kit.Planner(kit.Ask("a", `{"x":1}`), kit.Ask("b", `{"x":1}`))
		_, err := middleware.Wrap(agent, gates.Arguments(rules))(t.Context(), kit.Plan())
		if d := kit.WantDenied(t, err, "mine"); d.Gate != "arguments" {
			t.Errorf("%s: got %v", name, d)
		}
	}
}

// TestArgumentsCannotDecide shows that an input that is not text is denied.
func TestArgumentsCannotDecide(t *testing.T) {
	h := middleware.Wrap(kit.Echo, gates.Arguments(gates.ArgumentRules{"tool": {gates.Arg("x")}}))
	_, err := h(t.Context(), middleware.Call{Kind: middleware.KindTool, Name: "tool", Input: []byte(`{"x":1}`)})
	kit.WantDenied(t, err, middleware.CodeIndeterminate)
}

func TestArgumentsPanics(t *testing.T) {
	arguments := func(rules ...gates.Rule) func() {
		return func() { gates.Arguments(gates.ArgumentRules{"tool": rules}) }
	}
	check := gates.Check(func(context.Context, middleware.Call, map[string]any) error { return nil })
	for _, tt := range []struct {
		name, says string
		f          func()
	}{
		{"no tools", "gates: Arguments without rules guards nothing", func() { gates.Arguments(nil) }},
		{"no name", `gates: Arguments: tool "": no name, or no rules`, func() { gates.Arguments(gates.ArgumentRules{"": {gates.Arg("x")}}) }},
		{"no rules", `gates: Arguments: tool "tool": no name, or no rules`, arguments()},
		{"a zero rule", `gates: Arguments: tool "tool": zero Rule`, arguments(gates.Rule{})},
		{"twice", `gates: Arguments: tool "tool": argument "X" is there twice`, arguments(gates.Arg("x"), gates.OptionalArg("X"))},
		{"Text and Arg", `gates: Arguments: tool "tool": Text is not the only rule`, arguments(gates.Text(gates.Length(1, 2)), gates.Arg("x"))},
		{"Arg and Text", `gates: Arguments: tool "tool": Text is not the only rule`, arguments(gates.Arg("x"), gates.Text(gates.Length(1, 2)))},
		{"Check and Text", `gates: Arguments: tool "tool": Text is not the only rule`, arguments(check, gates.Text(gates.Length(1, 2)))},
		{"Arg, Check and Text", `gates: Arguments: tool "tool": Text is not the only rule`, arguments(gates.Arg("x"), check, gates.Text(gates.Length(1, 2)))},
		{"Text and Check", `gates: Arguments: tool "tool": Text is not the only rule`, arguments(gates.Text(gates.Length(1, 2)), check)},
		{"Text and Text", `gates: Arguments: tool "tool": Text is not the only rule`, arguments(gates.Text(gates.Length(1, 2)), gates.Text(gates.Length(1, 2)))},
		{"twins", "differ by case only", func() { gates.Arguments(gates.ArgumentRules{"a": {gates.Arg("x")}, "A": {gates.Arg("x")}}) }},
		{"Arg without name", "gates: Arg: empty name", func() { gates.Arg("") }},
		{"a zero condition", "gates: Arg: zero Condition", func() { gates.Arg("x", gates.Condition{}) }},
		{"Text of nothing", "gates: Text: no conditions", func() { gates.Text() }},
		{"Check of nil", "gates: Check: nil func", func() { gates.Check(nil) }},
		{"Equal to a map", "gates: Equal: a value of type map[string]interface {} cannot be compared", func() { gates.Equal(map[string]any{}) }},
		{"Equal to too much", "gates: Equal: a value of type int64 cannot be compared", func() { gates.Equal(int64(1 << 60)) }},
		{"Between", "gates: Between(2, 1)", func() { gates.Between(2, 1) }},
		{"Length", "gates: Length(2, 1)", func() { gates.Length(2, 1) }},
		{"Length, negative", "gates: Length(-1, 1)", func() { gates.Length(-1, 1) }},
		{"Prefix of none", "gates: Prefix: no prefix, or an empty one", func() { gates.Prefix() }},
		{"an empty Prefix", "gates: Prefix: no prefix, or an empty one", func() { gates.Prefix("") }},
		{"Not of nothing", "gates: Not: zero Condition", func() { gates.Not(gates.Condition{}) }},
		{"Field", "gates: Field: empty name", func() { gates.Field("") }},
		{"Each of nothing", "gates: Each: zero Condition", func() { gates.Each(gates.Condition{}) }},
		{"AtMost", "gates: AtMost(-1)", func() { gates.AtMost(-1) }},
	} {
		wantPanic(t, tt.name, tt.says, tt.f)
	}
}
