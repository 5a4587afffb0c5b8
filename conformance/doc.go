// Package conformance shows with langchaingo's own material that guarding a
// chain, a model, an agent or its tools changes nothing that was not asked for.
// It has tests only, in a module of its own: they need all of langchaingo.
//
//	go test ./...                                          // seconds
//	go test -v -timeout 30m -run TestTrap36OwnSuites . -suites      // see below
//
// # Recorded exchanges
//
// TestTrap35RecordedExchanges takes the 141 exchanges with a model's API that langchaingo ships
// as recordings and that have a usage. Each response goes through langchaingo's
// own client, unguarded and guarded. The same request goes out, which is the
// recorded one, and the same response and chunks come back; and the metered
// tokens are those in the recorded bytes, which the test reads by itself. In 137
// exchanges they are. In the other four, streams of googleai, langchaingo's
// client gives wrong numbers, and the metered usage says that it is not known.
//
// The exceptions stand in two tables beside the test, each with its reason.
//
// # Suites
//
// TestTrap36OwnSuites copies langchaingo, has it guard every chain, model, agent and tool
// that the tests of its packages chains and agents make, and runs those tests:
// unguarded; guarded by an interceptor that counts; by one that also passes on a
// copy of all that it sees, as one does that changes something; and the latter
// under the race detector. Every test ends the same way in all four. A run in
// which no call of some kind was guarded fails, and so does an edit that does
// not fit the version of langchaingo; TestEdits finds the latter at once.
//
// The copy differs from the original in three ways, all of them in the edits
// beside the test. Constructors and chains.Call call the hooks. Recordings are
// matched by the value of a JSON body, not by its bytes, or five tests of agents
// fail and one of chains is skipped now and then, guarded or not. And the mocks
// of chains take a context that is derived from the caller's: they want that very
// one, and a guard passes on a context that carries the run.
//
// TestTrap36OwnSuites needs the flag -suites because it compiles langchaingo twice, once
// for the race detector: some minutes the first time, half a minute from then on.
// It downloads the modules of langchaingo that this one does not need. The tests
// are given no key and reach no provider.
//
// # Kits
//
// TestKits runs the kits that langchaingo exports for writers of models,
// testing/llmtest and llms/compliance, against a guarded model.
package conformance
