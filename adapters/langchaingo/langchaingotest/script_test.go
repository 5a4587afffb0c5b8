package langchaingotest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// A fakeTB keeps what a test fails with. As of a [testing.T], the line that fails is that
// of the first func which is no helper: where it is not in a test, that is kept too.
type fakeTB struct {
	testing.TB
	mu      sync.Mutex
	helpers map[string]bool
	errors  []string
	cleanup []func()
}

func (f *fakeTB) Helper() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.helpers == nil {
		f.helpers = make(map[string]bool)
	}
	f.helpers[callers(2).Function] = true
}

// callers returns the frame that is so many funcs above.
func callers(skip int, but ...string) runtime.Frame {
	pc := make([]uintptr, 20)
	frames := runtime.CallersFrames(pc[:runtime.Callers(skip+1, pc)])
	for {
		frame, more := frames.Next()
		if !slices.Contains(but, frame.Function) || !more {
			return frame
		}
	}
}

// blame needs f.mu.
func (f *fakeTB) blame() {
	if line := callers(3, slices.Collect(maps.Keys(f.helpers))...); !strings.HasSuffix(line.File, "_test.go") {
		f.errors = append(f.errors, fmt.Sprintf("%s:%d is said to fail", line.File, line.Line))
	}
}

func (f *fakeTB) Cleanup(g func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blame()
	f.cleanup = append(f.cleanup, g)
}

func (f *fakeTB) Error(args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blame()
	f.errors = append(f.errors, fmt.Sprint(args...))
}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blame()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

// end ends the test, and returns what it failed with.
func (f *fakeTB) end() []string {
	for _, g := range slices.Backward(f.cleanup) {
		g()
	}
	return f.errors
}

func ask(ctx context.Context, m llms.Model, prompt string) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt)
}

func TestAScriptThatIsNotFollowedFailsTheTest(t *testing.T) {
	long := strings.Repeat("x", 500)
	for name, tt := range map[string]struct {
		answers []langchaingotest.Answer
		prompts []string
		want    []string // parts of what the test fails with
	}{
		"followed":          {[]langchaingotest.Answer{langchaingotest.Say("a").After(0)}, []string{"p"}, nil},
		"nothing, and none": {nil, nil, nil},
		"never asked": {
			[]langchaingotest.Answer{langchaingotest.Say("a"), langchaingotest.Call("pay", "1")}, []string{"p"},
			[]string{"langchaingotest: model: got 1 requests, want 2: nobody asked for answer 2, a call of pay"},
		},
		"run out": {
			[]langchaingotest.Answer{langchaingotest.Say("a")}, []string{"p", "which " + long},
			[]string{"langchaingotest: model: the script of 1 answers has run out, and request 2 came: its last message is ...\"xxx"},
		},
		"run out, as much as is shown": {
			nil, []string{strings.Repeat("y", 120), "z" + strings.Repeat("y", 120)},
			[]string{` its last message is "yyy`, ` its last message is ..."yyy`},
		},
		"never asked, as much as is shown": {
			[]langchaingotest.Answer{langchaingotest.Say(strings.Repeat("y", 120))}, nil, []string{`y"`},
		},
		"never asked, more": {
			[]langchaingotest.Answer{langchaingotest.Say(strings.Repeat("y", 120) + "z")}, nil, []string{`y"...`},
		},
		"must not be asked": {nil, []string{"p"}, []string{`script of 0 answers has run out, and request 1 came: its last message is "p"`}},
		"always, never asked": {
			[]langchaingotest.Answer{langchaingotest.Say("a"), langchaingotest.Say("b").Always()}, []string{"p"}, nil,
		},
		"always, often": {
			[]langchaingotest.Answer{langchaingotest.Say("a").Always()}, []string{"p", "p", "p"}, nil,
		},
		"before always": {
			[]langchaingotest.Answer{langchaingotest.Fail(errors.New("oh")), langchaingotest.Say("b").Always()}, nil,
			[]string{"got 0 requests, want 2: nobody asked for answer 1, the error oh"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tb := new(fakeTB)
			m := langchaingotest.NewModel(tb, tt.answers...)
			for i, p := range tt.prompts {
				_, err := ask(t.Context(), m, p)
				always := name == "always, often"
				if out := i >= len(tt.answers) && !always; out != (err != nil) {
					t.Errorf("request %d: got error %v", i+1, err)
				}
			}
			got := tb.end()
			if len(got) != len(tt.want) {
				t.Fatalf("the test fails with %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) || len(got[i]) > 300 || strings.HasSuffix(want, `y"`) && !strings.HasSuffix(got[i], want) {
					t.Errorf("the test fails with %q, want %q", got[i], want)
				}
			}
		})
	}
	tb := new(fakeTB)
	tool := langchaingotest.NewTool(tb, "pay", langchaingotest.Say("a"))
	if tool.Left() != 1 {
		t.Errorf("got %d left, want 1", tool.Left())
	}
	if got := tb.end(); len(got) != 1 || !strings.Contains(got[0], `tool pay: got 0 requests, want 1: nobody asked for answer 1, "a"`) {
		t.Errorf("the test fails with %q", got)
	}
	_, err1 := tool.Call(t.Context(), "1")
	_, err2 := tool.Call(t.Context(), "order 18")
	if err1 != nil || err2 == nil || !strings.Contains(err2.Error(), `tool pay: the script of 1 answers has run out, and request 2 came: its input is "order 18"`) {
		t.Errorf("got %v, %v", err1, err2)
	}
}

func TestConstructionPanicsNameWhatToDo(t *testing.T) {
	say := langchaingotest.Say("a")
	for want, f := range map[string]func(){
		"langchaingotest: Fail: nil error":                        func() { langchaingotest.Fail(nil) },
		"langchaingotest: Call: no tool":                          func() { langchaingotest.Call("", "1") },
		"tool calls follow Call or Say":                           func() { langchaingotest.Fail(errors.New("x")).And("pay", "1") },
		`Act("pay", ""): a ReAct agent reads`:                     func() { langchaingotest.Act("pay", "") },
		`Act("pay\nrm", "1")`:                                     func() { langchaingotest.Act("pay\nrm", "1") },
		"Using(-1, 0): negative":                                  func() { say.Using(-1, 0) },
		"Using: follows an answer":                                func() { langchaingotest.Respond(nil).Using(1, 1) },
		"After(-1ns): negative":                                   func() { say.After(-1) },
		"model: answer 1 is for always, and 1 follow it":          func() { langchaingotest.NewModel(nil, say.Always(), say) },
		"NewTool: no name":                                        func() { langchaingotest.NewTool(nil, "") },
		"tool pay: answer 2 is a tool call":                       func() { langchaingotest.NewTool(nil, "pay", say, langchaingotest.Call("x", "1")) },
		"tool pay: answer 1 is a response":                        func() { langchaingotest.NewTool(nil, "pay", langchaingotest.Respond(nil)) },
		"answer 1 is an answer with usage, which only a model gi": func() { langchaingotest.NewTool(nil, "pay", say.Using(1, 1)) },
		"tool web: answer 1 is a tool call":                       func() { langchaingotest.NewTool(nil, "web", say.And("x", "1")) },
		"ToolFunc: no name, or no func":                           func() { langchaingotest.ToolFunc("pay", nil) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.HasPrefix(v, "langchaingotest: ") || !strings.Contains(v, want) {
					t.Errorf("got panic %v, want one with %q", v, want)
				}
			}()
			f()
		})
	}
}

// Both agents of langchaingo's understand the script, guarded and not.
func TestTheAgentsUnderstandTheScript(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []langchaingotest.Answer
		agent   func(llms.Model, []tools.Tool) agents.Agent
	}{
		"functions": {
			[]langchaingotest.Answer{langchaingotest.Call("pay", "a \"b\""), langchaingotest.Call("pay", `{"to":"Ann"}`), langchaingotest.Say("done")},
			func(m llms.Model, ts []tools.Tool) agents.Agent { return agents.NewOpenAIFunctionsAgent(m, ts) },
		},
		"ReAct": {
			[]langchaingotest.Answer{langchaingotest.Act("pay", "a \"b\""), langchaingotest.Act("pay", `{"to":"Ann"}`), langchaingotest.Finish("done")},
			func(m llms.Model, ts []tools.Tool) agents.Agent { return agents.NewOneShotAgent(m, ts) },
		},
		"conversational": {
			[]langchaingotest.Answer{langchaingotest.Act("pay", "a \"b\""), langchaingotest.Act("pay", `{"to":"Ann"}`), langchaingotest.Say("AI:done")},
			func(m llms.Model, ts []tools.Tool) agents.Agent { return agents.NewConversationalAgent(m, ts) },
		},
	} {
		for _, guarded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, guarded %v", name, guarded), func(t *testing.T) {
				pay := langchaingotest.NewTool(t, "pay", langchaingotest.Say("one"), langchaingotest.Say("two"))
				model := langchaingotest.NewModel(t, tt.answers...)
				executor := agents.NewExecutor(tt.agent(model, []tools.Tool{pay}))
				var run chains.Chain = executor
				if guarded {
					run = langchaingo.Executor(executor, gates.Tools("pay"))
				}
				out, err := chains.Call(t.Context(), run, map[string]any{"input": "q", "history": ""})
				if err != nil || out["output"] != "done" {
					t.Errorf("got %v, %v", out, err)
				}
				if want := []string{`a "b"`, `{"to":"Ann"}`}; !slices.Equal(pay.Inputs(), want) {
					t.Errorf("the tool got %q, want %q", pay.Inputs(), want)
				}
				if last := model.Requests()[2].Last(); !strings.Contains(last, "two") {
					t.Errorf("the last message is %q, without what the tool said", last)
				}
			})
		}
	}
}

func TestUsageIsReportedAndElseIsNot(t *testing.T) {
	for _, tt := range []struct {
		answer langchaingotest.Answer
		denied bool
	}{
		{langchaingotest.Say("a").Using(40, 5), true},
		{langchaingotest.Say("a").Using(4, 5), false},
		{langchaingotest.Say("a").Using(0, 0), false}, // as clients say where they do not know
		{langchaingotest.Say("a"), false},             // the estimate is charged, of 1 token and the prompt
	} {
		budget := gates.Budget(gates.Limits{Scope: gates.ScopeProcess, Tokens: 40, Estimate: 1})
		m := langchaingo.Model(langchaingotest.NewModel(nil, tt.answer, langchaingotest.Say("b").Using(1, 1)), budget)
		_, _ = ask(t.Context(), m, "p") // what it spends counts
		_, err := ask(t.Context(), m, "p")
		if (err != nil) != tt.denied {
			t.Errorf("got %v after an answer, want a denial: %v", err, tt.denied)
		}
	}
	res, err := langchaingotest.NewModel(t, langchaingotest.Say("a")).GenerateContent(t.Context(), nil)
	if err != nil || res.Choices[0].GenerationInfo != nil {
		t.Errorf("got %v, %v, want no usage", res.Choices[0].GenerationInfo, err)
	}
}

func TestStreams(t *testing.T) {
	stop := errors.New("enough")
	m := langchaingotest.NewModel(t,
		langchaingotest.Say("a", "b").And("pay", "1"),
		langchaingotest.Say("a", "b"),
		langchaingotest.Say("a", "b"),
		langchaingotest.Say("a", "b"),
		langchaingotest.Respond(&llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: "raw"}}}),
	)
	var got []string
	keep := llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
		got = append(got, string(chunk))
		return nil
	})
	res, err := m.GenerateContent(t.Context(), nil, keep)
	delta := `[{"id":"call_1","type":"function","function":{"name":"pay","arguments":"{\"__arg1\":\"1\"}"}}]`
	if want := []string{"a", "b", delta}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if c := res.Choices[0]; c.Content != "ab" || c.StopReason != "tool_calls" || len(c.ToolCalls) != 1 || c.FuncCall != c.ToolCalls[0].FunctionCall {
		t.Errorf("got %+v", c)
	}
	got = nil
	_, err = m.GenerateContent(t.Context(), nil, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
		got = append(got, string(chunk))
		return stop
	}))
	if !errors.Is(err, stop) || len(got) != 1 {
		t.Errorf("got %q, %v, want one chunk and the caller's error", got, err)
	}
	got = nil
	_, err = m.GenerateContent(t.Context(), nil, llms.WithStreamingReasoningFunc(func(_ context.Context, _, chunk []byte) error {
		got = append(got, string(chunk))
		return nil
	}))
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = m.GenerateContent(t.Context(), nil, llms.WithStreamingReasoningFunc(func(context.Context, []byte, []byte) error { return stop }))
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the caller's error", err)
	}
	got = nil
	if _, err = m.GenerateContent(t.Context(), nil, keep); err != nil || !slices.Equal(got, []string{"raw"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The adapter takes what is streamed for a piece of a tool call, as it does with
// langchaingo's client of openai.
func TestToolCallsInAStreamAreNoText(t *testing.T) {
	var chunks []middleware.Chunk
	m := langchaingo.Model(langchaingotest.NewModel(t, langchaingotest.Call("pay", "1")), func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			call.Stream = func(_ context.Context, chunk middleware.Chunk) error {
				chunks = append(chunks, chunk)
				return nil
			}
			return next(ctx, call)
		}
	})
	_, err := m.GenerateContent(t.Context(), nil,
		llms.WithFunctions([]llms.FunctionDefinition{{Name: "pay"}}),
		llms.WithStreamingFunc(func(context.Context, []byte) error { return nil }))
	if err != nil || len(chunks) != 1 || chunks[0].ToolCall == nil || chunks[0].Text != nil {
		t.Errorf("got chunks %+v, %v, want one of a tool call", chunks, err)
	}
}

func TestDelaysHonourTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := langchaingotest.NewModel(t, langchaingotest.Say("a").After(time.Hour), langchaingotest.Say("b").After(time.Hour))
		began := time.Now()
		if got, err := ask(t.Context(), m, "p"); got != "a" || err != nil || time.Since(began) != time.Hour {
			t.Errorf("got %q, %v after %v, want it after an hour", got, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		if _, err := ask(ctx, m, "p"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("got %v after %v, want the deadline after a minute", err, time.Since(began))
		}
		tool := langchaingotest.NewTool(t, "pay", langchaingotest.Say("a").After(time.Hour), langchaingotest.Fail(errors.New("no")))
		if _, err := tool.Call(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		if _, err := tool.Call(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline before the error", err)
		}
	})
}

func TestConcurrentRequestsGetOneAnswerEach(t *testing.T) {
	var answers []langchaingotest.Answer
	for i := range 50 {
		answers = append(answers, langchaingotest.Say(fmt.Sprint(i)))
	}
	m, tool := langchaingotest.NewModel(t, answers...), langchaingotest.NewTool(t, "pay", answers...)
	var mu sync.Mutex
	got := make(map[string]int)
	var wg sync.WaitGroup
	for range answers {
		wg.Go(func() {
			a, err1 := ask(t.Context(), m, "p")
			b, err2 := tool.Call(t.Context(), "p")
			if err := errors.Join(err1, err2); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[a]++
			got[b]++
		})
	}
	wg.Wait()
	for i := range answers {
		if got[fmt.Sprint(i)] != 2 {
			t.Errorf("answer %d was given %d times, want 2", i, got[fmt.Sprint(i)])
		}
	}
	for range 2 {
		if len(m.Requests()) != 50 || len(tool.Inputs()) != 50 || m.Left() != 0 {
			t.Errorf("got %d requests, %d inputs, %d left", len(m.Requests()), len(tool.Inputs()), m.Left())
		}
	}
}

// Answers can be built on without changing one another.
func TestAnswersAreValues(t *testing.T) {
	one := langchaingotest.Call("a", "1")
	two, three := one.And("b", "2"), one.And("c", "3")
	m := langchaingotest.NewModel(t, one, two, three)
	for i, want := range []string{"call_1 a", "call_2 a call_3 b", "call_4 a call_5 c"} {
		res, err := m.GenerateContent(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range res.Choices[0].ToolCalls {
			names = append(names, c.ID, c.FunctionCall.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("answer %d asks for %q, want %q", i+1, got, want)
		}
	}
}

func TestArgumentsAreJSONObjects(t *testing.T) {
	for arguments, want := range map[string]string{
		`{"to": "Ann"}`: `{"to": "Ann"}`,
		`{}`:            `{}`,
		`15 * 4`:        `{"__arg1":"15 * 4"}`,
		`60`:            `{"__arg1":"60"}`,
		`null`:          `{"__arg1":"null"}`,
		``:              `{"__arg1":""}`,
		`{"to": `:       `{"__arg1":"{\"to\": "}`,
	} {
		res, err := langchaingotest.NewModel(t, langchaingotest.Call("pay", arguments)).GenerateContent(t.Context(), nil)
		if err != nil || res.Choices[0].FuncCall.Arguments != want {
			t.Errorf("%s: got %v, %v, want %s", arguments, res.Choices[0].FuncCall, err, want)
		}
	}
}
