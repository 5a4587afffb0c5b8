package schema

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"example.com/safeconduct/middleware"
)

// A heldStream is what a boundary keeps back of the stream of one call. Nil is that of
// a call without a stream.
type heldStream struct {
	hold *middleware.Hold

	mu   sync.Mutex // guards what follows
	text []byte     // that was streamed, the end of it where that is long
	cut  bool       // the beginning is missing
}

func (b *boundary) holdStream(ctx context.Context, call middleware.Call) *heldStream {
	if call.Stream == nil {
		return nil
	}
	return &heldStream{hold: b.gate.Hold(ctx, call)}
}

// maxSaid is more than any answer that is not refused, with white space around it.
const maxSaid = 2 * MaxBytes

func (h *heldStream) stream(ctx context.Context, chunk middleware.Chunk) error {
	if !chunk.Repeats && len(chunk.Text) > 0 {
		h.mu.Lock()
		h.text = append(h.text, chunk.Text...)
		if len(h.text) > 2*maxSaid {
			h.text, h.cut = append([]byte(nil), h.text[len(h.text)-maxSaid:]...), true
		}
		h.mu.Unlock()
	}
	return h.hold.Stream(ctx, chunk)
}

// run makes the call, and holds its stream.
func (h *heldStream) run(ctx context.Context, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	if h == nil {
		return next(ctx, call)
	}
	call.Stream = h.stream
	res, err := next(ctx, call)
	h.hold.Close()
	if refused := h.hold.Err(); refused != nil {
		return middleware.Result{Usage: res.Usage}, refused
	}
	return res, err
}

// close drops what is held, unless it was released.
func (h *heldStream) close() {
	if h != nil {
		h.hold.Close()
	}
}

// hasLeft reports whether a part of the stream has left already, so that nothing
// else can be put in its place.
func (h *heldStream) hasLeft() bool { return h != nil && h.hold.Passed() > 0 }

// release returns the result of a call that is allowed, after what it streamed:
// that, or the text that was judged where that is something else. Where err is not
// nil, it drops what is held.
func (h *heldStream) release(ctx context.Context, v verdict, res middleware.Result, err error) (middleware.Result, error) {
	if h == nil || err != nil {
		return res, err
	}
	if h.isWhatWasJudged(v) {
		err = h.hold.Release(ctx)
	} else {
		err = h.hold.Replace(ctx, v.streams())
	}
	if err != nil {
		return middleware.Result{Usage: res.Usage}, err
	}
	return res, nil
}

// isWhatWasJudged reports whether what is held is what was judged. The stream of a model or a
// tool is its answer; that of a chain or a plan may hold more, as what the models in
// it thought.
func (h *heldStream) isWhatWasJudged(v verdict) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	const space = " \t\r\n"
	text, judged := bytes.Trim(h.text, space), []byte(strings.Trim(v.streams(), space))
	switch v.output.(type) {
	case nil: // nothing was judged
		return true
	case string, *middleware.ModelResponse:
		return !h.cut && bytes.Equal(text, judged)
	}
	return v.changed == "" && bytes.Contains(text, judged)
}
