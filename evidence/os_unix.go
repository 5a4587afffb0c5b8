//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openNoFollow makes opening a symbolic link an error, and opening a FIFO no
// reason to wait.
const openNoFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// lockLedger makes this process the writer of the ledger in dir until the file
// that it returns is closed, or the process dies.
func lockLedger(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|openNoFollow, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		host, _ := os.Hostname()
		_ = f.Truncate(0)
		_, _ = f.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0) // for people
		return f, nil
	}
	holder, _ := io.ReadAll(io.LimitReader(f, 256))
	_ = f.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return nil, fmt.Errorf("%w: %q", ErrLocked, strings.TrimSpace(string(holder)))
}

// syncDir makes what was created in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// freeSpace returns how many bytes the file system of dir has left for us.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ between systems
}
