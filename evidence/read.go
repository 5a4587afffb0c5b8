package evidence

import (
	"errors"
	"fmt"
	"iter"
)

// An Entry is a record as it stands in a ledger.
type Entry struct {
	Record  *Record
	Subject Subject
	Hash    Hash // SHA-256 of the payload: the identity of the record

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
		err := walk(dir, func(at place, env []byte, err error) bool {
			e := Entry{Segment: at.segment, Offset: at.offset}
			if err == nil {
				e.Envelope = append([]byte(nil), env...)
				c := checker{}
				e.Subject, e.Record, e.Hash, err = c.open(e.Envelope)
			}
			if err != nil {
				e.Record = nil
				err = fmt.Errorf("evidence: segment %d, offset %d: %w", at.segment, at.offset, err)
			}
			stopped = !yield(e, err)
			return !stopped
		}, nil)
		if err != nil && !stopped {
			yield(Entry{}, fmt.Errorf("evidence: ledger %s: %w", dir, err))
		}
	}
}

// ParseEnvelope parses one record out of its envelope, as a [Sink] gets it. It
// checks that the record is of this version and in canonical form, and NO
// signature.
func ParseEnvelope(envelope []byte) (*Record, error) {
	c := checker{}
	_, r, _, err := c.open(envelope)
	var bad *recordError
	if errors.As(err, &bad) {
		return nil, fmt.Errorf("evidence: record: %w", bad)
	}
	return r, nil
}
