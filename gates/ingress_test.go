package gates_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// nested returns a value in so many maps and lists.
func nested(depth int) any {
	var v any = "x"
	for i := range depth {
		if i%2 == 0 {
			v = map[string]any{"k": v}
		} else {
			v = []any{v}
		}
	}
	return v
}

type (
	env    string
	point  struct{ X, Y int }
	opaque struct{ hidden string }
	node   struct{ Next *node }
)

func TestIngress(t *testing.T) {
	cycle := map[string]any{}
	cycle["again"], cycle["and again"] = cycle, []any{cycle, cycle}
	ring := &node{}
	ring.Next = ring
	wide := any("x")
	for range 40 { // 2^40 leaves, in 40 lists
		wide = []any{wide, wide}
	}
	answer := "forty-two"

	type inputs = map[string]any
	tests := []struct {
		name   string
		rules  gates.IngressRules
		call   middleware.Call
		reason string // of the denial; empty where it is allowed
	}{
		{"nothing", gates.IngressRules{}, kit.Chain("qa", nil), ""},
		{"plain values", gates.IngressRules{}, kit.Chain("qa", inputs{
			"a": "x", "b": 1, "c": 1.5, "d": true, "e": nil, "f": []any{"x", 1}, "g": inputs{"h": "x"},
			"i": []string{"x"}, "j": map[string]string{"k": "x"},
		}), ""},
		{"values of other types", gates.IngressRules{}, kit.Chain("qa", inputs{
			"a": env("prod"), "b": uint8(1), "c": point{1, 2}, "d": &point{}, "e": (*point)(nil), "f": time.Now(),
			"g": []byte{0xff}, "h": json.Number("1"), "i": []point{{}}, "j": map[int]bool{1: true}, "k": [2]float32{},
			"l": json.RawMessage("{}"), "m": []any{map[any]any{"x": 1}}, "n": &answer, "o": []error{nil},
		}), ""},

		{"too large", gates.IngressRules{MaxBytes: 100}, kit.Chain("qa", inputs{"a": strings.Repeat("x", 100)}), "the input is larger than 100 bytes"},
		{"large enough", gates.IngressRules{MaxBytes: 200}, kit.Chain("qa", inputs{"a": strings.Repeat("x", 100)}), ""},
		{"keys count", gates.IngressRules{MaxBytes: 100}, kit.Chain("qa", inputs{strings.Repeat("k", 100): ""}), "the input is larger than 100 bytes"},
		{"the default size", gates.IngressRules{}, kit.Chain("qa", inputs{"a": strings.Repeat("x", gates.DefaultMaxBytes)}),
			"the input is larger than 1048576 bytes"},
		{"bytes", gates.IngressRules{MaxBytes: 1000}, kit.Chain("qa", inputs{"a": make([]byte, 1000)}), "the input is larger than 1000 bytes"},
		{"many small values", gates.IngressRules{MaxBytes: 1000}, kit.Chain("qa", inputs{"a": make([]any, 1000)}), "the input is larger than 1000 bytes"},
		{"many empty strings", gates.IngressRules{MaxBytes: 1000}, kit.Chain("qa", inputs{"a": make([]string, 1000)}), "the input is larger than 1000 bytes"},
		{"one value often", gates.IngressRules{}, kit.Chain("qa", inputs{"a": wide}), "the input is larger than 1048576 bytes"},
		{"tool", gates.IngressRules{MaxBytes: 10}, kit.Tool("shell", "rm -rf / please"), "the input is larger than 10 bytes"},
		{"retriever", gates.IngressRules{MaxBytes: 10}, kit.Retriever("everything you have"), "the input is larger than 10 bytes"},
		{"model", gates.IngressRules{MaxBytes: 10}, kit.Model("hello", "there"), "the input is larger than 10 bytes"},
		{"model, binary", gates.IngressRules{MaxBytes: 100}, middleware.Call{Kind: middleware.KindModel, Input: &middleware.ModelRequest{
			Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Size: 1000}}}},
		}}, "the input is larger than 100 bytes"},
		{"model, tools", gates.IngressRules{MaxBytes: 10}, middleware.Call{Kind: middleware.KindModel, Input: &middleware.ModelRequest{
			Tools: []string{"a", "b", "c", "d", "e"},
		}}, "the input is larger than 10 bytes"},
		{"model, no request", gates.IngressRules{}, middleware.Call{Kind: middleware.KindModel, Input: (*middleware.ModelRequest)(nil)}, ""},
		{"plan, steps", gates.IngressRules{MaxBytes: 10}, middleware.Call{Kind: middleware.KindPlan, Input: &middleware.PlanRequest{
			Steps: []middleware.Step{{Observation: "a long story"}},
		}}, "the input is larger than 10 bytes"},

		{"64 deep", gates.IngressRules{}, kit.Chain("qa", inputs{"a": nested(63)}), ""},
		{"65 deep", gates.IngressRules{}, kit.Chain("qa", inputs{"a": nested(64)}), `input "a" is nested deeper than 64`},
		{"1 deep", gates.IngressRules{MaxDepth: 1}, kit.Chain("qa", inputs{"a": "x"}), ""},
		{"2 deep", gates.IngressRules{MaxDepth: 1}, kit.Chain("qa", inputs{"a": inputs{}}), `input "a" is nested deeper than 1`},
		{"2 deep, list", gates.IngressRules{MaxDepth: 1}, kit.Chain("qa", inputs{"a": []string{}}), `input "a" is nested deeper than 1`},
		{"2 deep, map", gates.IngressRules{MaxDepth: 1}, kit.Chain("qa", inputs{"a": map[string]string{}}), `input "a" is nested deeper than 1`},
		{"2 deep, struct", gates.IngressRules{MaxDepth: 1}, kit.Chain("qa", inputs{"a": point{}}), `input "a" is nested deeper than 1`},
		{"2 deep, pointer", gates.IngressRules{MaxDepth: 1}, kit.Chain("qa", inputs{"a": &answer}), `input "a" is nested deeper than 1`},
		{"a cycle", gates.IngressRules{}, kit.Chain("qa", cycle), "nested deeper than 64"},
		{"a ring of pointers", gates.IngressRules{}, kit.Chain("qa", inputs{"a": ring}), "nested deeper than 64"},

		{"not UTF-8", gates.IngressRules{}, kit.Chain("qa", inputs{"a": "caf\xe9"}), `input "a" is not valid UTF-8`},
		{"a key that is not UTF-8", gates.IngressRules{}, kit.Chain("qa", inputs{"caf\xe9": "x"}), `input "caf\xe9" is not valid UTF-8`},
		{"a surrogate", gates.IngressRules{}, kit.Tool("shell", "\xed\xa0\x80"), "the input is not valid UTF-8"},
		{"not UTF-8 deep inside", gates.IngressRules{}, kit.Chain("qa", inputs{"a": []any{inputs{"b": env("\xff")}}}), `input "a" is not valid UTF-8`},
		{"a func", gates.IngressRules{}, kit.Chain("qa", inputs{"a": func() {}}), `input "a" holds a value that is not data`},
		{"a channel", gates.IngressRules{}, kit.Chain("qa", inputs{"a": []chan int{nil}}), `input "a" holds a value that is not data`},
		{"a struct with secrets", gates.IngressRules{}, kit.Chain("qa", inputs{"a": opaque{"x"}}), `input "a" holds a value that is not data`},
		{"a complex number", gates.IngressRules{}, kit.Chain("qa", inputs{"a": 1i}), `input "a" holds a value that is not data`},

		{"required", gates.IngressRules{Required: []string{"tenant"}}, kit.Chain("qa", inputs{"tenant": "acme"}), ""},
		{"required, missing", gates.IngressRules{Required: []string{"tenant"}}, kit.Chain("qa", inputs{"Tenant": "acme"}), `input "tenant" is required`},
		{"required, nil", gates.IngressRules{Required: []string{"tenant"}}, kit.Chain("qa", inputs{"tenant": nil}), `input "tenant" is required`},
		{"required of a tool", gates.IngressRules{Required: []string{"tenant"}}, kit.Tool("shell", "ls"), `input "tenant" is required`},
		{"required of a plan", gates.IngressRules{Required: []string{"tenant"}}, middleware.Call{Kind: middleware.KindPlan, Input: &middleware.PlanRequest{
			Inputs: map[string]string{"tenant": "acme"},
		}}, ""},
		{"required of a plan, missing", gates.IngressRules{Required: []string{"tenant"}}, kit.Plan(), `input "tenant" is required`},
		{"required of no inputs", gates.IngressRules{Required: []string{"tenant"}}, middleware.Call{Kind: middleware.KindChain}, `input "tenant" is required`},

		{"allowed", gates.IngressRules{Allow: map[string][]any{"env": {"dev", "prod"}}}, kit.Chain("qa", inputs{"env": "prod"}), ""},
		{"allowed, of another type", gates.IngressRules{Allow: map[string][]any{"env": {"prod"}}}, kit.Chain("qa", inputs{"env": env("prod")}), ""},
		{"not allowed", gates.IngressRules{Allow: map[string][]any{"env": {"prod"}}}, kit.Chain("qa", inputs{"env": "PROD"}),
			`input "env" must be "prod"`},
		{"not allowed, missing", gates.IngressRules{Allow: map[string][]any{"env": {"prod"}}}, kit.Chain("qa", nil),
			`input "env" must be "prod"`},
		{"allowed, missing", gates.IngressRules{Allow: map[string][]any{"env": {"prod", nil}}}, kit.Chain("qa", nil), ""},
		{"nothing allowed", gates.IngressRules{Allow: map[string][]any{"env": {}}}, kit.Chain("qa", inputs{"env": "x"}),
			`input "env" must be one of the values that are listed: there are none`},
		{"not allowed, a list", gates.IngressRules{Allow: map[string][]any{"env": {"prod"}}}, kit.Chain("qa", inputs{"env": []string{"prod"}}),
			`input "env" must be "prod"`},
		{"not allowed, several", gates.IngressRules{Allow: map[string][]any{"env": {"prod", 3, nil, "a\x1b\""}}}, kit.Chain("qa", inputs{"env": "x"}),
			`input "env" must be one of "prod", 3, null, "a\x1b\""`},
		{"not allowed, and not named", gates.IngressRules{Quiet: true, Allow: map[string][]any{"env": {"prod"}}}, kit.Chain("qa", inputs{"env": "x"}),
			`input "env" has a value that is not allowed`},
		{"denied", gates.IngressRules{Deny: map[string][]any{"role": {"root"}}}, kit.Chain("qa", inputs{"role": "root"}),
			`input "role" has a value that is denied`},
		{"not denied", gates.IngressRules{Deny: map[string][]any{"role": {"root"}}}, kit.Chain("qa", inputs{"role": "user"}), ""},
		{"not denied, missing", gates.IngressRules{Deny: map[string][]any{"role": {"root"}}}, kit.Tool("shell", "ls"), ""},
		{"denied, missing", gates.IngressRules{Deny: map[string][]any{"role": {nil}}}, kit.Chain("qa", nil), `input "role" has a value that is denied`},
		{"denied, hidden in a list", gates.IngressRules{Deny: map[string][]any{"role": {"root"}}}, kit.Chain("qa", inputs{"role": []any{"root"}}),
			`input "role" has a value that is denied`},

		{"numbers are numbers", gates.IngressRules{Allow: map[string][]any{"n": {3}}}, kit.Chain("qa", inputs{"n": 3.0}), ""},
		{"also json's", gates.IngressRules{Allow: map[string][]any{"n": {uint8(3)}}}, kit.Chain("qa", inputs{"n": json.Number("3.0")}), ""},
		{"also large ones", gates.IngressRules{Allow: map[string][]any{"n": {uint64(math.MaxUint64)}}},
			kit.Chain("qa", inputs{"n": uint64(math.MaxUint64)}), ""},
		{"but not nearly", gates.IngressRules{Allow: map[string][]any{"n": {int64(1<<53 + 1)}}},
			kit.Chain("qa", inputs{"n": json.Number("9007199254740992")}), `input "n" must be 9007199254740993`},
		{"nor too large for a float", gates.IngressRules{Deny: map[string][]any{"n": {3}}}, kit.Chain("qa", inputs{"n": json.Number("1e400")}),
			`input "n" has a value that is denied`},
		{"nor strings", gates.IngressRules{Allow: map[string][]any{"n": {3}}}, kit.Chain("qa", inputs{"n": "3"}), `input "n" must be 3`},
		{"floats of any size", gates.IngressRules{Deny: map[string][]any{"n": {float32(0.5)}}}, kit.Chain("qa", inputs{"n": 0.5}),
			`input "n" has a value that is denied`},
		{"not a number", gates.IngressRules{Allow: map[string][]any{"n": {3}}}, kit.Chain("qa", inputs{"n": math.NaN()}),
			`input "n" must be 3`},
		{"bools", gates.IngressRules{Deny: map[string][]any{"admin": {true}}}, kit.Chain("qa", inputs{"admin": true}),
			`input "admin" has a value that is denied`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := middleware.Wrap(kit.Echo, gates.Ingress(tt.rules))(t.Context(), tt.call)
			if tt.reason == "" {
				if err != nil {
					t.Fatalf("got %v, want it allowed", err)
				}
				return
			}
			if d := kit.WantDenied(t, err, middleware.CodeBadInput); !strings.Contains(d.Reason, tt.reason) || d.Gate != "ingress" {
				t.Errorf("got reason %q of gate %q, want %q of ingress", d.Reason, d.Gate, tt.reason)
			}
		})
	}
}

// TestIngressRoot checks that only the root call of a run is judged.
func TestIngressRoot(t *testing.T) {
	gate := gates.Ingress(gates.IngressRules{Required: []string{"tenant"}})
	h := middleware.Wrap(kit.Echo, gate)
	if err := kit.InRun(func(ctx context.Context) {
		if _, err := h(ctx, kit.Chain("inner", nil)); err != nil {
			t.Errorf("within a run: got %v, want it to pass", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	_, err := h(t.Context(), kit.Chain("outer", nil))
	kit.WantDenied(t, err, middleware.CodeBadInput)
}

// TestIngressCheck checks what a check of the user's sees, and what comes of
// what it returns.
func TestIngressCheck(t *testing.T) {
	boom := errors.New("database down")
	tests := []struct {
		name  string
		check func() error
		code  middleware.Code // empty where it is allowed
	}{
		{"allow", func() error { return nil }, ""},
		{"deny", func() error { return middleware.Deny(middleware.CodePolicy, "not today") }, middleware.CodePolicy},
		{"no decision", func() error { return boom }, middleware.CodeIndeterminate},
		{"a typed nil", func() error { return (*middleware.DeniedError)(nil) }, middleware.CodeIndeterminate},
		{"panic", func() error { panic("at the disco") }, middleware.CodeIndeterminate},
		{"abstains", func() error { return middleware.ErrAbstain }, ""},
		{"allows alone", func() error { return middleware.Allow("alice said yes") }, middleware.CodeIndeterminate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var saw map[string]any
			gate := gates.Ingress(gates.IngressRules{Check: func(_ context.Context, inputs map[string]any) error {
				saw = inputs
				return tt.check()
			}})
			var spy kit.Spy
			_, err := middleware.Wrap(spy.Handle, gate)(t.Context(), kit.Chain("qa", map[string]any{"tenant": "acme"}))
			if saw["tenant"] != "acme" {
				t.Errorf("got inputs %v, want those of the call", saw)
			}
			if tt.code == "" {
				if err != nil || len(spy.Calls()) != 1 {
					t.Errorf("got error %v and %d calls, want it allowed", err, len(spy.Calls()))
				}
				return
			}
			d := kit.WantDenied(t, err, tt.code)
			if len(spy.Calls()) != 0 || strings.Contains(d.Reason, "database") || strings.Contains(d.Reason, "disco") {
				t.Errorf("got %d calls and reason %q, want none, and no cause shown", len(spy.Calls()), d.Reason)
			}
		})
	}
	var plan, tool map[string]any
	see := func(saw *map[string]any) middleware.Interceptor {
		return gates.Ingress(gates.IngressRules{Check: func(_ context.Context, inputs map[string]any) error {
			*saw = inputs
			return nil
		}})
	}
	_, _ = middleware.Wrap(kit.Echo, see(&plan))(t.Context(), middleware.Call{
		Kind: middleware.KindPlan, Input: &middleware.PlanRequest{Inputs: map[string]string{"tenant": "acme"}},
	})
	_, _ = middleware.Wrap(kit.Echo, see(&tool))(t.Context(), kit.Tool("shell", "ls"))
	if plan["tenant"] != "acme" || tool != nil {
		t.Errorf("got inputs %v of a plan and %v of a tool, want its own and none", plan, tool)
	}
}

// TestIngressShowsNoValue checks that no reason holds what came in.
func TestIngressShowsNoValue(t *testing.T) {
	const secret = "hunter2"
	rules := gates.IngressRules{
		MaxBytes: 100, MaxDepth: 2,
		Allow: map[string][]any{"env": {"prod"}}, Deny: map[string][]any{"pass": {secret}},
	}
	h := middleware.Wrap(kit.Echo, gates.Ingress(rules))
	for _, inputs := range []map[string]any{
		{"env": secret},
		{"env": "prod", "pass": secret},
		{"a": strings.Repeat(secret, 100)},
		{"a": []any{[]any{secret}}},
		{"a": secret + "\xff"},
		{"a": opaque{secret}},
	} {
		_, err := h(t.Context(), kit.Chain("qa", inputs))
		if d := kit.WantDenied(t, err, middleware.CodeBadInput); strings.Contains(d.Error(), secret) {
			t.Errorf("the denial shows the value: %v", d)
		}
	}
}

// TestIngressLongKey checks that a key that came in is cut and escaped.
func TestIngressLongKey(t *testing.T) {
	key := "\n" + strings.Repeat("é", 10_000)
	_, err := middleware.Wrap(kit.Echo, gates.Ingress(gates.IngressRules{}))(t.Context(), kit.Chain("qa", map[string]any{key: "\xff"}))
	if d := kit.WantDenied(t, err, middleware.CodeBadInput); len(d.Reason) > 400 ||
		strings.ContainsFunc(d.Reason, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("got a reason of %d bytes, %.80q, want a short one in ASCII", len(d.Reason), d.Reason)
	}
}

// TestIngressRulesAreCopied checks that what the caller does to the rules later
// has no effect.
func TestIngressRulesAreCopied(t *testing.T) {
	rules := gates.IngressRules{Required: []string{"tenant"}, Allow: map[string][]any{"env": {"prod"}}}
	h := middleware.Wrap(kit.Echo, gates.Ingress(rules))
	rules.Required[0] = "other"
	rules.Allow["env"][0] = "dev"
	if _, err := h(t.Context(), kit.Chain("qa", map[string]any{"tenant": "acme", "env": "prod"})); err != nil {
		t.Errorf("got %v, want the rules as they were", err)
	}
}

func TestIngressPanics(t *testing.T) {
	for name, rules := range map[string]gates.IngressRules{
		"negative MaxBytes":      {MaxBytes: -1},
		"negative MaxDepth":      {MaxDepth: -1},
		"MaxDepth for the stack": {MaxDepth: 10_001},
		"empty key in Required":  {Required: []string{"a", ""}},
		"empty key in Allow":     {Allow: map[string][]any{"": {1}}},
		"empty key in Deny":      {Deny: map[string][]any{"": {1}}},
		"a list in Allow":        {Allow: map[string][]any{"a": {[]any{1}}}},
		"a map in Deny":          {Deny: map[string][]any{"a": {map[string]any{}}}},
		"not a number":           {Deny: map[string][]any{"a": {math.NaN()}}},
	} {
		v, _ := panicOf(func() { gates.Ingress(rules) }).(string)
		if !strings.HasPrefix(v, "gates: Ingress: ") {
			t.Errorf("%s: got panic %q, want one of gates: Ingress", name, v)
		}
	}
}
