package tiles

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A Reader reads the hashes of a log from its tiles. It takes them as they are: check
// what it returns against the root of a checkpoint, by [CheckInclusion] or
// [CheckConsistency]. A Reader is not safe for concurrent use.
type Reader struct {
	dir   string
	size  int64
	edge  [tileLevels][]Hash // the tiles that are not complete
	cache [tileLevels]struct {
		n      int64
		hashes []Hash
	}
}

// NewReader returns a Reader of the first size leaves of the log below dir. The
// tail is the hashes of the leaves after the last complete tile, size%256 of
// them; nil reads them from the tiles. Partial tiles that cannot be read are made
// from complete ones, at most 255 a level.
func NewReader(dir string, size int64, tail []Hash) (*Reader, error) {
	if size < 0 || size > MaxSize {
		return nil, fmt.Errorf("tiles: a log of %d leaves", size)
	}
	r := &Reader{dir: dir, size: size}
	if tail != nil {
		if int64(len(tail)) != size%tileWidth {
			return nil, fmt.Errorf("tiles: a tail of %d leaves, not the %d of a log of %d", len(tail), size%tileWidth, size)
		}
		r.edge[0] = slices.Clone(tail)
	}
	for level := range r.edge {
		nodes := size >> (tileHeight * level)
		width := int(nodes % tileWidth)
		if width == 0 || r.edge[level] != nil {
			continue
		}
		edge, err := r.readEdge(level, nodes/tileWidth, width)
		if err != nil {
			return nil, err
		}
		r.edge[level] = edge
	}
	return r, nil
}

// readEdge returns the hashes of a tile that is not complete.
func (r *Reader) readEdge(level int, n int64, width int) ([]Hash, error) {
	edge, err := r.readTile(level, n, width, width)
	if err == nil {
		return edge, nil
	}
	// The complete one is there where the log has grown since.
	if edge, err := r.readTile(level, n, tileWidth, width); err == nil {
		return edge, nil
	}
	if level == 0 {
		return nil, err
	}
	edge = make([]Hash, width)
	for i := range edge {
		below, err := r.readTile(level-1, n*tileWidth+int64(i), tileWidth, tileWidth)
		if err != nil {
			return nil, err
		}
		edge[i] = subtree(below)
	}
	return edge, nil
}

// readTile reads the first count hashes of a tile.
func (r *Reader) readTile(level int, n int64, width, count int) ([]Hash, error) {
	name := TilePath(level, n, width)
	data, err := readHashes(filepath.Join(r.dir, filepath.FromSlash(name)), count)
	if err != nil {
		return nil, fmt.Errorf("tiles: %s: %w", name, err)
	}
	return hashes(data), nil
}

// Leaf returns the hash of the leaf with the index.
func (r *Reader) Leaf(index int64) (Hash, error) {
	if index < 0 || index >= r.size {
		return Hash{}, fmt.Errorf("tiles: leaf %d of a log of %d", index, r.size)
	}
	tile, err := r.tile(0, index/tileWidth)
	if err != nil {
		return Hash{}, err
	}
	return tile[index%tileWidth], nil
}

// Root returns the root of the first size leaves.
func (r *Reader) Root(size int64) (Hash, error) {
	if size < 0 || size > r.size {
		return Hash{}, fmt.Errorf("tiles: %d leaves of a log of %d", size, r.size)
	}
	return tlog.TreeHash(size, tlog.HashReaderFunc(r.readNodes))
}

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

// readNodes returns the hashes of nodes, by what tlog calls storage indexes.
func (r *Reader) readNodes(indexes []int64) ([]Hash, error) {
	found := make([]Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		row, height := level/tileHeight, level%tileHeight
		first := n << height
		tile, err := r.tile(row, first/tileWidth)
		if err != nil {
			return nil, err
		}
		found[i] = subtree(tile[first%tileWidth:][:1<<height])
	}
	return found, nil
}

// tile returns the hashes of a tile, of which there are fewer than 256 at the edge.
func (r *Reader) tile(level int, n int64) ([]Hash, error) {
	if n == r.size>>(tileHeight*(level+1)) {
		return r.edge[level], nil
	}
	c := &r.cache[level]
	if c.hashes == nil || c.n != n {
		tile, err := r.readTile(level, n, tileWidth, tileWidth)
		if err != nil {
			return nil, err
		}
		c.n, c.hashes = n, tile
	}
	return c.hashes, nil
}

// subtree returns the hash over a power of two of hashes side by side.
func subtree(hs []Hash) Hash {
	if len(hs) == 1 {
		return hs[0]
	}
	return tlog.NodeHash(subtree(hs[:len(hs)/2]), subtree(hs[len(hs)/2:]))
}

func hashes(data []byte) []Hash {
	hs := make([]Hash, len(data)/tlog.HashSize)
	for i := range hs {
		copy(hs[i][:], data[i*tlog.HashSize:])
	}
	return hs
}

// CheckInclusion returns nil if and only if the proof shows that the leaf has
// the index in the tree of the size and root.
func CheckInclusion(proof []Hash, index, size int64, leaf, root Hash) error {
	if size > MaxSize {
		return fmt.Errorf("tiles: a log of %d leaves", size)
	}
	if err := tlog.CheckRecord(proof, size, root, index, leaf); err != nil {
		return fmt.Errorf("tiles: leaf %d is not shown to be in a log of %d: %w", index, size, err)
	}
	return nil
}

// CheckConsistency returns nil if and only if the proof shows that the tree of
// the older size and root is the beginning of that of the newer.
func CheckConsistency(proof []Hash, older, newer int64, olderRoot, newerRoot Hash) error {
	if newer > MaxSize {
		return fmt.Errorf("tiles: a log of %d leaves", newer)
	}
	if older == 0 && newer >= 0 && len(proof) == 0 && olderRoot == emptyRoot() && (newer > 0 || newerRoot == olderRoot) {
		return nil // every log begins with nothing
	}
	if err := tlog.CheckTree(proof, newer, newerRoot, older, olderRoot); err != nil {
		return fmt.Errorf("tiles: a log of %d is not shown to go on from %d: %w", newer, older, err)
	}
	return nil
}
