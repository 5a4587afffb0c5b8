package langchaingo

import (
	"context"
	"fmt"
	"slices"

	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/middleware"
)

// Ask returns what Run of package schema asks a model by: a func that puts interceptors
// around the model, and returns what makes a request to it.
//
//	triage, err := schema.Run[Triage](ctx, langchaingo.Ask(model), schema.Prompt("Triage: "+ticket), schema.BoundaryRules{Reasks: 2})
//
// The model is guarded with these interceptors, as by [Model], if there are any: a budget
// of a run counts how often the model is asked again. They stay, in one order with the
// others, which stand outside of them but for a recorder. (Around a model that [Model]
// guarded before each request would be a run of its own.) The request has no native form:
// what its Parts hold is what the model gets, and it can offer no tools. Ask panics if m
// is nil, and as Model does; so does the func that it returns. Both are safe for
// concurrent use.
func Ask(m llms.Model, is ...middleware.Interceptor) func(is ...middleware.Interceptor) middleware.Handler {
	if isNil(m) {
		panic("langchaingo: Ask: nil model")
	}
	if len(is) > 0 {
		reach := modelReach("Ask", m)
		reach.Alone = false
		reach.Check(is...)
		m = newModel(m, is)
	}
	return func(is ...middleware.Interceptor) middleware.Handler {
		inner := m
		if g, ok := m.(guardedModel); ok {
			own := g.guarded().is
			at := 0
			for i, in := range own {
				if records(in) {
					at = i + 1
				}
			}
			inner, is = g.guarded().inner, slices.Concat(own[:at], is, own[at:])
		}
		g, ok := newModel(inner, is).(guardedModel)
		if !ok {
			panic(fmt.Sprintf("langchaingo: Ask: a %T is no guarded model", inner)) // newModel makes no others
		}
		return g.guarded().ask
	}
}

// records reports whether an interceptor is a recorder, or one is within it.
func records(i middleware.Interceptor) bool {
	return slices.ContainsFunc(middleware.Layers(i), func(l middleware.Layer) bool { return l.Recorder })
}

// ask makes a request that has no native form yet.
func (m *model) ask(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	req, err := input[*middleware.ModelRequest](call)
	if err != nil {
		return middleware.Result{}, err
	}
	if len(req.Tools) > 0 || req.JSON || req.Candidates > 1 {
		return middleware.Result{}, fmt.Errorf(
			"langchaingo: %s: a request by Ask offers no tools, and asks for no JSON mode and one candidate", m.name)
	}
	f := &frame[modelCall]{Context: ctx}
	f.call.opts = &llms.CallOptions{}
	native, options, err := f.call.changedRequest(req)
	if err != nil {
		return middleware.Result{}, err
	}
	for _, o := range options {
		o(f.call.opts)
	}
	f.call.messages, f.call.options = native, options
	f.call.request = neutralRequest(native, f.call.opts)
	call.Name, call.Input, call.Stream = m.name, f.call.request, nil
	return m.handler(f, call)
}
