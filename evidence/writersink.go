package evidence

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
)

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
