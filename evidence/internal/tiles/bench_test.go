package tiles_test

import (
	"testing"

	"example.com/safeconduct/evidence/internal/tiles"
)

func BenchmarkTreeAppend(b *testing.B) {
	var tree tiles.Tree
	h := leaf(0)
	b.ReportAllocs()
	for b.Loop() {
		tree.Append(h)
	}
}

// BenchmarkAppend is what a leaf costs with its share of the tiles.
func BenchmarkAppend(b *testing.B) {
	for name, opts := range map[string]tiles.Options{"tiles": {}, "bundles": {Entries: true}} {
		b.Run(name, func(b *testing.B) {
			w := tiles.NewWriter(b.TempDir(), opts)
			e := make([]byte, 1500)
			h := tiles.LeafHash(e)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Append(h, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRoot(b *testing.B) {
	var tree tiles.Tree
	for range 1<<20 - 1 {
		tree.Append(tiles.Hash{})
	}
	b.ReportAllocs()
	for b.Loop() {
		tree.Root()
	}
}

func BenchmarkLeafHash(b *testing.B) {
	e := make([]byte, 1500)
	b.SetBytes(int64(len(e)))
	b.ReportAllocs()
	for b.Loop() {
		tiles.LeafHash(e)
	}
}

func BenchmarkInclusion(b *testing.B) {
	dir := newLog(b, modelSize, tiles.Options{})
	r := newReader(b, dir, modelSize, nil)
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i += 7919 {
		if _, err := r.Inclusion(i%modelSize, modelSize); err != nil {
			b.Fatal(err)
		}
	}
}
