package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

// A speaker is a model that gives one answer after the other.
type speaker struct {
	mu       sync.Mutex
	answers  []string // "tool" asks for one
	requests []*middleware.ModelRequest
}

func (s *speaker) answer(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, call.Input.(*middleware.ModelRequest))
	if len(s.requests) > len(s.answers) {
		return middleware.Result{}, errors.New("the model has nothing more to say")
	}
	choice := middleware.Choice{Text: s.answers[len(s.requests)-1]}
	if choice.Text == "tool" {
		choice = middleware.Choice{ToolCalls: []middleware.ToolCall{{Name: "search"}}}
	}
	if call.Stream != nil {
		if err := call.Stream(ctx, middleware.Chunk{Text: []byte(choice.Text)}); err != nil {
			return middleware.Result{}, err
		}
	}
	return middleware.Result{
		Output: &middleware.ModelResponse{Choices: []middleware.Choice{choice}},
		Usage:  &middleware.Usage{InputTokens: 10, OutputTokens: 1, Reported: true},
	}, nil
}

// last returns the texts of the messages of the last request, with their roles.
func (s *speaker) last() []string {
	var texts []string
	for _, m := range s.requests[len(s.requests)-1].Messages {
		texts = append(texts, m.Role+": "+m.Parts[0].Text)
	}
	return texts
}

// model is the speaker's model, guarded.
func (s *speaker) model(is ...middleware.Interceptor) middleware.Handler {
	return middleware.Wrap(s.answer, is...)
}

// ask has a model say something, within ctx's call.
func ask(ctx context.Context, model middleware.Handler) (*middleware.ModelResponse, error) {
	return stream(ctx, model, nil)
}

// stream is ask with a Stream.
func stream(ctx context.Context, model middleware.Handler, to middleware.Stream) (*middleware.ModelResponse, error) {
	call := middlewaretest.Model("What is the risk?")
	call.Stream = to
	res, err := model(ctx, call)
	if err != nil {
		return nil, err
	}
	return res.Output.(*middleware.ModelResponse), nil
}

// chain is a chain that asks the model once, guarded.
func (s *speaker) chain(is ...middleware.Interceptor) middleware.Handler {
	model := s.model(is...)
	return middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := stream(ctx, model, call.Stream)
		if err != nil {
			return middleware.Result{}, err
		}
		return middleware.Result{Output: map[string]any{"text": res.Choices[0].Text}}, nil
	}, is...)
}

// agent is a chain that runs an agent, guarded as an Executor guards it. The
// final answer is what follows "Final:".
func (s *speaker) agent(is ...middleware.Interceptor) middleware.Handler {
	model := s.model(is...)
	tool := middleware.Wrap(returns("found"), is...)
	plan := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := stream(ctx, model, call.Stream)
		if err != nil {
			return middleware.Result{}, err
		}
		if calls := res.Choices[0].ToolCalls; calls != nil {
			return middleware.Result{Output: &middleware.Plan{ToolCalls: calls}}, nil
		}
		_, final, ok := strings.Cut(res.Choices[0].Text, "Final:")
		if !ok {
			return middleware.Result{}, errors.New("the answer cannot be parsed")
		}
		return middleware.Result{Output: &middleware.Plan{Final: map[string]any{"output": final}}}, nil
	}, is...)
	return middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for range 5 {
			turn := middlewaretest.Plan()
			turn.Stream = call.Stream
			res, err := plan(ctx, turn)
			if err != nil {
				return middleware.Result{}, err
			}
			p := res.Output.(*middleware.Plan)
			if p.Final != nil {
				return middleware.Result{Output: p.Final}, nil
			}
			if _, err := tool(ctx, middlewaretest.Tool("search", "{}")); err != nil {
				return middleware.Result{}, err
			}
		}
		return middleware.Result{}, errors.New("the agent does not finish")
	}, is...)
}

// A ledger keeps what becomes of calls, one line each, in the order in which
// they end: "1/2 model: deny bad_output, denied".
type ledger struct {
	mu    sync.Mutex
	lines []string
	whys  []string
}

func (l *ledger) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "ledger", Recorder: true, ID: l}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		trail := middleware.Observe(ctx)
		res, err := next(ctx, call)
		outcome := "done"
		if err != nil {
			outcome = "failed"
			if d, ok := errors.AsType[*middleware.DeniedError](err); ok {
				outcome = "denied by " + d.Gate
			}
		} else if _, ok := res.Output.(middleware.Observation); ok {
			outcome = "told"
		}
		line := fmt.Sprintf("%v/%v %s:", call.Parent, call.ID, call.Kind)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, d := range trail.Decisions() {
			if d.Gate != "schema.output" {
				continue
			}
			if d.Shadow {
				line += " shadow"
			}
			line += strings.TrimRight(" "+d.Verdict.String()+" "+string(d.Code), " ") + ","
			l.whys = append(l.whys, d.Reason)
		}
		l.lines = append(l.lines, line+" "+outcome)
		return res, err
	}
}

const (
	prose     = "The risk is low, says hunter2."
	notJSON   = "does not satisfy the schema verdict: the value must be JSON (byte 0)"
	askedOnce = "asked again, 1 time: "
)

func TestReask(t *testing.T) {
	type speak = func(*speaker, ...middleware.Interceptor) middleware.Handler
	model, chain, agent := (*speaker).model, (*speaker).chain, (*speaker).agent
	ask := middleware.Call{Kind: middleware.KindChain, Name: "run"}
	for _, tc := range []struct {
		name    string
		speak   speak
		answers []string
		calls   []string
		output  string // or, if empty, the denial is schema.output's, for the reason:
		reason  string
	}{
		{"model, good at once", model, []string{goodVerdict},
			[]string{"0/1 model: allow, done"}, goodVerdict, ""},
		{"model, good then", model, []string{prose, goodVerdict},
			[]string{"1/2 model: allow, done", "0/1 model: transform bad_output, done"}, goodVerdict, ""},
		{"model, good in the end", model, []string{prose, badVerdict, goodVerdict},
			[]string{"1/2 model: deny bad_output, denied by schema.output", "1/3 model: allow, done", "0/1 model: transform bad_output, done"}, goodVerdict, ""},
		{"model, never good", model, []string{prose, prose, badVerdict},
			[]string{"1/2 model: deny bad_output, denied by schema.output", "1/3 model: deny bad_output, denied by schema.output", "0/1 model: transform bad_output, deny bad_output, denied by schema.output"}, "", "choice 1 " + badRisk},

		{"chain, good at once", chain, []string{goodVerdict},
			[]string{"1/2 model: done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"chain, good then", chain, []string{prose, goodVerdict},
			[]string{"1/2 model: done", "3/4 model: transform, done", "1/3 chain: allow, done", "0/1 chain: transform bad_output, done"}, goodVerdict, ""},
		{"chain, never good", chain, []string{prose, prose, prose},
			[]string{"1/2 model: done", "3/4 model: transform, done", "1/3 chain: deny bad_output, denied by schema.output", "5/6 model: transform, done", "1/5 chain: deny bad_output, denied by schema.output", "0/1 chain: transform bad_output, deny bad_output, denied by schema.output"}, "", "the output " + notJSON},

		{"agent, good at once", agent, []string{"Final:" + goodVerdict},
			[]string{"2/3 model: done", "1/2 plan: allow, done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"agent, good after a tool", agent, []string{"tool", "Final:" + prose, "Final:" + goodVerdict},
			[]string{"2/3 model: done", "1/2 plan: done", "1/4 tool: done", "5/6 model: done", "7/8 model: transform, done", "5/7 plan: allow, done", "1/5 plan: transform bad_output, done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"agent, goes on with tools", agent, []string{"Final:" + prose, "tool", "Final:" + goodVerdict},
			[]string{"2/3 model: done", "4/5 model: transform, done", "2/4 plan: done", "1/2 plan: transform bad_output, done", "1/6 tool: done", "7/8 model: done", "1/7 plan: allow, done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"agent, never good", agent, []string{"Final:" + prose, "Final:" + prose, "Final:" + badVerdict},
			[]string{"2/3 model: done", "4/5 model: transform, done", "2/4 plan: deny bad_output, denied by schema.output", "6/7 model: transform, done", "2/6 plan: deny bad_output, denied by schema.output", "1/2 plan: transform bad_output, done", "0/1 chain: deny bad_output, denied by schema.output"}, "", "the output " + badRisk},
		{"agent, twice in a run", agent, []string{"Final:" + prose, "tool", "Final:" + prose, "Final:" + prose},
			[]string{"2/3 model: done", "4/5 model: transform, done", "2/4 plan: done", "1/2 plan: transform bad_output, done", "1/6 tool: done", "7/8 model: done", "9/10 model: transform, done", "7/9 plan: deny bad_output, denied by schema.output", "1/7 plan: transform bad_output, done", "0/1 chain: deny bad_output, denied by schema.output"}, "", "the output " + notJSON},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, l := &speaker{answers: tc.answers}, new(ledger)
			boundary := schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 2})
			call := ask
			if strings.HasPrefix(tc.name, "model") {
				call = middlewaretest.Model("What is the risk?")
			}
			res, err := tc.speak(s, l.Intercept, boundary)(t.Context(), call)
			if got, want := strings.Join(l.lines, "\n"), strings.Join(tc.calls, "\n"); got != want {
				t.Errorf("got calls\n%s\nwant\n%s", got, want)
			}
			if len(s.requests) != len(tc.answers) {
				t.Errorf("got %d requests, want %d", len(s.requests), len(tc.answers))
			}
			if why := strings.Join(l.whys, " "); strings.Contains(why, "hunter2") {
				t.Errorf("got reasons %s, want nothing of the answers", why)
			}
			if tc.output == "" {
				wantDenied(t, tc.name, err, "schema.output", middleware.CodeBadOutput, tc.reason)
				return
			}
			if got := answerOf(res.Output); err != nil || got != tc.output {
				t.Errorf("got %q, %v, want %q", got, err, tc.output)
			}
			if u := res.Usage; call.Kind == middleware.KindModel && (u == nil || u.InputTokens != 10) {
				t.Errorf("got usage %+v, want that of the first request alone", u)
			}
		})
	}
}

// answerOf returns the text of an answer.
func answerOf(output any) string {
	switch out := output.(type) {
	case *middleware.ModelResponse:
		return out.Choices[0].Text
	case map[string]any:
		for _, v := range out {
			text, _ := v.(string)
			return text
		}
	}
	return ""
}

// A model gets its own answer back, cut where it is long, and what is wrong.
func TestReaskMessages(t *testing.T) {
	long := strings.Repeat("é", 10_000)
	const wrong = "human: Your answer was refused: the output does not satisfy the schema verdict: the value must be JSON (byte 0). Answer again"
	boundary := schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 1})
	run := middleware.Call{Kind: middleware.KindChain, Name: "run"}
	for _, tc := range []struct {
		name    string
		h       func(*speaker, ...middleware.Interceptor) middleware.Handler
		call    middleware.Call
		answers []string
		want    []string // how the messages begin
		whole   int      // bytes of the second at most
	}{
		{"model", (*speaker).model, middlewaretest.Model("What is the risk?"), []string{badVerdict, goodVerdict},
			[]string{"human: What is the risk?", "ai: " + badVerdict, "human: Your answer was refused: choice 1 " + badRisk + ". Answer again with nothing but JSON that satisfies the schema. The schema: {\"type\":\"object\",\"required\":[\"risk\"],"}, 100},
		{"model that says nothing", (*speaker).model, middlewaretest.Model("What is the risk?"), []string{"", goodVerdict},
			[]string{"human: What is the risk?", "human: Your answer was refused: choice 1 does not satisfy the schema verdict: the value must be JSON, and ends too early"}, 1000},
		{"long", (*speaker).model, middlewaretest.Model("What is the risk?"), []string{long, goodVerdict},
			[]string{"human: What is the risk?", "ai: éé", "human: Your answer was refused: choice 1 " + notJSON}, 8<<10 + 4},
		{"chain", (*speaker).chain, run, []string{prose, goodVerdict},
			[]string{"human: What is the risk?", "ai: " + prose, wrong + " with nothing but JSON"}, 100},
		{"agent", (*speaker).agent, run, []string{"I think. Final:" + prose, "Final:" + goodVerdict},
			[]string{"human: What is the risk?", "ai: I think. Final:" + prose, wrong + ", in the form that you were told to use."}, 100},
	} {
		s := &speaker{answers: tc.answers}
		if _, err := tc.h(s, boundary)(t.Context(), tc.call); err != nil {
			t.Errorf("%s: got %v, want no error", tc.name, err)
			continue
		}
		got := s.last()
		if len(got) != len(tc.want) {
			t.Errorf("%s: got messages %q, want %d of them", tc.name, got, len(tc.want))
			continue
		}
		for i, want := range tc.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: got message %q, want %q", tc.name, got[i], want)
			}
		}
		if len(got[1]) > tc.whole {
			t.Errorf("%s: got %d bytes of the answer, want at most %d", tc.name, len(got[1]), tc.whole)
		}
		if shown := strings.Contains(got[len(got)-1], `"additionalProperties":false}`); !shown {
			t.Errorf("%s: got message %q, want the schema in it", tc.name, got[len(got)-1])
		}
		if len(s.requests[0].Messages) != 1 {
			t.Errorf("%s: got %d messages in the first request, want 1: it was modified", tc.name, len(s.requests[0].Messages))
		}
	}
}

// A schema that is long is not shown.
func TestReaskLongSchema(t *testing.T) {
	long := schema.MustCompile("long", `{"type":"object","description":"`+strings.Repeat("x", 4<<10)+`"}`)
	s := &speaker{answers: []string{prose, "{}"}}
	if _, err := s.model(schema.Boundary(schema.Rules{Schema: long, Reasks: 1}))(t.Context(), middlewaretest.Model("?")); err != nil {
		t.Fatal(err)
	}
	if got := s.last()[2]; len(got) > 300 {
		t.Errorf("got message %q, want no schema in it", got)
	}
}

// What another gate says of an attempt is what comes back, and stops the run.
func TestReaskOverBudget(t *testing.T) {
	for name, h := range map[string]func(*speaker, ...middleware.Interceptor) middleware.Handler{
		"model": (*speaker).model, "chain": (*speaker).chain, "agent": (*speaker).agent,
	} {
		requests := 0
		var run *middleware.Run
		budget := middleware.On(middleware.KindModel, middleware.Before("budget", func(ctx context.Context, _ middleware.Call) error {
			run = middleware.RunOf(ctx)
			if requests++; requests > 2 {
				return middleware.Deny(middleware.CodeOverBudget, "2 model calls are all there are")
			}
			return nil
		}))
		s := &speaker{answers: []string{"Final:" + prose, "Final:" + prose, "Final:" + prose, "Final:" + prose}}
		boundary := schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 5, Default: json.RawMessage(goodVerdict)})
		call := middleware.Call{Kind: middleware.KindChain, Name: "run"}
		if name == "model" {
			call = middlewaretest.Model("What is the risk?")
		}
		_, err := h(s, boundary, budget)(t.Context(), call)
		wantDenied(t, name, err, "budget", middleware.CodeOverBudget, "2 model calls")
		if d := run.Stopped(); d == nil || d.Code != middleware.CodeOverBudget {
			t.Errorf("%s: got a run stopped by %v, want it stopped by the budget", name, d)
		}
		if len(s.requests) != 2 {
			t.Errorf("%s: got %d requests, want 2", name, len(s.requests))
		}
	}
}

// An attempt that fails is a failure, not a denial: the agent's own program may
// know what to do about it.
func TestReaskFails(t *testing.T) {
	s := &speaker{answers: []string{"Final:" + prose, "unparsable"}}
	l := new(ledger)
	_, err := s.agent(l.Intercept, schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 3}))(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err == nil || err.Error() != "the answer cannot be parsed" {
		t.Errorf("got %v, want the plan's own error", err)
	}
	if want := "2/3 model: done\n4/5 model: transform, done\n2/4 plan: failed\n1/2 plan: transform bad_output, failed\n0/1 chain: failed"; strings.Join(l.lines, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(l.lines, "\n"), want)
	}
}

// Where nobody can be asked, an answer is refused at once.
func TestReaskNobody(t *testing.T) {
	rules := schema.Rules{Schema: verdictSchema, Reasks: 2}
	streamed := middlewaretest.Model("What is the risk?")
	streamed.Stream = func(context.Context, middleware.Chunk) error { return nil }
	chain := middleware.Call{Kind: middleware.KindChain, Name: "run"}
	for _, tc := range []struct {
		name     string
		call     middleware.Call
		h        func(s *speaker, boundary middleware.Interceptor) middleware.Handler
		requests int
	}{
		{"a tool", middlewaretest.Tool("shell", "ls"), func(_ *speaker, b middleware.Interceptor) middleware.Handler {
			return middleware.Wrap(returns(badVerdict), b)
		}, 0},
		{"a chain without a model", chain, func(_ *speaker, b middleware.Interceptor) middleware.Handler {
			return middleware.Wrap(returns(map[string]any{"text": badVerdict}), b)
		}, 0},
		{"a model that is not guarded", chain, func(s *speaker, b middleware.Interceptor) middleware.Handler {
			return middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				_, err := s.answer(ctx, middlewaretest.Model("?"))
				return middleware.Result{Output: map[string]any{"text": badVerdict}}, err
			}, b)
		}, 1},
		{"two requests", chain, func(s *speaker, b middleware.Interceptor) middleware.Handler {
			model := s.model(b)
			return middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				_, err := ask(ctx, model)
				_, err2 := ask(ctx, model)
				return middleware.Result{Output: map[string]any{"text": badVerdict}}, errors.Join(err, err2)
			}, b)
		}, 2},
		{"a tool within", chain, func(s *speaker, b middleware.Interceptor) middleware.Handler {
			model, tool := s.model(b), middleware.Wrap(returns("done"), b)
			return middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				_, err := ask(ctx, model)
				_, err2 := tool(ctx, middlewaretest.Tool("shell", "ls"))
				return middleware.Result{Output: map[string]any{"text": badVerdict}}, errors.Join(err, err2)
			}, b)
		}, 1},
		{"a shadow", middlewaretest.Model("?"), func(s *speaker, b middleware.Interceptor) middleware.Handler {
			return middleware.Wrap(s.answer, schema.Output(verdictSchema), middleware.Shadow(b))
		}, 1},
		{"no answer in the output", chain, func(s *speaker, b middleware.Interceptor) middleware.Handler {
			model := s.model(b)
			return middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				_, err := ask(ctx, model)
				return middleware.Result{Output: map[string]any{}}, err
			}, b)
		}, 1},
		{"a stream of which a part has left", streamed, func(s *speaker, _ middleware.Interceptor) middleware.Handler {
			s.answers[0] = goodVerdict
			return s.model(middleware.PassThrough(schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 2, Check: func(context.Context, []byte) error {
				return middleware.Deny(middleware.CodeBadOutput, "too good")
			}})))
		}, 1},
	} {
		s := &speaker{answers: []string{prose, prose, prose, prose}}
		_, err := tc.h(s, schema.Boundary(rules))(t.Context(), tc.call)
		middlewaretest.WantDenied(t, err, middleware.CodeBadOutput)
		if len(s.requests) != tc.requests {
			t.Errorf("%s: got %d requests, want %d", tc.name, len(s.requests), tc.requests)
		}
	}
}

// A denial that is told does not keep the agent from being asked again.
func TestReaskUnderTell(t *testing.T) {
	s, l := &speaker{answers: []string{"Final:" + prose, "Final:" + prose, "Final:" + goodVerdict}}, new(ledger)
	h := s.agent(l.Intercept, middleware.Tell, schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 2}))
	res, err := h(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err != nil || answerOf(res.Output) != goodVerdict {
		t.Errorf("got %v, %v, want the good answer", res.Output, err)
	}
	if got := strings.Join(l.lines, "\n"); !strings.Contains(got, "2/4 plan: deny bad_output, told") {
		t.Errorf("got\n%s\nwant an attempt that was told", got)
	}
}

// What another interceptor has carried out again is judged in its own right: the
// boundary is done with the first call.
func TestBoundaryJudgesWhatOthersCarryOutAgain(t *testing.T) {
	twice := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if call.Parent != 0 {
				return res, err
			}
			return middleware.Again(ctx, call)
		}
	}
	for name, tc := range map[string]struct {
		reasks  int
		answers []string
		fails   bool
	}{
		"bad":              {0, []string{goodVerdict, badVerdict}, true},
		"good":             {0, []string{goodVerdict, goodVerdict}, false},
		"bad after others": {1, []string{prose, goodVerdict, badVerdict, badVerdict}, true},
		"good in the end":  {1, []string{prose, goodVerdict, badVerdict, goodVerdict}, false},
	} {
		s := &speaker{answers: tc.answers}
		_, err := s.chain(twice, schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: tc.reasks}))(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
		if d, denied := errors.AsType[*middleware.DeniedError](err); denied != tc.fails || denied && d.Code != middleware.CodeBadOutput {
			t.Errorf("%s: got %v, want denied: %v", name, err, tc.fails)
		}
		if len(s.requests) != len(tc.answers) {
			t.Errorf("%s: got %d requests, want %d", name, len(s.requests), len(tc.answers))
		}
	}
}

// A request that an interceptor makes on its own account, on the way to another
// answer, gets nothing to read of the refused one.
func TestReaskLeavesRequestsOfInterceptorsAlone(t *testing.T) {
	rules := schema.Rules{Schema: verdictSchema, Reasks: 1}
	boundary := schema.Boundary(rules)
	judge := &speaker{answers: []string{"fine", "fine"}}
	model := judge.model(boundary)
	asks := middleware.On(middleware.KindChain, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if call.Parent != 0 {
				if _, err := ask(ctx, model); err != nil {
					return middleware.Result{}, err
				}
			}
			return next(ctx, call)
		}
	})
	s := &speaker{answers: []string{prose, goodVerdict}}
	res, err := s.chain(asks, boundary)(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err != nil || answerOf(res.Output) != goodVerdict {
		t.Errorf("got %v, %v, want the good answer", res.Output, err)
	}
	if len(judge.requests) != 1 || len(judge.requests[0].Messages) != 1 {
		t.Errorf("got requests %v, want one of one message", judge.requests)
	}
	if len(s.requests) != 2 || len(s.requests[1].Messages) != 3 {
		t.Errorf("got %d requests, want two, the second of three messages", len(s.requests))
	}
}

func TestBoundaryDefault(t *testing.T) {
	text := map[string]any{"text": prose, "other": 1}
	for _, tc := range []struct {
		name   string
		kind   middleware.Kind
		output any
		want   string // as JSON; empty for a denial
	}{
		{"chain", middleware.KindChain, text, `{"other":1,"text":"{\"risk\":\"high\"}"}`},
		{"decoded value", middleware.KindChain, map[string]any{"output": []int{1}}, `{"output":{"risk":"high"}}`},
		{"tool", middleware.KindTool, prose, `"{\"risk\":\"high\"}"`},
		{"good", middleware.KindTool, goodVerdict, `"{\"risk\":\"low\"}"`},
		{"no output", middleware.KindChain, map[string]any{}, ""},
		{"either", middleware.KindChain, map[string]any{"output": goodVerdict, "text": goodVerdict}, ""},
		{"no JSON", middleware.KindChain, map[string]any{"text": func() {}}, ""},
	} {
		boundary := schema.Boundary(schema.Rules{Schema: verdictSchema, Default: struct {
			Risk string `json:"risk"`
		}{"high"}})
		res, err := run(returns(tc.output), middleware.Call{Kind: tc.kind, Name: "it"}, boundary)
		if tc.want == "" {
			if !errors.As(err, new(*middleware.DeniedError)) {
				t.Errorf("%s: got %v, %v, want a denial", tc.name, res.Output, err)
			}
			continue
		}
		got, _ := json.Marshal(res.Output)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got %s, %v, want %s", tc.name, got, err, tc.want)
		}
	}
	if text["text"] != prose {
		t.Errorf("got output %v, want it as it came", text)
	}

	// Only the choice that was refused is replaced, and the trail says why.
	l := new(ledger)
	boundary := schema.Boundary(schema.Rules{Schema: verdictSchema, Default: json.RawMessage(` {"risk": "high"} `)})
	res, err := run(returns(&middleware.ModelResponse{Model: "m", Choices: []middleware.Choice{{Text: goodVerdict}, {Text: badVerdict, StopReason: "stop"}}}),
		middlewaretest.Model("?"), l.Intercept, boundary)
	out, _ := json.Marshal(res.Output)
	if want := `{"Model":"m","Choices":[{"Text":"{\"risk\":\"low\"}","Reasoning":"","StopReason":"","ToolCalls":null},{"Text":"{\"risk\":\"high\"}","Reasoning":"","StopReason":"stop","ToolCalls":null}]}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v\nwant %s", out, err, want)
	}
	if got, want := strings.Join(l.whys, ""), "the default takes the place of the answer: choice 2 "+badRisk; got != want {
		t.Errorf("got reason %q, want %q", got, want)
	}

	// It comes after the model was asked for something better.
	s := &speaker{answers: []string{"Final:" + prose, "Final:" + prose}}
	res, err = s.agent(schema.Boundary(schema.Rules{Schema: verdictSchema, Reasks: 1, Default: json.RawMessage(goodVerdict)}))(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err != nil || answerOf(res.Output) != goodVerdict || len(s.requests) != 2 {
		t.Errorf("got %v, %v after %d requests, want the default after 2", res.Output, err, len(s.requests))
	}
}

func TestBoundaryExtract(t *testing.T) {
	for _, tc := range []struct{ name, answer, want, reason string }{
		{"as it is", " {\"risk\": \"low\"}\n", " {\"risk\": \"low\"}\n", ""},
		{"fence", "```json\n{ \"risk\" : \"low\" }\n```", goodVerdict, ""},
		{"prose", "I think " + goodVerdict + " is right.", goodVerdict, ""},
		{"prose alone", prose, "", "the output does not satisfy the schema verdict: the value must be JSON: there is no JSON in the text"},
		{"two", goodVerdict + ` or {"risk":"high"}`, "", "the output does not satisfy the schema verdict: the value must be JSON: there are several JSON values in the text"},
		{"not it", "Well: " + badVerdict, "", "the output " + badRisk},
		{"too long", strings.Repeat(" ", schema.MaxBytes+1), "", "the output does not satisfy the schema verdict: the value must be at most"},
	} {
		l := new(ledger)
		res, err := run(returns(map[string]any{"text": tc.answer}), middleware.Call{Kind: middleware.KindChain, Name: "it"},
			l.Intercept, schema.Boundary(schema.Rules{Schema: verdictSchema, Extract: true}))
		if tc.reason != "" {
			wantDenied(t, tc.name, err, "schema.output", middleware.CodeBadOutput, tc.reason)
			continue
		}
		if got := answerOf(res.Output); err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
		want := "0/1 chain: allow, done"
		if tc.want != tc.answer {
			want = "0/1 chain: transform, done"
		}
		if got := strings.Join(l.lines, " "); got != want {
			t.Errorf("%s: got %s, want %s", tc.name, got, want)
		}
	}
}

func TestBoundaryRepair(t *testing.T) {
	for _, tc := range []struct{ name, answer, want, why string }{
		{"as it is", goodVerdict, goodVerdict, ""},
		{"prose", "I think " + goodVerdict + " is right.", goodVerdict, "the JSON was taken out of the text"},
		{"mended", "```json\n{'risk': 'low', 'why': 'hunter2',}\n```", `{"risk":"low","why":"hunter2"}`, "the JSON was mended: "},
		{"mended in vain", "```json\n{'risk': 'hunter2',}\n```", "", "the output " + badRisk},
		{"beyond repair", `{"risk": low`, "", "the output does not satisfy the schema verdict: the value must be JSON: the JSON in the text is broken"},
	} {
		l := new(ledger)
		res, err := run(returns(map[string]any{"text": tc.answer}), middleware.Call{Kind: middleware.KindChain, Name: "it"},
			l.Intercept, schema.Boundary(schema.Rules{Schema: verdictSchema, Repair: true}))
		if why := strings.Join(l.whys, ""); !strings.HasPrefix(why, tc.why) || strings.Contains(why, "hunter2") {
			t.Errorf("%s: got reason %q, want %q and nothing of the answer", tc.name, why, tc.why)
		}
		if tc.want == "" {
			wantDenied(t, tc.name, err, "schema.output", middleware.CodeBadOutput, tc.why)
			continue
		}
		if got := answerOf(res.Output); err != nil || got != tc.want {
			t.Errorf("%s: got %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestBoundaryCheck(t *testing.T) {
	secret := errors.New("hunter2")
	var got []string
	rules := schema.Rules{Schema: verdictSchema, Extract: true, Reasks: 2, Check: func(_ context.Context, answer []byte) error {
		got = append(got, string(answer))
		switch {
		case strings.Contains(string(answer), "high"):
			return middleware.Deny("too_risky", "a risk that is high needs a reason")
		case strings.Contains(string(answer), "fail"):
			return secret
		case strings.Contains(string(answer), "panic"):
			panic(secret)
		}
		return nil
	}}
	for _, tc := range []struct {
		name     string
		answers  []string
		checked  string
		code     middleware.Code // of the denial
		reason   string
		requests int
	}{
		{"good", []string{` {"risk" : "low"}`}, goodVerdict, "", "", 1},
		{"refused, then good", []string{`{"risk":"high"}`, "So: " + goodVerdict}, `{"risk":"high"} ` + goodVerdict, "", "", 2},
		{"the schema comes first", []string{badVerdict, goodVerdict}, goodVerdict, "", "", 2},
		{"refused for good", []string{`{"risk":"high"}`, `{"risk":"high"}`, `{"risk":"high"}`}, `{"risk":"high"} {"risk":"high"} {"risk":"high"}`, "too_risky", "a risk that is high needs a reason", 3},
		{"undecided", []string{`{"risk":"low","why":"fail"}`}, `{"risk":"low","why":"fail"}`, middleware.CodeIndeterminate, "the gate could not decide", 1},
		{"panics", []string{`{"risk":"low","why":"panic"}`}, `{"risk":"low","why":"panic"}`, middleware.CodeIndeterminate, "the check panicked", 1},
		{"undecided, then", []string{prose, `{"risk":"low","why":"fail"}`}, `{"risk":"low","why":"fail"}`, middleware.CodeIndeterminate, "the gate could not decide", 2},
	} {
		got = nil
		s := &speaker{answers: tc.answers}
		_, err := s.chain(schema.Boundary(rules))(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
		if checked := strings.Join(got, " "); checked != tc.checked {
			t.Errorf("%s: got %s checked, want %s", tc.name, checked, tc.checked)
		}
		if len(s.requests) != tc.requests {
			t.Errorf("%s: got %d requests, want %d", tc.name, len(s.requests), tc.requests)
		}
		if tc.code == "" {
			if err != nil {
				t.Errorf("%s: got %v, want no error", tc.name, err)
			}
			continue
		}
		wantDenied(t, tc.name, err, "schema.output", tc.code, tc.reason)
		if undecided := tc.code == middleware.CodeIndeterminate; errors.Is(err, secret) != undecided || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want the cause inside and unsaid", tc.name, err)
		}
		if p, ok := errors.AsType[*middleware.PanicError](err); tc.name == "panics" && (!ok || len(p.Stack) == 0) {
			t.Errorf("got %v, want a PanicError with its stack", err)
		}
	}
	// The reason of a refusal is shown to the model, that of no other error.
	s := &speaker{answers: []string{`{"risk":"high"}`, goodVerdict}}
	if _, err := s.model(schema.Boundary(rules))(t.Context(), middlewaretest.Model("?")); err != nil {
		t.Fatal(err)
	}
	if got := s.last()[2]; !strings.HasPrefix(got, "human: Your answer was refused: a risk that is high needs a reason. ") {
		t.Errorf("got message %q, want the reason in it", got)
	}
}

func TestBoundaryKeepsTheRules(t *testing.T) {
	any := schema.MustCompile("any", `{"minLength": 3}`)
	for name, rules := range map[string]schema.Rules{
		"plain":   {Schema: any},
		"strict":  {Schema: verdictSchema},
		"all":     {Schema: verdictSchema, Extract: true, Reasks: 2, Check: func(context.Context, []byte) error { return nil }},
		"default": {Schema: verdictSchema, Reasks: 1, Default: json.RawMessage(goodVerdict)},
	} {
		if err := middlewaretest.TestInterceptor(func() middleware.Interceptor { return schema.Boundary(rules) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBoundaryPanics(t *testing.T) {
	for what, rules := range map[string]schema.Rules{
		"no Schema":               {Key: "output"},
		"negative Reasks":         {Schema: verdictSchema, Reasks: -1},
		"default that is refused": {Schema: verdictSchema, Default: json.RawMessage(badVerdict)},
		"default that is no JSON": {Schema: verdictSchema, Default: func() {}},
	} {
		if !panics(func() { schema.Boundary(rules) }) {
			t.Errorf("%s: got no panic, want one", what)
		}
	}
}
