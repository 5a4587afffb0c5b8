// Package segmenttest has disks that fail as a test says, and segments as bytes.
package segmenttest

import (
	"errors"
	"os"

	"example.com/safeconduct/evidence/internal/segment"
)

// Faults are errors that a disk gives. A nil func means that it works.
type Faults struct {
	Create, Truncate, Sync func() error
	Write                  func(b []byte) (int, error) // writes as many bytes, then fails
}

// Do carries out an operation, or has it fail.
func (f Faults) Do(op Op) error {
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

// Disk returns a disk of which f carries out each operation.
func Disk(f func(op Op) error) *segment.Disk {
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
	return &d
}

// File returns the bytes of a segment with the entries.
func File(entries ...[]byte) []byte {
	b := []byte(segment.Header)
	for _, entry := range entries {
		b = segment.AppendFrame(b, entry)
	}
	return b
}
