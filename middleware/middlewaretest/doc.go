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
// The package imports middleware and the standard library only.
package middlewaretest
