package evidence

import (
	"errors"
	"fmt"
	"iter"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
)

// An Entry is a record as it stands in a ledger.
type Entry struct {
	Record  *record.Record
	Subject record.Subject
	Hash    record.Hash // SHA-256 of the payload: the identity of the record

	Segment uint64 // where the record is: the number in the file's name
	Offset  int64  // and bytes into it

	// Envelope is the signed record, one line of JSON without a newline. It is
	// the entry's own.
	Envelope []byte
}

// Read goes through the records of the ledger in dir. It checks NO signature and
// no chain: what it yields may have been written by anybody. See [Verify].
//
// Bytes that are no record yield an Entry without a Record and an error that
// says what is wrong, and reading goes on after them, if the caller does. An
// Entry without a Segment means that the ledger cannot be read any further.
func Read(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		stopped := false
		err := chain.Scan(dir, nil, func(f *chain.Frame, _ int64) bool {
			stopped = !yield(entryOf(f))
			return !stopped
		})
		if err != nil && !stopped {
			yield(Entry{}, fmt.Errorf("evidence: ledger %s: %w", dir, err))
		}
	}
}

// entryOf returns what is at the place of a frame that has been opened.
func entryOf(f *chain.Frame) (Entry, error) {
	e := Entry{Segment: f.At.Segment, Offset: f.At.Offset}
	err := f.Err
	if f.Bad != nil {
		err = f.Bad
	} else {
		e.Record, e.Subject, e.Hash = f.Record, f.Subject, f.Hash
		e.Envelope = append([]byte(nil), f.Env...)
	}
	if err != nil {
		err = fmt.Errorf("evidence: segment %d, offset %d: %w", e.Segment, e.Offset, err)
	}
	return e, err
}

// newEntry returns what walk found at a place.
func newEntry(at segment.Place, env []byte, bad error, scratch *record.Envelope) (Entry, error) {
	f := chain.Frame{At: at, Env: env}
	if !errors.As(bad, &f.Bad) {
		f.Open(scratch)
	}
	return entryOf(&f)
}
