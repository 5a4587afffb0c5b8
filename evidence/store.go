package evidence

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/evidence/internal/tiles"
)

// A disk is what the store asks of the operating system when it writes.
type disk struct {
	create   func(path string) (*os.File, error)
	writeAt  func(f *os.File, b []byte, off int64) (int, error)
	truncate func(f *os.File, size int64) error
	sync     func(f *os.File) error
}

func realDisk() disk {
	return disk{
		create: func(path string) (*os.File, error) {
			return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		},
		writeAt:  (*os.File).WriteAt,
		truncate: (*os.File).Truncate,
		sync:     syncFile,
	}
}

// A store appends frames to the segments of a ledger. One goroutine at a time
// may use it.
type store struct {
	dir  string
	disk disk
	lock *os.File

	f       *os.File // the last segment
	segment uint64
	size    int64 // of what is durable in it

	// suspect means that a sync failed. The kernel may have dropped the dirty
	// pages and call them clean: the next sync of this file would prove
	// nothing. What was not durable goes to a new segment.
	suspect bool
}

// A tail says how a ledger was found when it was opened.
type tail struct {
	origin    string
	head      *Head      // nil in a new ledger
	recovered *Recovered // nil where nothing was cut
	records   uint64
}

// openStore locks the ledger in dir, creating it if there is none, and checks
// what it holds against ring. Only an incomplete frame at the very end is
// mended, by cutting it off.
func openStore(dir string, d disk, ring *trust) (_ *store, _ tail, err error) {
	s := &store{dir: dir, disk: d}
	fresh, err := prepareDir(dir)
	if err != nil {
		return nil, tail{}, err
	}
	if s.lock, err = lockLedger(dir); err != nil {
		return nil, tail{}, err
	}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	if fresh {
		if err := os.Mkdir(filepath.Join(dir, segmentsName), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, tail{}, err
		}
	}
	ns, err := listSegments(dir)
	if err != nil {
		return nil, tail{}, err
	}
	if len(ns) == 0 {
		if err := s.create(1); err != nil {
			return nil, tail{}, err
		}
		return s, tail{}, errors.Join(syncDir(dir), syncDir(filepath.Dir(filepath.Clean(dir))))
	}
	t, err := s.resume(ns[len(ns)-1], ring)
	return s, t, err
}

// prepareDir makes dir if there is none. It reports whether dir is new or empty
// but for a lock, and refuses one that holds anything else than a ledger.
func prepareDir(dir string) (fresh bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	fresh = true
	for _, e := range entries {
		switch e.Name() {
		case segmentsName:
			return false, nil
		case lockName:
		default:
			fresh = false
		}
	}
	if !fresh {
		return false, errors.New("is not a ledger and not empty")
	}
	return true, nil
}

// resume checks the ledger and opens its last segment.
func (s *store) resume(last uint64, ring *trust) (tail, error) {
	c := newChecker("", tiles.NewWriter(s.dir, tiles.Options{Pass: tiles.Check}))
	torn := place{}
	var failed error
	err := scan(s.dir, nil, func(f *frame, _ int64) bool {
		if f.bad != nil && f.bad.damage == DamageTruncated && f.at.segment == last {
			torn = f.at
			return false // nothing comes after it
		}
		failed = c.frame(f)
		return failed == nil && c.report.First == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return tail{}, err
	}
	if torn == (place{}) && c.index > 0 {
		if err := c.finish(); err != nil {
			return tail{}, err
		}
	}
	if c.report.First != nil {
		return tail{}, fmt.Errorf("%w: %s", ErrDamaged, c.report.First)
	}
	if err := c.tail(ring); err != nil {
		return tail{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	t := tail{origin: c.report.Ledger, records: c.report.Records}
	if c.writer != "" {
		t.head = &Head{Hash: c.hash, Seq: c.seq, Writer: c.writer}
	}
	if s.f, err = os.OpenFile(segmentPath(s.dir, last), os.O_RDWR|openNoFollow, 0); err != nil {
		return tail{}, err
	}
	info, err := s.f.Stat()
	if err != nil {
		return tail{}, err
	}
	s.segment, s.size = last, info.Size()
	if torn != (place{}) {
		t.recovered = &Recovered{Bytes: info.Size() - torn.offset, Segment: last}
		err = s.cut(torn.offset)
	}
	return t, err
}

// cut shortens the last segment to size, and writes its first line again where
// that was cut into.
func (s *store) cut(size int64) error {
	if err := s.disk.truncate(s.f, size); err != nil {
		return err
	}
	s.size = size
	if size < int64(len(segmentHeader)) {
		if _, err := s.disk.writeAt(s.f, []byte(segmentHeader), 0); err != nil {
			return err
		}
		s.size = int64(len(segmentHeader))
	}
	return s.disk.sync(s.f)
}

// create starts segment n, which must not exist.
func (s *store) create(n uint64) (err error) {
	path := segmentPath(s.dir, n)
	f, err := s.disk.create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(path) // holds no record
		}
	}()
	if _, err := s.disk.writeAt(f, []byte(segmentHeader), 0); err != nil {
		return err
	}
	if err := s.disk.sync(f); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	if s.f != nil {
		_ = s.f.Close() // everything in it that counts is durable
	}
	s.f, s.segment, s.size, s.suspect = f, n, int64(len(segmentHeader)), false
	return nil
}

// append makes frames durable, all or none. After an error it can be called
// again with the same frames, and with more.
func (s *store) append(frames []byte) error {
	if err := s.present(); err != nil {
		return err
	}
	if s.suspect {
		if err := s.disk.truncate(s.f, s.size); err != nil {
			return err
		}
		if err := s.create(s.segment + 1); err != nil {
			return err
		}
	}
	if _, err := s.disk.writeAt(s.f, frames, s.size); err != nil {
		// No space, perhaps: leave none of it for others to read as torn.
		return errors.Join(err, s.disk.truncate(s.f, s.size))
	}
	if err := s.disk.sync(s.f); err != nil {
		s.suspect = true
		return err
	}
	s.size += int64(len(frames))
	return nil
}

// present checks that the last segment is still where others will look for it,
// and as long as it was left.
func (s *store) present() error {
	path := segmentPath(s.dir, s.segment)
	there, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mine, err := s.f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(there, mine) {
		return fmt.Errorf("%s is another file than it was", path)
	}
	if mine.Size() < s.size {
		return fmt.Errorf("%s was cut from outside", path)
	}
	return nil
}

func (s *store) close() error {
	var err error
	if s.f != nil {
		err = s.f.Close()
	}
	return errors.Join(err, s.lock.Close()) // which gives the lock back
}

// ringOf returns the trust in one root key.
func ringOf(pub ed25519.PublicKey) *trust {
	return newTrust("", addKeys(nil, []ed25519.PublicKey{pub}))
}
