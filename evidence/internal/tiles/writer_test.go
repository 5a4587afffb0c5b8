package tiles_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"example.com/safeconduct/evidence/internal/tiles"
)

func TestPaths(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{tiles.TilePath(0, 0, 256), "tile/0/000"},
		{tiles.TilePath(0, 999, 256), "tile/0/999"},
		{tiles.TilePath(1, 1000, 256), "tile/1/x001/000"},
		{tiles.TilePath(0, 1234067, 256), "tile/0/x001/x234/067"},
		{tiles.TilePath(7, 5, 1), "tile/7/005.p/1"},
		{tiles.TilePath(0, 1234067, 8), "tile/0/x001/x234/067.p/8"},
		{tiles.BundlePath(0, 256), "tile/entries/000"},
		{tiles.BundlePath(273, 112), "tile/entries/273.p/112"},
		{tiles.BundlePath(1234067, 255), "tile/entries/x001/x234/067.p/255"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		tile := tlog.Tile{H: 8, L: rapid.IntRange(0, 7).Draw(r, "L"), N: rapid.Int64Range(0, 1<<52).Draw(r, "N"), W: rapid.IntRange(1, 256).Draw(r, "W")}
		if got, want := tiles.TilePath(tile.L, tile.N, tile.W), "tile/"+strings.TrimPrefix(tile.Path(), "tile/8/"); got != want {
			r.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestFilesOfALog(t *testing.T) {
	for _, size := range []int64{0, 1, 2, 255, 256, 257, 512, 600, 65_536, modelSize} {
		for _, entries := range []bool{false, true} {
			if size > 600 && entries && raceEnabled {
				continue
			}
			dir := newLog(t, size, tiles.Options{Entries: entries})
			wantSameFiles(t, files(t, dir), wantFiles(t, size, entries))
		}
	}
}

func TestTheLayoutNamesTheTilesOf70000Leaves(t *testing.T) {
	// "273 full level 0 tiles, one partial level 0 tile of width 112, one full
	// level 1 tile, one partial level 1 tile of width 17, and one partial level 2
	// tile of width 1"
	got := files(t, newLog(t, 70_000, tiles.Options{}))
	for _, name := range []string{"tile/0/000", "tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} {
		if got[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if want := 273 + 4; len(got) != want {
		t.Errorf("got %d files, want %d", len(got), want)
	}
}

// Whenever Partial is called, a reader of a checkpoint at that size finds what it
// needs, and what later sizes make needless goes.
func TestPartialAtAnySize(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		entries := rapid.Bool().Draw(r, "entries")
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 1100), 1, 8).Draw(r, "sizes")
		slices.Sort(sizes)
		w := tiles.NewWriter(dir, tiles.Options{Entries: entries})
		for _, size := range sizes {
			write(t, w, size)
			partial(t, w)
			got := files(t, dir)
			for name, data := range wantFiles(t, size, entries) {
				if !bytes.Equal(got[name], data) {
					r.Fatalf("at %d, %s is missing or has other bytes", size, name)
				}
			}
			for name := range got {
				if whole, _, ok := strings.Cut(name, ".p/"); ok && got[whole] != nil {
					r.Fatalf("at %d, %s stands beside the complete one", size, name)
				}
				if strings.HasSuffix(name, ".tmp") {
					r.Fatalf("at %d, %s stays", size, name)
				}
			}
			if w.Root() != theModel().root(t, size) {
				r.Fatalf("another root at %d", size)
			}
		}
	})
}

func TestTail(t *testing.T) {
	w := tiles.NewWriter(t.TempDir(), tiles.Options{})
	for size := range int64(600) {
		write(t, w, size)
		var want []tiles.Hash
		for i := size - size%256; i < size; i++ {
			want = append(want, leaf(i))
		}
		if got := w.Tail(); !slices.Equal(got, want) {
			t.Fatalf("at %d: got a tail of %d leaves, want %d", size, len(got), len(want))
		}
	}
}

func TestEntriesHaveABound(t *testing.T) {
	w := tiles.NewWriter(t.TempDir(), tiles.Options{Entries: true})
	long := make([]byte, tiles.MaxEntry+1)
	if err := w.Append(tiles.LeafHash(long), long); err == nil || w.Size() != 0 {
		t.Errorf("an entry of %d bytes: size %d, error %v", len(long), w.Size(), err)
	}
	long = long[1:]
	if err := w.Append(tiles.LeafHash(long), long); err != nil {
		t.Error(err)
	}
	partial(t, w)
}

// A Writer that checks goes on where it found the files of the log, and refuses
// to where it did not.
func TestResumeAfterACheck(t *testing.T) {
	dir := t.TempDir()
	write(t, tiles.NewWriter(dir, tiles.Options{}), 300)
	w := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Check})
	write(t, w, 300)
	w.Resume()
	for i := range int64(300) {
		if err := w.Append(leaf(300+i), nil); err != nil {
			t.Fatal(err)
		}
	}
	again := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Check})
	write(t, again, 600)
	if again.Root() != w.Root() || again.Found() != (tiles.Found{}) {
		t.Errorf("got %+v, root %v, want the files of a log with root %v", again.Found(), again.Root(), w.Root())
	}

	missing := tiles.NewWriter(t.TempDir(), tiles.Options{Pass: tiles.Check})
	write(t, missing, 300)
	defer func() {
		if recover() == nil {
			t.Error("Resume did not panic")
		}
	}()
	missing.Resume()
}

// Steady appending allocates nothing but what writing a file takes.
func TestAppendDoesNotAllocate(t *testing.T) {
	w := tiles.NewWriter(t.TempDir(), tiles.Options{Entries: true})
	write(t, w, 257)
	h, e := leaf(1), entry(1)
	if n := testing.AllocsPerRun(200, func() {
		if err := w.Append(h, e); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a leaf", n)
	}
}
