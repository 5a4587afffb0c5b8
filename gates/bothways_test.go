package gates_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// TestStreamedOrNot: each gate decides the same about a call that is streamed as
// about one that is not. Of what is allowed the caller gets the whole stream, and of
// what is denied nothing.
func TestStreamedOrNot(t *testing.T) {
	asks := &middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: "shell", Registered: "shell", Input: `{"command":"ls"}`}}}
	final := &middleware.Plan{Final: map[string]any{"output": "done"}}
	says := &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "a text of 24 characters."}}}
	model, plan, chain := kit.Model("hello"), kit.Plan(), kit.Chain("qa", map[string]any{"input": "hello"})
	bounded := kit.Model("hello")
	bounded.Input.(*middleware.ModelRequest).MaxTokens = 50
	shell := func(rules ...gates.Rule) middleware.Interceptor {
		return gates.Arguments(gates.ArgumentRules{"shell": rules})
	}
	after := func(err error) middleware.Interceptor {
		return middleware.After("own", func(context.Context, middleware.Call, middleware.Result) error { return err })
	}
	for _, tt := range []struct {
		name   string
		gate   func() middleware.Interceptor
		call   middleware.Call
		output any
		code   middleware.Code // of the denial; empty where it is allowed
	}{
		{"Ingress", func() middleware.Interceptor { return gates.Ingress(gates.IngressRules{}) }, chain, map[string]any{"text": "done"}, ""},
		{"Ingress denies", func() middleware.Interceptor { return gates.Ingress(gates.IngressRules{MaxBytes: 3}) }, chain,
			map[string]any{"text": "done"}, middleware.CodeBadInput},
		{"Tools", func() middleware.Interceptor { return gates.Tools("shell") }, plan, asks, ""},
		{"Tools, a final answer", func() middleware.Interceptor { return gates.Tools("shell") }, plan, final, ""},
		{"Tools, a model", func() middleware.Interceptor { return gates.Tools("shell") }, model, says, ""},
		{"Arguments", func() middleware.Interceptor { return shell(gates.Arg("command", gates.OneOf("ls"))) }, plan, asks, ""},
		{"Budget", func() middleware.Interceptor { return gates.Budget(gates.Limits{Tokens: 2000}) }, model, says, ""},
		{"Budget denies", func() middleware.Interceptor { return gates.Budget(gates.Limits{Tokens: 2}) }, model, says, middleware.CodeOverBudget},
		{"Budget clamps", func() middleware.Interceptor { return gates.Budget(gates.Limits{Tokens: 30, Clamp: true}) }, bounded, says, ""},
		{"Budget of calls", func() middleware.Interceptor { return gates.Budget(gates.Limits{ModelCalls: 1, ToolCalls: 1}) }, model, says, ""},
		{"Budget of a plan", func() middleware.Interceptor { return gates.Budget(gates.Limits{ToolCalls: 1}) }, plan, asks, ""},
		{"Budget of time", func() middleware.Interceptor { return gates.Budget(gates.Limits{WallTime: time.Hour}) }, model, says, ""},
		{"Size", func() middleware.Interceptor { return gates.Size(gates.SizeRules{}) }, model, says, ""},
		{"Size of the output", func() middleware.Interceptor { return gates.Size(gates.SizeRules{Output: 20}) }, model, says, middleware.CodeBadOutput},
		{"Size of the input", func() middleware.Interceptor { return gates.Size(gates.SizeRules{Input: 3}) }, model, says, middleware.CodeBadInput},
		{"Loop", func() middleware.Interceptor { return gates.Loop(gates.LoopRules{}) }, plan, asks, ""},
		{"Deadline", func() middleware.Interceptor { return gates.Deadline(gates.DeadlineRules{Call: time.Hour}) }, model, says, ""},
		{"Rate", func() middleware.Interceptor { return gates.Rate(gates.RateRules{Calls: 1, Per: time.Hour}) }, model, says, ""},
		{"Concurrency", func() middleware.Interceptor { return gates.Concurrency(1, gates.DenyWhenFull) }, model, says, ""},
		{"one's own", func() middleware.Interceptor { return after(nil) }, model, says, ""},
		{"one's own denies", func() middleware.Interceptor { return after(middleware.Deny(middleware.CodePolicy, "no")) }, model, says, middleware.CodePolicy},
		{"one's own cannot decide", func() middleware.Interceptor { return after(errors.New("broken")) }, model, says, middleware.CodeIndeterminate},
		{"a shadow", func() middleware.Interceptor {
			return middleware.Shadow(after(middleware.Deny(middleware.CodePolicy, "no")))
		}, model, says, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain, streamed := bothWays(t, tt.gate(), tt.call, tt.output, false), bothWays(t, tt.gate(), tt.call, tt.output, true)
			if plain.streamed != 0 {
				t.Errorf("got %d chunks of a call that is not streamed", plain.streamed)
			}
			want := 3
			switch {
			case tt.name == "Size of the output":
				want = 2
			case tt.code != "":
				want = 0
			}
			if streamed.streamed != want {
				t.Errorf("got %d chunks, want %d", streamed.streamed, want)
			}
			plain.streamed, streamed.streamed = 0, 0
			if !reflect.DeepEqual(plain, streamed) {
				t.Errorf("without a stream\n%+v\nand with one\n%+v", plain, streamed)
			}
			if plain.denied != tt.code {
				t.Errorf("got %+v, want a denial with code %q", plain, tt.code)
			}
		})
	}
}

// A way is what becomes of a call.
type way struct {
	output    any
	usage     string
	denied    middleware.Code
	reason    string
	decisions []middleware.Decision
	sent      any
	streamed  int // chunks that the caller got
}

func bothWays(t *testing.T, gate middleware.Interceptor, call middleware.Call, output any, stream bool) (w way) {
	t.Helper()
	if stream {
		call.Stream = func(context.Context, middleware.Chunk) error { w.streamed++; return nil }
	}
	var trail middleware.Trail
	watch := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			trail = middleware.TrailOf(ctx)
			return next(ctx, call)
		}
	}
	res, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		w.sent = call.Input
		res := middleware.Result{Output: output, Usage: &middleware.Usage{InputTokens: 2, OutputTokens: 5, Reported: true}}
		for _, text := range []string{"a text ", "of 24 cha", "racters."} {
			if call.Stream == nil {
				break
			}
			if err := call.Stream(ctx, middleware.Chunk{Text: []byte(text)}); err != nil {
				return middleware.Result{Usage: res.Usage}, err
			}
		}
		return res, nil
	}, watch, gate)(t.Context(), call)
	var d *middleware.DeniedError
	if errors.As(err, &d) {
		w.denied, w.reason = d.Code, d.Reason
	} else if err != nil {
		t.Error(err)
	}
	w.output, w.usage, w.decisions = res.Output, fmt.Sprint(res.Usage), append([]middleware.Decision{}, trail.Decisions()...)
	return w
}
