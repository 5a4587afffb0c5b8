package langchaingo_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/memory"
	lcschema "github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// A searching chain is of a package of one's own, and has a retriever.
type searching struct {
	ownChain
	docs lcschema.Retriever
}

func (s *searching) Call(ctx context.Context, in map[string]any, options ...chains.ChainCallOption) (map[string]any, error) {
	if _, err := s.docs.GetRelevantDocuments(ctx, fmt.Sprint(in["q"])); err != nil {
		return nil, err
	}
	return s.ownChain.Call(ctx, in, options...)
}

// TestAdviceIsAnAnswer: what refuses a guard names what to use in its place, and there
// the same gate decides.
func TestAdviceIsAnAnswer(t *testing.T) {
	ctx := t.Context()
	type guard = []middleware.Interceptor
	run := func(c chains.Chain) { _, _ = chains.Run(ctx, c, "q") }
	agent := func() agents.Agent {
		return agents.NewOneShotAgent(says(mrklCalls, "Final Answer: 437"), []tools.Tool{echoTool("calc")})
	}
	executor := func(is ...middleware.Interceptor) { run(langchaingo.Executor(agents.NewExecutor(agent()), is...)) }
	request := func(r chains.HTTPRequest) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := r.Do(req); err == nil {
			res.Body.Close()
		}
	}
	own := func(is ...middleware.Interceptor) *ownChain { return &ownChain{langchaingo.Model(says("a"), is...)} }
	foreignAgent := func(is ...middleware.Interceptor) *agents.Executor {
		model := langchaingo.Model(says(mrklCalls, "Final Answer: 437"), is...)
		return agents.NewExecutor(&helped{foreign{agents.NewOneShotAgent(model, []tools.Tool{echoTool("calc")})}, nil})
	}
	conversation := func() chains.Chain {
		c := chains.NewConversation(says("well"), memory.NewConversationBuffer())
		return &c
	}
	pair := func(c chains.Chain) chains.Chain { // and one of langchaingo's, with a retriever
		s, err := chains.NewSimpleSequentialChain([]chains.Chain{chains.NewRetrievalQAFromLLM(says("a"), &found{}), c})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	onTools := func() middleware.Interceptor { return gates.Tools("calc") }
	onModels := func() middleware.Interceptor { return gates.Budget(gates.Limits{Tokens: 1 << 40}) }
	onRetrievals := func() middleware.Interceptor { return gates.Sources(gates.SourceRules{Drop: true}) }
	counts := func() middleware.Interceptor { return gates.Budget(gates.Limits{ModelCalls: 9}) }
	ofAll := func() middleware.Interceptor {
		return gates.Budget(gates.Limits{Scope: gates.ScopeProcess, ModelCalls: 9})
	}
	const elsewhere = "is guarded where it is made, with langchaingo.Model, Tool, Retriever, Agent, Engine or Requester"
	const both = "guard it where it is made, by this gate too"
	for name, tt := range map[string]struct {
		gate    func() middleware.Interceptor
		refused func(middleware.Interceptor)
		advice  string
		do      func(is ...middleware.Interceptor)
		with    func() middleware.Interceptor // where it is another gate
	}{
		"Model, then Executor": {onTools, func(i middleware.Interceptor) { langchaingo.Model(says("a"), i) },
			"Guard the agent or chain that asks the model, with langchaingo.Executor or Chain", executor, nil},
		"Model, then Chain": {onRetrievals, func(i middleware.Interceptor) { langchaingo.Model(says("a"), i) },
			"Guard the agent or chain that asks the model, with langchaingo.Executor or Chain",
			func(is ...middleware.Interceptor) {
				run(langchaingo.Chain(chains.NewRetrievalQAFromLLM(says("a"), &found{}), is...))
			}, nil},
		"Model, then the agent": {counts, func(i middleware.Interceptor) { langchaingo.Model(says("a"), i) },
			"Guard the chain or the agent with it", executor, nil},
		"Model, then another scope": {counts, func(i middleware.Interceptor) { langchaingo.Model(says("a"), i) },
			"give it another scope", func(is ...middleware.Interceptor) { _, _ = langchaingo.Model(says("a"), is...).Call(ctx, "q") }, ofAll},
		"Model, then Shared": {counts, func(i middleware.Interceptor) { langchaingo.Model(says("a"), i) },
			"middleware.Shared that what makes the calls is guarded too", func(is ...middleware.Interceptor) {
				together := middleware.Shared(is...)
				run(langchaingo.Chain(own(together), together))
			}, nil},
		"Tool": {onModels, func(i middleware.Interceptor) { langchaingo.Tool(echoTool("calc"), i) },
			"Guard the agent that calls the tool, with langchaingo.Executor", executor, nil},
		"Tools": {onModels, func(i middleware.Interceptor) { langchaingo.Tools([]tools.Tool{echoTool("calc")}, i) },
			"Guard the agent that calls the tool, with langchaingo.Executor", executor, nil},
		"Agent": {onModels, func(i middleware.Interceptor) { langchaingo.Agent(agent(), i) },
			"Guard the executor, and with it the agent's model, with langchaingo.Executor", executor, nil},
		"Retriever": {onModels, func(i middleware.Interceptor) { langchaingo.Retriever(&found{}, i) },
			"Guard the chain that asks the retriever, with langchaingo.Chain", func(is ...middleware.Interceptor) {
				run(langchaingo.Chain(chains.NewRetrievalQAFromLLM(says("a"), &found{}), is...))
			}, nil},
		"Memory": {onModels, func(i middleware.Interceptor) { langchaingo.Memory(memory.NewConversationBuffer(), i) },
			"Guard the chain that has the memory, with langchaingo.Chain or Executor",
			func(is ...middleware.Interceptor) { run(langchaingo.Chain(conversation(), is...)) }, nil},
		"Memory, then Executor": {onTools, func(i middleware.Interceptor) { langchaingo.Memory(memory.NewConversationBuffer(), i) },
			"Guard the chain that has the memory, with langchaingo.Chain or Executor", executor, nil},
		"Chain, then Tool": {onTools, func(i middleware.Interceptor) { langchaingo.Chain(conversation(), i) }, elsewhere,
			func(is ...middleware.Interceptor) { _, _ = langchaingo.Tool(echoTool("calc"), is...).Call(ctx, "1") }, nil},
		"Chain, then Agent": {onTools, func(i middleware.Interceptor) { langchaingo.Chain(conversation(), i) }, elsewhere,
			func(is ...middleware.Interceptor) {
				_, _, _ = langchaingo.Agent(agent(), is...).Plan(ctx, nil, map[string]string{"input": "q"})
			}, nil},
		"Chain, then Engine": {onTools, func(i middleware.Interceptor) { langchaingo.Chain(conversation(), i) }, elsewhere,
			func(is ...middleware.Interceptor) {
				_, _, _ = langchaingo.Engine("calc", &fakeDB{}, is...).Query(ctx, "SELECT 1")
			}, nil},
		"Chain, then Requester": {onTools, func(i middleware.Interceptor) { langchaingo.Chain(conversation(), i) }, elsewhere,
			func(is ...middleware.Interceptor) { request(langchaingo.Requester("calc", answersOK{}, is...)) }, nil},
		"Chain, then Retriever": {onRetrievals, func(i middleware.Interceptor) { langchaingo.Chain(conversation(), i) }, elsewhere,
			func(is ...middleware.Interceptor) {
				_, _ = langchaingo.Retriever(&found{}, is...).GetRelevantDocuments(ctx, "q")
			}, nil},
		"a chain of one's own": {onModels, func(i middleware.Interceptor) { langchaingo.Chain(&ownChain{says("a")}, i) }, elsewhere,
			func(is ...middleware.Interceptor) { run(langchaingo.Chain(own(is...), pass)) }, nil},
		"a chain of one's own beside another": {onModels,
			func(i middleware.Interceptor) { langchaingo.Chain(pair(&ownChain{says("a")}), i) },
			both, func(is ...middleware.Interceptor) { run(langchaingo.Chain(pair(own(is...)), is...)) }, nil},
		"a chain of one's own that searches, beside another": {onRetrievals,
			func(i middleware.Interceptor) { langchaingo.Chain(pair(&searching{*own(pass), &found{}}), i) },
			both, func(is ...middleware.Interceptor) {
				run(langchaingo.Chain(pair(&searching{*own(pass), langchaingo.Retriever(&found{}, is...)}), is...))
			}, nil},
		"an agent of one's own": {onModels, func(i middleware.Interceptor) {
			langchaingo.Executor(agents.NewExecutor(&helped{foreign{agent()}, nil}), i)
		}, "guard it where the agent is made, with langchaingo.Model(model, interceptors...)",
			func(is ...middleware.Interceptor) { run(langchaingo.Executor(foreignAgent(is...), pass)) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.Contains(got, tt.advice) {
						t.Errorf("got panic %s, want the advice %q", got, tt.advice)
					}
				}()
				tt.refused(tt.gate())
			}()
			if tt.with == nil {
				tt.with = tt.gate
			}
			by := make(decided)
			tt.do(guard{by.intercept, tt.with()}...)
			if len(by) != 1 {
				t.Errorf("as advised: got decisions of %v, want those of the gate", by)
			}
		})
	}
}
