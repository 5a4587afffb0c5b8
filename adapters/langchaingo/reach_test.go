package langchaingo_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/tools/sqldatabase"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// found is a retriever.
type found struct{ asked int }

func (f *found) GetRelevantDocuments(context.Context, string) ([]schema.Document, error) {
	f.asked++
	return documents(), nil
}

func documents() []schema.Document {
	return []schema.Document{
		{PageContent: "a", Metadata: map[string]any{"source": "wiki"}}, {PageContent: "b", Metadata: map[string]any{"source": "web"}},
	}
}

// A chainCase is a chain of langchaingo's own around a model, and what it is run with.
type chainCase struct {
	name   string
	make   func(m llms.Model, r schema.Retriever) chains.Chain
	inputs map[string]any
	kinds  string // of the calls that are guarded
}

func chainCases(t *testing.T) []chainCase {
	t.Helper()
	db := func(e sqldatabase.Engine) *sqldatabase.SQLDatabase {
		d, err := sqldatabase.NewSQLDatabase(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	docs := map[string]any{"input_documents": documents(), "question": "?"}
	llm := contextChain
	text := map[string]any{"context": "x"}
	return []chainCase{
		{"LLM", func(m llms.Model, _ schema.Retriever) chains.Chain { return llm(m) }, text, "model chain"},
		{"a value", func(m llms.Model, _ schema.Retriever) chains.Chain {
			return chains.NewConversation(m, memory.NewSimple())
		}, map[string]any{"input": "x", "history": ""}, "model chain"},
		{"conversation", func(m llms.Model, _ schema.Retriever) chains.Chain {
			c := chains.NewConversation(m, memory.NewConversationBuffer())
			return &c
		}, map[string]any{"input": "x"}, "model chain chain"},
		{"retrieval", func(m llms.Model, r schema.Retriever) chains.Chain {
			return chains.NewRetrievalQAFromLLM(m, r)
		}, map[string]any{"query": "x"}, "retriever model chain"},
		{"conversational retrieval", func(m llms.Model, r schema.Retriever) chains.Chain {
			return chains.NewConversationalRetrievalQAFromLLM(m, r, memory.NewConversationBuffer(memory.WithReturnMessages(true)))
		}, map[string]any{"question": "x"}, "retriever model chain chain"},
		{"stuff", func(m llms.Model, _ schema.Retriever) chains.Chain { return chains.LoadStuffQA(m) }, docs, "model chain"},
		{"map reduce", func(m llms.Model, _ schema.Retriever) chains.Chain { return chains.LoadMapReduceQA(m) }, docs, "model model model chain"},
		{"refine", func(m llms.Model, _ schema.Retriever) chains.Chain { return chains.LoadRefineQA(m) }, docs, "model model chain"},
		{"map rerank", func(m llms.Model, _ schema.Retriever) chains.Chain { return chains.LoadMapRerankQA(m) }, docs, "model model chain"},
		{"sequential", func(m llms.Model, _ schema.Retriever) chains.Chain {
			first := chains.NewLLMChain(m, prompts.NewPromptTemplate("{{.q}}", []string{"q"}))
			first.OutputKey = "context"
			c, err := chains.NewSequentialChain([]chains.Chain{langchaingo.Chain(first, pass), llm(m)}, []string{"q"}, []string{"text"})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}, map[string]any{"q": "x"}, "model model chain"},
		{"simple sequential", func(m llms.Model, _ schema.Retriever) chains.Chain {
			c, err := chains.NewSimpleSequentialChain([]chains.Chain{llm(m), langchaingo.Chain(llm(m), pass)})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}, map[string]any{"input": "x"}, "model model chain"},
		{"SQL", func(m llms.Model, _ schema.Retriever) chains.Chain {
			return chains.NewSQLDatabaseChain(m, 1, db(langchaingo.Engine("sql", &fakeDB{}, pass)))
		}, map[string]any{"query": "x"}, "tool model tool model chain"},
		{"API", func(m llms.Model, _ schema.Retriever) chains.Chain {
			return chains.NewAPIChain(m, langchaingo.Requester("http", answersOK{}, pass))
		}, map[string]any{"input": "x", "api_docs": "y"}, "model tool model chain"},
		{"math", func(m llms.Model, _ schema.Retriever) chains.Chain { return chains.NewLLMMathChain(m) }, map[string]any{"question": "1"}, "model chain"},
		{"constitutional", func(m llms.Model, _ schema.Retriever) chains.Chain {
			return chains.NewConstitutional(m, *llm(m), []chains.ConstitutionalPrinciple{chains.NewConstitutionalPrinciple("c", "r")}, nil)
		}, text, "model model model chain"},
		{"an executor within", func(m llms.Model, _ schema.Retriever) chains.Chain {
			c, err := chains.NewSimpleSequentialChain([]chains.Chain{
				agents.NewExecutor(agents.NewOneShotAgent(m, []tools.Tool{echoTool("calc")})), llm(m),
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}, map[string]any{"input": "x"}, "model plan chain model chain"},
	}
}

type answersOK struct{}

func (answersOK) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
}

// TestAChainReachesWhatItHolds: each request that a chain of langchaingo's own has its
// model, retriever or executor make is guarded, in a copy.
func TestAChainReachesWhatItHolds(t *testing.T) {
	for _, tt := range chainCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			m := &chatter{}
			plain, seen := tt.make(m, &found{}), new(spy)
			guarded := langchaingo.Chain(plain, seen.intercept)
			_, _ = chains.Call(t.Context(), guarded, tt.inputs) // what the model says may not do: it was asked
			if got := seen.kinds(); got != tt.kinds {
				t.Errorf("got calls %q, want %q", got, tt.kinds)
			}
			asked := int64(0)
			for _, call := range seen.calls {
				if call.Kind == middleware.KindModel {
					asked++
				}
			}
			if m.asked.Load() != asked || asked == 0 {
				t.Errorf("the model was asked %d times, %d of them guarded", m.asked.Load(), asked)
			}
			n := len(seen.calls)
			_, _ = chains.Call(t.Context(), plain, tt.inputs)
			if len(seen.calls) != n || m.asked.Load() < 2*asked {
				t.Errorf("the chain that was given is guarded, or asks no more: %d calls, asked %d", len(seen.calls)-n, m.asked.Load())
			}
		})
	}
}

// chatter is a model that says what many chains can do with. Some chains ask it several
// times at once.
type chatter struct{ asked atomic.Int64 }

func (c *chatter) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, c, prompt, options...)
}

func (c *chatter) GenerateContent(_ context.Context, messages []llms.MessageContent, _ ...llms.CallOption) (*llms.ContentResponse, error) {
	c.asked.Add(1)
	said := "Final Answer: well\nScore: 7"
	switch prompt, _ := messages[0].Parts[0].(llms.TextContent); {
	case strings.Contains(prompt.Text, "SQLQuery"):
		said = "SELECT 1"
	case strings.Contains(prompt.Text, "HTTP") || strings.Contains(prompt.Text, "API"):
		said = `{"method": "GET", "url": "http://127.0.0.1/", "headers": {}, "body": {}}`
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: said}}}, nil
}
