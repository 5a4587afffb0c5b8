// Package calls has each call that goes around a guard, and the same one guarded. // want package:"looked"
package calls

import (
	"context"

	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
	"github.com/tmc/langchaingo/vectorstores"
	"github.com/tmc/langchaingo/vectorstores/chroma"
)

func models(ctx context.Context) {
	raw, err := openai.New()
	if err != nil {
		return
	}
	model := langchaingo.Model(raw)

	raw.GenerateContent(ctx, nil)                                                    // want `raw.GenerateContent goes around the guards: its model comes from openai.New \(line 20\); wrap it with langchaingo.Model`
	raw.Call(ctx, "")                                                                // want `raw.Call goes around the guards`
	llms.GenerateFromSinglePrompt(ctx, raw, "")                                      // want `llms.GenerateFromSinglePrompt goes around the guards`
	go raw.Call(ctx, "")                                                             // want `raw.Call goes around`
	defer raw.Call(ctx, "")                                                          // want `raw.Call goes around`
	(*openai.LLM).Call(raw, ctx, "")                                                 // want `Call goes around`
	llms.Model.Call(raw, ctx, "")                                                    // want `llms.Model.Call goes around`
	cache.New(raw).Call(ctx, "")                                                     // want `Call goes around the guards: its model comes from openai.New`
	langchaingo.Model(raw).(interface{ Unwrap() llms.Model }).Unwrap().Call(ctx, "") // want `Call goes around the guards: its model comes from .*Unwrap`

	model.GenerateContent(ctx, nil)
	model.Call(ctx, "")
	llms.GenerateFromSinglePrompt(ctx, model, "")
	cache.New(model).Call(ctx, "")
	langchaingo.Model(cache.New(raw)).Call(ctx, "")
	raw.CreateEmbedding(ctx, nil) // nothing guards embeddings

	ask := raw.Call // want `Call goes around`
	ask(ctx, "")
	say := model.Call
	say(ctx, "")
}

func tooling(ctx context.Context) {
	tools.Calculator{}.Call(ctx, "") // want `Call goes around the guards: its tool comes from a tools.Calculator; wrap it with langchaingo.Tool or Tools`
	langchaingo.Tool(tools.Calculator{}).Call(ctx, "")
	langchaingo.Declare(tools.Calculator{}, nil).Call(ctx, "") // want `Call goes around`
	langchaingo.Declare(langchaingo.Tool(tools.Calculator{}), nil).Call(ctx, "")

	all := []tools.Tool{tools.Calculator{}}
	for _, t := range all {
		t.Call(ctx, "") // want `t.Call goes around`
	}
	for _, t := range langchaingo.Tools(all) {
		t.Call(ctx, "")
	}
	byName := map[string]tools.Tool{}
	for _, t := range langchaingo.Tools(all) {
		byName[t.Name()] = t
	}
	if t, ok := byName["calculator"]; ok {
		t.Call(ctx, "")
	}
	mixed := append(langchaingo.Tools(all), tools.Calculator{})
	mixed[0].Call(ctx, "") // want `mixed|Call goes around`
}

func retrieval(ctx context.Context) {
	store, _ := chroma.New()
	var stores vectorstores.VectorStore = store
	store.SimilaritySearch(ctx, "", 1)  // want `store.SimilaritySearch goes around the guards: its retriever comes from chroma.New \(line 74\); ask a retriever of the store`
	stores.SimilaritySearch(ctx, "", 1) // want `stores.SimilaritySearch goes around`
	store.AddDocuments(ctx, nil)
	r := vectorstores.ToRetriever(store, 3)
	r.GetRelevantDocuments(ctx, "") // want `r.GetRelevantDocuments goes around .*; wrap it with langchaingo.Retriever`
	langchaingo.Retriever(r).GetRelevantDocuments(ctx, "")
}

func running(ctx context.Context, question string) {
	raw, _ := openai.New()
	model := langchaingo.Model(raw)
	agent := agents.NewOneShotAgent(raw, []tools.Tool{tools.Calculator{}})
	e := agents.NewExecutor(agent)

	chains.Run(ctx, e, question)                           // want `chains.Run goes around the guards: its chain comes from openai.New \(line 85\); wrap it with langchaingo.Executor or Chain`
	chains.Call(ctx, e, nil)                               // want `chains.Call goes around`
	chains.Predict(ctx, e, nil)                            // want `chains.Predict goes around`
	chains.Apply(ctx, e, nil, 1)                           // want `chains.Apply goes around`
	e.Call(ctx, nil)                                       // want `e.Call goes around`
	agent.Plan(ctx, nil, nil)                              // want `agent.Plan goes around`
	e.Agent.Plan(ctx, nil, nil)                            // want `e.Agent.Plan goes around`
	agent.Tools[0].Call(ctx, "")                           // want `Call goes around`
	chains.Run(ctx, chains.NewLLMChain(raw, ""), question) // want `chains.Run goes around`
	chains.Run(ctx, &chains.LLMChain{LLM: raw}, question)  // want `chains.Run goes around`
	chains.NewLLMChain(raw, "").LLM.Call(ctx, "")          // want `LLM.Call goes around`

	guarded := langchaingo.Executor(e)
	chains.Run(ctx, guarded, question)
	chains.Apply(ctx, guarded, nil, 1)
	guarded.Call(ctx, nil)
	chains.Run(ctx, langchaingo.Chain(chains.NewConversation(raw, nil)), question)

	// What is made of guarded parts calls nothing that is not guarded.
	chains.Run(ctx, chains.NewLLMChain(model, ""), question)
	chains.Run(ctx, &chains.LLMChain{LLM: model, OutputKey: "x"}, question)
	chains.NewLLMChain(model, "").LLM.Call(ctx, "")
	ts := langchaingo.Tools([]tools.Tool{tools.Calculator{}})
	chains.Run(ctx, agents.NewExecutor(agents.NewOneShotAgent(model, ts)), question)
	chains.Run(ctx, agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{tools.Calculator{}})), question) // want `chains.Run goes around the guards: its chain comes from a tools.Calculator`
	chains.Run(ctx, agents.NewExecutor(langchaingo.Agent(agent)), question)

	upper := chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
		return nil, nil
	}, nil, nil)
	both, _ := chains.NewSimpleSequentialChain([]chains.Chain{chains.NewLLMChain(model, ""), upper})
	chains.Run(ctx, both, question)
	one, _ := chains.NewSimpleSequentialChain([]chains.Chain{chains.NewLLMChain(model, ""), chains.NewLLMChain(raw, "")})
	chains.Run(ctx, one, question) // want `chains.Run goes around`

	store, _ := chroma.New()
	r := vectorstores.ToRetriever(store, 1)
	chains.Run(ctx, chains.NewRetrievalQAFromLLM(model, r), question) // want `chains.Run goes around the guards: its chain comes from chroma.New`
	chains.Run(ctx, chains.NewRetrievalQAFromLLM(model, langchaingo.Retriever(r)), question)
}

// Its own interface, smaller than langchaingo's.
type generator interface {
	GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error)
}

// Not a tool, though it has a method of the form.
type phone struct{}

func (phone) Call(ctx context.Context, number string) (string, error) { return "", nil }

func others(ctx context.Context) {
	raw, _ := openai.New()
	var g generator = raw
	g.GenerateContent(ctx, nil) // want `g.GenerateContent goes around`
	g = langchaingo.Model(raw)
	g.GenerateContent(ctx, nil)
	phone{}.Call(ctx, "")
	var _ schema.Retriever
}

// A name guards nothing, and takes no guard away.
func named(ctx context.Context) {
	raw, _ := openai.New()
	langchaingo.Named("triage", raw).Call(ctx, "") // want `Call goes around the guards: its model comes from openai.New .*; wrap it with langchaingo.Model`
	langchaingo.Model(langchaingo.Named("triage", raw)).Call(ctx, "")
	langchaingo.Named("triage", langchaingo.Model(raw)).Call(ctx, "")
	support := langchaingo.NamedChain("support", chains.NewLLMChain(raw, ""))
	chains.Run(ctx, support, "") // want `chains.Run goes around`
	chains.Run(ctx, langchaingo.Chain(support), "")
	chains.Run(ctx, langchaingo.NamedChain("support", langchaingo.Chain(support)), "")
	store, _ := chroma.New()
	manuals := langchaingo.NamedRetriever("manuals", vectorstores.ToRetriever(store, 1))
	manuals.GetRelevantDocuments(ctx, "") // want `manuals.GetRelevantDocuments goes around`
	langchaingo.Retriever(manuals).GetRelevantDocuments(ctx, "")
}
