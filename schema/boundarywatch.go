package schema

import (
	"context"
	"sync"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema/internal/plan"
)

// A watchedStream is a model's answer that is judged while it is streamed. Nil is an
// answer of which nothing can be told before it is whole.
type watchedStream struct {
	mu      sync.Mutex // guards what follows
	watch   *plan.Watch
	schema  *Schema
	said    []byte // the beginning of the answer
	refused error
}

// watchStream returns a watchedStream for a call that is judged, if what it streams is
// the answer that will be judged: the text of a model's only choice, that leaves as it
// is or not at all.
func (b *boundary) watchStream(call middleware.Call) *watchedStream {
	if call.Stream == nil || b.Extract || b.Repair || b.byDefault != nil {
		return nil
	}
	req, ok := call.Input.(*middleware.ModelRequest)
	if !ok || req == nil || req.Candidates > 1 {
		return nil
	}
	return &watchedStream{watch: plan.NewWatch(b.Schema.plan), schema: b.Schema}
}

// over returns a Handler that makes the call and judges what it streams, before
// the call's own Stream gets it.
func (w *watchedStream) over(next middleware.Handler) middleware.Handler {
	if w == nil {
		return next
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		to := call.Stream
		call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err := w.take(chunk); err != nil {
				return err
			}
			return to(ctx, chunk)
		}
		return next(ctx, call)
	}
}

// take needs w.mu.
func (w *watchedStream) take(chunk middleware.Chunk) error {
	if w.refused != nil || chunk.Repeats {
		return w.refused
	}
	if room := maxPrevious - len(w.said); room > 0 {
		w.said = append(w.said, chunk.Text[:min(room, len(chunk.Text))]...)
	}
	if f := w.watch.Write(chunk.Text); f != nil {
		w.refused = deny(middleware.CodeBadOutput, "what is streamed", w.schema.violated(f))
	}
	return w.refused
}

// verdict returns the one that refused the answer before it was whole, if there
// was one. What became of the call since then is of no matter.
func (w *watchedStream) verdict(ctx context.Context) (v verdict, refused bool) {
	if w == nil || ctx.Err() != nil {
		return v, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused == nil {
		return v, false
	}
	return verdict{denied: w.refused, refused: true, answer: string(w.said)}, true
}
