package langchaingo

import (
	"fmt"
	"reflect"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/cache"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/middleware"
)

// Executor guards all that an executor does: the run as by [Chain], with its memory;
// each turn and each tool as by [Agent]; and each request to the model as by [Model].
// Every call passes through all of the interceptors, in the order given;
// [middleware.On] restricts one to a kind of call. The executor and its agent are
// copied, not changed. For agents that are not langchaingo's own see "Agents of your
// own" in the package doc.
//
// Executor panics if e or its agent is nil, if the agent has no tools or tools that
// cannot be told apart, if it has a model that is not guarded and that Executor
// cannot reach, and as [Chain] does.
func Executor(e *agents.Executor, is ...middleware.Interceptor) chains.Chain {
	if e == nil || isNil(e.Agent) {
		panic("langchaingo: Executor: nil executor or agent")
	}
	if len(e.Agent.GetTools()) == 0 {
		panic(fmt.Sprintf("langchaingo: Executor: the agent %T has no tools", e.Agent))
	}
	guarded := *e
	guarded.Agent = guardAgent(e.Agent, newGuards(is))
	return Chain(&guarded, is...)
}

// guardAgent guards an agent's turns, tools and model.
func guardAgent(a agents.Agent, is guards) agents.Agent {
	if g, ok := a.(*agent); ok {
		a, is = g.Agent, is.outsideOf(g.is)
	}
	switch inner := a.(type) {
	case *agents.OneShotZeroAgent:
		c := *inner
		c.Chain = guardChainModel(a, c.Chain, is.model)
		a = &c
	case *agents.ConversationalAgent:
		c := *inner
		c.Chain = guardChainModel(a, c.Chain, is.model)
		a = &c
	case *agents.OpenAIFunctionsAgent:
		c := *inner
		c.LLM = Model(c.LLM, is.model...)
		a = &c
	default:
		mustHoldGuardedModel(a, a)
	}
	return guardTurns(a, is)
}

// guardChainModel guards the model of an agent's chain.
func guardChainModel(a agents.Agent, c chains.Chain, is []middleware.Interceptor) chains.Chain {
	if isNil(c) {
		mustHoldGuardedModel(a, nil)
	}
	switch inner := c.(type) {
	case *chains.LLMChain:
		guarded := *inner
		guarded.LLM = Model(inner.LLM, is...)
		return &guarded
	case chains.LLMChain:
		inner.LLM = Model(inner.LLM, is...)
		return inner
	case *chain:
		return Chain(guardChainModel(a, inner.inner, is), inner.is...)
	case *handlerChain:
		return Chain(guardChainModel(a, inner.inner, is), inner.is...)
	}
	mustHoldGuardedModel(a, c)
	return c
}

func mustHoldGuardedModel(a agents.Agent, holder any) {
	m := models{seen: make(map[visited]int)}
	m.find(reflect.ValueOf(holder), 8)
	if m.guarded && m.unguarded == "" {
		return
	}
	panic(fmt.Sprintf("langchaingo: Executor: cannot reach the model of the agent %T%s; "+
		"guard it where the agent is made, with langchaingo.Model(model, interceptors...)", a, m.unguarded))
}

// models are those that an agent has.
type models struct {
	guarded   bool
	unguarded string          // the type of one, in brackets
	seen      map[visited]int // and how many levels were looked at from there
}

type visited struct {
	t reflect.Type
	p uintptr
}

// find looks for models in the fields of v, and in what they point to, a few levels
// deep. The models of tools are not the agent's.
func (m *models) find(v reflect.Value, levels int) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || levels == 0 || v.Kind() == reflect.Pointer && v.IsNil() || v.Type().Implements(reflect.TypeFor[tools.Tool]()) {
		return
	}
	modelType := reflect.TypeFor[llms.Model]()
	switch {
	case v.Type() == reflect.TypeFor[*cache.Cacher](), v.Type() == reflect.TypeFor[cache.Cacher]():
		// Of a cache, what counts is the model that it asks.
	case v.Type().Implements(reflect.TypeFor[guardedModel]()):
		m.guarded = true
		return
	case reflect.PointerTo(v.Type()).Implements(modelType) || v.Type().Implements(modelType):
		m.unguarded = " (" + v.Type().String() + ")"
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if at := (visited{v.Type(), v.Pointer()}); m.seen[at] < levels {
			m.seen[at] = levels
			m.find(v.Elem(), levels)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			m.find(v.Field(i), levels-1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			m.find(v.Index(i), levels-1)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			m.find(v.MapIndex(k), levels-1)
		}
	}
}
