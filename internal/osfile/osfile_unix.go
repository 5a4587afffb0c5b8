//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package osfile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Nonblock keeps opening a FIFO from waiting for its other end.
const Nonblock = unix.O_NONBLOCK

// Open is os.OpenFile, but does not wait for the other end of a FIFO.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|Nonblock, perm)
}

// OpenDirect is Open, and refuses a symbolic link.
func OpenDirect(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|Nonblock|unix.O_NOFOLLOW, perm)
}

// Rename renames a file within its directory, and replaces another.
func Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func Remove(path string) error { return os.Remove(path) }

// Lock locks a file, which is open for writing, until it is closed or the process
// dies. The error is ErrLocked where it is locked already.
func Lock(f *os.File) error {
	err := control(f, "flock", func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// SyncDir makes durable what was created, renamed or removed in dir.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SyncRoot is SyncDir for a directory that is open.
func SyncRoot(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Free returns how many bytes the file system of dir has left for us.
func Free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ between systems
}

// IsPrivate reports whether the mode of a file keeps it from all but its owner.
func IsPrivate(mode fs.FileMode) bool { return mode.Perm()&0o077 == 0 }

// control calls call with the descriptor until it is not interrupted.
func control(f *os.File, name string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = conn.Control(func(fd uintptr) {
		for {
			if serr = call(int(fd)); !errors.Is(serr, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError(name, serr)
}
