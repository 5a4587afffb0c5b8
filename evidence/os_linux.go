package evidence

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFile makes the content of f durable, without what only concerns its
// times.
func syncFile(f *os.File) error {
	return control(f, "fdatasync", unix.Fdatasync)
}

// allocate has the file system keep room for f up to size. File systems that
// cannot do that are no reason to fail.
func allocate(f *os.File, size int64) error {
	err := control(f, "fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}
