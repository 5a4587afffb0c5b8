package langchaingo_test

import (
	"strings"
	"testing"

	"context"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/embeddings"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	lcschema "github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// A retrieving is a chain that is a retriever, too.
type retrieving struct {
	holdingChain
	lcschema.Retriever
	model *script
}

// A shortening is a history that its model makes shorter.
type shortening struct {
	lcschema.ChatMessageHistory
	held any
}

// TestTheModelsOfWhatAChainIsMadeOf: what langchaingo's own chains are made of may have
// models of its own, which Chain does not reach.
func TestTheModelsOfWhatAChainIsMadeOf(t *testing.T) {
	budget := perKind(middleware.KindModel)
	llm := func(change func(*chains.LLMChain)) chains.Chain {
		c := contextChain(says("a"))
		change(c)
		return c
	}
	within := func(c chains.Chain) chains.Chain {
		s, err := chains.NewSimpleSequentialChain([]chains.Chain{c})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	notesOf := func(held any) lcschema.Memory { return &noting{memory.NewConversationBuffer(), held} }
	notes := func(held any) func(c *chains.LLMChain) {
		return func(c *chains.LLMChain) { c.Memory = notesOf(held) }
	}
	executor := func(m lcschema.Memory) chains.Chain {
		e := agents.NewExecutor(agents.NewOneShotAgent(says(), []tools.Tool{echoTool("calc")}))
		e.Memory = m
		return e
	}
	guarded := langchaingo.Model(says(), budget)
	for name, tt := range map[string]struct {
		chain  chains.Chain
		missed bool
	}{
		"a retriever's":          {chains.NewRetrievalQAFromLLM(says("a"), &rewriting{held: says()}), true},
		"a retriever's, guarded": {chains.NewRetrievalQAFromLLM(says("a"), &rewriting{held: guarded}), false},
		"a retriever's chain's":  {chains.NewRetrievalQAFromLLM(says("a"), &rewriting{held: chains.LoadMapReduceQA(says())}), true},
		"a retriever's client": {chains.NewRetrievalQAFromLLM(says("a"), &struct {
			found
			llm *script
		}{llm: says()}), true},
		"a retriever's, that embeds": {chains.NewRetrievalQAFromLLM(says("a"), &struct {
			found
			embeddings.Embedder
			llm llms.Model
		}{llm: says()}), true},
		"the memory's chain's":          {llm(notes(chains.LoadStuffSummarization(says()))), true},
		"a guarded retriever's":         {chains.NewRetrievalQAFromLLM(says("a"), langchaingo.Retriever(&rewriting{held: says()}, pass)), true},
		"the memory's":                  {llm(notes(says())), true},
		"the memory's, guarded":         {llm(notes(guarded)), false},
		"the memory's, within":          {within(llm(notes(says()))), true},
		"an executor's memory's":        {executor(notesOf(says())), true},
		"an executor's, within":         {within(executor(notesOf(says()))), true},
		"an executor's, guarded":        {executor(notesOf(guarded)), false},
		"an executor's, for its tokens": {executor(memory.NewConversationTokenBuffer(says(), 9)), false},
		"the memory's, for its tokens":  {llm(func(c *chains.LLMChain) { c.Memory = memory.NewConversationTokenBuffer(says(), 9) }), false},
		"the history's": {llm(func(c *chains.LLMChain) {
			c.Memory = memory.NewConversationTokenBuffer(says(), 9, memory.WithChatHistory(&shortening{memory.NewChatMessageHistory(), says()}))
		}), true},
		"the parser's":          {llm(func(c *chains.LLMChain) { c.OutputParser = &parsing{c.OutputParser, says()} }), true},
		"the parser's, guarded": {llm(func(c *chains.LLMChain) { c.OutputParser = &parsing{c.OutputParser, guarded} }), false},
	} {
		got := refusal(func() { langchaingo.Chain(tt.chain, budget) })
		if missed := strings.Contains(got, "cannot reach the model langchaingo_test.script"); missed != tt.missed || !tt.missed && got != "" {
			t.Errorf("%s: got panic %q, want one: %v", name, got, tt.missed)
		}
		langchaingo.Chain(tt.chain, perKind(middleware.KindChain))
	}
}

// TestWhatAnAgentKeepsForItself: an executor calls the tools that GetTools returns, and
// others that an agent of one's own has are its own to guard.
func TestWhatAnAgentKeepsForItself(t *testing.T) {
	gate := perKind(middleware.KindTool)
	guarded := langchaingo.Model(says(mrklCalls, "Final Answer: 437"), pass)
	calc := echoTool("calc")
	for name, tt := range map[string]struct {
		more any
		want string // missed; empty: nothing is
	}{
		"nothing":                   {nil, ""},
		"a tool of the agent":       {calc, ""},
		"one of that name":          {echoTool("calc"), "cannot reach the tool calc"},
		"another":                   {echoTool("rm"), "cannot reach the tool rm: guard it"},
		"another, guarded":          {langchaingo.Tool(echoTool("rm"), gate), ""},
		"another, that others do":   {langchaingo.Tool(echoTool("rm"), pass), "cannot reach the tool rm, which others guard"},
		"an agent":                  {agents.NewOneShotAgent(guarded, []tools.Tool{echoTool("rm")}), "cannot reach the tool rm"},
		"an agent with such a tool": {agents.NewOneShotAgent(guarded, []tools.Tool{echoTool("calc")}), "cannot reach the tool calc"},
		"an agent with the tool":    {agents.NewOneShotAgent(guarded, []tools.Tool{calc}), ""},
		"an executor with the tool": {agents.NewExecutor(agents.NewOneShotAgent(guarded, []tools.Tool{calc})), "cannot reach the tool calc"},
		"what is no agent":          {&struct{ byName map[string]tools.Tool }{map[string]tools.Tool{"calc": echoTool("calc")}}, "cannot reach the tool calc"},
	} {
		a := &helped{foreign{agents.NewOneShotAgent(guarded, []tools.Tool{calc})}, tt.more}
		got := refusal(func() { langchaingo.Executor(agents.NewExecutor(a), gate) })
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got panic %q, want %q", name, got, tt.want)
		}
		got = refusal(func() { langchaingo.Executor(agents.NewExecutor(a), perKind(middleware.KindPlan)) })
		if _, another := tt.more.(*agents.Executor); another != strings.Contains(got, "cannot reach the agent OneShotZeroAgent") || !another && got != "" {
			t.Errorf("%s: a gate for turns: got panic %q", name, got)
		}
	}
	values := agents.NewOneShotAgent(guarded, []tools.Tool{word("calc"), tools.Calculator{}})
	for name, tt := range map[string]struct {
		agent agents.Agent
		want  string
	}{
		"values":                  {&helped{foreign{values}, word("calc")}, ""},
		"values of another agent": {&helped{foreign{values}, agents.NewOneShotAgent(guarded, []tools.Tool{tools.Calculator{}})}, "cannot reach the tool calculator"},
		"pointers to nothing":     {&helped{foreign{agents.NewOneShotAgent(guarded, []tools.Tool{&empty{}})}, agents.NewOneShotAgent(guarded, []tools.Tool{&empty{}})}, "cannot reach the tool empty"},
		"tools that are wrapped":  {&wrapping{helped{foreign{agents.NewOneShotAgent(guarded, []tools.Tool{calc})}, nil}}, ""},
	} {
		got := refusal(func() { langchaingo.Executor(agents.NewExecutor(tt.agent), gate) })
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got panic %q, want %q", name, got, tt.want)
		}
	}
}

// An empty is a tool without a field.
type empty struct{}

func (*empty) Name() string                                 { return "empty" }
func (*empty) Description() string                          { return "" }
func (*empty) Call(context.Context, string) (string, error) { return "", nil }

// A wrapping is an agent that makes new tools of its own each time.
type wrapping struct{ helped }

func (w *wrapping) GetTools() (ts []tools.Tool) {
	for _, t := range w.helped.GetTools() {
		ts = append(ts, &struct{ tools.Tool }{t})
	}
	return ts
}
