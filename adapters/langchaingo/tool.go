package langchaingo

import (
	"context"
	"fmt"
	"strings"

	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// Tool guards a tool. Each use of it is a Call of KindTool, with the tool's name
// as it is now and the arguments as Input.
//
// A tool that is already guarded is not wrapped twice: it gets these
// interceptors outside of those that it has, without repeating any.
//
// Tool panics if t is nil or the interceptors are none, nil or in an order that
// makes no sense. The tool that it returns is as safe for concurrent use as t.
func Tool(t tools.Tool, is ...middleware.Interceptor) tools.Tool {
	if isNil(t) {
		panic("langchaingo: Tool: nil tool")
	}
	toolReach("Tool", t.Name()).Check(is...)
	return newTool(t, is)
}

// toolReach says what comes to the interceptors of one thing that is called as a tool.
func toolReach(who, name string) middleware.Reach {
	return middleware.Reach{
		What: "langchaingo: " + who + "(" + name + ")", Kinds: []middleware.Kind{middleware.KindTool},
		Tools: []string{name}, Shared: true, Alone: true,
		Instead: "Guard the agent that calls the tool, with langchaingo.Executor",
	}
}

func newTool(t tools.Tool, is []middleware.Interceptor) tools.Tool {
	if g, ok := t.(*tool); ok {
		t, is = g.inner, middleware.Merge(middleware.KindTool, is, g.is)
	}
	g := &tool{inner: t, name: t.Name(), is: is}
	g.handler = middleware.Wrap(g.run, is...)
	return g
}

// Tools guards each of several tools. It panics as [Tool] does, and where two
// names differ in nothing that the executor of langchaingo looks at: it would
// run one tool in the other's place.
func Tools(ts []tools.Tool, is ...middleware.Interceptor) []tools.Tool {
	if err := checkNames(ts); err != nil {
		panic(err.Error())
	}
	r := toolReach("Tools", strings.Join(toolNames(ts), ", "))
	r.Tools, r.Shared = toolNames(ts), false
	r.Check(is...)
	guarded := make([]tools.Tool, len(ts))
	for i, t := range ts {
		guarded[i] = newTool(t, is)
	}
	return guarded
}

// A tool is a guarded tool.
type tool struct {
	inner   tools.Tool
	name    string
	is      []middleware.Interceptor
	handler middleware.Handler
}

func (t *tool) Name() string        { return t.name }
func (t *tool) Description() string { return t.inner.Description() }

// Unwrap returns the tool without its guard.
func (t *tool) Unwrap() tools.Tool { return t.inner }

// Guarded says what stands around the tool.
func (t *tool) Guarded() middleware.Guarded {
	return middleware.Guarded{Kind: middleware.KindTool, Name: t.name, Interceptors: t.is, Inner: t.inner}
}

// String prints the order of the interceptors.
func (t *tool) String() string { return onion(middleware.KindTool, t.name, t.is) }

// Call runs the guarded tool, unless the turn of the agent that asked for it was
// refused as a whole.
func (t *tool) Call(ctx context.Context, input string) (string, error) {
	if chain := frameOf[chainCall](ctx); chain != nil {
		id, refused := chain.claim(t.name, input)
		if refused != nil {
			return string(refused.said), nil
		}
		if id != "" {
			ctx = middleware.WithToolCall(ctx, id)
		}
	}
	res, err := t.handler(ctx, middleware.Call{Kind: middleware.KindTool, Name: t.name, Input: input})
	if err != nil {
		return "", err
	}
	switch out := res.Output.(type) {
	case string:
		return out, nil
	case middleware.Observation:
		return string(out), nil
	}
	return "", wrongOutput(middleware.KindTool, t.name, res.Output)
}

func (t *tool) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	in, err := input[string](call)
	if err != nil {
		return middleware.Result{}, err
	}
	out, err := t.inner.Call(ctx, in)
	if err != nil {
		return middleware.Result{}, err
	}
	return middleware.Result{Output: out}, nil
}

// checkNames reports two tools that the executor cannot tell apart: it keeps
// them under strings.ToUpper of their names, and the last one wins. Names that
// differ in case by Unicode's rules alone are refused too.
func checkNames(ts []tools.Tool) error {
	names := make(map[string]string, len(ts))
	for i, t := range ts {
		if isNil(t) {
			return fmt.Errorf("langchaingo: tool %d is nil", i)
		}
		name := t.Name()
		folded := strictjson.Fold(strings.ToUpper(name))
		if other, ok := names[folded]; ok {
			return fmt.Errorf("langchaingo: tools %d %q and %q: the executor cannot tell their names apart", i, other, name)
		}
		names[folded] = name
	}
	return nil
}
