package evidence

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
)

// Faults are errors that a disk gives. A nil func means that it works.
type Faults struct {
	Create, Truncate, Sync func() error
	Write                  func(b []byte) (int, error) // writes as many bytes, then fails
}

// Inject makes the disk of a Recorder fail as f says.
func (c *Config) Inject(f *Faults) {
	c.Each(func(op Op) error {
		fail := map[string]func() error{"create": f.Create, "truncate": f.Truncate, "sync": f.Sync}[op.Name]
		if fail != nil {
			if err := fail(); err != nil {
				return err
			}
		}
		if op.Name == "write" && f.Write != nil {
			if n, err := f.Write(op.Bytes); err != nil {
				return errors.Join(err, op.Part(n))
			}
		}
		return op.Do()
	})
}

// An Op is an operation on a disk that is about to be carried out.
type Op struct {
	Name  string
	Path  string
	To    string // of a rename
	Do    func() error
	Part  func(n int) error // of a write: its first n bytes only
	Bytes []byte            // of a write
}

// Each has f carry out each operation of a Recorder's disk.
func (c *Config) Each(f func(op Op) error) {
	d := segment.RealDisk()
	real := d
	d.Create = func(path string) (file *os.File, err error) {
		err = f(Op{Name: "create", Path: path, Do: func() (err error) { file, err = real.Create(path); return err }})
		if err != nil && file != nil {
			_ = file.Close()
			file = nil
		}
		return file, err
	}
	d.Allocate = func(file *os.File, size int64) error {
		return f(Op{Name: "allocate", Path: file.Name(), Do: func() error { return real.Allocate(file, size) }})
	}
	d.WriteAt = func(file *os.File, b []byte, off int64) (n int, err error) {
		part := func(k int) (err error) { n, err = real.WriteAt(file, b[:k], off); return err }
		err = f(Op{Name: "write", Path: file.Name(), Do: func() error { return part(len(b)) }, Part: part, Bytes: b})
		if err != nil {
			return min(n, len(b)-1), err
		}
		return n, nil
	}
	d.Truncate = func(file *os.File, size int64) error {
		return f(Op{Name: "truncate", Path: file.Name(), Do: func() error { return real.Truncate(file, size) }})
	}
	d.Sync = func(file *os.File) error {
		return f(Op{Name: "sync", Path: file.Name(), Do: func() error { return real.Sync(file) }})
	}
	d.Rename = func(from, to string) error {
		return f(Op{Name: "rename", Path: from, To: to, Do: func() error { return real.Rename(from, to) }})
	}
	d.Remove = func(path string) error {
		return f(Op{Name: "remove", Path: path, Do: func() error { return real.Remove(path) }})
	}
	d.SyncDir = func(dir string) error {
		return f(Op{Name: "syncDir", Path: dir, Do: func() error { return real.SyncDir(dir) }})
	}
	c.disk = &d
}

// Each has f carry out each operation of a Replica's disk.
func (c *ReplicaConfig) Each(f func(op Op) error) {
	var cfg Config
	cfg.Each(f)
	c.disk = cfg.disk
}

// Small has segments end after so many bytes.
func (c *ReplicaConfig) Small(segment int64) { c.segment = segment }

// Small has segments end after so many bytes.
func (c *Config) Small(segment int64) { c.segment = segment }

// Free has the disk say that it has so many bytes left.
func (c *Config) Free(free func() (int64, error)) {
	if c.disk == nil {
		d := segment.RealDisk()
		c.disk = &d
	}
	c.disk.Free = func(string) (int64, error) { return free() }
}

// Break has the writer panic at the next record.
func (r *Recorder) Break() { r.writer.build.contents = nil }

// SetClock has records dated by another wall clock.
func (r *Recorder) SetClock(wall func() time.Time) {
	r.queue.mu.Lock()
	defer r.queue.mu.Unlock()
	r.queue.wall = wall
}

// SealCursor returns the cursor with so much as its second line, as the holder of a
// root key could make it.
func SealCursor(line []byte, root crypto.Signer, ledger string) []byte {
	key, err := cursorKey(root, ledger)
	if err != nil {
		panic(err)
	}
	file := append(append([]byte("safeconduct cursor v2\n"), line...), '\n')
	mac := hmac.New(sha256.New, key)
	mac.Write(file)
	return fmt.Appendf(file, "%x\n", mac.Sum(nil))
}
