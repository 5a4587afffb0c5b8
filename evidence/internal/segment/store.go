package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/internal/osfile"
)

const (
	// defaultSize is how long a segment gets before the next one begins.
	defaultSize = 64 << 20

	// Ahead is how much room a Store asks for at a time, ahead of what is
	// written: a disk that is full says so before a frame is half written.
	Ahead = 4 << 20
)

// A Store appends frames to the segments of a ledger, of which it holds the lock.
// One goroutine at a time may use it.
type Store struct {
	dir   string
	disk  Disk
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

// Lock makes dir a ledger's, if it is new or empty, and this process its writer,
// until the Store is closed. Begin or Open must come before all else. Segments end
// after maxSize bytes; zero means 64 MiB. The error wraps [ErrLocked] where somebody
// else is the writer.
func Lock(dir string, d Disk, maxSize int64) (_ *Store, err error) {
	s := &Store{dir: dir, disk: d, max: cmp.Or(maxSize, defaultSize)}
	fresh, err := prepareDir(dir)
	if err != nil {
		return nil, err
	}
	if s.claim, err = claimLedger(dir); err != nil {
		return nil, err
	}
	if fresh {
		if err := os.Mkdir(filepath.Join(dir, segmentsName), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Dir returns the ledger's directory.
func (s *Store) Dir() string { return s.dir }

// Disk returns what the Store changes the ledger through, for whoever keeps other
// files there.
func (s *Store) Disk() *Disk { return &s.disk }

// End returns the place after the last frame that is durable.
func (s *Store) End() Place { return Place{s.segment, s.size} }

// Holds checks that the directory still holds the ledger that was locked. It is
// safe for concurrent use, once there is a first segment.
func (s *Store) Holds() error { return s.claim.holds() }

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

// Last returns the number of the last segment, 0 where there is none. From
// here on nobody else adds one.
func (s *Store) Last() (uint64, error) {
	ns, err := List(s.dir)
	if err != nil || len(ns) == 0 {
		return 0, err
	}
	if n := Missing(ns); n != 0 {
		return 0, fmt.Errorf("%w: segment %d is missing", ErrDamaged, n)
	}
	if err := s.claim.takeFirst(); err != nil {
		return 0, err
	}
	return ns[len(ns)-1], nil
}

// Begin starts the first segment of a new ledger.
func (s *Store) Begin() error {
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
	return errors.Join(s.disk.SyncDir(s.dir), s.disk.SyncDir(filepath.Dir(filepath.Clean(s.dir))))
}

// Open opens the last segment. If size is not negative only so many bytes of it
// are good, and those behind them are cut off.
func (s *Store) Open(segment uint64, size int64) (err error) {
	if s.f, err = osfile.OpenDirect(Path(s.dir, segment), os.O_RDWR, 0); err != nil {
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
	return errors.Join(s.disk.Sync(s.f), s.disk.SyncDir(filepath.Dir(s.f.Name())))
}

// cut shortens the last segment to size, and writes its first line again where
// that was cut into.
func (s *Store) cut(size int64) error {
	if err := s.disk.Truncate(s.f, size); err != nil {
		return err
	}
	s.size = size
	if size < int64(len(Header)) {
		if _, err := s.disk.WriteAt(s.f, []byte(Header), 0); err != nil {
			return err
		}
		s.size = int64(len(Header))
	}
	s.tried = s.size
	return errors.Join(s.disk.Sync(s.f), s.disk.SyncDir(filepath.Dir(s.f.Name())))
}

// create starts segment n, which must not exist.
func (s *Store) create(n uint64) (err error) {
	path := Path(s.dir, n)
	if s.unbegun != nil {
		// What was left of the attempt before, unless somebody put another file there.
		if there, err := os.Lstat(path); err == nil && os.SameFile(there, s.unbegun) {
			if err := s.disk.Remove(path); err != nil {
				return err
			}
		}
		s.unbegun = nil
	}
	f, err := s.disk.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			info, serr := f.Stat()
			_ = f.Close()
			if s.disk.Remove(path) != nil && serr == nil { // it holds no record
				s.unbegun = info
			}
		}
	}()
	if _, err := s.disk.WriteAt(f, []byte(Header), 0); err != nil {
		return err
	}
	if err := s.disk.Sync(f); err != nil {
		return err
	}
	if err := s.disk.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	id, err := f.Stat()
	if err != nil {
		return err
	}
	s.release() // everything in it that counts is durable
	s.f, s.id, s.segment, s.reserved, s.suspect = f, id, n, 0, false
	s.size, s.tried = int64(len(Header)), int64(len(Header))
	return nil
}

// Append makes frames durable, all or none. After an error it can be called
// again with the same frames, and with more.
func (s *Store) Append(frames []byte) error {
	if err := s.extends(s.size, s.tried); err != nil {
		return err
	}
	if s.suspect {
		if err := s.disk.Truncate(s.f, s.size); err != nil {
			return err
		}
		s.tried = s.size
		// What is cut off must not come back after a power failure, beside the
		// same records in the next segment. If it fails, that is as likely as
		// it was before.
		_ = s.disk.Sync(s.f)
	}
	if s.suspect || s.size+int64(len(frames)) > s.max && s.size > int64(len(Header)) {
		if err := s.present(); err != nil {
			return err
		}
		if err := s.create(s.segment + 1); err != nil {
			return err
		}
	}
	end := s.size + int64(len(frames))
	if end > s.reserved {
		if s.disk.Allocate(s.f, end+Ahead) == nil { // else the write says what is wrong, if it is
			s.reserved = end + Ahead
		}
	}
	s.tried = max(s.tried, end)
	if _, err := s.disk.WriteAt(s.f, frames, s.size); err != nil {
		// No space, perhaps: leave none of it for others to read as torn.
		s.reserved = 0
		if cut := s.disk.Truncate(s.f, s.size); cut != nil {
			return errors.Join(err, cut)
		}
		s.tried = s.size
		return err
	}
	if err := s.disk.Sync(s.f); err != nil {
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
func (s *Store) present() error {
	if err := s.Holds(); err != nil {
		return err
	}
	return isStill(s.f.Name(), s.id)
}

// extends checks that the last segment is as long as this process made it. Where
// locks do not hold, as between machines that share a folder, that is what shows
// another writer: nothing is written over what that one wrote, or cut off it.
func (s *Store) extends(least, most int64) error {
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

// Replace gives a file of the ledger new content, unless the directory has come
// to hold another ledger.
func (s *Store) Replace(path string, content []byte) error {
	if err := s.Holds(); err != nil {
		return err
	}
	return s.disk.Replace(path, content)
}

// release closes the last segment and gives back the room that it did not need.
func (s *Store) release() {
	if s.f == nil {
		return
	}
	if s.reserved > 0 && !s.suspect && s.extends(s.size, s.tried) == nil {
		_ = s.disk.Truncate(s.f, s.size)
	}
	_ = s.f.Close()
	s.f = nil
}

// Close gives the ledger back.
func (s *Store) Close() error {
	s.release()
	return s.claim.close()
}
