package middlewaretest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// TestMiddlewareKeepsTheRules holds everything that middleware makes against
// the rules.
func TestMiddlewareKeepsTheRules(t *testing.T) {
	allow := middleware.Before("allow", func(context.Context, call) error { return nil })
	strict := middleware.Before("strict", func(_ context.Context, call call) error {
		if call.Input == nil {
			return middleware.Deny(middleware.CodeBadInput, "no input")
		}
		_ = call.Input.(string) // panics where it is none
		return nil
	})
	tests := map[string]struct {
		i     middleware.Interceptor
		calls []call
	}{
		"Before":         {i: allow},
		"Before, strict": {middleware.On(middleware.KindTool, strict), []call{middlewaretest.Tool("shell", "ls")}},
		"After": {i: middleware.After("some", func(_ context.Context, _ call, res result) error {
			if res.Output == nil {
				return middleware.Deny(middleware.CodeBadOutput, "no output")
			}
			return nil
		})},
		"Transform": {i: middleware.Transform("upper", func(_ context.Context, call call) (call2 call, changed bool, err error) {
			if call.Kind == middleware.KindTool {
				call.Input = "OTHER"
			}
			return call, true, nil
		})},
		"TransformResult": {i: middleware.TransformResult("mask", func(_ context.Context, _ call, res result) (result, bool, error) {
			return res, true, nil
		})},
		"Named": {i: middleware.Named("hand-written", with(func(next handler, ctx ctx, call call) (result, error) {
			return next(ctx, call)
		}))},
		"On":              {i: middleware.On(middleware.KindTool, allow)},
		"Tell":            {i: middleware.Compose(middleware.Tell, allow)},
		"Again":           {i: with(again(func(*call) {}))},
		"Again in Shadow": {i: middleware.Shadow(with(again(func(*call) {})))},
		"Shadow":          {i: middleware.Shadow(allow)},
		"Shadow, strict":  {i: middleware.Shadow(strict)},
		"Compose":         {i: middleware.Compose(allow, middleware.Tell, noRoot)},
		"Buffer":          {i: middleware.Buffer(1<<10, keep)},
		"Window":          {i: middleware.Window(2, keep)},
		"PassThrough":     {i: middleware.PassThrough(keep)},
		"a bare func":     {i: func(next handler) handler { return next }},
		"a recorder":      {i: recorder},
		"a timeout":       {i: timeout},
		"a denying shell": {middleware.Compose(allow, noRoot), []call{middlewaretest.Tool("shell", "ls"), middlewaretest.Tool("shell", "sudo ls")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := middlewaretest.TestInterceptor(stateless(tt.i), tt.calls...); err != nil {
				t.Error(err)
			}
		})
	}
}

// keep lets every output out.
var keep = middleware.After("keep", func(context.Context, call, result) error { return nil })

// recorder looks at the trail from outside.
func recorder(next handler) handler {
	if next == nil {
		return middleware.Layer{Name: "recorder", Recorder: true}.Handler()
	}
	return func(ctx ctx, call call) (result, error) {
		trail := middleware.Observe(ctx)
		res, err := next(ctx, call)
		_ = trail.Decisions()
		return res, err
	}
}

// timeout calls next on a goroutine of its own.
func timeout(next handler) handler {
	return func(ctx ctx, call call) (res result, err error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		done := make(chan any)
		err = errors.New("timeout: next ended its goroutine")
		go func() {
			defer func() { done <- recover() }()
			res, err = next(ctx, call)
		}()
		if v := <-done; v != nil {
			panic(v)
		}
		return res, err
	}
}

// TestOddInterceptors has what is unusual and keeps the rules.
func TestOddInterceptors(t *testing.T) {
	for name, i := range map[string]middleware.Interceptor{
		"drops the stream": with(func(next handler, ctx ctx, call call) (result, error) {
			call.Stream = nil
			return next(ctx, call)
		}),
		"panics by itself": with(func(next handler, ctx ctx, call call) (result, error) {
			if call.Kind == middleware.KindTool {
				_ = call.Input.(string)
			}
			return next(ctx, call)
		}),
		"gives up when the context ends": with(func(next handler, ctx ctx, call call) (result, error) {
			res, err := next(ctx, call)
			if ctx.Err() != nil {
				return result{Usage: res.Usage}, ctx.Err()
			}
			return res, err
		}),
	} {
		if err := middlewaretest.TestInterceptor(stateless(i), middlewaretest.Tool("shell", "ls")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
