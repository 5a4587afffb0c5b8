package langchaingo

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/middleware"
)

// Agent guards the turns of an agent and its tools. Each turn is a Call of
// KindPlan, named by the agent's type, whose Output is the batch of tool calls
// that the model asks for: gates look at it there, before any of it runs, and
// see tools that the model made up. Each tool is guarded as by [Tools].
//
// A turn that is denied is an error. Under [middleware.Tell] and in a guarded
// [Executor] the whole batch is answered with the denial instead, and none of it
// runs; a tool that does not exist is answered by the executor itself.
//
// Agent does not guard the agent's model; [Executor] does. An agent that is
// already guarded is not wrapped twice; see [Tools], also for when Agent panics.
// The agent that it returns is as safe for concurrent use as a.
func Agent(a agents.Agent, is ...middleware.Interceptor) agents.Agent {
	if isNil(a) {
		panic("langchaingo: Agent: nil agent")
	}
	return guardTurns(a, newGuards(is))
}

// guardTurns guards an agent's turns and tools.
func guardTurns(a agents.Agent, is guards) agents.Agent {
	if g, ok := a.(*agent); ok {
		a, is = g.Agent, is.around(g.is)
	}
	g := &agent{Agent: a, name: typeName(a), is: is}
	g.handler = middleware.Wrap(g.run, is.plan...)
	if err := checkNames(a.GetTools()); err != nil {
		panic(err.Error())
	}
	g.GetTools() // an order that makes no sense is refused here, not in a run
	return g
}

// An agent is a guarded agent.
type agent struct {
	agents.Agent
	name    string
	is      guards
	handler middleware.Handler

	mu    sync.Mutex
	tools []guardedTool
}

// A guardedTool is a tool of the agent's, before and after it was guarded.
type guardedTool struct{ inner, guarded tools.Tool }

// Unwrap returns the agent without its guard.
func (a *agent) Unwrap() agents.Agent { return a.Agent }

// String prints the order of the interceptors.
func (a *agent) String() string { return onion(middleware.KindPlan, a.name, a.is.plan) }

// GetTools returns the agent's tools, guarded.
func (a *agent) GetTools() []tools.Tool {
	ts := a.Agent.GetTools()
	guarded := make([]tools.Tool, len(ts))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, t := range ts {
		if i >= len(a.tools) {
			a.tools = append(a.tools, guardedTool{})
		}
		if !same(a.tools[i].inner, t) {
			a.tools[i] = guardedTool{t, Tool(t, a.is.tool...)}
		}
		guarded[i] = a.tools[i].guarded
	}
	return guarded
}

// A planCall is one turn of a guarded agent.
type planCall struct {
	agent   agents.Agent
	steps   []schema.AgentStep
	inputs  map[string]string
	options []chains.ChainCallOption
	request *middleware.PlanRequest

	actions []schema.AgentAction
	finish  *schema.AgentFinish
	plan    *middleware.Plan
}

// Plan takes the next turn of the guarded agent.
func (a *agent) Plan(ctx context.Context, steps []schema.AgentStep, inputs map[string]string, options ...chains.ChainCallOption) ([]schema.AgentAction, *schema.AgentFinish, error) {
	f := &frame[planCall]{ctx, planCall{agent: a.Agent, steps: steps, inputs: inputs, options: options}}
	f.call.request = planRequest(steps, inputs)
	res, err := a.handler(f, middleware.Call{Kind: middleware.KindPlan, Name: a.name, Input: f.call.request, Stream: chainStream(options)})
	if err != nil {
		return nil, nil, err
	}
	turn := find[chainCall](ctx)
	switch out := res.Output.(type) {
	case *middleware.Plan:
		if out == nil {
			break
		}
		actions, finish := f.call.actions, f.call.finish
		if out != f.call.plan {
			actions, finish = changedPlan(&f.call, out)
		}
		if turn != nil {
			turn.turn(actions, "")
		}
		return actions, finish, nil
	case middleware.Observation:
		if turn == nil || len(f.call.actions) == 0 {
			// A final answer, or an executor that is not guarded: there is
			// no tool call that could be answered.
			return nil, nil, &middleware.DeniedError{
				Call: a.name, Code: middleware.CodePolicy, Reason: string(out),
			}
		}
		turn.turn(f.call.actions, out)
		return f.call.actions, nil, nil
	}
	return nil, nil, wrongOutput(middleware.KindPlan, a.name, res.Output)
}

func (a *agent) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	f := find[planCall](ctx)
	if f == nil {
		return middleware.Result{}, errForeignContext
	}
	req, err := input[*middleware.PlanRequest](call)
	if err != nil {
		return middleware.Result{}, err
	}
	steps, inputs := f.steps, f.inputs
	if req != f.request {
		steps, inputs = changedSteps(f, req), req.Inputs
	}
	var v verdict
	actions, finish, err := a.Agent.Plan(ctx, steps, inputs, v.chainOptions(f.options, call.Stream)...)
	if refused := v.error(); refused != nil {
		err = refused
	}
	if err != nil {
		return middleware.Result{}, err
	}
	f.actions, f.finish = actions, finish
	f.plan = &middleware.Plan{}
	if finish != nil {
		f.plan.Final = finish.ReturnValues
		if f.plan.Final == nil {
			f.plan.Final = map[string]any{} // nil would mean that the agent goes on
		}
		return middleware.Result{Output: f.plan}, nil
	}
	registered := make(map[string]string)
	for _, t := range a.Agent.GetTools() {
		registered[strings.ToUpper(t.Name())] = t.Name()
	}
	for _, act := range actions {
		f.plan.ToolCalls = append(f.plan.ToolCalls, middleware.ToolCall{
			ID: act.ToolID, Name: act.Tool, Input: toolInput(act),
			Registered: registered[strings.ToUpper(act.Tool)],
		})
	}
	return middleware.Result{Output: f.plan}, nil
}

// toolInput returns what the executor passes to the tool: it cuts off what a
// model that follows a ReAct prompt may say too much.
func toolInput(act schema.AgentAction) string {
	return strings.TrimSuffix(act.ToolInput, "\nObservation:")
}

func planRequest(steps []schema.AgentStep, inputs map[string]string) *middleware.PlanRequest {
	req := &middleware.PlanRequest{Inputs: inputs, Steps: make([]middleware.Step, len(steps))}
	for i, s := range steps {
		req.Steps[i] = middleware.Step{
			ToolCall:    middleware.ToolCall{ID: s.Action.ToolID, Name: s.Action.Tool, Input: s.Action.ToolInput},
			Observation: s.Observation,
		}
	}
	return req
}

// changedSteps returns req's steps in langchaingo's types, with what only those
// hold where the step is still in its place.
func changedSteps(f *planCall, req *middleware.PlanRequest) []schema.AgentStep {
	steps := make([]schema.AgentStep, len(req.Steps))
	for i, s := range req.Steps {
		if i < len(f.steps) {
			steps[i] = f.steps[i]
		}
		steps[i].Observation = s.Observation
		steps[i].Action.ToolID, steps[i].Action.Tool, steps[i].Action.ToolInput = s.ToolCall.ID, s.ToolCall.Name, s.ToolCall.Input
	}
	return steps
}

// changedPlan returns plan in langchaingo's types, with what only those hold
// where a tool call is the same as one that the agent asked for.
func changedPlan(f *planCall, plan *middleware.Plan) ([]schema.AgentAction, *schema.AgentFinish) {
	if plan.Final != nil {
		finish := schema.AgentFinish{}
		if f.finish != nil {
			finish = *f.finish
		}
		finish.ReturnValues = plan.Final
		return nil, &finish
	}
	actions := make([]schema.AgentAction, len(plan.ToolCalls))
	for i, tc := range plan.ToolCalls {
		log := fmt.Sprintf("Invoking: %s with %s\n", tc.Name, tc.Input)
		for _, act := range f.actions {
			if act.ToolID == tc.ID && act.Tool == tc.Name {
				log = act.Log
			}
		}
		actions[i] = schema.AgentAction{Tool: tc.Name, ToolInput: tc.Input, Log: log, ToolID: tc.ID}
	}
	return actions, nil
}
