package middleware_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

type ctxKey struct{}

// unnamed begins the names of the funcs of the test below.
const unnamed = "middleware_test.TestShadow"

// TestShadowChangesNothing runs gates of every kind in the shadow: the result
// is that of the call alone, and what they decided stands on the trail.
func TestShadowChangesNothing(t *testing.T) {
	failed := errors.New("failed")
	fail := func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Usage: &middleware.Usage{InputTokens: 1}}, failed
	}
	denyAfter := func(context.Context, middleware.Call, middleware.Result) error {
		return middleware.Deny(middleware.CodeBadOutput, "late")
	}
	for name, tt := range map[string]struct {
		i     middleware.Interceptor
		h     middleware.Handler
		gate  string // of the would-be denial; "" for none
		allow bool
	}{
		"before denies":    {middleware.Before("g", deny), echo, "g", false},
		"after denies":     {middleware.After("g", denyAfter), echo, "g", false},
		"allows":           {middleware.Before("g", allow), echo, "", true},
		"call fails":       {middleware.After("g", denyAfter), fail, "", false},
		"fails on its own": {middleware.Before("g", func(context.Context, middleware.Call) error { return failed }), echo, "g", false},
		"panics":           {middleware.Before("g", func(context.Context, middleware.Call) error { panic("x") }), echo, "g", false},
		"unnamed denies": {func(middleware.Handler) middleware.Handler {
			return func(context.Context, middleware.Call) (middleware.Result, error) {
				return middleware.Result{}, middleware.Deny("", "x")
			}
		}, echo, unnamed, false},
		"unnamed panics after": {func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				_, _ = next(ctx, call)
				panic("x")
			}
		}, echo, unnamed, false},
		"transforms": {middleware.Transform("g", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
			call.Input = "other"
			return call, true, nil
		}), echo, "", false},
		"changes the context": {func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				ctx, cancel := context.WithCancel(context.WithValue(ctx, ctxKey{}, 1))
				cancel()
				return next(ctx, call)
			}
		}, func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if ctx.Err() != nil || ctx.Value(ctxKey{}) != nil {
				return middleware.Result{}, errors.New("the shadow's context reached the call")
			}
			return echo(ctx, call)
		}, "", false},
		"loses the context": {func(next middleware.Handler) middleware.Handler {
			return func(_ context.Context, call middleware.Call) (middleware.Result, error) {
				return next(context.Background(), call)
			}
		}, echo, unnamed, false},
		"tells": {middleware.Compose(middleware.Tell, middleware.Before("g", deny)), echo, "g", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := new(watch)
			ran := 0
			counted := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				ran++
				return tt.h(ctx, call)
			}
			want, wantErr := tt.h(t.Context(), tool("ls"))
			got, err := middleware.Wrap(counted, w.Intercept, middleware.Shadow(tt.i))(t.Context(), tool("ls"))
			if got.Output != want.Output || !errors.Is(err, wantErr) || (got.Usage == nil) != (want.Usage == nil) {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, want, wantErr)
			}
			if ran != 1 {
				t.Errorf("the call ran %d times", ran)
			}
			denied := ""
			for _, d := range w.trail.Decisions() {
				if !d.Shadow {
					t.Errorf("decision %+v is not marked as a shadow's", d)
				}
				if d.Verdict == middleware.VerdictDeny {
					denied = d.Gate
				}
				if tt.allow && d.Verdict != middleware.VerdictAllow {
					t.Errorf("got %+v, want an allow", d)
				}
			}
			if denied != tt.gate && (tt.gate != unnamed || !strings.HasPrefix(denied, unnamed)) {
				t.Errorf("got a would-be denial by %q, want %q", denied, tt.gate)
			}
		})
	}
}

func TestShadowLetsTheCallsOwnPanicThrough(t *testing.T) {
	boom := func(middleware.Handler) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) { panic("inner") }
	}
	_, err := middleware.Wrap(echo, middleware.Shadow(pass), boom)(t.Context(), tool(""))
	wantDenied(t, err, "", middleware.CodeIndeterminate)
}

func TestShadowEndsWhereACallOfItsOwnBegins(t *testing.T) {
	judge := middleware.Wrap(echo, middleware.Before("inner", deny)) // a gate that asks a guarded tool
	var inner error
	h := middleware.Wrap(echo, middleware.Shadow(middleware.Before("asks", func(ctx context.Context, _ middleware.Call) error {
		_, inner = judge(ctx, tool("q"))
		return nil
	})))
	if _, err := h(t.Context(), tool("")); err != nil {
		t.Fatal(err)
	}
	wantDenied(t, inner, "inner", middleware.CodePolicy)
}

// A call that asked for no stream gets none from a gate in the shadow.
func TestShadowAddsNoStream(t *testing.T) {
	w := new(watch)
	streams := false
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		streams = call.Stream != nil
		return echo(ctx, call)
	}, w.Intercept, middleware.Shadow(func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			call.Stream = func(context.Context, middleware.Chunk) error { return nil }
			return next(ctx, call)
		}
	}))
	if _, err := h(t.Context(), tool("ls")); err != nil || streams {
		t.Errorf("got error %v, and a stream: %v", err, streams)
	}
}

func TestShadowWatchesAStream(t *testing.T) {
	var seen, real []string
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for _, s := range []string{"a", "b", "c"} {
			if err := call.Stream(ctx, middleware.Chunk{Text: []byte(s)}); err != nil {
				return middleware.Result{}, err
			}
		}
		return middleware.Result{Output: "abc"}, nil
	}, middleware.Shadow(func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			out := call.Stream
			call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
				seen = append(seen, string(chunk.Text))
				if string(chunk.Text) == "b" {
					return middleware.Deny("", "b")
				}
				if string(chunk.Text) == "c" {
					panic("c")
				}
				return out(ctx, chunk)
			}
			return next(ctx, call)
		}
	}))
	call := tool("")
	call.Stream = func(_ context.Context, chunk middleware.Chunk) error {
		real = append(real, string(chunk.Text))
		return nil
	}
	res, err := h(t.Context(), call)
	if err != nil || res.Output != "abc" || len(seen) != 3 || len(real) != 3 {
		t.Errorf("got %v, %v, seen %v, streamed %v", res.Output, err, seen, real)
	}
}
