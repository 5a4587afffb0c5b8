package evidence

import (
	"context"
	"errors"
	"io"
	"os"
)

// Looks follows a ledger as Follow does, but looks again at once, until yield
// returns false. It calls grow before each look, and whenever something was read
// of a segment, before whoever reads it gets that.
func Looks(ctx context.Context, dir string, grow func(), yield func(Entry, error) bool) error {
	f := follower{dir: dir, yield: yield, read: func(f *os.File) io.ReaderAt { return growing{f, grow} }}
	for ctx.Err() == nil {
		grow()
		if err := f.catchUp(ctx); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return ctx.Err()
}

type growing struct {
	file *os.File
	grow func()
}

func (g growing) ReadAt(p []byte, off int64) (int, error) {
	n, err := g.file.ReadAt(p, off)
	g.grow()
	return n, err
}
