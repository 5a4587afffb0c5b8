//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package evidence

import (
	"errors"
	"os"
)

const openNoFollow = 0

// lockFile refuses: two writers could share a ledger.
func lockFile(*os.File) error {
	return errors.Join(errors.ErrUnsupported, errors.New("writing a ledger needs flock"))
}

func syncDir(string) error { return nil }

func syncRoot(*os.Root) error { return nil }

func freeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }
