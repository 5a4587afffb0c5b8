package langchaingo

import (
	"fmt"
	"reflect"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"

	"example.com/safeconduct/middleware"
)

// Executor guards all that an executor does: the run as by [Chain], with its
// memory; each turn and each tool as by [Agent]; and each request to the model
// as by [Model]. Every call passes through all of the interceptors, in the order
// given; [middleware.On] restricts one to a kind of call.
//
// The executor and its agent are copied, not changed. Executor reaches the model
// of the agents of langchaingo. Of any other agent it must have been guarded
// with [Model] when the agent was made, and keeps the interceptors that it got
// there.
//
// Executor panics if e or its agent is nil, if the agent has no tools or tools
// that cannot be told apart, if it has a model that is not guarded and that
// Executor cannot reach, and as [Chain] does.
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
		a, is = g.Agent, is.around(g.is)
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
	if !holdsGuardedModel(reflect.ValueOf(holder), 4) {
		panic(fmt.Sprintf("langchaingo: Executor: cannot reach the model of the agent %T; "+
			"guard it where the agent is made, with langchaingo.Model(model, interceptors...)", a))
	}
}

var guardedModelType = reflect.TypeFor[guardedModel]()

// holdsGuardedModel looks for a guarded model in the fields of v, and in what
// they point to, a few levels deep.
func holdsGuardedModel(v reflect.Value, levels int) bool {
	if !v.IsValid() || levels == 0 {
		return false
	}
	if v.Type().Implements(guardedModelType) && v.Kind() == reflect.Pointer {
		return !v.IsNil()
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return holdsGuardedModel(v.Elem(), levels)
	case reflect.Struct:
		for i := range v.NumField() {
			if holdsGuardedModel(v.Field(i), levels-1) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if holdsGuardedModel(v.Index(i), levels-1) {
				return true
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if holdsGuardedModel(v.MapIndex(k), levels-1) {
				return true
			}
		}
	}
	return false
}
