package schema_test

import (
	"context"
	"slices"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

// TestBoundaryStreams: the caller gets what was streamed of the answer that
// leaves, and nothing of one that was refused.
func TestBoundaryStreams(t *testing.T) {
	const fenced = "```json\n" + goodVerdict + "\n```"
	run := middleware.Call{Kind: middleware.KindChain, Name: "run"}
	for _, tt := range []struct {
		name    string
		rules   schema.Rules
		mode    func(middleware.Interceptor) middleware.Interceptor
		call    middleware.Call
		h       func(*speaker, ...middleware.Interceptor) middleware.Handler
		answers []string
		want    []string
		code    middleware.Code
	}{
		{"a model's answer", schema.Rules{}, nil, middlewaretest.Model("?"), (*speaker).model, []string{goodVerdict}, []string{goodVerdict}, ""},
		{"a refused one", schema.Rules{}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose}, nil, middleware.CodeBadOutput},
		{"a refused one, let pass", schema.Rules{}, middleware.PassThrough, middlewaretest.Model("?"), (*speaker).model, []string{prose}, []string{prose}, middleware.CodeBadOutput},
		{"the answer of a chain's model", schema.Rules{}, nil, run, (*speaker).chain, []string{goodVerdict}, []string{goodVerdict}, ""},
		{"a refused one of a chain's", schema.Rules{}, nil, run, (*speaker).chain, []string{prose}, nil, middleware.CodeBadOutput},
		{"a model that was asked again", schema.Rules{Reasks: 2}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose, badVerdict, goodVerdict}, []string{goodVerdict}, ""},
		{"in vain", schema.Rules{Reasks: 1}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose, badVerdict}, nil, middleware.CodeBadOutput},
		{"a chain", schema.Rules{Reasks: 1}, nil, run, (*speaker).chain, []string{prose, goodVerdict}, []string{goodVerdict}, ""},
		{"an agent", schema.Rules{Reasks: 1}, nil, run, (*speaker).agent, []string{"tool", "Final:" + prose, "Final:" + goodVerdict}, []string{"", "Final:" + goodVerdict}, ""},
		{"an agent, good at once", schema.Rules{Reasks: 1}, nil, run, (*speaker).agent, []string{"Final:" + goodVerdict}, []string{"Final:" + goodVerdict}, ""},
		{"an agent, in a fence", schema.Rules{Extract: true, Reasks: 1}, nil, run, (*speaker).agent, []string{"Final:" + fenced}, []string{goodVerdict}, ""},
		{"an agent, in vain", schema.Rules{Reasks: 1}, nil, run, (*speaker).agent, []string{"tool", "Final:" + prose, "Final:" + badVerdict}, nil, middleware.CodeBadOutput},
		{"JSON in a fence", schema.Rules{Extract: true}, nil, middlewaretest.Model("?"), (*speaker).model, []string{fenced}, []string{goodVerdict}, ""},
		{"asked again, in a fence", schema.Rules{Extract: true, Reasks: 1}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose, fenced}, []string{goodVerdict}, ""},
		{"a default", schema.Rules{Default: map[string]any{"risk": "high"}}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose}, []string{`{"risk":"high"}`}, ""},
		{"a default of a chain's", schema.Rules{Default: map[string]any{"risk": "high"}, Reasks: 1}, nil, run, (*speaker).chain, []string{prose, prose}, []string{`{"risk":"high"}`}, ""},
		{"a default after a part has left", schema.Rules{Default: map[string]any{"risk": "high"}}, window(1), middlewaretest.Model("?"), (*speaker).twice, []string{prose}, []string{prose}, middleware.CodeBadOutput},
		{"more than may be held", schema.Rules{Reasks: 1}, buffer(10), middlewaretest.Model("?"), (*speaker).model, []string{prose}, nil, middleware.CodeBadOutput},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rules.Schema = verdictSchema
			gate := schema.Boundary(tt.rules)
			if tt.mode != nil {
				gate = tt.mode(gate)
			}
			var got []string
			tt.call.Stream = func(_ context.Context, chunk middleware.Chunk) error {
				got = append(got, string(chunk.Text))
				return nil
			}
			s := &speaker{answers: tt.answers}
			_, err := tt.h(s, gate)(t.Context(), tt.call)
			if tt.code != "" {
				d := middlewaretest.WantDenied(t, err, tt.code)
				if d.Gate != "schema.output" {
					t.Errorf("denied by %q", d.Gate)
				}
			} else if err != nil {
				t.Error(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got chunks %q, want %q", got, tt.want)
			}
			if len(s.requests) != len(tt.answers) {
				t.Errorf("got %d requests, want %d", len(s.requests), len(tt.answers))
			}
		})
	}
}

// twice is the speaker's model, which streams what it says and a space.
func (s *speaker) twice(is ...middleware.Interceptor) middleware.Handler {
	return middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := s.answer(ctx, call)
		if err == nil {
			err = call.Stream(ctx, middleware.Chunk{Text: []byte(" ")})
		}
		return res, err
	}, is...)
}

func buffer(n int) func(middleware.Interceptor) middleware.Interceptor {
	return func(i middleware.Interceptor) middleware.Interceptor { return middleware.Buffer(n, i) }
}

func window(n int) func(middleware.Interceptor) middleware.Interceptor {
	return func(i middleware.Interceptor) middleware.Interceptor { return middleware.Window(n, i) }
}
