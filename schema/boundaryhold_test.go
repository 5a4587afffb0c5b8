package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		rules   schema.BoundaryRules
		mode    func(middleware.Interceptor) middleware.Interceptor
		call    middleware.Call
		h       func(*speaker, ...middleware.Interceptor) middleware.Handler
		answers []string
		want    []string
		code    middleware.Code
	}{
		{"a model's answer", schema.BoundaryRules{}, nil, middlewaretest.Model("?"), (*speaker).model, []string{goodVerdict}, []string{goodVerdict}, ""},
		{"a refused one", schema.BoundaryRules{}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose}, nil, middleware.CodeBadOutput},
		{"a refused one, let pass, but for what shows that it is", schema.BoundaryRules{}, middleware.PassThrough, middlewaretest.Model("?"),
			(*speaker).model, []string{prose}, nil, middleware.CodeBadOutput},
		{"a refused one of a chain's, let pass", schema.BoundaryRules{}, middleware.PassThrough, run, (*speaker).chain, []string{prose},
			[]string{prose}, middleware.CodeBadOutput},
		{"the answer of a chain's model", schema.BoundaryRules{}, nil, run, (*speaker).chain, []string{goodVerdict}, []string{goodVerdict}, ""},
		{"a refused one of a chain's", schema.BoundaryRules{}, nil, run, (*speaker).chain, []string{prose}, nil, middleware.CodeBadOutput},
		{"a model that was asked again", schema.BoundaryRules{Reasks: 2}, nil, middlewaretest.Model("?"), (*speaker).model,
			[]string{prose, badVerdict, goodVerdict}, []string{goodVerdict}, ""},
		{"in vain", schema.BoundaryRules{Reasks: 1}, nil, middlewaretest.Model("?"), (*speaker).model, []string{prose, badVerdict}, nil,
			middleware.CodeBadOutput},
		{"a chain", schema.BoundaryRules{Reasks: 1}, nil, run, (*speaker).chain, []string{prose, goodVerdict}, []string{goodVerdict}, ""},
		{"an agent", schema.BoundaryRules{Reasks: 1}, nil, run, (*speaker).agent, []string{"tool", "Final:" + prose, "Final:" + goodVerdict},
			[]string{"", "Final:" + goodVerdict}, ""},
		{"an agent, good at once", schema.BoundaryRules{Reasks: 1}, nil, run, (*speaker).agent, []string{"Final:" + goodVerdict},
			[]string{"Final:" + goodVerdict}, ""},
		{"an agent, in a fence", schema.BoundaryRules{Extract: true, Reasks: 1}, nil, run, (*speaker).agent, []string{"Final:" + fenced},
			[]string{goodVerdict}, ""},
		{"an agent, in vain", schema.BoundaryRules{Reasks: 1}, nil, run, (*speaker).agent,
			[]string{"tool", "Final:" + prose, "Final:" + badVerdict}, nil, middleware.CodeBadOutput},
		{"JSON in a fence", schema.BoundaryRules{Extract: true}, nil, middlewaretest.Model("?"), (*speaker).model, []string{fenced}, []string{goodVerdict}, ""},
		{"asked again, in a fence", schema.BoundaryRules{Extract: true, Reasks: 1}, nil, middlewaretest.Model("?"), (*speaker).model,
			[]string{prose, fenced}, []string{goodVerdict}, ""},
		{"a default", schema.BoundaryRules{Default: map[string]any{"risk": "high"}}, nil, middlewaretest.Model("?"), (*speaker).model,
			[]string{prose}, []string{`{"risk":"high"}`}, ""},
		{"a default of a chain's", schema.BoundaryRules{Default: map[string]any{"risk": "high"}, Reasks: 1}, nil, run, (*speaker).chain,
			[]string{prose, prose}, []string{`{"risk":"high"}`}, ""},
		{"a default after a part has left", schema.BoundaryRules{Default: map[string]any{"risk": "high"}}, window(1), middlewaretest.Model("?"),
			(*speaker).twice, []string{prose}, []string{prose}, middleware.CodeBadOutput},
		{"more than may be held", schema.BoundaryRules{Reasks: 1}, buffer(10), middlewaretest.Model("?"), (*speaker).model, []string{goodVerdict},
			nil, middleware.CodeBadOutput},
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

// What leaves of a stream is what was judged: of several choices the first, and in
// place of a stream that is none of what the call returns, that.
func TestWhatIsStreamedWasJudged(t *testing.T) {
	const other = `{"risk":"high"}`
	choices := func(texts ...string) *middleware.ModelResponse {
		res := &middleware.ModelResponse{}
		for _, text := range texts {
			res.Choices = append(res.Choices, middleware.Choice{Text: text})
		}
		return res
	}
	asks := choices("", "So: "+goodVerdict)
	asks.Choices[0].ToolCalls = []middleware.ToolCall{{Name: "search"}}
	model, chain, tool, plan := middlewaretest.Model("?"), middleware.Call{Kind: middleware.KindChain, Name: "run"}, middlewaretest.Tool("it", ""),
		middlewaretest.Plan()
	all, fallback := schema.BoundaryRules{Extract: true}, schema.BoundaryRules{Default: json.RawMessage(other)}
	for _, tt := range []struct {
		name     string
		rules    schema.BoundaryRules
		call     middleware.Call
		streamed []string
		output   any
		want     string
	}{
		{"the first choice, taken out", all, model, []string{"So: " + goodVerdict}, choices("So: "+goodVerdict, "Or: "+other), goodVerdict},
		{"the first choice as it is", all, model, []string{goodVerdict}, choices(goodVerdict, "Or: "+other), goodVerdict},
		{"the first choice, and a default for the second", fallback, model, []string{goodVerdict}, choices(goodVerdict, prose), goodVerdict},
		{"a default for the first choice", fallback, model, []string{prose}, choices(prose, goodVerdict), other},
		{"both choices", all, model, []string{goodVerdict, other}, choices(goodVerdict, other), goodVerdict},
		{"the first choice, which asks for a tool", all, model, []string{""}, asks, ""},
		{"another text than the model's", schema.BoundaryRules{}, model, []string{`{"risk":"high"`, ` }`}, choices(goodVerdict), goodVerdict},
		{"half of the model's text", schema.BoundaryRules{}, model, []string{goodVerdict[:5]}, choices(goodVerdict), goodVerdict},
		{"white space around it", schema.BoundaryRules{}, model, []string{" ", goodVerdict, "\n"}, choices(goodVerdict), " " + goodVerdict + "\n"},
		{"another text than the chain's", schema.BoundaryRules{}, chain, []string{badVerdict}, map[string]any{"text": goodVerdict}, goodVerdict},
		{"thoughts before the chain's", schema.BoundaryRules{}, chain, []string{"Final: ", goodVerdict}, map[string]any{"text": goodVerdict},
			"Final: " + goodVerdict},
		{"another text than the plan's", schema.BoundaryRules{}, plan, []string{other},
			&middleware.Plan{Final: map[string]any{"output": goodVerdict}}, goodVerdict},
		{"another text than the tool's", schema.BoundaryRules{}, tool, []string{prose, goodVerdict}, goodVerdict, goodVerdict},
		{"more than an answer can be before the model's", all, model, []string{badVerdict, strings.Repeat(" ", 5*schema.MaxBytes), goodVerdict},
			choices(goodVerdict), goodVerdict},
		{"more than an answer can be", schema.BoundaryRules{}, chain, []string{strings.Repeat(" ", 5*schema.MaxBytes), badVerdict},
			map[string]any{"text": goodVerdict}, goodVerdict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rules.Schema = verdictSchema
			var got strings.Builder
			tt.call.Stream = func(_ context.Context, chunk middleware.Chunk) error {
				got.Write(chunk.Text)
				return nil
			}
			h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				for _, text := range tt.streamed {
					if err := call.Stream(ctx, middleware.Chunk{Text: []byte(text)}); err != nil {
						return middleware.Result{}, err
					}
				}
				return middleware.Result{Output: tt.output}, nil
			}, schema.Boundary(tt.rules))
			if _, err := h(t.Context(), tt.call); err != nil {
				t.Fatal(err)
			}
			if got.String() != tt.want {
				t.Errorf("got %.100q streamed, want %q", got.String(), tt.want)
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

// drip is a model that streams its answers byte by byte.
type drip struct {
	answers []string
	asked   []*middleware.ModelRequest
	sent    int // bytes of the last answer
	deaf    bool
	twice   bool // with the reasoning as well
}

func (d *drip) answer(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	text := d.answers[len(d.asked)]
	d.asked, d.sent = append(d.asked, call.Input.(*middleware.ModelRequest)), 0
	res := middleware.Result{Usage: &middleware.Usage{}}
	for i := range len(text) {
		d.sent++
		chunks := []middleware.Chunk{{Text: []byte(text[i : i+1])}}
		if d.twice {
			chunks = append(chunks, middleware.Chunk{Text: chunks[0].Text, Reasoning: []byte{}, Repeats: true})
		}
		for _, chunk := range chunks {
			if err := call.Stream(ctx, chunk); err != nil {
				if !d.deaf {
					return res, fmt.Errorf("client: %w", err)
				}
				break
			}
		}
	}
	res.Output = &middleware.ModelResponse{Choices: []middleware.Choice{{Text: text}}}
	return res, nil
}

// TestBoundaryRefusesEarly: a model's answer is refused as soon as it is certain
// that it will be, and may be asked for again.
func TestBoundaryRefusesEarly(t *testing.T) {
	const early = `{"risk":"lo`
	request := middlewaretest.Model("?")
	several := middlewaretest.Model("?")
	several.Input.(*middleware.ModelRequest).Candidates = 2
	for _, tt := range []struct {
		name    string
		rules   schema.BoundaryRules
		mode    func(middleware.Interceptor) middleware.Interceptor
		call    middleware.Call
		drip    drip
		want    string // what the caller gets
		sent    int    // bytes of the last answer
		answers int
		code    middleware.Code
	}{
		{"held", schema.BoundaryRules{}, nil, request, drip{answers: []string{`{"risk":"loud and clear"}`}}, "", len(early) + 1, 1, middleware.CodeBadOutput},
		{"a window", schema.BoundaryRules{}, window(4), request, drip{answers: []string{`{"risk":"loud and clear"}`}}, early[:len(early)-4],
			len(early) + 1, 1, middleware.CodeBadOutput},
		{"passed through", schema.BoundaryRules{}, middleware.PassThrough, request, drip{answers: []string{`{"risk":"loud and clear"}`}}, early,
			len(early) + 1, 1, middleware.CodeBadOutput},
		{"a client that takes no notice", schema.BoundaryRules{}, nil, request, drip{answers: []string{`{"risk":"loud"}`}, deaf: true}, "",
			len(`{"risk":"loud"}`), 1, middleware.CodeBadOutput},
		{"asked again", schema.BoundaryRules{Reasks: 1}, nil, request, drip{answers: []string{`{"risk":"loud and clear"}`, goodVerdict}},
			goodVerdict, len(goodVerdict), 2, ""},
		{"asked again, twice", schema.BoundaryRules{Reasks: 2}, nil, request,
			drip{answers: []string{prose, `{"risk":"loud and clear"}`, goodVerdict}}, goodVerdict, len(goodVerdict), 3, ""},
		{"asked again, in vain", schema.BoundaryRules{Reasks: 1}, nil, request, drip{answers: []string{prose, `{"risk":"loud and clear"}`}}, "",
			len(early) + 1, 2, middleware.CodeBadOutput},
		{"asked again after a part has left", schema.BoundaryRules{Reasks: 1}, window(4), request,
			drip{answers: []string{`{"risk":"loud and clear"}`}}, early[:len(early)-4], len(early) + 1, 1, middleware.CodeBadOutput},
		{"prose around it, taken out", schema.BoundaryRules{Extract: true}, nil, request, drip{answers: []string{"Sure: " + goodVerdict}},
			goodVerdict, len("Sure: " + goodVerdict), 1, ""},
		{"almost JSON, mended", schema.BoundaryRules{Repair: true}, nil, request, drip{answers: []string{`{risk: "low"}`}}, goodVerdict,
			len(`{risk: "low"}`), 1, ""},
		{"a default", schema.BoundaryRules{Default: map[string]any{"risk": "high"}}, nil, request, drip{answers: []string{prose}},
			`{"risk":"high"}`, len(prose), 1, ""},
		{"with the reasoning and without", schema.BoundaryRules{}, nil, request, drip{answers: []string{`{"risk":"low"}`}, twice: true},
			`{{""rriisskk""::""llooww""}}`, len(goodVerdict), 1, ""},
		{"several candidates", schema.BoundaryRules{}, nil, several, drip{answers: []string{prose}}, "", len(prose), 1, middleware.CodeBadOutput},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rules.Schema = verdictSchema
			gate := schema.Boundary(tt.rules)
			if tt.mode != nil {
				gate = tt.mode(gate)
			}
			var got []byte
			tt.call.Stream = func(_ context.Context, chunk middleware.Chunk) error {
				got = append(got, chunk.Text...)
				return nil
			}
			l := new(ledger)
			_, err := middleware.Wrap(tt.drip.answer, l.Intercept, gate)(t.Context(), tt.call)
			if tt.code != "" {
				if d := middlewaretest.WantDenied(t, err, tt.code); d.Gate != "schema.output" || strings.Contains(d.Reason, "loud") {
					t.Errorf("got denial %+v", d)
				}
			} else if err != nil {
				t.Error(err)
			}
			if string(got) != tt.want || tt.drip.sent != tt.sent || len(tt.drip.asked) != tt.answers {
				t.Errorf("the caller got %q, after %d bytes of answer %d, want %q, %d, %d", got, tt.drip.sent, len(tt.drip.asked), tt.want, tt.sent, tt.answers)
			}
			if n := len(tt.drip.asked); n > 1 {
				if last := tt.drip.asked[1].Messages; len(last) != 3 || !strings.HasPrefix(tt.drip.answers[0], last[1].Parts[0].Text) {
					t.Errorf("the model was told %+v", last)
				}
				if tt.answers == 3 && !strings.Contains(strings.Join(l.lines, "\n"), "1/2 model: deny bad_output, denied") {
					t.Errorf("got trails\n%s", strings.Join(l.lines, "\n"))
				}
			}
		})
	}
}

// A context that ends is no verdict on what was streamed.
func TestBoundaryCancelledEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	call := middlewaretest.Model("?")
	call.Stream = func(context.Context, middleware.Chunk) error { return nil }
	d := drip{answers: []string{prose}, deaf: true}
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := d.answer(ctx, call)
		cancel()
		return res, err
	}, schema.Output(verdictSchema))(ctx, call)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
