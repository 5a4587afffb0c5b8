package gates

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// DeadlineRules bound how long calls take. A time that is zero is no bound: the zero
// DeadlineRules bound nothing, which [Deadline] refuses.
type DeadlineRules struct {
	// Call bounds each call of a tool, a model or a retriever. Chains and
	// plans, which wait for others, it does not bound.
	Call time.Duration

	// Run bounds all calls of a run together, from the first one through the
	// gate. A call outside of any run is a run of its own.
	Run time.Duration
}

// Deadline returns the gate "deadline", which ends what takes too long. A call that
// begins when the time of its run is over is denied with [middleware.CodeDeadline], and
// so is one under way that the gate's deadline ends; where the caller's deadline is
// earlier, the context's error comes back. Within a call whose time is over, the calls of
// it fail with the context's error. What a call spent stays in its Usage.
//
// Deadline waits for what it ends: a tool that does not look at its context is not left
// behind, and its output is withheld when it returns. Deadline panics if a time is
// negative, or if both are zero.
func Deadline(rules DeadlineRules) middleware.Interceptor {
	if rules.Call < 0 || rules.Run < 0 {
		panic(fmt.Sprintf("gates: Deadline: negative time in %+v", rules))
	}
	if rules == (DeadlineRules{}) {
		panic("gates: Deadline: DeadlineRules that bound nothing")
	}
	d := &deadline{DeadlineRules: rules}
	return saying(middleware.Named("deadline", d.intercept), func(l *middleware.Layer) {
		if d.Call > 0 {
			l.Counts = outwardKinds()
		}
		if d.Run == 0 {
			l.Kinds = l.Counts
		}
	})
}

// A deadline is a Deadline made ready.
type deadline struct {
	DeadlineRules
	runs middleware.Local[runStart]
}

// A runStart is when the gate first saw a run.
type runStart struct {
	once  sync.Once
	began time.Time
}

func (s *runStart) time() time.Time {
	s.once.Do(func() { s.began = time.Now() })
	return s.began
}

func (d *deadline) intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		end, over := d.end(ctx, call.Kind)
		if end.IsZero() {
			return next(ctx, call)
		}
		if !time.Now().Before(end) {
			return middleware.Result{}, d.denyLate(over, nil)
		}
		if outer, ok := ctx.Deadline(); ok && !outer.After(end) {
			return next(ctx, call) // the shorter one wins
		}
		inner, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		res, err := next(inner, call)
		if inner.Err() == nil || ctx.Err() != nil || err != nil && (!foreign.Is(err, inner.Err()) || isDenied(err)) {
			return res, err
		}
		return middleware.Result{Usage: res.Usage}, d.denyLate(over, err)
	}
}

// end returns when the call must end, and the time that is over then.
func (d *deadline) end(ctx context.Context, kind middleware.Kind) (end time.Time, over time.Duration) {
	if d.Run > 0 {
		end, over = d.runs.In(middleware.RunOf(ctx)).time().Add(d.Run), d.Run
	}
	if d.Call > 0 && outward(kind) {
		if e := time.Now().Add(d.Call); end.IsZero() || e.Before(end) {
			end, over = e, d.Call
		}
	}
	return end, over
}

func (d *deadline) denyLate(over time.Duration, cause error) error {
	what := "the run's "
	if over == d.Call && over != d.Run {
		what = "the call's "
	}
	return &middleware.DeniedError{Code: middleware.CodeDeadline, Reason: what + over.String() + " are over", Err: cause}
}
