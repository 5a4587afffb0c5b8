package chain

import (
	"errors"

	"example.com/safeconduct/evidence/internal/tiles"
)

// MendTiles writes the tiles again that a Writer which has checked them all did
// not find as they must be, and how many these are. It returns a Writer that is
// ready for those that come next.
func MendTiles(dir string, w *tiles.Writer) (_ *tiles.Writer, mended uint64, err error) {
	if found := w.Found(); found != (tiles.Found{}) {
		mended = uint64(found.Missing + found.Wrong)
		if w, err = EnsureTiles(dir); err != nil {
			return nil, 0, err
		}
	}
	w.Resume()
	return w, mended, nil
}

// EnsureTiles writes the tiles of a ledger that are not as they must be.
func EnsureTiles(dir string) (*tiles.Writer, error) {
	w := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Ensure})
	var failed error
	err := Scan(dir, nil, func(f *Frame, _ int64) bool {
		failed = w.Append(f.Leaf, nil)
		return failed == nil
	})
	return w, errors.Join(err, failed)
}
