package langchaingotest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/tools"
)

// A Tool is a tool that follows a script, one [Answer] a call. Make one with
// [NewTool]. It is safe for concurrent use.
type Tool struct {
	script
	name string

	inMu   sync.Mutex
	inputs []string
}

// NewTool returns a Tool that gives these answers, each of [Say] or [Fail], at its end
// or in time. At the end of the test tb fails if its script was not followed; tb may be
// nil, and then Left says what is left of it. A Tool without answers must never run.
//
// NewTool panics if there is no name, if an answer is for a model only, or if one
// follows one that is for [Answer.Always].
func NewTool(tb testing.TB, name string, answers ...Answer) *Tool {
	if tb != nil {
		tb.Helper()
	}
	if name == "" {
		panic("langchaingotest: NewTool: no name")
	}
	for i, a := range answers {
		if a.whatItIs != "" {
			panic(fmt.Sprintf("langchaingotest: NewTool: tool %s: answer %d is %s, which only a model gives: use Say or Fail",
				name, i+1, a.whatItIs))
		}
	}
	t := &Tool{name: name}
	t.start(tb, "tool "+name, answers)
	return t
}

var _ tools.Tool = (*Tool)(nil)

// Left returns how many answers nobody has asked for.
func (t *Tool) Left() int { return t.left() }

// Inputs returns what the tool was called with so far, in order.
func (t *Tool) Inputs() []string {
	t.inMu.Lock()
	defer t.inMu.Unlock()
	return slices.Clone(t.inputs)
}

// Name returns the tool's name.
func (t *Tool) Name() string { return t.name }

// Description tells a model what the tool is.
func (t *Tool) Description() string { return describe(t.name) }

// Call gives the next answer of the script.
func (t *Tool) Call(ctx context.Context, input string) (string, error) {
	t.inMu.Lock()
	t.inputs = append(t.inputs, input)
	answer, err := t.next(func() string { return "its input is " + tail(input) })
	t.inMu.Unlock()
	if err == nil {
		err = answer.pause(ctx)
	}
	if err == nil {
		err = answer.err
	}
	if err != nil {
		return "", err
	}
	return answer.text(), nil
}

// ToolFunc returns a tool that is a func. It panics if there is no name or no func.
// The tool is as safe for concurrent use as f.
func ToolFunc(name string, f func(ctx context.Context, input string) (string, error)) tools.Tool {
	if name == "" || f == nil {
		panic("langchaingotest: ToolFunc: no name, or no func")
	}
	return &toolFunc{name, f}
}

type toolFunc struct {
	name string
	f    func(ctx context.Context, input string) (string, error)
}

func (t *toolFunc) Name() string        { return t.name }
func (t *toolFunc) Description() string { return describe(t.name) }

func (t *toolFunc) Call(ctx context.Context, input string) (string, error) { return t.f(ctx, input) }

func describe(name string) string { return "does " + name }
