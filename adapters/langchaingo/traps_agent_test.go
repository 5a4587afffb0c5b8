package langchaingo_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

func TestTrap10ExecutorFoldsNames(t *testing.T) {
	if !strings.EqualFold("\u017fhell", "shell") || strings.ToUpper("\u017fhell") != "SHELL" || strings.ToUpper("wr\u0131te") != "WRITE" {
		t.Error("Unicode folds these otherwise now")
	}
	for _, names := range [][]string{{"shell", "SHELL"}, {"shell", "\u017fhell"}, {"write", "wr\u0131te"}, {"shell", "shell"}, {"k", "\u212a"}} {
		func() {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, fmt.Sprintf("%q", names[0])) || !strings.Contains(v, fmt.Sprintf("%q", names[1])) {
					t.Errorf("%q: got panic %v, want one that names both", names, v)
				}
			}()
			langchaingo.Tools([]tools.Tool{echoTool(names[0]), echoTool(names[1])}, pass)
		}()
	}
	// Which tool a folded name would run is what a gate is told.
	var got []middleware.ToolCall
	look := middleware.After("look", func(_ context.Context, _ middleware.Call, r middleware.Result) error {
		if p, ok := r.Output.(*middleware.Plan); ok {
			got = append(got, p.ToolCalls...)
		}
		return nil
	})
	a := langchaingo.Agent(planner{[]tools.Tool{echoTool("shell")}, []schema.AgentAction{
		{Tool: "shell"}, {Tool: "\u017fhell"}, {Tool: "invented"},
	}}, look)
	if _, _, err := a.Plan(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	want := []middleware.ToolCall{{Name: "shell", Registered: "shell"}, {Name: "\u017fhell", Registered: "shell"}, {Name: "invented"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A planner is an agent that always asks for the same.
type planner struct {
	tools   []tools.Tool
	actions []schema.AgentAction
}

func (p planner) Plan(context.Context, []schema.AgentStep, map[string]string, ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	return p.actions, nil, nil
}
func (p planner) GetInputKeys() []string  { return []string{"input"} }
func (p planner) GetOutputKeys() []string { return []string{"output"} }
func (p planner) GetTools() []tools.Tool  { return p.tools }

func TestTrap11FunctionsAgentUnwrapsArg1(t *testing.T) {
	for args, want := range map[string]string{
		`{"__arg1":"19*23"}`:   "19*23",
		`{"expression":"2"}`:   `{"expression":"2"}`,
		`{"__arg1":{"a":"b"}}`: `{"__arg1":{"a":"b"}}`,
	} {
		m := &script{answers: []*llms.ContentChoice{
			{ToolCalls: []llms.ToolCall{{ID: "c1", FunctionCall: &llms.FunctionCall{Name: "calc", Arguments: args}}}},
			{Content: "done"},
		}}
		spy := new(spy)
		run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{echoTool("calc")})), spy.intercept)
		if _, err := chains.Run(t.Context(), run, "q"); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(spy.calls, func(c middleware.Call) bool { return c.Kind == middleware.KindTool })
		if i < 0 || spy.calls[i].Input != want {
			t.Errorf("arguments %s: the tool's call has input %v, want %s", args, spy.calls[i].Input, want)
		}
	}
}

func TestTrap12ToolCallIDIsBound(t *testing.T) {
	call := func(id, tool, arg string) llms.ToolCall {
		return llms.ToolCall{ID: id, FunctionCall: &llms.FunctionCall{Name: tool, Arguments: `{"__arg1":"` + arg + `"}`}}
	}
	m := &script{answers: []*llms.ContentChoice{
		{ToolCalls: []llms.ToolCall{call("c1", "a", "x"), call("c2", "a", "y"), call("c3", "a", "x"), call("c4", "b", "x")}},
		{Content: "done"},
	}}
	var got []string
	note := middleware.Before("note", func(ctx context.Context, c middleware.Call) error {
		if c.Kind == middleware.KindTool {
			got = append(got, middleware.ToolCallOf(ctx)+" "+c.Name+" "+c.Input.(string))
		}
		return nil
	})
	run := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{echoTool("a"), echoTool("b")})), note)
	if _, err := chains.Run(t.Context(), run, "q"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"c1 a x", "c2 a y", "c3 a x", "c4 b x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
