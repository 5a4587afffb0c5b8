package osfile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNotRegular means that a path names a directory, a device or the like.
var ErrNotRegular = errors.New("is not a regular file")

// OpenRegular opens a regular file to read it. It never waits, as opening a
// FIFO does, and checks the file that it has open, not one that may by now bear
// the same name. Unless links is set it refuses a symbolic link. Its errors do
// not name the file.
func OpenRegular(path string, links bool) (*os.File, fs.FileInfo, error) {
	open := Open
	if !links {
		open = OpenDirect
	}
	f, err := open(path, os.O_RDONLY, 0)
	if err != nil {
		if info, lerr := os.Lstat(path); !links && lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, nil, errors.New("is a symbolic link")
		}
		return nil, nil, WithoutPath(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		_ = f.Close() // only read
		return nil, nil, WithoutPath(err)
	}
	return f, info, nil
}

// WithoutPath drops the name of the file, which the caller gives.
func WithoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// WriteNew writes a file that must not exist, where else the error wraps
// fs.ErrExist. The file has its name only once all of it is durable, so that no crash
// leaves a part of it and of two who write it at once one does. Where the file system
// has no hard links it is written in place, and removed if it cannot be.
func WriteNew(path string, data []byte, perm fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil { // else nobody could tell why no other file can be made here
		return &fs.PathError{Op: "create", Path: path, Err: syscall.EEXIST}
	}
	dir := filepath.Dir(path)
	draft := filepath.Join(dir, ".safeconduct-"+rand.Text())
	if err := writeInPlace(draft, data, perm); err != nil {
		return &fs.PathError{Op: "create", Path: path, Err: WithoutPath(err)}
	}
	err := os.Link(draft, path)
	removed := os.Remove(draft)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &fs.PathError{Op: "create", Path: path, Err: syscall.EEXIST}
	case err != nil:
		err = writeInPlace(path, data, perm)
	}
	return errors.Join(err, removed, SyncDir(dir))
}

// writeInPlace writes a file that must not exist, and removes it if it cannot.
func writeInPlace(path string, data []byte, perm fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
