package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
)

func echo(_ context.Context, call middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: call.Input}, nil
}

func tool(input string) middleware.Call {
	return middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: input}
}

// watch is a recorder: it keeps the trail of the last call.
type watch struct{ trail middleware.Trail }

func (w *watch) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "watch", Recorder: true, ID: w}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		w.trail = middleware.Observe(ctx)
		return next(ctx, call)
	}
}

func allow(context.Context, middleware.Call) error { return nil }

func deny(context.Context, middleware.Call) error {
	return middleware.Deny(middleware.CodePolicy, "not today")
}

func wantDenied(t *testing.T, err error, gate string, code middleware.Code) *middleware.DeniedError {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) {
		t.Fatalf("got error %v, want a DeniedError", err)
	}
	if d.Gate != gate || d.Code != code {
		t.Fatalf("got denial by %q with code %q, want %q, %q", d.Gate, d.Code, gate, code)
	}
	return d
}

func wantPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		if s, ok := v.(string); !ok || !strings.Contains(s, part) {
			t.Fatalf("got panic %v, want one with %q", v, part)
		}
	}()
	f()
}

// client streams the chunks out of one buffer, as a client may, and answers with
// their text. It goes on whatever the Stream says if it is deaf.
type client struct {
	chunks []middleware.Chunk
	deaf   bool
	err    error // at the end
}

func (c client) do(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	var whole []byte
	buf := []byte{}
	for _, chunk := range c.chunks {
		whole = append(whole, chunk.Text...)
		buf = buf[:0]
		for _, part := range []*[]byte{&chunk.Text, &chunk.Reasoning, &chunk.ToolCall} {
			if *part != nil {
				n := len(buf)
				buf = append(buf, *part...)
				*part = buf[n:]
			}
		}
		err := call.Stream(ctx, chunk)
		clear(buf)
		if err != nil && !c.deaf {
			return middleware.Result{}, fmt.Errorf("client: %w", err)
		}
	}
	return middleware.Result{Output: string(whole), Usage: &middleware.Usage{OutputTokens: 3}}, c.err
}

// sink is a caller's Stream that keeps what it gets.
type sink struct {
	mu     sync.Mutex
	chunks []middleware.Chunk
	err    error // what it answers
}

func (s *sink) take(_ context.Context, chunk middleware.Chunk) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks = append(s.chunks,
		middleware.Chunk{Text: clone(chunk.Text), Reasoning: clone(chunk.Reasoning), ToolCall: clone(chunk.ToolCall), Repeats: chunk.Repeats})
	return s.err
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

func (s *sink) texts() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, c := range s.chunks {
		texts = append(texts, string(c.Text))
	}
	return strings.Join(texts, "|")
}

// text makes chunks of "a|b|c".
func text(s string) (chunks []middleware.Chunk) {
	for _, t := range strings.Split(s, "|") {
		chunks = append(chunks, middleware.Chunk{Text: []byte(t)})
	}
	return chunks
}

func streamed(to *sink) middleware.Call {
	call := tool("")
	call.Stream = to.take
	return call
}

// refuses is a gate that judges results and lets none out.
var refuses = middleware.After("refuses", func(context.Context, middleware.Call, middleware.Result) error {
	return middleware.Deny(middleware.CodeBadOutput, "not that")
})
