// Package tiles keeps the Merkle tree of a log as files: the tree of RFC 6962 in
// the layout of https://c2sp.org/tlog-tiles, with checkpoints of
// https://c2sp.org/tlog-checkpoint and proofs of https://c2sp.org/tlog-proof.
//
//	checkpoint               written by the caller: see [Sign]
//	tile/0/000               the hashes of leaves 0 to 255, 8192 bytes
//	tile/0/x001/x234/067     those of the 256 leaves from 1234067 * 256
//	tile/0/001.p/112         112 leaf hashes, for a checkpoint that ends there
//	tile/1/000               the roots of the first 256 complete tiles of level 0
//	tile/entries/000         the first 256 leaves themselves, where asked for
//
// A [Writer] is given leaves and writes tiles, a [Reader] reads them for proofs.
// Both need the same memory however long the log is. Leaves are byte strings of
// at most [MaxEntry] bytes: what they mean is the caller's.
package tiles
