package middleware_test

import (
	"context"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// saying returns a gate that says this of itself.
func saying(l middleware.Layer) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return l.Handler()
		}
		return next
	}
}

func TestReach(t *testing.T) {
	tool, plan, model := middleware.KindTool, middleware.KindPlan, middleware.KindModel
	toolGate := saying(middleware.Layer{Name: "g", Gate: true, Kinds: []middleware.Kind{tool, plan}, ID: "g"})
	rules := func(names ...string) middleware.Interceptor {
		return saying(middleware.Layer{Name: "g", Gate: true, Kinds: []middleware.Kind{tool, plan}, Tools: names})
	}
	perRun := saying(middleware.Layer{Name: "g", Gate: true, PerRun: true})
	onTool := middleware.Reach{What: "Tool(rm)", Kinds: []middleware.Kind{tool}, Tools: []string{"rm", "List"}}
	onModel := middleware.Reach{What: "Model(m)", Kinds: []middleware.Kind{model}, Instead: "Use Executor"}
	shared, alone, inside := onTool, onTool, onModel
	shared.Shared, alone.Alone = true, true
	inside.Inside = []middleware.Guarded{{Kind: middleware.KindTool, Name: "rm", Interceptors: []middleware.Interceptor{middleware.Shadow(toolGate)}}}
	for _, tt := range []struct {
		name  string
		reach middleware.Reach
		i     middleware.Interceptor
		want  string // in the panic; empty: none
	}{
		{"its kind", onTool, toolGate, ""},
		{"another kind", onModel, toolGate, "Model(m): the gate g is for tool and plan calls, and only model calls come here: it would do nothing. Use Executor"},
		{"in shadow", onModel, middleware.Shadow(toolGate), "would do nothing"},
		{"named", onModel, middleware.Named("n", toolGate), "the gate n is for tool and plan calls"},
		{"composed", onModel, middleware.Compose(perRun, toolGate), "the gate g is for"},
		{"on another kind", onTool, middleware.On(model, perRun), "the gate g is for model calls"},
		{"no gate", onModel, saying(middleware.Layer{Name: "i", Kinds: []middleware.Kind{tool}}), ""},
		{"no gate, on another kind", onModel, middleware.On(tool, saying(middleware.Layer{Name: "i"})), "Model(m): the interceptor i is for tool calls"},
		{"nothing said", onModel, middleware.Before("b", func(context.Context, middleware.Call) error { return nil }), ""},
		{"there already", inside, toolGate, ""},
		{"a tool that is there", onTool, rules("rm"), ""},
		{"all tools", onTool, rules("rm", "List"), ""},
		{"one that is not", onTool, rules("rm", "remove"), `rule for the tool "remove", which is not there: it would do nothing. The tools are "rm" and "List"`},
		{"by case", onTool, rules("list"), ""},
		{"by a letter", onTool, rules("Lst"), `did you mean "List"?`},
		{"nothing near", onTool, rules("deploy"), `"List"`},
		{"one of several", shared, rules("rm", "remove"), ""},
		{"none of several", shared, rules("rn", "remove"), `did you mean`},
		{"tools that nobody knows", middleware.Reach{Kinds: []middleware.Kind{tool}}, rules("rm"), ""},
		{"no tools", middleware.Reach{Kinds: []middleware.Kind{tool}, Tools: []string{}}, rules("rm"), "The tools are none"},
		{"a run of its own", alone, perRun, "middleware.Shared"},
		{"shared within a run", alone, middleware.Shared(toolGate, perRun), ""},
		{"shared with others", onModel, middleware.Shared(toolGate, perRun), ""},
		{"shared, and nothing for here", onModel, middleware.Shared(toolGate, rules("rm")), "would do nothing"},
		{"two that are shared", onModel, middleware.Compose(middleware.Shared(toolGate), middleware.Shared(perRun)), "would do nothing"},
		{"shared in shadow", onModel, middleware.Shadow(middleware.Shared(toolGate, perRun)), ""},
		{"shared rules", onTool, middleware.Shared(toolGate, rules("remove")), `rule for the tool "remove", which is not there`},
		{"around a run", onTool, perRun, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				got, _ := recover().(string)
				if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if tt.name == "nothing near" && strings.Contains(got, "did you mean") {
					t.Errorf("got %q", got)
				}
			}()
			tt.reach.Check(tt.i)
			if tt.want != "" {
				t.Error("no panic")
			}
		})
	}
}

func TestSharedRefusesACallOfItsOwn(t *testing.T) {
	trail := &watch{}
	perRun := saying(middleware.Layer{Name: "count", Gate: true, PerRun: true})
	h := middleware.Wrap(middlewaretest.Echo, middleware.Shared(trail.Intercept, middleware.Before("g", allow), perRun))
	_, err := h(t.Context(), middlewaretest.Tool("t", "x"))
	middlewaretest.WantDenied(t, err, middleware.CodeIndeterminate)
	if d := trail.trail.Decisions(); len(d) != 2 || d[1].Gate != "shared" || d[1].Verdict != middleware.VerdictDeny {
		t.Errorf("the recorder within saw %+v", d)
	}
	err = middlewaretest.InRun(func(ctx context.Context) {
		if _, err := h(ctx, middlewaretest.Tool("t", "x")); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	_, err = h(t.Context(), middleware.Call{Kind: middleware.KindPlan, Name: "a"})
	middlewaretest.WantDenied(t, err, middleware.CodeIndeterminate) // each turn would be counted by itself
	if _, err := h(t.Context(), middlewaretest.Chain("c", nil)); err != nil {
		t.Error(err) // a run
	}
	for _, i := range []middleware.Interceptor{middleware.Before("g", allow), middleware.Shadow(perRun)} {
		if _, err := middleware.Wrap(middlewaretest.Echo, middleware.Shared(i))(t.Context(), middlewaretest.Tool("t", "x")); err != nil {
			t.Errorf("nothing counts over a run: %v", err)
		}
	}
}

func TestOnRefusesAGateForOtherKinds(t *testing.T) {
	calls := middleware.ToolCalls("g", func(context.Context, middleware.ToolCall) error { return nil })
	wantPanic(t, "On: no call would come to\n 1 g, no calls", func() { middleware.On(middleware.KindModel, calls) })
	wantPanic(t, "2 g, no calls", func() {
		middleware.On(middleware.KindModel, middleware.Compose(middleware.Before("b", allow), calls))
	})
	middleware.On(middleware.KindTool, calls)
	middleware.On(middleware.KindPlan, middleware.Compose(middleware.Tell, calls))
}
