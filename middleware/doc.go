// Package middleware is the core of safeconduct: one [Call], one [Handler] that
// carries it out, and one [Interceptor] that adds behavior around a Handler.
//
// A gate, a selector, a recorder and a test double are all Interceptors, and
// the order on the page is the order at run time: the first is outermost.
//
//	guarded := middleware.Wrap(shell,
//		middleware.Before("no-root", func(ctx context.Context, call middleware.Call) error {
//			if strings.Contains(call.Input.(string), "sudo") {
//				return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
//			}
//			return nil
//		}),
//	)
//
// [Wrap] is what adapters use. It gives every call a place in a [Run], catches
// panics, honours the context, and stops the whole run once a denial goes
// unhandled. Gates are written with [Before], [After] and [Transform], or by
// hand as an Interceptor with a name from [Named]. A gate that judges a result
// holds what the call streams until it has decided; see [After]. One that refuses
// a result and wants a better one has the call carried out once more with [Again],
// as a call of its own that all of the interceptors see. Every decision is noted
// on the call's [Trail], allows included, where a recorder outside can read it.
//
// The package imports the standard library only.
package middleware
