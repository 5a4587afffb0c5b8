package middleware_test

import (
	"context"
	"testing"

	"example.com/safeconduct/middleware"
)

func TestStrings(t *testing.T) {
	for got, want := range map[string]string{
		middleware.KindChain.String():        "chain",
		middleware.KindPlan.String():         "plan",
		middleware.KindModel.String():        "model",
		middleware.KindTool.String():         "tool",
		middleware.KindRetriever.String():    "retriever",
		middleware.Kind(9).String():          "kind(9)",
		middleware.CallID(7).String():        "7",
		middleware.Verdict(0).String():       "deny", // the zero verdict is safe
		middleware.VerdictAllow.String():     "allow",
		middleware.VerdictTransform.String(): "transform",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got, want := (&middleware.DeniedError{Code: "c", Reason: "r"}).Error(), "denied by interceptor: r (c)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestACallWithoutAKindIsRefused(t *testing.T) {
	ran := false
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		ran = true
		return middleware.Result{}, nil
	}, middleware.Before("open", allow))
	if _, err := h(t.Context(), middleware.Call{Name: "x"}); err == nil || ran {
		t.Errorf("got %v, ran %v", err, ran)
	}
}

func TestToolCallID(t *testing.T) {
	if got := middleware.ToolCallOf(t.Context()); got != "" {
		t.Errorf("got %q outside of a tool call", got)
	}
	if got := middleware.ToolCallOf(middleware.WithToolCall(t.Context(), "call_1")); got != "call_1" {
		t.Errorf("got %q", got)
	}
}

func TestNote(t *testing.T) {
	middleware.Note(t.Context(), middleware.Decision{}) // no call: nothing to note it on
	var outside middleware.Trail
	if _, ran := outside.Ran(); ran || outside.Decisions() != nil {
		t.Error("the zero Trail is not empty")
	}
	noting := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			middleware.Note(ctx, middleware.Decision{Gate: "hand-written", Verdict: middleware.VerdictAllow})
			return next(ctx, call)
		}
	}
	w := new(watch)
	if _, err := middleware.Wrap(echo, w.Intercept, noting, middleware.Shadow(noting))(t.Context(), tool("")); err != nil {
		t.Fatal(err)
	}
	ds := w.trail.Decisions()
	if len(ds) != 2 || ds[0].Shadow || !ds[1].Shadow || ds[0].Gate != "hand-written" {
		t.Errorf("got %+v, want one decision and one in shadow", ds)
	}
}

// stream sends chunks to a call's Stream, as a model would, and hides errors as
// some clients do.
func stream(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	for _, text := range []string{"a", "b", "c"} {
		if call.Stream(ctx, middleware.Chunk{Text: []byte(text)}) != nil {
			break
		}
	}
	return middleware.Result{Output: "abc"}, nil //nolint:nilerr // that is the point
}

func TestADeniedChunkIsTheNamedGatesDenial(t *testing.T) {
	cut := func(at string) middleware.Interceptor {
		return func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				out := call.Stream
				call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
					if string(chunk.Text) == at {
						return middleware.Deny(middleware.CodeBadOutput, "no %s", at)
					}
					return out(ctx, chunk)
				}
				return next(ctx, call)
			}
		}
	}
	for _, tt := range []struct{ outer, inner, gate, got string }{
		{"b", "never", "outer", "a"},
		{"never", "b", "inner", "a"},
		{"c", "b", "inner", "a"},
		{"b", "c", "outer", "a"},
	} {
		w := new(watch)
		h := middleware.Wrap(stream, w.Intercept, middleware.Named("outer", cut(tt.outer)), middleware.Named("inner", cut(tt.inner)))
		got := ""
		call := middleware.Call{Kind: middleware.KindModel, Name: "m", Stream: func(_ context.Context, c middleware.Chunk) error {
			got += string(c.Text)
			return nil
		}}
		_, err := h(t.Context(), call)
		wantDenied(t, err, tt.gate, middleware.CodeBadOutput)
		if got != tt.got {
			t.Errorf("got %q streamed, want %q", got, tt.got)
		}
		for _, d := range w.trail.Decisions() {
			if (d.Verdict == middleware.VerdictDeny) != (d.Gate == tt.gate) {
				t.Errorf("%+v: got decision %+v", tt, d)
			}
		}
	}
}
