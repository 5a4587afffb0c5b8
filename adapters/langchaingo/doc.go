// Package langchaingo guards chains, models, tools, agents and memories of
// github.com/tmc/langchaingo. One line adopts an existing agent:
//
//	agent := langchaingo.Executor(executor,
//		recorder.Intercept,
//		gates.Tools("calculator"),
//		gates.Budget(gates.Limits{ToolCalls: 5, Tokens: 20_000}),
//	)
//	answer, err := chains.Run(ctx, agent, "What is 19 * 23?")
//
// [Executor] guards the run, each turn of the agent, each request to its model
// and each of its tools. [Chain], [Model], [Tool], [Tools], [Agent] and [Memory]
// guard one of them; [Engine] and [Requester] guard what SQLDatabase runs queries
// on and APIChain makes requests with. What they return has the optional
// interfaces that langchaingo looks for if and only if the wrapped value has
// them; for anything else, such as a client's Close, Unwrap gives the wrapped
// value.
//
// [Declare] gives a tool a schema of its arguments, which reaches the model. A tool
// of langchaingo takes one string otherwise, of whatever form.
//
// # What a denial does
//
// A denial comes back as an error in which errors.As finds a
// *middleware.DeniedError, and stops the run: no call of it starts any more. With
// [middleware.Tell] in the list a denied tool call, or a denied turn, becomes an
// observation instead, and the agent goes on.
//
// A run is one use of what is outermost. A guarded chain that uses chains.Apply
// within is one run, and a denial stops all that Apply has in flight. Where Apply is
// given a guarded chain, each of its inputs is a run of its own, and a denial of one
// stops none of the others: Apply returns it, and goes on with them.
//
// # What an interceptor changes
//
// What it passes on is what is asked, runs and leaves, by value, or the call fails:
// also where it says what cannot be asked, such as a tool more. An Input that was
// modified in place, and not in a copy, fails the call, since the gates and recorders
// outside have seen another. What stands behind pointers in the values of a chain is
// not looked at.
//
// # Streams
//
// What a caller wants to see of an answer while it comes, with
// llms.WithStreamingFunc or chains.WithStreamingFunc, is the Stream of the call
// that it makes: of a model, a chain or a turn. Gates that judge that call hold it
// until they have decided; see [middleware.After]. Pieces of tool calls, which
// langchaingo's client of openai streams as if they were text, are told from it.
// [StrictSSE] finds in a stream what that client overlooks.
//
// # What it cannot see
//
// A tool or model that is called around its wrapper is not guarded. The
// callbacks of langchaingo get the inputs as they came, before any interceptor
// changed them, and those of an agent what its model streams before the answer of
// the run is judged. Embeddings are passed on without a gate, and so is the loading
// of memory.
package langchaingo
