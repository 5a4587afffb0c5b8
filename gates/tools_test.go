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

func TestToolsCall(t *testing.T) {
	tests := []struct {
		name   string
		allow  []string
		call   middleware.Call
		reason string // of the denial; empty where it is allowed
	}{
		{"listed", []string{"shell", "write"}, kit.Tool("write", "x"), ""},
		{"not listed", []string{"shell"}, kit.Tool("write", "x"), `tool "write" is not on the allowlist`},
		{"an empty list", nil, kit.Tool("write", "x"), `tool "write" is not on the allowlist`},
		{"no name", []string{"shell"}, kit.Tool("", "x"), `tool "" is not on the allowlist`},
		{"a prefix", []string{"shell"}, kit.Tool("she", "x"), `tool "she" is not on the allowlist`},
		{"a model", nil, kit.Model("hello"), ""},
		{"a chain", nil, kit.Chain("qa", nil), ""},
		{"a retriever", nil, kit.Retriever("q"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var spy kit.Spy
			_, err := middleware.Wrap(spy.Handle, gates.Tools(tt.allow...))(t.Context(), tt.call)
			if tt.reason == "" {
				if err != nil || len(spy.Calls()) != 1 {
					t.Fatalf("got error %v and %d calls, want it allowed", err, len(spy.Calls()))
				}
				return
			}
			d := kit.WantDenied(t, err, middleware.CodeToolNotAllowed)
			if d.Gate != "tools" || d.Reason != tt.reason || len(spy.Calls()) != 0 {
				t.Errorf("got gate %q, reason %q and %d calls, want tools, %q and none", d.Gate, d.Reason, len(spy.Calls()), tt.reason)
			}
		})
	}
}

func TestToolsPlan(t *testing.T) {
	shell, write := kit.Ask("shell", "ls"), kit.Ask("write", "x")
	tests := []struct {
		name   string
		batch  []middleware.ToolCall
		reason string // of the denial; empty where it is allowed
	}{
		{"a final answer", nil, ""},
		{"listed", []middleware.ToolCall{shell, write, shell}, ""},
		{"one not listed", []middleware.ToolCall{shell, kit.Ask("delete", "")}, `tool "delete" is not on the allowlist`},
		{"made up", []middleware.ToolCall{shell, {Name: "sudo"}}, `there is no tool "sudo"`},
		{"made up, but listed", []middleware.ToolCall{{Name: "shell"}}, `there is no tool "shell"`},
		{"upper case", []middleware.ToolCall{{Name: "SHELL", Registered: "shell"}}, `tool "shell" was asked for as "SHELL"`},
		{"long s", []middleware.ToolCall{{Name: "\u017fhell", Registered: "shell"}}, `tool "shell" was asked for as "\u017fhell"`},
		{"dotless i", []middleware.ToolCall{{Name: "wr\u0131te", Registered: "write"}}, `tool "write" was asked for as "wr\u0131te"`},
		{"a newline", []middleware.ToolCall{{Name: "shell\nallowed: all"}}, `there is no tool "shell\nallowed: all"`},
		{"an escape", []middleware.ToolCall{{Name: "\x1b[2Jshell"}}, `there is no tool "\x1b[2Jshell"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := middleware.Wrap(kit.Planner(tt.batch...), gates.Tools("shell", "write"))
			res, err := h(t.Context(), kit.Plan())
			if tt.reason == "" {
				if err != nil || res.Output == nil {
					t.Fatalf("got %v, %v, want it allowed", res.Output, err)
				}
				return
			}
			if d := kit.WantDenied(t, err, middleware.CodeToolNotAllowed); d.Reason != tt.reason || res.Output != nil {
				t.Errorf("got reason %q and output %v, want %q and none", d.Reason, res.Output, tt.reason)
			}
		})
	}
}

// TestToolsUnreadablePlan checks that the gate denies what it cannot read.
func TestToolsUnreadablePlan(t *testing.T) {
	for _, output := range []any{nil, "go on", (*middleware.Plan)(nil), middleware.Plan{}} {
		h := middleware.Wrap(answer(middleware.Result{Output: output}, nil), gates.Tools("shell"))
		_, err := h(t.Context(), kit.Plan())
		kit.WantDenied(t, err, middleware.CodeIndeterminate)
	}
}

// spellings are what a model may make of the name "shell".
var spellings = map[string]string{
	"case":           "Shell",
	"upper case":     "SHELL",
	"long s":         "\u017fhell",
	"homoglyph":      "sh\u0435ll",
	"fullwidth":      "\uff53\uff48\uff45\uff4c\uff4c",
	"zero-width":     "sh\u200bell",
	"joiner":         "shell\u200d",
	"soft hyphen":    "sh\u00adell",
	"BOM":            "\ufeffshell",
	"bidi":           "\u202eshell",
	"combining":      "she\u0301ll",
	"space before":   " shell",
	"space after":    "shell ",
	"tab":            "shell\t",
	"no-break space": "shell\u00a0",
	"newline":        "shell\nlevel=info msg=allowed",
	"return":         "shell\r",
	"NUL":            "shell\x00",
	"path":           "../shell",
	"path inside":    "bin/../shell",
	"encoded":        "%73hell",
	"quoted":         `"shell"`,
	"not UTF-8":      "shell\xff",
	"twice":          "shellshell",
	"10 kB":          strings.Repeat("shell", 2_000),
	"10 kB, wide":    strings.Repeat("\u5de5", 3_334),
	"empty":          "",
}

// TestToolsSpellings checks that no spelling but the registered one passes,
// whether the framework finds a tool for it or not, and that the reason is safe
// to log.
func TestToolsSpellings(t *testing.T) {
	gate := gates.Tools("shell")
	for name, spelling := range spellings {
		t.Run(name, func(t *testing.T) {
			handlers := map[string]error{}
			_, handlers["called by that name"] = middleware.Wrap(kit.Echo, gate)(t.Context(), kit.Tool(spelling, "ls"))
			for found, registered := range map[string]string{"found as shell": "shell", "found nowhere": ""} {
				batch := kit.Planner(kit.Ask("shell", "ls"), middleware.ToolCall{Name: spelling, Registered: registered})
				_, handlers[found] = middleware.Wrap(batch, gate)(t.Context(), kit.Plan())
			}
			for how, err := range handlers {
				d := kit.WantDenied(t, err, middleware.CodeToolNotAllowed)
				if len(d.Reason) > 500 {
					t.Errorf("%s: got a reason of %d bytes, want a short one", how, len(d.Reason))
				}
				if strings.ContainsFunc(d.Reason, func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Errorf("%s: got reason %q, want printable ASCII", how, d.Reason)
				}
			}
		})
	}
}

// FuzzToolsReason has names that nobody thought of.
func FuzzToolsReason(f *testing.F) {
	for _, spelling := range spellings {
		f.Add(spelling)
	}
	f.Add("shell")
	h := middleware.Wrap(kit.Echo, gates.Tools("shell"))
	f.Fuzz(func(t *testing.T, name string) {
		_, err := h(t.Context(), kit.Tool(name, "ls"))
		if name == "shell" {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		d := kit.WantDenied(t, err, middleware.CodeToolNotAllowed)
		if len(d.Reason) > 500 || strings.ContainsFunc(d.Reason, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("got reason %q, want a short one in printable ASCII", d.Reason)
		}
	})
}

func TestToolsPanics(t *testing.T) {
	tests := []struct {
		name  string
		names []string
		want  string
	}{
		{"empty", []string{"shell", ""}, "gates: Tools: empty name"},
		{"twice", []string{"shell", "write", "shell"}, `gates: Tools: "shell" is there twice`},
		{"case", []string{"shell", "Shell"}, `gates: Tools: "shell" and "Shell" differ by case only`},
		{"upper case alone", []string{"write", "wr\u0131te"}, `gates: Tools: "write" and "wrıte" differ by case only`},
		{"long s", []string{"shell", "\u017fhell"}, `gates: Tools: "shell" and "ſhell" differ by case only`},
		{"folding alone", []string{"\u212aelvin", "kelvin"}, `gates: Tools: "` + "\u212a" + `elvin" and "kelvin" differ by case only`},
		{"folding alone, sigma", []string{"\u03c3", "\u03c2"}, "gates: Tools: \"\u03c3\" and \"\u03c2\" differ by case only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v := panicOf(func() { gates.Tools(tt.names...) }); v != tt.want {
				t.Errorf("got panic %v, want %q", v, tt.want)
			}
		})
	}
	gates.Tools("shell", "shell2", "she ll", "sheII", "sh\u0435ll") // alike, but not to any framework
}

// TestMadeUpNamesInReasons shows that of the name of a tool that a model made up no
// more than 64 bytes, escaped to ASCII, stand in what a gate says: in the error, on
// the trail, and in what the model is told.
func TestMadeUpNamesInReasons(t *testing.T) {
	secret := strings.Repeat("y", 40)
	rules := gates.ArgumentRules{"s": {gates.Check(func(context.Context, middleware.Call, map[string]any) error { panic("at the disco") })}}
	for name, gate := range map[string]func() middleware.Interceptor{
		"tools":     func() middleware.Interceptor { return gates.Tools("shell") },
		"arguments": func() middleware.Interceptor { return gates.Arguments(rules) },
		"loop":      func() middleware.Interceptor { return gates.Loop(gates.LoopRules{Unknown: 1}) },
		"budget":    func() middleware.Interceptor { return gates.Budget(gates.Limits{ToolCalls: 1}) },
	} {
		for _, made := range []string{
			strings.Repeat("x", 64) + secret, "a\nDenied: no\x1b[2J", "\u202eexe.txt", "\xff\xfe", strings.Repeat("\u20ac", 21) + "\u20ac" + secret,
			"\u017f", "",
		} {
			for _, order := range [][]middleware.Interceptor{{}, {middleware.Tell}} {
				var decisions []middleware.Decision
				planner := kit.Planner(middleware.ToolCall{Name: made, Input: "{}"}, middleware.ToolCall{Name: made, Input: "{}"})
				res, err := middleware.Wrap(planner, append(append(order, trail(&decisions)), gate())...)(t.Context(), kit.Plan())
				if err == nil && res.Output == nil {
					t.Errorf("%s, %q: got neither an answer nor an error", name, made)
				}
				says := []string{fmt.Sprint(err)}
				for cause := err; cause != nil; cause = errors.Unwrap(cause) {
					says = append(says, cause.Error())
				}
				if o, told := res.Output.(middleware.Observation); told {
					says = append(says, string(o))
				} else if err == nil && name != "arguments" {
					t.Errorf("%s, %q: got %v, want a refusal", name, made, res.Output)
				}
				for _, d := range decisions {
					says = append(says, d.Reason)
				}
				for _, s := range says {
					if strings.Contains(s, "y") && strings.Contains(s, secret) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
						t.Errorf("%s, %q: got %q", name, made, s)
					}
				}
			}
		}
	}
}
