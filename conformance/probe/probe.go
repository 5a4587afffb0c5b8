// Package probe holds the interceptors that the conformance tests guard
// langchaingo with. They change nothing that an agent or its user could see.
package probe

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"example.com/safeconduct/middleware"
)

// A Counter counts calls. The zero Counter is ready to use, and safe for
// concurrent use.
type Counter struct {
	calls [middleware.KindRetriever + 1]atomic.Int64
}

// Intercept counts each call that it passes on.
func (c *Counter) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "counter", ID: c}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		c.calls[call.Kind].Add(1)
		return next(ctx, call)
	}
}

// Counts returns the number of calls of each kind, by its name.
func (c *Counter) Counts() map[string]int64 {
	counts := make(map[string]int64)
	for kind := middleware.KindChain; kind <= middleware.KindRetriever; kind++ {
		counts[kind.String()] = c.calls[kind].Load()
	}
	return counts
}

// Copy passes on a copy of every Input and Output, as an interceptor does that
// changes one: the adapter must put together from the copy what it had before.
func Copy(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "copy", ID: "copy"}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		call.Input = clone(call.Input)
		res, err := next(ctx, call)
		res.Output = clone(res.Output)
		return res, err
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case string:
		return strings.Clone(v)
	case map[string]any:
		return maps.Clone(v)
	case *middleware.PlanRequest:
		c := *v
		c.Inputs, c.Steps = maps.Clone(v.Inputs), slices.Clone(v.Steps)
		return &c
	case *middleware.Plan:
		c := *v
		c.ToolCalls, c.Final = slices.Clone(v.ToolCalls), maps.Clone(v.Final)
		return &c
	case *middleware.ModelRequest:
		c := *v
		c.Tools, c.Stop, c.Messages = slices.Clone(v.Tools), slices.Clone(v.Stop), slices.Clone(v.Messages)
		for i := range c.Messages {
			c.Messages[i].Parts = slices.Clone(c.Messages[i].Parts)
		}
		return &c
	case *middleware.ModelResponse:
		c := *v
		c.Choices = slices.Clone(v.Choices)
		for i := range c.Choices {
			c.Choices[i].ToolCalls = slices.Clone(c.Choices[i].ToolCalls)
		}
		return &c
	}
	return v
}
