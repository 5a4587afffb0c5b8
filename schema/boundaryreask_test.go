package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
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
			[]string{"1/2 model: deny bad_output, denied by schema.output", "1/3 model: allow, done", "0/1 model: transform bad_output, done"},
			goodVerdict, ""},
		{"model, never good", model, []string{prose, prose, badVerdict},
			[]string{"1/2 model: deny bad_output, denied by schema.output", "1/3 model: deny bad_output, denied by schema.output",
				"0/1 model: transform bad_output, deny bad_output, denied by schema.output"}, "", "choice 1 " + badRisk},

		{"chain, good at once", chain, []string{goodVerdict},
			[]string{"1/2 model: done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"chain, good then", chain, []string{prose, goodVerdict},
			[]string{"1/2 model: done", "3/4 model: transform, done", "1/3 chain: allow, done", "0/1 chain: transform bad_output, done"}, goodVerdict, ""},
		{"chain, never good", chain, []string{prose, prose, prose},
			[]string{"1/2 model: done", "3/4 model: transform, done", "1/3 chain: deny bad_output, denied by schema.output",
				"5/6 model: transform, done", "1/5 chain: deny bad_output, denied by schema.output",
				"0/1 chain: transform bad_output, deny bad_output, denied by schema.output"}, "", "the output " + notJSON},

		{"agent, good at once", agent, []string{"Final:" + goodVerdict},
			[]string{"2/3 model: done", "1/2 plan: allow, done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"agent, good after a tool", agent, []string{"tool", "Final:" + prose, "Final:" + goodVerdict},
			[]string{"2/3 model: done", "1/2 plan: done", "1/4 tool: done", "5/6 model: done", "7/8 model: transform, done",
				"5/7 plan: allow, done", "1/5 plan: transform bad_output, done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"agent, goes on with tools", agent, []string{"Final:" + prose, "tool", "Final:" + goodVerdict},
			[]string{"2/3 model: done", "4/5 model: transform, done", "2/4 plan: done", "1/2 plan: transform bad_output, done", "1/6 tool: done",
				"7/8 model: done", "1/7 plan: allow, done", "0/1 chain: allow, done"}, goodVerdict, ""},
		{"agent, never good", agent, []string{"Final:" + prose, "Final:" + prose, "Final:" + badVerdict},
			[]string{"2/3 model: done", "4/5 model: transform, done", "2/4 plan: deny bad_output, denied by schema.output",
				"6/7 model: transform, done", "2/6 plan: deny bad_output, denied by schema.output", "1/2 plan: transform bad_output, done",
				"0/1 chain: deny bad_output, denied by schema.output"}, "", "the output " + badRisk},
		{"agent, twice in a run", agent, []string{"Final:" + prose, "tool", "Final:" + prose, "Final:" + prose},
			[]string{"2/3 model: done", "4/5 model: transform, done", "2/4 plan: done", "1/2 plan: transform bad_output, done", "1/6 tool: done",
				"7/8 model: done", "9/10 model: transform, done", "7/9 plan: deny bad_output, denied by schema.output",
				"1/7 plan: transform bad_output, done", "0/1 chain: deny bad_output, denied by schema.output"}, "", "the output " + notJSON},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, l := &speaker{answers: tc.answers}, new(ledger)
			boundary := schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 2})
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

// A model gets its own answer back, cut where it is long, and what is wrong.
func TestReaskMessages(t *testing.T) {
	long := strings.Repeat("é", 10_000)
	const wrong = "human: Your answer was refused: the output does not satisfy the schema verdict: the value must be JSON (byte 0). Answer again"
	boundary := schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 1})
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
			[]string{"human: What is the risk?", "ai: " + badVerdict,
				"human: Your answer was refused: choice 1 " + badRisk +
					". Answer again with nothing but JSON that satisfies the schema. The schema: {\"type\":\"object\",\"required\":[\"risk\"],"}, 100},
		{"model that says nothing", (*speaker).model, middlewaretest.Model("What is the risk?"), []string{"", goodVerdict},
			[]string{"human: What is the risk?",
				"human: Your answer was refused: choice 1 does not satisfy the schema verdict: the value must be JSON, and ends too early"}, 1000},
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
	if _, err := s.model(schema.Boundary(schema.BoundaryRules{Schema: long, Reasks: 1}))(t.Context(), middlewaretest.Model("?")); err != nil {
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
		boundary := schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 5, Default: json.RawMessage(goodVerdict)})
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
	_, err := s.agent(l.Intercept, schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 3}))(t.Context(),
		middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err == nil || err.Error() != "the answer cannot be parsed" {
		t.Errorf("got %v, want the plan's own error", err)
	}
	if want := "2/3 model: done\n4/5 model: transform, done\n2/4 plan: failed\n1/2 plan: transform bad_output, failed\n0/1 chain: failed"; strings.Join(l.lines, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(l.lines, "\n"), want)
	}
}

// Where nobody can be asked, an answer is refused at once.
func TestReaskNobody(t *testing.T) {
	rules := schema.BoundaryRules{Schema: verdictSchema, Reasks: 2}
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
			return s.model(middleware.PassThrough(schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 2,
				Check: func(context.Context, []byte) error {
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

// In the shadow nobody can be asked, and nothing says that somebody was.
func TestReaskInTheShadow(t *testing.T) {
	s, l := &speaker{answers: []string{prose, prose, prose, prose}}, new(ledger)
	shadow := middleware.Shadow(schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 2}))
	if _, err := middleware.Wrap(s.answer, l.Intercept, shadow)(t.Context(), middlewaretest.Model("?")); err != nil {
		t.Error(err)
	}
	if got := strings.Join(l.lines, "\n"); len(s.requests) != 1 || got != "0/1 model: shadow deny bad_output, done" {
		t.Errorf("got %d requests and the calls\n%s\nwant one that would have been denied", len(s.requests), got)
	}
}

// A denial that is told does not keep the agent from being asked again.
func TestReaskUnderTell(t *testing.T) {
	s, l := &speaker{answers: []string{"Final:" + prose, "Final:" + prose, "Final:" + goodVerdict}}, new(ledger)
	h := s.agent(l.Intercept, middleware.Tell, schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 2}))
	res, err := h(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err != nil || answerOf(res.Output) != goodVerdict {
		t.Errorf("got %v, %v, want the good answer", res.Output, err)
	}
	if got := strings.Join(l.lines, "\n"); !strings.Contains(got, "2/4 plan: deny bad_output, told") {
		t.Errorf("got\n%s\nwant an attempt that was told", got)
	}
}

// A request that an interceptor makes on its own account, on the way to another
// answer, gets nothing to read of the refused one.
func TestReaskLeavesRequestsOfInterceptorsAlone(t *testing.T) {
	rules := schema.BoundaryRules{Schema: verdictSchema, Reasks: 1}
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

// Whatever a model says, what leaves satisfies the schema, and no more is asked
// than the rules allow.
func TestReaskWhateverIsSaid(t *testing.T) {
	said := []string{goodVerdict, badVerdict, prose, "", "tool", "Final:" + goodVerdict, "Final:" + badVerdict, "Final:" + prose, "Final:",
		"So: " + goodVerdict}
	speakers := []func(*speaker, ...middleware.Interceptor) middleware.Handler{(*speaker).model, (*speaker).chain, (*speaker).agent}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for range 5000 {
		s := &speaker{}
		for range 20 {
			s.answers = append(s.answers, said[r.IntN(len(said))])
		}
		rules := schema.BoundaryRules{Schema: verdictSchema, Reasks: r.IntN(4), Extract: r.IntN(2) == 0}
		if r.IntN(3) == 0 {
			rules.Default = json.RawMessage(goodVerdict)
		}
		is := []middleware.Interceptor{middleware.Tell, schema.Boundary(rules)}[r.IntN(2):]
		kind := r.IntN(len(speakers))
		call := middleware.Call{Kind: middleware.KindChain, Name: "run"}
		if kind == 0 {
			call = middlewaretest.Model("?")
		}
		var streamed strings.Builder
		if r.IntN(2) == 0 {
			call.Stream = func(_ context.Context, c middleware.Chunk) error {
				streamed.Write(c.Text)
				return nil
			}
		}
		res, err := speakers[kind](s, is...)(t.Context(), call)

		if rounds := 5; len(s.requests) > rounds+rules.Reasks {
			t.Fatalf("seed %d: %q: got %d requests, want at most %d and the %d of asking again", seed, s.answers, len(s.requests), rounds, rules.Reasks)
		}
		if err != nil {
			if streamed.Len() > 0 {
				t.Fatalf("seed %d: %q: got %q streamed of a run that failed: %v", seed, s.answers, streamed.String(), err)
			}
			continue
		}
		if model, ok := res.Output.(*middleware.ModelResponse); ok && model.Choices[0].ToolCalls != nil {
			continue
		}
		if err := verdictSchema.Validate([]byte(answerOf(res.Output))); err != nil {
			t.Fatalf("seed %d: %q with %+v: got %q, which should not have left: %v", seed, s.answers, rules, answerOf(res.Output), err)
		}
		want := answerOf(res.Output)
		if final := "Final:" + want; kind == 2 && streamed.Len() > len(want) {
			want = final // as the agent's model said it
		}
		if call.Stream != nil && streamed.String() != want {
			t.Fatalf("seed %d: %q: got %q streamed, want %q and nothing else", seed, s.answers, streamed.String(), want)
		}
	}
}
