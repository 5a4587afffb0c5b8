package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// noProd is a gate by ToolCalls.
func noProd() middleware.Interceptor {
	return middleware.ToolCalls("no-prod", func(_ context.Context, call middleware.ToolCall) error {
		if call.Tool() == "deploy" && strings.Contains(call.Input, "prod") {
			return middleware.Deny(middleware.CodePolicy, "production is for people")
		}
		return nil
	})
}

func planned(calls ...middleware.ToolCall) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: &middleware.Plan{ToolCalls: calls}, Usage: &middleware.Usage{TotalTokens: 7}}, nil
	}
}

func TestToolCallsDeniesAPlanBeforeAnyOfItRuns(t *testing.T) {
	build := middleware.ToolCall{Name: "build", Registered: "build", Input: "prod"}
	deploy := middleware.ToolCall{Name: "DEPLOY", Registered: "deploy", Input: "prod"}
	unknown := middleware.ToolCall{Name: "deploy", Input: "prod"}
	for name, tt := range map[string]struct {
		calls  []middleware.ToolCall
		reason string // empty where the plan is allowed
	}{
		"none":             {nil, ""},
		"allowed":          {[]middleware.ToolCall{build, build}, ""},
		"the first":        {[]middleware.ToolCall{deploy, build}, `tool call 1, "deploy": production is for people`},
		"the second":       {[]middleware.ToolCall{build, deploy, deploy}, `tool call 2, "deploy": production is for people`},
		"by what is asked": {[]middleware.ToolCall{build, build, unknown}, `tool call 3, "deploy": production is for people`},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := middleware.Wrap(planned(tt.calls...), noProd())(t.Context(), kit.Plan())
			if res.Usage == nil || res.Usage.TotalTokens != 7 {
				t.Errorf("got usage %v, want that of the plan", res.Usage)
			}
			if tt.reason == "" {
				if plan, _ := res.Output.(*middleware.Plan); err != nil || plan == nil || len(plan.ToolCalls) != len(tt.calls) {
					t.Errorf("got %v, %v, want the plan", res.Output, err)
				}
				return
			}
			d := wantDenied(t, err, "no-prod", middleware.CodePolicy)
			if d.Reason != tt.reason || d.Call != kit.Plan().Name || res.Output != nil {
				t.Errorf("got %q of call %q, output %v, want %q", d.Reason, d.Call, res.Output, tt.reason)
			}
		})
	}
}

func TestToolCallsJudgesEachCallThatIsMade(t *testing.T) {
	ran := false
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		ran = true
		return middleware.Result{Output: "done"}, nil
	}, noProd())
	_, err := h(t.Context(), kit.Tool("deploy", "to prod"))
	if d := wantDenied(t, err, "no-prod", middleware.CodePolicy); d.Reason != "production is for people" || ran {
		t.Errorf("got %q, ran %v", d.Reason, ran)
	}
	if res, err := h(t.Context(), kit.Tool("deploy", "to test")); err != nil || res.Output != "done" {
		t.Errorf("got %v, %v", res.Output, err)
	}
}

func TestToolCallsShowsTheCheckWhatIsAskedAndWhatIsMade(t *testing.T) {
	var seen []middleware.ToolCall
	gate := middleware.ToolCalls("gate", func(_ context.Context, call middleware.ToolCall) error {
		seen = append(seen, call)
		return nil
	})
	asked := []middleware.ToolCall{
		{ID: "a", Name: "READ", Registered: "read", Input: "{}"},
		{ID: "b", Name: "made up", Input: "x"},
	}
	if _, err := middleware.Wrap(planned(asked...), gate)(t.Context(), kit.Plan()); err != nil {
		t.Fatal(err)
	}
	ctx := middleware.WithToolCall(t.Context(), "a")
	if _, err := middleware.Wrap(echo, gate)(ctx, kit.Tool("read", "{}")); err != nil {
		t.Fatal(err)
	}
	want := append(asked, middleware.ToolCall{ID: "a", Name: "read", Registered: "read", Input: "{}"})
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("got  %+v\nwant %+v", seen, want)
	}
}

func TestToolCallsStopsAtTheFirstCallThatIsDenied(t *testing.T) {
	n := 0
	gate := middleware.ToolCalls("gate", func(context.Context, middleware.ToolCall) error {
		n++
		return middleware.Deny(middleware.CodePolicy, "no")
	})
	_, err := middleware.Wrap(planned(kit.Ask("a", ""), kit.Ask("b", "")), gate)(t.Context(), kit.Plan())
	if wantDenied(t, err, "gate", middleware.CodePolicy); n != 1 {
		t.Errorf("the check was called %d times, want once", n)
	}
}

func TestToolCallsLetsOtherCallsPass(t *testing.T) {
	gate := middleware.ToolCalls("gate", func(context.Context, middleware.ToolCall) error { return errors.New("called") })
	for _, call := range []middleware.Call{kit.Chain("qa", nil), kit.Model("hello"), kit.Retriever("q")} {
		if _, err := middleware.Wrap(kit.Echo, gate)(t.Context(), call); err != nil {
			t.Errorf("%v: %v", call.Kind, err)
		}
	}
	told := func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: middleware.Observation("not now")}, nil
	}
	if _, err := middleware.Wrap(told, gate)(t.Context(), kit.Plan()); err != nil {
		t.Errorf("a plan that was denied further inside: %v", err)
	}
}

func TestToolCallsDeniesWhatItCannotJudge(t *testing.T) {
	cause := errors.New("no answer")
	never := func(context.Context, middleware.ToolCall) error { t.Error("called"); return nil }
	fails := func(context.Context, middleware.ToolCall) error { return cause }
	panics := func(context.Context, middleware.ToolCall) error { panic(cause) }
	plan := planned(kit.Ask("a", ""))
	bad := func(output any) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: output}, nil
		}
	}
	number := kit.Tool("a", "")
	number.Input = 1
	for name, tt := range map[string]struct {
		h      middleware.Handler
		call   middleware.Call
		check  func(context.Context, middleware.ToolCall) error
		reason string
		cause  error
	}{
		"no plan":            {bad("text"), kit.Plan(), never, "the plan cannot be read", nil},
		"a nil plan":         {bad((*middleware.Plan)(nil)), kit.Plan(), never, "the plan cannot be read", nil},
		"input that is none": {echo, number, never, "the input of the tool is not text", nil},
		"a failure, plan":    {plan, kit.Plan(), fails, "the gate could not decide", cause},
		"a failure, call":    {echo, kit.Tool("a", ""), fails, "the gate could not decide", cause},
		"a panic, plan":      {plan, kit.Plan(), panics, "the gate panicked at toolcalls_test.go:", cause},
		"a panic, call":      {echo, kit.Tool("a", ""), panics, "the gate panicked at toolcalls_test.go:", cause},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := middleware.Wrap(tt.h, middleware.ToolCalls("gate", tt.check))(t.Context(), tt.call)
			d := wantDenied(t, err, "gate", middleware.CodeIndeterminate)
			if strings.TrimRight(d.Reason, "0123456789") != tt.reason || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("got %q, %v, want %q, %v", d.Reason, d.Err, tt.reason, tt.cause)
			}
		})
	}
}

func TestToolCallsHoldsNothingOfAPlansStream(t *testing.T) {
	early := false
	agent := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if err := call.Stream(ctx, middleware.Chunk{Text: []byte("thinking")}); err != nil {
			return middleware.Result{}, err
		}
		early = middleware.TrailOf(ctx).Released() == 8
		return middleware.Result{Output: &middleware.Plan{}}, nil
	}
	call := kit.Plan()
	call.Stream = func(context.Context, middleware.Chunk) error { return nil }
	if _, err := middleware.Wrap(agent, noProd())(t.Context(), call); err != nil || !early {
		t.Errorf("got %v, released before the verdict %v", err, early)
	}
}

func TestToolCallsNotesEachDecision(t *testing.T) {
	for _, tt := range []struct {
		call  middleware.Call
		calls []middleware.ToolCall
		want  string
	}{
		{kit.Plan(), []middleware.ToolCall{kit.Ask("a", ""), kit.Ask("b", "")}, "no-prod allow "},
		{kit.Plan(), []middleware.ToolCall{kit.Ask("deploy", "prod")}, `no-prod deny tool call 1, "deploy": production is for people`},
		{kit.Tool("a", ""), nil, "no-prod allow "},
		{kit.Tool("deploy", "prod"), nil, "no-prod deny production is for people"},
	} {
		var notes []string
		record := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				trail := middleware.Observe(ctx)
				res, err := next(ctx, call)
				for _, d := range trail.Decisions() {
					notes = append(notes, fmt.Sprint(d.Gate, " ", d.Verdict, " ", d.Reason))
				}
				return res, err
			}
		}
		_, _ = middleware.Wrap(planned(tt.calls...), record, noProd())(t.Context(), tt.call)
		if len(notes) != 1 || notes[0] != tt.want {
			t.Errorf("%v: got %q, want %q", tt.call.Kind, notes, tt.want)
		}
	}
}

func TestToolCallsSaysWhatItIs(t *testing.T) {
	gate := noProd()
	if got, want := middleware.Onion(gate), " 1 no-prod, stream of plans passed through\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if l := middleware.Layers(gate)[0]; !l.Gate || l.ID == nil {
		t.Errorf("got %+v, want a gate with an ID", l)
	}
	if got := middleware.Merge(middleware.KindTool, []middleware.Interceptor{gate}, []middleware.Interceptor{gate, noProd()}); len(got) != 2 {
		t.Errorf("merged to %d, want it once, beside another", len(got))
	}
}

func TestToolCallsKeepsTheContract(t *testing.T) {
	for _, call := range []middleware.Call{kit.Tool("deploy", "prod"), kit.Tool("deploy", "test")} {
		if err := kit.TestInterceptor(noProd, call, kit.Plan(), kit.Model("hello")); err != nil {
			t.Error(err)
		}
	}
}

func TestPlansJudgesPlansAlone(t *testing.T) {
	var seen *middleware.Plan
	gate := middleware.NewGate("gate")
	plans := gate.Plans(func(_ context.Context, call middleware.Call, plan *middleware.Plan) error {
		if call.Kind != middleware.KindPlan {
			t.Errorf("got a %v call", call.Kind)
		}
		seen = plan
		return middleware.Deny(middleware.CodePolicy, "no")
	})
	_, err := middleware.Wrap(planned(kit.Ask("a", "")), plans)(t.Context(), kit.Plan())
	if wantDenied(t, err, "gate", middleware.CodePolicy); seen == nil || len(seen.ToolCalls) != 1 {
		t.Errorf("got plan %v", seen)
	}
	if _, err := middleware.Wrap(echo, plans)(t.Context(), kit.Tool("a", "")); err != nil {
		t.Errorf("a tool call: %v", err)
	}
	if l := middleware.Layers(plans)[0]; l.ID != any(gate) || l.Name != "gate" || l.Stream != "of plans passed through" {
		t.Errorf("got layer %+v", l)
	}
}

func TestDenyToolCall(t *testing.T) {
	no := middleware.Deny(middleware.CodeLoop, "no")
	for range 2 { // what was denied is not changed
		d, _ := middleware.DenyToolCall(1, "say \"hi\"\n", no).(*middleware.DeniedError)
		if d == nil || d.Code != middleware.CodeLoop || d.Reason != `tool call 2, "say \"hi\"\n": no` || d.Err != nil {
			t.Errorf("got %#v", d)
		}
	}
	wrapped := fmt.Errorf("because: %w", no)
	d, _ := middleware.DenyToolCall(0, "a", wrapped).(*middleware.DeniedError)
	if d == nil || d.Code != middleware.CodeLoop || d.Reason != `tool call 1, "a": no` || d.Err != wrapped {
		t.Errorf("got %#v", d)
	}
	for _, err := range []error{nil, context.Canceled} {
		if got := middleware.DenyToolCall(0, "a", err); got != err {
			t.Errorf("got %v, want %v", got, err)
		}
	}
}

func TestToolCallsPanicsOfNonsense(t *testing.T) {
	pass := func(context.Context, middleware.ToolCall) error { return nil }
	for want, f := range map[string]func(){
		"middleware: ToolCalls needs a gate's name": func() { middleware.ToolCalls("", pass) },
		"middleware: ToolCalls(gate): nil check":    func() { middleware.ToolCalls("gate", nil) },
		"middleware: Plans(gate): nil check":        func() { middleware.NewGate("gate").Plans(nil) },
	} {
		func() {
			defer func() {
				if v := recover(); v != want {
					t.Errorf("got %v, want %q", v, want)
				}
			}()
			f()
		}()
	}
}

func ExampleToolCalls() {
	noProd := middleware.ToolCalls("no-prod", func(_ context.Context, call middleware.ToolCall) error {
		if call.Tool() == "deploy" && strings.Contains(call.Input, "prod") {
			return middleware.Deny(middleware.CodePolicy, "production is for people")
		}
		return nil
	})
	agent := middleware.Wrap(planned(
		middleware.ToolCall{Name: "build", Registered: "build"},
		middleware.ToolCall{Name: "deploy", Registered: "deploy", Input: "prod"},
	), noProd)
	_, err := agent(context.Background(), middleware.Call{Kind: middleware.KindPlan, Name: "agent"})
	fmt.Println(err)

	deploy := middleware.Wrap(shell, noProd)
	_, err = deploy(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "deploy", Input: "prod"})
	fmt.Println(err)
	// Output:
	// agent: denied by no-prod: tool call 2, "deploy": production is for people (policy)
	// deploy: denied by no-prod: production is for people (policy)
}
