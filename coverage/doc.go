// Package coverage says what of an agent is guarded, and by what: guards that stand on
// some paths to a model or a tool, and not on all, are the ones that nobody misses until
// it is too late.
//
//	agent := langchaingo.Executor(executor, gates...)
//	fmt.Print(coverage.Walk(agent)) // each model, tool, retriever and memory
//
// and in a test
//
//	coverage.Require(t, agent)
//
// and, once, where the program starts, for the ledger:
//
//	ctx = coverage.Walk(agent).Context(ctx)
//
// # What it proves
//
// [Walk] looks at what was built: through what an adapter guards (the method Guarded of
// package middleware), and by reflection through the fields of chains, agents and tools of
// langchaingo and of your own, a few levels deep. Each model, tool, retriever, memory,
// database of an SQL chain and requester of an API chain that it finds there is an [Item]
// of the [Report], guarded or not.
//
// # What it cannot see
//
// What a func calls: a Transform, or a chain of your own in which Walk finds nothing that
// it knows, is Opaque, and so is what lies too deep. Whether a call is made around what
// was walked, safeconduct-vet finds. Which calls a gate lets pass is for tests to say:
// here it counts that it stands there.
package coverage
