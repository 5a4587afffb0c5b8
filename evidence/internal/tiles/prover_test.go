package tiles_test

import (
	"slices"
	"testing"

	"example.com/safeconduct/evidence/internal/tiles"
	"golang.org/x/mod/sumdb/tlog"
)

// The proof of every leaf in every log of a few sizes is that of package tlog.
func TestProver(t *testing.T) {
	const most = 70
	var stored []tlog.Hash
	leaf := func(i int64) tiles.Hash { return tiles.LeafHash([]byte{byte(i)}) }
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hs := make([]tlog.Hash, len(indexes))
		for i, n := range indexes {
			hs[i] = stored[n]
		}
		return hs, nil
	})
	for i := range int64(most) {
		hs, err := tlog.StoredHashesForRecordHash(i, leaf(i), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hs...)
	}
	for index := range int64(most) {
		var p tiles.Prover
		for i := range int64(most) {
			p.Append(leaf(i), i >= index) // the first that is to be proved is the one
			size := i + 1
			if p.Size() != size {
				t.Fatalf("got a size of %d, want %d", p.Size(), size)
			}
			if i < index {
				continue
			}
			want, err := tlog.ProveRecord(size, index, reader)
			if err != nil {
				t.Fatal(err)
			}
			at, got := p.Inclusion()
			if at != index || !slices.Equal(got, []tlog.Hash(want)) {
				t.Fatalf("leaf %d of %d: got %d, %v, want %v", index, size, at, got, want)
			}
			if err := tiles.CheckInclusion(got, index, size, leaf(index), p.Root()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestProverWithoutALeaf(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic, want one")
		}
	}()
	var p tiles.Prover
	p.Append(tiles.Hash{}, false)
	p.Inclusion()
}
