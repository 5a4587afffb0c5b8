package evidence

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
const (
	lockName       = "lock"
	checkpointName = "checkpoint"
	overflowName   = "overflow.seg"
	segmentsName   = "segments"
	segmentSuffix  = ".seg"
	segmentDigits  = 20
)

func segmentPath(dir string, n uint64) string {
	return filepath.Join(dir, segmentsName, fmt.Sprintf("%0*d%s", segmentDigits, n, segmentSuffix))
}

// listSegments returns the numbers of the segments in dir, in order. Other
// files do not count.
func listSegments(dir string) ([]uint64, error) {
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
		if len(name) != segmentDigits+len(segmentSuffix) || filepath.Ext(name) != segmentSuffix {
			continue
		}
		if n, err := strconv.ParseUint(name[:segmentDigits], 10, 64); err == nil && n > 0 {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns, nil
}

// missingSegment returns the number of the first segment that is missing, 0
// where none is.
func missingSegment(ns []uint64) uint64 {
	for i, n := range ns {
		if want := uint64(i) + 1; n != want {
			return want
		}
	}
	return 0
}

// A place is where a frame begins.
type place struct {
	segment uint64
	offset  int64
}

// walk calls visit for each envelope in dir, in order, and with a *frameError
// for what is no frame, until visit returns false. The envelope is valid until
// visit returns. It calls opened, if that is not nil, with the size of each
// segment. The error is of a ledger that cannot be read.
func walk(dir string, visit func(at place, env []byte, err error) bool, opened func(size int64)) error {
	return walkFrom(dir, place{}, visit, opened)
}

// walkFrom is walk from a place on, at which a frame begins.
func walkFrom(dir string, from place, visit func(at place, env []byte, err error) bool, opened func(size int64)) error {
	ns, err := listSegments(dir)
	if err != nil {
		return err
	}
	if len(ns) == 0 {
		return fmt.Errorf("%w: it has no segment", ErrNotLedger)
	}
	for _, n := range ns {
		if n < from.segment {
			continue
		}
		at := place{segment: n}
		if n == from.segment {
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

func walkSegment(dir string, from place, visit func(place, []byte, error) bool, opened func(int64)) (more bool, err error) {
	n := from.segment
	f, info, err := osfile.OpenRegular(segmentPath(dir, n), true)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // only read
	if opened != nil {
		opened(info.Size())
	}
	// No further than it is long now: what is being written meanwhile is read whole or not at all.
	fr, err := newFrameReaderAt(io.NewSectionReader(f, 0, info.Size()), from.offset)
	var bad *frameError
	if errors.As(err, &bad) {
		if !visit(place{n, 0}, nil, bad) {
			return false, nil
		}
	} else if err != nil {
		return false, err
	}
	for {
		env, off, err := fr.next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil && !errors.As(err, &bad) {
			return false, err
		}
		if !visit(place{n, off}, env, err) {
			return false, nil
		}
	}
}
