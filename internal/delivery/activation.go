package delivery

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// An Activation is a series of attempts at one delivery. It belongs to one
// goroutine.
type Activation struct {
	line  *Line
	pause backoff.ExponentialBackOff
	left  int
}

// Begin begins a series of attempts.
func (l *Line) Begin() *Activation {
	a := &Activation{line: l, pause: backoff.ExponentialBackOff{
		// An interval i with a factor of 1 gives from 0 to 2i: full jitter.
		InitialInterval: l.cfg.MinBackoff / 2, MaxInterval: l.cfg.MaxBackoff / 2,
		Multiplier: 2, RandomizationFactor: 1,
	}}
	a.reset()
	return a
}

func (a *Activation) reset() {
	a.left = a.line.cfg.Attempts
	a.pause.Reset()
}

// Again waits, after an attempt that failed with err, until it is time for the next
// one, and then returns nil. It waits as long as err asks for, and for a random time
// where it does not. It returns err where no other attempt is to be made: err is
// permanent, the breaker is open, the attempts are used up, or ctx ended. After a
// delivery in part all attempts are left again.
func (a *Activation) Again(ctx context.Context, err error) error {
	if IsPermanent(err) || IsOpen(err) {
		return err
	}
	if Taken(err) > 0 {
		a.reset()
	}
	if a.left--; a.left <= 0 || a.line.State() != Closed {
		return err
	}
	wait := a.pause.NextBackOff()
	if after := RetryAfter(err); after > 0 {
		wait = min(after, a.line.cfg.MaxBackoff)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return err
	}
	if a.line.wait(ctx, true) != nil { // others may have been asked to wait
		return err
	}
	a.line.retries.Add(1)
	return nil
}

// Do makes attempts until one succeeds or no other is to be made, and returns the
// error of the last one. It does not wait for a breaker that is open.
func (l *Line) Do(ctx context.Context, call func(context.Context) error) error {
	a := l.Begin()
	for {
		err := l.Attempt(ctx, call)
		if err == nil {
			return nil
		}
		if err := a.Again(ctx, err); err != nil {
			return err
		}
	}
}
