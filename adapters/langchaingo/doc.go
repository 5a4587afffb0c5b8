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
// and each of its tools; [Chain] guards a chain, such as a conversation, and what is in
// it. [Model], [Tool], [Tools], [Agent], [Retriever] and [Memory] guard one thing;
// [Engine] and [Requester] guard what SQLDatabase runs queries
// on and APIChain makes requests with. What they return has the optional
// interfaces that langchaingo looks for if and only if the wrapped value has
// them; for anything else, such as a client's Close, Unwrap gives the wrapped
// value. Records and errors name what is guarded by its Go type, or as [Named],
// [NamedChain] or [NamedRetriever] did.
//
// # What a chain reaches
//
// In the chains of langchaingo itself (LLM, conversation, retrieval, stuff, map-reduce,
// refine, rerank, sequential, SQL, API, math, constitutional), however deep they stand in
// one another, [Chain] and [Executor] guard a copy of each model, retriever, executor and
// memory, and what [Engine] or [Requester] guards already. So one line guards a chat:
//
//	bot := langchaingo.Chain(chains.NewConversation(model, memory),
//		gates.Budget(gates.Limits{Scope: gates.ScopeSession, Tokens: 20_000}))
//
// What is in a chain of another package is guarded where it is made. The interceptors
// are then [middleware.Shared], as they stand around several things:
//
//	guard := middleware.Shared(recorder.Intercept, gates.Budget(gates.Limits{ModelCalls: 5}))
//	chain := langchaingo.Chain(NewMine(langchaingo.Model(model, guard)), guard)
//
// A gate that could never see a call where it stands is refused: one for tools around a
// model, one for models around a chain whose model cannot be reached, one with rules for
// a tool that is not there, and one that counts over the calls of a run where each call
// may be a run of its own. So is one that would miss some of its calls, as a chain of
// another package holds a model, tool, retriever or agent that it does not guard. The
// panic says what to use instead. To find that out, Chain and Executor look into the
// fields of what they do not know, 24 levels deep. They do not see what a func, a tool or
// a callback has, what is made when it is first used, or what may change at any time:
// values of package sync/atomic, fields of type any beside or below a lock, what modules
// other than yours lock, maps there and in a retriever or memory, and maps of anything but
// models, tools, chains and the like, or structs that have them. Make a guard before
// others use what it holds.
//
// What has a model or a tool in it, such as one that tries again, is guarded inside or
// outside, not both: what guards both judges, and counts, each call twice.
//
// # What a denial does
//
// A denial comes back as an error in which errors.As finds a
// *middleware.DeniedError, and stops the run: no call of it starts any more. With
// [middleware.Tell] in the list a denied tool call, or a denied turn, becomes an
// observation instead, and the agent goes on.
//
// Where a turn is denied and told in a guarded [Executor], its whole batch of tool
// calls is answered with the denial, and none of it runs; calls of tools that do not
// exist are answered by the executor itself. That holds for executors that take their
// tools from the agent's GetTools, as those of langchaingo do. With others a denied
// turn stays an error, of the turn or of the run.
//
// A run is one use of what is outermost. A guarded chain that uses chains.Apply
// within is one run, and a denial stops all that Apply has in flight. Where Apply is
// given a guarded chain, each of its inputs is a run of its own, and a denial of one
// stops none of the others: Apply returns it, and goes on with them.
//
// # What an interceptor changes
//
// What an interceptor passes on is what is asked, runs and leaves, by value. Where it
// cannot be, such as a request with a tool more, the call fails. So does a call whose
// Input was modified in place, and not in a copy, since the gates and recorders
// outside have seen another. What stands behind pointers in the values of a chain is
// not looked at.
//
// Of a request to a model the Messages, Tools (to fewer), Model, MaxTokens,
// Temperature, TopP and Stop may be changed; of a response its texts and tool calls.
// The caller gets the very response of the model where nothing was changed.
//
// langchaingo saves to a memory the inputs as they came, whatever a guarded chain
// made of them, and may save outputs that a later gate refuses. [Memory] sees to it
// that what is saved is what the interceptors passed on. A turn of a conversation is one
// run, its save included, where langchaingo makes both: chains.Call, Run, Predict and
// Apply. Of a chain that is called otherwise, and after a denial that stopped the run,
// the save is a run of its own. A turn whose save never comes, as a callback panicked,
// has no end in a ledger, and counts as interrupted; at most 64 of a chain wait for it.
//
// # Streams
//
// What a caller wants to see of an answer while it comes, with
// llms.WithStreamingFunc or chains.WithStreamingFunc, is the Stream of the call
// that it makes: of a model, a chain or a turn. Gates that judge that call hold it
// until they have decided; see [middleware.After]. Pieces of tool calls, which
// langchaingo's client of openai streams as if they were text, are told from it.
//
// Once an interceptor or the caller refused a chunk, no other chunk is passed on, and
// the request fails with that error even where the provider's client says that it
// succeeded. So it does where the context ended. A stream of openai's that was cut
// fails with [ErrStreamCut].
//
// # Strict streams
//
// By itself, langchaingo's client of openai takes a stream for whole that was cut,
// skips lines that it does not know and events that it cannot decode or that hold an
// error, mixes the text of several choices, and appends pieces of a tool call to
// whichever call came last. With [StrictSSE] each of these is a [*StreamError], and
// the client passes on nothing of that event. What else a stream holds is passed on
// byte by byte: members and fields that the client does not know do no harm.
//
// It looks only at answers to streamed requests for /chat/completions, which is how
// openai and those compatible with it are asked; other requests it leaves alone. A
// stream is whole if it ends with [DONE] or, as some providers do not say that, if the
// model has ended and the usage has come. It ends there, whenever the server hangs up;
// what came together with [DONE] and follows it is an error. Each line may have 1 MiB.
// A stream that StrictSSE saw end is no ErrStreamCut.
//
// # Declared tools
//
// A tool of langchaingo takes one string, of whatever form. One that [Declare] was
// given takes a JSON object, and models are told of its schema:
//
//   - An OpenAIFunctionsAgent declares every tool to the provider as one that takes a
//     single string, "__arg1". In a turn that is guarded by [Agent] or [Executor], the
//     request to a model that is guarded too, as by Executor, has the tool's own
//     schema instead. The tool then gets all of the arguments, as the model wrote
//     them.
//   - Agents that are told of their tools in the prompt read the schema in the tool's
//     description. So make the agent of declared tools.
//
// The client of anthropic in langchaingo sends a model none of the tools of an
// OpenAIFunctionsAgent, declared or not. A gate judges the arguments:
//
//	transfer := schema.MustCompile("transfer", `{"type": "object", ...}`)
//	tool := langchaingo.Declare(tool, transfer.JSON())
//	agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, []tools.Tool{tool})),
//		middleware.Tell,
//		schema.Input(schema.Tools{"transfer": transfer}),
//	)
//
// # Queries and requests
//
// What gates may judge of a tool, they may judge of a query that a model has
// SQLDatabase run:
//
//	langchaingo.Engine("sql", engine,
//		gates.Tools("sql"),
//		gates.Arguments(gates.ArgumentRules{"sql": {gates.Text(gates.ReadOnlySQL())}}),
//	)
//
// That is a second line of defence: the first is a database user that may only read.
// Values that a program binds to a query are passed on without a gate. Information
// about a table is given only if the engine lists the table, as engines make SQL out
// of its name. With [middleware.Tell], a denial is the only column of a result without
// rows.
//
// The client that a [Requester] guards should judge addresses and redirects itself,
// since they are not known before the request is made:
//
//	web := gates.NewWeb(gates.WebRules{Hosts: []string{"api.example.com"}})
//	chain := chains.NewAPIChain(model, langchaingo.Requester("http", web.Client(),
//		gates.Arguments(gates.ArgumentRules{"http": {
//			gates.Arg("method", gates.OneOf("GET")), gates.Arg("url", web.URL()),
//		}}),
//	))
//
// Bodies are read whole, up to 10 MiB, and must be UTF-8 in a request. With Tell, a
// denial is the body of a response with status 403. An interceptor that puts another
// Input in the request's place makes it fail.
//
// # Agents of your own
//
// [Executor] reaches the model of langchaingo's agents. Of any other agent each model
// must have been guarded with [Model] when the agent was made, inside of a cache of
// langchaingo's where there is one, and keeps the interceptors that it got there.
// Executor looks for models in the agent's fields, and not in its tools.
//
// Where usage is to be counted once, put Model inside of a cache, not around it: a
// cached response carries the usage of the request that made it.
//
// # What it cannot see
//
// A tool or model that is called around its wrapper is not guarded. The callbacks of
// langchaingo get the inputs as they came, before any interceptor changed them, and
// the callbacks of an agent get what its model streams before the answer of the run
// is judged. Embeddings are passed on without a gate, and so is the loading of memory.
// A vector store that is searched without a retriever is not guarded, nor is what a
// chain's own funcs, such as those of a Transform, call.
package langchaingo
