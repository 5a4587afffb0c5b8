package aitracer

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// errPutOff is the error of a post that was not made because another one failed.
var errPutOff = errors.New("aitracer: put off")

// A batch collects the results for the envelopes of one Take.
type batch struct {
	parts []part // all of them, whether posted or settled before

	failing atomic.Bool // a post failed that may succeed another time: make no more

	mu    sync.Mutex
	errs  []error // one for each envelope, where there is one
	cause error   // the first failure that is not for good
	after time.Duration
}

// fail notes that the parts failed with err, unless it is nil.
func (b *batch) fail(err error, parts ...part) {
	if err == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range parts {
		// What may yet succeed stands before what never will: the envelope
		// has to come again.
		if was := b.errs[p.index]; was == nil || delivery.IsPermanent(was) {
			b.errs[p.index] = err
		}
	}
	b.after = max(b.after, delivery.RetryAfter(err))
	if delivery.IsPermanent(err) {
		return
	}
	b.failing.Store(true)
	if b.cause == nil && !errors.Is(err, errPutOff) {
		b.cause = err
	}
}

// result returns nil if nothing failed.
func (b *batch) result() *takeError {
	for i, err := range b.errs {
		if err == nil {
			continue
		}
		e := &takeError{taken: i, err: err, after: b.after}
		if delivery.IsPermanent(err) {
			for e.refused < len(b.errs)-i && delivery.IsPermanent(b.errs[i+e.refused]) {
				e.refused++
			}
		} else if b.cause != nil {
			e.err = b.cause
		}
		return e
	}
	return nil
}

// A takeError says how far a Take came, and why not further.
type takeError struct {
	taken, refused int
	after          time.Duration
	err            error
}

// Error says why.
func (e *takeError) Error() string { return e.err.Error() }

// Unwrap returns why.
func (e *takeError) Unwrap() error { return e.err }

// Taken returns how many envelopes from the front need not come again.
func (e *takeError) Taken() int { return e.taken }

// Refused returns how many after those are refused for good.
func (e *takeError) Refused() int { return e.refused }

// Permanent reports whether any are.
func (e *takeError) Permanent() bool { return e.refused > 0 }

// RetryAfter returns how long the vendor asked to wait.
func (e *takeError) RetryAfter() time.Duration { return e.after }
