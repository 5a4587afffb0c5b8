package tiles

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// MaxEntry is how long a leaf can be: bundles hold lengths in 16 bits.
	MaxEntry = 1<<16 - 1

	// MaxSize is how many leaves a log can have. The arithmetic of package tlog
	// never ends for sizes past 1<<62, so larger sizes are refused wherever they
	// come in.
	MaxSize = 1 << 60

	tileHeight = 8
	tileWidth  = 1 << tileHeight
	tileBytes  = tileWidth * tlog.HashSize
	tileLevels = 8 // as many as MaxSize leaves have
)

// A Hash is a SHA-256 hash of a leaf or of a node of the tree.
type Hash = tlog.Hash

// LeafHash returns the hash of a leaf, SHA-256(0x00 || entry).
func LeafHash(entry []byte) Hash { return tlog.RecordHash(entry) }

// A Tree is the right edge of a Merkle tree: all that is needed to add leaves, one
// hash for each power of two in its size. The zero Tree is empty. A Tree is not safe
// for concurrent use; a copy of one is independent of it.
type Tree struct {
	size int64
	edge [64]Hash // edge[i] counts where bit i of size is set
}

// Append adds a leaf, given by its hash.
func (t *Tree) Append(leaf Hash) {
	var nodes [tileLevels]Hash
	t.add(leaf, &nodes)
}

// add adds a leaf and returns how many levels of tiles grew by a hash; nodes has
// those hashes.
func (t *Tree) add(h Hash, nodes *[tileLevels]Hash) int {
	n := 0
	for level := 0; ; level++ {
		if level%tileHeight == 0 {
			nodes[n] = h
			n++
		}
		if t.size>>level&1 == 0 {
			t.edge[level] = h
			t.size++
			return n
		}
		h = tlog.NodeHash(t.edge[level], h)
	}
}

// Size returns how many leaves the tree has.
func (t *Tree) Size() int64 { return t.size }

// Root returns the root of the tree, which for an empty one is SHA-256("").
func (t *Tree) Root() Hash {
	if t.size == 0 {
		return emptyRoot()
	}
	level := bits.TrailingZeros64(uint64(t.size))
	h := t.edge[level]
	for level++; t.size>>level != 0; level++ {
		if t.size>>level&1 == 1 {
			h = tlog.NodeHash(t.edge[level], h)
		}
	}
	return h
}

func emptyRoot() Hash { return sha256.Sum256(nil) }
