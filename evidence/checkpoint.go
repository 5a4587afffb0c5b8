package evidence

import (
	"errors"
	"fmt"
	"slices"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A Checkpoint is the newest signed head of a ledger, and what tools that know
// transparency logs need to check it.
type Checkpoint struct {
	Ledger string          // the origin
	Head   record.TreeHead // what it covers

	// Signed is the checkpoint as it stands in the ledger: a C2SP
	// tlog-checkpoint. Kept where the ledger's holder cannot change it, it
	// shows later whether the ledger was cut or rewritten: see
	// VerifyOptions.Checkpoints.
	Signed []byte

	// Key is the key of the session that signed it as one line, a verifier key
	// of package note (a "vkey"), which other tools take. It is the ledger that
	// says so: only [Verify] shows that a root key introduced the session.
	Key string
}

// ReadCheckpoint reads the checkpoint of the ledger in dir. It reads the ledger
// through and returns a checkpoint only if it is of the records that are there
// and a session of the ledger signed it; the error wraps [ErrDamaged] where that
// is not so. Whether a root key that is trusted introduced the session is not
// looked at: see [Verify].
func ReadCheckpoint(dir string) (*Checkpoint, error) {
	s, err := newCheckpointReader(dir)
	if err == nil {
		err = s.run(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: ledger %s: %w", dir, err)
	}
	return s.checkpoint()
}

// A checkpointReader reads a ledger up to its checkpoint, and looks for no
// other signature than the one of that. It notes what root keys signed on the
// way.
type checkpointReader struct {
	dir    string
	head   *chain.Anchor // the ledger's checkpoint
	prover tiles.Prover
	roots  []rootStatement
	signer int // of roots: the session that signed the checkpoint
}

// A rootStatement is a key.session or key.rotate, and how many records come
// before it.
type rootStatement struct {
	env     []byte
	index   uint64
	session *chain.Session // nil for a rotation
}

// newCheckpointReader reads the checkpoint, which must be read before the
// records: a writer adds to those first.
func newCheckpointReader(dir string) (*checkpointReader, error) {
	if _, err := segment.List(dir); err != nil {
		return nil, err
	}
	signed, err := chain.ReadCheckpoint(dir)
	if err != nil {
		return nil, err
	}
	a, err := chain.ParseAnchor(signed, "the ledger's checkpoint")
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, segment.CheckpointName, err)
	}
	return &checkpointReader{dir: dir, head: a}, nil
}

// run reads the ledger. It calls visit, if that is not nil, for each record with
// its number from 0, until that wants no more; it goes on to the end of what the
// checkpoint covers all the same.
func (s *checkpointReader) run(visit func(f *chain.Frame, index uint64) (more bool, err error)) error {
	var failed error
	index, size := uint64(0), uint64(s.head.Size)
	err := chain.Scan(s.dir, nil, func(f *chain.Frame, _ int64) bool {
		if f.Bad != nil {
			return true // the root will tell, unless it is after the checkpoint
		}
		more := false
		if visit != nil {
			more, failed = visit(f, index)
		}
		if failed == nil && index < size {
			s.note(f, index)
		}
		index++
		return failed == nil && (more || index < size)
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	return s.check()
}

func (s *checkpointReader) note(f *chain.Frame, index uint64) {
	if s.prover.Size() == int64(index) { // visit may have appended it, to be proved
		s.prover.Append(f.Leaf, false)
	}
	if r := f.Record; r != nil && (r.Kind == record.KindSession || r.Kind == record.KindRotate) {
		stated := rootStatement{env: append([]byte(nil), f.Env...), index: index}
		if r.Kind == record.KindSession {
			stated.session = chain.NewSession(r, f.Hash)
		}
		s.roots = append(s.roots, stated)
	}
}

// check checks the checkpoint.
func (s *checkpointReader) check() error {
	if n := s.prover.Size(); n < s.head.Size {
		return fmt.Errorf("%w: its checkpoint covers %d records, and %d are there", ErrDamaged, s.head.Size, n)
	}
	if s.head.Size > 0 && s.prover.Root() != s.head.Root {
		return fmt.Errorf("%w: its first %d records are not those that its checkpoint covers", ErrDamaged, s.head.Size)
	}
	var sessions []*chain.Session
	for _, r := range s.roots {
		if r.session != nil {
			sessions = append(sessions, r.session)
		}
	}
	by, err := s.head.SignedBy(sessions)
	if errors.Is(err, chain.ErrNoSession) {
		return fmt.Errorf("%w: no session of it signed its checkpoint", ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s.signer = slices.IndexFunc(s.roots, func(r rootStatement) bool { return r.session == by })
	return nil
}

// checkpoint returns what was read.
func (s *checkpointReader) checkpoint() (*Checkpoint, error) {
	key, err := tiles.VerifierKey(s.head.Origin, s.roots[s.signer].session.Key)
	if err != nil {
		return nil, fmt.Errorf("evidence: ledger %s: %w", s.dir, err)
	}
	return &Checkpoint{
		Ledger: s.head.Origin,
		Head:   record.TreeHead{Records: uint64(s.head.Size), Root: record.Hash(s.head.Root)},
		Signed: s.head.Note,
		Key:    key,
	}, nil
}
