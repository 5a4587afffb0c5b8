package middleware_test

import (
	"context"
	"errors"
	"testing"

	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// holdBack is a hand-written Interceptor that passes on what was streamed when next
// has returned.
func holdBack(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "hold back"}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		to, held := call.Stream, []middleware.Chunk(nil)
		call.Stream = func(_ context.Context, chunk middleware.Chunk) error {
			held = append(held, chunk)
			return nil
		}
		res, err := next(ctx, call)
		for _, chunk := range held {
			if err := to(ctx, chunk); err != nil {
				return middleware.Result{Usage: res.Usage}, err
			}
		}
		return res, err
	}
}

// Whatever passes a chunk to the Stream of the caller, it is not its fault how that
// ends.
func TestAGateIsNotBlamedForTheCallersStream(t *testing.T) {
	errFull := errors.New("no space left")
	allow := func(context.Context, middleware.Call, middleware.Result) error { return nil }
	streams := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		_ = call.Stream(ctx, middleware.Chunk{Text: []byte("hi")}) // a client that takes no notice
		return middleware.Result{Output: &middleware.ModelResponse{}}, nil
	}
	for name, gate := range map[string]middleware.Interceptor{
		"none":   middleware.Before("none", func(context.Context, middleware.Call) error { return nil }),
		"after":  middleware.After("after", allow),
		"window": middleware.Window(1, middleware.After("after", allow)),
		"named":  middleware.Named("named", holdBack),
		"bare":   holdBack,
		"shadow": middleware.Shadow(middleware.Named("named", holdBack)),
	} {
		for what, stream := range map[string]middleware.Stream{
			"panic": func(context.Context, middleware.Chunk) error { panic(errFull) },
			"error": func(context.Context, middleware.Chunk) error { return errFull },
		} {
			if what == "error" && (name == "none" || name == "shadow") {
				continue // here the client alone knows of the error
			}
			var trail middleware.Trail
			var run *middleware.Run
			watch := func(next middleware.Handler) middleware.Handler {
				return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					trail, run = middleware.Observe(ctx), middleware.RunOf(ctx)
					return next(ctx, call)
				}
			}
			call := kit.Model("gpt", "hi")
			call.Stream = stream
			res, err := middleware.Wrap(streams, watch, gate)(t.Context(), call)
			if d, denied := errors.AsType[*middleware.DeniedError](err); denied || !errors.Is(err, errFull) || res.Output != nil {
				t.Errorf("%s, %s: got %v, %v (%v), want the error of the Stream", name, what, res.Output, err, d)
			}
			if p, ok := errors.AsType[*middleware.PanicError](err); ok != (what == "panic") {
				t.Errorf("%s, %s: got %v, %v", name, what, err, p)
			}
			for _, d := range trail.Decisions() {
				if d.Verdict == middleware.VerdictDeny {
					t.Errorf("%s, %s: the trail has %+v", name, what, d)
				}
			}
			if d := run.Stopped(); d != nil {
				t.Errorf("%s, %s: the run was stopped: %v", name, what, d)
			}
		}
	}
}
