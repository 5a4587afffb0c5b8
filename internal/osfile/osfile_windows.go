package osfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// Nonblock is nothing here: no file makes opening it wait.
const Nonblock = 0

// Open is os.OpenFile, but lets others rename, replace and remove the file
// meanwhile.
func Open(path string, flag int, perm fs.FileMode) (f *os.File, err error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return os.OpenFile(path, flag, perm) // a link may lead anywhere, which a root does not allow
	}
	err = inRoot(path, func(r *os.Root, name string) error {
		f, err = r.OpenFile(name, flag, perm)
		return err
	})
	return f, err
}

// OpenDirect is Open, and refuses a symbolic link.
func OpenDirect(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return openDirect(path, flag, perm)
}

// Rename renames a file within its directory, and replaces another, which others
// may have open.
func Rename(from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return os.Rename(from, to)
	}
	return inRoot(from, func(r *os.Root, name string) error { return r.Rename(name, filepath.Base(to)) })
}

// Remove removes a file, which others may have open.
func Remove(path string) error {
	return inRoot(path, func(r *os.Root, name string) error { return r.Remove(name) })
}

// inRoot calls f with the directory of a file: what package os opens, renames and
// removes below an os.Root, and not otherwise, is shared for deletion and has the
// semantics of POSIX.
func inRoot(path string, f func(r *os.Root, name string) error) error {
	r, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only looked in
	err = f(r, filepath.Base(path))
	var p *fs.PathError
	if errors.As(err, &p) {
		p.Path = path
	}
	return err
}

// Lock locks a file, which is open for writing, until it is closed or the process
// dies. The error is ErrLocked where it is locked already.
//
// Locks are mandatory here: what is locked is a byte that no file reaches, so that
// others can read.
func Lock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = conn.Control(func(fd uintptr) {
		serr = windows.LockFileEx(windows.Handle(fd), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	})
	switch {
	case err != nil:
		return err
	case errors.Is(serr, windows.ERROR_LOCK_VIOLATION) || errors.Is(serr, windows.ERROR_IO_PENDING):
		return ErrLocked
	}
	return os.NewSyscallError("LockFileEx", serr)
}

// SyncDir does nothing: there is no call for it. NTFS keeps a journal of names,
// and the flush of a file writes it out up to there. A rename or a removal that no
// flush follows is durable a little later.
func SyncDir(string) error { return nil }

// SyncRoot is SyncDir for a directory that is open.
func SyncRoot(*os.Root) error { return nil }

// Free returns how many bytes the file system of dir has left for us.
func Free(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, os.NewSyscallError("GetDiskFreeSpaceEx", err)
	}
	return int64(min(free, 1<<63-1)), nil
}

// IsPrivate reports true: modes say nothing here of who may read a file. Access
// lists do, and are not looked at.
func IsPrivate(fs.FileMode) bool { return true }
