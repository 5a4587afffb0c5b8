package replica

import (
	"bytes"
	"crypto/sha256"
	"errors"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A judgement says of each envelope of a batch whether it is the next one, known,
// or neither.
type judgement struct {
	replica *Replica
	next    history       // what follows, once fresh is durable
	fresh   []chain.Frame // the new ones
	hashes  *tiles.Reader // of what is durable; nil until it is needed

	// Of fresh, those that are signed, or covered by one that is, and what
	// follows these.
	covered int
	sure    history
}

// take judges the next envelope, which has been opened. The error is one of
// those that Append returns.
func (j *judgement) take(f *chain.Frame) error {
	if f.Err != nil {
		return refused(f.Err)
	}
	if f.Record.Ledger != j.next.origin {
		return &RefusedError{record.DamageSpliced, "the record is of another ledger"}
	}
	stands, at := j.next.locate(f.Record)
	switch stands {
	case standsAhead:
		return &MissingError{}
	case standsThere:
		leaf, err := j.leaf(at)
		if err != nil {
			return j.replica.unavailable(err)
		}
		if leaf == f.Leaf {
			return nil
		}
		return j.contradicted(f, at)
	case standsApart:
		return j.contradicted(f, at)
	}
	next := j.next
	if err := next.verify(f); err != nil {
		return refused(err)
	}
	if err := next.advance(f); err != nil {
		return err
	}
	j.next, j.fresh = next, append(j.fresh, *f)
	switch {
	case f.Signed:
		j.sure, j.covered = j.next, len(j.fresh)
	case len(j.fresh)-j.covered > record.MaxUnsigned:
		return &RefusedError{record.DamageUnsigned, "no signature covers it nor the records before it"}
	}
	return nil
}

// proven returns the error for the first of some records, which was not taken
// because of err. A record that is not signed and contradicts what is there proves
// nothing, but one after it that is signed may: of two histories that parted
// somewhere before.
func (j *judgement) proven(err error, frames []chain.Frame) error {
	if f := &frames[0]; f.Record == nil || f.Signed {
		return err
	}
	for i := 1; i < min(len(frames), record.MaxUnsigned+1); i++ {
		apart := *j
		var e *EquivocationError
		if err := apart.take(&frames[i]); errors.As(err, &e) {
			return err
		}
	}
	return err
}

// contradicted returns the error for a record that cannot be in one ledger with
// the one at an index, or nil where it is the same one in another envelope.
func (j *judgement) contradicted(f *chain.Frame, at uint64) error {
	if err := j.next.signedBefore(f); err != nil {
		return refused(err)
	}
	if at >= j.replica.history.records+uint64(j.covered) {
		return &RefusedError{record.DamageEdited, "what covers it is of another record in its place"}
	}
	held, err := j.envelope(at)
	if err != nil {
		return j.replica.unavailable(err)
	}
	var e record.Envelope
	if err := e.Parse(held); err == nil && sha256.Sum256(e.Payload) == f.Hash {
		return nil
	}
	return &EquivocationError{Writer: f.Record.Writer, Seq: f.Record.Seq, Held: held, Received: bytes.Clone(f.Env)}
}

// leaf returns the hash of the record at an index.
func (j *judgement) leaf(at uint64) (tiles.Hash, error) {
	if n := j.replica.history.records; at >= n {
		return j.fresh[at-n].Leaf, nil
	}
	if j.hashes == nil {
		var err error
		if j.hashes, err = j.replica.reader(); err != nil {
			return tiles.Hash{}, err
		}
	}
	return j.hashes.Leaf(int64(at))
}

// envelope returns the record at an index.
func (j *judgement) envelope(at uint64) ([]byte, error) {
	if n := j.replica.history.records; at >= n {
		return bytes.Clone(j.fresh[at-n].Env), nil
	}
	return j.replica.envelope(at)
}

// envelope returns the record at an index.
func (r *Replica) envelope(index uint64) (env []byte, err error) {
	n := index - index%markEvery
	err = segment.WalkFrom(r.dir, r.marks[index/markEvery], func(_ segment.Place, found []byte, bad error) bool {
		if n == index && bad == nil {
			env = bytes.Clone(found)
		}
		n++
		return n <= index
	}, nil)
	if err == nil && env == nil {
		err = errors.New("a record cannot be read any more")
	}
	return env, err
}

// refused returns a *record.Error as what it is to others.
func refused(err error) error {
	var bad *record.Error
	errors.As(err, &bad)
	return &RefusedError{bad.Damage, bad.Detail}
}
