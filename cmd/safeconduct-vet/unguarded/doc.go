// Package unguarded is an analyzer that finds calls around a guard:
//
//	model, err := openai.New()
//	...
//	agent := langchaingo.Executor(executor, gates...)
//	chains.Run(ctx, agent, question)                   // guarded
//	llms.GenerateFromSinglePrompt(ctx, model, question) // reported
//
// Run it as "go vet -vettool=$(which safeconduct-vet) ./...": see command
// safeconduct-vet.
//
// # What it finds
//
// It looks at packages that import safeconduct, and at all others of a module whose
// go.mod requires it. Tests are left out, but for the flag -tests. It reports, where
// the value is not visibly guarded,
//
//   - GenerateContent and Call of a model, and llms.GenerateFromSinglePrompt
//   - Call of a tool, which is what has a Name and a Description too
//   - GetRelevantDocuments of a retriever, and SimilaritySearch of a vector store
//   - Call of a chain or executor, and chains.Run, Call, Predict and Apply
//   - Plan of an agent
//   - requests of the clients of OpenAI, Anthropic and Google, and tool calls of
//     clients of the Model Context Protocol
//   - any of these methods that is taken as a func value.
//
// Making a chain, agent or executor of an unguarded model is no call.
//
// # What is guarded
//
// A value is guarded if it comes from Model, Tool, Tools, Retriever, Chain, Executor or
// Agent of package adapters/langchaingo. It is followed through variables, fields,
// slices, maps, channels, closures, the results of funcs, and from package to package.
// A field, an element or a variable of the package is guarded if all that the package
// assigns to it is; of a variable of a func, what was assigned last counts.
//
// What langchaingo, or a type of the program's own, makes of guarded parts only is as
// guarded as they are: a chain of a guarded model, a cache of one. A tool that calls a
// guarded model is not for that a guarded tool. A provider's client is guarded by an
// option that comes from a package in safeconduct/adapters.
//
// A func that calls its parameter is as good as the call: reported is whoever hands it
// a value that is not guarded, also in another package. Where nobody can be seen to
// call it, and it is handed on as a value, the call in it is reported.
//
// Calls in a func that middleware.Wrap is given are guarded, of whatever kind. In a
// method of a type that is itself a model, tool, retriever, chain or agent, so are
// calls of that kind, as the call that it hands on is the one that its own guard has
// judged. So are those in funcs that nothing else calls. A tool that asks an unguarded
// model is reported.
//
// In doubt, a call is reported: of a value from a context, say, or from a func value of
// another package.
//
// # Unguarded on purpose
//
// A comment that begins so silences the calls of the line that it ends, or alone on a
// line those of the next:
//
//	model.Call(ctx, "ping") //safeconduct:unguarded a health check, without users' text
//
// It must give a reason, and silence something; one that does not is reported. With
// the flag -list all of them are reported, each with its reason.
//
// # What it cannot see
//
// It does not see what reflection calls, nor what code does outside of packages that
// import langchaingo, a known client or one that does. What a guard is made of is not
// looked at: Agent does not guard the agent's model, and gates may allow everything.
// Memories, embeddings, SQL engines and HTTP requests are not looked at, nor what is
// assigned through a pointer to a variable that another func holds.
package unguarded
