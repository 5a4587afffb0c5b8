package ship

import (
	"log/slog"
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
		Breaker: string(line.State), Unauthorized: delivery.IsUnauthorized(line.Err), Err: line.Err, CursorErr: x.cursorErr,
	}
	if x.readErr != nil {
		s.Err = x.readErr
	}
	if s.Lag > 0 {
		oldest := x.waitsFrom
		if t := x.oldest.Load(); t != nil {
			oldest = *t
		}
		if !oldest.IsZero() {
			s.LagTime = max(time.Since(oldest), 0)
		}
	}
	return s
}

// breakerChanged hears of the breaker's changes.
func (x *Shipper) breakerChanged(n delivery.Notice) {
	x.mu.Lock()
	b := record.Breaker{Exporter: x.Name, State: string(n.State), Changes: uint64(n.Changes), Error: x.Classes(n.Err)}
	if x.breaker != nil {
		b.Changes += x.breaker.Changes
	}
	x.breaker = &b
	x.mu.Unlock()
	x.wake()
}

// report records and logs what is due of the shipping itself.
func (x *Shipper) report() {
	now := time.Now()
	x.mu.Lock()
	breaker := x.breaker
	x.breaker = nil
	x.mu.Unlock()
	if breaker != nil {
		x.reportBreaker(breaker)
	}
	if refused := x.cursor.Refused; len(refused) > 0 && x.recording == nil && !now.Before(x.refusalDue()) {
		x.recordRefusal(refused[0])
	}
	if done := x.cursor.records(); now.Sub(x.loggedAt) >= reportEvery {
		switch s := x.Stats(); {
		case s.Unauthorized:
			x.Log(slog.LevelError, turnedAway, slog.Any("", s.Value(x.Classes)))
		case s.Lag > 0 || done != x.loggedRecords:
			x.Log(slog.LevelInfo, "shipping", slog.Any("", s.Value(x.Classes)))
		}
		x.loggedAt, x.loggedRecords = now, done
		x.heedResend()
	}
}

// turnedAway is what a person is told who can do something about it.
const turnedAway = "a sink turns its exporter away: see to the token or certificate, and to what the receiver lets it write; " +
	"no record is skipped, all wait in the ledger and go out once it is let in"

func (x *Shipper) reportBreaker(b *record.Breaker) {
	level, msg := slog.LevelWarn, "an exporter's breaker is "+b.State
	if x.Stats().Unauthorized {
		level, msg = slog.LevelError, turnedAway
	}
	x.Log(level, msg, "exporter", x.Name, "changes", b.Changes, "error", b.Error)
	_, _ = x.Record(record.KindBreaker, *b, false) // where there is no room for it, a gap says so
}

// warn logs what a person may have to see to.
func (x *Shipper) warn(msg string, args ...any) {
	x.Log(slog.LevelWarn, msg, append([]any{"exporter", x.Name}, args...)...)
}
