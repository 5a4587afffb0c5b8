package langchaingo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"

	"example.com/safeconduct/middleware"
)

// deliver is the innermost Stream: it calls the funcs that the caller set.
func (f *modelCall) deliver(ctx context.Context, chunk middleware.Chunk) error {
	text := chunk.Text
	if chunk.ToolCall != nil {
		text = chunk.ToolCall
		ctx = context.WithValue(ctx, toolChunkKey{}, true)
	}
	// The two funcs are two views of one stream: what came through
	// StreamingReasoningFunc has a Reasoning that is not nil.
	switch {
	case f.opts.StreamingReasoningFunc != nil && (chunk.Reasoning != nil || f.opts.StreamingFunc == nil):
		return f.opts.StreamingReasoningFunc(ctx, chunk.Reasoning, text)
	case f.opts.StreamingFunc != nil && chunk.Reasoning == nil:
		return f.opts.StreamingFunc(ctx, text)
	}
	return nil
}

// streamOf returns the Stream of a call whose caller asked for one. Where an
// interceptor took it off the call, that is one that passes nothing on: without any
// the client would go on with the funcs of the caller.
func streamOf(call middleware.Call) middleware.Stream {
	if call.Stream == nil {
		return func(context.Context, middleware.Chunk) error { return nil }
	}
	return call.Stream
}

// toolChunkKey is the key under which a chunk's context says that it is a piece
// of a tool call, to the guard of the chain that the model belongs to.
type toolChunkKey struct{}

// A streamGuard keeps the first error of a stream, which some clients swallow, and
// passes nothing on after it.
type streamGuard struct {
	tools bool // the request offers some

	mu          sync.Mutex // guards what follows
	err         error
	sawToolCall bool // a chunk was taken for a piece of a tool call
}

// options returns the options that have the client pass its chunks to stream. They set
// no func that the caller had not set, since that would change the request.
func (v *streamGuard) options(opts *llms.CallOptions, stream middleware.Stream) []llms.CallOption {
	v.tools = len(opts.Tools) > 0 || len(opts.Functions) > 0
	var options []llms.CallOption
	if opts.StreamingFunc != nil {
		options = append(options, llms.WithStreamingFunc(func(ctx context.Context, text []byte) error {
			return v.pass(ctx, stream, v.chunk(text))
		}))
	}
	if opts.StreamingReasoningFunc != nil {
		options = append(options, llms.WithStreamingReasoningFunc(func(ctx context.Context, reasoning, text []byte) error {
			if reasoning == nil {
				reasoning = []byte{}
			}
			chunk := v.chunk(text)
			chunk.Reasoning, chunk.Repeats = reasoning, opts.StreamingFunc != nil
			return v.pass(ctx, stream, chunk)
		}))
	}
	return options
}

// chunk tells a piece of a tool call from text: the client of openai sends both
// in the same way, a tool call as the JSON of an internal type.
func (v *streamGuard) chunk(text []byte) middleware.Chunk {
	if !v.tools || !isToolDelta(text) {
		return middleware.Chunk{Text: text}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sawToolCall = true
	return middleware.Chunk{ToolCall: text}
}

// A toolDelta is what the client of openai streams of a tool call.
type toolDelta struct {
	ID       string `json:"id,omitempty"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// isToolDelta reports whether text is the JSON of pieces of tool calls, to the
// byte as the client makes it.
func isToolDelta(text []byte) bool {
	if !bytes.HasPrefix(text, []byte(`[{"`)) {
		return false
	}
	var deltas []toolDelta
	if json.Unmarshal(text, &deltas) != nil {
		return false
	}
	again, err := json.Marshal(deltas)
	return err == nil && bytes.Equal(again, text)
}

func (v *streamGuard) pass(ctx context.Context, stream middleware.Stream, chunk middleware.Chunk) error {
	if err := v.error(); err != nil {
		return err
	}
	err := stream(ctx, chunk)
	if err == nil {
		// A cancelled stream must not look like one that ended.
		err = ctx.Err()
	}
	if err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.err == nil {
			v.err = err
		}
	}
	return err
}

func (v *streamGuard) error() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// check returns why a response cannot be what was streamed.
func (v *streamGuard) check(name string, res *middleware.ModelResponse) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.sawToolCall {
		return nil
	}
	for _, c := range res.Choices {
		if len(c.ToolCalls) > 0 {
			return nil
		}
	}
	return fmt.Errorf("langchaingo: model %s: a piece of a tool call was streamed, and the response asks for none", name)
}

// ErrStreamCut is the error of a streamed answer that langchaingo's client of
// openai returned as a whole one although it is not.
var ErrStreamCut = errors.New("langchaingo: the stream ended before the answer did")

// wasCut reports whether a streamed response comes from the client of openai, which
// alone sets a certain key, and has neither a stop reason nor the usage, which come at
// the end of a stream.
func wasCut(native *llms.ContentResponse, u *middleware.Usage) bool {
	if native == nil || len(native.Choices) == 0 || native.Choices[0] == nil || u != nil && u.Reported {
		return false
	}
	c := native.Choices[0]
	_, openai := c.GenerationInfo["CompletionRejectedPredictionTokens"]
	return openai && c.StopReason == ""
}

// chainStream returns the Stream of a chain run or of a turn, which gets what the
// models within it stream. It is nil where the caller wants none.
func chainStream(options []chains.ChainCallOption) middleware.Stream {
	if len(options) == 0 {
		return nil
	}
	var opts llms.CallOptions
	for _, o := range chains.GetLLMCallOptions(options...) {
		o(&opts)
	}
	if opts.StreamingFunc == nil {
		return nil
	}
	return (&modelCall{opts: &opts}).deliver
}

// chainOptions returns the options with one that passes chunks to the call's
// Stream, if the caller asked for one.
func (v *streamGuard) chainOptions(options []chains.ChainCallOption, streams bool, call middleware.Call) []chains.ChainCallOption {
	if !streams {
		return options
	}
	stream := streamOf(call)
	return append(options[:len(options):len(options)], chains.WithStreamingFunc(func(ctx context.Context, text []byte) error {
		chunk := middleware.Chunk{Text: text}
		if ctx.Value(toolChunkKey{}) != nil {
			chunk = middleware.Chunk{ToolCall: text}
		}
		return v.pass(ctx, stream, chunk)
	}))
}
