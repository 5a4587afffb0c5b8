package ship

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// A shipment is records of one segment that go together, and what became of them.
// It is used again, unless somebody may still have it.
type shipment struct {
	data      []byte
	envelopes [][]byte // in data, one after the other
	segment   uint64
	begin     int64   // where the first frame begins in the segment
	ends      []int64 // where each frame ends
	index     uint64  // of the first record in the ledger, from 0

	done     int // from the front
	refused  int // of these
	refusals []refusal
	lent     bool    // a call of the sink that did not return has data
	held     *uint64 // the sink has only so many records of the ledger, and misses some before these
	landed   bool    // nobody delivers it any more

	time  time.Time // of the first record, once that was looked at
	dated bool
}

// A refusal is records of a shipment that a sink refused.
type refusal struct {
	envelopes [][]byte
	classes   []string // of the error
}

func (b *shipment) reset() {
	*b = shipment{data: b.data[:0], envelopes: b.envelopes[:0], ends: b.ends[:0], refusals: b.refusals[:0]}
}

func (b *shipment) left() int { return len(b.ends) - b.done }

// at returns the place after the first n records.
func (b *shipment) at(n int) segment.Place {
	if n == 0 {
		return segment.Place{Segment: b.segment, Offset: b.begin}
	}
	return segment.Place{Segment: b.segment, Offset: b.ends[n-1]}
}

// bytes returns the length of the first n frames.
func (b *shipment) bytes(n int) int64 { return b.at(n).Offset - b.begin }

// take notes that n more records were taken.
func (b *shipment) take(n int) { b.done += n }

// refuse notes that n more records were refused for good, or all that are left,
// by an error of some classes.
func (b *shipment) refuse(n int, classes []string) {
	n = min(n, b.left())
	if n == 0 {
		return
	}
	b.refusals = append(b.refusals, refusal{b.envelopes[b.done : b.done+n], classes})
	b.refused += n
	b.done += n
}

// lend notes that a call that did not return has the memory, and makes new
// memory for what is left.
func (b *shipment) lend() {
	data := append([]byte(nil), b.data...)
	envelopes := make([][]byte, 0, len(b.envelopes))
	for _, env := range b.envelopes {
		envelopes = append(envelopes, data[:len(env):len(env)])
		data = data[len(env):]
	}
	b.envelopes, b.lent = envelopes, true
}

// A ledgerReader reads batches off a ledger. It belongs to one goroutine.
type ledgerReader struct {
	dir    string
	reader segment.Reader
}

func newLedgerReader(dir string) *ledgerReader {
	return &ledgerReader{dir: dir}
}

// read reads records from a place on into b, at least one, where the ledger is
// durable up to end, which is not at.
func (l *ledgerReader) read(b *shipment, at, end segment.Place) error {
	for {
		if err := l.segment(b, at, end); err != nil {
			return fmt.Errorf("segment %d: %w", at.Segment, err)
		}
		if len(b.ends) > 0 {
			return nil
		}
		if at.Segment >= end.Segment {
			return errors.New("it is shorter than it was")
		}
		at = segment.Place{Segment: at.Segment + 1, Offset: int64(len(segment.Header))}
	}
}

// segment reads on in one segment, up to its end or to that of what is durable.
func (l *ledgerReader) segment(b *shipment, at, end segment.Place) error {
	f, err := osfile.Open(segment.Path(l.dir, at.Segment), os.O_RDONLY, 0)
	if err != nil {
		return osfile.WithoutPath(err)
	}
	defer func() { _ = f.Close() }() // only read
	if _, err := f.Seek(at.Offset, io.SeekStart); err != nil {
		return osfile.WithoutPath(err)
	}
	var r io.Reader = f
	if at.Segment == end.Segment {
		r = io.LimitReader(f, end.Offset-at.Offset)
	}
	fr := &l.reader
	fr.Reset(r, at.Offset)
	b.segment, b.begin = at.Segment, at.Offset
	// Where only checkpoints are signed, a batch goes on to the record that covers it.
	for signed := true; len(b.ends) < batchRecords && len(b.data) < batchBytes || !signed && len(b.ends) < batchRecords+record.MaxUnsigned; {
		env, _, err := fr.Next()
		if errors.Is(err, io.EOF) || err != nil && len(b.ends) > 0 {
			break // what comes before the damage goes
		}
		if err != nil {
			return err
		}
		signed = !record.EndsUnsigned(env)
		b.data = append(b.data, env...)
		b.ends = append(b.ends, fr.Offset())
	}
	b.slice()
	return nil
}

// slice finds the envelopes in data.
func (b *shipment) slice() {
	from := 0
	begin := b.begin
	for _, end := range b.ends {
		n := int(end-begin) - segment.FrameHeader
		b.envelopes = append(b.envelopes, b.data[from:from+n:from+n])
		from, begin = from+n, end
	}
}
