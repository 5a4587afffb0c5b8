package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

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
		_, err := s.chain(twice, schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: tc.reasks}))(t.Context(),
			middleware.Call{Kind: middleware.KindChain, Name: "run"})
		if d, denied := errors.AsType[*middleware.DeniedError](err); denied != tc.fails || denied && d.Code != middleware.CodeBadOutput {
			t.Errorf("%s: got %v, want denied: %v", name, err, tc.fails)
		}
		if len(s.requests) != len(tc.answers) {
			t.Errorf("%s: got %d requests, want %d", name, len(s.requests), len(tc.answers))
		}
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
		boundary := schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Default: struct {
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
	boundary := schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Default: json.RawMessage(` {"risk": "high"} `)})
	res, err := run(returns(&middleware.ModelResponse{Model: "m", Choices: []middleware.Choice{{Text: goodVerdict}, {Text: badVerdict, StopReason: "stop"}}}),
		middlewaretest.Model("?"), l.Intercept, boundary)
	out, _ := json.Marshal(res.Output)
	if want := `{"Model":"m","Choices":[{"Text":"{\"risk\":\"low\"}","Reasoning":"","StopReason":"","ToolCalls":null},{"Text":"{\"risk\":\"high\"}","Reasoning":"","StopReason":"stop","ToolCalls":null}]}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v\nwant %s", out, err, want)
	}
	if got, want := strings.Join(l.whys, ""), "the default takes the place of the answer: choice 2 "+badRisk; got != want {
		t.Errorf("got reason %q, want %q", got, want)
	}

	// Whoever gets it may change it, for himself alone.
	for range 2 {
		res, err := run(returns([]int{1}), middleware.Call{Kind: middleware.KindTool, Name: "it"}, boundary)
		value, ok := res.Output.(map[string]any)
		if err != nil || !ok || value["risk"] != "high" {
			t.Fatalf("got %v, %v, want the default", res.Output, err)
		}
		value["risk"] = "none"
	}

	// It comes after the model was asked for something better.
	s := &speaker{answers: []string{"Final:" + prose, "Final:" + prose}}
	res, err = s.agent(schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 1, Default: json.RawMessage(goodVerdict)}))(t.Context(),
		middleware.Call{Kind: middleware.KindChain, Name: "run"})
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
		{"two", goodVerdict + ` or {"risk":"high"}`, "",
			"the output does not satisfy the schema verdict: the value must be JSON: there are several JSON values in the text"},
		{"not it", "Well: " + badVerdict, "", "the output " + badRisk},
		{"too long", strings.Repeat(" ", schema.MaxBytes+1), "", "the output does not satisfy the schema verdict: the value must be at most"},
	} {
		l := new(ledger)
		res, err := run(returns(map[string]any{"text": tc.answer}), middleware.Call{Kind: middleware.KindChain, Name: "it"},
			l.Intercept, schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Extract: true}))
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
			l.Intercept, schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Repair: true}))
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
	rules := schema.BoundaryRules{Schema: verdictSchema, Extract: true, Reasks: 2, Check: func(_ context.Context, answer []byte) error {
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
		{"refused for good", []string{`{"risk":"high"}`, `{"risk":"high"}`, `{"risk":"high"}`}, `{"risk":"high"} {"risk":"high"} {"risk":"high"}`,
			"too_risky", "a risk that is high needs a reason", 3},
		{"undecided", []string{`{"risk":"low","why":"fail"}`}, `{"risk":"low","why":"fail"}`, middleware.CodeIndeterminate, "the gate could not decide", 1},
		{"panics", []string{`{"risk":"low","why":"panic"}`}, `{"risk":"low","why":"panic"}`, middleware.CodeIndeterminate, "the check panicked", 1},
		{"undecided, then", []string{prose, `{"risk":"low","why":"fail"}`}, `{"risk":"low","why":"fail"}`, middleware.CodeIndeterminate,
			"the gate could not decide", 2},
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
	for name, rules := range map[string]schema.BoundaryRules{
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
	for want, rules := range map[string]schema.BoundaryRules{
		"schema: Boundary: nil Schema":                                         {Key: "output"},
		"schema: Boundary: Reasks of -1":                                       {Schema: verdictSchema, Reasks: -1},
		"schema: Boundary: the Default: schema: verdict: /risk must be one of": {Schema: verdictSchema, Default: json.RawMessage(badVerdict)},
		"schema: Boundary: the Default: schema: verdict: the schema could not decide: no JSON can be made of a func()": {Schema: verdictSchema,
			Default: func() {}},
	} {
		wantPanic(t, "Boundary", want, func() { schema.Boundary(rules) })
	}
	wantPanic(t, "Output", "schema: Output: nil Schema", func() { schema.Output(nil) })
}
