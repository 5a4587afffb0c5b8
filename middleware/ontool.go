package middleware

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// BeforeTool returns a gate on one tool, which judges each of its calls by the arguments
// before it runs. Where an agent asks for several calls in one turn, it judges those of
// the tool before any of the turn runs, as [ToolCalls] does, and each once more when it
// is made. Calls of other tools leave nothing on the trail.
//
//	middleware.BeforeTool("pay", func(_ context.Context, args string) error { ... })
//
// What the errors of check mean is as for [Before]. The gate is called after the tool,
// such as "pay gate". Names of tools are compared without regard to case. BeforeTool
// panics if the name is empty or check is nil, and adapters do if there is no such tool.
func BeforeTool(name string, check func(ctx context.Context, args string) error) Interceptor {
	mustTool("BeforeTool", name, check == nil, "check")
	return toolCalls(NewGate(name+" gate"), name, func(ctx context.Context, call ToolCall) error {
		return check(ctx, call.Input)
	})
}

// OnTool returns an Interceptor that is i for the calls of one tool; all other calls pass.
// It is for what waits, counts or looks at results, for one tool:
//
//	middleware.OnTool("search", gates.Concurrency(2, gates.WaitWhenFull))
//
// It is about each call as it is made. The plan that asks for it does not come to i, as
// it may ask for other tools too: to refuse a turn before any of it runs, take
// [BeforeTool]. Names of tools are compared without regard to case.
//
// OnTool panics if the name is empty, and if i, or a part of it, would see no call: it is
// for other kinds, or for other tools. Adapters panic if there is no such tool.
func OnTool(name string, i Interceptor) Interceptor {
	mustTool("OnTool", name, i == nil, "Interceptor")
	o := onTool(name, i)
	if slices.ContainsFunc(Layers(o), func(l Layer) bool { return l.never }) {
		panic("middleware: OnTool: no call of the tool " + strconv.Quote(name) + " would come to\n" + Onion(o) +
			"Put what is for other tools or other kinds of calls beside it; what is to judge plans is BeforeTool or ToolCalls")
	}
	return o
}

func onTool(name string, i Interceptor) Interceptor {
	return func(next Handler) Handler {
		if next == nil {
			l := around(i, func(parts ...Interceptor) Interceptor { return onTool(name, Compose(parts...)) })
			l.Kinds, l.only = []Kind{KindTool}, KindTool
			l.Tools, l.tool = []string{name}, name
			return l.Handler()
		}
		inner := i(next)
		return func(ctx context.Context, call Call) (Result, error) {
			if call.Kind == KindTool && strings.EqualFold(call.Name, name) {
				return inner(ctx, call)
			}
			return next(ctx, call)
		}
	}
}

func mustTool(who, name string, isNil bool, what string) {
	if name == "" {
		panic("middleware: " + who + " needs a tool's name")
	}
	if isNil {
		panic("middleware: " + who + "(" + name + "): nil " + what)
	}
}
