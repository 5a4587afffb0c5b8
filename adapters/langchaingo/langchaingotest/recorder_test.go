package langchaingotest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// host is a gate that denies web pages of other hosts.
var host = middleware.ToolCalls("host", func(_ context.Context, call middleware.ToolCall) error {
	if call.Tool() == "web" && !strings.Contains(call.Input, "good.example") {
		return middleware.Deny(middleware.CodePolicy, "that host is not for agents")
	}
	return nil
})

// approved is a gate that allows pay alone.
var approved = middleware.On(middleware.KindTool, middleware.Before("approval", func(_ context.Context, call middleware.Call) error {
	if call.Name == "rm" {
		return middleware.Deny(middleware.CodeApproval, "nobody said yes")
	}
	return nil
}))

// happen runs an agent with the tools approve, pay, web and rm, and returns what
// happened.
func happen(t *testing.T, answers []langchaingotest.Answer, is ...middleware.Interceptor) *langchaingotest.Recorder {
	t.Helper()
	happened := new(langchaingotest.Recorder)
	var ts []tools.Tool
	for _, name := range []string{"approve", "pay", "web", "rm", "refund"} {
		ts = append(ts, langchaingotest.NewTool(nil, name, langchaingotest.Say("yes").Always()))
	}
	model := langchaingotest.NewModel(nil, answers...)
	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, ts)),
		append([]middleware.Interceptor{happened.Intercept}, is...)...)
	_, _ = chains.Run(t.Context(), agent, "q") // what comes of it is what the recorder says
	return happened
}

func script(answers ...langchaingotest.Answer) []langchaingotest.Answer { return answers }

func TestAssertions(t *testing.T) {
	call := langchaingotest.Call
	good := happen(t, script(
		call("approve", "17"), call("pay", "17"), call("pay", "18").And("web", "https://evil.example"), call("rm", "/"), langchaingotest.Say("done"),
	), middleware.Tell, host, approved)
	twice := happen(t, script(call("pay", "1"), call("approve", "1"), call("pay", "2"), langchaingotest.Say("done")), middleware.Tell, host, approved)
	budget := happen(t, script(call("pay", "1").And("web", "https://good.example")), gates.Budget(gates.Limits{ToolCalls: 1}))
	madeUp := happen(t, script(call("invented", "1"), langchaingotest.Say("done")), approved)
	again := happen(t, script(call("rm", "1"), call("rm", "2"), langchaingotest.Say("done")), middleware.Tell, approved)
	none := new(langchaingotest.Recorder)
	for name, tt := range map[string]struct {
		assert func(testing.TB)
		want   string // what it fails with; empty where it holds
	}{
		"the sentence": {func(tb testing.TB) {
			good.Called(tb, "pay").Once().After("approve").AllowedBy("approval").With("17")
			good.Denied(tb, "web").Once().By("host").Code(middleware.CodePolicy).Because("not for agents")
			good.Denied(tb, "rm").By("approval").Code(middleware.CodeApproval)
			good.NotCalled(tb, "web")
			good.NotCalled(tb, "rm")
			good.NotCalled(tb, "refund") // the model was offered it
			madeUp.NotCalled(tb, "invented")
			budget.NotCalled(tb, "pay")
		}, ""},
		"never called":       {func(tb testing.TB) { good.Called(tb, "web").Once().After("approve") }, "called web: got no call that ran, want one; this happened:\n  1 chain"},
		"called twice":       {func(tb testing.TB) { twice.Called(tb, "pay").Once().After("approve") }, "called pay: got 2 calls, want 1; this"},
		"times":              {func(tb testing.TB) { twice.Called(tb, "pay").Times(2).With("2").Once() }, ""},
		"too few":            {func(tb testing.TB) { good.Called(tb, "pay").Times(2) }, "called pay: got 1 call, want 2; this"},
		"too early":          {func(tb testing.TB) { twice.Called(tb, "pay").After("approve") }, "called pay after approve: call 1 of it began before any call of approve was done; this"},
		"late enough":        {func(tb testing.TB) { twice.Called(tb, "pay").With("2").After("approve") }, ""},
		"after what denied":  {func(tb testing.TB) { good.Called(tb, "pay").After("rm") }, "called pay after rm: call 1 of it began"},
		"after a gate":       {func(tb testing.TB) { good.Called(tb, "pay").After("approval") }, "approval is a gate, which AllowedBy asks about"},
		"other input":        {func(tb testing.TB) { twice.Called(tb, "pay").With("3").Once() }, `called pay with "3": got "1", "2"; this`},
		"other gate allowed": {func(tb testing.TB) { good.Called(tb, "pay").AllowedBy("hosts") }, "called pay allowed by hosts: call 1 of it was not allowed by that gate; this"},
		"not denied":         {func(tb testing.TB) { good.Denied(tb, "pay").By("host") }, "denied pay: got no denial of it, want one; this"},
		"other gate":         {func(tb testing.TB) { good.Denied(tb, "web").By("budget") }, "denied web by budget: got host; this"},
		"other code":         {func(tb testing.TB) { good.Denied(tb, "web").Code(middleware.CodeBusy) }, "denied web with code busy: got policy; this"},
		"other reason":       {func(tb testing.TB) { good.Denied(tb, "web").Because("rain") }, `denied web because "rain": got "tool call 2, \"web\": that host is not for agents"; this`},
		"denied once":        {func(tb testing.TB) { good.Denied(tb, "web").Times(2) }, "denied web: got 1 call, want 2; this"},
		"denied again":       {func(tb testing.TB) { again.Denied(tb, "rm").Once() }, "denied rm: got 2 calls, want 1; this"},
		"called all the same": {func(tb testing.TB) { good.NotCalled(tb, "pay") },
			"not called pay: got 1 call, want none; this"},
		"misspelt":            {func(tb testing.TB) { good.NotCalled(tb, "remove") }, "not called remove: nothing that happened names it: is it misspelt?; this"},
		"a whole turn":        {func(tb testing.TB) { budget.Denied(tb, "pay").By("budget"); budget.Denied(tb, "web").By("budget") }, ""},
		"not of the turn":     {func(tb testing.TB) { budget.Denied(tb, "rm") }, "denied rm: got no denial"},
		"not its own":         {func(tb testing.TB) { budget.Denied(tb, "Executor") }, "denied Executor: got no denial"},
		"nothing denied":      {func(tb testing.TB) { twice.NothingDenied(tb) }, ""},
		"something denied":    {func(tb testing.TB) { good.NothingDenied(tb) }, "nothing denied: got 2 calls that were, want none; this"},
		"never reached":       {func(tb testing.TB) { none.Called(tb, "pay") }, "this happened:\n    nothing: no call passed Intercept"},
		"never reached, none": {func(tb testing.TB) { none.NotCalled(tb, "pay") }, "nothing that happened names it"},
		"never reached, all":  {func(tb testing.TB) { none.NothingDenied(tb) }, "nothing denied: no call passed Intercept; this"},
	} {
		t.Run(name, func(t *testing.T) {
			tb := new(fakeTB)
			tt.assert(tb)
			got := strings.Join(tb.end(), "\n---\n")
			if len(tb.errors) > 1 || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("it fails with\n%s\nwant one failure with\n%s", got, tt.want)
			}
			if tt.want != "" && !strings.Contains(got, "this happened:\n") {
				t.Errorf("the trail is not printed:\n%s", got)
			}
		})
	}
}

// A call of another run does not count.
func TestAfterIsAboutOneRun(t *testing.T) {
	var happened langchaingotest.Recorder
	for _, name := range []string{"approve", "pay"} {
		tool := langchaingo.Tool(langchaingotest.NewTool(t, name, langchaingotest.Say("yes")), happened.Intercept)
		if _, err := tool.Call(t.Context(), "1"); err != nil {
			t.Fatal(err)
		}
	}
	tb := new(fakeTB)
	happened.Called(tb, "pay").After("approve")
	if len(tb.errors) != 1 {
		t.Errorf("got %q, want one failure", tb.errors)
	}

	// The first run is as it should be, and the second is not.
	var both langchaingotest.Recorder
	for _, answers := range [][]langchaingotest.Answer{
		script(langchaingotest.Call("approve", "1"), langchaingotest.Call("pay", "1"), langchaingotest.Say("done")),
		script(langchaingotest.Call("pay", "2"), langchaingotest.Say("done")),
	} {
		ts := []tools.Tool{
			langchaingotest.NewTool(nil, "approve", langchaingotest.Say("yes")), langchaingotest.NewTool(nil, "pay", langchaingotest.Say("yes")),
		}
		agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(langchaingotest.NewModel(t, answers...), ts)), both.Intercept)
		if _, err := chains.Run(t.Context(), agent, "q"); err != nil {
			t.Fatal(err)
		}
	}
	tb = new(fakeTB)
	both.Called(tb, "pay").Times(2).After("approve")
	if len(tb.errors) != 1 || !strings.Contains(tb.errors[0], "call 2 of it began before") {
		t.Errorf("got %q, want one failure about the second call", tb.errors)
	}
}

// A denial is that of the call whose gate made it, also of one without a name, and not
// of the calls around it.
func TestADenialBelongsToOneCall(t *testing.T) {
	var happened langchaingotest.Recorder
	unnamed := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if call.Input == "inner" {
				return middleware.Result{}, middleware.Deny(middleware.CodePolicy, "no")
			}
			return next(ctx, call)
		}
	}
	var pay tools.Tool
	pay = langchaingo.Tool(langchaingotest.ToolFunc("pay", func(ctx context.Context, _ string) (string, error) {
		return pay.Call(ctx, "inner")
	}), happened.Intercept, unnamed)
	if _, err := pay.Call(t.Context(), "outer"); err == nil {
		t.Error("got no denial")
	}
	happened.Denied(t, "pay").Once().Because("no")
	entries := happened.Entries()
	if len(entries) != 2 || entries[0].Outcome != langchaingotest.OutcomeFailed || entries[1].Outcome != langchaingotest.OutcomeDenied {
		t.Errorf("got\n%s", &happened)
	}
}

// A gate may say of what it denies that it is of another call: it denied this one all the
// same.
func TestADenialIsOfTheCallWhoseGateMadeIt(t *testing.T) {
	var happened langchaingotest.Recorder
	gate := middleware.Before("g", func(context.Context, middleware.Call) error {
		return &middleware.DeniedError{Gate: "g", Call: "another", Code: middleware.CodePolicy, Reason: "no"}
	})
	if _, err := langchaingo.Tool(langchaingotest.NewTool(t, "pay"), happened.Intercept, gate).Call(t.Context(), "1"); err == nil {
		t.Error("got no denial")
	}
	happened.Denied(t, "pay").Once().By("g")
}

// A turn that was denied as a whole is one of what its own model asked for at last,
// through whatever chains, and no turn around it.
func TestATurnAskedForWhatItsOwnModelDid(t *testing.T) {
	var happened langchaingotest.Recorder
	deny := middleware.After("g", func(_ context.Context, call middleware.Call, _ middleware.Result) error {
		if call.Kind == middleware.KindPlan {
			return middleware.Deny(middleware.CodePolicy, "not today")
		}
		return nil
	})
	type calls []func(context.Context) // within another
	call := func(kind middleware.Kind, name, asks string, within calls) func(context.Context) {
		h := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			for _, c := range within {
				c(ctx)
			}
			if kind != middleware.KindModel {
				return middleware.Result{}, nil
			}
			choice := middleware.Choice{Text: asks}
			return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{choice}}}, nil
		}, happened.Intercept, deny)
		return func(ctx context.Context) { _, _ = h(ctx, middleware.Call{Kind: kind, Name: name}) } // the recorder says what came of it
	}
	call(middleware.KindPlan, "outer", "", calls{
		call(middleware.KindModel, "m", "Action: pay", nil),
		call(middleware.KindPlan, "inner", "", calls{
			call(middleware.KindChain, "c", "", calls{call(middleware.KindModel, "m", "Action: rm", nil)}),
		}),
	})(t.Context())
	for _, name := range []string{"pay", "rm"} {
		happened.Denied(t, name).Once().By("g")
	}
}

// What a model asks for is known by its name, as what a denial names is.
func TestNotCalledKnowsWhatWasNamed(t *testing.T) {
	var happened langchaingotest.Recorder
	m := langchaingo.Model(langchaingotest.NewModel(t, langchaingotest.Call("pay", "1")), happened.Intercept)
	if _, err := m.GenerateContent(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	happened.NotCalled(t, "pay")
}

// What a shadow would deny is not denied, though the gate denied a call within.
func TestAShadowsDenialIsNoDenial(t *testing.T) {
	var happened langchaingotest.Recorder
	gate := middleware.Before("g", func(context.Context, middleware.Call) error { return middleware.Deny(middleware.CodePolicy, "no") })
	inner := langchaingo.Tool(langchaingotest.NewTool(t, "inner"), happened.Intercept, gate)
	outer := langchaingo.Tool(langchaingotest.ToolFunc("outer", inner.Call), happened.Intercept, middleware.Shadow(gate))
	if _, err := outer.Call(t.Context(), "x"); err == nil {
		t.Error("got no denial")
	}
	happened.Denied(t, "inner").Once().By("g")
	happened.Called(t, "outer").Once()
	if e := happened.Entries()[0]; e.Outcome != langchaingotest.OutcomeFailed || e.Denial != nil {
		t.Errorf("got\n%s", &happened)
	}
}

func TestTheTrailSaysWhatCameOfEachCall(t *testing.T) {
	boom := errors.New("boom")
	var happened langchaingotest.Recorder
	var cancel context.CancelFunc // of the call under way
	withhold := middleware.After("secrets", func(_ context.Context, call middleware.Call, _ middleware.Result) error {
		if call.Name == "leak" {
			return middleware.Deny(middleware.CodeBadOutput, "a secret")
		}
		return nil
	})
	other := middleware.Transform("rewrite", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
		if call.Name == "rewritten" {
			call.Input = "safe"
			return call, true, nil
		}
		return call, false, nil
	})
	hide := middleware.Interceptor(func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if call.Name == "hidden" {
				return middleware.Result{}, boom
			}
			return res, err
		}
	})
	fine := func(context.Context, string) (string, error) { return "ok", nil }
	for _, name := range []string{"good", "leak"} {
		_, _ = langchaingo.Tool(langchaingotest.ToolFunc(name, fine), happened.Intercept, middleware.Shadow(withhold)).Call(t.Context(), "in")
	}
	for _, tt := range []struct {
		name string
		f    func(context.Context, string) (string, error)
	}{
		{"leak", func(context.Context, string) (string, error) { return "s3cret", nil }},
		{"broken", func(context.Context, string) (string, error) { return "", boom }},
		{"panics", func(context.Context, string) (string, error) { panic("no") }},
		{"rewritten", func(_ context.Context, in string) (string, error) { return in, nil }},
		{"cancelled", func(ctx context.Context, _ string) (string, error) { cancel(); return "", ctx.Err() }},
		{"hidden", func(ctx context.Context, _ string) (string, error) { cancel(); return "", ctx.Err() }},
	} {
		var ctx context.Context
		ctx, cancel = context.WithCancel(t.Context())
		_, _ = langchaingo.Tool(langchaingotest.ToolFunc(tt.name, tt.f), happened.Intercept, hide, other, withhold).Call(ctx, "in")
		cancel()
	}
	want := `  1 tool good("in"): done: "ok"
  2 tool leak("in"): done: "ok" [secrets (a shadow) would deny]
  3 tool leak("in"): denied by secrets: a secret (bad_output), after it ran [allowed by rewrite]
  4 tool broken("in"): failed: boom [allowed by rewrite]
  5 tool panics("in"): failed: tool panics panicked [allowed by rewrite]
  6 tool rewritten("in"): done: "safe" [allowed by rewrite, secrets]
  7 tool cancelled("in"): cancelled: context canceled [allowed by rewrite]
  8 tool hidden("in"): failed: boom [allowed by rewrite]
`
	if got := happened.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	happened.Called(t, "leak").Times(2) // it ran, and was denied once
	happened.Denied(t, "leak").Once().By("secrets")
	happened.Called(t, "rewritten").With("safe")
	if e := happened.Entries()[5]; e.Input != "in" || e.RanWith != "safe" || e.Outcome != langchaingotest.OutcomeDone || e.Output != "safe" {
		t.Errorf("got %+v", e)
	}
}

// A ReAct agent is followed as one with tool calls is.
func TestTheRecorderReadsReAct(t *testing.T) {
	var happened langchaingotest.Recorder
	pay := langchaingotest.NewTool(t, "pay") // must never run
	model := langchaingotest.NewModel(t, langchaingotest.Act("pay", "1"))
	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{pay})),
		happened.Intercept, middleware.After("late", func(_ context.Context, call middleware.Call, _ middleware.Result) error {
			if call.Kind == middleware.KindPlan {
				return middleware.Deny(middleware.CodePolicy, "not today")
			}
			return nil
		}))
	if _, err := chains.Run(t.Context(), agent, "q"); err == nil {
		t.Error("got no denial")
	}
	happened.Denied(t, "pay").Once().By("late")
	happened.NotCalled(t, "pay")
}

func TestTheRecorderTakesOddResponses(t *testing.T) {
	for _, res := range []*llms.ContentResponse{nil, {}, {Choices: []*llms.ContentChoice{nil}}} {
		var happened langchaingotest.Recorder
		model := langchaingo.Model(langchaingotest.NewModel(t, langchaingotest.Respond(res)), happened.Intercept)
		pass := llms.WithStreamingFunc(func(context.Context, []byte) error { return nil })
		if _, err := model.GenerateContent(t.Context(), nil, pass); err != nil {
			t.Errorf("%v: %v", res, err)
		}
		happened.Called(t, "langchaingotest.Model").Once()
		happened.NothingDenied(t)
	}
}

func TestTheRecorderStandsOutside(t *testing.T) {
	var happened langchaingotest.Recorder
	defer func() {
		if v, ok := recover().(string); !ok || !strings.Contains(v, "langchaingotest.Recorder") {
			t.Errorf("got panic %v, want one that names the recorder", v)
		}
	}()
	langchaingo.Tool(langchaingotest.NewTool(nil, "web"), host, happened.Intercept)
}

func TestTheRecorderIsAGoodInterceptor(t *testing.T) {
	if err := middlewaretest.TestInterceptor(func() middleware.Interceptor { return new(langchaingotest.Recorder).Intercept }); err != nil {
		t.Error(err)
	}
}

func TestTheRecorderIsSafeForConcurrentUse(t *testing.T) {
	var happened langchaingotest.Recorder
	tool := langchaingo.Tool(langchaingotest.NewTool(t, "pay", langchaingotest.Say("yes").Always()), happened.Intercept)
	model := langchaingo.Model(langchaingotest.NewModel(t, langchaingotest.Say("yes").Always()), happened.Intercept)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := tool.Call(t.Context(), "1"); err != nil {
				t.Error(err)
			}
			if _, err := llms.GenerateFromSinglePrompt(t.Context(), model, "p"); err != nil {
				t.Error(err)
			}
			_ = happened.String()
			happened.Called(t, "pay")
		})
	}
	wg.Wait()
	happened.Called(t, "pay").Times(20)
}
