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

// A batch is records of one segment that go together, and what became of them.
// It is used again, unless somebody may still have it.
type batch struct {
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
	returned bool    // nobody delivers it any more

	first []byte    // the first record, until it was looked at; lend leaves it alone
	time  time.Time // of it, then
}

func (b *batch) reset() {
	*b = batch{data: b.data[:0], envelopes: b.envelopes[:0], ends: b.ends[:0], refusals: b.refusals[:0]}
}

func (b *batch) left() int { return len(b.ends) - b.done }

// at returns the place after the first n records.
func (b *batch) at(n int) segment.Place {
	if n == 0 {
		return segment.Place{Segment: b.segment, Offset: b.begin}
	}
	return segment.Place{Segment: b.segment, Offset: b.ends[n-1]}
}

// bytes returns the length of the first n frames.
func (b *batch) bytes(n int) int64 { return b.at(n).Offset - b.begin }

// take notes that n more records were taken.
func (b *batch) take(n int) { b.done += n }

// lend notes that a call that did not return has the memory, and makes new
// memory for what is left.
func (b *batch) lend() {
	data := append([]byte(nil), b.data...)
	envelopes := make([][]byte, 0, len(b.envelopes))
	for _, env := range b.envelopes {
		envelopes = append(envelopes, data[:len(env):len(env)])
		data = data[len(env):]
	}
	b.envelopes, b.lent = envelopes, true
}

// A batchReader reads batches off a ledger. It belongs to one goroutine.
type batchReader struct {
	dir    string
	frames segment.Reader
}

// read reads records from a place on into b, at least one, where the ledger is
// durable up to end, which is not at.
func (r *batchReader) read(b *batch, at, end segment.Place) error {
	for {
		if err := r.segment(b, at, end); err != nil {
			return fmt.Errorf("segment %d: %w", at.Segment, err)
		}
		if len(b.ends) > 0 {
			return nil
		}
		if at.Segment >= end.Segment {
			return errors.New("it is shorter than it was")
		}
		at = start(at.Segment + 1)
	}
}

// segment reads on in one segment, up to its end or to that of what is durable.
func (r *batchReader) segment(b *batch, at, end segment.Place) error {
	f, err := osfile.Open(segment.Path(r.dir, at.Segment), os.O_RDONLY, 0)
	if err != nil {
		return osfile.WithoutPath(err)
	}
	defer func() { _ = f.Close() }() // only read
	if _, err := f.Seek(at.Offset, io.SeekStart); err != nil {
		return osfile.WithoutPath(err)
	}
	var durable io.Reader = f
	if at.Segment == end.Segment {
		durable = io.LimitReader(f, end.Offset-at.Offset)
	}
	r.frames.Reset(durable, at.Offset)
	b.segment, b.begin = at.Segment, at.Offset
	// Where only checkpoints are signed, a batch goes on to the record that covers it.
	for signed := true; len(b.ends) < batchRecords && len(b.data) < batchBytes ||
		!signed && len(b.ends) < batchRecords+record.MaxUnsigned; {
		env, _, err := r.frames.Next()
		if errors.Is(err, io.EOF) || err != nil && len(b.ends) > 0 {
			break // what comes before the damage goes
		}
		if err != nil {
			return err
		}
		signed = !record.EndsUnsigned(env)
		b.data = append(b.data, env...)
		b.ends = append(b.ends, r.frames.Offset())
	}
	b.slice()
	return nil
}

// slice finds the envelopes in data.
func (b *batch) slice() {
	from := 0
	begin := b.begin
	for _, end := range b.ends {
		n := int(end-begin) - segment.FrameHeader
		b.envelopes = append(b.envelopes, b.data[from:from+n:from+n])
		from, begin = from+n, end
	}
}

// start returns where the first frame of a segment begins.
func start(n uint64) segment.Place {
	return segment.Place{Segment: n, Offset: int64(len(segment.Header))}
}

// bytesBefore returns how many bytes of frames the ledger has before a place.
func bytesBefore(dir string, at segment.Place) (int64, error) {
	n := at.Offset - int64(len(segment.Header))
	for i := uint64(1); i < at.Segment; i++ {
		info, err := os.Lstat(segment.Path(dir, i))
		if err != nil {
			return 0, err
		}
		n += info.Size() - int64(len(segment.Header))
	}
	return n, nil
}
