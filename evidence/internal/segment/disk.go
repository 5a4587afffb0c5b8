package segment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/internal/osfile"
)

// A Disk is what a writer asks of the operating system: a test has it fail. All
// changes to records go through one.
type Disk struct {
	Create   func(path string) (*os.File, error) // a file that must not exist
	Allocate func(f *os.File, size int64) error  // has room up to size; the file does not get longer
	WriteAt  func(f *os.File, b []byte, off int64) (int, error)
	Truncate func(f *os.File, size int64) error
	Sync     func(f *os.File) error
	Rename   func(from, to string) error
	Remove   func(path string) error
	SyncDir  func(dir string) error
	Free     func(dir string) (int64, error) // bytes that are left
}

// RealDisk returns the one that there is.
func RealDisk() Disk {
	return Disk{
		Create: func(path string) (*os.File, error) {
			return osfile.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		},
		Allocate: osfile.Allocate,
		WriteAt:  (*os.File).WriteAt,
		Truncate: (*os.File).Truncate,
		Sync:     osfile.Sync,
		Rename:   osfile.Rename,
		Remove:   osfile.Remove,
		SyncDir:  osfile.SyncDir,
		Free:     osfile.Free,
	}
}

// Replace gives the file at path new content, durably, so that a reader finds
// the old or the new one and nothing between.
func (d *Disk) Replace(path string, content []byte) (err error) {
	temp := path + ".new"
	if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.Create(temp)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = d.Remove(temp)
		}
	}()
	if _, err := d.WriteAt(f, content, 0); err != nil {
		return err
	}
	if err := d.Sync(f); err != nil {
		return err
	}
	if err := d.Rename(temp, path); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}
