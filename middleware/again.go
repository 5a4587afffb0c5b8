package middleware

import (
	"context"
	"errors"
)

// ErrNoAgain is what [Again] returns where nothing can be carried out again:
// outside of a wrapped call or after it has returned, or within [Shadow], where an
// Interceptor decides and does not act.
var ErrNoAgain = errors.New("middleware: nothing can be carried out again here")

// Again is for an [Interceptor] that refuses a result and wants a better one. It
// carries out another call of the tool, chain or model that is wrapped, through all
// of the interceptors, and returns what comes of it; see the package's doc.
//
//	res, err := next(ctx, call)
//	if err == nil && !good(res) {
//		call.Input = better(call.Input)
//		again, err := middleware.Again(ctx, call)
//		return middleware.Result{Output: again.Output, Usage: res.Usage}, err
//	}
//
// The call is the caller's, of the same Kind and Name, with the Input and the
// Stream that the other one is to have; its ID and Parent are set by Again. The
// context is the caller's or derived from it. Again must be called before the
// Interceptor returns, and not at the same time as next or itself.
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
	s.depth, s.inShadow = parent.depth+1, parent.inShadow
	call.Parent = parent.id
	return begin(s, &call)
}
