package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"example.com/safeconduct/internal/osfile"
)

// A ledger is a directory:
//
//	lock          held by the writer, as is the first segment; says who that is
//	checkpoint    the signed head of the Merkle tree over all records
//	overflow.seg  records that are not in the log yet, if any
//	segments/     the log, in files that continue one another
//	  00000000000000000001.seg
//	tile/         complete hash tiles of the tree
//
// A segment's name has [Digits] digits.
const (
	lockName       = "lock"
	CheckpointName = "checkpoint"
	OverflowName   = "overflow.seg"
	segmentsName   = "segments"
	segmentSuffix  = ".seg"
	Digits         = 20
)

// Path returns the path of segment n, from 1.
func Path(dir string, n uint64) string {
	return filepath.Join(dir, segmentsName, fmt.Sprintf("%0*d%s", Digits, n, segmentSuffix))
}

// List returns the numbers of the segments in dir, in order. Other files do not
// count. The error wraps [ErrNotLedger] where dir is no ledger.
func List(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(filepath.Join(dir, segmentsName))
	if err != nil {
		switch info, serr := os.Stat(dir); {
		case serr != nil:
			return nil, osfile.WithoutPath(serr)
		case !info.IsDir():
			return nil, fmt.Errorf("%w: it is not a directory", ErrNotLedger)
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w: it has no %s", ErrNotLedger, segmentsName)
		}
	}
	if err != nil {
		return nil, err
	}
	var ns []uint64
	for _, e := range entries {
		name := e.Name()
		if len(name) != Digits+len(segmentSuffix) || filepath.Ext(name) != segmentSuffix {
			continue
		}
		if n, err := strconv.ParseUint(name[:Digits], 10, 64); err == nil && n > 0 {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// Missing returns the number of the first segment that is missing, 0 where none
// is.
func Missing(ns []uint64) uint64 {
	for i, n := range ns {
		if want := uint64(i) + 1; n != want {
			return want
		}
	}
	return 0
}

// A Place is where a frame begins.
type Place struct {
	Segment uint64
	Offset  int64
}

// Walk calls visit for each entry in dir, in order, and with a *FrameError
// for what is no frame, until visit returns false. The entry is valid until
// visit returns. It calls opened, if that is not nil, with the size of each
// segment. The error is of a ledger that cannot be read.
func Walk(dir string, visit func(at Place, entry []byte, err error) bool, opened func(size int64)) error {
	return WalkFrom(dir, Place{}, visit, opened)
}

// WalkFrom is [Walk] from a place on, at which a frame begins.
func WalkFrom(dir string, from Place, visit func(at Place, entry []byte, err error) bool, opened func(size int64)) error {
	ns, err := List(dir)
	if err != nil {
		return err
	}
	if len(ns) == 0 {
		return fmt.Errorf("%w: it has no segment", ErrNotLedger)
	}
	for _, n := range ns {
		if n < from.Segment {
			continue
		}
		at := Place{Segment: n}
		if n == from.Segment {
			at = from
		}
		more, err := walkSegment(dir, at, visit, opened)
		if err != nil {
			return fmt.Errorf("segment %d: %w", n, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

func walkSegment(dir string, from Place, visit func(Place, []byte, error) bool, opened func(int64)) (more bool, err error) {
	n := from.Segment
	f, info, err := osfile.OpenRegular(Path(dir, n), true)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read
	if opened != nil {
		opened(info.Size())
	}
	// No further than it is long now: what is being written meanwhile is read whole or not at all.
	fr, err := NewReaderAt(io.NewSectionReader(f, 0, info.Size()), from.Offset)
	var bad *FrameError
	if errors.As(err, &bad) {
		if !visit(Place{n, 0}, nil, bad) {
			return false, nil
		}
	} else if err != nil {
		return false, err
	}
	for {
		env, off, err := fr.Next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil && !errors.As(err, &bad) {
			return false, err
		}
		if !visit(Place{n, off}, env, err) {
			return false, nil
		}
	}
}
