package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/prompts"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

type (
	reasoningScript struct{ *script }
	embedderScript  struct{ *script }
	bothScript      struct {
		reasoningScript
		embed
	}
	embed struct{}
)

func (reasoningScript) SupportsReasoning() bool { return true }
func (embedderScript) CreateEmbedding(context.Context, []string) ([][]float32, error) {
	return [][]float32{{1}}, nil
}
func (embed) CreateEmbedding(context.Context, []string) ([][]float32, error) {
	return [][]float32{{1}}, nil
}

func TestTrap03OptionalInterfacesAreForwarded(t *testing.T) {
	type embedder interface {
		CreateEmbedding(context.Context, []string) ([][]float32, error)
	}
	for _, tt := range []struct {
		m               llms.Model
		reasons, embeds bool
	}{
		{says(), false, false},
		{reasoningScript{says()}, true, false},
		{embedderScript{says()}, false, true},
		{bothScript{reasoningScript{says()}, embed{}}, true, true},
	} {
		g := langchaingo.Model(tt.m, pass)
		if _, ok := g.(llms.ReasoningModel); ok != tt.reasons || llms.SupportsReasoningModel(g) != tt.reasons {
			t.Errorf("%T: got ReasoningModel %v, want %v", tt.m, ok, tt.reasons)
		}
		if e, ok := g.(embedder); ok != tt.embeds {
			t.Errorf("%T: got embedder %v, want %v", tt.m, ok, tt.embeds)
		} else if ok {
			if v, err := e.CreateEmbedding(t.Context(), []string{"x"}); err != nil || len(v) != 1 {
				t.Errorf("%T: got %v, %v", tt.m, v, err)
			}
		}
		if u, ok := g.(interface{ Unwrap() llms.Model }); !ok || u.Unwrap() != tt.m {
			t.Errorf("%T: Unwrap does not give it back", tt.m)
		}
	}

	var haver callbacks.HandlerHaver
	handler := &startCounter{}
	llm := chains.NewLLMChain(says(), prompts.NewPromptTemplate("{{.x}}", []string{"x"}), chains.WithCallback(handler))
	haver, ok := langchaingo.Chain(llm, pass).(callbacks.HandlerHaver)
	if !ok || haver.GetCallbackHandler() != callbacks.Handler(handler) {
		t.Error("the callbacks handler of a chain is hidden")
	}
	if _, ok := langchaingo.Chain(bare{}, pass).(callbacks.HandlerHaver); ok {
		t.Error("a chain without callbacks handler has one")
	}
	_, embedded := any(struct{ chains.Chain }{llm}).(callbacks.HandlerHaver)
	if embedded {
		t.Error("embedding promotes GetCallbackHandler now")
	}
}

func TestTrap06SharedResponsesAreNotModified(t *testing.T) {
	shared := &llms.ContentChoice{Content: "secret", StopReason: "stop", GenerationInfo: map[string]any{"k": 1}}
	m := &script{answers: []*llms.ContentChoice{shared, shared}}
	plain := langchaingo.Model(m, pass)
	res, err := plain.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")})
	if err != nil || res.Choices[0] != shared {
		t.Errorf("got %+v, %v, want the very response of the model", res, err)
	}
	redacting := langchaingo.Model(m,
		middleware.TransformResult("redact", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
			res := *r.Output.(*middleware.ModelResponse)
			res.Choices = slices.Clone(res.Choices)
			res.Choices[0].Text = "[redacted]"
			r.Output = &res
			return r, true, nil
		}))
	res, err = redacting.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")})
	if err != nil || res.Choices[0].Content != "[redacted]" || res.Choices[0].GenerationInfo["k"] != 1 {
		t.Errorf("got %+v, %v", res, err)
	}
	if shared.Content != "secret" {
		t.Error("the shared response was modified")
	}
}

func TestTrap08OptionsPassUnchanged(t *testing.T) {
	m := says("a", "b", "c", "d")
	ask := func(g llms.Model, options ...llms.CallOption) llms.CallOptions {
		t.Helper()
		if _, err := g.Call(t.Context(), "q", options...); err != nil {
			t.Fatal(err)
		}
		return m.options[len(m.options)-1]
	}
	guarded := langchaingo.Model(m, pass)
	if o := ask(guarded); o.StreamingFunc != nil || o.StreamingReasoningFunc != nil {
		t.Error("a StreamingFunc was set that the caller had not set")
	}
	streaming := llms.WithStreamingFunc(func(context.Context, []byte) error { return nil })
	if o := ask(guarded, streaming); o.StreamingFunc == nil || o.StreamingReasoningFunc != nil {
		t.Error("the StreamingFunc was lost, or another one set")
	}
	clamp := langchaingo.Model(m, middleware.Transform("clamp", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
		req := *c.Input.(*middleware.ModelRequest)
		req.MaxTokens, req.Tools = 7, []string{"b"}
		c.Input = &req
		return c, true, nil
	}))
	o := ask(clamp, llms.WithMaxTokens(1000), llms.WithSeed(5), llms.WithFunctions([]llms.FunctionDefinition{{Name: "a"}, {Name: "b"}}))
	if o.MaxTokens != 7 || o.Seed != 5 || len(o.Functions) != 1 || o.Functions[0].Name != "b" {
		t.Errorf("got options %+v", o)
	}
	llm := langchaingo.Chain(chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.x}}", []string{"x"})), pass)
	if _, err := chains.Run(t.Context(), llm, "q", chains.WithMaxTokens(9), chains.WithTemperature(0.5)); err != nil {
		t.Fatal(err)
	}
	if o := m.options[3]; o.MaxTokens != 9 || o.Temperature != 0.5 || o.StreamingFunc != nil {
		t.Errorf("got options %+v through a chain", o)
	}
}

func TestTrap13ModelCallGoesThroughTheGates(t *testing.T) {
	m := says("secret")
	_, err := langchaingo.Model(m, denyIf(func(middleware.Call) bool { return true })).Call(t.Context(), "q")
	if !errors.As(err, new(*middleware.DeniedError)) || m.requests() != 0 {
		t.Errorf("got %v after %d requests, want a denial before any", err, m.requests())
	}
}

func TestTrap16TokensAreNeverCountedByLangchaingo(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		read++
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == "CountTokens" {
				t.Errorf("%s uses llms.CountTokens, which downloads vocabularies at run time", f.Name())
			}
			return true
		})
	}
	if read == 0 {
		t.Error("found no source")
	}
}

// provider is an OpenAI-compatible server that streams the given events.
func provider(t *testing.T, between func(n int), events ...string) llms.Model {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i, e := range events {
			if _, err := fmt.Fprintf(w, "data: %s\n\n", e); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			between(i)
		}
	}))
	t.Cleanup(srv.Close)
	m, err := openai.New(openai.WithBaseURL(srv.URL), openai.WithToken("t"), openai.WithModel("m"), openai.WithHTTPClient(srv.Client()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func delta(content string) string {
	return fmt.Sprintf(`{"choices":[{"index":0,"delta":{"content":%q}}]}`, content)
}

func TestTrap17ACancelledStreamIsNoSuccess(t *testing.T) {
	ask := func(wrap func(llms.Model) llms.Model) (string, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		m := wrap(provider(t, func(n int) {
			if n == 1 {
				<-ctx.Done()
			}
		}, delta("The "), delta("answer"), delta(" is 42"), "[DONE]"))
		n := 0
		return m.Call(ctx, "q", llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
			if n++; n == 2 {
				cancel()
			}
			return nil
		}))
	}
	if out, err := ask(func(m llms.Model) llms.Model { return m }); err != nil {
		t.Logf("openai reports a cancelled stream now: %q, %v", out, err)
	}
	out, err := ask(func(m llms.Model) llms.Model { return langchaingo.Model(m, pass) })
	if !errors.Is(err, context.Canceled) || out != "" {
		t.Errorf("got %q, %v, want context.Canceled", out, err)
	}
	// An error whose identity the client's sanitizer destroyed.
	ctx, cancel := context.WithCancel(t.Context())
	m, err := openai.New(openai.WithToken("t"), openai.WithHTTPClient(doer(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, context.Canceled
	})))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := langchaingo.Model(m, pass).Call(ctx, "q"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestTrap18ToolCallDeltasStreamUnchanged(t *testing.T) {
	events := []string{
		delta("Let me see. "),
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"calc","arguments":""}}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}}]}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
		`{"choices":[],"usage":{"prompt_tokens":82,"completion_tokens":19,"total_tokens":101}}`,
		"[DONE]",
	}
	ask := func(m llms.Model) (chunks []string, res *llms.ContentResponse) {
		res, err := m.GenerateContent(t.Context(), []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "q")},
			llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
				chunks = append(chunks, string(chunk))
				return nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		return chunks, res
	}
	m := provider(t, func(int) {}, events...)
	wantChunks, want := ask(m)
	spy := new(spy)
	chunks, res := ask(langchaingo.Model(m, spy.intercept))
	if !slices.Equal(chunks, wantChunks) || !reflect.DeepEqual(res, want) {
		t.Errorf("got %q, %+v, want %q, %+v", chunks, res, wantChunks, want)
	}
	if !slices.ContainsFunc(wantChunks, func(c string) bool { return strings.Contains(c, "calc") }) {
		t.Error("openai does not stream tool calls as text any more")
	}
	if u := spy.results[0].Usage; u.Tokens() != 101 || !u.Reported {
		t.Errorf("got usage %+v, want 101 tokens", u)
	}
	if c := spy.results[0].Output.(*middleware.ModelResponse).Choices[0]; len(c.ToolCalls) != 1 || c.ToolCalls[0].Name != "calc" {
		t.Errorf("got choice %+v", c)
	}
}

func TestTrap14NothingRestsOnCallbacks(t *testing.T) {
	// The script calls no callbacks at all, as some providers' clients do for
	// some outcomes: the call and its usage are seen all the same.
	m := &script{answers: []*llms.ContentChoice{{Content: "a", GenerationInfo: map[string]any{"InputTokens": 3, "OutputTokens": 4}}}}
	spy := new(spy)
	if _, err := langchaingo.Model(m, spy.intercept).Call(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if spy.kinds() != "model" || spy.results[0].Usage.Tokens() != 7 {
		t.Errorf("got calls %q, usage %+v", spy.kinds(), spy.results[0].Usage)
	}
}
