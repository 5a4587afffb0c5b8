package schema

import (
	"context"

	"example.com/safeconduct/middleware"
)

// A held is what a boundary keeps back of the stream of one call. Nil is that of
// a call without a stream.
type held struct{ hold *middleware.Hold }

func (b *boundary) hold(ctx context.Context, call middleware.Call) *held {
	if call.Stream == nil {
		return nil
	}
	return &held{b.gate.Hold(ctx, call)}
}

// run makes the call, and holds its stream.
func (h *held) run(ctx context.Context, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	if h == nil {
		return next(ctx, call)
	}
	call.Stream = h.hold.Stream
	res, err := next(ctx, call)
	h.hold.Close()
	if refused := h.hold.Err(); refused != nil {
		return middleware.Result{Usage: res.Usage}, refused
	}
	return res, err
}

// close drops what is held, unless it was released.
func (h *held) close() {
	if h != nil {
		h.hold.Close()
	}
}

// left reports whether a part of the stream has left already, so that nothing
// else can be put in its place.
func (h *held) left() bool { return h != nil && h.hold.Passed() > 0 }

// release returns the result of a call that is allowed, after what it streamed:
// that, or the text that takes the place of its answer. Where err is not nil, it
// drops what is held.
func (h *held) release(ctx context.Context, v verdict, res middleware.Result, err error) (middleware.Result, error) {
	if h == nil || err != nil {
		return res, err
	}
	if v.changed == "" {
		err = h.hold.Release(ctx)
	} else {
		err = h.hold.Replace(ctx, v.answer)
	}
	if err != nil {
		return middleware.Result{Usage: res.Usage}, err
	}
	return res, nil
}
