package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// noSudoArgs is a check for BeforeTool.
func noSudoArgs(_ context.Context, args string) error {
	if strings.Contains(args, "sudo") {
		return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
	}
	return nil
}

func TestBeforeToolJudgesThePlanAndTheCall(t *testing.T) {
	gate := middleware.BeforeTool("shell", noSudoArgs)
	madeUp := middleware.ToolCall{Name: "Shell", Input: "sudo"}
	for name, tt := range map[string]struct {
		h      middleware.Handler
		call   middleware.Call
		reason string // of the denial; empty: none
		trail  int    // decisions on it
	}{
		"a plan without it":          {planned(kit.Ask("read", "sudo")), kit.Plan(), "", 0},
		"an empty plan":              {planned(), kit.Plan(), "", 0},
		"a plan with it":             {planned(kit.Ask("read", "sudo"), kit.Ask("shell", "ls")), kit.Plan(), "", 1},
		"a plan with what is denied": {planned(kit.Ask("read", ""), kit.Ask("shell", "sudo ls")), kit.Plan(), `tool call 2, "shell": sudo is not for agents`, 1},
		"a name that was made up":    {planned(madeUp), kit.Plan(), `tool call 1, "Shell": sudo is not for agents`, 1},
		"a call":                     {echo, kit.Tool("shell", "ls"), "", 1},
		"a call that is denied":      {echo, kit.Tool("shell", "sudo ls"), "sudo is not for agents", 1},
		"in another case":            {echo, kit.Tool("SHELL", "sudo ls"), "sudo is not for agents", 1},
		"in yet another":             {echo, kit.Tool("\u017fhell", "sudo ls"), "sudo is not for agents", 1}, // a long s
		"another tool":               {echo, kit.Tool("read", "sudo ls"), "", 0},
		"a chain":                    {kit.Echo, kit.Chain("shell", nil), "", 0},
		"a model":                    {kit.Echo, kit.Model("sudo"), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := new(watch)
			_, err := middleware.Wrap(tt.h, w.Intercept, gate)(t.Context(), tt.call)
			if tt.reason == "" && err != nil {
				t.Errorf("got %v, want no denial", err)
			}
			if tt.reason != "" {
				if d := wantDenied(t, err, "shell gate", middleware.CodePolicy); d.Reason != tt.reason {
					t.Errorf("got %q, want %q", d.Reason, tt.reason)
				}
			}
			if ds := w.trail.Decisions(); len(ds) != tt.trail {
				t.Errorf("got %+v on the trail, want %d decisions", ds, tt.trail)
			}
		})
	}
}

// What is not text concerns the gate of another tool as little as what is.
func TestBeforeToolAndInputThatIsNoText(t *testing.T) {
	gate := middleware.BeforeTool("shell", noSudoArgs)
	call := kit.Tool("read", "")
	call.Input = 42
	if _, err := middleware.Wrap(kit.Echo, gate)(t.Context(), call); err != nil {
		t.Errorf("another tool: %v", err)
	}
	call.Name = "shell"
	_, err := middleware.Wrap(kit.Echo, gate)(t.Context(), call)
	wantDenied(t, err, "shell gate", middleware.CodeIndeterminate)
}

// only is a gate that denies all calls that it sees, and counts them.
func only(n *int) middleware.Interceptor {
	return middleware.Before("only", func(context.Context, middleware.Call) error {
		*n++
		return middleware.Deny(middleware.CodePolicy, "no")
	})
}

func TestOnToolShowsTheCallsOfOneTool(t *testing.T) {
	n := 0
	h := func(i middleware.Interceptor) middleware.Handler { return middleware.Wrap(kit.Echo, i) }
	for name, i := range map[string]middleware.Interceptor{
		"by itself": middleware.OnTool("shell", only(&n)),
		"twice":     middleware.OnTool("shell", middleware.OnTool("Shell", only(&n))),
		"on tools":  middleware.On(middleware.KindTool, middleware.OnTool("shell", only(&n))),
		"of two":    middleware.OnTool("shell", middleware.Compose(only(&n), middleware.BeforeTool("shell", noSudoArgs))),
	} {
		n = 0
		for _, call := range []middleware.Call{kit.Tool("read", "sudo"), kit.Chain("shell", nil), kit.Model("shell"), kit.Retriever("shell")} {
			if _, err := h(i)(t.Context(), call); err != nil || n > 0 {
				t.Errorf("%s: %v %s: got %v, seen %d times, want it not to be seen", name, call.Kind, call.Name, err, n)
			}
		}
		plan := middleware.Wrap(planned(kit.Ask("shell", "sudo")), i)
		if _, err := plan(t.Context(), kit.Plan()); err != nil || n > 0 {
			t.Errorf("%s: a plan: got %v, seen %d times, want it not to be seen", name, err, n)
		}
		for _, tool := range []string{"shell", "SHELL", "\u017fhell"} {
			n = 0
			_, err := h(i)(t.Context(), kit.Tool(tool, ""))
			if wantDenied(t, err, "only", middleware.CodePolicy); n != 1 {
				t.Errorf("%s: %s: seen %d times, want once", name, tool, n)
			}
		}
	}
}

func TestOnToolIsAGoodInterceptor(t *testing.T) {
	gate := func() middleware.Interceptor { return middleware.BeforeTool("tool", noSudoArgs) }
	for name, i := range map[string]func() middleware.Interceptor{
		"BeforeTool":    gate,
		"OnTool":        func() middleware.Interceptor { return middleware.OnTool("tool", gate()) },
		"another tool":  func() middleware.Interceptor { return middleware.OnTool("other", pass) },
		"OnTool, After": func() middleware.Interceptor { return middleware.OnTool("tool", middleware.After("a", allowResult)) },
	} {
		if err := kit.TestInterceptor(i); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnToolRefusesWhatWouldSeeNoCall(t *testing.T) {
	n := 0
	g := only(&n)
	plans := middleware.NewGate("p").Plans(func(context.Context, middleware.Call, *middleware.Plan) error { return nil })
	for name, tt := range map[string]struct {
		f    func()
		want []string
	}{
		"no name":           {func() { middleware.OnTool("", g) }, []string{"middleware: OnTool needs a tool's name"}},
		"nil":               {func() { middleware.OnTool("rm", nil) }, []string{"middleware: OnTool(rm): nil Interceptor"}},
		"no name, Before":   {func() { middleware.BeforeTool("", noSudoArgs) }, []string{"middleware: BeforeTool needs a tool's name"}},
		"nil, Before":       {func() { middleware.BeforeTool("rm", nil) }, []string{"middleware: BeforeTool(rm): nil check"}},
		"for plans":         {func() { middleware.OnTool("rm", plans) }, []string{`OnTool: no call of the tool "rm"`, "p, no calls", "BeforeTool or ToolCalls"}},
		"for models":        {func() { middleware.OnTool("rm", middleware.On(middleware.KindModel, g)) }, []string{"only, no calls"}},
		"on models":         {func() { middleware.On(middleware.KindModel, middleware.OnTool("rm", g)) }, []string{"middleware: On: no call"}},
		"in part":           {func() { middleware.OnTool("rm", middleware.Compose(g, plans)) }, []string{`only, calls of the tool "rm" only`, "p, no calls"}},
		"another tool":      {func() { middleware.OnTool("rm", middleware.OnTool("ls", g)) }, []string{"only, no calls"}},
		"another, by hand":  {func() { middleware.OnTool("rm", middleware.OnTool("ls", pass)) }, []string{"pass, no calls"}},
		"rules for another": {func() { middleware.OnTool("rm", middleware.BeforeTool("ls", noSudoArgs)) }, []string{"ls gate, no calls"}},
		"in Named":          {func() { middleware.OnTool("rm", middleware.Named("n", middleware.OnTool("ls", g))) }, []string{"n, no calls"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				got := fmt.Sprint(recover())
				for _, want := range tt.want {
					if !strings.Contains(got, want) {
						t.Errorf("got %q, want %q in it", got, want)
					}
				}
			}()
			tt.f()
		})
	}
}

// One gate may be on several tools, and sees each call once.
func TestOneGateOnSeveralTools(t *testing.T) {
	n := 0
	g := only(&n)
	for _, tool := range []string{"a", "b"} {
		n = 0
		_, err := middleware.Wrap(echo, middleware.OnTool("a", g), middleware.OnTool("b", g))(t.Context(), kit.Tool(tool, ""))
		if wantDenied(t, err, "only", middleware.CodePolicy); n != 1 {
			t.Errorf("%s: judged %d times, want once", tool, n)
		}
	}
	for name, is := range map[string][]middleware.Interceptor{
		"the same tool": {middleware.OnTool("a", g), middleware.OnTool("A", g)},
		"all tools":     {g, middleware.OnTool("a", g)},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "only stands twice") {
					t.Errorf("%s: got %q, want it to stand twice", name, got)
				}
			}()
			middleware.Wrap(echo, is...)
		}()
	}
}

func TestMergeOfWhatIsOnOneTool(t *testing.T) {
	g, other := middleware.After("g", allowResult), middleware.Before("other", allow)
	on := middleware.OnTool
	type list = []middleware.Interceptor
	for name, tt := range map[string]struct {
		outer, own list
		want       string
	}{
		"two tools":                 {list{on("a", g)}, list{on("b", g)}, `g, "a"; g, "b"`},
		"the same":                  {list{on("a", g), other}, list{on("A", g)}, `g, "a"; other`},
		"all tools inside":          {list{on("a", middleware.Compose(other, g)), on("b", g)}, list{g}, `other, "a"; g`},
		"all tools outside":         {list{g}, list{on("a", middleware.Compose(g, other))}, `g; other, "a"`},
		"one of two":                {list{on("a", g), on("b", g)}, list{on("b", g), on("c", g)}, `g, "a"; g, "b"; g, "c"`},
		"a shadow on all outside":   {list{middleware.Shadow(g)}, list{on("a", g)}, `g, "a"`},
		"a shadow on one outside":   {list{middleware.Shadow(on("a", g))}, list{middleware.Shadow(g)}, `g, shadow`},
		"a shadow on one, and all":  {list{middleware.Shadow(on("a", g))}, list{g}, `g`},
		"streams pass on all":       {list{on("a", g)}, list{middleware.PassThrough(g)}, `g, stream passed through`},
		"a window on all":           {list{on("a", g)}, list{middleware.Window(1, g)}, `g, stream held by a window of 1 bytes`},
		"streams pass on the same":  {list{middleware.PassThrough(on("a", g))}, list{on("a", g)}, `g, "a"`},
		"a shadow on one of two":    {list{middleware.Shadow(on("a", g)), on("b", g)}, list{on("a", g)}, `g, "b"; g, "a"`},
		"for models":                {list{on("a", g)}, list{middleware.On(middleware.KindModel, g)}, `g, "a"`},
		"in what Named names":       {list{middleware.Named("n", on("a", g))}, list{g}, `g`},
		"Named, and on another":     {list{middleware.Named("n", on("a", g))}, list{on("b", g)}, `n, "a"; g, "a"; g, "b"`},
		"what says nothing is kept": {list{on("a", pass)}, list{on("a", pass)}, `middleware_test.pass, "a"; middleware_test.pass, "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			merged := middleware.Merge(middleware.KindTool, tt.outer, tt.own)
			middleware.Wrap(echo, merged...) // does not refuse it
			var got []string
			for _, l := range middleware.Layers(merged...) {
				got = append(got, strings.ReplaceAll(strings.ReplaceAll(l.String(), "calls of the tool ", ""), `" only`, `"`))
			}
			if got := strings.Join(got, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Around a model what is on a tool does nothing, so what is there for all stays.
func TestMergeOfWhatIsOnOneToolForAModel(t *testing.T) {
	g := middleware.Before("g", allow)
	for name, is := range map[string][2]middleware.Interceptor{
		"outside":           {middleware.OnTool("a", g), middleware.On(middleware.KindModel, g)},
		"inside":            {middleware.On(middleware.KindModel, g), middleware.OnTool("a", g)},
		"a shadow for both": {middleware.OnTool("a", g), middleware.Shadow(g)},
	} {
		n := 0
		merged := middleware.Merge(middleware.KindModel, is[:1], is[1:])
		for _, l := range middleware.Layers(merged...) {
			if !strings.Contains(l.String(), "tool") {
				n++
			}
		}
		if n != 1 || len(merged) != 1 {
			t.Errorf("%s: got\n%swant what is for models too, alone", name, middleware.Onion(merged...))
		}
	}
}

func TestReachOfWhatIsOnOneTool(t *testing.T) {
	tool := middleware.KindTool
	g := middleware.Before("g", allow)
	tools := middleware.Reach{What: "Tools", Kinds: []middleware.Kind{tool}, Tools: []string{"rm", "remove"}}
	model := middleware.Reach{What: "Model(m)", Kinds: []middleware.Kind{middleware.KindModel}}
	inside := model
	inside.Inside = []middleware.Guarded{{Kind: middleware.KindTool, Name: "rm", Interceptors: []middleware.Interceptor{middleware.OnTool("rm", g)}}}
	for name, tt := range map[string]struct {
		reach middleware.Reach
		i     middleware.Interceptor
		want  string // in the panic; empty: none
	}{
		"there":               {tools, middleware.OnTool("RM", g), ""},
		"misspelt":            {tools, middleware.OnTool("remov", g), `the gate g has a rule for the tool "remov", which is not there: it would do nothing. The tools are "rm" and "remove"; did you mean "remove"?`},
		"misspelt, by hand":   {tools, middleware.OnTool("remov", pass), `Tools: the interceptor middleware_test.pass has a rule for the tool "remov"`},
		"misspelt, of many":   {tools, middleware.OnTool("remov", middleware.Compose(pass, g)), `did you mean "remove"`},
		"misspelt, Before":    {tools, middleware.BeforeTool("remov", noSudoArgs), `the gate remov gate has a rule for the tool "remov"`},
		"a model":             {model, middleware.OnTool("rm", g), "the gate g is for tool calls, and only model calls come here"},
		"a model, by hand":    {model, middleware.OnTool("rm", pass), "the interceptor middleware_test.pass is for tool calls"},
		"a model, Before":     {model, middleware.BeforeTool("rm", noSudoArgs), "is for tool and plan calls"},
		"there already":       {inside, middleware.OnTool("rm", g), ""},
		"there, but on rm":    {inside, middleware.OnTool("remove", g), "is for tool calls"},
		"there, on all tools": {inside, middleware.On(tool, g), ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				got, _ := recover().(string)
				if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q in it", got, tt.want)
				}
			}()
			tt.reach.Check(tt.i)
		})
	}
}

// Where a gate panicked stands on the trail, what it panicked with does not.
func TestAPanicSaysWhereAndNotWhat(t *testing.T) {
	w := new(watch)
	secret := errors.New("hunter2")
	panics := middleware.BeforeTool("shell", func(context.Context, string) error { panic(secret) })
	_, err := middleware.Wrap(echo, w.Intercept, panics)(t.Context(), kit.Tool("shell", ""))
	d := wantDenied(t, err, "shell gate", middleware.CodeIndeterminate)
	const want = "the gate panicked at ontool_test.go:"
	if !strings.HasPrefix(d.Reason, want) || !strings.Contains(err.Error(), d.Reason) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want %q and not the value", err, want)
	}
	if !errors.Is(err, secret) {
		t.Error("the cause is lost")
	}
	if ds := w.trail.Decisions(); len(ds) != 1 || ds[0].Reason != d.Reason {
		t.Errorf("got %+v on the trail, want the reason %q", ds, d.Reason)
	}
}

func ExampleBeforeTool() {
	pay := middleware.BeforeTool("pay", func(_ context.Context, args string) error {
		var to struct{ Cents int }
		if err := json.Unmarshal([]byte(args), &to); err != nil {
			return middleware.Deny(middleware.CodeBadInput, "the arguments are not JSON")
		}
		if to.Cents > 10_000 {
			return middleware.Deny(middleware.CodePolicy, "more than 100 euros")
		}
		return nil
	})
	agent := middleware.Wrap(planned(
		middleware.ToolCall{Name: "mail", Registered: "mail", Input: "hello"},
		middleware.ToolCall{Name: "pay", Registered: "pay", Input: `{"cents": 2000000}`},
	), pay)
	_, err := agent(context.Background(), middleware.Call{Kind: middleware.KindPlan, Name: "agent"})
	fmt.Println(err)

	tool := middleware.Wrap(shell, pay)
	res, err := tool(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "pay", Input: `{"cents": 999}`})
	fmt.Println(res.Output, err)
	// Output:
	// agent: denied by pay gate: tool call 2, "pay": more than 100 euros (policy)
	// ran {"cents": 999} <nil>
}

// The calls of one tool are timed, those of others are not.
func ExampleOnTool() {
	timed := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			began := time.Now()
			res, err := next(ctx, call)
			fmt.Println(call.Name, "took less than a minute:", time.Since(began) < time.Minute)
			return res, err
		}
	}
	guarded := middleware.Wrap(shell, middleware.OnTool("search", timed))
	for _, tool := range []string{"search", "read"} {
		res, err := guarded(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: tool, Input: tool})
		fmt.Println(res.Output, err)
	}
	// Output:
	// search took less than a minute: true
	// ran search <nil>
	// ran read <nil>
}
