package gates

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"example.com/safeconduct/middleware"
)

// A Full says what becomes of a call for which there is no place.
type Full uint8

const (
	// DenyWhenFull denies the call at once.
	DenyWhenFull Full = iota
	// WaitWhenFull has the call wait until there is a place, or its context
	// ends.
	WaitWhenFull
)

// Concurrency returns the gate "concurrency", which lets at most n calls of tools, models
// and retrievers be under way at a time, of all runs together; use [middleware.On] for
// one kind alone. Chains and plans pass. A call lends its place to one call within it.
//
// A call for which there is no place is denied with [middleware.CodeBusy] or waits, as
// full says. Those that wait come in the order in which they came. Concurrency panics if
// n is not positive or full is neither choice.
func Concurrency(n int, full Full) middleware.Interceptor {
	if n <= 0 || full > WaitWhenFull {
		panic(fmt.Sprintf("gates: Concurrency(%d, %d): the first must be positive, the second DenyWhenFull or WaitWhenFull", n, full))
	}
	c := &places{n: n, free: n, full: full, gate: middleware.NewGate("concurrency")}
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			l := c.gate.Layer()
			l.Kinds = outwardKinds()
			return l.Handler()
		}
		return c.intercept(next)
	}
}

// places are those for calls under way.
type places struct {
	n      int
	full   Full
	gate   *middleware.Gate
	ofCall middleware.Within[place]

	mu      sync.Mutex // guards what follows, and all places
	free    int
	waiting list.List // of *waiter
}

// A place is that of one call, while it is taken.
type place struct {
	taken  bool
	around *place // that of the nearest call around; nil where there is none
	from   *place // the one that lends it; nil where it is one of the n
	lent   *place // the one within that has it now; nil where it is not lent
}

// lender returns the place that may be lent to a call: the nearest one around
// whose call is still under way. It needs the lock.
func (mine *place) lender() *place {
	around := mine.around
	for around != nil && !around.taken {
		around = around.around
	}
	return around
}

// A waiter is a call that waits for a place.
type waiter struct {
	place  *place
	served chan struct{} // closed when the place is taken
}

func (p *places) intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if !outward(call.Kind) {
			return next(ctx, call)
		}
		ruling := p.gate.Begin(ctx)
		around := p.ofCall.Find(ctx)
		mine := p.ofCall.New(ctx)
		mine.around = around
		if err := p.take(ctx, mine); err != nil {
			return middleware.Result{}, ruling.Deny(ctx, call, err)
		}
		defer p.leave(mine)
		ruling.Allow()
		return next(ctx, call)
	}
}

// take takes a place: one of the n, or that of a call around.
func (p *places) take(ctx context.Context, mine *place) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	switch around := mine.lender(); {
	case around != nil && around.lent == nil:
		mine.taken, mine.from, around.lent = true, around, mine
	case p.free > 0:
		mine.taken = true
		p.free--
	case p.full == DenyWhenFull:
		p.mu.Unlock()
		return middleware.Deny(middleware.CodeBusy, "no more than %d at a time", p.n)
	default:
		return p.wait(ctx, &waiter{mine, make(chan struct{})})
	}
	p.mu.Unlock()
	return nil
}

// wait waits for a place. It needs the lock, and gives it back.
func (p *places) wait(ctx context.Context, w *waiter) error {
	e := p.waiting.PushBack(w)
	p.mu.Unlock()
	select {
	case <-w.served:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.place.taken {
		return nil // at the last moment
	}
	p.waiting.Remove(e)
	return ctx.Err()
}

// leave gives a place back: to the call that lent it, to whoever waits, or to the
// call within that still needs it.
func (p *places) leave(mine *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine.taken = false
	switch within, from := mine.lent, mine.from; {
	case within != nil:
		within.from = from
		if from != nil {
			from.lent = within
		}
		if around := mine.lender(); around != nil && around.lent == nil {
			p.serve(around) // for which those within have not waited so far
		}
	case from != nil:
		from.lent = nil
		p.serve(from)
	default:
		p.free++
		p.serve(nil)
	}
}

// serve has the first call that waits take a place which has become free: that of
// a call around, or one of the n where it is nil. It needs the lock.
func (p *places) serve(from *place) {
	for e := p.waiting.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiter)
		if from != nil && w.place.lender() != from {
			continue
		}
		p.waiting.Remove(e)
		w.place.taken, w.place.from = true, from
		if from != nil {
			from.lent = w.place
		} else {
			p.free--
		}
		close(w.served)
		return
	}
}
