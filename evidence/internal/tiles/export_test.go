package tiles

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Inclusion returns the proof that the leaf with the index is in the tree of the
// first size leaves: the hashes of RFC 6962, section 2.1.1. It reads at most two
// tiles a level.
func (r *Reader) Inclusion(index, size int64) ([]Hash, error) {
	if size > r.size || index < 0 || index >= size {
		return nil, fmt.Errorf("tiles: leaf %d among %d of a log of %d", index, size, r.size)
	}
	return tlog.ProveRecord(size, index, tlog.HashReaderFunc(r.readNodes))
}

// Consistency returns the proof that the tree of the first older leaves is the
// beginning of that of the first newer ones: the hashes of RFC 6962, section
// 2.1.2, of which there are none where older is 0 or the same.
func (r *Reader) Consistency(older, newer int64) ([]Hash, error) {
	if newer > r.size || older < 0 || older > newer {
		return nil, fmt.Errorf("tiles: %d leaves and %d of a log of %d", older, newer, r.size)
	}
	if older == 0 {
		return []Hash{}, nil
	}
	return tlog.ProveTree(newer, older, tlog.HashReaderFunc(r.readNodes))
}
