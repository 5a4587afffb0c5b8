package langchaingo

import (
	"fmt"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"

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
// cannot reach, if a gate has rules for a tool that the agent does not have, and as
// [Chain] does.
func Executor(e *agents.Executor, is ...middleware.Interceptor) chains.Chain {
	if e == nil || isNil(e.Agent) {
		panic("langchaingo: Executor: nil executor or agent")
	}
	if len(e.Agent.GetTools()) == 0 {
		panic(fmt.Sprintf("langchaingo: Executor: the agent %T has no tools", e.Agent))
	}
	r := newReach(is)
	r.strict = true
	guarded := r.outermost(e)
	r.check("Executor", e.Agent, is)
	return ofUser(e, newChain(guarded, is))
}
