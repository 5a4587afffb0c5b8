package evidence

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/safeconduct/internal/osfile"
)

// A disk is what a writer asks of the operating system. Every change to a ledger
// goes through it.
type disk struct {
	create   func(path string) (*os.File, error) // a file that must not exist
	allocate func(f *os.File, size int64) error  // has room up to size; the file does not get longer
	writeAt  func(f *os.File, b []byte, off int64) (int, error)
	truncate func(f *os.File, size int64) error
	sync     func(f *os.File) error
	rename   func(from, to string) error
	remove   func(path string) error
	syncDir  func(dir string) error
	free     func(dir string) (int64, error) // bytes that are left
}

func realDisk() disk {
	return disk{
		create: func(path string) (*os.File, error) {
			return osfile.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		},
		allocate: osfile.Allocate,
		writeAt:  (*os.File).WriteAt,
		truncate: (*os.File).Truncate,
		sync:     osfile.Sync,
		rename:   osfile.Rename,
		remove:   osfile.Remove,
		syncDir:  osfile.SyncDir,
		free:     osfile.Free,
	}
}

// replace gives the file at path new content, durably, so that a reader finds
// the old or the new one and nothing between.
func (d *disk) replace(path string, content []byte) (err error) {
	temp := path + ".new"
	if err := d.remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.create(temp)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			_ = d.remove(temp)
		}
	}()
	if _, err := d.writeAt(f, content, 0); err != nil {
		return err
	}
	if err := d.sync(f); err != nil {
		return err
	}
	if err := d.rename(temp, path); err != nil {
		return err
	}
	return d.syncDir(filepath.Dir(path))
}
