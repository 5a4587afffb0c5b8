// Package langchaingotest has what tests of an agent on langchaingo need: a model and
// tools that follow a script, and a recorder of what happened.
//
//	func TestNobodyIsPaidUnasked(t *testing.T) {
//		var happened langchaingotest.Recorder
//		model := langchaingotest.NewModel(t,
//			langchaingotest.Call("approve", "order 17"),
//			langchaingotest.Call("pay", "order 17"),
//			langchaingotest.Call("web", "https://evil.example"),
//			langchaingotest.Say("Paid."),
//		)
//		agent := langchaingo.Executor(newExecutor(model), happened.Intercept, middleware.Tell, gate)
//		if _, err := chains.Run(t.Context(), agent, "Pay order 17."); err != nil {
//			t.Fatal(err)
//		}
//		happened.Called(t, "pay").Once().After("approve")
//		happened.Denied(t, "web").By("host")
//	}
//
// # The script
//
// A [Model] gives one [Answer] to each request, in order: [Say] and [Call] are what
// the functions agent of langchaingo understands, [Act] and [Finish] what its ReAct
// agents do. A [Tool] has a script of [Say] and [Fail].
//
// A script that has run out is an error, which says which request came and shows its
// last message. A Model or Tool that was given a testing.TB also fails the test at its
// end, for a request that came after the script had run out and for an answer that
// nobody asked for. One that was given nil leaves that to you; see Left.
//
// # The recorder
//
// A [Recorder] is the first of the interceptors, so that it sees every denial: further
// in than a gate it is refused. It keeps each call with its input, what the gates
// decided, and what came of it. Its assertions read like sentences, and one that fails
// prints the whole trail:
//
//	called pay: got 2 calls, want 1; this happened:
//	  1 chain Executor: done
//	  2   plan OpenAIFunctionsAgent: done, asks for pay
//	  ...
//
// Everything in the package is safe for concurrent use. Answers go to requests in the
// order in which these arrive.
package langchaingotest
