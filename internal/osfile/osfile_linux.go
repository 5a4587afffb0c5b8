package osfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync makes the content of f durable, without what only concerns its times.
func Sync(f *os.File) error { return control(f, "fdatasync", unix.Fdatasync) }

// Allocate has the file system keep room for f up to size. The file does not get
// longer. File systems that cannot do that are no reason to fail.
func Allocate(f *os.File, size int64) error {
	err := control(f, "fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}
