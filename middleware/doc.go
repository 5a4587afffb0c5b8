// Package middleware is for whoever puts guards around an agent, or writes one: it
// has one [Call], one [Handler] that carries it out, and one [Interceptor] that adds
// behavior around a Handler.
//
// A gate, a selector, a recorder and a test double are all Interceptors, and
// the order on the page is the order at run time: the first is outermost.
//
//	guarded := middleware.Wrap(shell,
//		middleware.ToolCalls("no-root", func(ctx context.Context, call middleware.ToolCall) error {
//			if strings.Contains(call.Input, "sudo") {
//				return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
//			}
//			return nil
//		}),
//	)
//
// Outside of this module the package imports the standard library only.
//
// # Which way to write a gate
//
// Take [BeforeTool] to judge the calls of one tool, [ToolCalls] those of several, [Before]
// what else goes in, [After] what comes out, and [Transform] or [TransformResult] to put
// something else in its place. [OnTool] has any of them see the calls of one tool alone.
// Write an Interceptor by hand only for what these cannot say, and give it its name
// with [Named]; with a [Gate] where it runs so often that Named is too slow.
//
// # For everyone
//
// [Wrap] guards a tool, a chain or a model. It gives every call a place in a [Run],
// catches panics, honours the context, and stops the whole run once a denial goes
// unhandled. [Compose], [On], [OnTool], [Shadow] and [Tell] put interceptors together;
// [Buffer], [Window] and [PassThrough] say what is held of a stream. A check refuses with
// [Deny], says why it allows with [Allow], or has no say with [ErrAbstain]; callers find
// the [*DeniedError] with errors.As, and [WithIdentity] says on whose behalf a run
// happens. Every decision is noted on the call's [Trail], allows included, where a
// recorder outside can read it. [Onion] prints an order.
//
// # For busy gates
//
// A [Gate] makes a [Ruling] about each call, [Gate.Plans] judges plans for it, and a
// [Hold] keeps back what the call streams. State is kept in a [Local], one for each
// run, or in a [Within], one for each call and the calls within it. A gate that counts
// is a [Meter], and one that wants a better result has the call carried out once more
// with [Again]. A [Layer] says what an Interceptor is, so that an order that makes no
// sense is refused.
//
// # For adapters
//
// An adapter calls [Wrap] once for each thing that it guards, and [Merge] where the
// thing is guarded already. It fills in the payloads ([ModelRequest], [Plan],
// [PlanRequest], ...), carries the provider's ID of a tool call with [WithToolCall],
// and shows an [Observation] to the model, or returns [Trail.Told] where there is
// nobody to tell.
//
// # Carrying a call out again
//
// The other call of [Again] passes through all of the interceptors, the caller's own
// included, as a child of the caller's call with an ID of its own: recorders record
// it, budgets charge it, gates judge it. So the caller returns the Usage of its own
// call alone, and must know the other call when it sees it, by a [Within] or a value
// in the context, lest it asks again without end. An interceptor that holds something
// while a call is under way should stand inside of one that uses Again: else it holds
// the first while it is asked for the second.
//
// A denial of the other call is returned, and does not stop the run: that is up to
// what the caller makes of it. Denials of calls within the other call are as ever.
//
// # Merging two orders
//
// [Merge] looks at what [Compose], [On], [OnTool], [Shadow], [Named] and the rules for streams
// are made of piece by piece, each known by its [Layer.ID], and within [OnTool] by the
// tool too: what is on two tools stays on both. If a piece stands in both
// orders, one of the two stays: the one that does more about a call of that kind. If
// they do the same, the outer one stays, in its place. Enforcing is more than a
// [Shadow], a Shadow is more than a piece for other kinds, being for all tools is more
// than being for one, and holding a stream is more
// than letting it pass. A piece without an ID always stays. A [Tell] of the inner order
// that has no gate left goes too.
package middleware
