package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// maxAhead bounds the checkpoints that wait for their records.
const maxAhead = 64

// ErrAhead means that too many checkpoints wait for records that are not there
// yet.
var ErrAhead = errors.New("too many checkpoints wait for their records")

// PutCheckpoint takes a signed checkpoint of the ledger, as Config.Publish gets
// it. It is durable when PutCheckpoint returns nil.
//
// A session of the ledger must have signed it, and it must be of the records that
// are there. One of more records than that waits for them, and is compared when
// they come: so it tells when the original is cut back before they do. At most 64
// wait; beyond that the error is [ErrAhead]. One that is older than the newest is
// checked, and not kept.
//
// The error is a [*MissingError] where no session that is known signed it, perhaps
// because its record is still under way, a [*RefusedError] where it does not verify,
// and an [*EquivocationError] where it is signed and not of these records, or where
// another one of as many records waits. It wraps [evidence.ErrUnavailable] where the
// disk fails.
func (r *Replica) PutCheckpoint(signed []byte) error {
	if len(signed) > chain.MaxCheckpoint {
		return &RefusedError{record.DamageMalformed, "a checkpoint of " + strconv.Itoa(len(signed)) + " bytes"}
	}
	a, err := chain.ParseAnchor(bytes.Clone(signed), "the checkpoint")
	if err != nil {
		return &RefusedError{record.DamageMalformed, "not a checkpoint"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errReplicaClosed
	}
	if a.Origin != r.history.origin {
		return &RefusedError{record.DamageSpliced, "the checkpoint is of another ledger"}
	}
	switch err := r.history.signer(a); {
	case errors.Is(err, chain.ErrNoSession):
		return &MissingError{Head: r.history.head(), Records: r.history.records}
	case err != nil:
		return refused(err)
	}
	if uint64(a.Size) > r.history.records {
		return r.await(a)
	}
	root, err := r.rootAt(a.Size)
	if err != nil {
		return r.unavailable(err)
	}
	if root != a.Root {
		return r.contradicted(a)
	}
	if r.newest != nil && a.Size <= r.newest.Size {
		return nil
	}
	if err := r.store.Replace(filepath.Join(r.dir, segment.CheckpointName), a.Note); err != nil {
		return r.unavailable(err)
	}
	r.newest = a
	return nil
}

// contradicted returns the error for a checkpoint that is not of the records that
// are there: what it contradicts is another one, or the last record that it covers.
func (r *Replica) contradicted(a *chain.Anchor) error {
	if r.newest != nil {
		return &EquivocationError{Held: r.newest.Note, Received: a.Note}
	}
	held, err := r.envelope(uint64(a.Size) - 1)
	if err != nil {
		return r.unavailable(err)
	}
	return &EquivocationError{Held: held, Received: a.Note}
}

// await keeps a checkpoint until its records come.
func (r *Replica) await(a *chain.Anchor) error {
	i, there := slices.BinarySearchFunc(r.history.ahead, a.Size, func(b *chain.Anchor, size int64) int { return int(b.Size - size) })
	switch {
	case there && r.history.ahead[i].Root == a.Root:
		return nil
	case there:
		return &EquivocationError{Held: r.history.ahead[i].Note, Received: a.Note}
	case len(r.history.ahead) >= maxAhead:
		return fmt.Errorf("replica: %s: %w", r.dir, ErrAhead)
	}
	dir := filepath.Join(r.dir, aheadName)
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = r.store.Disk().SyncDir(r.dir)
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = r.store.Replace(aheadPath(r.dir, a.Size), a.Note)
	}
	if err != nil {
		return r.unavailable(err)
	}
	r.history.ahead = slices.Insert(slices.Clone(r.history.ahead), i, a)
	return nil
}

// reach goes on to the checkpoints that the records have come to. One that cannot
// be written waits on.
func (r *Replica) reach() {
	n := 0
	for n < len(r.history.ahead) && uint64(r.history.ahead[n].Size) <= r.history.records {
		n++
	}
	if n == 0 {
		return
	}
	newest := r.history.ahead[n-1]
	if r.store.Replace(filepath.Join(r.dir, segment.CheckpointName), newest.Note) != nil {
		return
	}
	r.newest = newest
	for _, a := range r.history.ahead[:n] {
		_ = r.store.Disk().Remove(aheadPath(r.dir, a.Size)) // else it is seen at the next opening
	}
	r.history.ahead = r.history.ahead[n:]
}

// rootAt returns the root of the first so many records.
func (r *Replica) rootAt(size int64) (tiles.Hash, error) {
	if size == r.history.tree.Size() {
		return r.history.tree.Root(), nil
	}
	reader, err := r.reader()
	if err != nil {
		return tiles.Hash{}, err
	}
	return reader.Root(size)
}

// mendEvery is how often it is tried to write tiles again that could not be, for
// which all records are read.
const mendEvery = 10 * time.Second

// reader returns a reader of the tree's hashes.
func (r *Replica) reader() (*tiles.Reader, error) {
	if r.tiles == nil {
		if time.Since(r.mended) < mendEvery {
			return nil, errors.New("a tile could not be written")
		}
		r.mended = time.Now()
		w, err := chain.EnsureTiles(r.dir)
		if err != nil {
			return nil, err
		}
		w.Resume()
		r.tiles = w
	}
	if err := r.tiles.Flush(); err != nil {
		return nil, err
	}
	return tiles.NewReader(r.dir, r.tiles.Size(), r.tiles.Tail())
}

// Checkpoint returns the newest signed checkpoint that was taken, nil without
// one. It may cover records that are not there yet. Whoever holds the original
// cannot take it back: see VerifyOptions.Checkpoints.
func (r *Replica) Checkpoint() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.history.ahead) > 0:
		return bytes.Clone(r.history.ahead[len(r.history.ahead)-1].Note)
	case r.newest != nil:
		return bytes.Clone(r.newest.Note)
	}
	return nil
}

// The checkpoints of a replica that wait for their records are files by the
// number of these.
const (
	aheadName   = "ahead"
	aheadSuffix = ".checkpoint"
)

func aheadPath(dir string, size int64) string {
	return filepath.Join(dir, aheadName, fmt.Sprintf("%0*d%s", segment.Digits, size, aheadSuffix))
}

// readAhead reads the checkpoints that wait for their records.
func readAhead(dir string) ([]*chain.Anchor, error) {
	entries, err := os.ReadDir(filepath.Join(dir, aheadName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ahead []*chain.Anchor
	for _, e := range entries {
		if filepath.Ext(e.Name()) != aheadSuffix {
			continue // a crash leaves unfinished ones
		}
		signed, err := chain.ReadSigned(filepath.Join(dir, aheadName, e.Name()))
		if err != nil {
			return nil, err
		}
		a, err := chain.ParseAnchor(signed, e.Name())
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", evidence.ErrDamaged, e.Name(), err)
		}
		ahead = append(ahead, a)
	}
	return ahead, nil
}
