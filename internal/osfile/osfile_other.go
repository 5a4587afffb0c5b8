//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package osfile

import (
	"errors"
	"io/fs"
	"os"
)

// Nonblock is nothing here: no file makes opening it wait.
const Nonblock = 0

// Open is os.OpenFile.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, perm)
}

// OpenDirect is Open, and refuses a symbolic link.
func OpenDirect(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return openDirect(path, flag, perm)
}

// Rename renames a file within its directory, and replaces another.
func Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func Remove(path string) error { return os.Remove(path) }

// Lock refuses: two writers could share a ledger.
func Lock(*os.File) error {
	return errors.Join(errors.ErrUnsupported, errors.New("files cannot be locked on this system"))
}

// SyncDir does nothing.
func SyncDir(string) error { return nil }

// SyncRoot is SyncDir for a directory that is open.
func SyncRoot(*os.Root) error { return nil }

// Free does not know.
func Free(string) (int64, error) { return 0, errors.ErrUnsupported }

// IsPrivate reports whether the mode of a file keeps it from all but its owner.
func IsPrivate(mode fs.FileMode) bool { return mode.Perm()&0o077 == 0 }
