package coverage_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/coverage"
	"example.com/safeconduct/middleware"
)

type (
	// finder is a retriever that asks a model, and others.
	finder struct {
		schema.Retriever
		model llms.Model
		also  *finder
		cold  finders
	}
	finders struct{ *finder }

	// fetcher is a tool that has a client of its own.
	fetcher struct {
		tools.Tool
		client *http.Client
		also   interface {
			Do(*http.Request) (*http.Response, error)
		}
	}

	// held is a chain of one's own that holds one thing.
	held struct {
		chains.Chain
		thing any
	}

	// blank is a tool without a field, whose values share one address.
	blank struct{}
)

func (held) GetMemory() schema.Memory { return nil }

func (*blank) Name() string                                 { return "blank" }
func (*blank) Description() string                          { return "" }
func (*blank) Call(context.Context, string) (string, error) { return "", nil }

// TestWalkOfOddThings: what is named, cached, empty or met again, and models where
// nobody looks for them.
func TestWalkOfOddThings(t *testing.T) {
	model := func() llms.Model { return langchaingotest.NewModel(nil) }
	llm := chains.NewLLMChain(model(), nil)
	empty := &box{}
	for _, tt := range []struct {
		name string
		v    any
		want string
	}{
		{"a named model", langchaingo.Named("m", model()), "-langchaingotest.Model"},
		{"a named chain", langchaingo.NamedChain("c", llm), "-LLMChain.LLM"},
		{"a named guard", langchaingo.NamedChain("c", langchaingo.Chain(llm, gate())), "+LLMChain.LLM"},
		{"a named retriever", []any{langchaingo.NamedRetriever("r", &finder{model: model()})}, "-[]interface {}[0] -[]interface {}[0].model"},
		{"a guarded cache", langchaingo.Model(cache.New(model(), nil), gate()), "+cache.Cacher"},
		{"a retriever in a retriever", &finder{also: &finder{}, cold: finders{&finder{}}}, "-coverage_test.finder"},
		{"a model in a memory", memory.NewConversationTokenBuffer(model(), 9), "-memory.ConversationTokenBuffer -memory.ConversationTokenBuffer.LLM"},
		{"a tool with a client", &fetcher{langchaingotest.NewTool(nil, "t"), http.DefaultClient, http.DefaultClient}, "-coverage_test.fetcher"},
		{"an agent without a model", []any{&planner{tools: newParts().tools[:1]}}, "?[]interface {}[0] -[]interface {}[0].Tools[calc]"},
		{"no models", []any{model(), nil, (*langchaingotest.Model)(nil), (*finder)(nil)}, "-[]interface {}[0]"},
		{"chains that hold the same nothing", []any{model(), held{thing: empty}, held{thing: empty}},
			"-[]interface {}[0] ?[]interface {}[1] ?[]interface {}[2]"},
		{"chains that hold the same model", []any{held{thing: empty}, held{thing: llm}, held{thing: llm}}, "?[]interface {}[0] -[]interface {}[1].thing.LLM"},
		{"tools without a field", []any{&blank{}, &blank{}}, "-[]interface {}[0] -[]interface {}[1]"},
	} {
		if got := short(coverage.Walk(tt.v)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

type (
	again          struct{ llms.Model }
	againChain     struct{ chains.Chain }
	againRetriever struct{ schema.Retriever }
	againGuarded   struct{}
	againAgent     struct{ agents.Agent }
	againTool      struct {
		tools.Tool
		clerk agents.Agent
	}
)

func (a again) Unwrap() llms.Model                 { return a }
func (a againChain) Unwrap() chains.Chain          { return a }
func (a againRetriever) Unwrap() schema.Retriever  { return a }
func (a againGuarded) Guarded() middleware.Guarded { return middleware.Guarded{Inner: a} }
func (a againAgent) GetTools() []tools.Tool        { return []tools.Tool{againTool{clerk: a}} }
func (againTool) Name() string                     { return "t" }

// TestWalkSaysWhatLiesTooDeep: next to what it finds, wherever the depth ends.
func TestWalkSaysWhatLiesTooDeep(t *testing.T) {
	boxes := func(v any, wrap func(any) any) any {
		for range 40 {
			v = wrap(v)
		}
		return v
	}
	inBox := func(v any) any { return &box{v} }
	list, table := []any{nil}, map[string]any{}
	list[0], table["a"] = list, table
	for _, tt := range []struct {
		name string
		v    any
		want string // what is opaque
	}{
		{"boxes", boxes(1, inBox), strings.Repeat(".in", 11)},
		{"boxes in a list", []any{boxes(1, inBox)}, "[0]" + strings.Repeat(".in", 11)},
		{"values", boxes(1, func(v any) any { return box{v} }), strings.Repeat(".in", 23)},
		{"lists", list, strings.Repeat("[0]", 23)},
		{"maps", table, strings.Repeat("[a]", 23)},
		{"a model's name", again{}, ""},
		{"a chain's name", againChain{}, ""},
		{"a retriever's name", againRetriever{}, ""},
		{"a guard", againGuarded{}, ""},
		{"an agent's tool", againAgent{}, strings.Repeat(".Tools[t].clerk", 11) + ".Tools[t]"},
	} {
		got := coverage.Walk([]any{langchaingotest.NewModel(nil), tt.v}).Items
		last := got[len(got)-1]
		if got[0].What != coverage.Model || last.What != coverage.Opaque || last.Path != "[]interface {}[1]"+tt.want {
			t.Errorf("%s: got %+v at last, want %s opaque", tt.name, last, tt.want)
		}
	}
}
