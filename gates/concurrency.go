package gates

import (
	"context"
	"fmt"

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

// Concurrency returns the gate "concurrency", which lets at most n calls of
// tools, models and retrievers be under way at a time, of all runs together;
// use [middleware.On] for one kind alone. Chains and plans pass, and so does a
// call that is made within one that has a place: a tool that calls a model takes
// one place, and does not wait for itself.
//
// A call for which there is no place is denied with [middleware.CodeBusy], or
// waits, as full says. Those that wait come in the order in which they came. A
// place is given back when the call returns, panics or ends its goroutine.
//
// Concurrency panics if n is not positive or full is neither choice.
func Concurrency(n int, full Full) middleware.Interceptor {
	if n <= 0 || full > WaitWhenFull {
		panic(fmt.Sprintf("gates: Concurrency(%d, %d)", n, full))
	}
	c := &places{taken: make(chan struct{}, n), full: full, gate: middleware.NewGate("concurrency")}
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return c.gate.Layer().Handler()
		}
		return c.intercept(next)
	}
}

// places are those for calls under way.
type places struct {
	taken chan struct{}
	full  Full
	gate  *middleware.Gate
}

// placeKey is the key of what a call that has a place passes on.
type placeKey struct{ of *places }

func (p *places) intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if !outward(call.Kind) || ctx.Value(placeKey{p}) != nil {
			return next(ctx, call)
		}
		turn := p.gate.Begin(ctx)
		if err := p.take(ctx); err != nil {
			return middleware.Result{}, turn.Deny(ctx, call, err)
		}
		defer func() { <-p.taken }()
		turn.Allow()
		return next(context.WithValue(ctx, placeKey{p}, true), call)
	}
}

func (p *places) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.taken <- struct{}{}:
		return nil
	default:
	}
	if p.full == DenyWhenFull {
		return middleware.Deny(middleware.CodeBusy, "no more than %d at a time", cap(p.taken))
	}
	select {
	case p.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
