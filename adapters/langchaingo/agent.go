package langchaingo

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/middleware"
)

// Agent guards the turns of an agent and its tools, and not its model: [Executor] does
// that. Each turn is a Call of KindPlan, named by the agent's type, whose Output is
// the batch of tool calls that the model asks for: gates look at it there, before any
// of it runs, and see tools that the model made up. Each tool is guarded as by
// [Tools]. For a turn that is denied see "What a denial does" in the package doc.
//
// An agent that is already guarded is not wrapped twice; see [Tools], also for when
// Agent panics. The agent that it returns is as safe for concurrent use as a.
func Agent(a agents.Agent, is ...middleware.Interceptor) agents.Agent {
	if isNil(a) {
		panic("langchaingo: Agent: nil agent")
	}
	middleware.Reach{
		What:  "langchaingo: Agent(" + typeName(a) + ")",
		Kinds: []middleware.Kind{middleware.KindPlan, middleware.KindTool}, Tools: toolNames(a.GetTools()), Alone: true,
		Instead: "Guard the executor, and with it the agent's model, with langchaingo.Executor",
	}.Check(is...)
	return guardTurns(a, newGuards(is))
}

// guardTurns guards an agent's turns and tools.
func guardTurns(a agents.Agent, is guards) agents.Agent { return newAgent(a, is) }

func newAgent(a agents.Agent, is guards) *agent {
	if g, ok := a.(*agent); ok {
		a, is = g.Agent, is.outsideOf(g.is)
	}
	g := &agent{Agent: a, name: typeName(a), is: is}
	g.handler = middleware.Wrap(g.run, append([]middleware.Interceptor{keepTold}, is.plan...)...)
	if err := checkNames(a.GetTools()); err != nil {
		panic(err.Error())
	}
	g.guardTools() // an order that makes no sense is refused here, not in a run
	return g
}

// An agent is a guarded agent.
type agent struct {
	agents.Agent
	name    string
	is      guards
	handler middleware.Handler

	listed atomic.Bool // somebody has asked for the tools

	mu    sync.Mutex
	tools []guardedTool
}

// A guardedTool is a tool of the agent's, before and after it was guarded.
type guardedTool struct{ inner, guarded tools.Tool }

// Unwrap returns the agent without its guard.
func (a *agent) Unwrap() agents.Agent { return a.Agent }

// Guarded says what stands around the agent's turns and tools.
func (a *agent) Guarded() middleware.Guarded {
	g := middleware.Guarded{Kind: middleware.KindPlan, Name: a.name, Interceptors: a.is.plan, Inner: a.Agent}
	for _, t := range a.guardTools() {
		g.Parts = append(g.Parts, t)
	}
	return g
}

// String prints the order of the interceptors.
func (a *agent) String() string { return onion(middleware.KindPlan, a.name, a.is.plan) }

// GetTools returns the agent's tools, guarded.
func (a *agent) GetTools() []tools.Tool {
	a.listed.Store(true)
	return a.guardTools()
}

func (a *agent) guardTools() []tools.Tool {
	ts := a.Agent.GetTools()
	guarded := make([]tools.Tool, len(ts))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, t := range ts {
		if i >= len(a.tools) {
			a.tools = append(a.tools, guardedTool{})
		}
		if !sameValue(a.tools[i].inner, t) {
			a.tools[i] = guardedTool{t, newTool(t, a.is.tool)}
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
	was     fingerprint // of inputs
	streams bool

	actions []schema.AgentAction
	finish  *schema.AgentFinish
	plan    *middleware.Plan
	calls   []middleware.ToolCall // those of plan, as the agent asked for them
	told    *middleware.DeniedError
}

// keepTold stands outside of all interceptors and keeps the denial that was told.
func keepTold(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "langchaingo.agent"}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		if _, told := res.Output.(middleware.Observation); told {
			if f, denial := frameOf[planCall](ctx), middleware.TrailOf(ctx).Told(); f != nil && denial != nil {
				f.told = denial
			}
		}
		return res, err
	}
}

// denial returns the denial that was told as said.
func (f *planCall) denial(name string, said middleware.Observation) *middleware.DeniedError {
	if f.told != nil {
		return f.told
	}
	return &middleware.DeniedError{Call: name, Code: middleware.CodePolicy, Reason: string(said)}
}

// Plan takes the next turn of the guarded agent.
func (a *agent) Plan(
	ctx context.Context, steps []schema.AgentStep, inputs map[string]string, options ...chains.ChainCallOption,
) ([]schema.AgentAction, *schema.AgentFinish, error) {
	stream := chainStream(options)
	f := &frame[planCall]{ctx, planCall{
		agent: a.Agent, steps: steps, inputs: inputs, was: fingerprintOf(inputs, hashText), options: options, streams: stream != nil,
	}}
	f.call.request = planRequest(steps, inputs)
	res, err := a.handler(f, middleware.Call{Kind: middleware.KindPlan, Name: a.name, Input: f.call.request, Stream: stream})
	if err != nil {
		return nil, nil, err
	}
	chain := frameOf[chainCall](ctx)
	switch out := res.Output.(type) {
	case *middleware.Plan:
		if out == nil {
			break
		}
		actions, finish := f.call.actions, f.call.finish
		if f.call.plan == nil || !samePlan(&f.call, out) {
			if actions, finish, err = changedPlan(&f.call, out); err != nil {
				return nil, nil, err
			}
		}
		if chain != nil {
			chain.expect(actions, out.ToolCalls, nil)
		}
		return actions, finish, nil
	case middleware.Observation:
		denial := f.call.denial(a.name, out)
		if chain == nil || len(f.call.actions) == 0 || !a.listed.Load() {
			// A final answer, or an executor that is not guarded or has not
			// got its tools from here: no tool call could be answered.
			return nil, nil, denial
		}
		chain.expect(f.call.actions, f.call.calls, &toldDenial{out, denial})
		return f.call.actions, nil, nil
	}
	return nil, nil, wrongOutput(middleware.KindPlan, a.name, res.Output)
}

func (a *agent) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	f, req, err := frameAndInput[planCall, *middleware.PlanRequest](ctx, call)
	if err != nil {
		return middleware.Result{}, err
	}
	steps, inputs := f.steps, req.Inputs
	if !unchanged(f.was, f.inputs, hashText) {
		return middleware.Result{}, modifiedInPlace(call)
	}
	if !sameSteps(f, req) {
		if req == f.request {
			return middleware.Result{}, modifiedInPlace(call)
		}
		steps = changedSteps(f, req)
	}
	var v streamGuard
	actions, finish, err := a.Agent.Plan(ctx, steps, inputs, v.chainOptions(f.options, f.streams, call)...)
	if refused := v.error(); refused != nil {
		err = refused
	}
	if err != nil {
		return middleware.Result{}, err
	}
	f.was = fingerprintOf(f.inputs, hashText) // the agent may have changed its inputs, and be asked again
	f.finish = finish
	f.plan = &middleware.Plan{}
	if finish != nil { // actions beside it are not judged, and not returned
		f.plan.Final = finish.ReturnValues
		if f.plan.Final == nil {
			f.plan.Final = map[string]any{} // nil would mean that the agent goes on
		}
		return middleware.Result{Output: f.plan}, nil
	}
	registered := make(map[string]string)
	registerTools(a.Agent, registered)
	f.actions = actions
	n := len(actions)
	twice := make([]middleware.ToolCall, 2*n)
	f.plan.ToolCalls, f.calls = twice[:n:n], twice[n:]
	for i, act := range actions {
		f.calls[i] = toolCall(act, registered)
	}
	copy(f.plan.ToolCalls, f.calls)
	return middleware.Result{Output: f.plan}, nil
}

// registerTools notes the names of an agent's tools, by what the executor keeps
// them under.
func registerTools(a agents.Agent, registered map[string]string) {
	for _, t := range a.GetTools() {
		registered[strings.ToUpper(t.Name())] = t.Name()
	}
}

// toolCall returns what the executor would do for an action.
func toolCall(act schema.AgentAction, registered map[string]string) middleware.ToolCall {
	return middleware.ToolCall{
		ID: act.ToolID, Name: act.Tool, Input: toolInput(act),
		Registered: registered[strings.ToUpper(act.Tool)],
	}
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

// sameSteps reports whether req's steps are, by value, those that came.
func sameSteps(f *planCall, req *middleware.PlanRequest) bool {
	return slices.EqualFunc(f.steps, req.Steps, func(was schema.AgentStep, now middleware.Step) bool {
		return now == middleware.Step{
			ToolCall:    middleware.ToolCall{ID: was.Action.ToolID, Name: was.Action.Tool, Input: was.Action.ToolInput},
			Observation: was.Observation,
		}
	})
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

// samePlan reports whether plan is, by value, what the agent planned. What it
// returns at the end is the agent's own map.
func samePlan(f *planCall, plan *middleware.Plan) bool {
	if (plan.Final != nil) != (f.finish != nil) || !slices.Equal(plan.ToolCalls, f.calls) {
		return false
	}
	return f.finish == nil || len(f.finish.ReturnValues) == 0 && len(plan.Final) == 0 || sameMap(plan.Final, f.finish.ReturnValues)
}

func sameMap(a, b map[string]any) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// changedPlan returns plan in langchaingo's types, with what only those hold
// where a tool call is the same as one that the agent asked for. The error names a
// tool call for which the executor would do something else than it says.
func changedPlan(f *planCall, plan *middleware.Plan) ([]schema.AgentAction, *schema.AgentFinish, error) {
	if plan.Final != nil {
		finish := schema.AgentFinish{}
		if f.finish != nil {
			finish = *f.finish
		}
		finish.ReturnValues = plan.Final
		return nil, &finish, nil
	}
	registered := make(map[string]string)
	registerTools(f.agent, registered)
	actions := make([]schema.AgentAction, len(plan.ToolCalls))
	for i, tc := range plan.ToolCalls {
		actions[i] = schema.AgentAction{
			Tool: tc.Name, ToolInput: tc.Input, ToolID: tc.ID,
			Log: fmt.Sprintf("Invoking: %s with %s\n", tc.Name, tc.Input),
		}
		for k, act := range f.actions {
			if tc == f.calls[k] {
				actions[i] = act
				break
			}
			if act.ToolID == tc.ID && act.Tool == tc.Name {
				actions[i].Log = act.Log
			}
		}
		if toolCall(actions[i], registered) != tc {
			return nil, nil, fmt.Errorf(
				"langchaingo: an interceptor put a call into the plan of which the executor would make another: tool call %d", i+1)
		}
	}
	return actions, nil, nil
}
