package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/outputparser"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// The tests named TestTrap are named after what running langchaingo v0.1.14 showed.
// Where it is cheap they show the behavior of langchaingo too, so that a change
// there shows here.

// redact replaces a secret wherever a chain's input holds it.
var redact = middleware.Transform("redact", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
	in, ok := c.Input.(map[string]any)
	if !ok {
		return c, false, nil
	}
	out := maps.Clone(in)
	for k, v := range out {
		if s, ok := v.(string); ok {
			out[k] = strings.ReplaceAll(s, "hunter2", "[redacted]")
		}
	}
	c.Input = out
	return c, true, nil
})

// A startCounter counts chain starts and keeps the inputs that it was given.
type startCounter struct {
	callbacks.SimpleHandler
	starts int
	inputs map[string]any
}

func (h *startCounter) HandleChainStart(_ context.Context, in map[string]any) {
	h.starts++
	h.inputs = in
}

func conversation(m llms.Model) (chains.Chain, *memory.ConversationBuffer) {
	buffer := memory.NewConversationBuffer()
	return chains.NewConversation(m, buffer), buffer
}

func TestTrap01MemoryGetsTheInputsAsTheyCame(t *testing.T) {
	m := says("ok", "ok")
	plain, buffer := conversation(m)

	// Redacting in the chain alone does not reach the memory.
	onlyChain := struct{ chains.Chain }{langchaingo.Chain(plain, redact)}
	_, err := chains.Run(t.Context(), leakyMemory{onlyChain, buffer}, "it is hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(history(t, buffer), "hunter2") {
		t.Error("langchaingo saves what a chain wrapper made of the inputs: Memory may be simpler now")
	}

	guarded, buffer := conversation(m)
	_, err = chains.Run(t.Context(), langchaingo.Chain(guarded, redact), "it is hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if h := history(t, buffer); strings.Contains(h, "hunter2") || !strings.Contains(h, "[redacted]") {
		t.Errorf("got memory %q", h)
	}
	if asked := fmt.Sprint(m.asked); strings.Count(asked, "hunter2") != 0 {
		t.Errorf("the model was asked %s", asked)
	}
}

// leakyMemory is a guarded chain with the memory that it had before.
type leakyMemory struct {
	chains.Chain
	m schema.Memory
}

func (l leakyMemory) GetMemory() schema.Memory { return l.m }

func history(t *testing.T, m schema.Memory) string {
	t.Helper()
	vars, err := m.LoadMemoryVariables(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(vars)
}

func TestTrap02OneCycleOfCallbacksAndMemory(t *testing.T) {
	m := says("ok")
	c, buffer := conversation(m)
	llm := c.(chains.LLMChain)
	h := &startCounter{}
	llm.CallbacksHandler = h
	if _, err := chains.Run(t.Context(), langchaingo.Chain(llm, pass), "hi"); err != nil {
		t.Fatal(err)
	}
	messages, err := buffer.ChatHistory.Messages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.starts != 1 || len(messages) != 2 {
		t.Errorf("got %d starts and %d messages in memory, want 1 and 2", h.starts, len(messages))
	}
}

// bare is a chain with nothing optional.
type bare struct{}

func (bare) Call(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
	return map[string]any{}, nil
}
func (bare) GetMemory() schema.Memory { return memory.NewSimple() }
func (bare) GetInputKeys() []string   { return nil }
func (bare) GetOutputKeys() []string  { return nil }

func document(n int) []schema.Document {
	docs := make([]schema.Document, n)
	for i := range docs {
		docs[i].PageContent = fmt.Sprint("page ", i)
	}
	return docs
}

func contextChain(m llms.Model) *chains.LLMChain {
	return chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.context}}", []string{"context"}))
}

func TestTrap04ChainsThatHoldAConcreteLLMChain(t *testing.T) {
	spy := new(spy)
	m := langchaingo.Model(says("a", "b", "c"), spy.intercept)
	c := langchaingo.Chain(chains.NewMapReduceDocuments(contextChain(m), chains.NewStuffDocuments(contextChain(m))), spy.intercept)
	_, err := chains.Call(t.Context(), c, map[string]any{"input_documents": document(2)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spy.kinds(), "model model model chain"; got != want {
		t.Errorf("got calls %q, want %q", got, want)
	}
	for _, call := range spy.calls[:3] {
		if call.Parent != 1 {
			t.Errorf("the model's call has parent %d, want 1", call.Parent)
		}
	}
}

func TestTrap05NoKeyIsAdded(t *testing.T) {
	in, out := map[string]any{"x": "1"}, map[string]any{"text": "2"}
	c := langchaingo.Chain(chains.NewTransform(func(_ context.Context, got map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		if !reflect.DeepEqual(got, in) {
			t.Errorf("the chain got %v, want %v", got, in)
		}
		return out, nil
	}, []string{"x"}, []string{"text"}), pass, middleware.Tell, redact)
	got, err := c.Call(t.Context(), in)
	if err != nil || !reflect.DeepEqual(got, out) {
		t.Errorf("got %v, %v, want %v", got, err, out)
	}
}

func TestTrap07ADeniedChainReturnsAMap(t *testing.T) {
	c := langchaingo.Chain(bare{}, denyIf(func(middleware.Call) bool { return true }))
	out, err := c.Call(t.Context(), nil)
	if err == nil || out == nil {
		t.Fatalf("got %v, %v, want a map with the denial", out, err)
	}
	reduce := chains.NewMapReduceDocuments(contextChain(says("a")),
		langchaingo.Chain(chains.NewStuffDocuments(contextChain(says("b"))), denyIf(func(middleware.Call) bool { return true })))
	reduce.ReturnIntermediateSteps = true
	_, err = chains.Call(t.Context(), reduce, map[string]any{"input_documents": document(1)})
	if !errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("got %v, want a denial", err)
	}
}

func TestTrap09ApplyStopsWithTheRun(t *testing.T) {
	m := &script{answers: make([]*llms.ContentChoice, 100)}
	for i := range m.answers {
		m.answers[i] = &llms.ContentChoice{Content: "x"}
	}
	calls := 0
	var mu sync.Mutex
	third := middleware.Before("third", func(_ context.Context, c middleware.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls == 3 {
			return middleware.Deny(middleware.CodeOverBudget, "enough")
		}
		return nil
	})
	guarded := langchaingo.Model(m, third)
	c := langchaingo.Chain(chains.NewMapReduceDocuments(contextChain(guarded), chains.NewStuffDocuments(contextChain(guarded))), pass)
	_, err := chains.Call(t.Context(), c, map[string]any{"input_documents": document(50)})
	if !errors.As(err, new(*middleware.DeniedError)) {
		t.Fatalf("got %v, want a denial", err)
	}
	// The four other workers may have been past the check when it came.
	if n := m.requests(); n > 6 {
		t.Errorf("%d requests were made, of which at most 2 before the denial and 4 beside it", n)
	}
}

// Where Apply is given a guarded chain, each input is a run of its own; within a
// guarded chain they are one.
func TestTrap09ApplyOfAGuardedChain(t *testing.T) {
	for within, want := range map[bool]int{false: 19, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			made := 0
			c := langchaingo.Chain(chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
				made++
				return map[string]any{"text": ""}, nil
			}, []string{"n"}, []string{"text"}), denyIf(func(c middleware.Call) bool {
				in, _ := c.Input.(map[string]any)
				return in["n"] == 0
			}))
			var inputs []map[string]any
			for n := range 20 {
				inputs = append(inputs, map[string]any{"n": n})
			}
			apply := chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
				_, err := chains.Apply(ctx, c, inputs, 1)
				return map[string]any{"text": ""}, err
			}, nil, []string{"text"})
			all := chains.Chain(apply)
			if within {
				all = langchaingo.Chain(apply, pass)
			}
			_, err := chains.Call(t.Context(), all, nil)
			synctest.Wait() // Apply returns while its worker goes on
			if !errors.As(err, new(*middleware.DeniedError)) || made != want {
				t.Errorf("within a guarded chain %v: %d were made, and %v came back, want %d and a denial", within, made, err, want)
			}
		})
	}
}

func TestTrap19PanicsInsideLangchaingo(t *testing.T) {
	type answer struct {
		Text string `json:"text" describe:"text"`
	}
	defined, err := outputparser.NewDefined(answer{})
	if err != nil {
		t.Fatal(err)
	}
	parse := chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
		a, err := defined.Parse("no") // shorter than the fence that it cuts off
		return map[string]any{"text": a}, err
	}, nil, []string{"text"})
	_, err = chains.Call(t.Context(), langchaingo.Chain(parse, pass), nil)
	var p *middleware.PanicError
	if !errors.As(err, &p) || p.Kind != middleware.KindChain {
		t.Errorf("got %v, want a PanicError", err)
	}
}
