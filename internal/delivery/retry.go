package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker"
)

var (
	// ErrOpen means that no attempt was made, because the breaker is open or
	// another attempt is under way that probes.
	ErrOpen = errors.New("delivery: the breaker is open")

	// ErrHung means that what was called did not return when its context ended,
	// so that it may still use what it was given.
	ErrHung = errors.New("delivery: the call has not returned")
)

// A Config says how a [Line] works. The zero Config is ready to use.
type Config struct {
	// Timeout bounds one attempt. Zero means 30 seconds.
	Timeout time.Duration

	// MinBackoff bounds the pause after the first failure. The bound doubles with
	// each failure, up to MaxBackoff. The pause is a random part of it (full
	// jitter). Zero means half a second, and 30 seconds.
	MinBackoff, MaxBackoff time.Duration

	// Attempts bounds the attempts of one [Activation]. Zero means 5.
	Attempts int

	// Concurrency bounds the calls under way, including those that did not return
	// in time. Zero means 1.
	Concurrency int

	// OpenFor is how long the breaker is open before it lets an attempt through
	// that probes. Zero means 30 seconds.
	OpenFor time.Duration

	// Notify is called when the breaker opened or closed, at once the first time
	// and then at most once in NotifyEvery. It is called without a lock, by a
	// goroutine that made an attempt or called Tell, one at a time, and may use
	// the Line. A panic in it is dropped. It may be nil.
	Notify func(Notice)

	// NotifyEvery bounds how often Notify is called. Zero means a minute.
	NotifyEvery time.Duration
}

// A Notice says which state the breaker is in now.
type Notice struct {
	State   State // Open or Closed
	Changes int   // how often it opened and closed since the notice before, this once included
	Err     error // why the last attempt failed; nil if it did not
}

// A State is one of the breaker's.
type State string

// The states.
const (
	Closed   State = "closed"    // attempts are made
	Open     State = "open"      // none is
	HalfOpen State = "half-open" // one is, to see
)

// A Line leads to something that may be away. It is safe for concurrent use.
//
// The breaker opens after as many failures in a row as one activation has attempts,
// but at least 5, and one more for each further call that may be under way: those
// all fail at once where a connection breaks. A failure that [IsUnauthorized] opens
// it at once. A permanent refusal is an answer, and a delivery in part is progress:
// neither counts as a failure. An attempt that was broken off because its context
// was cancelled counts neither way; if it was the probe, the breaker stays open. An
// attempt that outlives its caller's deadline has failed.
type Line struct {
	cfg     Config
	breaker *gobreaker.TwoStepCircuitBreaker
	slots   chan struct{} // one for each call under way

	attempts, failures, retries atomic.Uint64

	// unauthorized says that the last attempt was, which trips the breaker.
	unauthorized atomic.Bool

	// mu is taken under the breaker's lock, by changed: whoever holds it must
	// not use the breaker.
	mu        sync.Mutex
	state     State
	openUntil time.Time
	resume    time.Time     // no attempt before: we were asked to wait
	probing   bool          // in the half-open state
	news      chan struct{} // closed when any of these changes
	err       error         // of the last attempt

	changes int       // that Notify has not heard of
	told    time.Time // when it last heard
	telling bool
}

// minTrip is how many failures in a row open the breaker at least.
const minTrip = 5

// New returns a Line whose breaker is closed. It panics on a negative bound.
func New(cfg Config) *Line {
	if min(cfg.Timeout, cfg.MinBackoff, cfg.MaxBackoff, cfg.OpenFor, cfg.NotifyEvery) < 0 || min(cfg.Attempts, cfg.Concurrency) < 0 {
		panic("delivery: New: negative bound")
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	cfg.MaxBackoff = cmp.Or(cfg.MaxBackoff, 30*time.Second)
	cfg.MinBackoff = min(cmp.Or(cfg.MinBackoff, 500*time.Millisecond), cfg.MaxBackoff)
	cfg.Attempts = cmp.Or(cfg.Attempts, 5)
	cfg.Concurrency = cmp.Or(cfg.Concurrency, 1)
	cfg.OpenFor = cmp.Or(cfg.OpenFor, 30*time.Second)
	cfg.NotifyEvery = cmp.Or(cfg.NotifyEvery, time.Minute)
	l := &Line{cfg: cfg, slots: make(chan struct{}, cfg.Concurrency), state: Closed, news: make(chan struct{})}
	trip := uint32(max(cfg.Attempts, minTrip) + cfg.Concurrency - 1)
	// In two steps, because Settings.IsSuccessful knows two answers, and an
	// attempt that was broken off is a third. No Interval: with one, failures
	// that come slowly never trip it.
	l.breaker = gobreaker.NewTwoStepCircuitBreaker(gobreaker.Settings{
		Timeout:     cfg.OpenFor,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= trip || l.unauthorized.Load() },
		// Called under the breaker's lock: whatever uses the breaker here, or
		// waits for someone who does, deadlocks.
		OnStateChange: func(_ string, _, to gobreaker.State) { l.changed(to) },
	})
	return l
}

// changed notes a change of the breaker's state, for Tell to tell.
func (l *Line) changed(to gobreaker.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probing = false
	switch to {
	case gobreaker.StateOpen:
		if l.state == Closed {
			l.changes++
		}
		l.state, l.openUntil = Open, time.Now().Add(l.cfg.OpenFor)
	case gobreaker.StateHalfOpen:
		l.state = HalfOpen
	case gobreaker.StateClosed:
		l.state = Closed
		l.changes++
	}
	l.wake()
}

// wake needs l.mu.
func (l *Line) wake() {
	close(l.news)
	l.news = make(chan struct{})
}

// State returns the breaker's state. It takes no lock that an attempt holds for
// longer than a moment.
func (l *Line) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Stats are the counts of a [Line].
type Stats struct {
	Attempts uint64 // calls
	Failures uint64 // attempts that failed, including refusals and deliveries in part, without those broken off
	Retries  uint64 // attempts that followed a failed one in the same activation
	State    State  // of the breaker
	Err      error  // why the last attempt failed; nil if it did not
}

// Stats returns the counts.
func (l *Line) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Attempts: l.attempts.Load(), Failures: l.failures.Load(), Retries: l.retries.Load(), State: l.state, Err: l.err}
}

// Wait waits until an attempt may be made: until the breaker lets one through,
// and no one has asked us to wait. The error is that of ctx.
func (l *Line) Wait(ctx context.Context) error { return l.wait(ctx, false) }

// wait is Wait. Where it needs the breaker closed, it does not wait for that, and
// returns ErrOpen instead.
func (l *Line) wait(ctx context.Context, needClosed bool) error {
	for {
		l.mu.Lock()
		until, news := l.resume, l.news
		if l.state == Open && l.openUntil.After(until) {
			until = l.openUntil
		}
		wait := time.Until(until)
		if l.state == Open {
			wait++ // the breaker's own comparison is strict
		}
		if l.state == HalfOpen && l.probing {
			wait = l.cfg.Timeout // the end of the probe is news
		}
		open := l.state != Closed
		l.mu.Unlock()
		if open && needClosed {
			return ErrOpen
		}
		if err := ctx.Err(); err != nil || wait <= 0 {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-news:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Attempt makes one attempt, in a goroutine of its own, and waits for it no
// longer than it may take. It returns what call returned, [ErrOpen] if it was not
// called, or an error that says that it panicked, ended its goroutine or did not
// return in time. The error wraps [ErrHung] where call may still be at work.
func (l *Line) Attempt(ctx context.Context, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer l.Tell()
	done, err := l.breaker.Allow()
	l.mu.Lock()
	l.probing = l.state == HalfOpen // by us, or by the one because of whom it was not us
	l.mu.Unlock()
	if err != nil {
		return ErrOpen
	}
	err = l.call(ctx, call)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		// The breaker ignores it unless it is the probe, of which it must hear.
		if l.State() == HalfOpen {
			done(false)
		}
		return err
	}
	if err != nil {
		l.failures.Add(1)
	}
	l.answered(err) // before the breaker changes: Notify gets the reason too
	done(err == nil || IsPermanent(err) || Taken(err) > 0)
	return err
}

// answered notes the result of the last attempt.
func (l *Line) answered(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	l.unauthorized.Store(IsUnauthorized(err))
	if after := min(RetryAfter(err), l.cfg.MaxBackoff); after > 0 {
		l.resume = time.Now().Add(after)
	}
}

// grace is how long a call may take to return after its context ended before it
// counts as hung.
const grace = 100 * time.Millisecond

// call makes the call, once there is a slot for it.
func (l *Line) call(parent context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, l.cfg.Timeout)
	defer cancel()
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		if err := parent.Err(); err != nil {
			return err
		}
		return errors.New("delivery: earlier calls have not returned")
	}
	l.attempts.Add(1)
	answer := make(chan error, 1)
	go func() {
		err := errors.New("delivery: the call ended its goroutine")
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("delivery: the call panicked with a %T", v) // the value may hold content
			}
			answer <- err
			<-l.slots
		}()
		came := call(ctx)
		if came != nil {
			_ = came.Error() // if it panics, then here: it is kept, and printed later
		}
		err = came
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-answer:
		return err
	case <-timer.C:
	}
	if err := parent.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrHung, err)
	}
	return fmt.Errorf("%w within %v", ErrHung, l.cfg.Timeout)
}

// Tell calls Notify if there is news that it may hear by now, and returns how long
// it is until there may be more, zero where nothing waits. Attempts call it.
func (l *Line) Tell() (next time.Duration) {
	for {
		l.mu.Lock()
		if l.changes == 0 || l.telling || l.cfg.Notify == nil {
			l.mu.Unlock()
			return 0
		}
		if wait := l.cfg.NotifyEvery - time.Since(l.told); !l.told.IsZero() && wait > 0 {
			l.mu.Unlock()
			return wait
		}
		n := Notice{State: l.state, Changes: l.changes, Err: l.err}
		if n.State == HalfOpen {
			n.State = Open
		}
		l.changes, l.told, l.telling = 0, time.Now(), true
		l.mu.Unlock()
		l.notify(n)
		l.mu.Lock()
		l.telling = false
		l.mu.Unlock()
	}
}

func (l *Line) notify(n Notice) {
	defer func() { _ = recover() }() // a panic of the user's func must not stop us
	l.cfg.Notify(n)
}

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
