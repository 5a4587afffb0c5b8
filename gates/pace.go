package gates

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"example.com/safeconduct/middleware"
)

// PaceRules say how fast calls may follow one another.
type PaceRules struct {
	// Calls may be made in each Per, on average. Both must be set.
	Calls int
	Per   time.Duration

	// Burst is how many may be made at once, before the pace holds. Zero
	// means Calls.
	Burst int

	// MaxWait is how long a call may wait until it is its turn. Zero means
	// that it does not wait.
	MaxWait time.Duration

	// Scope says who shares the pace: ScopeRun, each run has it for itself,
	// or ScopeProcess, all runs through the gate share it. A call outside of
	// any run is a run of its own.
	Scope Scope
}

// Pace returns the gate "pace", which bounds how fast calls of tools, models and
// retrievers follow one another; use [middleware.On] for one kind alone. Chains
// and plans pass. A call that would have to wait longer than PaceRules.MaxWait, or
// longer than its context lasts, is denied at once, with [middleware.CodeBusy].
// One that waits ends with its context. The pace is kept by a token bucket; see
// golang.org/x/time/rate. It counts calls that a gate further inside denies.
//
// Pace panics if Calls or Per is not positive, Burst or MaxWait is negative, or
// Scope is another.
func Pace(rules PaceRules) middleware.Interceptor {
	switch {
	case rules.Calls <= 0 || rules.Per <= 0 || rules.Burst < 0 || rules.MaxWait < 0:
		panic(fmt.Sprintf("gates: Pace: %+v is no pace", rules))
	case rules.Scope != ScopeRun && rules.Scope != ScopeProcess:
		panic(fmt.Sprintf("gates: Pace: scope %v", rules.Scope))
	}
	if rules.Burst == 0 {
		rules.Burst = rules.Calls
	}
	p := &pacer{PaceRules: rules}
	p.all = p.limiter()
	return middleware.Before("pace", p.judge)
}

// A pacer is PaceRules made ready.
type pacer struct {
	PaceRules
	all  *rate.Limiter
	runs middleware.Local[bucket]
}

func (p *pacer) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(p.Calls)/p.Per.Seconds()), p.Burst)
}

func (p *pacer) judge(ctx context.Context, call middleware.Call) error {
	if !outward(call.Kind) {
		return nil
	}
	limiter := p.all
	if p.Scope == ScopeRun {
		limiter = p.runs.In(middleware.RunOf(ctx)).of(p)
	}
	turn := limiter.Reserve()
	wait := turn.Delay()
	if wait == 0 {
		return nil
	}
	longest := p.MaxWait
	if end, ok := ctx.Deadline(); ok {
		longest = min(longest, time.Until(end))
	}
	if wait > longest {
		turn.Cancel()
		return middleware.Deny(middleware.CodeBusy, "%d calls in %v are allowed: the next one is due in %v", p.Calls, p.Per, wait.Round(time.Millisecond))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.Cancel()
		return ctx.Err()
	}
}

// A bucket is the pace of one run.
type bucket struct {
	once    sync.Once
	limiter *rate.Limiter
}

func (b *bucket) of(p *pacer) *rate.Limiter {
	b.once.Do(func() { b.limiter = p.limiter() })
	return b.limiter
}
