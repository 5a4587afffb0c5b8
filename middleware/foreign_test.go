package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

// A rude error panics in one of its methods.
type rude struct{ in string }

func (r rude) Error() string { return r.or("Error", "rude") }
func (r rude) Unwrap() error { _ = r.or("Unwrap", ""); return nil }
func (r rude) Is(error) bool { _ = r.or("Is", ""); return false }
func (r rude) As(any) bool   { _ = r.or("As", ""); return false }

func (r rude) or(method, said string) string {
	if r.in == method {
		panic("hunter2")
	}
	return said
}

// rudeErrors panic when they are asked.
func rudeErrors() map[string]error {
	var path *fs.PathError
	var own *middleware.PanicError
	return map[string]error{
		"a nil pointer":          path,
		"a nil PanicError":       own,
		"panics in Error":        rude{"Error"},
		"panics in Unwrap":       rude{"Unwrap"},
		"panics in Is":           rude{"Is"},
		"panics in As":           rude{"As"},
		"wraps a nil pointer":    fmt.Errorf("open: %w", path),
		"wraps one of two":       fmt.Errorf("%w: %w", errors.New("x"), rude{"As"}),
		"joins":                  errors.Join(errors.New("x"), rude{"Unwrap"}),
		"is a denial's cause":    &middleware.DeniedError{Gate: "g", Call: "shell", Code: middleware.CodePolicy, Reason: "no", Err: rude{"Is"}},
		"stands before a denial": errors.Join(path, middleware.Deny(middleware.CodePolicy, "no")),
	}
}

// around are interceptors that look at the error of what they stand around.
func around() map[string]middleware.Interceptor {
	return map[string]middleware.Interceptor{
		"tell":   middleware.Compose(middleware.Tell, middleware.Before("open", allow)),
		"before": middleware.Before("open", allow),
		"after":  middleware.After("open", allowResult),
		"change": middleware.TransformResult("open", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
			return r, true, nil
		}),
		"on":      middleware.On(middleware.KindTool, middleware.Named("open", pass)),
		"named":   middleware.Named("open", pass),
		"shadow":  middleware.Shadow(middleware.Named("open", pass)),
		"window":  middleware.Window(1, middleware.After("open", allowResult)),
		"pass":    middleware.PassThrough(middleware.Named("open", pass)),
		"unnamed": pass,
		"asks": func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				res, err := next(ctx, call)
				_ = errors.Is(err, context.Canceled)
				return res, err
			}
		},
	}
}

// ask does what callers do with an error.
func ask(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	defer func() {
		t.Helper()
		if v := recover(); v != nil {
			t.Errorf("the caller asked the error, and it panicked: %v", v)
		}
	}()
	_ = errors.Is(err, context.Canceled)
	_ = errors.As(err, new(*middleware.DeniedError))
	_ = errors.As(err, new(*fs.PathError))
	if text := err.Error(); strings.Contains(text, "hunter2") || text == "" {
		t.Errorf("the error says %q", text)
	}
}

// TestAnErrorThatPanicsIsAnError: what a tool returns is code of the tool's. An
// error that panics when it is asked is the failure of its call, and nothing more.
func TestAnErrorThatPanicsIsAnError(t *testing.T) {
	for what, failure := range rudeErrors() {
		for by, i := range around() {
			for _, streams := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, streamed %v", what, by, streams), func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						if call.Stream != nil {
							_ = call.Stream(ctx, middleware.Chunk{Text: []byte("abc")})
						}
						if call.Input == "cancelled" {
							cancel()
						}
						return middleware.Result{}, failure
					}, new(watch).Intercept, i)
					for _, input := range []string{"", "cancelled"} {
						call := tool(input)
						if streams {
							call.Stream = func(context.Context, middleware.Chunk) error { return nil }
						}
						res, err := h(ctx, call)
						if _, told := res.Output.(middleware.Observation); err == nil && !told {
							t.Errorf("got %v, want an error", res.Output)
						}
						d, denied := errors.AsType[*middleware.DeniedError](err)
						if denied && d.Code == middleware.CodeIndeterminate {
							t.Errorf("the failure of the tool is the denial %v", d)
						}
						ask(t, err)
					}
				})
			}
		}
	}
}

// TestAGatesErrorThatPanicsDenies: such an error of a gate denies, as every error of
// one does.
func TestAGatesErrorThatPanicsDenies(t *testing.T) {
	for what, failure := range rudeErrors() {
		gates := map[string]middleware.Interceptor{
			"before":    middleware.Before("gate", func(context.Context, middleware.Call) error { return failure }),
			"after":     middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error { return failure }),
			"transform": middleware.Transform("gate", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) { return c, false, failure }),
			"result": middleware.TransformResult("gate", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
				return r, false, failure
			}),
			"named": middleware.Named("gate", func(middleware.Handler) middleware.Handler {
				return func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, failure }
			}),
			"panics": middleware.Before("gate", func(context.Context, middleware.Call) error { panic(failure) }),
		}
		for kind, gate := range gates {
			for by, i := range around() {
				t.Run(fmt.Sprintf("%s, %s, %s", what, kind, by), func(t *testing.T) {
					ran := false
					h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						ran = true
						return echo(ctx, call)
					}, new(watch).Intercept, i, gate)
					res, err := h(t.Context(), tool("x"))
					_, told := res.Output.(middleware.Observation)
					if _, denied := errors.AsType[*middleware.DeniedError](err); !denied && !told {
						t.Errorf("got %v, %v, want a denial", res.Output, err)
					}
					if ran && kind != "after" && kind != "result" {
						t.Error("the tool ran")
					}
					ask(t, err)
				})
			}
		}
	}
}

// TestAnInterceptorsErrorThatPanics: what a hand-written interceptor returns is
// asked by callers too, and the stop of a run is found behind it.
func TestAnInterceptorsErrorThatPanics(t *testing.T) {
	for what, failure := range rudeErrors() {
		t.Run(what, func(t *testing.T) {
			h := middleware.Wrap(echo, func(middleware.Handler) middleware.Handler {
				return func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, failure }
			})
			_, err := h(t.Context(), tool("x"))
			if err == nil {
				t.Error("got no error")
			}
			if what == "is a denial's cause" {
				wantDenied(t, err, "g", middleware.CodePolicy)
			}
			ask(t, err)
			ask(t, (&middleware.PanicError{Kind: middleware.KindTool, Call: "shell", Value: failure}))
		})
	}
	var none *middleware.DeniedError
	ask(t, none)
}
