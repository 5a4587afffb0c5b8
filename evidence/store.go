package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/internal/osfile"
)

const (
	// maxSegment is how long a segment gets before the next one begins.
	maxSegment = 64 << 20

	// reserve is how much room is asked for at a time, ahead of what is
	// written: a disk that is full says so before a frame is half written.
	reserve = 4 << 20
)

// A store appends frames to the segments of a ledger. One goroutine at a time
// may use it.
type store struct {
	dir   string
	disk  disk
	claim *claim
	max   int64 // bytes of a segment

	f        *os.File // the last segment
	id       fs.FileInfo
	segment  uint64
	size     int64 // of what is durable in it
	tried    int64 // how long it may be, after an append that failed
	reserved int64

	// unbegun is the file of a segment that could neither be begun nor removed.
	unbegun fs.FileInfo

	// suspect means that a sync failed. The kernel may have dropped the dirty
	// pages and call them clean: the next sync of this file would prove
	// nothing. What was not durable goes to a new segment.
	suspect bool
}

// lockStore makes dir a ledger's, if it is new or empty, and this process its
// writer.
func lockStore(dir string, d disk, segment int64) (_ *store, err error) {
	s := &store{dir: dir, disk: d, max: segment}
	fresh, err := prepareDir(dir)
	if err != nil {
		return nil, err
	}
	if s.claim, err = claimLedger(dir); err != nil {
		return nil, err
	}
	if fresh {
		if err := os.Mkdir(filepath.Join(dir, segmentsName), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
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

// lastSegment returns the number of the last segment, 0 where there is none. From
// here on nobody else adds one.
func (s *store) lastSegment() (uint64, error) {
	ns, err := listSegments(s.dir)
	if err != nil || len(ns) == 0 {
		return 0, err
	}
	if n := missingSegment(ns); n != 0 {
		return 0, fmt.Errorf("%w: segment %d is missing", ErrDamaged, n)
	}
	if err := s.claim.takeFirst(); err != nil {
		return 0, err
	}
	return ns[len(ns)-1], nil
}

// begin starts the first segment of a new ledger.
func (s *store) begin() error {
	if err := s.create(1); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: another process began it meanwhile", ErrLocked)
	} else if err != nil {
		return err
	}
	if err := s.claim.takeFirst(); err != nil {
		return err
	}
	if err := s.extends(s.size, s.size); err != nil {
		return fmt.Errorf("%w: before it was claimed %w", ErrLocked, err)
	}
	return errors.Join(s.disk.syncDir(s.dir), s.disk.syncDir(filepath.Dir(filepath.Clean(s.dir))))
}

// open opens the last segment. If size is not negative only so many bytes of it
// are good, and those behind them are cut off.
func (s *store) open(segment uint64, size int64) (err error) {
	if s.f, err = osfile.OpenDirect(segmentPath(s.dir, segment), os.O_RDWR, 0); err != nil {
		return err
	}
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	s.id, s.segment, s.size, s.tried = info, segment, info.Size(), info.Size()
	if size >= 0 {
		return s.cut(size)
	}
	// A writer that died may have left what never reached the disk.
	return errors.Join(s.disk.sync(s.f), s.disk.syncDir(filepath.Dir(s.f.Name())))
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
	s.tried = s.size
	return errors.Join(s.disk.sync(s.f), s.disk.syncDir(filepath.Dir(s.f.Name())))
}

// create starts segment n, which must not exist.
func (s *store) create(n uint64) (err error) {
	path := segmentPath(s.dir, n)
	if s.unbegun != nil {
		// What was left of the attempt before, unless somebody put another file there.
		if there, err := os.Lstat(path); err == nil && os.SameFile(there, s.unbegun) {
			if err := s.disk.remove(path); err != nil {
				return err
			}
		}
		s.unbegun = nil
	}
	f, err := s.disk.create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			info, serr := f.Stat()
			_ = f.Close()
			if s.disk.remove(path) != nil && serr == nil { // it holds no record
				s.unbegun = info
			}
		}
	}()
	if _, err := s.disk.writeAt(f, []byte(segmentHeader), 0); err != nil {
		return err
	}
	if err := s.disk.sync(f); err != nil {
		return err
	}
	if err := s.disk.syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	id, err := f.Stat()
	if err != nil {
		return err
	}
	s.release() // everything in it that counts is durable
	s.f, s.id, s.segment, s.reserved, s.suspect = f, id, n, 0, false
	s.size, s.tried = int64(len(segmentHeader)), int64(len(segmentHeader))
	return nil
}

// append makes frames durable, all or none. After an error it can be called
// again with the same frames, and with more.
func (s *store) append(frames []byte) error {
	if err := s.extends(s.size, s.tried); err != nil {
		return err
	}
	if s.suspect {
		if err := s.disk.truncate(s.f, s.size); err != nil {
			return err
		}
		s.tried = s.size
		// What is cut off must not come back after a power failure, beside the
		// same records in the next segment. If it fails, that is as likely as
		// it was before.
		_ = s.disk.sync(s.f)
	}
	if s.suspect || s.size+int64(len(frames)) > s.max && s.size > int64(len(segmentHeader)) {
		if err := s.present(); err != nil {
			return err
		}
		if err := s.create(s.segment + 1); err != nil {
			return err
		}
	}
	end := s.size + int64(len(frames))
	if end > s.reserved {
		if s.disk.allocate(s.f, end+reserve) == nil { // else the write says what is wrong, if it is
			s.reserved = end + reserve
		}
	}
	s.tried = max(s.tried, end)
	if _, err := s.disk.writeAt(s.f, frames, s.size); err != nil {
		// No space, perhaps: leave none of it for others to read as torn.
		s.reserved = 0
		if cut := s.disk.truncate(s.f, s.size); cut != nil {
			return errors.Join(err, cut)
		}
		s.tried = s.size
		return err
	}
	if err := s.disk.sync(s.f); err != nil {
		s.suspect = true
		return err
	}
	if err := s.present(); err != nil {
		return err // they are durable where nobody will look for them
	}
	if err := s.extends(end, end); err != nil {
		return err
	}
	s.size, s.tried = end, end
	return nil
}

// present checks that this process still is the ledger's only writer, and the
// last segment where others will look for it.
func (s *store) present() error {
	if err := s.claim.holds(); err != nil {
		return err
	}
	return isStill(s.f.Name(), s.id)
}

// extends checks that the last segment is as long as this process made it. Where
// locks do not hold, as between machines that share a folder, that is what shows
// another writer: nothing is written over what that one wrote, or cut off it.
func (s *store) extends(least, most int64) error {
	size, err := s.f.Seek(0, io.SeekEnd) // allocates nothing, and writes say where they go
	switch {
	case err != nil:
		return err
	case size < least:
		return fmt.Errorf("%s was cut from outside", s.f.Name())
	case size > most:
		return fmt.Errorf("%s grew by %d bytes: somebody else writes to it", s.f.Name(), size-most)
	}
	return nil
}

// replace gives a file of the ledger new content, unless the directory has come
// to hold another ledger.
func (s *store) replace(path string, content []byte) error {
	if err := s.claim.holds(); err != nil {
		return err
	}
	return s.disk.replace(path, content)
}

// release closes the last segment and gives back the room that it did not need.
func (s *store) release() {
	if s.f == nil {
		return
	}
	if s.reserved > 0 && !s.suspect && s.extends(s.size, s.tried) == nil {
		_ = s.disk.truncate(s.f, s.size)
	}
	_ = s.f.Close()
	s.f = nil
}

func (s *store) close() error {
	s.release()
	return s.claim.close()
}
