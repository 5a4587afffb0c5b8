package schema_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

type reading struct {
	City    string `json:"city"`
	Degrees int    `json:"degrees"`
}

// A talker is a model that gives one answer after another, each for 10 tokens.
type talker struct {
	answers []string
	asked   []*middleware.ModelRequest
}

func (m *talker) ask(_ context.Context, call middleware.Call) (middleware.Result, error) {
	req, ok := call.Input.(*middleware.ModelRequest)
	if !ok || len(m.asked) == len(m.answers) {
		return middleware.Result{}, errors.New("nothing to say")
	}
	m.asked = append(m.asked, req)
	out := &middleware.ModelResponse{Choices: []middleware.Choice{{Text: m.answers[len(m.asked)-1]}}}
	return middleware.Result{Output: out, Usage: &middleware.Usage{InputTokens: 5, OutputTokens: 5, Reported: true}}, nil
}

func (m *talker) guarded(gates ...middleware.Interceptor) func(...middleware.Interceptor) middleware.Handler {
	return func(is ...middleware.Interceptor) middleware.Handler {
		return middleware.Wrap(m.ask, append(is, gates...)...)
	}
}

func TestRun(t *testing.T) {
	cold := func(_ context.Context, answer []byte) error {
		if !strings.Contains(string(answer), `"degrees":-`) {
			return middleware.Deny(middleware.CodePolicy, "it is warm")
		}
		return nil
	}
	for name, tt := range map[string]struct {
		answers []string
		rules   schema.BoundaryRules
		want    reading
		code    middleware.Code // of the denial, or empty
		cause   string          // keyword of its violation
		asked   int
	}{
		"at once":               {[]string{`{"city":"Bonn","degrees":3}`}, schema.BoundaryRules{}, reading{"Bonn", 3}, "", "", 1},
		"prose":                 {[]string{`3 degrees`}, schema.BoundaryRules{}, reading{}, middleware.CodeBadOutput, schema.KeywordSyntax, 1},
		"asked again":           {[]string{`3 degrees`, `{"city":"Bonn","degrees":3}`}, schema.BoundaryRules{Reasks: 1}, reading{"Bonn", 3}, "", "", 2},
		"asked in vain":         {[]string{`3`, `{"city":"Bonn"}`, `x`}, schema.BoundaryRules{Reasks: 1}, reading{}, middleware.CodeBadOutput, "required", 2},
		"taken out":             {[]string{"Here: ```json\n{\"city\":\"Bonn\",\"degrees\":3}\n```"}, schema.BoundaryRules{Extract: true}, reading{"Bonn", 3}, "", "", 1},
		"mended":                {[]string{`{"city":"Bonn","degrees":3,}`}, schema.BoundaryRules{Repair: true}, reading{"Bonn", 3}, "", "", 1},
		"by default":            {[]string{`no idea`}, schema.BoundaryRules{Default: reading{"?", 0}}, reading{"?", 0}, "", "", 1},
		"checked":               {[]string{`{"city":"Bonn","degrees":3}`, `{"city":"Bonn","degrees":-3}`}, schema.BoundaryRules{Check: cold, Reasks: 1}, reading{"Bonn", -3}, "", "", 2},
		"refused by the check":  {[]string{`{"city":"Bonn","degrees":3}`}, schema.BoundaryRules{Check: cold}, reading{}, middleware.CodePolicy, "", 1},
		"what does not fit":     {[]string{`{"city":"Bonn","degrees":1e3}`, `{"city":"Bonn","degrees":3}`}, schema.BoundaryRules{Reasks: 1}, reading{"Bonn", 3}, "", "", 2},
		"what never fits":       {[]string{`{"city":"Bonn","degrees":1e3}`}, schema.BoundaryRules{}, reading{}, middleware.CodeBadOutput, schema.KeywordFit, 1},
		"a schema of one's own": {[]string{`{"city":"Bonn","degrees":3}`}, schema.BoundaryRules{Schema: schema.MustCompile("own", `{"properties":{"city":{"enum":["Rome"]}}}`)}, reading{}, middleware.CodeBadOutput, "enum", 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &talker{answers: tt.answers}
			var balances []middleware.Balance
			see := func(next middleware.Handler) middleware.Handler {
				return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					defer func() { balances = middleware.RunOf(ctx).Balances() }()
					return next(ctx, call)
				}
			}
			budget := gates.Budget(gates.Limits{Tokens: 100_000})
			ask := func(is ...middleware.Interceptor) middleware.Handler {
				return middleware.Wrap(m.ask, slices.Concat([]middleware.Interceptor{see}, is, []middleware.Interceptor{budget})...)
			}
			req := schema.Prompt("How warm is it?")
			got, err := schema.Run[reading](t.Context(), ask, req, tt.rules)
			d, denied := errors.AsType[*middleware.DeniedError](err)
			if got != tt.want || denied != (tt.code != "") || denied && d.Code != tt.code || !denied && err != nil {
				t.Fatalf("got %+v, %v, want %+v, %q", got, err, tt.want, tt.code)
			}
			invalid, ok := errors.AsType[*schema.ValidationError](err)
			if ok != (tt.cause != "") || ok && invalid.Violations[0].Keyword != tt.cause {
				t.Errorf("got cause %v, want %q", invalid, tt.cause)
			}
			if len(m.asked) != tt.asked || balances[0].Used != int64(10*tt.asked) {
				t.Errorf("got %d requests and %+v, want %d of 10 tokens each", len(m.asked), balances, tt.asked)
			}
			s := tt.rules.Schema
			if s == nil {
				s = schema.MustFor[reading]()
			}
			if got, want := m.asked[0].Messages[0].Parts[0].Text, "How warm is it?\n\n"+schema.Instructions(s); got != want || len(m.asked[0].Messages) != 1 {
				t.Errorf("the model was told %q, want %q", got, want)
			}
			if req.Messages[0].Parts[0].Text != "How warm is it?" {
				t.Errorf("the request was modified: %+v", req)
			}
		})
	}
}

// TestRunSaysTheSchemaLast: wherever the conversation stands, the schema comes at its
// end, and what was there stays.
func TestRunSaysTheSchemaLast(t *testing.T) {
	s := schema.Instructions(schema.MustFor[reading]())
	human, ai := func(parts ...middleware.Part) middleware.Message {
		return middleware.Message{Role: "human", Parts: parts}
	},
		middleware.Message{Role: "ai", Parts: []middleware.Part{{Text: "Where?"}}}
	image := middleware.Part{Text: "https://example.com/a.png", Media: true}
	for name, tt := range map[string]struct {
		messages []middleware.Message
		last     []string
		n        int
	}{
		"nothing": {nil, []string{s}, 1},
		"an ai":   {[]middleware.Message{human(middleware.Part{Text: "a"}), ai}, []string{s}, 3},
		"a human": {[]middleware.Message{ai, human(middleware.Part{Text: "a"}, middleware.Part{Text: "b"})}, []string{"a", "b\n\n" + s}, 2},
		"media":   {[]middleware.Message{human(image)}, []string{image.Text, s}, 1},
		"native":  {[]middleware.Message{human(middleware.Part{Text: "a", Native: 1})}, []string{"a", s}, 1},
	} {
		m := &talker{answers: []string{`{"city":"Bonn","degrees":3}`}}
		if _, err := schema.Run[reading](t.Context(), m.guarded(), &middleware.ModelRequest{Messages: tt.messages}, schema.BoundaryRules{}); err != nil {
			t.Fatal(err)
		}
		sent := m.asked[0].Messages
		var last []string
		for _, p := range sent[len(sent)-1].Parts {
			last = append(last, p.Text)
		}
		if len(sent) != tt.n || !slices.Equal(last, tt.last) {
			t.Errorf("%s: got %d messages, the last %q, want %d, %q", name, len(sent), last, tt.n, tt.last)
		}
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	m := &talker{answers: []string{"3"}}
	req := schema.Prompt("x")
	for part, f := range map[string]func(){
		"nil ask":     func() { _, _ = schema.Run[reading](t.Context(), nil, req, schema.BoundaryRules{}) },
		"nil request": func() { _, _ = schema.Run[reading](t.Context(), m.guarded(), nil, schema.BoundaryRules{}) },
		"have a Key":  func() { _, _ = schema.Run[reading](t.Context(), m.guarded(), req, schema.BoundaryRules{Key: "a"}) },
		"left out the interceptors": func() {
			_, _ = schema.Run[reading](t.Context(), func(...middleware.Interceptor) middleware.Handler { return m.ask }, req, schema.BoundaryRules{})
		},
	} {
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.Contains(s, part) {
					t.Errorf("got panic %q, want one with %q", s, part)
				}
			}()
			f()
		}()
	}
	if len(m.asked) > 0 {
		t.Errorf("the model was asked")
	}
	if _, err := schema.Run[func()](t.Context(), m.guarded(), req, schema.BoundaryRules{}); err == nil || len(m.asked) > 0 {
		t.Errorf("got %v, want an error before the model is asked", err)
	}
	tools := func(_ context.Context, _ middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{ToolCalls: []middleware.ToolCall{{Name: "x"}}}}}}, nil
	}
	ask := func(is ...middleware.Interceptor) middleware.Handler { return middleware.Wrap(tools, is...) }
	nothing := func(middleware.Handler) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: (*middleware.ModelResponse)(nil)}, nil
		}
	}
	outside := func(is ...middleware.Interceptor) middleware.Handler {
		return middleware.Wrap(m.ask, append([]middleware.Interceptor{nothing}, is...)...)
	}
	if _, err := schema.Run[reading](t.Context(), outside, req, schema.BoundaryRules{}); err == nil || !strings.Contains(err.Error(), "want a *middleware.ModelResponse") {
		t.Errorf("got %v, want what the handler has to return", err)
	}
	var d *middleware.DeniedError
	if _, err := schema.Run[reading](t.Context(), ask, req, schema.BoundaryRules{}); !errors.As(err, &d) || d.Code != middleware.CodeBadOutput {
		t.Errorf("got %v, want a denial", err)
	}
}
