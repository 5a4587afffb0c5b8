package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence/internal/chain"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// A ledgerState is what a ledger holds when it is opened to be continued.
type ledgerState struct {
	origin  string
	records uint64
	head    *record.Head // nil in a new ledger
	tree    tiles.Tree
	tiles   *tiles.Writer

	recovered *record.Recovered // nil where there was nothing to mend
}

// treeHead returns the head of the tree, nil in a new ledger.
func (f *ledgerState) treeHead() *record.TreeHead {
	if f.records == 0 {
		return nil
	}
	return &record.TreeHead{Records: f.records, Root: record.Hash(f.tree.Root())}
}

// resume makes the store ready to append to what the ledger holds, or begins it.
// Nothing is changed where that is not what the last writer left, but for what a
// crash leaves.
func resume(s *segment.Store, root ed25519.PublicKey, overflowDir string) (*ledgerState, error) {
	last, err := s.Last()
	if err != nil {
		return nil, err
	}
	if last == 0 {
		if err := requireNew(s.Dir()); err != nil {
			return nil, err
		}
		if err := removeEmptyOverflow(s.Disk(), overflowDir); err != nil {
			return nil, err
		}
		return &ledgerState{tiles: tiles.NewWriter(s.Dir(), tiles.Options{})}, s.Begin()
	}
	r := recovery{
		checker:     newChecker("", tiles.NewWriter(s.Dir(), tiles.Options{Pass: tiles.Check})),
		root:        root,
		overflowDir: overflowDir,
		last:        last,
		tornAt:      -1,
	}
	if err := r.read(s.Dir()); err != nil {
		return nil, err
	}
	if err := r.judge(s.Dir()); err != nil {
		return nil, err
	}
	return r.mend(s)
}

// requireNew checks that a ledger without a segment never had one.
func requireNew(dir string) error {
	_, err := chain.ReadCheckpoint(dir)
	if errors.Is(err, chain.ErrNoCheckpoint) {
		var tile string
		if _, tile, err = tiles.Reach(dir); err != nil || tile == "" {
			return err
		}
	}
	return fmt.Errorf("%w: it has a checkpoint or tiles, and its segments are gone", ErrDamaged)
}

// A recovery checks a ledger before it is continued. It looks at as few
// signatures as cover everything: the hash of each record stands in the next.
type recovery struct {
	checker     *checker
	root        ed25519.PublicKey // that may continue it
	overflowDir string

	last   uint64 // segment
	tornAt int64  // bytes of it, up to an incomplete frame; -1 if there is none

	session     *record.Record // the newest key.session
	rotation    *record.Record // a key.rotate since then
	rotationEnv []byte         // its envelope
	lastSigned  []byte         // the last envelope with a signature

	cutFrom   *segment.Place // from where on no signature covers the segments; nil if there is no such place
	overflow  overflowContents
	recovered record.Recovered
}

func (r *recovery) read(dir string) error {
	if err := r.checker.tree.expectOwn(dir); err != nil {
		return err
	}
	var failed error
	err := chain.Scan(dir, nil, func(f *chain.Frame, _ int64) bool {
		if f.Bad != nil && f.Bad.Torn && f.At.Segment == r.last {
			r.tornAt = f.At.Offset
			return false // nothing comes after it
		}
		failed = r.take(f)
		return failed == nil && r.checker.report.First == nil
	})
	if err := errors.Join(err, failed); err != nil || r.checker.report.First != nil {
		return err
	}
	if err := r.readOverflow(dir); err != nil || r.checker.report.First != nil {
		return err
	}
	if r.checker.isEmpty() {
		return nil // its first writer came no further
	}
	if err := r.checker.finish(); err != nil {
		return err
	}
	return r.cutUncovered(dir, 0)
}

// take takes the next frame.
func (r *recovery) take(f *chain.Frame) error {
	if err := r.checker.frame(f); err != nil || f.Record == nil || !f.Signed {
		return err
	}
	r.lastSigned = append(r.lastSigned[:0], f.Env...)
	switch f.Record.Kind {
	case record.KindSession:
		r.session, r.rotation, r.rotationEnv = f.Record, nil, nil
	case record.KindRotate:
		r.rotation, r.rotationEnv = f.Record, bytes.Clone(f.Env)
	}
	return nil
}

// readOverflow takes what the overflow file has beyond the segments, as far as it
// follows and is signed.
func (r *recovery) readOverflow(dir string) (err error) {
	c := r.checker
	after := overflowReader{ledger: c.report.Ledger, head: c.writers.head, open: r.openOverflowed()}
	if r.overflow, err = after.read(r.overflowDir); err != nil {
		return err
	}
	switch s := &r.overflow; {
	case s.otherLedger != "" && c.index == 0:
		return fmt.Errorf("%w: %s holds records of the ledger %q, and its segments hold none: they were cut or removed",
			ErrDamaged, segment.OverflowName, record.Brief(s.otherLedger))
	case s.otherLedger != "" && !sameDir(r.overflowDir, dir):
		return foreignOverflow(s.otherLedger)
	case s.missing > 0:
		return fmt.Errorf("%w: %s goes on %d records after the end of the segments: these were cut",
			ErrDamaged, segment.OverflowName, s.missing)
	}
	// The segments may have the beginning of it, but for the signature that
	// covers it.
	frames, same := r.overflow.frames, 0
	for same < len(c.uncovered) && len(frames) > 0 {
		env, rest := segment.SplitFrame(frames)
		if c.uncovered[same].Leaf != tiles.LeafHash(env) {
			break
		}
		frames = rest
		same++
	}
	if len(frames) == 0 {
		return nil
	}
	if err := r.cutUncovered(dir, same); err != nil {
		return err
	}
	r.overflow.frames = frames
	var e record.Envelope
	for len(frames) > 0 && c.report.First == nil {
		f := chain.Frame{At: segment.Place{Segment: r.last}}
		f.Env, frames = segment.SplitFrame(frames)
		f.Leaf = tiles.LeafHash(f.Env)
		f.Open(&e)
		r.recovered.Overflow++
		if err := r.take(&f); err != nil {
			return err
		}
	}
	return nil
}

// cutUncovered notes what no signature covers from the i-th record on that waits for
// one: it is cut off.
func (r *recovery) cutUncovered(dir string, i int) error {
	uncovered := r.checker.uncovered[i:]
	if len(uncovered) == 0 {
		return nil
	}
	from := uncovered[0].At
	r.cutFrom = &from
	u := record.Unsigned{First: uncovered[0].Hash, Last: uncovered[len(uncovered)-1].Hash, Records: uint64(len(uncovered))}
	sum, left := sha256.New(), len(uncovered)
	err := segment.WalkFrom(dir, from, func(_ segment.Place, env []byte, bad error) bool {
		if bad == nil {
			framed := segment.AppendFrame(nil, env)
			_, _ = sum.Write(framed) // never fails
			u.Bytes += int64(len(framed))
			left--
		}
		return left > 0 && bad == nil
	}, nil)
	if err == nil && left > 0 {
		err = errors.New("a record cannot be read any more")
	}
	u.Digest = record.Hash(sum.Sum(nil))
	r.recovered.Unsigned = &u
	r.checker.uncovered = r.checker.uncovered[:i]
	return err
}

// judge says whether the ledger in dir is what its writers left, and one that the root
// key may continue.
func (r *recovery) judge(dir string) error {
	if first := r.checker.report.First; first != nil {
		return fmt.Errorf("%w: %s", ErrDamaged, first)
	}
	if r.session == nil {
		return nil
	}
	if err := r.lastSignature(); err != nil {
		return fmt.Errorf("%w: the last signature of it is of a record that is %w", ErrDamaged, err)
	}
	err := r.signedByRoot()
	if err == nil {
		return nil
	}
	owner, former, oerr := ownerOf(dir, r.root)
	if oerr != nil {
		return oerr
	}
	if owner == "" || owner == record.KeyID(r.root) || r.overflow.astray > 0 { // what is astray may be what was cut
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var how, cut string
	if former {
		how = ", to which it was handed over"
	} else {
		cut = "; if it had been handed over to the key given, its end was cut off"
	}
	return fmt.Errorf("%w (%s)%s: open it with that one, or begin a successor (evidence.PredecessorOf, safeconduct succeed)%s",
		ErrOtherKey, owner, how, cut)
}

// signedByRoot returns nil where the root key signed the newest session, or the ledger was
// handed over to it since then.
func (r *recovery) signedByRoot() error {
	if r.rotation == nil {
		if err := signedBy(r.checker.tree.introduction, r.root); err != nil {
			return fmt.Errorf("its newest session is %w", err)
		}
		return nil
	}
	if !bytes.Equal(r.rotation.Rotate.Public, record.MarshalKey(r.root)) {
		return fmt.Errorf("it was handed over to root key %s, and %s is not that", r.rotation.Rotate.Key, record.KeyID(r.root))
	}
	if err := signedBy(r.rotationEnv, r.root); err != nil {
		return fmt.Errorf("its newest rotation is %w", err)
	}
	return nil
}

// lastSignature returns nil where the newest session signed the last record that is
// signed, unless it is one that a root key signs.
func (r *recovery) lastSignature() error {
	if bytes.Equal(r.lastSigned, r.rotationEnv) || bytes.Equal(r.lastSigned, r.checker.tree.introduction) {
		return nil
	}
	key, err := record.ParseKey(r.session.Session.Public)
	if err != nil {
		return err
	}
	return signedBy(r.lastSigned, key)
}

// signedBy reports whether key signed the envelope.
func signedBy(env []byte, key ed25519.PublicKey) error {
	var e record.Envelope
	if err := e.Parse(env); err != nil {
		return err
	}
	for _, sig := range e.Signatures {
		if ed25519.Verify(key, e.PAE, sig.Sig) {
			return nil
		}
	}
	if len(e.Signatures) == 0 {
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	return record.Errorf(record.DamageUnknownKey, "signed by key %q, and not by %s",
		record.Clean(string(e.Signatures[0].KeyID), 64), record.KeyID(key))
}

// mend changes what a crash left: what no signature covers and an incomplete frame
// at the end are cut off, what had gone to the overflow comes in, and tiles that are
// not what they must be are written again.
func (r *recovery) mend(s *segment.Store) (*ledgerState, error) {
	at := segment.Place{Segment: r.last, Offset: r.tornAt}
	if r.tornAt >= 0 {
		info, err := os.Stat(segment.Path(s.Dir(), r.last))
		if err != nil {
			return nil, err
		}
		r.recovered.Bytes, r.recovered.Segment = info.Size()-r.tornAt, r.last
	}
	if r.cutFrom != nil {
		at = *r.cutFrom
		for n := r.last; n > at.Segment; n-- { // the last one first: no hole is left
			if err := s.Disk().Remove(segment.Path(s.Dir(), n)); err != nil {
				return nil, err
			}
		}
	}
	if err := s.Open(at.Segment, at.Offset); err != nil {
		return nil, err
	}
	if len(r.overflow.frames) > 0 {
		if err := s.Append(r.overflow.frames); err != nil {
			return nil, err
		}
	}
	if err := r.removeOrSetAside(s); err != nil {
		return nil, err
	}
	c := r.checker
	tree := c.tree.tiles.Tree()
	w, mended, err := chain.MendTiles(s.Dir(), c.tree.tiles)
	if err != nil {
		return nil, err
	}
	r.recovered.Tiles = mended
	f := &ledgerState{origin: c.report.Ledger, records: uint64(tree.Size()), tree: tree, tiles: w}
	if head := c.writers.head; head.Writer != "" {
		f.head = &head
	}
	if r.recovered != (record.Recovered{}) {
		f.recovered = &r.recovered
	}
	return f, nil
}

// removeOrSetAside removes the overflow file, or sets it aside where it holds
// what is not in the ledger now.
func (r *recovery) removeOrSetAside(s *segment.Store) error {
	if r.overflow.astray == 0 {
		return removeOverflow(s.Disk(), r.overflowDir)
	}
	path := filepath.Join(r.overflowDir, segment.OverflowName)
	aside, err := measureFile(path)
	if err != nil {
		return err
	}
	r.recovered.Aside = aside
	return s.Disk().Rename(path, fmt.Sprintf("%s.%x", path, aside.Digest[:8]))
}

// measureFile returns how long a file is and what it hashes to.
func measureFile(path string) (*record.Aside, error) {
	f, _, err := osfile.OpenRegular(path, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return &record.Aside{Bytes: n, Digest: record.Hash(sum.Sum(nil))}, err
}

// sameDir reports whether two paths are of one directory.
func sameDir(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// PredecessorOf describes the ledger in dir as the one that a new ledger succeeds
// because it cannot be continued: it is damaged, or its root key is lost. The
// first record of the new one then says what was found of the old one, its origin
// and the tree of all frames that are whole, and why it was given up; set
// Config.Predecessor to it. Nothing in dir is changed: keep it.
//
// No signature is checked. Where no record can be read any more, the origin is that of
// the ledger's checkpoint, and empty without one. The error wraps [ErrNotLedger] where
// there is nothing to succeed, and a reason must be given, of at most 512 bytes.
func PredecessorOf(dir, reason string) (*record.Predecessor, error) {
	if reason == "" || reason != record.Clean(reason, record.MaxReason) {
		return nil, fmt.Errorf("evidence: predecessor %s: a reason of at most %d bytes is needed", dir, record.MaxReason)
	}
	p := record.Predecessor{Reason: reason}
	var tree tiles.Tree
	err := chain.Scan(dir, nil, func(f *chain.Frame, _ int64) bool {
		if f.Bad != nil {
			return true
		}
		tree.Append(f.Leaf)
		if f.Record != nil && p.Ledger == "" {
			p.Ledger = f.Record.Ledger
		}
		return true
	})
	if errors.Is(err, ErrNotLedger) && segmentsAreGone(dir) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: predecessor %s: %w", dir, err)
	}
	if p.Ledger == "" {
		p.Ledger = originOfCheckpoint(dir)
	}
	p.Tree = record.TreeHead{Records: uint64(tree.Size()), Root: record.Hash(tree.Root())}
	return &p, nil
}

// segmentsAreGone reports whether dir is a ledger without a segment that had some.
func segmentsAreGone(dir string) bool {
	ns, err := segment.List(dir)
	return err == nil && len(ns) == 0 && requireNew(dir) != nil
}

// originOfCheckpoint returns which ledger the checkpoint in dir says it is of, "" where
// there is none that can be read.
func originOfCheckpoint(dir string) string {
	signed, err := chain.ReadCheckpoint(dir)
	if err != nil {
		return ""
	}
	own, err := chain.ParseAnchor(signed, segment.CheckpointName)
	if err != nil {
		return ""
	}
	return own.Origin
}
