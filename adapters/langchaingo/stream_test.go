package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// on returns a gate that judges what calls of one kind return.
func on(kind middleware.Kind, check func() error) middleware.Interceptor {
	return middleware.On(kind, middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error { return check() }))
}

func refuse() error { return middleware.Deny(middleware.CodeBadOutput, "not that") }

// The stream that a caller asks a chain for is the chain's: a gate that judges
// the chain holds it, whichever models within it are guarded.
func TestAChainHoldsTheStreamsOfItsModels(t *testing.T) {
	for name, wrap := range map[string]func(llms.Model, ...middleware.Interceptor) (chains.Chain, []middleware.Interceptor){
		"the chain alone": func(m llms.Model, is ...middleware.Interceptor) (chains.Chain, []middleware.Interceptor) {
			return chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.q}}", []string{"q"})), is
		},
		"the chain and its model": func(m llms.Model, is ...middleware.Interceptor) (chains.Chain, []middleware.Interceptor) {
			return chains.NewLLMChain(langchaingo.Model(m, pass), prompts.NewPromptTemplate("{{.q}}", []string{"q"})), is
		},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(gate middleware.Interceptor) (got []string, err error) {
				m := says("The answer")
				m.chunks = []string{"The ", "", "answer"}
				c, is := wrap(m, gate)
				_, err = chains.Predict(t.Context(), langchaingo.Chain(c, is...), map[string]any{"q": "?"},
					chains.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
						got = append(got, string(chunk))
						return nil
					}))
				return got, err
			}
			if got, err := ask(on(middleware.KindChain, func() error { return nil })); err != nil || !slices.Equal(got, []string{"The ", "", "answer"}) {
				t.Errorf("allowed: got %q, %v", got, err)
			}
			if got, err := ask(on(middleware.KindChain, refuse)); !errors.As(err, new(*middleware.DeniedError)) || got != nil {
				t.Errorf("denied: got %q, %v", got, err)
			}
		})
	}
}

// A chain that is asked for no stream asks its model for none.
func TestAChainWithoutAStreamHasNone(t *testing.T) {
	m, spy := says("yes", "yes"), new(spy)
	c := langchaingo.Chain(chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.q}}", []string{"q"})), spy.intercept)
	for _, options := range [][]chains.ChainCallOption{nil, {chains.WithMaxTokens(7)}} {
		if _, err := chains.Predict(t.Context(), c, map[string]any{"q": "?"}, options...); err != nil {
			t.Fatal(err)
		}
	}
	for i, call := range spy.calls {
		if call.Stream != nil || m.options[i/2].StreamingFunc != nil {
			t.Errorf("call %d has a Stream, or its request has", i+1)
		}
	}
	if len(spy.calls) != 4 {
		t.Errorf("got calls %s, want two of the chain and of its model each", spy.kinds())
	}
	if m.options[1].MaxTokens != 7 {
		t.Errorf("got options %+v, want MaxTokens 7", m.options[1])
	}
}

// An executor streams what its agent says, turn by turn. Gates that judge the tool
// calls of a turn let the text of it pass; one that judges the answer of the run
// holds it all.
func TestAnExecutorHoldsTheStreamsOfItsTurns(t *testing.T) {
	turns := []string{mrklCalls, "Final Answer: 437"}
	for _, tt := range []struct {
		name    string
		gate    middleware.Interceptor
		want    []string
		denied  bool
		atFirst int // chunks that the caller has when the tool runs
	}{
		{"the allowlist holds nothing", gates.Tools("calc"), turns, false, 1},
		{"the answer of the run is allowed", on(middleware.KindChain, func() error { return nil }), turns, false, 0},
		{"the answer of the run is denied", on(middleware.KindChain, refuse), nil, true, 0},
		{"a turn is denied", on(middleware.KindPlan, refuse), nil, true, 0},
		{"turns are allowed", on(middleware.KindPlan, func() error { return nil }), turns, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			atFirst := 0
			calc := &funcTool{"calc", func(context.Context, string) (string, error) {
				atFirst = len(got)
				return "437", nil
			}}
			model := langchaingotest.NewModel(nil, langchaingotest.Say(turns[0]), langchaingotest.Say(turns[1]))
			run := langchaingo.Executor(agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{calc})), tt.gate)
			_, err := chains.Call(t.Context(), run, map[string]any{"input": "What is 19*23?"},
				chains.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
					got = append(got, string(chunk))
					return nil
				}))
			if denied := errors.As(err, new(*middleware.DeniedError)); denied != tt.denied || err != nil && !denied {
				t.Errorf("got error %v, want a denial: %v", err, tt.denied)
			}
			if !slices.Equal(got, tt.want) || atFirst != tt.atFirst {
				t.Errorf("got chunks %q, %d of them before the tool ran, want %q, %d", got, atFirst, tt.want, tt.atFirst)
			}
		})
	}
}

// toolEvents are those of a model that says something and calls a tool.
var toolEvents = []string{
	delta(`[{"id":"fake"}]`), // text that is JSON is text
	`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"calc","arguments":""}}]}}]}`,
	`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":\"<1>\"}"}}]}}]}`,
	`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
	`{"choices":[],"usage":{"prompt_tokens":82,"completion_tokens":19,"total_tokens":101}}`,
	"[DONE]",
}

var calcTool = llms.WithTools([]llms.Tool{{Type: "function", Function: &llms.FunctionDefinition{Name: "calc"}}})

// TestTrap18ToolCallDeltasAreToldFromText: where the request offers tools, a
// piece of a tool call is no text to an interceptor, of a model or of a chain
// around it, and the caller gets what it got before.
func TestTrap18ToolCallDeltasAreToldFromText(t *testing.T) {
	ask := func(m llms.Model, options ...llms.CallOption) (chunks []string, err error) {
		_, err = m.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")},
			append(options, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
				chunks = append(chunks, string(chunk))
				return nil
			}))...)
		return chunks, err
	}
	seen := func(log *[]string) middleware.Interceptor {
		return func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				to := call.Stream
				call.Stream = func(ctx context.Context, c middleware.Chunk) error {
					*log = append(*log, fmt.Sprintf("%s/%s", c.Text, c.ToolCall))
					return to(ctx, c)
				}
				return next(ctx, call)
			}
		}
	}
	want, err := ask(provider(t, func(int) {}, toolEvents...), calcTool)
	if err != nil {
		t.Fatal(err)
	}
	wantSeen := []string{
		`[{"id":"fake"}]/`,
		`/[{"id":"c1","type":"function","function":{"name":"calc","arguments":""}}]`,
		`/[{"type":"","function":{"name":"","arguments":"{\"x\":\"\u003c1\u003e\"}"}}]`,
		"/",
	}
	var log []string
	got, err := ask(langchaingo.Model(provider(t, func(int) {}, toolEvents...), seen(&log)), calcTool)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the caller got %q, %v, want %q", got, err, want)
	}
	if !slices.Equal(log, wantSeen) {
		t.Errorf("an interceptor saw %q, want %q", log, wantSeen)
	}

	log, got = nil, nil
	outer := langchaingo.Chain(&asker{langchaingo.Model(provider(t, func(int) {}, toolEvents...), pass), calcTool}, seen(&log))
	_, err = chains.Call(t.Context(), outer, nil, chains.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
		got = append(got, string(chunk))
		return nil
	}))
	if err != nil || !slices.Equal(got, want) || !slices.Equal(log, wantSeen) {
		t.Errorf("through a chain: got %q, %v, and an interceptor saw %q", got, err, log)
	}

	log = nil
	if _, err := ask(langchaingo.Model(provider(t, func(int) {}, toolEvents...), seen(&log))); err != nil ||
		slices.ContainsFunc(log, func(s string) bool { return s[0] == '/' && s != "/" }) {
		t.Errorf("without tools offered: got %v, and an interceptor saw %q, want text alone", err, log)
	}
	_, err = ask(langchaingo.Model(provider(t, func(int) {}, delta(`[{"id":"c1","type":"function","function":{"name":"calc","arguments":""}}]`),
		finish, "[DONE]"), pass), calcTool)
	if err == nil || !strings.Contains(err.Error(), "a piece of a tool call was streamed, and the response asks for none") {
		t.Errorf("text that looks like a tool call: got %v, want an error", err)
	}
}

// An asker is a chain of a user's own that asks a model.
type asker struct {
	m      llms.Model
	option llms.CallOption
}

func (a *asker) Call(ctx context.Context, _ map[string]any, options ...chains.ChainCallOption) (map[string]any, error) {
	_, err := a.m.GenerateContent(ctx, []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")},
		append(chains.GetLLMCallOptions(options...), a.option)...)
	return map[string]any{}, err
}

func (a *asker) GetMemory() schema.Memory { return memory.NewSimple() }
func (a *asker) GetInputKeys() []string   { return nil }
func (a *asker) GetOutputKeys() []string  { return nil }
