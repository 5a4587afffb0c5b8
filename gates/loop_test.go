package gates_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// outcomes makes tool calls, "name input" each, in one run, and says what came of
// each: done, told, or denied with the code.
func outcomes(t *testing.T, h middleware.Handler, calls ...string) []string {
	t.Helper()
	var got []string
	_ = kit.InRun(func(ctx context.Context) {
		for _, c := range calls {
			name, input, _ := strings.Cut(c, " ")
			res, err := h(ctx, kit.Tool(name, input))
			got = append(got, became(res, err))
		}
	})
	return got
}

func became(res middleware.Result, err error) string {
	var d *middleware.DeniedError
	switch _, told := res.Output.(middleware.Observation); {
	case errors.As(err, &d):
		return string(d.Code)
	case err != nil:
		return err.Error()
	case told:
		return "told"
	}
	return "done"
}

func TestLoop(t *testing.T) {
	tests := []struct {
		name  string
		rules gates.LoopRules
		calls string // separated by semicolons
		want  string
	}{
		{"the third identical call in a row is told, the next one denied", gates.LoopRules{},
			"a 1;a 1;a 1;a 1", "done done told loop"},
		{"what is not identical runs", gates.LoopRules{},
			"a 1;a 2;a 3;a 4;b 1;b 2", "done done done done done done"},
		{"the same arguments of another tool are another call", gates.LoopRules{},
			"a 1;b 1;c 1;d 1", "done done done done"},
		{"the order of members and white space do not matter", gates.LoopRules{},
			`a {"x":1,"y":[1,2]};a { "y" : [1, 2], "x" : 1 };a {"y":[1,2],"x":1.0}`, "done done told"},
		{"escapes do not matter", gates.LoopRules{},
			`a {"x":"A\/"};a {"\u0078":"\u0041/"};a {"x":"A/"}`, "done done told"},
		{"the order of items does", gates.LoopRules{},
			`a [1,2];a [2,1];a [1,2,3];a [[1,2]];a [[1],2]`, "done done done done done"},
		{"types do", gates.LoopRules{},
			`a 1;a "1";a [1];a {"1":1};a null;a true;a false;a {"a":{}};a {"a":[]};a ""`, strings.TrimSpace(strings.Repeat("done ", 10))},
		{"members do not change places with their values", gates.LoopRules{},
			`a {"x":"y","y":"x"};a {"x":"x","y":"y"};a {"x":{"x":1},"y":2};a {"x":{"x":2},"y":1}`, "done done done done"},
		{"numbers are compared by value", gates.LoopRules{},
			"a 100;a 1e2;a 100.0", "done done told"},
		{"numbers that a float cannot hold are compared as they are spelled", gates.LoopRules{},
			"a 12345678901234567890;a 12345678901234567891;a 12345678901234567892", "done done done"},
		{"text that is not JSON is compared as text", gates.LoopRules{},
			"a hello there; a x;a hello there ;a hello you", "done done done done"},
		{"text that is not JSON, three times", gates.LoopRules{},
			"a hello;a  hello ;a hello", "done done told"},
		{"two that take turns", gates.LoopRules{},
			"a 1;b 1;a 1;b 1;a 1;b 1", "done done done done told loop"},
		{"three that take turns, by the window", gates.LoopRules{},
			"a 1;b 1;c 1;a 1;b 1;c 1;a 1;b 1;c 1;a 1;b 1;c 1;a 1;b 1", strings.Repeat("done ", 12) + "told loop"},
		{"often, with others between", gates.LoopRules{Identical: 2, Window: 4},
			"a 1;b 1;a 1;c 1;a 1", "done done done done told"},
		{"out of the window", gates.LoopRules{Identical: 2, Window: 4},
			"a 1;b 1;a 1;b 2;b 3;b 4;a 1", "done done done done done done done"},
		{"told long ago, the model is told again", gates.LoopRules{Consecutive: 1, Alternating: 1, Identical: 2, Window: 2},
			"a 1;a 1;b 1;b 2;b 3;b 3;b 3", "done told done done done told loop"},
		{"calls that look alike at first are told apart", gates.LoopRules{},
			`a {"x":12};a {"x":21};a {"x":12};a {"x":21};a {"y":1};a {"x":0.12};a {"x":0.21};a {"x":2.1e-1};a {"x":1.2e-1};a {"x":1e3}`,
			strings.Repeat("done ", 10)},
		{"more in a row than would be allowed in turns", gates.LoopRules{Consecutive: 6, Identical: 6},
			"a 1;a 1;a 1;a 1;a 1;a 1;a 1", "done done done done done done told"},
		{"one may run", gates.LoopRules{Consecutive: 1}, "a 1;a 1", "done told"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := middleware.Wrap(kit.Echo, gates.Loop(tt.rules))
			got := strings.Join(outcomes(t, h, strings.Split(tt.calls, ";")...), " ")
			if want := strings.TrimSpace(tt.want); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestLoopKeepsRunsApart shows that what one run did says nothing about another.
func TestLoopKeepsRunsApart(t *testing.T) {
	h := middleware.Wrap(kit.Echo, gates.Loop(gates.LoopRules{}))
	for range 5 {
		if got := outcomes(t, h, "a 1", "a 1"); got[1] != "done" {
			t.Fatalf("got %v", got)
		}
	}
}

// TestLoopDenials shows that an agent that is denied again and again is told,
// and then denied with the code loop, which stops the run.
func TestLoopDenials(t *testing.T) {
	for name, tt := range map[string]struct {
		order []middleware.Interceptor
		calls []string
		want  string
	}{
		"outside of Tell": {
			[]middleware.Interceptor{gates.Loop(gates.LoopRules{}), middleware.Tell, gates.Tools("b")},
			[]string{"a 1", "a 2", "a 3", "a 4", "b 1"}, "told told told loop stopped",
		},
		"inside of Tell": {
			[]middleware.Interceptor{middleware.Tell, gates.Loop(gates.LoopRules{}), gates.Tools("b")},
			[]string{"a 1", "a 2", "a 3", "a 4", "b 1", "a 5"}, "told told told told done told",
		},
		"a call that is done ends the row": {
			[]middleware.Interceptor{gates.Loop(gates.LoopRules{}), middleware.Tell, gates.Tools("b")},
			[]string{"a 1", "a 2", "a 3", "b 1", "a 4", "a 5", "a 6", "a 7"}, "told told told done told told told loop",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := middleware.Wrap(kit.Echo, tt.order...)
			if got := strings.Join(outcomes(t, h, tt.calls...), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestLoopSaysHowManyWereDenied shows what the model, and then the caller, is told.
func TestLoopSaysHowManyWereDenied(t *testing.T) {
	const again = " calls in a row were denied: try something else, or give the final answer."
	h := middleware.Wrap(kit.Echo, gates.Loop(gates.LoopRules{Denials: 2}), middleware.Tell, gates.Tools("b"))
	_ = kit.InRun(func(ctx context.Context) {
		for i, end := range []string{"without one.", " 2" + again} {
			res, err := h(ctx, kit.Tool("a", strconv.Itoa(i)))
			if said, _ := res.Output.(middleware.Observation); err != nil || !strings.HasSuffix(string(said), end) {
				t.Errorf("denial %d: got %q, %v, want it to end with %q", i+1, said, err, end)
			}
		}
		_, err := h(ctx, kit.Tool("a", "2"))
		if d := kit.WantDenied(t, err, middleware.CodeLoop); d.Reason != "3 calls in a row were denied" {
			t.Errorf("got reason %q", d.Reason)
		}
	})
	h = middleware.Wrap(kit.Echo, middleware.Tell, gates.Loop(gates.LoopRules{Denials: 2}), gates.Tools("b"))
	_ = kit.InRun(func(ctx context.Context) {
		for i, want := range []string{"(tool_not_allowed)", "(tool_not_allowed)", "3 calls in a row were denied", "4 calls in a row were denied"} {
			res, err := h(ctx, kit.Tool("a", strconv.Itoa(i)))
			if said, _ := res.Output.(middleware.Observation); err != nil || !strings.Contains(string(said), want) {
				t.Errorf("inside of Tell, denial %d: got %q, %v, want %q in it", i+1, said, err, want)
			}
		}
	})
}

// TestLoopCountsADenialOnce shows that a denial that passes several calls on its way
// out is one denial, and leaves all of them.
func TestLoopCountsADenialOnce(t *testing.T) {
	gate := gates.Loop(gates.LoopRules{Denials: 1})
	inner := middleware.Wrap(kit.Echo, gate, gates.Tools("b"))
	outer := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return inner(ctx, kit.Tool("a", call.Input.(string)))
	}, gate)
	if got := outcomes(t, outer, "o 1"); got[0] != "tool_not_allowed" {
		t.Errorf("got %s, want the denial of the call within", got)
	}
}

// TestLoopUnknownTools shows that plans that go on asking for tools that do not
// exist are told, and then denied, before any of the batch runs.
func TestLoopUnknownTools(t *testing.T) {
	invented := middleware.ToolCall{Name: "rm"}
	batch := []middleware.ToolCall{kit.Ask("a", "1"), invented}
	gate := gates.Loop(gates.LoopRules{Window: 5})
	plan := middleware.Wrap(kit.Planner(batch...), gate)
	good := middleware.Wrap(kit.Planner(kit.Ask("a", "1")), gate)
	tool := middleware.Wrap(kit.Echo, gate)
	_ = kit.InRun(func(ctx context.Context) {
		for i, want := range []string{"done", "done", "done", "told"} {
			res, err := plan(ctx, kit.Plan())
			if got := became(res, err); got != want {
				t.Errorf("plan %d: got %s (%v), want %s", i+1, got, res.Output, want)
			}
		}
		if res, err := good(ctx, kit.Plan()); became(res, err) != "done" {
			t.Errorf("a plan without invented tools: got %v, %v", res.Output, err)
		}
		for _, in := range []string{"1", "2", "3", "4", "5", "6"} {
			if _, err := tool(ctx, kit.Tool("a", in)); err != nil {
				t.Fatal(err)
			}
		}
		if res, err := plan(ctx, kit.Plan()); became(res, err) != "done" {
			t.Errorf("outside of the window: got %v, %v", res.Output, err)
		}
		for _, want := range []string{"done", "done", "told", "loop"} {
			if res, err := plan(ctx, kit.Plan()); became(res, err) != want {
				t.Errorf("got %s, want %s", became(res, err), want)
			}
		}
	})
}

// TestLoopNotesDenials shows that a call that was told stands on the trail as
// denied, and did not run.
func TestLoopNotesDenials(t *testing.T) {
	var spy kit.Spy
	var trail middleware.Trail
	look := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			trail = middleware.Observe(ctx)
			return next(ctx, call)
		}
	}
	h := middleware.Wrap(spy.Handle, look, gates.Loop(gates.LoopRules{Consecutive: 1}))
	if got := outcomes(t, h, "a 1", "a 1"); got[1] != "told" || len(spy.Calls()) != 1 {
		t.Fatalf("got %v and %d calls", got, len(spy.Calls()))
	}
	ds := trail.Decisions()
	if len(ds) != 1 || ds[0].Gate != "loop" || ds[0].Verdict != middleware.VerdictDeny || ds[0].Code != middleware.CodeLoop {
		t.Errorf("got decisions %+v", ds)
	}
}

// TestLoopCannotDecide shows that an input that is not text is denied.
func TestLoopCannotDecide(t *testing.T) {
	h := middleware.Wrap(kit.Echo, gates.Loop(gates.LoopRules{}))
	_, err := h(t.Context(), middleware.Call{Kind: middleware.KindTool, Name: "a", Input: 7})
	kit.WantDenied(t, err, middleware.CodeIndeterminate)
	h = middleware.Wrap(kit.Echo, gates.Loop(gates.LoopRules{}))
	_, err = h(t.Context(), kit.Plan())
	kit.WantDenied(t, err, middleware.CodeIndeterminate)
}

func TestLoopPanics(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		rules      gates.LoopRules
	}{
		{"negative", "gates: Loop: negative number in ", gates.LoopRules{Denials: -1}},
		{"too large", "gates: Loop: Window 1001 is over 1000", gates.LoopRules{Window: 1001}},
		{"small window", "gates: Loop: Window 3 is over 1000, or less than", gates.LoopRules{Window: 3}},
		{"small window for two", "gates: Loop: Window 5 is over 1000, or less than", gates.LoopRules{Window: 5, Alternating: 3}},
	} {
		wantPanic(t, tt.name, tt.says, func() { gates.Loop(tt.rules) })
	}
}

// TestALoopAfterManyCalls shows that an agent is stopped however many calls it has
// made: what is counted of calls that look alike is counted back when they are no
// longer among the latest.
func TestALoopAfterManyCalls(t *testing.T) {
	const many = 1 << 16
	h := middleware.Wrap(kit.Echo, gates.Loop(gates.LoopRules{}))
	letters := []byte(`"abcdefghi"`) // in any order they look alike
	var last string
	calls, told := 0, 0
	err := kit.InRun(func(ctx context.Context) {
		call := func(input string) {
			calls++
			res, err := h(ctx, kit.Tool("a", input))
			if err != nil {
				t.Fatal(err)
			}
			if became(res, err) == "told" {
				told = calls
			}
		}
		var permute func(n int)
		permute = func(n int) {
			if calls == many-2 {
				last = string(letters) // not made yet
				return
			}
			if n == len(letters)-1 {
				call(string(letters))
				return
			}
			for i := n; i < len(letters)-1 && last == ""; i++ {
				letters[n], letters[i] = letters[i], letters[n]
				permute(n + 1)
				letters[n], letters[i] = letters[i], letters[n]
			}
		}
		permute(1)
		for range 3 {
			call(last)
		}
	})
	if err != nil || calls != many+1 || told != many+1 {
		t.Errorf("got error %v, and told at call %d of %d, want it at the last of %d", err, told, calls, many+1)
	}
}
