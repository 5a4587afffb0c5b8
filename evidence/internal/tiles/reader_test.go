package tiles_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"example.com/safeconduct/evidence/internal/tiles"
)

func newReader(t testing.TB, dir string, size int64, tail []tiles.Hash) *tiles.Reader {
	t.Helper()
	r, err := tiles.NewReader(dir, size, tail)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkInclusion compares a proof with tlog's, and checks that it holds, and for
// no other leaf.
func checkInclusion(t testing.TB, r *tiles.Reader, index, size int64) {
	t.Helper()
	m := theModel()
	got, err := r.Inclusion(index, size)
	if err != nil {
		t.Fatalf("Inclusion(%d, %d): %v", index, size, err)
	}
	want, err := tlog.ProveRecord(size, index, m)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Inclusion(%d, %d) differs from tlog's", index, size)
	}
	h, root := m[tlog.StoredHashIndex(0, index)], m.root(t, size)
	if err := tiles.CheckInclusion(got, index, size, h, root); err != nil {
		t.Fatalf("CheckInclusion(%d, %d): %v", index, size, err)
	}
	h[5] ^= 1
	if tiles.CheckInclusion(got, index, size, h, root) == nil {
		t.Fatalf("CheckInclusion(%d, %d) takes another leaf", index, size)
	}
}

func checkConsistency(t testing.TB, r *tiles.Reader, older, newer int64) {
	t.Helper()
	m := theModel()
	got, err := r.Consistency(older, newer)
	if err != nil {
		t.Fatalf("Consistency(%d, %d): %v", older, newer, err)
	}
	if older > 0 {
		want, err := tlog.ProveTree(newer, older, m)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("Consistency(%d, %d) differs from tlog's", older, newer)
		}
	}
	a, b := m.root(t, older), m.root(t, newer)
	if err := tiles.CheckConsistency(got, older, newer, a, b); err != nil {
		t.Fatalf("CheckConsistency(%d, %d): %v", older, newer, err)
	}
	a[5] ^= 1
	if tiles.CheckConsistency(got, older, newer, a, b) == nil {
		t.Fatalf("CheckConsistency(%d, %d) takes another beginning", older, newer)
	}
}

func TestEveryProof(t *testing.T) {
	step := int64(1)
	if testing.Short() || raceEnabled {
		step = 17
	}
	w := tiles.NewWriter(t.TempDir(), tiles.Options{})
	dir := newLog(t, 600, tiles.Options{})
	write(t, w, 600)
	r := newReader(t, dir, 600, w.Tail())
	for size := int64(0); size <= 600; size += step {
		if got, err := r.Root(size); err != nil || got != theModel().root(t, size) {
			t.Fatalf("Root(%d) = %v, %v", size, got, err)
		}
		for other := int64(0); other < size; other += 1 + size/60 {
			checkInclusion(t, r, other, size)
			checkConsistency(t, r, other, size)
		}
		checkConsistency(t, r, size, size)
	}
}

func TestProofsOfLongerLogs(t *testing.T) {
	dir := newLog(t, modelSize, tiles.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		whole := rapid.Int64Range(1, modelSize).Draw(rt, "whole")
		tail := make([]tiles.Hash, whole%256)
		for i := range tail {
			tail[i] = leaf(whole - whole%256 + int64(i))
		}
		// Most partial tiles of this size were never written, or are complete by now.
		r := newReader(t, dir, whole, tail)
		for range 10 {
			size := rapid.Int64Range(1, whole).Draw(rt, "size")
			checkInclusion(t, r, rapid.Int64Range(0, size-1).Draw(rt, "index"), size)
			checkConsistency(t, r, rapid.Int64Range(0, size).Draw(rt, "older"), size)
		}
	})
}

func TestAReaderFindsWhatItNeeds(t *testing.T) {
	const size = 66_000 // 65536 + 256 + 208
	for _, tt := range []struct {
		name   string
		remove []string
		err    string
	}{
		{"all there", nil, ""},
		{"no partial tile of level 2", []string{"tile/2/000.p/1"}, ""},
		{"no partial tiles of levels 1 and 2", []string{"tile/1/001.p/1", "tile/2/000.p/1"}, ""},
		{"no partial tile of level 0", []string{"tile/0/257.p/208"}, "tiles: tile/0/257.p/208: "},
		{"nor a complete one of level 0", []string{"tile/1/001.p/1", "tile/0/256"}, "tiles: tile/0/256: "},
	} {
		dir := newLog(t, size, tiles.Options{})
		for _, name := range tt.remove {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		r, err := tiles.NewReader(dir, size, nil)
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("%s: got error %v, want %s", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, index := range []int64{0, 65_535, 65_536, 65_800, size - 1} {
			checkInclusion(t, r, index, size)
			checkConsistency(t, r, index, size)
		}
	}
}

// A log that has grown serves readers of what it was: partial tiles that have
// been deleted are the beginnings of complete ones.
func TestAReaderOfAnOlderLog(t *testing.T) {
	dir := newLog(t, 600, tiles.Options{})
	r := newReader(t, dir, 300, nil)
	for index := range int64(300) {
		checkInclusion(t, r, index, 300)
	}
}

func TestAReaderRefuses(t *testing.T) {
	dir := newLog(t, 600, tiles.Options{})
	r := newReader(t, dir, 600, nil)
	for _, tt := range [][2]int64{{-1, 5}, {5, 5}, {0, 0}, {0, -1}, {0, 601}, {600, 601}} {
		if _, err := r.Inclusion(tt[0], tt[1]); err == nil {
			t.Errorf("Inclusion(%d, %d) is not refused", tt[0], tt[1])
		}
	}
	for _, tt := range [][2]int64{{-1, 5}, {6, 5}, {0, -1}, {0, 601}} {
		if _, err := r.Consistency(tt[0], tt[1]); err == nil {
			t.Errorf("Consistency(%d, %d) is not refused", tt[0], tt[1])
		}
	}
	if _, err := r.Root(601); err == nil {
		t.Error("Root(601) is not refused")
	}
	if _, err := tiles.NewReader(dir, 600, make([]tiles.Hash, 5)); err == nil {
		t.Error("a tail of another length is not refused")
	}
	for _, size := range []int64{-1, tiles.MaxSize + 1, 1<<63 - 1} {
		if _, err := tiles.NewReader(dir, size, nil); err == nil {
			t.Errorf("a size of %d is not refused", size)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "tile", "0", "001"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := newReader(t, dir, 600, nil).Inclusion(300, 600); err == nil || !strings.HasPrefix(err.Error(), "tiles: tile/0/001: ") {
		t.Errorf("a short tile: got error %v, want one that names it", err)
	}
}

// Proofs of any size from outside end, hold or not. Package tlog on its own
// loops forever over sizes past 1<<62.
func TestChecksEndForAnySize(t *testing.T) {
	edges := []int64{-1 << 63, -1, 0, 1, 2, tiles.MaxSize - 1, tiles.MaxSize, tiles.MaxSize + 1, 1 << 62, 1<<62 + 1, 1<<63 - 1}
	var h tiles.Hash
	for _, a := range edges {
		for _, b := range edges {
			for _, n := range []int{0, 1, 60, 64} {
				if err := tiles.CheckInclusion(make([]tiles.Hash, n), a, b, h, tiles.Hash{1}); err == nil {
					t.Errorf("CheckInclusion of %d hashes, %d, %d holds", n, a, b)
				}
				if err := tiles.CheckConsistency(make([]tiles.Hash, n), a, b, h, tiles.Hash{1}); err == nil {
					t.Errorf("CheckConsistency of %d hashes, %d, %d holds", n, a, b)
				}
			}
		}
	}
}

func TestConsistencyWithTheEmptyLog(t *testing.T) {
	empty, root := new(tiles.Tree).Root(), theModel().root(t, 5)
	for _, tt := range []struct {
		name         string
		proof        []tiles.Hash
		newer        int64
		older, after tiles.Hash
		ok           bool
	}{
		{"grown", nil, 5, empty, root, true},
		{"still empty", nil, 0, empty, empty, true},
		{"empty with another root", nil, 0, empty, root, false},
		{"was not empty", nil, 5, root, root, false},
		{"hashes too many", []tiles.Hash{root}, 5, empty, root, false},
		{"shrunk", nil, -1, empty, root, false},
	} {
		if err := tiles.CheckConsistency(tt.proof, 0, tt.newer, tt.older, tt.after); (err == nil) != tt.ok {
			t.Errorf("%s: got error %v", tt.name, err)
		}
	}
}

// Any change to a proof breaks it.
func TestAChangedProofFails(t *testing.T) {
	m := theModel()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(2, 5000).Draw(rt, "size")
		index := rapid.Int64Range(0, size-1).Draw(rt, "index")
		proof, err := tlog.ProveRecord(size, index, m)
		if err != nil {
			rt.Fatal(err)
		}
		i := rapid.IntRange(0, len(proof)-1).Draw(rt, "i")
		changed := [][]tiles.Hash{
			slices.Delete(slices.Clone([]tiles.Hash(proof)), i, i+1),
			slices.Insert(slices.Clone([]tiles.Hash(proof)), i, proof[i]),
		}
		flipped := slices.Clone([]tiles.Hash(proof))
		flipped[i][rapid.IntRange(0, 31).Draw(rt, "byte")] ^= 1
		changed = append(changed, flipped)
		h := m[tlog.StoredHashIndex(0, index)]
		for j, p := range changed {
			if tiles.CheckInclusion(p, index, size, h, m.root(t, size)) == nil {
				rt.Fatalf("change %d passes", j)
			}
		}
	})
}
