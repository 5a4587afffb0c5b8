package middleware_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// TestAdviceIsAnAnswer: what refuses a gate says what to do, and that has it decide.
func TestAdviceIsAnAnswer(t *testing.T) {
	no := middleware.Deny(middleware.CodePolicy, "no")
	noCalls := middleware.ToolCalls("no", func(context.Context, middleware.ToolCall) error { return no })
	noPlans := middleware.NewGate("no").Plans(func(context.Context, middleware.Call, *middleware.Plan) error { return no })
	noTool := middleware.BeforeTool("rm", func(context.Context, string) error { return no })
	alone := middleware.Reach{What: "Tool(rm)", Kinds: []middleware.Kind{middleware.KindTool}, Alone: true}
	perRun := middleware.Compose(saying(middleware.Layer{Name: "count", Gate: true, PerRun: true}), noCalls)
	always := middleware.Compose(saying(middleware.Layer{Name: "count", Gate: true}), noCalls)
	rm := middlewaretest.Ask("rm", "x")
	tool, turn := middlewaretest.Tool("rm", "x"), middlewaretest.Plan()
	plans := middlewaretest.Planner(rm)
	for _, tt := range []struct {
		refused func()
		advice  string
		gate    middleware.Interceptor
		h       middleware.Handler
		call    middleware.Call
	}{
		{func() { middleware.On(middleware.KindModel, noCalls) }, "leave out On", noCalls, middlewaretest.Echo, tool},
		{func() { middleware.On(middleware.KindModel, noCalls) }, "or name another kind than model",
			middleware.On(middleware.KindPlan, noCalls), plans, turn},
		{func() { middleware.OnTool("rm", noPlans) }, "what is to judge plans is BeforeTool or ToolCalls", noTool, plans, turn},
		{func() { middleware.OnTool("rm", noPlans) }, "what is to judge plans is BeforeTool or ToolCalls", noCalls, plans, turn},
		{func() { middleware.OnTool("rm", noPlans) }, "Put what is for other tools or other kinds of calls beside it",
			middleware.Compose(middleware.OnTool("rm", middleware.Before("a", allow)), noPlans), plans, turn},
		{func() { alone.Check(perRun) }, "give it another scope", reached(alone, always), middlewaretest.Echo, tool},
		{func() { alone.Check(perRun) }, "say with middleware.Shared", reached(alone, middleware.Shared(perRun)), middlewaretest.Echo, tool},
		{func() { middleware.Wrap(middlewaretest.Echo, noCalls, middleware.Tell) }, "no gate is inside whose denials it could tell",
			middleware.Compose(middleware.Tell, noCalls), middlewaretest.Echo, tool},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.advice) {
					t.Errorf("got panic %s, want the advice %q", got, tt.advice)
				}
			}()
			tt.refused()
		}()
		err := middlewaretest.InRun(func(ctx context.Context) {
			res, err := middleware.Wrap(tt.h, tt.gate)(ctx, tt.call)
			if _, told := res.Output.(middleware.Observation); err == nil && !told {
				t.Errorf("%s: got %+v, want a denial", tt.advice, res)
			}
		})
		if err != nil && !strings.Contains(err.Error(), "denied by no") && !strings.Contains(err.Error(), "denied by rm gate") {
			t.Errorf("%s: the run ended with %v", tt.advice, err)
		}
	}
}

// reached returns i, which sees calls there.
func reached(r middleware.Reach, i middleware.Interceptor) middleware.Interceptor {
	r.Check(i)
	return i
}
