package tiles_test

import (
	"encoding/hex"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"example.com/safeconduct/evidence/internal/tiles"
)

// modelSize is past the first complete tile of level 1, so that there are three
// levels.
const modelSize = 70_000

// model is a log as package tlog keeps it: every hash, in memory.
type model []tlog.Hash

func (m model) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		found[i] = m[x]
	}
	return found, nil
}

var theModel = sync.OnceValue(func() model {
	var m model
	for i := range int64(modelSize) {
		hashes, err := tlog.StoredHashes(i, entry(i), m)
		if err != nil {
			panic(err)
		}
		m = append(m, hashes...)
	}
	return m
})

func (m model) root(t testing.TB, size int64) tiles.Hash {
	t.Helper()
	root, err := tlog.TreeHash(size, m)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// entry returns the i-th leaf of the tests' log.
func entry(i int64) []byte { return fmt.Appendf(nil, "entry %d", i) }

func leaf(i int64) tiles.Hash { return tiles.LeafHash(entry(i)) }

func TestLeafHashIsThatOfTheRFC(t *testing.T) {
	for in, want := range map[string]string{
		"":     "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"\x00": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	} {
		if got := tiles.LeafHash([]byte(in)); hex.EncodeToString(got[:]) != want {
			t.Errorf("LeafHash(%q) = %x, want %s", in, got, want)
		}
	}
}

func TestLeafHashAndAppendDoNotAllocate(t *testing.T) {
	long := make([]byte, 1500)
	if n := testing.AllocsPerRun(100, func() { tiles.LeafHash(long) }); n != 0 {
		t.Errorf("LeafHash: %v allocations", n)
	}
	var tree tiles.Tree
	if n := testing.AllocsPerRun(1000, func() { tree.Append(tiles.Hash{}); tree.Root() }); n != 0 {
		t.Errorf("Append and Root: %v allocations", n)
	}
}

func TestRootOfEverySize(t *testing.T) {
	m := theModel()
	var tree tiles.Tree
	for size := range int64(601) {
		if tree.Size() != size {
			t.Fatalf("got size %d, want %d", tree.Size(), size)
		}
		if got, want := tree.Root(), m.root(t, size); got != want {
			t.Fatalf("root of %d is %v, want %v", size, got, want)
		}
		tree.Append(leaf(size))
	}
	if got, want := new(tiles.Tree).Root(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; got.String() != want {
		t.Errorf("the root of the empty tree is %v, want %s", got, want)
	}
}

func TestRootsOfLongerLogs(t *testing.T) {
	m := theModel()
	rapid.Check(t, func(r *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int64Range(0, modelSize), 1, 4).Draw(r, "sizes")
		var tree tiles.Tree
		for i := range int64(modelSize) {
			for _, size := range sizes {
				if size == i && tree.Root() != m.root(t, i) {
					r.Fatalf("another root at %d", i)
				}
			}
			tree.Append(m[tlog.StoredHashIndex(0, i)])
		}
		if tree.Root() != m.root(t, modelSize) {
			r.Fatalf("another root at the end")
		}
	})
}

func TestACopyOfATreeGoesItsOwnWay(t *testing.T) {
	var one tiles.Tree
	for i := range int64(11) {
		one.Append(leaf(i))
	}
	other := one
	for range 9 {
		other.Append(tiles.Hash{})
	}
	one.Append(leaf(11))
	if got, want := one.Root(), theModel().root(t, 12); got != want {
		t.Errorf("got root %v, want %v", got, want)
	}
}

// A million leaves take as much memory as a few.
func TestMemoryIsFlat(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a million leaves")
	}
	w := tiles.NewWriter(t.TempDir(), tiles.Options{})
	var before, after runtime.MemStats
	h := leaf(0)
	for i := range 1_000_000 {
		if i == 1000 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		h[0], h[1], h[2] = byte(i), byte(i>>8), byte(i>>16)
		if err := w.Append(h, nil); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<10 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if per := float64(after.Mallocs-before.Mallocs) / 1_000_000; per > 0.2 {
		t.Errorf("%.2f allocations a leaf", per)
	}
	runtime.KeepAlive(w)
}
