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
	inside.Inside = []middleware.Guarded{{Kind: middleware.KindTool, Name: "rm", Interceptors: []middleware.Interceptor{toolGate}}}
	inShadow := onModel
	inShadow.Inside = []middleware.Guarded{{Kind: tool, Name: "rm", Interceptors: []middleware.Interceptor{middleware.Shadow(toolGate)}}}
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
		{"telling nobody, which is no guard", onModel, middleware.Tell, ""},
		{"no gate", onModel, saying(middleware.Layer{Name: "i", Kinds: []middleware.Kind{tool}}), ""},
		{"no gate, on another kind", onModel, middleware.On(tool, saying(middleware.Layer{Name: "i"})), "Model(m): the interceptor i is for tool calls"},
		{"nothing said", onModel, middleware.Before("b", func(context.Context, middleware.Call) error { return nil }), ""},
		{"there already", inside, toolGate, ""},
		{"there already, here in shadow", inside, middleware.Shadow(toolGate), ""},
		{"there in shadow alone", inShadow, toolGate, "would do nothing"},
		{"there in shadow, as here", inShadow, middleware.Shadow(toolGate), ""},
		{"what it counts", onTool, saying(middleware.Layer{Name: "g", Gate: true, Counts: []middleware.Kind{tool}}), ""},
		{"what it does not count", onModel, saying(middleware.Layer{Name: "g", Gate: true, Counts: []middleware.Kind{tool}}), "the gate g is for tool calls, and only model calls come here"},
		{"what it does not count, named", onModel, middleware.Named("n", saying(middleware.Layer{Name: "g", Gate: true, Counts: []middleware.Kind{tool}})), "the gate n is for tool calls"},
		{"what it counts, on that", onTool, middleware.On(tool, saying(middleware.Layer{Name: "g", Gate: true, Counts: []middleware.Kind{tool, model}})), ""},
		{"a tool that is there", onTool, rules("rm"), ""},
		{"all tools", onTool, rules("rm", "List"), ""},
		{"one that is not", onTool, rules("rm", "remove"), `rule for the tool "remove", which is not there: it would do nothing. The tools are "rm" and "List"`},
		{"by case", onTool, rules("list"), ""},
		{"by a letter", onTool, rules("Lst"), `did you mean "List"?`},
		{"by the only letter", middleware.Reach{Kinds: []middleware.Kind{tool}, Tools: []string{"a"}}, rules("c"), `The tools are "a"`},
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
		{"shared rules, where others are known", shared, middleware.Shared(toolGate, rules("remove")), ""},
		{"around a run", onTool, perRun, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				got, _ := recover().(string)
				if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if (tt.name == "nothing near" || tt.name == "by the only letter") && strings.Contains(got, "did you mean") {
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

// TestReachOfWhatIsInside: what makes calls there that do not come, and has no guard, or
// another, would be missed.
func TestReachOfWhatIsInside(t *testing.T) {
	chain, plan, tool, model := middleware.KindChain, middleware.KindPlan, middleware.KindTool, middleware.KindModel
	gate := func(id any, kinds ...middleware.Kind) middleware.Interceptor {
		return saying(middleware.Layer{Name: "g", Gate: true, Kinds: kinds, ID: id})
	}
	rules := saying(middleware.Layer{Name: "r", Gate: true, Kinds: []middleware.Kind{tool}, Tools: []string{"rm"}, ID: "r"})
	is := func(is ...middleware.Interceptor) []middleware.Interceptor { return is }
	for _, tt := range []struct {
		name   string
		inside middleware.Guarded
		i      middleware.Interceptor
		want   string // in the panic; empty: none
	}{
		{"nothing guards it", middleware.Guarded{Kind: model, Name: "m"}, gate("g", model, tool),
			"Chain(c): the gate g is for model and tool calls, and cannot reach the model m: guard it where it is made, by this gate too. Use Model"},
		{"others do", middleware.Guarded{Kind: tool, Name: "rm", Interceptors: is(pass)}, gate("g", tool), "cannot reach the tool rm, which others guard: guard"},
		{"it does", middleware.Guarded{Kind: model, Interceptors: is(pass, gate("g", model))}, gate("g", model), ""},
		{"it does, for other kinds", middleware.Guarded{Kind: model, Name: "m", Interceptors: is(middleware.On(tool, gate("g")))}, gate("g", model, tool), "cannot reach the model m, which others guard"},
		{"it does, in shadow", middleware.Guarded{Kind: model, Name: "m", Interceptors: is(middleware.Shadow(gate("g", model)))}, gate("g", model), "cannot reach the model m, which others guard"},
		{"what it counts", middleware.Guarded{Kind: model, Name: "m"}, saying(middleware.Layer{Name: "g", Gate: true, Counts: []middleware.Kind{model}}), "the gate g is for model calls, and cannot reach the model m"},
		{"what it does not count", middleware.Guarded{Kind: model}, saying(middleware.Layer{Name: "g", Gate: true, Counts: []middleware.Kind{tool}}), ""},
		{"telling", middleware.Guarded{Kind: tool, Name: "rm"}, middleware.Tell, ""},
		{"for another kind", middleware.Guarded{Kind: model}, gate("g", tool), ""},
		{"for all kinds", middleware.Guarded{Kind: model}, gate("g"), ""},
		{"on the kind", middleware.Guarded{Kind: model, Name: "m"}, middleware.On(model, gate("g")), "cannot reach the model m"},
		{"an interceptor on the kind", middleware.Guarded{Kind: model, Name: "m"}, middleware.On(model, pass), "the interceptor middleware_test.pass is for model calls, and cannot"},
		{"one that cannot be told from others", middleware.Guarded{Kind: model, Interceptors: is(pass)}, middleware.On(model, pass), ""},
		{"in shadow", middleware.Guarded{Kind: model, Name: "m"}, middleware.Shadow(gate("g", model)), "cannot reach the model m"},
		{"shared", middleware.Guarded{Kind: model, Name: "m"}, middleware.Shared(gate("g", model)), "cannot reach the model m"},
		{"shared with what is for another kind", middleware.Guarded{Kind: model, Name: "m"}, middleware.Shared(gate("g", tool), gate("h", model)), "cannot reach the model m"},
		{"a chain, whose run is a part of this one", middleware.Guarded{Kind: chain}, gate("g", chain), ""},
		{"plans, whose calls are judged", middleware.Guarded{Kind: plan}, gate("g", tool, plan), ""},
		{"plans", middleware.Guarded{Kind: plan, Name: "a"}, gate("g", plan), "the gate g is for plan calls, and cannot reach the agent a"},
		{"another tool", middleware.Guarded{Kind: tool, Name: "ls"}, rules, "r has a rule for the tool \"rm\", which is not there: it would do nothing. The tools are \"calc\" and \"ls\""},
		{"another tool than those that are there", middleware.Guarded{Kind: tool, Name: "ls"}, middleware.OnTool("calc", gate("g", tool)), ""},
		{"the tool", middleware.Guarded{Kind: tool, Name: "RM"}, rules, "the gate r is for tool calls, and cannot reach the tool RM: guard"},
		{"the tool, guarded", middleware.Guarded{Kind: tool, Name: "RM", Interceptors: is(rules)}, rules, ""},
		{"a rule for what is no tool", middleware.Guarded{Kind: model, Name: "rm"}, rules, `rule for the tool "rm", which is not there`},
		{"a tool of the same name", middleware.Guarded{Kind: tool, Name: "Calc"}, middleware.OnTool("calk", gate("g", tool)), `The tools are "calc"; did you mean "calc"?`},
		{"for another kind, with what cannot be told from it", middleware.Guarded{Kind: tool, Interceptors: is(pass)}, middleware.On(middleware.KindRetriever, pass), "it would do nothing"},
		{"a rule that is of no use there", middleware.Guarded{Kind: tool, Name: "ls", Interceptors: is(rules)}, rules, `rule for the tool "rm", which is not there`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}()
			middleware.Reach{
				What: "Chain(c)", Kinds: []middleware.Kind{chain, plan, tool, model}, Tools: []string{"calc"},
				Inside: []middleware.Guarded{tt.inside}, Instead: "Use Model",
			}.Check(tt.i)
			if tt.want != "" {
				t.Error("no panic")
			}
		})
	}
}

func TestReachOfNoInterceptors(t *testing.T) {
	defer func() {
		if got, want := recover(), "Chain(c) without interceptors guards nothing"; got != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}()
	middleware.Reach{What: "Chain(c)"}.Check()
}

func TestLayersOfNone(t *testing.T) {
	if got := middleware.Layers(); len(got) > 0 {
		t.Errorf("got %v, want none", got)
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
	times := saying(middleware.Layer{Name: "times", Gate: true, Counts: []middleware.Kind{middleware.KindModel}})
	wantPanic(t, "1 times, no calls", func() { middleware.On(middleware.KindTool, times) })
	middleware.On(middleware.KindModel, times)
	middleware.On(middleware.KindTool, calls)
	middleware.On(middleware.KindPlan, middleware.Compose(middleware.Tell, calls))
}
