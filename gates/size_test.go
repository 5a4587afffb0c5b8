package gates_test

import (
	"context"
	"strings"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

func TestSize(t *testing.T) {
	deep := strings.Repeat("[", 5) + strings.Repeat("]", 5)
	sizes := gates.SizeRules{Input: 20, Output: 30, Depth: 4}
	tests := []struct {
		name   string
		call   middleware.Call
		out    any // nil for the input
		code   middleware.Code
		reason string
	}{
		{"fits", kit.Tool("a", strings.Repeat("x", 18)), nil, "", ""},
		{"input too large", kit.Tool("a", strings.Repeat("x", 19)), nil, middleware.CodeBadInput, "the input is larger than 20 bytes"},
		{"input too deep", kit.Tool("a", deep), nil, middleware.CodeBadInput, "the input is nested deeper than 4"},
		{"deep in a string", kit.Tool("a", `["[[\"[[[[["]`), nil, "", ""},
		{"brackets in text", kit.Tool("a", "a "+deep), nil, "", ""},
		{"deep for a model", kit.Model(deep[:5]), "x", "", ""},
		{"a map too deep", kit.Chain("c", map[string]any{"": []any{[]any{[]any{[]any{}}}}}), nil, middleware.CodeBadInput, "the input is nested deeper than 4"},
		{"a model's input", kit.Model(strings.Repeat("x", 20)), nil, middleware.CodeBadInput, "the input is larger than 20 bytes"},
		{"no data", kit.Chain("c", map[string]any{"x": func() {}}), nil, middleware.CodeBadInput, "the input holds a value that cannot be measured"},
		{"any bytes", kit.Tool("a", "\xff\xfe"), "\xff", "", ""},
		{"output fits", kit.Tool("a", ""), strings.Repeat("x", 28), "", ""},
		{"output too large", kit.Tool("a", ""), strings.Repeat("x", 29), middleware.CodeBadOutput, "the output is larger than 30 bytes"},
		{"output of 100 MB", kit.Tool("a", ""), strings.Repeat("x", 100<<20), middleware.CodeBadOutput, "the output is larger than 30 bytes"},
		{"output too deep", kit.Tool("a", ""), " " + deep, middleware.CodeBadOutput, "the output is nested deeper than 4"},
		{"a model's output", kit.Model(""),
			&middleware.ModelResponse{Choices: []middleware.Choice{{Text: strings.Repeat("x", 20)}, {Reasoning: strings.Repeat("x", 20)}}},
			middleware.CodeBadOutput, "the output is larger than 30 bytes"},
		{"a model's tool calls", kit.Model(""),
			&middleware.ModelResponse{Choices: []middleware.Choice{{ToolCalls: []middleware.ToolCall{kit.Ask("a", strings.Repeat("x", 30))}}}},
			middleware.CodeBadOutput, "the output is larger than 30 bytes"},
		{"a small answer", kit.Model(""),
			&middleware.ModelResponse{Choices: []middleware.Choice{{Text: "x", ToolCalls: []middleware.ToolCall{kit.Ask("a", "x")}}}}, "", ""},
		{"a plan", kit.Plan(), &middleware.Plan{ToolCalls: []middleware.ToolCall{kit.Ask("a", strings.Repeat("x", 30))}}, middleware.CodeBadOutput,
			"the output is larger than 30 bytes"},
		{"a final answer", kit.Plan(), &middleware.Plan{Final: map[string]any{"output": strings.Repeat("x", 30)}}, middleware.CodeBadOutput,
			"the output is larger than 30 bytes"},
		{"documents", kit.Retriever(""), []middleware.Document{}, "", ""},
		{"large documents", kit.Retriever(""), []middleware.Document{{Text: strings.Repeat("x", 30)}}, middleware.CodeBadOutput,
			"the output is larger than 30 bytes"},
		{"large metadata", kit.Retriever(""), []middleware.Document{{Metadata: map[string]any{"a": strings.Repeat("x", 30)}}},
			middleware.CodeBadOutput, "the output is larger than 30 bytes"},
		{"an observation", kit.Tool("a", ""), middleware.Observation(strings.Repeat("x", 99)), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := tt.out
			if out == nil {
				out = tt.call.Input
			}
			usage := &middleware.Usage{OutputTokens: 1}
			res, err := middleware.Wrap(answer(middleware.Result{Output: out, Usage: usage}, nil), gates.Size(sizes))(t.Context(), tt.call)
			if tt.code == "" {
				if err != nil {
					t.Errorf("got %v, want it allowed", err)
				}
				return
			}
			if d := kit.WantDenied(t, err, tt.code); d.Reason != tt.reason || d.Gate != "size" {
				t.Errorf("got %+v, want reason %q", d, tt.reason)
			}
			if tt.code == middleware.CodeBadOutput && res.Usage != usage {
				t.Error("the usage was lost")
			}
		})
	}
}

// TestSizeStream shows that a stream without an end is ended at the cap: the
// caller sees nothing beyond it, and the call is denied even if the client
// takes no notice.
func TestSizeStream(t *testing.T) {
	for _, client := range []string{"ends", "takes no notice"} {
		t.Run(client, func(t *testing.T) {
			sent, seen := 0, 0
			model := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				for range 1000 {
					sent++
					err := call.Stream(ctx, middleware.Chunk{Text: []byte("12345"), Reasoning: []byte("12345")})
					if err != nil && client == "ends" {
						return middleware.Result{Usage: &middleware.Usage{OutputTokens: 3}}, err
					}
				}
				return middleware.Result{Output: &middleware.ModelResponse{}, Usage: &middleware.Usage{OutputTokens: 3}}, nil
			}, gates.Size(gates.SizeRules{Output: 35}))
			call := kit.Model("hello")
			call.Stream = func(_ context.Context, c middleware.Chunk) error {
				seen += len(c.Text) + len(c.Reasoning)
				return nil
			}
			res, err := model(t.Context(), call)
			kit.WantDenied(t, err, middleware.CodeBadOutput)
			if seen != 30 || res.Usage == nil || client == "ends" && sent != 4 {
				t.Errorf("saw %d bytes in %d chunks, usage %v", seen, sent, res.Usage)
			}
		})
	}
}

// TestAStreamOfExactlyTheCap shows that the cap itself is allowed, to the byte.
func TestAStreamOfExactlyTheCap(t *testing.T) {
	for bytes, fits := range map[int]bool{34: true, 35: true, 36: false} {
		seen := 0
		call := kit.Model("hello")
		call.Stream = func(_ context.Context, c middleware.Chunk) error {
			seen += c.Len()
			return nil
		}
		_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			for _, n := range []int{20, bytes - 20} {
				if err := call.Stream(ctx, middleware.Chunk{Text: []byte(strings.Repeat("x", n))}); err != nil {
					return middleware.Result{}, err
				}
			}
			return middleware.Result{Output: &middleware.ModelResponse{}}, nil
		}, gates.Size(gates.SizeRules{Output: 35}))(t.Context(), call)
		if fits && (err != nil || seen != bytes) || !fits && (!denied(err, middleware.CodeBadOutput) || seen != 20) {
			t.Errorf("%d bytes under a cap of 35: got %v after %d bytes", bytes, err, seen)
		}
	}
}

func TestRulesPanic(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		f          func()
	}{
		{"Deadline of nothing", "gates: Deadline: DeadlineRules that bound nothing", func() { gates.Deadline(gates.DeadlineRules{}) }},
		{"Deadline, negative", "gates: Deadline: negative time in ", func() { gates.Deadline(gates.DeadlineRules{Call: -1}) }},
		{"Rate of nothing", "gates: Rate: {Calls:0 ", func() { gates.Rate(gates.RateRules{}) }},
		{"Rate without Per", "Calls and Per must be positive", func() { gates.Rate(gates.RateRules{Calls: 1}) }},
		{"Rate, negative wait", "Calls and Per must be positive", func() { gates.Rate(gates.RateRules{Calls: 1, Per: 1, MaxWait: -1}) }},
		{"Rate, negative burst", "Calls and Per must be positive", func() { gates.Rate(gates.RateRules{Calls: 1, Per: 1, Burst: -1}) }},
		{"Rate, unknown scope", "gates: Rate: scope scope(99)", func() { gates.Rate(gates.RateRules{Calls: 1, Per: 1, Scope: 99}) }},
		{"Rate of a session", "gates: Rate: scope session", func() { gates.Rate(gates.RateRules{Calls: 1, Per: 1, Scope: gates.ScopeSession}) }},
		{"Concurrency of none", "gates: Concurrency(0, 1): the first must be positive", func() { gates.Concurrency(0, gates.WaitWhenFull) }},
		{"Concurrency, unknown", "gates: Concurrency(1, 7)", func() { gates.Concurrency(1, 7) }},
		{"Size, negative", "gates: Size: {Input:-1 ", func() { gates.Size(gates.SizeRules{Input: -1}) }},
		{"Size, deeper than any", "gates: Size: {Input:0 Output:0 Depth:10001}", func() { gates.Size(gates.SizeRules{Depth: 10_001}) }},
	} {
		wantPanic(t, tt.name, tt.says, tt.f)
	}
}

// TestSizeMeasuresDocuments: what is in their metadata counts, and has to be data.
func TestSizeMeasuresDocuments(t *testing.T) {
	for _, tt := range []struct {
		value any
		code  middleware.Code
	}{
		{"handbook/leave.md", ""}, {[]any{"a", 1, 0.5, true, nil}, ""}, {[]any{[]any{}}, middleware.CodeBadOutput},
		{func() {}, middleware.CodeBadOutput}, {strings.Repeat("x", 200), middleware.CodeBadOutput},
	} {
		find := middleware.Wrap(kit.Documents(middleware.Document{Text: "30 days", Metadata: map[string]any{"source": tt.value}, Score: 0.5}),
			gates.Size(gates.SizeRules{Output: 200, Depth: 4}))
		if _, err := find(t.Context(), kit.Retriever("leave")); tt.code == "" && err != nil || tt.code != "" && !denied(err, tt.code) {
			t.Errorf("%T: got %v, want code %q", tt.value, err, tt.code)
		}
	}
}
