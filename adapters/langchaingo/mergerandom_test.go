package langchaingo_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/middleware"
)

// A dice is a gate that denies calls of one kind, or none, and counts how often it
// judges each call.
type dice struct {
	middleware.Interceptor
	denies middleware.Kind
	judged map[middleware.CallID]int
}

func newDice(name string, denies middleware.Kind) *dice {
	d := &dice{denies: denies, judged: make(map[middleware.CallID]int)}
	d.Interceptor = middleware.Before(name, func(_ context.Context, call middleware.Call) error {
		d.judged[call.ID]++
		if call.Kind == d.denies {
			return middleware.Deny(middleware.CodePolicy, "no")
		}
		return nil
	})
	return d
}

// A stack is a random order of gates, and which of them it enforces for which kind.
type stack struct {
	is       []middleware.Interceptor
	enforces map[middleware.Kind]map[*dice]bool
}

var someKinds = []middleware.Kind{middleware.KindChain, middleware.KindPlan, middleware.KindModel, middleware.KindTool}

func randomOrder(r *rand.Rand, gates []*dice) stack {
	o := stack{enforces: make(map[middleware.Kind]map[*dice]bool)}
	for _, k := range someKinds {
		o.enforces[k] = make(map[*dice]bool)
	}
	tell := r.IntN(3) == 0
	for _, i := range r.Perm(len(gates))[:1+r.IntN(len(gates))] {
		in, kind, shadow := gates[i].Interceptor, middleware.Kind(0), false
		for range r.IntN(4) {
			switch r.IntN(6) {
			case 0:
				in, shadow = middleware.Shadow(in), true
			case 1:
				if kind == 0 {
					kind = someKinds[r.IntN(len(someKinds))]
					in = middleware.On(kind, in)
				}
			case 2:
				in = middleware.Named("named", in)
			case 3:
				in = middleware.Compose(in, pass)
			case 4:
				in = middleware.PassThrough(middleware.Compose(pass, in))
			case 5:
				if tell {
					in, tell = middleware.Compose(middleware.Tell, in), false
				}
			}
		}
		for _, k := range someKinds {
			o.enforces[k][gates[i]] = !shadow && (kind == 0 || kind == k)
		}
		o.is = append(o.is, in)
	}
	if r.IntN(2) == 0 {
		o.is = []middleware.Interceptor{middleware.Compose(o.is...)}
	}
	return o
}

// reached counts the calls that came to what was guarded, by their kinds.
type reached map[middleware.Kind]int

type countedAgent struct {
	agents.Agent
	reached reached
}

func (a *countedAgent) Plan(
	ctx context.Context, s []schema.AgentStep, in map[string]string, o ...chains.ChainCallOption,
) ([]schema.AgentAction, *schema.AgentFinish, error) {
	a.reached[middleware.KindPlan]++
	return a.Agent.Plan(ctx, s, in, o...)
}

// guardWith guards v with the orders, the first outermost, and returns those that it has
// now: one with a gate that would see no call is refused.
func guardWith[T any](v *T, orders []stack, guard func(T, ...middleware.Interceptor) T) (held []stack) {
	for i := range orders {
		o := orders[len(orders)-1-i]
		func() {
			defer func() {
				if said := recover(); said != nil && !strings.Contains(fmt.Sprint(said), "it would do nothing") {
					panic(said)
				}
			}()
			*v = guard(*v, o.is...)
			held = append(held, o)
		}()
	}
	return held
}

// TestNoGateIsLostThroughAnyWrapper guards tools, models, chains, agents and
// executors several times over, with random orders: what any of them enforces for a
// kind of call keeps every such call from being made, nothing else does, and no gate
// judges a call twice.
func TestNoGateIsLostThroughAnyWrapper(t *testing.T) {
	trials := 8_000 // of which many are refused where they are made, in part
	if testing.Short() {
		trials = 2_000
	}
	refused := 0
	for seed := range trials {
		r := rand.New(rand.NewPCG(uint64(seed), 2))
		kind := someKinds[r.IntN(len(someKinds))]
		var gates []*dice
		for i := range 4 {
			denies := middleware.Kind(0)
			if r.IntN(4) == 0 {
				denies = kind
			}
			gates = append(gates, newDice(fmt.Sprint(i), denies))
		}
		got := make(reached)
		calc := tools.Tool(&funcTool{"calc", func(context.Context, string) (string, error) {
			got[middleware.KindTool]++
			return "437", nil
		}})
		script := says(mrklCalls, "Final Answer: 437")
		script.before = func(context.Context, string) error {
			got[middleware.KindModel]++
			return nil
		}
		model := llms.Model(script)

		orders := []stack{randomOrder(r, gates), randomOrder(r, gates), randomOrder(r, gates)}
		var of []stack // those that hold for calls of the kind
		var call func() error
		switch what := r.IntN(3); {
		case what == 0 && kind == middleware.KindTool:
			of = guardWith(&calc, orders, langchaingo.Tool)
			call = func() error { _, err := calc.Call(t.Context(), "19*23"); return err }
		case what == 0 && kind == middleware.KindModel:
			of = guardWith(&model, orders, langchaingo.Model)
			call = func() error { _, err := model.Call(t.Context(), "q"); return err }
		case what == 0 && kind == middleware.KindChain:
			c := chains.Chain(chains.NewTransform(func(context.Context, map[string]any, ...chains.ChainCallOption) (map[string]any, error) {
				got[middleware.KindChain]++
				return map[string]any{"text": "437"}, nil
			}, nil, []string{"text"}))
			of = guardWith(&c, orders, langchaingo.Chain)
			call = func() error { _, err := chains.Call(t.Context(), c, nil); return err }
		default:
			// An executor, whose agent, model and tool may be guarded already.
			if own := r.IntN(3); own > 0 {
				if held := guardWith(&calc, orders[own:own+1], langchaingo.Tool); kind == middleware.KindTool {
					of = append(of, held...)
				}
			}
			if own := r.IntN(3); own > 0 {
				if held := guardWith(&model, orders[own:own+1], langchaingo.Model); kind == middleware.KindModel {
					of = append(of, held...)
				}
			}
			a := agents.Agent(agents.NewOneShotAgent(model, []tools.Tool{calc}))
			if kind == middleware.KindPlan {
				// One that Executor cannot reach the model of.
				a = &countedAgent{agents.NewOneShotAgent(langchaingo.Model(model, pass), []tools.Tool{calc}), got}
			}
			if own := r.IntN(3); own > 0 {
				if held := guardWith(&a, orders[own:own+1], langchaingo.Agent); kind != middleware.KindChain {
					of = append(of, held...)
				}
			}
			var run chains.Chain = agents.NewExecutor(a)
			executor := func(c chains.Chain, is ...middleware.Interceptor) chains.Chain {
				return langchaingo.Executor(c.(*agents.Executor), is...)
			}
			held := guardWith(&run, orders[:1], executor)
			if len(held) == 0 {
				refused++
				continue
			}
			of = append(of, held...)
			call = func() error {
				_, err := chains.Run(t.Context(), run, "q")
				if kind == middleware.KindChain {
					got[kind] = got[middleware.KindModel]
				}
				return err
			}
		}
		denied := false
		for _, o := range of {
			for g, enforced := range o.enforces[kind] {
				denied = denied || enforced && g.denies == kind
			}
		}
		err := call()
		describe := func() (s string) {
			for _, o := range orders {
				s += "\n" + middleware.Onion(o.is...)
			}
			return s
		}
		if ran := got[kind] > 0; ran == denied || !denied && err != nil {
			t.Fatalf("seed %d: a %s call ran %v, %v, want it denied %v%s", seed, kind, ran, err, denied, describe())
		}
		for i, g := range gates {
			for id, n := range g.judged {
				if n > 1 {
					t.Fatalf("seed %d: gate %d judged call %s %d times%s", seed, i, id, n, describe())
				}
			}
		}
	}
	if refused > trials/2 {
		t.Errorf("%d of %d trials were refused where they were made", refused, trials)
	}
}
