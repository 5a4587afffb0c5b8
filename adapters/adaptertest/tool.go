package adaptertest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

func testTool(t *testing.T, guard func(string, ToolFunc, ...middleware.Interceptor) ToolFunc) {
	t.Run("a call is of KindTool, with the tool's name and input", func(t *testing.T) {
		spy := new(spy)
		out, err := guard("echo", echo, spy.intercept)(t.Context(), "hello")
		wantOutput(t, out, err, "hello")
		if len(spy.calls) != 1 {
			t.Fatalf("got %d calls, want 1", len(spy.calls))
		}
		c := spy.calls[0]
		if c.Kind != middleware.KindTool || c.Name != "echo" || c.Input != "hello" || c.Parent != 0 {
			t.Errorf("got call %+v", c)
		}
	})
	t.Run("the context's values and end reach the tool", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "here"))
		_, err := guard("echo", func(ctx context.Context, _ string) (string, error) {
			cancel()
			if ctx.Value(ctxKey{}) != "here" || ctx.Err() == nil {
				t.Error("they did not")
			}
			return "", nil
		}, pass)(ctx, "")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v for a call whose context ended, want context.Canceled", err)
		}
	})
	t.Run("a call under a context that is done does not run", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := guard("echo", mustNotRun(t), pass)(ctx, "")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("a denial is an error and the tool does not run", func(t *testing.T) {
		out, err := guard("echo", mustNotRun(t), deny)(t.Context(), "secret")
		wantDenied(t, err, "adaptertest")
		if out != "" {
			t.Errorf("got output %q with it", out)
		}
	})
	t.Run("a withheld output is an error", func(t *testing.T) {
		out, err := guard("echo", echo, denyAfter)(t.Context(), "secret")
		wantDenied(t, err, "adaptertest")
		if out != "" {
			t.Errorf("got output %q with it", out)
		}
	})
	t.Run("under Tell a denial is text for the model", func(t *testing.T) {
		out, err := guard("echo", mustNotRun(t), middleware.Tell, deny)(t.Context(), "")
		if err != nil || !strings.Contains(out, reason) {
			t.Errorf("got %q, %v, want text with %q", out, err, reason)
		}
	})
	t.Run("what was judged is what ran", func(t *testing.T) {
		change := changeCall(func(c *middleware.Call) { c.Input = "changed" })
		out, err := guard("echo", echo, change)(t.Context(), "as it came")
		wantOutput(t, out, err, "changed")
	})
	t.Run("a changed output is what comes back", func(t *testing.T) {
		change := changeResult(func(r *middleware.Result) { r.Output = "changed" })
		out, err := guard("echo", echo, change)(t.Context(), "as it came")
		wantOutput(t, out, err, "changed")
	})
	t.Run("nonsense in place of input or output is an error", func(t *testing.T) {
		nonsense := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
				c.Input = struct{}{}
				return next(ctx, c)
			}
		}
		if _, err := guard("echo", mustNotRun(t), nonsense)(t.Context(), ""); err == nil {
			t.Error("got no error for an input that the tool cannot take")
		}
		empty := func(middleware.Handler) middleware.Handler {
			return func(context.Context, middleware.Call) (middleware.Result, error) {
				return middleware.Result{}, nil
			}
		}
		if _, err := guard("echo", mustNotRun(t), empty)(t.Context(), ""); err == nil {
			t.Error("got no error for a result without output")
		}
	})
	t.Run("a panic of the tool is a PanicError", func(t *testing.T) {
		_, err := guard("boom", func(context.Context, string) (string, error) { panic("secret") }, pass)(t.Context(), "")
		var p *middleware.PanicError
		if !errors.As(err, &p) || p.Call != "boom" || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an error of the tool survives errors.Is", func(t *testing.T) {
		want := errors.New("no such file")
		_, err := guard("echo", func(context.Context, string) (string, error) { return "", want }, pass)(t.Context(), "")
		if !errors.Is(err, want) || errors.As(err, new(*middleware.DeniedError)) {
			t.Errorf("got %v, want %v", err, want)
		}
	})
	t.Run("nothing to guard with, nil and disorder panic", func(t *testing.T) {
		wantPanic(t, "no interceptor", func() { guard("echo", echo) })
		wantPanic(t, "a nil interceptor", func() { guard("echo", echo, pass, nil) })
		wantPanic(t, "Tell innermost", func() { guard("echo", echo, pass, middleware.Tell) })
	})
}
