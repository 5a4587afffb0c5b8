//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package osfile

import (
	"errors"
	"io/fs"
	"os"
)

// openDirect looks for a symbolic link first, and makes sure that what was opened
// is what was looked at.
func openDirect(path string, flag int, perm fs.FileMode) (*os.File, error) {
	before, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 {
		f, err := Open(path, flag|os.O_EXCL, perm) // which follows no link
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		before, err = os.Lstat(path) // somebody else made it
	}
	if err != nil {
		return nil, err
	}
	link := &fs.PathError{Op: "open", Path: path, Err: errors.New("is a symbolic link")}
	if before.Mode()&fs.ModeSymlink != 0 {
		return nil, link
	}
	f, err := Open(path, flag&^os.O_CREATE, perm)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = link
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
