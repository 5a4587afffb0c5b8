package ship

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

// Stats are the counts of a [Shipper], as evidence.ExporterStats describes them.
type Stats struct {
	Name    string
	Shipped uint64
	Parked  uint64
	Lag     uint64

	LagBytes int64
	LagTime  time.Duration

	Attempts uint64
	Failures uint64
	Retried  uint64

	Breaker string

	Unauthorized bool

	Err       error
	CursorErr error
}

// Value returns the counts for a log, and the classes of the errors in place of
// what they say.
func (s Stats) Value(classes func(error) []string) slog.Value {
	attrs := []slog.Attr{
		slog.String("exporter", s.Name), slog.Uint64("shipped", s.Shipped), slog.Uint64("parked", s.Parked),
		slog.Uint64("lag", s.Lag), slog.Int64("lag_bytes", s.LagBytes), slog.Duration("lag_time", s.LagTime),
		slog.Uint64("attempts", s.Attempts), slog.Uint64("failures", s.Failures), slog.Uint64("retried", s.Retried),
		slog.String("breaker", s.Breaker),
	}
	if s.Unauthorized {
		attrs = append(attrs, slog.Bool("unauthorized", true))
	}
	if s.Err != nil {
		attrs = append(attrs, slog.Any("error", classes(s.Err)))
	}
	if s.CursorErr != nil {
		attrs = append(attrs, slog.Any("cursor_error", classes(s.CursorErr)))
	}
	return slog.GroupValue(attrs...)
}

// Stats returns the counts.
func (x *Shipper) Stats() Stats {
	line := x.line.Stats()
	x.mu.Lock()
	defer x.mu.Unlock()
	s := Stats{
		Name: x.Name, Shipped: x.cursor.Shipped, Parked: x.cursor.Parked,
		Lag: x.total.records - x.cursor.records(), LagBytes: x.total.bytes - x.cursor.Bytes,
		Attempts: line.Attempts, Failures: line.Failures, Retried: line.Retries,
		Breaker: string(line.State), Unauthorized: delivery.IsUnauthorized(line.Err), Err: line.Err, CursorErr: x.kept,
	}
	if x.err != nil {
		s.Err = x.err
	}
	if s.Lag > 0 {
		oldest := x.first
		if t := x.oldest.Load(); t != nil {
			oldest = *t
		}
		if !oldest.IsZero() {
			s.LagTime = max(time.Since(oldest), 0)
		}
	}
	return s
}

// ShipNow has the first n records shipped without waiting for more.
func (x *Shipper) ShipNow(n uint64) {
	x.mu.Lock()
	x.asked = max(x.asked, n)
	x.mu.Unlock()
	notify(x.more)
}

// WaitShipped waits until the first n records are dealt with. It returns false where
// the breaker is open or the shipper has ended.
func (x *Shipper) WaitShipped(ctx context.Context, n uint64) bool {
	for {
		x.mu.Lock()
		there, news := x.cursor.records() >= n, x.news
		x.mu.Unlock()
		if there {
			return true
		}
		select {
		case <-x.done:
			return false
		default:
		}
		if x.line.State() != delivery.Closed {
			return false
		}
		timer := time.NewTimer(closePoll)
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

// WaitRefusalsRecorded waits until all refusals so far are recorded, unless records cannot be
// written at the moment, as failing says.
func (x *Shipper) WaitRefusalsRecorded(ctx context.Context, failing func() error) {
	notify(x.more)
	x.mu.Lock()
	those := slices.Clone(x.cursor.Refused)
	x.mu.Unlock()
	for failing() == nil {
		x.mu.Lock()
		news := x.news
		left := slices.ContainsFunc(those, func(f *record.Refusal) bool { return slices.Contains(x.cursor.Refused, f) })
		x.mu.Unlock()
		if !left {
			return
		}
		timer := time.NewTimer(closePoll)
		select {
		case <-news:
		case <-timer.C:
		case <-x.done:
			return
		case <-ctx.Done():
			failing = ctx.Err
		}
		timer.Stop()
	}
}

// Unrecorded returns how many records the sink refused of which no record says so.
func (x *Shipper) Unrecorded() (records uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.cursor.Refused {
		records += f.Count
	}
	return records
}

// breaker hears of the breaker's changes.
func (x *Shipper) breaker(n delivery.Notice) {
	x.mu.Lock()
	b := record.Breaker{Exporter: x.Name, State: string(n.State), Changes: uint64(n.Changes), Error: x.Classes(n.Err)}
	if x.notice != nil {
		b.Changes += x.notice.Changes
	}
	x.notice = &b
	x.mu.Unlock()
	notify(x.more)
}

// tell records and logs what is due of the shipping itself.
func (x *Shipper) tell() {
	now := time.Now()
	x.mu.Lock()
	notice := x.notice
	x.mu.Unlock()
	if notice != nil {
		x.tellBreaker(notice)
	}
	n := len(x.cursor.Refused)
	if n > 0 && x.telling == nil && !now.Before(x.recordAt) && (n > 1 || !now.Before(x.tellAt) || x.urgent.Load()) {
		x.tellRefusal(x.cursor.Refused[0])
	}
	if done := x.cursor.records(); now.Sub(x.said) >= sayEvery {
		switch s := x.Stats(); {
		case s.Unauthorized:
			x.Log(slog.LevelError, turnedAway, slog.Any("", s.Value(x.Classes)))
		case s.Lag > 0 || done != x.saidOf:
			x.Log(slog.LevelInfo, "shipping", slog.Any("", s.Value(x.Classes)))
		}
		x.said, x.saidOf = now, done
		x.heed()
	}
}

// turnedAway is what a person is told who can do something about it.
const turnedAway = "a sink turns its exporter away: see to the token or certificate, and to what the receiver lets it write; " +
	"no record is skipped, all wait in the ledger and go out once it is let in"

func (x *Shipper) tellBreaker(b *record.Breaker) {
	x.mu.Lock()
	x.notice = nil
	x.mu.Unlock()
	level, msg := slog.LevelWarn, "an exporter's breaker is "+b.State
	if x.Stats().Unauthorized {
		level, msg = slog.LevelError, turnedAway
	}
	x.Log(level, msg, "exporter", x.Name, "changes", b.Changes, "error", b.Error)
	_, _ = x.Record(record.KindBreaker, *b, false) // where there is no room for it, a gap says so
}

// tellRefusal begins to record a refusal. It stays in the cursor until that is
// durable.
func (x *Shipper) tellRefusal(f *record.Refusal) {
	x.recordAt = time.Now().Add(saveEvery)
	body := *f
	body.Ranges = slices.Clone(f.Ranges) // f goes on where the record cannot be had at once
	done, err := x.Record(record.KindDeliveryFailed, body, true)
	if err != nil {
		return // where nothing is written any more, the next Recorder does it
	}
	x.warn("a sink refused records for good", "records", f.Count, "error", f.Error)
	x.telling, x.recorded = f, done
}

// toldRefusal takes the answer to that.
func (x *Shipper) toldRefusal(err error) {
	f := x.telling
	x.telling, x.recorded = nil, nil
	if err != nil {
		return
	}
	x.tellAt = time.Now().Add(sayEvery)
	if x.urgent.Load() {
		x.recordAt = time.Time{}
	}
	x.mu.Lock()
	x.cursor.Refused = slices.DeleteFunc(x.cursor.Refused, func(other *record.Refusal) bool { return other == f })
	x.wake()
	x.mu.Unlock()
	x.dirty = true
}
