package coverage_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/sqldatabase"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/coverage"
	"example.com/safeconduct/middleware"
)

func gate() middleware.Interceptor {
	return middleware.Before("gate", func(context.Context, middleware.Call) error { return nil })
}

type store struct{}

func (store) GetRelevantDocuments(context.Context, string) ([]schema.Document, error) {
	return nil, nil
}

type database struct{ sqldatabase.Engine }

func (database) TableNames(context.Context) ([]string, error) { return nil, nil }

// own is a chain of one's own.
type own struct {
	chains.Chain
	model llms.Model
	ask   func()
}

func (own) GetMemory() schema.Memory { return memory.NewSimple() }

// planner is an agent of one's own.
type planner struct {
	agents.Agent
	model llms.Model
	tools []tools.Tool
}

func (p *planner) GetTools() []tools.Tool { return p.tools }

// desk is a tool that has an agent.
type desk struct {
	tools.Tool
	clerk *agents.Executor
}

// parts are what a thing is made of, guarded or not.
type parts struct {
	model     llms.Model
	retriever schema.Retriever
	tools     []tools.Tool
	memory    schema.Memory
	engine    sqldatabase.Engine
	requests  chains.HTTPRequest
}

func newParts() parts {
	return parts{
		langchaingotest.NewModel(nil), store{}, []tools.Tool{langchaingotest.NewTool(nil, "calc"), langchaingotest.NewTool(nil, "web")},
		memory.NewConversationBuffer(), database{}, http.DefaultClient,
	}
}

func (p parts) llm() *chains.LLMChain {
	return chains.NewLLMChain(p.model, prompts.NewPromptTemplate("{{.q}}", []string{"q"}))
}

func sequence(all ...chains.Chain) chains.Chain {
	c, err := chains.NewSimpleSequentialChain(all)
	if err != nil {
		panic(err)
	}
	return c
}

// short says what was found where: + guarded, - not guarded, ? opaque.
func short(r coverage.Report) string {
	var all []string
	for _, i := range r.Items {
		sign := map[bool]string{true: "+", false: "-"}[i.Guarded]
		if i.What == coverage.Opaque {
			sign = "?"
		}
		all = append(all, sign+i.Path)
	}
	return strings.Join(all, " ")
}

func sorted(words string) string {
	all := strings.Fields(strings.ReplaceAll(words, "memory", "Memory"))
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestWalk walks every type of chain and agent of langchaingo, and some of one's own: not
// guarded at all, guarded in part (its model, or what is told), and guarded as a whole.
func TestWalk(t *testing.T) {
	model := func(p *parts) { p.model = langchaingo.Model(p.model, gate()) }
	tool := func(p *parts) { p.tools[1] = langchaingo.Tool(p.tools[1], gate()) }
	for _, tt := range []struct {
		name string
		make func(p parts) chains.Chain
		part func(p *parts)
		want string // of what is not guarded
		half string // the items that are guarded in part, by their place
		full string // those that are not where the chain is guarded, by their place
	}{
		{"LLM", func(p parts) chains.Chain { return p.llm() }, model, "LLMChain.LLM", "1", ""},
		{"conversation", func(p parts) chains.Chain {
			return chains.NewConversation(p.model, p.memory)
		}, model, "LLMChain.LLM LLMChain.Memory", "1", ""},
		{"retrieval", func(p parts) chains.Chain { return chains.NewRetrievalQAFromLLM(p.model, p.retriever) }, model,
			"RetrievalQA.Retriever RetrievalQA.CombineDocumentsChain.LLMChain.LLM", "2", ""},
		{"conversational retrieval", func(p parts) chains.Chain {
			return chains.NewConversationalRetrievalQAFromLLM(p.model, p.retriever, p.memory)
		}, func(p *parts) { p.retriever = langchaingo.Retriever(p.retriever, gate()) },
			"ConversationalRetrievalQA.Retriever ConversationalRetrievalQA.Memory " +
				"ConversationalRetrievalQA.CombineDocumentsChain.LLMChain.LLM", "1", ""},
		{"stuff", func(p parts) chains.Chain { return chains.NewStuffDocuments(p.llm()) }, model, "StuffDocuments.LLMChain.LLM", "1", ""},
		{"map reduce", func(p parts) chains.Chain {
			return chains.NewMapReduceDocuments(p.llm(), chains.NewStuffDocuments(newParts().llm()))
		}, model, "MapReduceDocuments.LLMChain.LLM MapReduceDocuments.ReduceChain.LLMChain.LLM", "1", ""},
		{"refine", func(p parts) chains.Chain { return chains.NewRefineDocuments(p.llm(), newParts().llm()) }, model,
			"RefineDocuments.LLMChain.LLM RefineDocuments.RefineLLMChain.LLM", "1", ""},
		{"map rerank", func(p parts) chains.Chain { return chains.NewMapRerankDocuments(p.llm()) }, model,
			"MapRerankDocuments.LLMChain.LLM", "1", ""},
		{"sequential", func(p parts) chains.Chain {
			c, err := chains.NewSequentialChain([]chains.Chain{p.llm()}, []string{"q"}, []string{"text"}, chains.WithSeqChainMemory(p.memory))
			if err != nil {
				panic(err)
			}
			return c
		}, model, "SequentialChain.chains[0].LLM SequentialChain.memory", "1", ""},
		{"simple sequential", func(p parts) chains.Chain { return sequence(p.llm(), newParts().llm()) }, model,
			"SimpleSequentialChain.chains[0].LLM SimpleSequentialChain.chains[1].LLM", "1", ""},
		{"SQL", func(p parts) chains.Chain {
			db, err := sqldatabase.NewSQLDatabase(p.engine, nil)
			if err != nil {
				panic(err)
			}
			return chains.NewSQLDatabaseChain(p.model, 1, db)
		}, func(p *parts) { p.engine = langchaingo.Engine("sql", p.engine, gate()) },
			"SQLDatabaseChain.LLMChain.LLM SQLDatabaseChain.Database.Engine", "2", "2"},
		{"API", func(p parts) chains.Chain { return chains.NewAPIChain(p.model, p.requests) },
			func(p *parts) { p.requests = langchaingo.Requester("http", p.requests, gate()) },
			"APIChain.RequestChain.LLM APIChain.Request", "2", "2"},
		{"math", func(p parts) chains.Chain { return chains.NewLLMMathChain(p.model) }, model, "LLMMathChain.LLMChain.LLM", "1", ""},
		{"constitutional", func(p parts) chains.Chain {
			return chains.NewConstitutional(p.model, *newParts().llm(), nil, nil)
		}, model, "Constitutional.chain.LLM Constitutional.critiqueChain.LLM", "2", ""},
		{"transform", func(parts) chains.Chain { return chains.NewTransform(nil, nil, nil) }, model, "?Transform", "", "1"},
		{"a transform before", func(p parts) chains.Chain {
			return sequence(chains.NewTransform(nil, []string{"q"}, []string{"q"}), p.llm())
		}, model, "?SimpleSequentialChain.chains[0] SimpleSequentialChain.chains[1].LLM", "2", "1"},
		{"one shot agent", func(p parts) chains.Chain {
			return agents.NewExecutor(agents.NewOneShotAgent(p.model, p.tools), agents.WithMemory(p.memory))
		}, tool, "Executor.Agent.Chain.LLM Executor.Agent.Tools[calc] Executor.Agent.Tools[web] Executor.Memory", "3", ""},
		{"conversational agent", func(p parts) chains.Chain {
			return agents.NewExecutor(agents.NewConversationalAgent(p.model, p.tools))
		}, model, "Executor.Agent.Chain.LLM Executor.Agent.Tools[calc] Executor.Agent.Tools[web]", "1", ""},
		{"functions agent", func(p parts) chains.Chain {
			return agents.NewExecutor(agents.NewOpenAIFunctionsAgent(p.model, p.tools))
		}, tool, "Executor.Agent.LLM Executor.Agent.Tools[calc] Executor.Agent.Tools[web]", "3", ""},
		{"a functions agent with turns and tools guarded", func(p parts) chains.Chain {
			return agents.NewExecutor(agents.NewOpenAIFunctionsAgent(p.model, p.tools))
		}, nil, "Executor.Agent.LLM Executor.Agent.Tools[calc] Executor.Agent.Tools[web]", "23", ""},
		{"an agent of one's own", func(p parts) chains.Chain {
			return agents.NewExecutor(&planner{model: p.model, tools: p.tools})
		}, model, "Executor.Agent.model Executor.Agent.Tools[calc] Executor.Agent.Tools[web]", "1", "guarded in part first"},
		{"an agent in a tool", func(p parts) chains.Chain {
			clerk := agents.NewExecutor(agents.NewOneShotAgent(newParts().model, newParts().tools[:1]))
			return agents.NewExecutor(agents.NewOneShotAgent(p.model, []tools.Tool{&desk{p.tools[0], clerk}}))
		}, model, "Executor.Agent.Chain.LLM Executor.Agent.Tools[calc] " +
			"Executor.Agent.Tools[calc].clerk.Agent.Chain.LLM Executor.Agent.Tools[calc].clerk.Agent.Tools[calc]", "1", "34"},
		{"an executor in a chain", func(p parts) chains.Chain {
			return sequence(agents.NewExecutor(agents.NewOneShotAgent(p.model, p.tools[:1])), p.llm())
		}, model, "SimpleSequentialChain.chains[0].Agent.Chain.LLM SimpleSequentialChain.chains[0].Agent.Tools[calc]", "1", ""},
		{"a chain of one's own", func(p parts) chains.Chain { return own{Chain: p.llm(), model: newParts().model} }, model,
			"coverage_test.own.LLM coverage_test.own.model", "1", "12"},
		{"a chain of one's own that hides all", func(parts) chains.Chain { return own{ask: func() {}} }, model, "?coverage_test.own", "", "1"},
		{"a cache", func(p parts) chains.Chain {
			p.model = cache.New(p.model, nil)
			return p.llm()
		}, model, "LLMChain.LLM.llm", "1", "cached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			paths := strings.Fields(tt.want)
			signs := func(guarded func(place string) bool) string {
				var all []string
				for i, path := range paths {
					switch bare, opaque := strings.CutPrefix(path, "?"); {
					case opaque:
						all = append(all, "?"+bare)
					case guarded(string(rune('1' + i))):
						all = append(all, "+"+path)
					default:
						all = append(all, "-"+path)
					}
				}
				return strings.Join(all, " ")
			}
			if got, want := short(coverage.Walk(tt.make(newParts()))), signs(func(string) bool { return false }); got != want {
				t.Errorf("not guarded: got\n%s, want\n%s", got, want)
			}
			p := newParts()
			half := tt.make
			if tt.part == nil {
				half = func(p parts) chains.Chain {
					e := tt.make(p).(*agents.Executor) //nolint:forcetypeassert // the case is one
					e.Agent = langchaingo.Agent(e.Agent, gate())
					return e
				}
			} else {
				tt.part(&p)
			}
			made := half(p)
			if got, want := short(coverage.Walk(made)), signs(func(place string) bool { return strings.Contains(tt.half, place) }); got != want {
				t.Errorf("in part: got\n%s, want\n%s", got, want)
			}
			whole := tt.make(newParts())
			switch tt.full {
			case "guarded in part first":
				whole = made
			case "cached":
				return // where the cache is guarded, it is what is asked
			}
			got, want := short(coverage.Walk(langchaingo.Chain(whole, gate()))), signs(func(place string) bool { return !strings.Contains(tt.full, place) })
			// The memory of a guarded chain is what it returns as its own, and comes last.
			if got, want = sorted(got), sorted(want); got != want {
				t.Errorf("as a whole: got\n%s, want\n%s", got, want)
			}
		})
	}
}
