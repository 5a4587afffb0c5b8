package evidence

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"

	"example.com/safeconduct/evidence/internal/tiles"
)

// A found is what a ledger holds when it is opened to be continued.
type found struct {
	origin  string
	records uint64
	head    *Head // nil in a new ledger
	tree    tiles.Tree
	tiles   *tiles.Writer

	recovered *Recovered // nil where there was nothing to mend
}

// treeHead returns the head of the tree, nil in a new ledger.
func (f *found) treeHead() *TreeHead {
	if f.records == 0 {
		return nil
	}
	return &TreeHead{Records: f.records, Root: Hash(f.tree.Root())}
}

// resume makes the store ready to append to what the ledger holds, or begins it.
// Nothing is changed where that is not what the last writer left, but for what a
// crash leaves.
func (s *store) resume(root ed25519.PublicKey, overflowDir string) (*found, error) {
	last, err := s.lastSegment()
	if err != nil {
		return nil, err
	}
	if last == 0 {
		if err := s.clearOverflow(overflowDir); err != nil {
			return nil, err
		}
		return &found{tiles: tiles.NewWriter(s.dir, tiles.Options{})}, s.begin()
	}
	r := reopening{
		checker: newChecker("", tiles.NewWriter(s.dir, tiles.Options{Pass: tiles.Check})),
		tiles:   tiles.NewWriter(s.dir, tiles.Options{Pass: tiles.Check}),
		last:    last,
		whole:   -1,
	}
	if err := r.read(s.dir, overflowDir); err != nil {
		return nil, err
	}
	if err := r.judge(root); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r.mend(s, overflowDir)
}

// A reopening checks a ledger before it is continued. It looks at as few
// signatures as cover everything: the hash of each record stands in the next.
type reopening struct {
	checker *checker
	tree    tiles.Tree
	tiles   *tiles.Writer
	records uint64

	last  uint64 // segment
	whole int64  // bytes of it, up to an incomplete frame; -1 if there is none

	session *Record // the newest key.session
	rotate  *Record // a key.rotate since then
	handed  []byte  // its envelope
	final   []byte  // the last envelope

	overflow  []byte // frames to be taken over
	late      string // the writer whose overflow it is instead, if the ledger went on without that
	recovered Recovered
}

func (r *reopening) read(dir, overflowDir string) error {
	if err := r.checker.expectOwn(dir); err != nil {
		return err
	}
	var failed error
	err := scan(dir, nil, func(f *frame, _ int64) bool {
		if f.bad != nil && f.bad.damage == DamageTruncated && f.at.segment == r.last {
			r.whole = f.at.offset
			return false // nothing comes after it
		}
		failed = r.take(f)
		return failed == nil && r.checker.report.First == nil
	})
	if err := errors.Join(err, failed); err != nil || r.checker.report.First != nil {
		return err
	}
	err = readOverflow(overflowDir, func(env []byte) bool {
		var more bool
		more, failed = r.takeOverflow(env)
		return more && failed == nil
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if r.records == 0 && len(r.checker.anchors) == 0 {
		return nil // its first writer came no further
	}
	return r.checker.finish()
}

// take takes the next frame.
func (r *reopening) take(f *frame) error {
	if err := r.checker.frame(f); err != nil || f.record == nil {
		return err
	}
	if err := r.tiles.Append(f.leaf, nil); err != nil {
		return err
	}
	r.tree.Append(f.leaf)
	r.records++
	r.final = append(r.final[:0], f.env...)
	switch f.record.Kind {
	case KindSession:
		r.session, r.rotate, r.handed = f.record, nil, nil
	case KindRotate:
		r.rotate, r.handed = f.record, bytes.Clone(f.env)
	}
	return nil
}

// takeOverflow takes a record of the overflow file, if it follows the ones
// before.
func (r *reopening) takeOverflow(env []byte) (more bool, err error) {
	f := frame{env: env, leaf: tiles.LeafHash(env), at: place{segment: r.last}}
	var e envelope
	if f.open(&e); f.record == nil {
		return false, nil
	}
	switch {
	case f.record.Ledger != r.checker.report.Ledger:
		return false, foreignOverflow(f.record.Ledger)
	case f.record.Writer != r.checker.writer:
		r.late = f.record.Writer
		return false, nil
	case f.record.Seq <= r.checker.seq:
		return true, nil // the segments have it
	case f.record.Seq != r.checker.seq+1 || f.record.Prev != r.checker.hash:
		return false, nil
	}
	r.overflow = appendFrame(r.overflow, env)
	r.recovered.Overflow++
	return true, r.take(&f)
}

// judge says whether the ledger is what its writers left, and one that root may
// continue.
func (r *reopening) judge(root ed25519.PublicKey) error {
	switch first := r.checker.report.First; {
	case first != nil && first.Damage == DamageUnsigned && r.session != nil && r.session.Session.Signing == SignCheckpoints:
		// Between two checkpoints nothing is signed. The next session does it,
		// and says so.
	case first != nil:
		return errors.New(first.String())
	}
	if r.session == nil {
		return nil
	}
	if r.session.Session.Signing == SignCheckpoints {
		r.recovered.Unsigned = r.records - r.checker.covered
	}
	if r.rotate != nil {
		if !bytes.Equal(r.rotate.Rotate.Public, marshalPublic(root)) {
			return fmt.Errorf("it was handed over to root key %s, and %s is not that", r.rotate.Rotate.Key, KeyID(root))
		}
		if err := signedBy(r.handed, root); err != nil {
			return fmt.Errorf("its newest rotation is %w", err)
		}
	} else if err := signedBy(r.checker.lastRoot, root); err != nil {
		return fmt.Errorf("its newest session is %w", err)
	}
	key, err := parsePKIX(r.session.Session.Public)
	if err != nil {
		return err
	}
	if bytes.Equal(r.final, r.handed) || bytes.Equal(r.final, r.checker.lastRoot) || r.session.Session.Signing == SignCheckpoints {
		return nil
	}
	if err := signedBy(r.final, key); err != nil {
		return fmt.Errorf("its last record is %w", err)
	}
	return nil
}

// signedBy reports whether key signed the envelope.
func signedBy(env []byte, key ed25519.PublicKey) error {
	var e envelope
	if err := e.parse(env); err != nil {
		return err
	}
	for _, sig := range e.signatures {
		if ed25519.Verify(key, e.pae, sig.sig) {
			return nil
		}
	}
	if len(e.signatures) == 0 {
		return &recordError{DamageUnsigned, "no signature"}
	}
	return &recordError{DamageUnknownKey, fmt.Sprintf("signed by key %q, and not by %s", clean(string(e.signatures[0].keyID), 64), KeyID(key))}
}

// mend changes what a crash left: an incomplete frame at the end is cut off, what
// had gone to the overflow comes in, and tiles that are not what they must be are
// written again.
func (r *reopening) mend(s *store, overflowDir string) (*found, error) {
	cut, err := s.open(r.last, r.whole)
	if err != nil {
		return nil, err
	}
	if r.whole >= 0 {
		r.recovered.Bytes, r.recovered.Segment = cut, r.last
	}
	if len(r.overflow) > 0 {
		if err := s.append(r.overflow); err != nil {
			return nil, err
		}
	}
	if r.late != "" { // they have no place in the ledger any more, but are signed
		path := filepath.Join(overflowDir, overflowName)
		if err := s.disk.rename(path, path+"."+r.late); err != nil {
			return nil, err
		}
	}
	if err := s.removeOverflow(overflowDir); err != nil {
		return nil, err
	}
	if r.tiles, r.recovered.Tiles, err = mendTiles(s.dir, r.tiles); err != nil {
		return nil, err
	}
	f := &found{origin: r.checker.report.Ledger, records: r.records, tree: r.tree, tiles: r.tiles}
	if r.checker.writer != "" {
		f.head = &Head{Hash: r.checker.hash, Seq: r.checker.seq, Writer: r.checker.writer}
	}
	if r.recovered != (Recovered{}) {
		f.recovered = &r.recovered
	}
	return f, nil
}

// mendTiles writes the tiles again that a Writer which has checked them all did
// not find as they must be, and how many these are. It returns a Writer that is
// ready for those that come next.
func mendTiles(dir string, w *tiles.Writer) (_ *tiles.Writer, mended uint64, err error) {
	if found := w.Found(); found != (tiles.Found{}) {
		mended = uint64(found.Missing + found.Wrong)
		w = tiles.NewWriter(dir, tiles.Options{Pass: tiles.Ensure})
		var failed error
		err := scan(dir, nil, func(f *frame, _ int64) bool {
			failed = w.Append(f.leaf, nil)
			return failed == nil
		})
		if err := errors.Join(err, failed); err != nil {
			return nil, 0, err
		}
	}
	w.Resume()
	return w, mended, nil
}
