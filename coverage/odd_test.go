package coverage_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/embeddings"
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

type (
	// embedding is a client of a provider that can embed, too.
	embedding struct{ llms.Model }

	// noting is a memory that has a model to make summaries.
	noting struct {
		schema.Memory
		model llms.Model
	}

	blankModel struct{}
	word       string
	act        func()
)

func (*embedding) CreateEmbedding(context.Context, []string) ([][]float32, error) { return nil, nil }

func (*blankModel) Call(context.Context, string, ...llms.CallOption) (string, error) { return "", nil }
func (*blankModel) GenerateContent(context.Context, []llms.MessageContent, ...llms.CallOption) (*llms.ContentResponse, error) {
	return &llms.ContentResponse{}, nil
}

func (w word) Name() string                               { return string(w) }
func (word) Description() string                          { return "" }
func (word) Call(context.Context, string) (string, error) { return "", nil }
func (*act) Name() string                                 { return "act" }
func (*act) Description() string                          { return "" }
func (*act) Call(context.Context, string) (string, error) { return "", nil }
func (held) GetMemory() schema.Memory                     { return nil }

func (*blank) Name() string                                 { return "blank" }
func (*blank) Description() string                          { return "" }
func (*blank) Call(context.Context, string) (string, error) { return "", nil }

// TestWalkOfOddThings: what is named, cached, empty or met again, and models where
// nobody looks for them.
func TestWalkOfOddThings(t *testing.T) {
	model := func() llms.Model { return langchaingotest.NewModel(nil) }
	llm := chains.NewLLMChain(model(), nil)
	empty := &box{}
	plain, tool, steps := model(), newParts().tools[0], agents.NewOneShotAgent(model(), newParts().tools[:1])
	client := &embedding{Model: langchaingotest.NewModel(nil)}
	embedder, err := embeddings.NewEmbedder(client)
	if err != nil {
		t.Fatal(err)
	}
	remembering := func(m schema.Memory) chains.Chain {
		c := *llm
		c.Memory = m
		return langchaingo.Chain(&c, gate())
	}
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
		{"a model that is guarded elsewhere", []any{langchaingo.Model(plain, gate()), plain}, "+[]interface {}[0] -[]interface {}[1]"},
		{"a tool that is guarded elsewhere", []any{tool, langchaingo.Tool(tool, gate())}, "-[]interface {}[0] +[]interface {}[1]"},
		{"an executor that is guarded elsewhere", []any{langchaingo.Executor(agents.NewExecutor(steps), gate()), agents.NewExecutor(steps)},
			"+[]interface {}[0].Agent.Chain.LLM +[]interface {}[0].Agent.Tools[calc] " +
				"-[]interface {}[1].Agent.Chain.LLM -[]interface {}[1].Agent.Tools[calc]"},
		{"a model by value", []any{model(), held{thing: &struct{ m langchaingotest.Model }{}}}, "-[]interface {}[0] -[]interface {}[1].thing.m"},
		{"models by value", []any{model(), held{thing: []blankModel{{}, {}}}},
			"-[]interface {}[0] -[]interface {}[1].thing[0] -[]interface {}[1].thing[1]"},
		{"tools that are texts", []any{model(), held{thing: []word{"ls"}}}, "-[]interface {}[0] -[]interface {}[1].thing[0]"},
		{"a tool that is a func", []any{model(), held{thing: struct{ f act }{func() {}}}}, "-[]interface {}[0] -[]interface {}[1].thing.f"},
		{"the model of a guarded memory", remembering(&noting{model: model()}), "+LLMChain.LLM +LLMChain.Memory -LLMChain.Memory.model"},
		{"that of one that counts tokens", remembering(memory.NewConversationTokenBuffer(model(), 9)), "+LLMChain.LLM +LLMChain.Memory"},
		{"a client that embeds, and answers", []any{langchaingo.Model(client, gate()), held{thing: embedder}},
			"+[]interface {}[0] ?[]interface {}[1]"},
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
