package schema_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

var transferSchema = schema.MustCompile("transfer arguments", `{
	"type": "object",
	"required": ["to", "amount"],
	"properties": {"to": {"type": "string"}, "amount": {"type": "number", "maximum": 100}}
}`)

func TestInput(t *testing.T) {
	gate := schema.Input(schema.Tools{"transfer": transferSchema})
	const prefix = "the input does not satisfy the schema transfer arguments: "
	for _, tc := range []struct {
		name, tool string
		input      any
		received   string // by the tool
		verdict    middleware.Verdict
		code       middleware.Code
		reason     string
	}{
		{"as written", "transfer", `{"to":"bob","amount":5}`, `{"to":"bob","amount":5}`, middleware.VerdictAllow, "", ""},
		{"with spaces", "transfer", "{ \"to\": \"b\\u006fb\",\n \"amount\": 5.0 }\n", `{"to":"bob","amount":5.0}`, middleware.VerdictTransform, "", ""},
		{"registered in another case", "Transfer", `{"to":"bob"}`, "", middleware.VerdictDeny, middleware.CodeBadInput,
			prefix + `the value must have the property "amount"`},
		{"violation", "transfer", `{"to":"hunter2","amount":5000}`, "", middleware.VerdictDeny, middleware.CodeBadInput,
			prefix + "/amount must be at most 100"},
		{"twin", "transfer", `{"to":"hunter2","amount":50,"Amount":5000}`, "", middleware.VerdictDeny, middleware.CodeBadInput,
			prefix + "the value must not have properties whose names differ in case alone"},
		{"plain text", "transfer", `hunter2`, "", middleware.VerdictDeny, middleware.CodeBadInput, prefix + "the value must be JSON (byte 0)"},
		{"no text", "transfer", ``, "", middleware.VerdictDeny, middleware.CodeBadInput, prefix + "the value must be JSON"},
		{"too long", "transfer", strings.Repeat(" ", schema.MaxBytes+1), "", middleware.VerdictDeny, middleware.CodeBadInput,
			prefix + "the value must be at most"},
		{"no string", "transfer", 5, "", middleware.VerdictDeny, middleware.CodeIndeterminate, "the gate could not decide"},
		{"no contract", "shell", `not JSON`, `not JSON`, middleware.VerdictAllow, "", ""},
	} {
		received := ""
		var decisions []middleware.Decision
		watch := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				res, err := next(ctx, call)
				decisions = middleware.TrailOf(ctx).Decisions()
				return res, err
			}
		}
		_, err := run(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
			received = call.Input.(string)
			return middleware.Result{Output: "ok"}, nil
		}, middleware.Call{Kind: middleware.KindTool, Name: tc.tool, Input: tc.input}, watch, gate)
		if received != tc.received {
			t.Errorf("%s: got the tool called with %q, want %q", tc.name, received, tc.received)
		}
		if len(decisions) != 1 || decisions[0].Verdict != tc.verdict {
			t.Errorf("%s: got decisions %v, want one to %s", tc.name, decisions, tc.verdict)
		}
		if tc.code == "" {
			if err != nil {
				t.Errorf("%s: got %v, want no error", tc.name, err)
			}
			continue
		}
		wantDenied(t, tc.name, err, "schema.input", tc.code, tc.reason)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want nothing of the input", tc.name, err)
		}
		var invalid *schema.ValidationError
		if tc.code == middleware.CodeBadInput && !errors.As(err, &invalid) {
			t.Errorf("%s: got %v, want a ValidationError as the cause", tc.name, err)
		}
	}
}

func TestInputOfPlan(t *testing.T) {
	gate := schema.Input(schema.Tools{"transfer": transferSchema})
	good := middleware.ToolCall{Name: "TRANSFER", Registered: "transfer", Input: ` {"to":"bob","amount":5}`}
	bad := middleware.ToolCall{Name: "transfer", Registered: "transfer", Input: `{"to":"bob","amount":500}`}
	const reason = "the input of tool call 2, transfer, does not satisfy the schema transfer arguments: /amount must be at most 100"
	for _, tc := range []struct {
		name   string
		plan   any
		code   middleware.Code
		reason string
	}{
		{"good", &middleware.Plan{ToolCalls: []middleware.ToolCall{good, good}}, "", ""},
		{"no contract", &middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: "shell", Registered: "shell", Input: "ls"}}}, "", ""},
		{"final", &middleware.Plan{Final: map[string]any{"output": "x"}}, "", ""},
		{"second", &middleware.Plan{ToolCalls: []middleware.ToolCall{good, bad}}, middleware.CodeBadInput, reason},
		{"not registered", &middleware.Plan{ToolCalls: []middleware.ToolCall{good, {Name: "Tran\u017ffer", Input: bad.Input}}},
			middleware.CodeBadInput, reason},
		{"made up", &middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: "hunter2", Input: "x"}}}, "", ""},
		{"nil", (*middleware.Plan)(nil), middleware.CodeIndeterminate, "the gate could not decide"},
		{"no plan", "x", middleware.CodeIndeterminate, "the gate could not decide"},
	} {
		res, err := run(returns(tc.plan), middleware.Call{Kind: middleware.KindPlan, Name: "agent"}, gate)
		if tc.code == "" {
			if err != nil || res.Output != tc.plan {
				t.Errorf("%s: got %v, %v, want the plan as it was", tc.name, res.Output, err)
			}
			continue
		}
		wantDenied(t, tc.name, err, "schema.input", tc.code, tc.reason)
	}

	// Told rather than aborted, the model reads what it has to mend.
	res, err := run(returns(&middleware.Plan{ToolCalls: []middleware.ToolCall{good, bad}}),
		middleware.Call{Kind: middleware.KindPlan, Name: "agent"}, middleware.Tell, gate)
	if want := middleware.Observation("Denied (bad_input): " + reason + ". Correct the arguments, then call again."); err != nil || res.Output != want {
		t.Errorf("got %v, %v, want %s", res.Output, err, want)
	}
}

// Calls that are neither plans nor tools pass, whatever they hold.
func TestInputPassesOtherKinds(t *testing.T) {
	gate := schema.Input(schema.Tools{"transfer": transferSchema})
	for _, kind := range []middleware.Kind{middleware.KindChain, middleware.KindModel, middleware.KindRetriever} {
		if _, err := run(returns("x"), middleware.Call{Kind: kind, Name: "transfer", Input: "x"}, gate); err != nil {
			t.Errorf("%s: got %v, want no error", kind, err)
		}
	}
}

func TestInputKeepsItsMap(t *testing.T) {
	tools := schema.Tools{"transfer": transferSchema}
	gate := schema.Input(tools)
	delete(tools, "transfer")
	_, err := run(returns("x"), middleware.Call{Kind: middleware.KindTool, Name: "transfer", Input: "x"}, gate)
	wantDenied(t, "after a change of the map", err, "schema.input", middleware.CodeBadInput, "the input does not satisfy")
}

func TestInputPanics(t *testing.T) {
	for want, tools := range map[string]schema.Tools{
		"schema: Input: no tools":                                       {},
		"schema: Input: a tool without a name":                          {"": transferSchema},
		`schema: Input: nil Schema for "transfer"`:                      {"transfer": nil},
		`schema: Input: "Transfer" and "transfer" differ in case alone`: {"transfer": transferSchema, "Transfer": transferSchema},
	} {
		wantPanic(t, "Input", want, func() { schema.Input(tools) })
	}
	wantPanic(t, "nil", "schema: Input: no tools", func() { schema.Input(nil) })
}

func TestGatesDescribeThemselves(t *testing.T) {
	got := middleware.Onion(
		schema.Input(schema.Tools{"transfer": transferSchema}),
		schema.Output(verdictSchema),
		middleware.On(middleware.KindChain, schema.Boundary(schema.BoundaryRules{Schema: verdictSchema, Reasks: 1})),
	)
	want := " 1 schema.input, stream of plans passed through\n 2 schema.output\n 3 schema.output, chain calls only\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
