package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/internal/osfile"
)

// ExportEnvelopes writes the signed records of the ledger in dir, each as one
// line: the DSSE envelope as it is. It returns how many it has written.
//
// No signature is checked: see [Verify]. What is no record is an error that
// wraps [ErrDamaged] and says where it is; what stands before it has been
// written. A frame that is just being written at the end is left out.
func ExportEnvelopes(w io.Writer, dir string) (n uint64, err error) {
	out := bufio.NewWriterSize(w, 1<<16)
	var failed, pending error
	err = chain.Scan(dir, nil, func(f *chain.Frame, _ int64) bool {
		switch {
		case pending != nil:
			failed = pending // it was not the end
		case f.Bad != nil:
			pending = fmt.Errorf("%w: segment %d, offset %d: %w", ErrDamaged, f.At.Segment, f.At.Offset, f.Bad)
			if !f.Bad.Torn {
				failed = pending
			}
		case f.Err != nil:
			failed = fmt.Errorf("%w: segment %d, offset %d: %w", ErrDamaged, f.At.Segment, f.At.Offset, f.Err)
		default:
			_, _ = out.Write(f.Env) // it keeps its error
			if failed = out.WriteByte('\n'); failed == nil {
				n++
			}
		}
		return failed == nil
	})
	if err := errors.Join(err, failed, out.Flush()); err != nil {
		return n, fmt.Errorf("evidence: export: ledger %s: %w", dir, err)
	}
	return n, nil
}

// ExportTiles writes the ledger in dir to the directory out in the form of C2SP
// tlog-tiles, which other tools and servers of static files take: the checkpoint, the
// tiles and the bundles of exactly the records that it covers, partial ones at the
// end. It returns the checkpoint; its Key is what tools ask for. See [ReadCheckpoint]
// for what is checked, and for the errors.
//
// Out must not exist, or be empty: otherwise the error wraps fs.ErrExist. Everybody can
// read the files. The checkpoint is written last, so that a directory that has one is
// whole; where there is an error what was written is removed.
func ExportTiles(out, dir string) (*Checkpoint, error) {
	cp, err := exportTiles(out, dir)
	if err != nil {
		return nil, fmt.Errorf("evidence: export: ledger %s: %w", dir, err)
	}
	return cp, nil
}

func exportTiles(out, dir string) (_ *Checkpoint, err error) {
	s, err := newCheckpointReader(dir)
	if err != nil {
		return nil, err
	}
	made, err := claimEmpty(out)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, os.RemoveAll(filepath.Join(out, "tile")))
		if made {
			err = errors.Join(err, os.Remove(out))
		}
	}()
	w := tiles.NewWriter(out, tiles.Options{Entries: true, Mode: exportMode})
	err = s.run(func(f *chain.Frame, index uint64) (bool, error) {
		if index >= uint64(s.head.Size) {
			return false, nil
		}
		return true, w.Append(f.Leaf, f.Env)
	})
	if err != nil {
		return nil, err
	}
	if err := w.Partial(); err != nil {
		return nil, err
	}
	cp, err := s.checkpoint()
	if err != nil {
		return nil, err
	}
	return cp, osfile.WriteNew(filepath.Join(out, segment.CheckpointName), s.head.Note, exportMode)
}

const exportMode = 0o644

// claimEmpty makes a directory, or takes one that is empty.
func claimEmpty(dir string) (made bool, err error) {
	//nolint:gosec // G301: what is exported is for everybody to read
	switch err := os.Mkdir(dir, 0o755); {
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrExist):
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s: %w and is not empty", dir, fs.ErrExist)
	}
	return false, err
}
