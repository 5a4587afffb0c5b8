package evidence

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
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
	ns, err := listSegments(s.dir)
	if err != nil {
		return nil, err
	}
	if len(ns) == 0 {
		if err := s.create(1); err != nil {
			return nil, err
		}
		err := errors.Join(s.disk.syncDir(s.dir), s.disk.syncDir(filepath.Dir(filepath.Clean(s.dir))))
		return &found{tiles: tiles.NewWriter(s.dir, tiles.Options{})}, err
	}
	r := reopening{
		checker:  newChecker(nil, ""),
		tiles:    tiles.NewWriter(s.dir, tiles.Options{Pass: tiles.Ensure}),
		sessions: make(map[string]ed25519.PublicKey),
		torn:     place{segment: ns[len(ns)-1], offset: -1},
	}
	if err := r.read(s.dir, overflowDir); err != nil {
		return nil, err
	}
	if err := r.judge(root); err != nil {
		return nil, err
	}
	if err := r.mend(s, overflowDir); err != nil {
		return nil, err
	}
	f := &found{
		origin: r.checker.report.Ledger, records: r.checker.report.Records,
		tree: r.tree, tiles: r.tiles,
	}
	if r.checker.writer != "" {
		f.head = &Head{Hash: r.checker.hash, Seq: r.checker.seq, Writer: r.checker.writer}
	}
	if r.recovered != (Recovered{}) {
		f.recovered = &r.recovered
	}
	r.tiles.Resume()
	return f, nil
}

// A reopening checks a ledger before it is continued. It looks at as few
// signatures as cover everything: the hash of each record stands in the next.
type reopening struct {
	checker *checker
	tree    tiles.Tree
	tiles   *tiles.Writer
	err     error // of the tiles

	torn place // where an incomplete frame begins; its offset is -1 if there is none
	end  place // after the last good frame

	sessions map[string]ed25519.PublicKey // by their IDs
	session  *Record                      // the newest key.session
	intro    []byte                       // its envelope
	rotate   *Record                      // a key.rotate since then
	handed   []byte                       // its envelope
	last     []byte                       // the last envelope
	rooted   uint64                       // records up to the newest that a root key signed

	checkpoint []byte // as it stands in the file; nil where there is none
	claimed    tiles.Checkpoint
	reached    bool // the size that it claims
	root       tiles.Hash

	overflow  []byte // frames to be taken over
	recovered Recovered
}

func (r *reopening) read(dir, overflowDir string) error {
	var err error
	if r.checkpoint, err = readCheckpoint(filepath.Join(dir, checkpointName)); err != nil {
		return err
	}
	if r.checkpoint != nil {
		// Read before its signature is checked: it is only a size to look for.
		text, _, _ := bytes.Cut(r.checkpoint, []byte("\n\n"))
		if r.claimed, err = tiles.ParseCheckpoint(string(text) + "\n"); err != nil {
			return fmt.Errorf("%w: its checkpoint: %w", ErrDamaged, err)
		}
	}
	r.note()
	last := r.torn.segment
	err = scan(dir, nil, func(f *frame, _ int64) bool {
		if f.bad != nil && f.bad.damage == DamageTruncated && f.at.segment == last {
			r.torn = f.at
			return false // nothing comes after it
		}
		r.take(f)
		return r.err == nil && r.checker.report.First == nil
	})
	if err == nil {
		err = r.err
	}
	if err != nil || r.checker.report.First != nil {
		return err
	}
	return readOverflow(overflowDir, func(env []byte) bool { return r.takeOverflow(env) })
}

// take takes the next frame of the segments.
func (r *reopening) take(f *frame) {
	r.checker.frame(f)
	if f.record == nil || r.checker.report.First != nil {
		return
	}
	r.end = place{f.at.segment, f.at.offset + frameHeader + int64(len(f.env))}
	r.add(f)
}

// add adds a good record to the tree, and keeps what judges it.
func (r *reopening) add(f *frame) {
	r.tree.Append(f.leaf)
	if err := r.tiles.Append(f.leaf, nil); err != nil {
		r.err = err
	}
	r.note()
	r.last = append(r.last[:0], f.env...)
	switch f.record.Kind {
	case KindSession:
		r.session, r.intro = f.record, bytes.Clone(f.env)
		r.rotate, r.handed = nil, nil
		r.sessions[f.record.Session.Key], _ = parsePKIX(f.record.Session.Public) // was parsed with the record
		r.rooted = uint64(r.tree.Size())
	case KindRotate:
		r.rotate, r.handed = f.record, bytes.Clone(f.env)
		r.rooted = uint64(r.tree.Size())
	}
}

// note keeps the root of the tree where it is as large as the checkpoint says.
func (r *reopening) note() {
	if !r.reached && r.tree.Size() == r.claimed.Size {
		r.reached, r.root = true, r.tree.Root()
	}
}

// takeOverflow takes a frame of the overflow file, if it follows the ones before.
func (r *reopening) takeOverflow(env []byte) bool {
	f := frame{at: r.end, env: env, leaf: tiles.LeafHash(env)}
	var e envelope
	if f.open(&e); f.record == nil || f.record.Writer != r.checker.writer {
		return false
	}
	if f.record.Seq <= r.checker.seq {
		return true // was taken over already
	}
	if f.record.Seq != r.checker.seq+1 || f.record.Prev != r.checker.hash {
		return false
	}
	if r.checker.frame(&f); r.checker.report.First != nil {
		return false
	}
	r.add(&f)
	r.overflow = appendFrame(r.overflow, env)
	r.recovered.Overflow++
	return r.err == nil
}

// judge says whether the ledger is what its writers left, and one that root may
// continue.
func (r *reopening) judge(root ed25519.PublicKey) error {
	if first := r.checker.report.First; first != nil {
		return fmt.Errorf("%w: %s", ErrDamaged, first)
	}
	if r.session == nil {
		if r.checkpoint != nil {
			return fmt.Errorf("%w: it holds no record, and its checkpoint covers %d", ErrDamaged, r.claimed.Size)
		}
		return nil
	}
	if err := r.judgeKeys(root); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if r.checkpoint != nil {
		if err := r.judgeCheckpoint(); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if records := uint64(r.tree.Size()); r.session.Session.Signing == SignCheckpoints {
		r.recovered.Unsigned = records - max(r.rooted, uint64(r.claimed.Size))
	}
	return nil
}

// judgeKeys checks the signatures of the newest statements about keys, and of
// the last record.
func (r *reopening) judgeKeys(root ed25519.PublicKey) error {
	statement, env := "session", r.intro
	if r.rotate != nil {
		if statement, env = "rotation", r.handed; !bytes.Equal(r.rotate.Rotate.Public, marshalPublic(root)) {
			return fmt.Errorf("it was handed over to root key %s, and %s is not that", r.rotate.Rotate.Key, KeyID(root))
		}
	}
	if err := signedBy(env, root); err != nil {
		return fmt.Errorf("its newest %s is %w", statement, err)
	}
	if bytes.Equal(r.last, r.intro) || bytes.Equal(r.last, r.handed) || r.session.Session.Signing == SignCheckpoints {
		return nil
	}
	if err := signedBy(r.last, r.sessions[r.session.Session.Key]); err != nil {
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
	return &recordError{DamageUnknownKey, fmt.Sprintf("signed by key %q, which is not %s", clean(string(e.signatures[0].keyID), 64), KeyID(key))}
}

func (r *reopening) judgeCheckpoint() error {
	keys := make([]ed25519.PublicKey, 0, len(r.sessions))
	for _, key := range r.sessions {
		keys = append(keys, key)
	}
	c, _, err := tiles.Open(r.checkpoint, keys...)
	switch {
	case err != nil:
		return err
	case c.Origin != r.checker.report.Ledger:
		return fmt.Errorf("its checkpoint is of the ledger %q", c.Origin)
	case !r.reached:
		return fmt.Errorf("its checkpoint covers %d records, and %d are there", c.Size, r.tree.Size())
	case c.Root != r.root:
		return fmt.Errorf("the root of its first %d records is not the one that its checkpoint signs", c.Size)
	}
	return nil
}

// mend changes what a crash left: the incomplete frame at the end is cut off,
// and what had gone to the overflow comes in.
func (r *reopening) mend(s *store, overflowDir string) error {
	size := int64(math.MaxInt64)
	if r.torn.offset >= 0 {
		size = r.torn.offset
	}
	cut, err := s.open(r.torn.segment, size)
	if err != nil {
		return err
	}
	if cut > 0 {
		r.recovered.Bytes, r.recovered.Segment = cut, r.torn.segment
	}
	if len(r.overflow) > 0 {
		if err := s.append(r.overflow); err != nil {
			return err
		}
	}
	path := filepath.Join(overflowDir, overflowName)
	if err := s.disk.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	found := r.tiles.Found()
	r.recovered.Tiles = uint64(found.Missing + found.Wrong)
	return nil
}

// readCheckpoint returns what the file holds, nil if there is none.
func readCheckpoint(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openNoFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	return readBounded(f, maxCheckpoint)
}

// maxCheckpoint bounds a signed checkpoint, cosignatures included.
const maxCheckpoint = 128 << 10
