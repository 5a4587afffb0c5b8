package gates

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"math/bits"
	"sync"
	"time"

	"example.com/safeconduct/middleware"
)

// RateRules say how fast calls may follow one another, which is their pace.
type RateRules struct {
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

// Rate returns the gate "rate", which bounds how fast calls of tools, models and
// retrievers follow one another, by a token bucket; use [middleware.On] for one kind
// alone. Chains and plans pass. A call that would have to wait longer than
// RateRules.MaxWait, or than its context lasts, is denied at once with
// [middleware.CodeBusy]. Those that wait come in the order in which they came.
//
// A call that the gate denies, or that gives up waiting, takes nothing; one that a gate
// further inside denies counts. Rate panics if Calls or Per is not positive, Burst or
// MaxWait is negative, or Scope is neither of the two.
func Rate(rules RateRules) middleware.Interceptor {
	switch {
	case rules.Calls <= 0 || rules.Per <= 0 || rules.Burst < 0 || rules.MaxWait < 0:
		panic(fmt.Sprintf("gates: Rate: %+v: Calls and Per must be positive, Burst and MaxWait not negative", rules))
	case rules.Scope != ScopeRun && rules.Scope != ScopeProcess:
		panic(fmt.Sprintf("gates: Rate: scope %v: it must be ScopeRun or ScopeProcess", rules.Scope))
	}
	if rules.Burst == 0 {
		rules.Burst = rules.Calls
	}
	p := &pacer{RateRules: rules}
	p.ahead = min(p.take(uint64(rules.Burst-1)), math.MaxInt64-1) // less than any delay that cannot be told
	return saying(middleware.Before("rate", p.judge), func(l *middleware.Layer) {
		l.Kinds, l.PerRun = outwardKinds(), p.Scope == ScopeRun
	})
}

// A pacer is RateRules made ready.
type pacer struct {
	RateRules
	ahead time.Duration // how long before its time a call may come, by the burst
	all   bucket
	runs  middleware.Local[bucket]
}

// take returns how long this many calls take at the pace, rounded up.
func (p *pacer) take(calls uint64) time.Duration {
	hi, lo := bits.Mul64(calls, uint64(p.Per))
	lo, carry := bits.Add64(lo, uint64(p.Calls-1), 0)
	if hi += carry; hi >= uint64(p.Calls) {
		return math.MaxInt64
	}
	d, _ := bits.Div64(hi, lo, uint64(p.Calls))
	return time.Duration(min(d, math.MaxInt64))
}

func (p *pacer) judge(ctx context.Context, call middleware.Call) error {
	if !outward(call.Kind) {
		return nil
	}
	b := &p.all
	if p.Scope == ScopeRun {
		b = p.runs.In(middleware.RunOf(ctx))
	}
	return b.pass(ctx, p)
}

// A bucket keeps the pace, for one run or for all. If calls came evenly the next one
// would come at since, plus the time that n calls take. A zero bucket is full.
type bucket struct {
	mu      sync.Mutex
	since   time.Time
	n       int       // less than RateRules.Calls
	waiting list.List // of chan struct{}, each closed when its call is the first
}

// delay returns how long it is until a call may pass after this many others. It takes
// nothing. It needs the lock.
func (b *bucket) delay(p *pacer, now time.Time, others int) time.Duration {
	if b.since.Add(p.take(uint64(b.n))).Before(now) {
		b.since, b.n = now, 0 // the bucket is full
	}
	return b.since.Add(p.take(uint64(b.n)+uint64(others))).Sub(now) - p.ahead
}

// takeOne lets a call pass. It needs the lock.
func (b *bucket) takeOne(p *pacer) {
	if b.n++; b.n == p.Calls {
		b.since, b.n = b.since.Add(p.Per), 0 // keeps n small, and loses nothing
	}
}

// pass returns nil when a call may pass, or why it may not. What a call that does
// not pass would have taken was never taken.
func (b *bucket) pass(ctx context.Context, p *pacer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	now := time.Now()
	others := b.waiting.Len()
	wait := b.delay(p, now, others)
	if wait <= 0 && others == 0 {
		b.takeOne(p)
		b.mu.Unlock()
		return nil
	}
	longest := p.MaxWait
	if end, ok := ctx.Deadline(); ok {
		longest = min(longest, end.Sub(now))
	}
	if wait > longest {
		b.mu.Unlock()
		return middleware.Deny(middleware.CodeBusy, "%d calls in %v are allowed: the next one is due in %v",
			p.Calls, p.Per, wait.Round(time.Millisecond))
	}
	first := make(chan struct{})
	place := b.waiting.PushBack(first)
	if others == 0 {
		close(first)
	}
	b.mu.Unlock()
	defer b.leave(place)
	return b.wait(ctx, p, first)
}

// wait waits until the call is the first of those that wait, and it is its turn.
func (b *bucket) wait(ctx context.Context, p *pacer, first <-chan struct{}) error {
	select {
	case <-first:
	case <-ctx.Done():
		return ctx.Err()
	}
	for ctx.Err() == nil {
		b.mu.Lock()
		wait := b.delay(p, time.Now(), 0)
		if wait <= 0 {
			b.takeOne(p)
		}
		b.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return ctx.Err()
}

// leave gives up a place among those that wait, and has the next one know if it
// is the first now.
func (b *bucket) leave(place *list.Element) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wasFirst := b.waiting.Front() == place
	b.waiting.Remove(place)
	if next := b.waiting.Front(); wasFirst && next != nil {
		close(next.Value.(chan struct{}))
	}
}
