package gates

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

const toolsName = "tools"

// Tools returns the gate "tools", which allows the tools with these names and no others.
// Without names it allows none. What counts is the tool that would run, as it was
// registered, letter for letter. A plan is denied as a whole, before any of it runs,
// unless every tool call in it asks for a registered tool, spells its name as it was
// registered, and is on the list. Calls of other kinds pass. The code is
// [middleware.CodeToolNotAllowed]; the reason names the tool.
//
// Tools panics if a name is empty, if one is there twice, or if two differ by case only,
// as frameworks that look tools up without regard to case would run one for the other.
func Tools(names ...string) middleware.Interceptor {
	list := newAllowlist(names)
	gate := middleware.NewGate(toolsName) // a lookup cannot panic
	plans := gate.Plans(list.plan)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return onToolCalls(gate, nil)
		}
		bound, plan := &binding{allowlist: list}, plans(next)
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			switch call.Kind {
			case middleware.KindTool:
			case middleware.KindPlan:
				return plan(ctx, call)
			default:
				return next(ctx, call)
			}
			ruling := gate.Begin(ctx)
			if !bound.has(call.Name) {
				d := notListed(call.Name)
				d.Gate, d.Call = toolsName, call.Name // complete, it needs no copy
				return middleware.Result{}, ruling.Deny(ctx, call, d)
			}
			ruling.Allow()
			return next(ctx, call)
		}
	}
}

// An allowlist holds the names of the tools that may run.
type allowlist struct{ names map[string]struct{} }

func newAllowlist(names []string) *allowlist {
	list := &allowlist{make(map[string]struct{}, len(names))}
	folded := make(map[string]string, 2*len(names))
	for _, name := range names {
		if name == "" {
			panic("gates: Tools: empty name")
		}
		if _, twice := list.names[name]; twice {
			panic(fmt.Sprintf("gates: Tools: %q is there twice", name))
		}
		// Some look tools up by upper case, others by Unicode folding: neither
		// contains the other.
		for _, key := range []string{"upper " + strings.ToUpper(name), "fold " + strictjson.Fold(name)} {
			if other, taken := folded[key]; taken {
				panic(fmt.Sprintf("gates: Tools: %q and %q differ by case only", other, name))
			}
			folded[key] = name
		}
		list.names[name] = struct{}{}
	}
	return list
}

// A binding is the allowlist at work for one wrapped tool. As that has one name,
// it is looked up once.
type binding struct {
	*allowlist
	first atomic.Pointer[string] // the first name that was found to be on the list
}

// has reports whether the name of the tool is on the list.
func (b *binding) has(name string) bool {
	if first := b.first.Load(); first != nil && name == *first {
		return true
	}
	if _, ok := b.names[name]; !ok {
		return false
	}
	if b.first.Load() == nil {
		kept := name // not &name: that would move every name to the heap
		b.first.Store(&kept)
	}
	return true
}

// plan judges the batch of tool calls that a plan asks for.
func (l *allowlist) plan(_ context.Context, _ middleware.Call, plan *middleware.Plan) error {
	for i := range plan.ToolCalls {
		if err := l.planned(&plan.ToolCalls[i]); err != nil {
			return err
		}
	}
	return nil
}

// planned judges one tool call of a batch.
func (l *allowlist) planned(c *middleware.ToolCall) error {
	switch {
	case c.Registered == "":
		return notAllowed("there is no tool " + shown.Name(c.Name))
	case c.Name != c.Registered:
		return notAllowed("tool " + shown.Name(c.Registered) + " was asked for as " + shown.Name(c.Name))
	}
	if _, ok := l.names[c.Registered]; !ok {
		return notListed(c.Registered)
	}
	return nil
}

func notListed(name string) *middleware.DeniedError {
	var reason [128]byte // most denials are of this kind, and few names are long
	b := append(reason[:0], "tool "...)
	b = shown.AppendName(b, name)
	return notAllowed(string(append(b, " is not on the allowlist"...)))
}

// notAllowed does without middleware.Deny's formatting: the reason is no format.
func notAllowed(reason string) *middleware.DeniedError {
	return &middleware.DeniedError{Code: middleware.CodeToolNotAllowed, Reason: reason}
}
