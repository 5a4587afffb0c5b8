package middleware

import (
	"context"
	"errors"
)

// ErrNoAgain is what [Again] returns where nothing can be carried out again:
// outside of a wrapped call or after it has returned, or within [Shadow], where an
// Interceptor decides and does not act.
var ErrNoAgain = errors.New("middleware: nothing can be carried out again here")

// Again carries out another call of the wrapped tool, chain or model that ctx's
// call belongs to, and returns what comes of it. It is for an [Interceptor] that
// refuses a result and wants a better one: next is called once, and everything
// after that is a call of its own.
//
//	res, err := next(ctx, call)
//	if err == nil && !good(res) {
//		call.Input = better(call.Input)
//		again, err := middleware.Again(ctx, call)
//		return middleware.Result{Output: again.Output, Usage: res.Usage}, err
//	}
//
// The other call passes through all of the interceptors, the caller's own
// included, as a child of ctx's call with an ID of its own: recorders record it,
// budgets charge it, gates judge it. So the caller returns the Usage of its own
// call alone, and must know the other call when it sees it, by a [Within] or a
// value in ctx, lest it asks again without end. An interceptor that holds
// something while a call is under way should stand inside of one that uses Again:
// else it holds the first while it is asked for the second.
//
// A denial of the other call is returned, and does not stop the run: that is up
// to what the caller makes of it. Denials of calls within the other call are as
// ever.
//
// The call is the caller's, of the same Kind and Name, with the Input and the
// Stream that the other one is to have; its ID and Parent are set. The context is
// the caller's or derived from it. Again must be called before the Interceptor
// returns, and not at the same time as next or itself.
func Again(ctx context.Context, call Call) (Result, error) {
	parent := scopeOf(ctx)
	if parent == nil || parent.state.ended() || inShadow(ctx) {
		return Result{}, ErrNoAgain
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if err := parent.run.refusal(&call); err != nil {
		return Result{}, err
	}
	s := parent.run.newScope()
	s.Context, s.run, s.parent, s.chain = ctx, parent.run, parent, parent.chain
	s.depth, s.aside = parent.depth+1, parent.aside
	call.Parent = parent.id
	return begin(s, &call)
}
