package middleware

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Hold keeps back what a call streams until a gate has judged the call. It is for an
// Interceptor that is written by hand with a [Gate]: [After] and [TransformResult]
// have their own. How much it holds, the [Buffer], [Window] or [PassThrough] around the
// Interceptor says; without one it holds all.
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

	passed atomic.Int64 // bytes that have been passed on
	closed atomic.Bool

	chunk ctxMutex // held while a chunk is taken or leaves; guards held, and writes to err
	held  chunkQueue

	mu  sync.Mutex // guards err
	err error      // why the stream was refused
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
	if err := h.chunk.lock(ctx); err != nil {
		return err
	}
	defer h.chunk.unlock()
	switch {
	case h.err != nil:
		return h.err
	case h.closed.Load():
		return errStreamEnded
	}
	if err := h.take(ctx, chunk); err != nil {
		h.held = chunkQueue{}
		return h.refuse(err)
	}
	return nil
}

// refuse refuses the stream from now on. It needs h.chunk.
func (h *Hold) refuse(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	return err
}

// take needs h.chunk.
func (h *Hold) take(ctx context.Context, chunk Chunk) error {
	if h.rules.pass {
		return h.pass(ctx, chunk)
	}
	if !h.held.push(chunk, h.rules.most) {
		return h.deny("the stream is longer than the %d bytes that may be held of it", h.rules.most)
	}
	for h.rules.window > 0 {
		old, ok := h.held.pop(h.rules.window)
		if !ok {
			break
		}
		if err := h.pass(ctx, old); err != nil {
			return err
		}
	}
	return nil
}

// pass needs h.chunk.
func (h *Hold) pass(ctx context.Context, chunk Chunk) error {
	h.passed.Add(int64(chunk.Len()))
	return h.call.Stream(ctx, chunk)
}

// deny denies the call.
func (h *Hold) deny(format string, n any) error {
	t := h.gate.Begin(h.ctx)
	return t.Deny(h.ctx, h.call, Deny(CodeBadOutput, format, n))
}

// Close ends the stream: no chunk is taken any more. It waits for one that is on
// its way out, unless the call's context ended.
func (h *Hold) Close() {
	h.closed.Store(true)
	if h.chunk.lock(h.ctx) == nil {
		h.chunk.unlock()
	}
}

// Err returns the error with which the stream was refused, or nil. A call whose
// stream was refused must fail with that error, even if the client took no notice.
func (h *Hold) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Passed returns how many bytes were passed on so far.
func (h *Hold) Passed() int64 { return h.passed.Load() }

// Release closes the Hold and passes on what it holds, chunk by chunk as they
// came. Its error is that of the stream, of the context where that ended, or that
// of Err.
func (h *Hold) Release(ctx context.Context) error {
	return h.last(ctx, func() error {
		for {
			chunk, ok := h.held.pop(0)
			if !ok {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := h.pass(ctx, chunk); err != nil {
				return err
			}
		}
	})
}

// Replace closes the Hold and passes on an Output in the place of all that was
// streamed, in one chunk: the text of a tool or of a model's first choice, and of
// a chain or a plan the one text that it returns, or else that under "output" or
// "text". Of other outputs it passes on nothing. Where a part of the stream was
// passed on before, it denies, unless [PassThrough] lets all pass: then it does
// nothing.
func (h *Hold) Replace(ctx context.Context, output any) error {
	return h.last(ctx, func() error {
		text := textOf(output)
		switch {
		case h.rules.pass:
			return nil
		case h.passed.Load() > 0:
			return h.deny("the output was changed after %d bytes of its stream had been released", h.passed.Load())
		case text == "":
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		return h.pass(ctx, Chunk{Text: []byte(text)})
	})
}

// last closes the Hold and has f pass on what is to be passed on after that, if the
// stream was not refused. What is held then is dropped.
func (h *Hold) last(ctx context.Context, f func() error) error {
	h.closed.Store(true)
	if err := h.chunk.lock(ctx); err != nil {
		return err
	}
	defer h.chunk.unlock()
	if h.err == nil {
		if err := f(); err != nil {
			_ = h.refuse(err) // returned below
		}
	}
	h.held = chunkQueue{}
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
