package adaptertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

func testModel(t *testing.T, guard func(Model, ...middleware.Interceptor) ModelFunc) {
	answer := Model{Chunks: []string{"The ", "answer ", "is 42."}, Input: 11, Output: 7}

	t.Run("a call is of KindModel, with the request as input", func(t *testing.T) {
		spy := new(spy)
		out, err := guard(answer, spy.intercept)(t.Context(), "What is it?", nil)
		wantOutput(t, out, err, "The answer is 42.")
		if len(spy.calls) != 1 || spy.calls[0].Kind != middleware.KindModel || spy.calls[0].Name == "" {
			t.Fatalf("got calls %+v, want one of KindModel with a name", spy.calls)
		}
		if spy.calls[0].Stream != nil {
			t.Error("the call has a Stream although nobody asked for one")
		}
		req, ok := spy.calls[0].Input.(*middleware.ModelRequest)
		if !ok || len(req.Messages) == 0 || len(req.Messages[0].Parts) == 0 ||
			!strings.Contains(req.Messages[0].Parts[0].Text, "What is it?") {
			t.Errorf("got input %+v without the prompt", spy.calls[0].Input)
		}
		res, ok := spy.results[0].Output.(*middleware.ModelResponse)
		if !ok || len(res.Choices) != 1 || res.Choices[0].Text != "The answer is 42." {
			t.Errorf("got output %+v without the answer", spy.results[0].Output)
		}
	})
	t.Run("the provider's usage is metered, streamed or not", func(t *testing.T) {
		for _, stream := range []func(string) error{nil, func(string) error { return nil }} {
			spy := new(spy)
			_, err := guard(answer, spy.intercept)(t.Context(), "What is it?", stream)
			if err != nil {
				t.Fatal(err)
			}
			u := spy.results[0].Usage
			if u == nil || !u.Reported || u.InputTokens != 11 || u.OutputTokens != 7 {
				t.Errorf("got usage %+v, want 11 and 7, reported", u)
			}
		}
	})
	t.Run("usage that cannot be is not believed", func(t *testing.T) {
		for _, counts := range [][2]int64{{0, 0}, {-5, 7}, {1 << 62, 1}} {
			m := Model{Chunks: answer.Chunks, Input: counts[0], Output: counts[1]}
			spy := new(spy)
			if _, err := guard(m, spy.intercept)(t.Context(), "", nil); err != nil {
				t.Fatal(err)
			}
			if u := spy.results[0].Usage; u == nil || u.Reported {
				t.Errorf("input %d, output %d: got usage %+v, want one that is not Reported", m.Input, m.Output, u)
			}
		}
	})
	t.Run("a stream arrives as the client cut it", func(t *testing.T) {
		var got []string
		out, err := guard(answer, pass)(t.Context(), "", func(c string) error { got = append(got, c); return nil })
		wantOutput(t, out, err, "The answer is 42.")
		if !slices.Equal(nonEmpty(got), answer.Chunks) {
			t.Errorf("got chunks %q, want %q", got, answer.Chunks)
		}
	})
	t.Run("no byte is streamed after a denial, which is the error", func(t *testing.T) {
		cut := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
				out := c.Stream
				c.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
					if strings.Contains(string(chunk.Text), "answer") {
						return middleware.Deny(middleware.CodeBadOutput, reason)
					}
					return out(ctx, chunk)
				}
				return next(ctx, c)
			}
		}
		for _, swallow := range []bool{false, true} {
			for gate, i := range map[string]middleware.Interceptor{"": cut, "adaptertest": middleware.Named("adaptertest", cut)} {
				m := answer
				m.Swallow = swallow
				var got []string
				_, err := guard(m, i)(t.Context(), "", func(c string) error { got = append(got, c); return nil })
				wantDenied(t, err, gate)
				if !slices.Equal(nonEmpty(got), answer.Chunks[:1]) {
					t.Errorf("got chunks %q, want %q", got, answer.Chunks[:1])
				}
			}
		}
	})
	t.Run("of an answer that is withheld nothing is streamed, of one that is changed the new one", func(t *testing.T) {
		var got []string
		_, err := guard(answer, denyAfter)(t.Context(), "", func(c string) error { got = append(got, c); return nil })
		wantDenied(t, err, "adaptertest")
		if len(got) > 0 {
			t.Errorf("got chunks %q of an answer that is withheld", got)
		}
		change := changeResult(func(r *middleware.Result) {
			*r = middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "changed"}}}}
		})
		out, err := guard(answer, change)(t.Context(), "", func(c string) error { got = append(got, c); return nil })
		wantOutput(t, out, err, "changed")
		if !slices.Equal(got, []string{"changed"}) {
			t.Errorf("got chunks %q, want the changed answer", got)
		}
	})
	t.Run("a stream that was cancelled does not look like one that ended", func(t *testing.T) {
		for _, swallow := range []bool{false, true} {
			m := answer
			m.Swallow = swallow
			ctx, cancel := context.WithCancel(t.Context())
			out, err := guard(m, pass)(ctx, "", func(string) error { cancel(); return nil })
			if !errors.Is(err, context.Canceled) || out != "" {
				t.Errorf("got %q, %v, want context.Canceled", out, err)
			}
		}
	})
	t.Run("a denial is an error and the provider is not asked", func(t *testing.T) {
		m := answer
		m.Before = func(context.Context, string) error { t.Error("the model was asked"); return nil }
		_, err := guard(m, deny)(t.Context(), "", nil)
		wantDenied(t, err, "adaptertest")
	})
	t.Run("what was judged is what is asked", func(t *testing.T) {
		var asked string
		m := answer
		m.Before = func(_ context.Context, prompt string) error { asked = prompt; return nil }
		_, err := guard(m, changeCall(func(c *middleware.Call) {
			req := *c.Input.(*middleware.ModelRequest)
			req.Messages = []middleware.Message{{Role: req.Messages[0].Role, Parts: []middleware.Part{{Text: "changed"}}}}
			c.Input = &req
		}))(t.Context(), "as it came", nil)
		if err != nil || asked != "changed" {
			t.Errorf("the model was asked %q, %v, want %q", asked, err, "changed")
		}
	})
	t.Run("a changed answer is what comes back", func(t *testing.T) {
		out, err := guard(answer, changeResult(func(r *middleware.Result) {
			res := *r.Output.(*middleware.ModelResponse)
			res.Choices = []middleware.Choice{{Text: "changed"}}
			r.Output = &res
		}))(t.Context(), "", nil)
		wantOutput(t, out, err, "changed")
	})
	t.Run("an answer that was changed in place is what comes back, or the call fails", func(t *testing.T) {
		out, err := guard(answer, changeResult(func(r *middleware.Result) {
			r.Output.(*middleware.ModelResponse).Choices[0].Text = "changed"
		}))(t.Context(), "", nil)
		if err == nil && out != "changed" {
			t.Errorf("got %q, want the changed answer or an error", out)
		}
	})
	t.Run("a request that was changed in place is what is asked, or the call fails", func(t *testing.T) {
		for name, shallow := range map[string]bool{"in place": false, "in a copy that shares its parts": true} {
			asked := "changed" // where nothing is asked
			m := answer
			m.Before = func(_ context.Context, prompt string) error { asked = prompt; return nil }
			_, _ = guard(m, changeCall(func(c *middleware.Call) {
				req := c.Input.(*middleware.ModelRequest)
				if shallow {
					other := *req
					req = &other
				}
				req.Messages[0].Parts[0].Text = "changed"
				c.Input = req
			}))(t.Context(), "as it came", nil) // an error will do
			if asked != "changed" {
				t.Errorf("%s: the model was asked %q", name, asked)
			}
		}
	})
	t.Run("a stream that is taken off the call reaches nobody", func(t *testing.T) {
		var got []string
		_, _ = guard(answer, func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, c middleware.Call) (middleware.Result, error) {
				c.Stream = nil
				return next(ctx, c)
			}
		})(t.Context(), "", func(c string) error { got = append(got, c); return nil }) // an error will do
		if len(got) > 0 {
			t.Errorf("got chunks %q", got)
		}
	})
	t.Run("a panic of the client is a PanicError", func(t *testing.T) {
		m := answer
		m.Before = func(context.Context, string) error { panic("x") }
		_, err := guard(m, pass)(t.Context(), "", nil)
		if !errors.As(err, new(*middleware.PanicError)) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an error of the client survives errors.Is", func(t *testing.T) {
		want := errors.New("429")
		m := answer
		m.Before = func(context.Context, string) error { return want }
		_, err := guard(m, pass)(t.Context(), "", nil)
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	})
}

// nonEmpty drops the empty chunks that some clients end a stream with.
func nonEmpty(chunks []string) []string {
	return slices.DeleteFunc(slices.Clone(chunks), func(c string) bool { return c == "" })
}
