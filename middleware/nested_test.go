package middleware_test

import (
	"context"
	"errors"
	"testing"

	"example.com/safeconduct/middleware"
)

// What is denied anywhere below a call that a shadow makes stops nothing.
func TestADenialBelowAShadowStopsNothing(t *testing.T) {
	leaf := middleware.Wrap(echo, middleware.Before("leaf", deny))
	branch := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		_, err := leaf(ctx, call)
		return middleware.Result{}, err
	}, pass)
	var inner error
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if d := middleware.RunOf(ctx).Stopped(); d != nil {
			t.Errorf("the run was stopped by %v", d)
		}
		return echo(ctx, call)
	}, middleware.Shadow(middleware.Before("asks", func(ctx context.Context, call middleware.Call) error {
		_, inner = branch(ctx, call)
		return nil
	})))
	if _, err := h(t.Context(), tool("x")); err != nil {
		t.Error(err)
	}
	wantDenied(t, inner, "leaf", middleware.CodePolicy)
}

// A denial of a call within one whose context ended is what it is: it is not
// dressed as the end of the context.
func TestADenialUnderAnEndedContextIsItself(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	inner := middleware.Wrap(echo, middleware.Before("gate", func(ctx context.Context, call middleware.Call) error {
		cancel()
		return deny(ctx, call)
	}))
	var denial error
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		_, denial = inner(ctx, call)
		return middleware.Result{}, denial
	}, pass)(ctx, tool("x"))
	wantDenied(t, denial, "gate", middleware.CodePolicy)
	if err != denial {
		t.Errorf("got %v (%T), want the denial itself", err, err)
	}
}

// What comes out of a run that was stopped is the first denial, whatever else is
// denied while it ends.
func TestTheFirstDenialStopsTheRun(t *testing.T) {
	inner := middleware.Wrap(echo, middleware.Before("first", deny))
	var run *middleware.Run
	var first error
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		run = middleware.RunOf(ctx)
		_, first = inner(ctx, call)
		return middleware.Result{Output: "done all the same"}, nil
	}, refuses)(t.Context(), tool("x"))
	wantDenied(t, err, "refuses", middleware.CodeBadOutput)
	if got := wantDenied(t, first, "first", middleware.CodePolicy); run.Stopped() != got {
		t.Errorf("the run was stopped by %v, want %v", run.Stopped(), got)
	}
}

// A client that goes on after its call has returned gets an error, and its chunks
// go nowhere.
func TestNoChunkPassesAfterTheCall(t *testing.T) {
	to := &sink{}
	var kept middleware.Stream
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		kept = call.Stream
		return middleware.Result{Output: ""}, call.Stream(ctx, middleware.Chunk{Text: []byte("a")})
	}, pass)(t.Context(), streamed(to))
	if err != nil {
		t.Fatal(err)
	}
	if err := kept(t.Context(), middleware.Chunk{Text: []byte("b")}); err == nil || to.texts() != "a" {
		t.Errorf("got %v and chunks %q, want an error and those that came before the end", err, to.texts())
	}
}

// What a shadow would have made of a call that failed stands on the trail too.
func TestAShadowsDenialOfAFailedCallIsNoted(t *testing.T) {
	failed := errors.New("failed")
	w := new(watch)
	denies := late(func(middleware.Result, error) (middleware.Result, error) {
		return middleware.Result{}, &middleware.DeniedError{Gate: "own", Code: middleware.CodeLoop, Reason: "it fails again"}
	})
	_, err := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, failed
	}, w.Intercept, middleware.Shadow(denies))(t.Context(), tool("x"))
	if !errors.Is(err, failed) {
		t.Errorf("got %v, want the failure", err)
	}
	ds := w.trail.Decisions()
	if len(ds) != 1 || ds[0].Gate != "own" || ds[0].Code != middleware.CodeLoop || !ds[0].Shadow {
		t.Errorf("got decisions %+v, want the shadow's denial", ds)
	}
}

// What is declared of an interceptor's stream is not declared of the calls that it
// makes itself.
func TestStreamsOfAnInterceptorsOwnCalls(t *testing.T) {
	to := &sink{}
	var before string
	inner := middleware.Wrap(client{chunks: text("a|b")}.do, middleware.After("inner", func(context.Context, middleware.Call, middleware.Result) error {
		before = to.texts()
		return nil
	}))
	asks := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			return inner(ctx, middleware.Call{Kind: middleware.KindModel, Name: "judge", Stream: call.Stream})
		}
	}
	for name, mode := range map[string]func(middleware.Interceptor) middleware.Interceptor{"Window": window(1), "PassThrough": middleware.PassThrough} {
		to.chunks, before = nil, "nothing was judged"
		_, err := middleware.Wrap(echo, mode(asks))(t.Context(), streamed(to))
		if err != nil || before != "" || to.texts() != "a|b" {
			t.Errorf("%s: before the inner verdict: %q; got %q, %v", name, before, to.texts(), err)
		}
	}
}
