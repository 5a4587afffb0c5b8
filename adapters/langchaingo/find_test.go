package langchaingo_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/embeddings"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	lcschema "github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/sqldatabase"
	"github.com/tmc/langchaingo/vectorstores"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// perKind is a gate for one kind of call.
func perKind(k middleware.Kind) middleware.Interceptor {
	return middleware.On(k, middleware.Before("own", func(context.Context, middleware.Call) error { return nil }))
}

// A rewriting is a retriever that has its model say what to ask another retriever for.
type rewriting struct {
	found
	held any
}

// A noting is a memory that keeps what its model says.
type noting struct {
	lcschema.Memory
	held any
}

func (*noting) GetMemoryKey(context.Context) string { return "notes" }

// A parsing reads an answer, with a model of its own.
type parsing struct {
	lcschema.OutputParser[any]
	held any
}

// An embedding is a model that can embed, of which an embedder asks nothing else.
type embedding struct{ script }

func (*embedding) CreateEmbedding(context.Context, []string) ([][]float32, error) { return nil, nil }

// An askingDB is a database that has a model, as a tool may.
type askingDB struct {
	fakeDB
	model llms.Model
}

type embeddingItself struct{ script }

func (*embeddingItself) EmbedDocuments(context.Context, []string) ([][]float32, error) {
	return nil, nil
}
func (*embeddingItself) EmbedQuery(context.Context, string) ([]float32, error) { return nil, nil }

type byValue struct{ llms.Model }

// A store is one of vectors that it makes of texts.
type store struct {
	vectorstores.VectorStore
	client *embedding
	model  llms.Model
	both   answersAndEmbeds
	chain  chains.Chain
}

// A shelved is a store that is its own retriever.
type shelved struct {
	found
	vectorstores.VectorStore
	client *embedding
}

// An asking is a chain that has a client of its own.
type asking struct {
	client *embedding
	holdingChain
}

type answersAndEmbeds interface {
	llms.Model
	embeddings.EmbedderClient
}

type (
	router struct {
		chains.Chain
		routes map[string]*route
	}
	route struct {
		name  string
		chain chains.Chain
	}
)

// A locked has what changes while it is used, and what does not.
type locked struct {
	_      sync.Mutex
	model  llms.Model
	models []llms.Model
	far    *node
	below  *struct{ named map[string]llms.Model }

	service interface{ Answer() string }
	routes  []*route
	chain   *router

	any   any
	all   []any
	named map[string]llms.Model
}

type deeplyLocked struct {
	_   struct{ _ *sync.RWMutex }
	any any
}

// sharing returns slices of which each holds the next one thirty times.
func sharing(levels int) (all []any) {
	all = []any{says()}
	for range levels {
		next := make([]any, 30)
		for i := range next {
			next[i] = all
		}
		all = next
	}
	return all
}

// An answerer is a service of one's own.
type answerer struct{ model llms.Model }

func (*answerer) Answer() string { return "" }

type node struct {
	next  *node
	model llms.Model
}

// A nameless is a tool, once it has a tool.
type nameless struct{ tools.Tool }

// TestWhatAChainOfOnesOwnHolds: around a chain of one's own, a gate is refused where the
// chain holds what the gate is for and does not guard.
func TestWhatAChainOfOnesOwnHolds(t *testing.T) {
	const model, tool, retriever, plan = middleware.KindModel, middleware.KindTool, middleware.KindRetriever, middleware.KindPlan
	gate := map[middleware.Kind]middleware.Interceptor{}
	for k := middleware.KindChain; k <= retriever; k++ {
		gate[k] = perKind(k)
	}
	all := middleware.Compose(gate[model], gate[tool], gate[plan])
	agent := func(m llms.Model, ts ...tools.Tool) agents.Agent { return agents.NewOneShotAgent(m, ts) }
	guarded := langchaingo.Model(says(), gate[model])
	embedder, err := embeddings.NewEmbedder(&embedding{})
	if err != nil {
		t.Fatal(err)
	}
	var itself any
	itself = &itself
	var kept sync.Map
	kept.Store("m", says())
	sql := func(e sqldatabase.Engine) chains.Chain {
		db, err := sqldatabase.NewSQLDatabase(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		return chains.NewSQLDatabaseChain(guarded, 1, db)
	}
	llm := chains.NewConversation(says("a"), memory.NewSimple())
	rag, err := chains.NewSimpleSequentialChain([]chains.Chain{chains.NewRetrievalQA(chains.NewStuffDocuments(&llm), &found{})})
	if err != nil {
		t.Fatal(err)
	}
	ring := &node{model: guarded}
	ring.next = ring
	within := func(levels int, v any) any { // in slices
		for range levels {
			v = []any{v}
		}
		return v
	}
	far := &node{model: says()}
	var changing atomic.Value
	changing.Store(says())
	for _, tt := range []struct {
		name string
		held any
		kind middleware.Kind
		want string // missed; empty: nothing is
	}{
		{"a model", says(), model, "the model langchaingo_test.script"},
		{"one with a name", langchaingo.Named("cheap", says()), model, "the model langchaingo_test.script"},
		{"by value", byValue{says()}, model, "the model langchaingo_test.byValue"},
		{"in a slice", []llms.Model{guarded, says()}, model, "the model"},
		{"in a map", map[string]llms.Model{"a": says()}, model, "the model"},
		{"in an array of structs", [2]struct{ m llms.Model }{{guarded}, {says()}}, model, "the model"},
		{"in a cache", cache.New(says(), nil), model, "the model langchaingo_test.script"},
		{"guarded in a cache", cache.New(guarded, nil), model, ""},
		{"guarded", guarded, model, ""},
		{"guarded by another", langchaingo.Model(says(), pass), model, "the model langchaingo_test.script, which others guard"},
		{"guarded, with a name", langchaingo.Named("cheap", guarded), model, ""},
		{"no model", llms.Model(nil), model, ""},
		{"a nil model", (*script)(nil), model, ""},
		{"around in a ring", ring, model, ""},
		{"what holds itself", itself, model, ""},
		{"far away", within(22, says()), model, "the model"},
		{"too far away", within(23, says()), model, ""},
		{"too far away, and near", []any{within(21, far), far}, model, "the model"},
		{"what the standard library changes", &changing, model, ""},
		{"what embeds by itself", struct{ e embeddings.Embedder }{&embeddingItself{}}, model, ""},
		{"what embeds by itself, and answers", &embeddingItself{}, model, "the model langchaingo_test.embeddingItself"},
		{"what embeds, and answers", struct{ m answersAndEmbeds }{&embedding{}}, model, "the model langchaingo_test.embedding"},
		{"a chain that retrieves", &retrieving{holdingChain{}, &found{}, says()}, model, "the model"},
		{"what it asks", &retrieving{holdingChain{}, &found{}, says()}, retriever, "the retriever langchaingo_test.found"},
		{"slices that share slices", sharing(20), model, "the model"},
		{"a router", &router{routes: map[string]*route{"x": {name: "x", chain: rag}}}, model, "the model langchaingo_test.script"},
		{"routes of several models", map[string]*struct{ all []llms.Model }{"x": {all: []llms.Model{says()}}}, model, "the model"},
		{"what another module's struct holds", &jsonschema.Schema{Constant: []any{says()}}, model, "the model"},
		{"its retriever", &router{routes: map[string]*route{"x": {name: "x", chain: rag}}}, retriever, "the retriever langchaingo_test.found"},
		{"a model beside a lock", &locked{model: says()}, model, "the model"},
		{"models beside a lock", &locked{models: []llms.Model{says()}}, model, "the model"},
		{"a model far beside a lock", &locked{far: far}, model, "the model"},
		{"a service beside a lock", &locked{service: &answerer{says()}}, model, "the model"},
		{"routes beside a lock", &locked{routes: []*route{{chain: contextChain(says())}}}, model, "the model"},
		{"a chain below a lock", &locked{chain: &router{routes: map[string]*route{"x": {name: "x", chain: rag}}}}, model, "the model"},
		{"what changes below a lock", &locked{below: &struct{ named map[string]llms.Model }{map[string]llms.Model{"x": says()}}}, model, ""},
		{"what changes under a lock", &locked{any: says(), all: []any{says()}, named: map[string]llms.Model{"x": says()}}, model, ""},
		{"what an embedded lock is for", &deeplyLocked{any: says()}, model, ""},
		{"an embedder", embedder, model, ""},
		{"what embeds", struct{ c embeddings.EmbedderClient }{&embedding{}}, model, ""},
		{"a memory that counts tokens", memory.NewConversationTokenBuffer(says(), 9), model, ""},
		{"what the standard library keeps", &kept, model, ""},
		{"a client", http.DefaultClient, model, ""},

		{"a tool", echoTool("ls"), tool, "the tool ls"},
		{"a tool without a name yet", struct{ t nameless }{}, tool, "the tool langchaingo_test.nameless"},
		{"a requester", chains.NewAPIChain(guarded, answersOK{}), tool, "the tool langchaingo_test.answersOK"},
		{"a database", sql(&fakeDB{}), tool, "the tool langchaingo_test.fakeDB"},
		{"a guarded database in its chain", sql(langchaingo.Engine("sql", &fakeDB{}, gate[tool])), tool, ""},
		{"the database of a chain that others guard", sql(langchaingo.Engine("sql", &fakeDB{}, pass)), tool, "the tool sql, which others guard"},
		{"tools that are texts", []word{"ls"}, tool, "the tool ls"},
		{"tools that are texts, in a map", map[string]word{"x": "ls"}, tool, "the tool ls"},
		{"a guarded tool", langchaingo.Tool(echoTool("ls"), gate[tool]), tool, ""},
		{"a tool that others guard", langchaingo.Tool(echoTool("ls"), pass), tool, "the tool ls, which others guard"},
		{"the model of a tool", &summarizer{says()}, model, ""},
		{"the model of a guarded tool", langchaingo.Tool(&summarizer{says()}, gate[tool]), model, ""},
		{"a database that others guard", langchaingo.Engine("sql", &fakeDB{}, pass), tool, "the tool sql, which others guard"},
		{"the model of a guarded database", langchaingo.Engine("sql", &askingDB{model: says()}, pass), model, ""},
		{"a requester that others guard", langchaingo.Requester("http", answersOK{}, pass), tool, "the tool http, which"},
		{"a guarded requester", langchaingo.Requester("http", answersOK{}, gate[tool]), tool, ""},

		{"a retriever", &found{}, retriever, "the retriever langchaingo_test.found"},
		{"a guarded retriever", langchaingo.Retriever(&found{}, gate[retriever]), retriever, ""},
		{"a retriever of a guarded one", langchaingo.Retriever(&rewriting{held: &found{}}, gate[retriever]), retriever, ""},
		{"the model of a guarded retriever", langchaingo.Retriever(&rewriting{held: says()}, gate[retriever]), model, "the model"},
		{"the model of a retriever", &rewriting{held: says()}, model, "the model"},
		{"the client of a store", langchaingo.Retriever(vectorstores.ToRetriever(&store{client: &embedding{}}, 1), pass), model, ""},
		{"the model of a store that can embed", langchaingo.Retriever(vectorstores.ToRetriever(&store{model: &embedding{}}, 1), pass), model, "the model langchaingo_test.embedding"},
		{"the model of a store that must embed", langchaingo.Retriever(vectorstores.ToRetriever(&store{both: &embedding{}}, 1), pass), model, "the model langchaingo_test.embedding"},
		{"a client that embeds", &struct{ client *embedding }{&embedding{}}, model, "the model langchaingo_test.embedding"},
		{"the client of a chain that a store has", langchaingo.Retriever(vectorstores.ToRetriever(&store{chain: &asking{&embedding{}, holdingChain{}}}, 1), pass), model, "the model langchaingo_test.embedding"},
		{"that, far away", &rewriting{held: within(20, says())}, model, "the model"},
		{"that in its maps, which may change", &rewriting{held: map[string]llms.Model{"m": says()}}, model, ""},
		{"that in the maps of a guarded one", langchaingo.Retriever(&rewriting{held: map[string]llms.Model{"m": says()}}, pass), model, ""},
		{"that of a type without a name", &rewriting{held: &struct{ m llms.Model }{says()}}, model, "the model"},
		{"that of its agent", &rewriting{held: &helped{foreign{agent(guarded)}, map[string]llms.Model{"m": says()}}}, model, "the model"},
		{"the retriever of the chain of a guarded one", langchaingo.Retriever(&rewriting{held: &holdingChain{held: &found{}}}, gate[retriever]), retriever, ""},
		{"the client of a store that retrieves", &shelved{client: &embedding{}}, model, ""},
		{"that of a guarded one", langchaingo.Retriever(&shelved{client: &embedding{}}, pass), model, ""},

		{"an agent without an agent yet", struct{ a foreign }{}, plan, "the agent langchaingo_test.foreign"},
		{"the turns of an agent", agent(guarded, langchaingo.Tool(echoTool("ls"), gate[tool])), plan, "the agent OneShotZeroAgent"},
		{"the tools of an agent", agent(guarded, echoTool("ls")), tool, "the tool ls"},
		{"the model of an agent", agent(says(), echoTool("ls")), model, "the model"},
		{"the turns of a guarded agent", langchaingo.Agent(agent(says(), echoTool("ls")), gate[plan]), plan, ""},
		{"its tools", langchaingo.Agent(agent(says(), echoTool("ls")), gate[tool]), tool, ""},
		{"its tools, that others guard", langchaingo.Agent(agent(says(), echoTool("ls")), pass), tool, "the tool ls, which others guard"},
		{"its model", langchaingo.Agent(agent(says(), echoTool("ls")), gate[plan]), model, "the model"},
		{"an agent in a guarded one", langchaingo.Agent(&helped{foreign{agent(says(), echoTool("ls"))}, agent(says())}, gate[plan]), plan, ""},
		{"an executor in a guarded agent", langchaingo.Agent(&helped{foreign{agent(says(), echoTool("ls"))}, agents.NewExecutor(agent(says()))}, gate[plan]), plan, "the agent OneShotZeroAgent"},
		{"a form of a guarded agent", langchaingo.Agent(&helped{foreign{agent(says(), echoTool("ls"))}, nil}, gate[plan]), plan, ""},
		{"the tool that a guarded agent keeps for itself", langchaingo.Agent(&helped{foreign{agent(says(), echoTool("ls"))}, echoTool("rm")}, gate[tool]), tool, "the tool rm"},

		{"a guarded executor", langchaingo.Executor(agents.NewExecutor(agent(says(), echoTool("ls"))), all), model, ""},
		{"its tool", langchaingo.Executor(agents.NewExecutor(agent(says(), echoTool("ls"))), all), tool, ""},
		{"its turns", langchaingo.Executor(agents.NewExecutor(agent(says(), echoTool("ls"))), all), plan, ""},
		{"a guarded executor with a name", langchaingo.NamedChain("n", langchaingo.Executor(agents.NewExecutor(agent(says(), echoTool("ls"))), all)), plan, ""},
		{"the tool of an executor that others guard", langchaingo.Executor(agents.NewExecutor(agent(says(), echoTool("ls"))), pass), tool, "the tool ls, which"},
		{"a guarded chain", langchaingo.Chain(contextChain(says()), gate[model]), model, ""},
		{"the model of a chain", contextChain(says()), model, "the model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known := beside(func() agents.Agent {
				return agent(says(mrklCalls, "Final Answer: 437"), echoTool("calc"))
			}, func(middleware.Interceptor) any { return tt.held })
			got := refusal(func() { known(gate[tt.kind]) })
			switch {
			case tt.want == "" && got != "", tt.want != "" && !strings.Contains(got, "cannot reach "+tt.want):
				t.Errorf("got panic %q, want one for %q", got, tt.want)
			case tt.want != "" && !strings.Contains(tt.want, ", which") && strings.Contains(got, ", which"):
				t.Errorf("got panic %q, and nothing guards that", got)
			}
		})
	}
}

// A live is a retriever whose client others use at the same time.
type live struct {
	found
	mu   sync.Mutex
	docs []any
	kept map[string]*found
}

// TestWhatOthersUseIsNotRead: a server guards a chain for each request, of clients that all
// requests share.
func TestWhatOthersUseIsNotRead(t *testing.T) {
	l := &live{kept: make(map[string]*found)}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			l.mu.Lock()
			if l.docs = append(l.docs, i); len(l.docs) > 9 {
				l.docs = nil
			}
			l.kept[fmt.Sprint(i%3000)] = &found{}
			l.mu.Unlock()
		}
	})
	type server struct {
		mu *sync.Mutex
		s  *struct{ kept map[string]*found }
	}
	below := &server{&l.mu, &struct{ kept map[string]*found }{l.kept}}
	rag := chains.NewRetrievalQAFromLLM(says("a"), l)
	for range 2000 {
		langchaingo.Chain(&holdingChain{rag, below}, pass)
		langchaingo.Chain(rag, pass)
		langchaingo.Chain(&holdingChain{rag, l}, pass)
		langchaingo.Chain(&holdingChain{rag, &struct{ l *live }{l}}, pass)
	}
	close(stop)
	writer.Wait()
}

// TestALotOfDataIsNotLookedThrough: chains of one's own may hold millions of numbers.
func TestALotOfDataIsNotLookedThrough(t *testing.T) {
	inner := chains.NewTransform(passOn, []string{"in"}, []string{"out"})
	for name, held := range map[string]any{
		"bytes":               make([]byte, 1<<20),
		"texts":               [][]string{make([]string, 1<<20)},
		"vectors":             &[2][1 << 19]float32{},
		"what was said":       make([]llms.MessageContent, 1<<16),
		"texts with metadata": make([]lcschema.Document, 1<<16),
		"a map":               maps.Collect(slices.All(make([]string, 1<<16))),
	} {
		allocs := testing.AllocsPerRun(1, func() { langchaingo.Chain(&holdingChain{inner, held}, pass) })
		if allocs > 1000 {
			t.Errorf("%s: %.0f allocations", name, allocs)
		}
	}
}

// A word is a tool that is a text.
type word string

func (w word) Name() string                                 { return string(w) }
func (w word) Description() string                          { return string(w) }
func (w word) Call(context.Context, string) (string, error) { return string(w), nil }

// refusal returns what f panics with.
func refusal(f func()) (said string) {
	defer func() {
		if v := recover(); v != nil {
			said = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}
