package middleware

import (
	"context"
	"sync"
)

// A Hold keeps back what a call streams until a gate has judged the call, for an
// Interceptor that is written by hand with a [Gate]; [After] and
// [TransformResult] have their own. How much it holds is said by the [Buffer],
// [Window] or [PassThrough] that the Interceptor stands in, and is all where it
// stands in none.
//
//	hold := gate.Hold(ctx, call) // if call.Stream is not nil
//	defer hold.Close()
//	call.Stream = hold.Stream
//	res, err := next(ctx, call)
//	hold.Close()
//	if refused := hold.Err(); refused != nil {
//		return middleware.Result{Usage: res.Usage}, refused
//	}
//	...
//	return res, hold.Release(ctx) // the verdict is to allow
//
// A Hold that is closed and not released drops what it holds. A Hold is safe for
// concurrent use.
type Hold struct {
	gate  *Gate
	ctx   context.Context //nolint:containedctx // the call's, which the Hold does not outlive
	call  Call
	rules streamRules

	mu     sync.Mutex // guards what follows; held while a chunk leaves
	held   chunkQueue
	passed int64 // bytes that have been passed on
	closed bool
	err    error // why the stream was refused
}

// Hold returns a Hold of what call streams. The Stream of the call, which gets
// what is released, must not be nil.
func (g *Gate) Hold(ctx context.Context, call Call) *Hold {
	if call.Stream == nil {
		panic("middleware: Hold: the call has no Stream")
	}
	h := &Hold{gate: g, ctx: ctx, call: call}
	if f := streamFrameOf(ctx); f != nil {
		h.rules = f.rules
	}
	if h.rules.most == 0 {
		h.rules.most = max(DefaultMaxHeld, 2*h.rules.window)
	}
	return h
}

// Stream takes a chunk. It is a [Stream], to be passed on in the place of the
// call's. Its error is the gate's denial where there is more than may be held, and
// that of the call's Stream where it has released a chunk to it; after an error it
// takes none.
func (h *Hold) Stream(ctx context.Context, chunk Chunk) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.err != nil:
		return h.err
	case h.closed:
		return errStreamEnded
	}
	h.err = h.take(ctx, chunk)
	if h.err != nil {
		h.held = chunkQueue{}
	}
	return h.err
}

// take needs h.mu.
func (h *Hold) take(ctx context.Context, chunk Chunk) error {
	if h.rules.pass {
		return h.pass(ctx, chunk)
	}
	if !h.held.push(chunk, h.rules.most) {
		return h.deny("the stream is longer than the %d bytes that may be held of it", h.rules.most)
	}
	for h.rules.window > 0 {
		first, ok := h.held.first()
		if !ok || h.held.carries-first < h.rules.window {
			break
		}
		if err := h.pass(ctx, h.held.pop()); err != nil {
			return err
		}
	}
	return nil
}

// pass needs h.mu.
func (h *Hold) pass(ctx context.Context, chunk Chunk) error {
	h.passed += int64(chunk.Len())
	return h.call.Stream(ctx, chunk)
}

// deny denies the call.
func (h *Hold) deny(format string, n any) error {
	t := h.gate.Begin(h.ctx)
	return t.Deny(h.ctx, h.call, Deny(CodeBadOutput, format, n))
}

// Close ends the stream: no chunk is taken any more.
func (h *Hold) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// Err returns the error with which the stream was refused, or nil. A call whose
// stream was refused must fail with that error, even if the client took no notice.
func (h *Hold) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Passed returns how many bytes were passed on so far.
func (h *Hold) Passed() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.passed
}

// Release closes the Hold and passes on what it holds, chunk by chunk as they
// came. Its error is that of the stream, of the context where that ended, or that
// of Err.
func (h *Hold) Release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for h.err == nil {
		if _, ok := h.held.first(); !ok {
			break
		}
		if h.err = ctx.Err(); h.err == nil {
			h.err = h.pass(ctx, h.held.pop())
		}
	}
	h.held = chunkQueue{}
	return h.err
}

// Replace closes the Hold and passes on an Output in the place of all that was
// streamed, in one chunk: the text of a tool or of a model's first choice, and of
// a chain or a plan the one text that it returns, or else that under "output" or
// "text". Of other outputs it passes on nothing. Where a part of the stream was
// passed on before, it denies, unless [PassThrough] lets all pass: then it does
// nothing.
func (h *Hold) Replace(ctx context.Context, output any) error {
	text := textOf(output)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed, h.held = true, chunkQueue{}
	switch {
	case h.err != nil || h.rules.pass:
	case h.passed > 0:
		h.err = h.deny("the output was changed after %d bytes of its stream had been released", h.passed)
	case text == "":
	default:
		if h.err = ctx.Err(); h.err == nil {
			h.err = h.pass(ctx, Chunk{Text: []byte(text)})
		}
	}
	return h.err
}

// textOf returns the text that a client would stream of an output.
func textOf(output any) string {
	switch out := output.(type) {
	case string:
		return out
	case *ModelResponse:
		if out != nil && len(out.Choices) > 0 {
			return out.Choices[0].Text
		}
	case *Plan:
		if out != nil {
			return textOf(out.Final)
		}
	case map[string]any:
		for _, key := range []string{"output", "text"} {
			if text, ok := out[key].(string); ok {
				return text
			}
		}
		for _, v := range out {
			if text, ok := v.(string); ok && len(out) == 1 {
				return text
			}
		}
	}
	return ""
}
