package evidence

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A PendingError says what a [Recorder] had not done when Flush or Close
// returned.
type PendingError struct {
	NotDurable int         // records that are not on disk; after Close they are lost with the process
	Unshipped  []Unshipped // the exporters whose sinks lack records that are on disk; the next Recorder ships them
	Untold     uint64      // after Close: records that were refused for good, of which the next Recorder says so
	Err        error       // why; a context's error where the time was up
}

// An Unshipped says what an [Exporter] has still to ship.
type Unshipped struct {
	Exporter string // by name
	Records  uint64
	Err      error // why its last call failed; nil if it did not
}

// Error says how many records, and why.
func (e *PendingError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "evidence: %d records not durable", e.NotDurable)
	for _, u := range e.Unshipped {
		fmt.Fprintf(&s, ", %d not shipped by %s", u.Records, u.Exporter)
	}
	if e.Untold > 0 {
		fmt.Fprintf(&s, ", %d refused by sinks, which no record says yet", e.Untold)
	}
	return fmt.Sprintf("%s: %v", s.String(), e.Err)
}

// Unwrap returns Err.
func (e *PendingError) Unwrap() error { return e.Err }

var (
	// errNotWaitedFor is why Flush and Close did not wait.
	errNotWaitedFor = errors.New("the exporter's breaker is open, or it was stopped by an earlier Close")

	// errUntold is why Close left it to the next Recorder to record a refusal.
	errUntold = errors.New("a sink refused them when the last record was written")
)

// Flush waits until all that was recorded before is on disk, and each exporter
// has shipped or parked it. It returns nil or a [*PendingError] where that cannot
// be had now: because ctx ends, the disk fails, or a breaker is open, which is not
// waited for.
func (r *Recorder) Flush(ctx context.Context) error {
	done := r.queue.barrier()
	select {
	case err := <-done:
		if err != nil {
			return r.pending(err)
		}
	case <-ctx.Done():
		return r.pending(ctx.Err())
	}
	durable := r.recordsBefore + r.writer.durable.Load()
	for _, x := range r.shippers {
		x.ShipNow(durable)
	}
	all := true
	for _, x := range r.shippers {
		all = x.WaitShipped(ctx, durable) && all
	}
	if all {
		return nil
	}
	return r.pending(ctx.Err())
}

// Close stops the Recorder: it records what sinks have refused so far, writes what
// is queued, has the sinks take what is written, and gives the ledger back. Calls
// that are still under way, and later ones, are recorded no more, and tools with
// side effects are denied.
//
// Close returns when all is done or ctx ends, nil or a [*PendingError]. It can be
// called again, to wait longer or to ask again: it is then about the same
// records. A breaker that is open is not waited for.
func (r *Recorder) Close(ctx context.Context) error {
	for _, x := range r.shippers {
		x.RecordRefusalsNow()
	}
	for _, x := range r.shippers {
		x.WaitRefusalsRecorded(ctx, r.recordable)
	}
	r.queue.close()
	select {
	case <-r.writer.done:
	case <-ctx.Done():
		r.stopShippers()
		return r.pending(ctx.Err())
	}
	if r.payloads != nil {
		if err := r.payloads.close(ctx); err != nil && ctx.Err() != nil {
			return r.pending(ctx.Err())
		}
	}
	for _, x := range r.shippers {
		x.Finish()
	}
	for _, x := range r.shippers {
		select {
		case <-x.Done():
		case <-ctx.Done():
			r.stopShippers()
			return r.pending(ctx.Err())
		}
	}
	return r.pending(nil)
}

// recordable returns why no more can be recorded at the moment, or nil.
func (r *Recorder) recordable() error {
	if r.queue.isClosed() {
		return ErrClosed // by another Close
	}
	return r.Err()
}

func (r *Recorder) stopShippers() {
	for _, x := range r.shippers {
		x.Stop()
	}
}

// pending returns what is left to do as an error, or nil.
func (r *Recorder) pending(err error) error {
	s := r.Stats()
	e := &PendingError{NotDurable: s.Waiting}
	errs := []error{err, r.Err()}
	for _, x := range s.Exporters {
		if x.Lag > 0 {
			e.Unshipped = append(e.Unshipped, Unshipped{x.Name, x.Lag, x.Err})
			errs = append(errs, x.Err)
		}
	}
	if r.queue.isClosed() {
		for _, x := range r.shippers {
			e.Untold += x.Unrecorded()
		}
	}
	if e.NotDurable == 0 && e.Unshipped == nil && e.Untold == 0 && err == nil {
		return nil
	}
	if e.Untold > 0 {
		errs = append(errs, errUntold)
	}
	if e.Err = errors.Join(errs...); e.Err == nil {
		e.Err = errNotWaitedFor
	}
	return e
}
