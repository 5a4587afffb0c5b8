package gates

import (
	"context"
	"time"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// timed bounds the time of a run, around what is counted.
func (b *budget) timed(next middleware.Handler) middleware.Handler {
	counted := b.counted(next, false).handler()
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		end := b.deadline(b.state(ctx))
		if !time.Now().Before(end) {
			return middleware.Result{}, b.denyLate(nil)
		}
		if d, ok := ctx.Deadline(); ok && !d.After(end) {
			return counted(ctx, call) // the caller's deadline, or that of a call around
		}
		inner, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		res, err := counted(inner, call)
		if inner.Err() != nil && ctx.Err() == nil && foreign.Is(err, inner.Err()) && !isDenied(err) {
			return middleware.Result{Usage: res.Usage}, b.denyLate(err)
		}
		return res, err
	}
}

// deadline returns when the time of a run is over.
func (b *budget) deadline(st *runState) time.Time {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	return st.began.Add(b.wallTime)
}

func (b *budget) denyLate(cause error) error {
	return &middleware.DeniedError{
		Code: middleware.CodeOverBudget, Err: cause,
		Reason: "limit " + limitWallTime + " of the run: " + b.wallTime.String() + " are over",
	}
}
