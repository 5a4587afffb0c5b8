package middleware

import (
	"context"
	"strconv"
	"strings"

	"example.com/safeconduct/internal/shown"
)

// ToolCalls returns a gate that decides which tools may be called, and with what. It
// judges every tool call that a plan asks for, before any of them runs, and every one
// that is made; calls of other kinds pass. What the errors of check mean, and when
// ToolCalls panics, is as for [Before].
//
// A plan is denied as a whole with the first tool call in it that is, and the reason
// says which: `tool call 2, "deploy": ` and what the check said. The gate abstains from
// a plan if the check does so from every tool call in it. A call that a plan asked for is
// judged once more when it is made: then, its Name is that of the tool as it was
// registered. A call whose Input is not text is denied.
func ToolCalls(gate string, check func(ctx context.Context, call ToolCall) error) Interceptor {
	mustGate("ToolCalls", gate, check == nil)
	return toolCalls(NewGate(gate), "", check)
}

// toolCalls is ToolCalls for one tool, or for all if only is empty.
func toolCalls(g *Gate, only string, check func(ctx context.Context, call ToolCall) error) Interceptor {
	concerns := func(tool string) bool { return only == "" || strings.EqualFold(tool, only) }
	judge := func(ctx context.Context, call ToolCall) error {
		if !concerns(call.Tool()) {
			return ErrAbstain
		}
		return check(ctx, call)
	}
	plans := g.Plans(func(ctx context.Context, _ Call, plan *Plan) error {
		if only != "" && len(plan.ToolCalls) == 0 {
			return ErrAbstain
		}
		return judgeBatch(ctx, plan.ToolCalls, judge)
	})
	made := func(ctx context.Context, call Call) error {
		input, ok := call.Input.(string)
		if !ok {
			return Deny(CodeIndeterminate, "the input of the tool is not text")
		}
		return check(ctx, ToolCall{ID: ToolCallOf(ctx), Name: call.Name, Registered: call.Name, Input: input})
	}
	return func(next Handler) Handler {
		if next == nil {
			l := layerOf(plans)
			l.Kinds = []Kind{KindTool, KindPlan}
			if only != "" {
				l.Tools = []string{only}
			}
			return l.Handler()
		}
		tool, other := g.before(next, made), plans(next)
		return func(ctx context.Context, call Call) (Result, error) {
			switch {
			case call.Kind != KindTool:
				return other(ctx, call)
			case !concerns(call.Name): // its input may be no text
				return next(ctx, call)
			}
			return tool(ctx, call)
		}
	}
}

// judgeBatch has a check judge each tool call of a plan, and returns what that means for
// the plan.
func judgeBatch(ctx context.Context, calls []ToolCall, check func(ctx context.Context, call ToolCall) error) error {
	abstained := 0
	var why []string // it was allowed
	for i := range calls {
		err := check(ctx, calls[i])
		reason, ok := allows(err)
		switch {
		case ok && reason != "":
			why = append(why, toolCallPlace(i, calls[i].Tool())+reason)
		case ok:
		case abstains(err):
			abstained++
		default:
			return DenyToolCall(i, calls[i].Tool(), err)
		}
	}
	switch {
	case abstained > 0 && abstained == len(calls):
		return ErrAbstain
	case len(why) > 0:
		return &allowance{strings.Join(why, "; ")}
	}
	return nil
}

// toolCallPlace says which tool call of a plan the reason that follows is about.
func toolCallPlace(index int, tool string) string {
	return "tool call " + strconv.Itoa(index+1) + ", " + shown.Name(tool) + ": "
}

// Plans returns an Interceptor that judges plans as [After] does, by a check that
// gets the [Plan]; calls of other kinds pass. It is for a gate on tool calls that
// [ToolCalls] is too slow or too simple for. Of a stream it holds nothing, as the tool
// calls of a plan are not text. A plan that cannot be read is denied with
// [CodeIndeterminate]. Plans panics if check is nil.
func (g *Gate) Plans(check func(ctx context.Context, call Call, plan *Plan) error) Interceptor {
	mustGate("Plans", g.name, check == nil)
	f := func(ctx context.Context, call Call, res Result) (Result, bool, error) {
		plan, err := res.Plan()
		if err == nil {
			err = check(ctx, call, plan)
		}
		return res, false, err
	}
	judged := PassThrough(func(next Handler) Handler { return g.result(next, f) })
	return func(next Handler) Handler {
		if next == nil {
			l := g.Layer()
			l.Kinds, l.Stream = []Kind{KindPlan}, "of plans passed through"
			return l.Handler()
		}
		plan := judged(next)
		return func(ctx context.Context, call Call) (Result, error) {
			if call.Kind == KindPlan {
				return plan(ctx, call)
			}
			return next(ctx, call)
		}
	}
}

// Plan returns the [Plan] that a [KindPlan] call came to, or the denial of one that
// cannot be read.
func (r Result) Plan() (*Plan, error) {
	plan, ok := r.Output.(*Plan)
	if !ok || plan == nil {
		return nil, Deny(CodeIndeterminate, "the plan cannot be read")
	}
	return plan, nil
}

// Tool returns the name by which to judge the tool call: that of the registered tool
// that would run or, where there is none, the one that the model wrote.
func (c ToolCall) Tool() string {
	if c.Registered != "" {
		return c.Registered
	}
	return c.Name
}

// DenyToolCall says which tool call of a plan a denial is about, by its index and the
// name of its tool. Other errors are returned as they are.
func DenyToolCall(index int, tool string, err error) error {
	d, bare := denial(err)
	if d == nil {
		return err
	}
	e := *d
	if !bare {
		e.Err = err // what wraps the denial is its cause
	}
	e.Reason = toolCallPlace(index, tool) + d.Reason
	return &e
}
