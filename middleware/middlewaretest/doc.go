// Package middlewaretest is the kit for people who write gates and other
// interceptors, and for people who test what they wrap.
//
// A gate's test makes a call, sends it through a guarded double, and looks at
// what came of it:
//
//	func TestNoRoot(t *testing.T) {
//		shell := middleware.Wrap(middlewaretest.Echo, noRoot)
//		_, err := shell(t.Context(), middlewaretest.Tool("shell", "sudo ls"))
//		middlewaretest.WantDenied(t, err, middleware.CodePolicy)
//	}
//
// [TestInterceptor] checks that an interceptor keeps to the contract of
// [middleware.Interceptor], rule by rule:
//
//	func TestContract(t *testing.T) {
//		newGate := func() middleware.Interceptor { return noRoot }
//		if err := middlewaretest.TestInterceptor(newGate); err != nil {
//			t.Error(err)
//		}
//	}
//
// # The rules of TestInterceptor
//
//	handler           an Interceptor returns a Handler
//	describe          an Interceptor that says what it is gives its name
//	reach             at least one of the calls reaches next, or nothing is tested
//	kinds             no kind of call makes it panic, where Input and Output are those of the kind
//	return            the Handler returns once next has returned
//	once              next is called at most once
//	again             a call that middleware.Again carries out is of the same Kind and Name, and streams only where the first does
//	identity          the ID, Parent, Kind and Name of a call reach next as they came
//	input             an Input is replaced, never modified in place
//	stream            a Stream that was nil stays nil
//	stream-error      an error of the caller's Stream ends the stream
//	context-values    the values of the context reach next
//	context-deadline  the deadline of the context reaches next
//	context-cancel    the end of the context reaches next
//	error             an error of next comes back, found by errors.Is; only a denial may become an Observation
//	output            where an error comes back, Output is nil
//	usage             what next spent comes back, whether the call is done, denied or failed
//	denial            a refusal is a *DeniedError with a Code and a Reason
//	panic             a panic of next goes on or becomes an error, and what was held is released
//	goexit            where next ends its goroutine, what was held is released, and no success comes back
//	own-panic         an interceptor that panics by itself denies
//	concurrent        calls at the same time do not get into each other's way
//	apart             one Interceptor applied to two Handlers keeps them apart
//	goroutine         no goroutine that a call started outlives the call and its context
//
// An interceptor that denies some of the calls is held to the rules for denials. A
// call that hangs is given up after ten seconds, and after two of them the rest is not
// tried. For the rule "kinds" a call of each kind is tried, whichever were given. What calls at the same time do to the
// interceptor's own state is for the race detector to see.
//
// The package imports middleware and the standard library only.
package middlewaretest
