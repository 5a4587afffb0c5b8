package middlewaretest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"example.com/safeconduct/middleware"
)

// Echo is a [middleware.Handler] whose Output is the call's Input.
func Echo(_ context.Context, call middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: call.Input}, nil
}

// Fail returns a Handler that fails with err and spends nothing. It panics if
// err is nil.
func Fail(err error) middleware.Handler {
	if err == nil {
		panic("middlewaretest: Fail: nil error")
	}
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, err
	}
}

// Planner returns a Handler that answers a plan call with these tool calls, and
// with a final answer where there are none.
func Planner(calls ...middleware.ToolCall) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		plan := &middleware.Plan{ToolCalls: slices.Clone(calls)}
		if len(calls) == 0 {
			plan.Final = map[string]any{"output": "done"}
		}
		return middleware.Result{Output: plan}, nil
	}
}

// Answer returns a Handler that answers a model call with text, and reports
// that it used this many tokens of input and output.
func Answer(text string, in, out int64) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{
			Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: text, StopReason: "stop"}}},
			Usage:  &middleware.Usage{InputTokens: in, OutputTokens: out, TotalTokens: in + out, Reported: true},
		}, nil
	}
}

// Documents returns a Handler that answers a retrieval with copies of these documents.
func Documents(docs ...middleware.Document) middleware.Handler {
	docs = slices.Clone(docs)
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		found := make([]middleware.Document, len(docs))
		for i, d := range docs {
			d.Metadata = maps.Clone(d.Metadata)
			found[i] = d
		}
		return middleware.Result{Output: found}, nil
	}
}

// A Spy has a Handler that records the calls that reach it. The zero Spy is
// ready to use and answers like [Echo]. It is safe for concurrent use.
type Spy struct {
	// Next answers the calls; nil means Echo. It must not be changed once
	// calls are under way.
	Next middleware.Handler

	mu    sync.Mutex
	calls []middleware.Call
}

// Handle is the Spy's [middleware.Handler].
func (s *Spy) Handle(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if s.Next == nil {
		return Echo(ctx, call)
	}
	return s.Next(ctx, call)
}

// Calls returns a copy of the calls so far, in the order in which they came.
// Their Inputs are not copied.
func (s *Spy) Calls() []middleware.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}
