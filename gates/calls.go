package gates

import (
	"context"
	"fmt"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// What several gates ask of calls and of what comes of them.

// byKind has a Handler for each kind of call.
type byKind struct{ tool, model, plan, chain, other middleware.Handler }

func (h byKind) handler() middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		switch call.Kind {
		case middleware.KindTool:
			return h.tool(ctx, call)
		case middleware.KindModel:
			return h.model(ctx, call)
		case middleware.KindPlan:
			return h.plan(ctx, call)
		case middleware.KindChain:
			return h.chain(ctx, call)
		default:
			return h.other(ctx, call)
		}
	}
}

// onToolCalls describes a gate on the tool calls that plans ask for and on those that are
// made, with rules for the tools of these names.
func onToolCalls(g *middleware.Gate, tools []string) middleware.Handler {
	l := g.Layer()
	l.Kinds, l.Tools = []middleware.Kind{middleware.KindTool, middleware.KindPlan}, tools
	l.Stream = "of plans passed through"
	return l.Handler()
}

// saying returns i, which says of itself what change makes of it.
func saying(i middleware.Interceptor, change func(l *middleware.Layer)) middleware.Interceptor {
	l := middleware.Layers(i)[0]
	change(&l)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return l.Handler()
		}
		return i(next)
	}
}

// objection returns what the error of a rule's check means to the gate that has the
// rule: nil where the check abstains. A check that allows does not do so for the other
// rules, so that an error that is no denial means that the gate could not decide.
func objection(err error) error {
	if err == nil || err == middleware.ErrAbstain { //nolint:errorlint // one that is wrapped denies
		return nil
	}
	if d, _ := foreign.As[*middleware.DeniedError](err); d != nil {
		return err
	}
	return fmt.Errorf("gates: the check of a rule: %w", err)
}

// isObservation reports whether a denial was turned into text further inside.
func isObservation(res middleware.Result) bool {
	_, ok := res.Output.(middleware.Observation)
	return ok
}

// outward reports whether calls of this kind are those that reach something
// outside of the agent: tools, models and retrievers.
func outward(kind middleware.Kind) bool {
	return kind == middleware.KindTool || kind == middleware.KindModel || kind == middleware.KindRetriever
}

// outwardKinds are those kinds, for what a gate says of itself.
func outwardKinds() []middleware.Kind {
	return []middleware.Kind{middleware.KindTool, middleware.KindModel, middleware.KindRetriever}
}

// isDenied reports whether err is a denial.
func isDenied(err error) bool {
	_, ok := foreign.As[*middleware.DeniedError](err)
	return ok
}

// badInput returns the denial of an Input, or of a tool's arguments.
func badInput(reason string) error {
	return &middleware.DeniedError{Code: middleware.CodeBadInput, Reason: reason}
}

// notText returns the denial of a call of which the Input should be text and is not.
func notText(call *middleware.Call) error {
	return middleware.Deny(middleware.CodeIndeterminate, "the input of the %s is not text", call.Kind)
}

// streamedBytes returns what a chunk adds to the output of a model.
func streamedBytes(c middleware.Chunk) int64 {
	if c.Repeats {
		return int64(len(c.Reasoning))
	}
	return int64(c.Len())
}
