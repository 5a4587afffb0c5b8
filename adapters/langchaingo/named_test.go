package langchaingo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// Two models of one type are told apart by their names.
func ExampleNamed() {
	brief := gates.Size(gates.SizeRules{Input: 30})
	triage := langchaingo.Model(langchaingo.Named("triage", says("billing")), brief)
	answers := langchaingo.Model(langchaingo.Named("answers", says("It is paid.")), brief)
	fmt.Println(triage.Call(context.Background(), "Is it paid?"))
	_, err := answers.Call(context.Background(), "Is the invoice of last month paid?")
	fmt.Println(err)
	// Output:
	// billing <nil>
	// answers: denied by size: the input is larger than 30 bytes (bad_input)
}

func ExampleNamedChain() {
	support := langchaingo.Chain(langchaingo.NamedChain("support", exampleExecutor()), gates.Tools("shell"))
	_, err := chains.Run(context.Background(), support, "What is 19*23?")
	fmt.Println(err)
	// Output: support: denied by tools: tool "calc" is not on the allowlist (tool_not_allowed)
}

func ExampleNamedRetriever() {
	manuals := langchaingo.Retriever(langchaingo.NamedRetriever("manuals", newShelf("hr/salaries.md")), gates.Sources(gates.SourceRules{}))
	_, err := manuals.GetRelevantDocuments(context.Background(), "pay")
	fmt.Println(err)
	// Output: manuals: denied by sources: document 1 of 1: no source is allowed (policy)
}

// named says which calls of which names the spy saw end, in order.
func (s *spy) named() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, c := range s.calls {
		all = append(all, c.Kind.String()+" "+c.Name)
	}
	return strings.Join(all, ", ")
}

// TestNamedModels: a named model is the model, with all that it can do, guarded or not.
func TestNamedModels(t *testing.T) {
	for _, m := range []llms.Model{says("a", "b"), &reasoningScript{says("a", "b")}, &embedderScript{says("a", "b")}, &bothScript{reasoningScript{says("a", "b")}, embed{}}} {
		seen := new(spy)
		gone := langchaingo.Named("later", langchaingo.Named("first", m))
		guarded := langchaingo.Model(gone, seen.intercept)
		for what, g := range map[string]llms.Model{
			"named": gone, "guarded": guarded, "guarded twice": langchaingo.Model(guarded, pass),
			"named when guarded": langchaingo.Named("later", langchaingo.Model(langchaingo.Named("first", m), seen.intercept)),
		} {
			_, reasons := m.(llms.ReasoningModel)
			if _, ok := g.(llms.ReasoningModel); ok != reasons || llms.SupportsReasoningModel(g) != llms.SupportsReasoningModel(m) {
				t.Errorf("%s %T: reasons %t, want %t", what, m, ok, reasons)
			}
			_, embeds := m.(interface {
				CreateEmbedding(context.Context, []string) ([][]float32, error)
			})
			if e, ok := g.(interface {
				CreateEmbedding(context.Context, []string) ([][]float32, error)
			}); ok != embeds {
				t.Errorf("%s %T: embeds %t, want %t", what, m, ok, embeds)
			} else if ok {
				if v, err := e.CreateEmbedding(t.Context(), []string{"x"}); err != nil || len(v) != 1 {
					t.Errorf("%s %T: got %v, %v", what, m, v, err)
				}
			}
			bare := g
			for n := 0; bare != m; n++ {
				u, ok := bare.(interface{ Unwrap() llms.Model })
				if !ok || n == 2 {
					t.Fatalf("%s %T: got %T, which does not unwrap to the model", what, m, bare)
				}
				bare = u.Unwrap()
			}
			if what == "named" {
				continue
			}
			if onion := fmt.Sprint(g); !strings.HasPrefix(onion, "model later, guarded by\n") {
				t.Errorf("%s %T: got %q", what, m, onion)
			}
		}
		if got, err := gone.Call(t.Context(), "q"); got != "a" || err != nil || seen.named() != "" {
			t.Errorf("%T: got %q, %v, and calls %q, want it unguarded", m, got, err, seen.named())
		}
		if got, err := guarded.Call(t.Context(), "q"); got != "b" || err != nil || seen.named() != "model later" {
			t.Errorf("%T: got %q, %v, calls %q", m, got, err, seen.named())
		}
	}
}

// TestNamesInChains: what a chain reaches it reaches under its name, as it does without.
func TestNamesInChains(t *testing.T) {
	for _, tt := range chainCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			seen := new(spy)
			plain := tt.make(langchaingo.Named("m", &chatter{}), langchaingo.NamedRetriever("r", &found{}))
			guarded := langchaingo.Chain(langchaingo.NamedChain("c", plain), seen.intercept)
			_, _ = chains.Call(t.Context(), guarded, tt.inputs)
			if got := seen.kinds(); got != tt.kinds {
				t.Errorf("got calls %q, want %q", got, tt.kinds)
			}
			for i, c := range seen.calls {
				want := map[middleware.Kind][]string{
					middleware.KindModel: {"m"}, middleware.KindRetriever: {"r"}, middleware.KindChain: {"c", "memory", "Executor"},
				}[c.Kind]
				if want != nil && !slices.Contains(want, c.Name) {
					t.Errorf("got the name %q of a %s, want one of %q", c.Name, c.Kind, want)
				}
				if i == len(seen.calls)-1 && c.Kind == middleware.KindChain && c.Name != "c" && c.Name != "memory" {
					t.Errorf("got the name %q of the run", c.Name)
				}
			}
			got, want := guarded.GetInputKeys(), plain.GetInputKeys()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got input keys %q, want %q", got, want)
			}
		})
	}
}

// TestNamedChains: a named chain is the chain, whichever way it is guarded.
func TestNamedChains(t *testing.T) {
	agent := func(chain func(chains.Chain) chains.Chain) *agents.Executor {
		a := agents.NewOneShotAgent(langchaingo.Named("m", says("Action: calc\nAction Input: 1", "Final Answer: 1")), []tools.Tool{echoTool("calc")})
		a.Chain = chain(a.Chain)
		return agents.NewExecutor(a)
	}
	asIs := func(c chains.Chain) chains.Chain { return c }
	plain := agent(asIs)
	whole := "model m, plan support, tool calc, model m, plan support, chain support"
	sequence := func(c chains.Chain) chains.Chain {
		s, err := chains.NewSimpleSequentialChain([]chains.Chain{c, contextChain(langchaingo.Named("second", says("done")))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	llm := func() chains.Chain {
		return chains.NewLLMChain(langchaingo.Named("m", says("1")), prompts.NewPromptTemplate("{{.input}}", []string{"input"}))
	}
	for _, tt := range []struct {
		name string
		make func(is middleware.Interceptor) chains.Chain
		want string
	}{
		{"an executor", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Chain(langchaingo.NamedChain("support", agent(asIs)), is)
		}, whole},
		{"a guarded executor", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.NamedChain("support", langchaingo.Executor(agent(asIs), is))
		}, whole},
		{"a guarded executor with another name", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.NamedChain("support", langchaingo.Chain(langchaingo.NamedChain("x", agent(asIs)), is))
		}, whole},
		{"an executor guarded twice", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Chain(langchaingo.Chain(langchaingo.NamedChain("support", agent(asIs)), pass), is)
		}, whole},
		{"an agent with a named chain", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Executor(agent(func(c chains.Chain) chains.Chain { return langchaingo.NamedChain("prompt", c) }), is)
		}, "model m, plan OneShotZeroAgent, tool calc, model m, plan OneShotZeroAgent, chain Executor"},
		{"an executor in a sequence", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Chain(sequence(langchaingo.NamedChain("support", agent(asIs))), is)
		}, whole + ", model second, chain SimpleSequentialChain"},
		{"a guarded executor in a sequence", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Chain(sequence(langchaingo.NamedChain("support", langchaingo.Executor(agent(asIs), is))), is)
		}, whole + ", model second, chain SimpleSequentialChain"},
		{"a chain in a sequence", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Chain(sequence(langchaingo.NamedChain("first", llm())), is)
		}, "model m, model second, chain SimpleSequentialChain"},
		{"a guarded chain in a sequence", func(is middleware.Interceptor) chains.Chain {
			return langchaingo.Chain(sequence(langchaingo.NamedChain("first", langchaingo.Chain(llm(), is))), is)
		}, "model m, chain first, model second, chain SimpleSequentialChain"},
	} {
		seen := new(spy)
		_, err := chains.Call(t.Context(), tt.make(seen.intercept), map[string]any{"input": "x"})
		if err != nil || seen.named() != tt.want {
			t.Errorf("%s: got %v, calls\n%q, want\n%q", tt.name, err, seen.named(), tt.want)
		}
	}

	named := langchaingo.NamedChain("x", langchaingo.NamedChain("support", plain))
	if u := named.(interface{ Unwrap() chains.Chain }).Unwrap(); u != chains.Chain(plain) {
		t.Errorf("got %T, want the executor without its names", u)
	}
	if out, err := chains.Run(t.Context(), named, "x"); strings.TrimSpace(out) != "1" || err != nil {
		t.Errorf("unguarded: got %q, %v", out, err)
	}
	guarded := langchaingo.Chain(named, pass)
	if u := guarded.(interface{ Unwrap() chains.Chain }).Unwrap(); u != named {
		t.Errorf("got %T, want what was given", u)
	}
	again := langchaingo.NamedChain("again", guarded)
	for range 2 { // the name, and the guard
		again = again.(interface{ Unwrap() chains.Chain }).Unwrap()
	}
	if again != chains.Chain(plain) {
		t.Errorf("got %T, want the executor without guard and name", again)
	}
	for _, c := range []chains.Chain{langchaingo.NamedChain("c", llm()), langchaingo.NamedChain("c", plain), guarded} {
		if _, ok := c.(callbacks.HandlerHaver); !ok {
			t.Errorf("%T has no callbacks handler", c)
		}
	}
	if _, ok := langchaingo.NamedChain("c", chains.NewTransform(nil, nil, nil)).(callbacks.HandlerHaver); ok {
		t.Error("a chain without a callbacks handler got one")
	}
	chat := chains.NewConversation(langchaingo.Named("m", says("hello")), memory.NewConversationBuffer())
	seen := new(spy)
	if _, err := chains.Run(t.Context(), langchaingo.Chain(langchaingo.NamedChain("chat", &chat), seen.intercept), "hi"); err != nil ||
		seen.named() != "model m, chain chat, chain memory" {
		t.Errorf("got %v, calls %q", err, seen.named())
	}
}

// TestNamesKeepGuards: a name that is given to what is guarded changes nothing else.
func TestNamesKeepGuards(t *testing.T) {
	no := denyIf(func(middleware.Call) bool { return true })
	_, err := langchaingo.Named("n", langchaingo.Model(says("a"), no)).Call(t.Context(), "q")
	wantDenialOf(t, "n", err)
	_, err = langchaingo.NamedRetriever("n", langchaingo.Retriever(langchaingo.NamedRetriever("o", newShelf("a")), no)).GetRelevantDocuments(t.Context(), "q")
	wantDenialOf(t, "n", err)
	_, err = langchaingo.NamedChain("n", langchaingo.Chain(contextChain(says("a")), no)).Call(t.Context(), map[string]any{"context": "x"})
	wantDenialOf(t, "n", err)
	_, err = chains.Run(t.Context(), langchaingo.NamedChain("n", langchaingo.Executor(exampleExecutor(), no)), "x")
	wantDenialOf(t, "n", err)

	under := newShelf("a")
	r := langchaingo.NamedRetriever("n", langchaingo.NamedRetriever("o", under))
	if u := r.(interface{ Unwrap() schema.Retriever }).Unwrap(); u != schema.Retriever(under) {
		t.Errorf("got %T, want the retriever", u)
	}
	if docs, err := r.GetRelevantDocuments(t.Context(), "q"); sourcesOf(docs) != "a" || err != nil {
		t.Errorf("unguarded: got %v, %v", docs, err)
	}
}

func wantDenialOf(t *testing.T, call string, err error) {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) || d.Call != call {
		t.Errorf("got %v, want a denial of the call %q", err, call)
	}
}

// TestANameGuardsNothing: where the model of an agent of one's own has a name and no
// guard, it is refused as it is without.
func TestANameGuardsNothing(t *testing.T) {
	own := func(m llms.Model) *agents.Executor {
		return agents.NewExecutor(&helped{foreign{agents.NewOneShotAgent(m, []tools.Tool{echoTool("calc")})}, nil})
	}
	nilModel := (*script)(nil)
	for says, f := range map[string]func(){
		"cannot reach the model of the agent *langchaingo_test.helped (langchaingo_test.script)": func() {
			langchaingo.Executor(own(langchaingo.Named("n", says("a"))), pass)
		},
		"(langchaingo_test.reasoningScript)": func() {
			langchaingo.Executor(own(langchaingo.Named("n", &reasoningScript{says("a")})), pass)
		},
		"cannot reach the model langchaingo_test.script: guard": func() {
			langchaingo.Chain(langchaingo.NamedChain("c", own(cache.New(langchaingo.Named("n", says("a")), nil))),
				gates.Budget(gates.Limits{Tokens: 9, ToolCalls: 9}))
		},
		"langchaingo: Chain(c): the gate budget is for model": func() {
			langchaingo.Chain(langchaingo.NamedChain("c", chains.NewTransform(nil, nil, nil)), gates.Budget(gates.Limits{ModelCalls: 1}))
		},
		"langchaingo: Model(n): the gate tools is for":             func() { langchaingo.Model(langchaingo.Named("n", says("a")), gates.Tools("a")) },
		"langchaingo: Named: no name, or a nil model":              func() { langchaingo.Named("", says("a")) },
		"Named: no name, or a nil model":                           func() { langchaingo.Named("n", nilModel) },
		"langchaingo: NamedChain: no name, or a nil chain":         func() { langchaingo.NamedChain("n", nil) },
		"NamedChain: no name, or a nil chain":                      func() { langchaingo.NamedChain("", exampleExecutor()) },
		"langchaingo: NamedRetriever: no name, or a nil retriever": func() { langchaingo.NamedRetriever("", newShelf()) },
		"NamedRetriever: no name, or a nil retriever":              func() { langchaingo.NamedRetriever("n", nil) },
	} {
		func() {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.Contains(v, says) {
					t.Errorf("got panic %q, want %q", v, says)
				}
			}()
			f()
		}()
	}
	for _, m := range []llms.Model{
		langchaingo.Named("n", langchaingo.Model(says("a"), pass)), langchaingo.Named("n", cache.New(langchaingo.Model(says("a"), pass), nil)),
		langchaingo.Model(langchaingo.Named("n", says("a")), pass),
	} {
		langchaingo.Executor(own(m), pass)
	}
}

// TestNamesAndPrices: a name is no model to reckon by, unless the prices have it.
func TestNamesAndPrices(t *testing.T) {
	prices, err := gates.ReadPrices(strings.NewReader("safeconduct prices v1\nsource contract ours\n" +
		"model 2026-01-01 contract big input=1000000000 output=1000000000\nalias 2026-01-01 contract triage big\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		options gates.BudgetOptions
		ask     []llms.CallOption
		want    string
	}{
		{"answers", gates.BudgetOptions{Model: "gpt-4o"}, nil, ""},
		{"answers", gates.BudgetOptions{Prices: prices, Model: "big"}, nil, "over_budget"},
		{"triage", gates.BudgetOptions{Prices: prices}, nil, "over_budget"},
		{"answers", gates.BudgetOptions{Prices: prices}, []llms.CallOption{llms.WithModel("big")}, "over_budget"},
		{"answers", gates.BudgetOptions{}, nil, `no price is known for model "answers": BudgetOptions.Prices can have one, and BudgetOptions.Model says which`},
		{"answers", gates.BudgetOptions{}, []llms.CallOption{llms.WithModel("gpt-4o")}, ""},
	} {
		budget := gates.BudgetWith(tt.options, gates.Limits{Cost: 1_000_000, Scope: gates.ScopeProcess})
		m := langchaingo.Model(langchaingo.Named(tt.name, says("a")), budget)
		if _, err := m.Call(t.Context(), "q", tt.ask...); tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s, %+v: got %v, want %q", tt.name, tt.options.Model, err, tt.want)
		}
	}
}
