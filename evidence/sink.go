package evidence

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// A Sink takes records elsewhere. It gets signed envelopes, each one line of
// JSON without a newline and at least one of them, and returns nil once it has
// taken all of them for good.
//
// Any error means that the same envelopes come again, alone or with others, as
// they do after a restart: a Sink must recognise what it has by [record.Record.ID], and
// raise an alarm where a writer and seq that it has come with another payload. An
// error says more by methods that it, or an error that it wraps, has; [SinkError]
// has them all:
//
//	Taken() int                how many envelopes, from the front, were taken for good
//	Permanent() bool           to send again is no use: the rest is refused for good
//	Refused() int              and unless that is zero, only as many of the rest
//	RetryAfter() time.Duration how long to wait before the next call
//	Unauthorized() bool        whoever sends is not known, or may not: nothing is
//	                           refused, whatever Permanent says, and all waits until
//	                           somebody sees to it
//	Missing() (uint64, bool)   records before these are missing: how many are there,
//	                           from the ledger's first one on
//
// Records that are refused for good stay in the ledger, which says so in a
// delivery.failed. They come again only where the sink misses them, or somebody
// asks for it: see [Resend].
//
// A Sink must neither modify the envelopes nor keep them after it returned: their
// memory is used again. It should return when ctx ends, which it does after
// [Exporter].Timeout; until it has returned it still counts as under way. What it,
// or its error, panics with is dropped, and the call counts as failed. No call of an
// agent ever waits for it.
type Sink func(ctx context.Context, envelopes [][]byte) error

// A SinkError is an error by which a [Sink] says more than that it failed. Its
// zero value says nothing more.
type SinkError struct {
	Err error // what happened; not nil

	// Accepted is how many envelopes from the front were taken for good.
	Accepted int

	// Rejected is how many envelopes after those are refused for good, where
	// Final is set; zero is for all of them. Who is not allowed has none refused.
	Rejected int
	Final    bool

	// After is how long to wait before the next call; zero leaves it to the
	// exporter.
	After time.Duration

	// NotAllowed says that whoever sends is not known to the receiver, or may
	// not send to it. Where it is false, Err is asked.
	NotAllowed bool

	// Held, if it is not nil, says that records before these are missing, and how
	// many are there, from the ledger's first one on: the exporter goes back to where
	// these end, unless it is Unordered.
	Held *uint64
}

// Error returns what Err says, and how many were taken and refused.
func (e *SinkError) Error() string {
	switch {
	case e.Final && e.Rejected > 0:
		return fmt.Sprintf("%d taken, %d refused: %v", e.Accepted, e.Rejected, e.Err)
	case e.Final:
		return fmt.Sprintf("%d taken, the rest refused: %v", e.Accepted, e.Err)
	case e.Accepted > 0:
		return fmt.Sprintf("%d taken: %v", e.Accepted, e.Err)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *SinkError) Unwrap() error { return e.Err }

// Taken returns Accepted.
func (e *SinkError) Taken() int { return e.Accepted }

// Permanent returns Final.
func (e *SinkError) Permanent() bool { return e.Final }

// Refused returns Rejected.
func (e *SinkError) Refused() int { return e.Rejected }

// RetryAfter returns After.
func (e *SinkError) RetryAfter() time.Duration { return e.After }

// Unauthorized returns NotAllowed, or what Err says.
func (e *SinkError) Unauthorized() bool { return e.NotAllowed || delivery.IsUnauthorized(e.Err) }

// Missing returns Held, and whether there is one.
func (e *SinkError) Missing() (held uint64, missing bool) {
	if e.Held == nil {
		return 0, false
	}
	return *e.Held, true
}

// WriterSink returns a [Sink] that writes one envelope a line (NDJSON) to w, in one
// Write a call. It recognises the last 8192 records that it wrote, so that what
// comes again after an error is not written twice; after a restart of the process
// it does not, and whoever reads the lines tells by the records' IDs.
//
// A Write that fails in the middle of a line is continued there by the next call,
// so that lines are whole in the end. A nil error of w counts as taken for good: if
// w buffers, or is a file that the disk may lose, that is what it means. It does not
// look at its context while w takes its time. WriterSink panics if w is nil.
func WriterSink(w io.Writer) Sink {
	if w == nil {
		panic("evidence: WriterSink: nil writer")
	}
	s := &writerSink{w: w, seen: make(map[[sha256.Size]byte]bool)}
	return s.take
}

// recentLines is how many records a writerSink recognises: more than an exporter
// has under way.
const recentLines = 8192

type writerSink struct {
	w io.Writer

	mu     sync.Mutex
	buf    []byte
	rest   []byte // of a line that was written in part
	seen   map[[sha256.Size]byte]bool
	recent [][sha256.Size]byte // what is in seen, oldest at next once it is full
	next   int
}

func (s *writerSink) take(ctx context.Context, envelopes [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	s.buf = s.buf[:0]
	sums := make([][sha256.Size]byte, 0, len(envelopes)) // of the lines in buf
	ends := make([]int, 0, len(envelopes))               // and where they end
	upTo := make([]int, 0, len(envelopes))               // and how many envelopes that is, those seen before included
	for i, env := range envelopes {
		sum := sha256.Sum256(env)
		if s.seen[sum] {
			continue
		}
		s.buf = append(append(s.buf, env...), '\n')
		sums, ends, upTo = append(sums, sum), append(ends, len(s.buf)), append(upTo, i)
	}
	if len(sums) == 0 {
		return nil
	}
	n, err := s.w.Write(s.buf)
	n = max(0, min(n, len(s.buf)))
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	taken := 0 // of the lines; one that was begun is there to stay
	for taken < len(ends) && (ends[taken] <= n || taken == 0 && n > 0 || taken > 0 && ends[taken-1] < n) {
		s.remember(sums[taken])
		taken++
	}
	if taken > 0 && n < ends[taken-1] {
		s.rest = append(s.rest[:0], s.buf[n:ends[taken-1]]...)
	}
	if err == nil {
		return nil
	}
	whole := taken
	if len(s.rest) > 0 {
		whole-- // it is not there for good until it is whole
	}
	accepted := len(envelopes)
	if whole < len(upTo) {
		accepted = upTo[whole]
	}
	return &SinkError{Err: err, Accepted: accepted}
}

// finish writes the rest of a line that was begun.
func (s *writerSink) finish() error {
	if len(s.rest) == 0 {
		return nil
	}
	n, err := s.w.Write(s.rest)
	s.rest = append(s.rest[:0], s.rest[max(0, min(n, len(s.rest))):]...)
	if len(s.rest) > 0 {
		return errors.Join(err, io.ErrShortWrite)
	}
	return nil // what w says of a line that is whole is said of the next one
}

func (s *writerSink) remember(sum [sha256.Size]byte) {
	s.seen[sum] = true
	if len(s.recent) < recentLines {
		s.recent = append(s.recent, sum)
		return
	}
	delete(s.seen, s.recent[s.next])
	s.recent[s.next] = sum
	s.next = (s.next + 1) % recentLines
}
