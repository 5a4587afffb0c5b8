package adaptertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

func testAgent(t *testing.T, guard func(Agent, ...middleware.Interceptor) ToolFunc) {
	t.Run("the run, its turns, its model and its tools are one run", func(t *testing.T) {
		spy := new(spy)
		ran := 0
		out, err := guard(Agent{
			Turns: []Turn{{Calls: []Call{{"echo", "hello"}}}, {Final: "done"}},
			Tools: map[string]ToolFunc{"echo": counted(&ran, echo)},
		}, spy.intercept)(t.Context(), "go")
		wantOutput(t, out, err, "done")
		count := make(map[middleware.Kind]int)
		for i, c := range spy.calls {
			count[c.Kind]++
			if spy.runs[i] != spy.runs[0] {
				t.Errorf("call %d (%s %s) is of another run", i, c.Kind, c.Name)
			}
			if (c.Parent == 0) != (i == 0) {
				t.Errorf("call %d (%s %s) has parent %d", i, c.Kind, c.Name, c.Parent)
			}
		}
		if count[middleware.KindPlan] != 2 || count[middleware.KindTool] != 1 || count[middleware.KindModel] != 2 || ran != 1 {
			t.Errorf("got %v calls and the tool ran %d times, want 2 plans, 2 models and 1 tool", count, ran)
		}
	})
	batch := []Call{{"echo", "1"}, {"shell", "rm -rf /"}, {"echo", "2"}}
	noShell := middleware.After("adaptertest", func(_ context.Context, c middleware.Call, r middleware.Result) error {
		if p, ok := r.Output.(*middleware.Plan); ok {
			for _, tc := range p.ToolCalls {
				if tc.Name != "echo" || tc.Registered != "echo" {
					return middleware.Deny(middleware.CodeToolNotAllowed, reason)
				}
			}
		}
		return nil
	})
	t.Run("a denied turn leaves no half-run batch", func(t *testing.T) {
		ran := 0
		_, err := guard(Agent{
			Turns: []Turn{{Calls: batch}, {Final: "done"}},
			Tools: map[string]ToolFunc{"echo": counted(&ran, echo), "shell": counted(&ran, echo)},
		}, noShell)(t.Context(), "go")
		wantDenied(t, err, "adaptertest")
		if ran != 0 {
			t.Errorf("%d tools ran", ran)
		}
	})
	t.Run("under Tell a denied turn is answered with text as a whole", func(t *testing.T) {
		ran := 0
		var saw []string
		out, err := guard(Agent{
			Turns: []Turn{{Calls: batch}, {Calls: []Call{{"echo", "3"}}}, {Final: "done"}},
			Tools: map[string]ToolFunc{"echo": counted(&ran, echo), "shell": mustNotRun(t)},
			Saw:   func(o string) { saw = append(saw, o) },
		}, middleware.Tell, noShell)(t.Context(), "go")
		wantOutput(t, out, err, "done")
		if ran != 1 {
			t.Errorf("%d tools ran, want only the one of the second turn", ran)
		}
		told := 0
		for _, o := range saw {
			if strings.Contains(o, reason) {
				told++
			}
		}
		if told < len(batch) || !slices.Contains(saw, "3") {
			t.Errorf("the model was shown %q, want the denial for each of %d calls, then \"3\"", saw, len(batch))
		}
	})
	t.Run("under Tell a denied turn in which there is nothing to answer is an error", func(t *testing.T) {
		_, err := guard(Agent{
			Turns: []Turn{{Final: "done"}},
			Tools: map[string]ToolFunc{"echo": echo},
		}, middleware.Tell, middleware.On(middleware.KindPlan, deny))(t.Context(), "go")
		wantDenied(t, err, "adaptertest")
	})
	t.Run("tools that the model made up are seen", func(t *testing.T) {
		for _, name := range []string{"invented", "ECHO"} {
			_, err := guard(Agent{
				Turns: []Turn{{Calls: []Call{{name, "x"}}}, {Final: "done"}},
				Tools: map[string]ToolFunc{"echo": mustNotRun(t)},
			}, noShell)(t.Context(), "go")
			wantDenied(t, err, "adaptertest")
		}
	})
	t.Run("a denied tool stops the run", func(t *testing.T) {
		turns := []Turn{{Calls: []Call{{"shell", "x"}}}, {Calls: []Call{{"echo", "y"}}}, {Final: "done"}}
		_, err := guard(Agent{
			Turns: turns,
			Tools: map[string]ToolFunc{"echo": mustNotRun(t), "shell": mustNotRun(t)},
		}, denyTool("shell"))(t.Context(), "go")
		wantDenied(t, err, "adaptertest")
	})
	t.Run("under Tell a denied tool is told and the run goes on", func(t *testing.T) {
		var saw []string
		out, err := guard(Agent{
			Turns: []Turn{{Calls: []Call{{"shell", "x"}}}, {Calls: []Call{{"echo", "y"}}}, {Final: "done"}},
			Tools: map[string]ToolFunc{"echo": echo, "shell": mustNotRun(t)},
			Saw:   func(o string) { saw = append(saw, o) },
		}, middleware.Tell, denyTool("shell"))(t.Context(), "go")
		wantOutput(t, out, err, "done")
		if len(saw) < 2 || !strings.Contains(saw[0], reason) || !slices.Contains(saw, "y") {
			t.Errorf("the model was shown %q", saw)
		}
	})
	t.Run("a cancelled run calls no tool", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := guard(Agent{
			Turns: []Turn{{Calls: []Call{{"stop", "x"}}}, {Calls: []Call{{"echo", "y"}}}, {Final: "done"}},
			Tools: map[string]ToolFunc{
				"stop": func(context.Context, string) (string, error) { cancel(); return "", nil },
				"echo": mustNotRun(t),
			},
		}, pass)(ctx, "go")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("a final answer that is refused does not leave the run", func(t *testing.T) {
		out, err := guard(Agent{
			Turns: []Turn{{Final: "the password is hunter2"}},
			Tools: map[string]ToolFunc{"echo": echo},
		}, middleware.After("adaptertest", func(_ context.Context, c middleware.Call, _ middleware.Result) error {
			if c.Parent == 0 {
				return middleware.Deny(middleware.CodeBadOutput, reason)
			}
			return nil
		}))(t.Context(), "go")
		wantDenied(t, err, "adaptertest")
		if strings.Contains(out, "hunter2") {
			t.Errorf("got output %q with it", out)
		}
	})
	t.Run("nothing is shared between runs", func(t *testing.T) {
		run := guard(Agent{
			Turns: []Turn{{Calls: []Call{{"shell", "x"}}}, {Final: "done"}},
			Tools: map[string]ToolFunc{"shell": mustNotRun(t)},
		}, denyTool("shell"))
		for range 2 {
			_, err := run(t.Context(), "go")
			wantDenied(t, err, "adaptertest") // and not stopped by the run before
		}
	})
}
