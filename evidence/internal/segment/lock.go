package segment

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/internal/osfile"
)

// A claim makes this process the only writer of a ledger, until it is given back
// or the process dies.
//
// Two files are locked. The file lock says who the writer is, and keeps two from
// beginning a ledger at once. Anybody can remove it, perhaps as a stale one, and
// whoever comes next would lock another file of that name: so the first segment
// is locked too, without which there is no ledger to come to.
type claim struct {
	dir   string
	lock  *os.File
	first *os.File // nil before there is a first segment
	id    fs.FileInfo
}

// claimLedger claims the ledger in dir, or a directory that becomes one.
func claimLedger(dir string) (*claim, error) {
	c := &claim{dir: dir}
	if err := c.takeFirst(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, c.close())
	}
	f, err := c.take(filepath.Join(dir, lockName), os.O_CREATE)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	c.lock = f
	host, _ := os.Hostname()
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0) // for people
	return c, nil
}

// takeFirst claims the first segment, where that was not done yet. The error
// wraps fs.ErrNotExist where there is none.
func (c *claim) takeFirst() error {
	if c.first != nil {
		return nil
	}
	f, err := c.take(Path(c.dir, 1), 0)
	if err != nil {
		return err
	}
	c.first = f
	c.id, err = f.Stat()
	return err
}

func (c *claim) take(path string, flag int) (*os.File, error) {
	f, err := osfile.OpenDirect(path, os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := osfile.Lock(f); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, osfile.ErrLocked) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, c.holder())
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// holder says who has the ledger.
func (c *claim) holder() string {
	f, _, err := osfile.OpenRegular(filepath.Join(c.dir, lockName), false)
	if err != nil {
		return "its file " + lockName + " was removed, and its writer is there"
	}
	defer func() { _ = f.Close() }() // only read
	name, _ := io.ReadAll(io.LimitReader(f, 256))
	return fmt.Sprintf("%q", strings.TrimSpace(string(name)))
}

// holds checks that the ledger in the directory is still the one that was
// claimed. It is safe for concurrent use.
func (c *claim) holds() error { return isStill(c.first.Name(), c.id) }

// isStill checks that a path names the file that it named.
func isStill(path string, id fs.FileInfo) error {
	there, err := os.Lstat(path)
	if err == nil && !os.SameFile(there, id) {
		err = fmt.Errorf("%s is another file than it was", path)
	}
	return err
}

// close gives the ledger back.
func (c *claim) close() error {
	var errs []error
	for _, f := range []*os.File{c.lock, c.first} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
