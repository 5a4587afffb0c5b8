package adaptertest

import (
	"context"
	"testing"

	"example.com/safeconduct/middleware"
)

// A ToolFunc is a tool, as its user calls it.
type ToolFunc func(ctx context.Context, input string) (string, error)

// A ModelFunc is a model, as its user calls it. Where stream is not nil, the
// answer also arrives there in pieces; an error of stream ends the request.
type ModelFunc func(ctx context.Context, prompt string, stream func(chunk string) error) (string, error)

// A Model is what stands behind a guarded model: the provider's side.
type Model struct {
	Chunks []string // the answer, in the pieces in which it is streamed
	Input  int64    // tokens that the provider reports
	Output int64

	// Before is called at the start of each request, if it is not nil. Its
	// error is the request's.
	Before func(ctx context.Context, prompt string) error

	// Swallow has the client report success when the stream was refused, or
	// the context ended, as clients of real providers do.
	Swallow bool
}

// A Turn is what an agent's model says: either tool calls or a final answer.
type Turn struct {
	Calls []Call
	Final string
}

// A Call is one tool call that a [Turn] asks for.
type Call struct{ Tool, Input string }

// An Agent is an agent whose model follows a script.
type Agent struct {
	Turns []Turn
	Tools map[string]ToolFunc

	// Saw is called with every observation that the model is shown, in order.
	Saw func(observation string)
}

// An Adapter says how to guard things of one framework. A nil field leaves out
// its cases.
type Adapter struct {
	// Tool guards a tool of that name that does what f does.
	Tool func(name string, f ToolFunc, is ...middleware.Interceptor) ToolFunc

	// Model guards a model that behaves as m says.
	Model func(m Model, is ...middleware.Interceptor) ModelFunc

	// Agent guards a whole run of an agent that behaves as a says, with one
	// list of interceptors for the run, its turns, its model and its tools.
	// Each use of the ToolFunc that it returns plays the script once.
	Agent func(a Agent, is ...middleware.Interceptor) ToolFunc
}

// Test plays every case against the adapter, each as a subtest that is named
// after its rule.
func Test(t *testing.T, a Adapter) {
	if a.Tool == nil && a.Model == nil && a.Agent == nil {
		t.Fatal("adaptertest: the Adapter is empty")
	}
	if a.Tool != nil {
		t.Run("tool", func(t *testing.T) { testTool(t, a.Tool) })
	}
	if a.Model != nil {
		t.Run("model", func(t *testing.T) { testModel(t, a.Model) })
	}
	if a.Agent != nil {
		t.Run("agent", func(t *testing.T) { testAgent(t, a.Agent) })
	}
}
