package schema_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

var verdictSchema = schema.MustCompile("verdict", `{
	"type": "object",
	"required": ["risk"],
	"properties": {"risk": {"enum": ["low", "high"]}, "why": {"type": "string"}},
	"additionalProperties": false
}`)

const (
	goodVerdict = `{"risk":"low"}`
	badVerdict  = `{"risk":"hunter2"}`
	badRisk     = `does not satisfy the schema verdict: /risk must be one of "low", "high"`
)

func TestOutput(t *testing.T) {
	type outputs = map[string]any
	model := func(choices ...middleware.Choice) *middleware.ModelResponse {
		return &middleware.ModelResponse{Choices: choices}
	}
	calls := []middleware.ToolCall{{Name: "shell"}}
	for _, tc := range []struct {
		name   string
		kind   middleware.Kind
		output any
		code   middleware.Code // of the denial, or empty
		reason string
	}{
		{"agent", middleware.KindChain, outputs{"output": goodVerdict}, "", ""},
		{"agent with steps", middleware.KindChain, outputs{"output": goodVerdict, "intermediateSteps": []int{1}}, "", ""},
		{"LLMChain", middleware.KindChain, outputs{"text": goodVerdict}, "", ""},
		{"retrieval", middleware.KindChain, outputs{"text": goodVerdict, "source_documents": 1}, "", ""},
		{"single key", middleware.KindChain, outputs{"answer": goodVerdict}, "", ""},
		{"decoded value", middleware.KindChain, outputs{"answer": outputs{"risk": "high"}}, "", ""},
		{"violation", middleware.KindChain, outputs{"output": badVerdict}, middleware.CodeBadOutput, "the output " + badRisk},
		{"decoded violation", middleware.KindChain, outputs{"output": outputs{"risk": "hunter2"}}, middleware.CodeBadOutput, "the output " + badRisk},
		{"prose", middleware.KindChain, outputs{"output": "The risk is low."}, middleware.CodeBadOutput,
			"the output does not satisfy the schema verdict: the value must be JSON (byte 0)"},
		{"fence", middleware.KindChain, outputs{"output": "```json\n" + goodVerdict + "\n```"}, middleware.CodeBadOutput,
			"the output does not satisfy the schema verdict: the value must be JSON (byte 0)"},
		{"too long", middleware.KindChain, outputs{"output": strings.Repeat(" ", schema.MaxBytes+1)}, middleware.CodeBadOutput,
			"the output does not satisfy the schema verdict: the value must be at most"},
		{"no outputs", middleware.KindChain, outputs{}, middleware.CodeBadOutput, "there is no output"},
		{"nil outputs", middleware.KindChain, outputs(nil), middleware.CodeBadOutput, "there is no output"},
		{"nil", middleware.KindChain, nil, middleware.CodeBadOutput, "the output does not satisfy"},
		{"nil value", middleware.KindChain, outputs{"output": nil}, middleware.CodeBadOutput, "the output does not satisfy"},
		{"either", middleware.KindChain, outputs{"output": goodVerdict, "text": goodVerdict}, middleware.CodeIndeterminate, "the output has 2 values"},
		{"neither", middleware.KindChain, outputs{"a": goodVerdict, "b": goodVerdict}, middleware.CodeIndeterminate, "the output has 2 values"},
		{"no JSON", middleware.KindChain, outputs{"output": func() {}}, middleware.CodeIndeterminate, "the gate could not decide"},

		{"plan", middleware.KindPlan, &middleware.Plan{ToolCalls: calls}, "", ""},
		{"final plan", middleware.KindPlan, &middleware.Plan{Final: outputs{"output": goodVerdict}}, "", ""},
		{"bad final plan", middleware.KindPlan, &middleware.Plan{Final: outputs{"output": badVerdict}}, middleware.CodeBadOutput, "the output " + badRisk},
		{"empty final plan", middleware.KindPlan, &middleware.Plan{Final: outputs{}}, middleware.CodeBadOutput, "there is no output"},
		{"nil plan", middleware.KindPlan, (*middleware.Plan)(nil), middleware.CodeIndeterminate, "the gate could not decide"},

		{"model", middleware.KindModel, model(middleware.Choice{Text: goodVerdict}), "", ""},
		{"model with tools", middleware.KindModel, model(middleware.Choice{ToolCalls: calls}), "", ""},
		{"model with reasoning", middleware.KindModel, model(middleware.Choice{Reasoning: "hm"}, middleware.Choice{Text: goodVerdict}), "", ""},
		{"second choice", middleware.KindModel, model(middleware.Choice{Text: goodVerdict}, middleware.Choice{Text: badVerdict}),
			middleware.CodeBadOutput, "choice 2 " + badRisk},
		{"text beside tools", middleware.KindModel, model(middleware.Choice{Text: "I will.", ToolCalls: calls}), middleware.CodeBadOutput,
			"choice 1 does not satisfy"},
		{"empty text", middleware.KindModel, model(middleware.Choice{}), middleware.CodeBadOutput, "choice 1 does not satisfy"},
		{"reasoning alone", middleware.KindModel, model(middleware.Choice{Reasoning: "hm"}), middleware.CodeBadOutput, "the response holds no answer"},
		{"no choices", middleware.KindModel, model(), middleware.CodeBadOutput, "the response holds no answer"},
		{"nil response", middleware.KindModel, (*middleware.ModelResponse)(nil), middleware.CodeIndeterminate, "the gate could not decide"},

		{"tool", middleware.KindTool, goodVerdict, "", ""},
		{"bad tool", middleware.KindTool, badVerdict, middleware.CodeBadOutput, "the output " + badRisk},
		{"retriever", middleware.KindRetriever, []string{"a"}, middleware.CodeBadOutput, "the output does not satisfy"},
	} {
		res, err := run(returns(tc.output), middleware.Call{Kind: tc.kind, Name: "it"}, schema.Output(verdictSchema))
		if tc.code == "" {
			if err != nil {
				t.Errorf("%s: got %v, want no error", tc.name, err)
			}
			continue
		}
		d := wantDenied(t, tc.name, err, "schema.output", tc.code, tc.reason)
		if d == nil {
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want nothing of the output", tc.name, err)
		}
		if res.Output != nil || res.Usage == nil {
			t.Errorf("%s: got output %v and usage %v, want the usage alone", tc.name, res.Output, res.Usage)
		}
		var invalid *schema.ValidationError
		if tc.code == middleware.CodeBadOutput && strings.Contains(d.Reason, "satisfy") && !errors.As(err, &invalid) {
			t.Errorf("%s: got cause %v, want a ValidationError", tc.name, d.Err)
		}
	}
}

func TestBoundaryOfAKey(t *testing.T) {
	gate := schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Key: "answer"})
	call := middleware.Call{Kind: middleware.KindChain, Name: "it"}
	if _, err := run(returns(map[string]any{"answer": goodVerdict, "output": "prose", "text": 1}), call, gate); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	_, err := run(returns(map[string]any{"output": goodVerdict}), call, gate)
	wantDenied(t, "no such key", err, "schema.output", middleware.CodeBadOutput, `the output lacks "answer"`)
	_, err = run(returns(map[string]any{"answer": badVerdict, "output": goodVerdict}), call, gate)
	wantDenied(t, "violation", err, "schema.output", middleware.CodeBadOutput, "the output "+badRisk)
	_, err = run(returns(&middleware.Plan{Final: map[string]any{"answer": badVerdict}}), middleware.Call{Kind: middleware.KindPlan}, gate)
	wantDenied(t, "final plan", err, "schema.output", middleware.CodeBadOutput, "the output "+badRisk)
}

// A failed call and an observation pass as they are.
func TestOutputPasses(t *testing.T) {
	broken := errors.New("broken")
	_, err := run(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, broken
	}, middleware.Call{Kind: middleware.KindChain}, schema.Output(verdictSchema))
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	res, err := run(returns(middleware.Observation("Denied")), middleware.Call{Kind: middleware.KindTool}, schema.Output(verdictSchema))
	if err != nil || res.Output != middleware.Observation("Denied") {
		t.Errorf("got %v, %v, want the observation", res.Output, err)
	}
}

// An order that guards everything judges the answer of the run alone.
func TestOutputJudgesOutermostCall(t *testing.T) {
	gate := schema.Output(verdictSchema)
	for _, tc := range []struct {
		name   string
		is     []middleware.Interceptor
		judged int // decisions of the gate, on whatever call
	}{
		{"enforced", []middleware.Interceptor{gate}, 1},
		{"shadow", []middleware.Interceptor{middleware.Shadow(gate)}, 1},
		{"models alone", []middleware.Interceptor{middleware.On(middleware.KindModel, schema.Output(schema.MustCompile("any", `{"type":"string"}`)))}, 1},
	} {
		var mu sync.Mutex
		judged := 0
		count := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				res, err := next(ctx, call)
				mu.Lock()
				defer mu.Unlock()
				for _, d := range middleware.TrailOf(ctx).Decisions() {
					if d.Gate == "schema.output" {
						judged++
					}
					if d.Verdict == middleware.VerdictDeny {
						t.Errorf("%s: %s: got %s, want no denial", tc.name, call.Kind, d.Reason)
					}
				}
				return res, err
			}
		}
		is := append([]middleware.Interceptor{count}, tc.is...)
		tool := middleware.Wrap(returns("plain text"), is...)
		model := middleware.Wrap(returns(&middleware.ModelResponse{Choices: []middleware.Choice{{Text: `"thought"`}}}), is...)
		plan := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			if _, err := model(ctx, middleware.Call{Kind: middleware.KindModel, Name: "model"}); err != nil {
				return middleware.Result{}, err
			}
			return middleware.Result{Output: &middleware.Plan{Final: map[string]any{"output": "draft"}}}, nil
		}, is...)
		chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			for _, inner := range []struct {
				h    middleware.Handler
				call middleware.Call
			}{
				{plan, middleware.Call{Kind: middleware.KindPlan, Name: "agent"}},
				{tool, middleware.Call{Kind: middleware.KindTool, Name: "tool"}},
			} {
				if _, err := inner.h(ctx, inner.call); err != nil {
					return middleware.Result{}, err
				}
			}
			return middleware.Result{Output: map[string]any{"output": goodVerdict}}, nil
		}, is...)
		for range 2 { // the gate keeps nothing from one run to the next
			judged = 0
			if _, err := chain(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "run"}); err != nil {
				t.Errorf("%s: got %v, want no error", tc.name, err)
			}
			if judged != tc.judged {
				t.Errorf("%s: got %d decisions, want %d", tc.name, judged, tc.judged)
			}
		}
	}
}

// A chain that is guarded within the run of something else is judged too, as are
// several side by side.
func TestOutputWithinForeignRun(t *testing.T) {
	pass := middleware.Before("pass", func(context.Context, middleware.Call) error { return nil })
	inner := middleware.Wrap(returns(map[string]any{"output": badVerdict}), schema.Output(verdictSchema))
	denied := 0
	_, err := run(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		var wg sync.WaitGroup
		errs := make([]error, 5)
		for i := range errs {
			wg.Go(func() { _, errs[i] = inner(ctx, middleware.Call{Kind: middleware.KindChain, Name: "inner"}) })
		}
		wg.Wait()
		for _, err := range errs {
			var d *middleware.DeniedError
			if errors.As(err, &d) {
				denied++
			}
		}
		return middleware.Result{Output: "done"}, nil
	}, middleware.Call{Kind: middleware.KindTool, Name: "outer"}, pass)
	if err != nil || denied != 5 {
		t.Errorf("got %d denials, %v, want 5", denied, err)
	}
	// Without Wrap there is no run, and each call is judged.
	h := schema.Output(verdictSchema)(returns(badVerdict))
	_, err = h(context.Background(), middleware.Call{Kind: middleware.KindTool})
	wantDenied(t, "no run", err, "schema.output", middleware.CodeBadOutput, "the output "+badRisk)
}

func TestOutputPanics(t *testing.T) {
	for what, f := range map[string]func(){
		"Output(nil)": func() { schema.Output(nil) },
	} {
		if !panics(f) {
			t.Errorf("%s: got no panic, want one", what)
		}
	}
}
