package tiles_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"example.com/safeconduct/evidence/internal/tiles"
)

// write appends the leaves from the writer's size to size.
func write(t testing.TB, w *tiles.Writer, size int64) {
	t.Helper()
	for i := w.Size(); i < size; i++ {
		if err := w.Append(leaf(i), entry(i)); err != nil {
			t.Fatalf("leaf %d: %v", i, err)
		}
	}
}

// newLog writes a log of the size to a new directory.
func newLog(t testing.TB, size int64, opts tiles.Options) string {
	t.Helper()
	dir := t.TempDir()
	w := tiles.NewWriter(dir, opts)
	write(t, w, size)
	partial(t, w)
	return dir
}

func partial(t testing.TB, w *tiles.Writer) {
	t.Helper()
	if err := w.Partial(); err != nil {
		t.Fatal(err)
	}
}

// files returns the bytes of the files below dir, by path.
func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantFiles returns the files that a log of the size consists of, as package tlog
// makes them.
func wantFiles(t testing.TB, size int64, entries bool) map[string][]byte {
	t.Helper()
	want := make(map[string][]byte)
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, theModel())
		if err != nil {
			t.Fatal(err)
		}
		name := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		want[name] = data
		if !entries || tile.L != 0 {
			continue
		}
		var bundle []byte
		for i := range int64(tile.W) {
			e := entry(tile.N*256 + i)
			bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(e)))
			bundle = append(bundle, e...)
		}
		want[strings.Replace(name, "tile/0/", "tile/entries/", 1)] = bundle
	}
	return want
}

func wantSameFiles(t testing.TB, got, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		if other, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		} else if !bytes.Equal(other, data) {
			t.Errorf("%s has other bytes", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s should not be there", name)
		}
	}
}

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

// damage is what can be wrong with a file, and what is then found.
var damage = []struct {
	name  string
	do    func(path string) error
	found tiles.Found
}{
	{"none", func(string) error { return nil }, tiles.Found{}},
	{"missing", os.Remove, tiles.Found{Missing: 1}},
	{"empty", func(path string) error { return os.Truncate(path, 0) }, tiles.Found{Missing: 1}},
	{"short", func(path string) error { return os.Truncate(path, 31) }, tiles.Found{Missing: 1}},
	{"short of other bytes", func(path string) error { return os.WriteFile(path, []byte("other"), 0o600) }, tiles.Found{Wrong: 1}},
	{"other bytes", func(path string) error {
		data, err := os.ReadFile(path)
		data[len(data)-1] ^= 1
		return errors.Join(err, os.WriteFile(path, data, 0o600))
	}, tiles.Found{Wrong: 1}},
	{"too long", func(path string) error {
		data, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(path, append(data, 0), 0o600))
	}, tiles.Found{Wrong: 1}},
	{"huge", func(path string) error { return os.Truncate(path, 1<<26) }, tiles.Found{Wrong: 1}},
	{"link to nowhere", func(path string) error { return errors.Join(os.Remove(path), os.Symlink("nowhere", path)) }, tiles.Found{Missing: 1}},
}

var damaged = []string{"tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"}

func TestEnsureMendsALog(t *testing.T) {
	for _, d := range damage {
		for _, name := range damaged {
			t.Run(d.name+" "+name, func(t *testing.T) {
				dir := newLog(t, 600, tiles.Options{Entries: true})
				if err := d.do(filepath.Join(dir, name)); err != nil {
					t.Skip(err) // a file system without sparse files or links
				}
				old := modTime(t, filepath.Join(dir, "tile/0/001"))
				var wrong []string
				w := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Ensure, Entries: true, Wrong: func(path string) { wrong = append(wrong, path) }})
				write(t, w, 600)
				partial(t, w)
				if got := w.Found(); got != d.found {
					t.Errorf("found %+v, want %+v", got, d.found)
				}
				if d.found.Wrong != 0 && !slices.Equal(wrong, []string{name}) {
					t.Errorf("reported %q, want %s", wrong, name)
				}
				wantSameFiles(t, files(t, dir), wantFiles(t, 600, true))
				if name != "tile/0/001" && modTime(t, filepath.Join(dir, "tile/0/001")) != old {
					t.Error("a file that was right has been written")
				}
				// And it goes on from there.
				w.Resume()
				write(t, w, 1000)
				partial(t, w)
				got := files(t, dir)
				for name, data := range wantFiles(t, 1000, true) {
					if !bytes.Equal(got[name], data) {
						t.Errorf("after going on, %s is missing or has other bytes", name)
					}
				}
				if w.Found() != d.found {
					t.Errorf("going on found %+v", w.Found())
				}
			})
		}
	}
}

func modTime(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

func TestCheckFindsAndChangesNothing(t *testing.T) {
	for _, d := range damage {
		for _, name := range damaged {
			t.Run(d.name+" "+name, func(t *testing.T) {
				dir := newLog(t, 600, tiles.Options{Entries: true})
				if err := d.do(filepath.Join(dir, name)); err != nil {
					t.Skip(err) // a file system without sparse files or links
				}
				old := modTime(t, filepath.Join(dir, name))
				var wrong []string
				w := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Check, Entries: true, Wrong: func(path string) { wrong = append(wrong, path) }})
				write(t, w, 600)
				partial(t, w)
				if got := w.Found(); got != d.found {
					t.Errorf("found %+v, want %+v", got, d.found)
				}
				if int64(len(wrong)) != d.found.Wrong || len(wrong) == 1 && wrong[0] != name {
					t.Errorf("reported %q, want %s", wrong, name)
				}
				if modTime(t, filepath.Join(dir, name)) != old {
					t.Error("the file has been touched")
				}
			})
		}
	}
}

func TestADirectoryInPlaceOfATile(t *testing.T) {
	for _, pass := range []tiles.Pass{tiles.Write, tiles.Ensure, tiles.Check} {
		dir := newLog(t, 300, tiles.Options{})
		path := filepath.Join(dir, "tile", "0", "000")
		if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
		w := tiles.NewWriter(dir, tiles.Options{Pass: pass})
		write(t, w, 256)
		err := w.Append(leaf(256), nil)
		if pass == tiles.Check {
			if err != nil || w.Found() != (tiles.Found{Wrong: 1}) {
				t.Errorf("Check found %+v, %v, want one wrong", w.Found(), err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "tiles: tile/0/000: ") {
			t.Errorf("pass %d: got error %v, want one that names tile/0/000", pass, err)
		}
		if got := files(t, dir)["tile/0/000.tmp"]; got != nil {
			t.Errorf("pass %d: the temporary file stays", pass)
		}
	}
}

func TestAFileInPlaceOfADirectory(t *testing.T) {
	dir := newLog(t, 300, tiles.Options{})
	path := filepath.Join(dir, "tile", "0")
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	w := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Check})
	write(t, w, 300)
	partial(t, w)
	if got, want := w.Found(), (tiles.Found{Missing: 2}); got != want {
		t.Errorf("found %+v, want %+v", got, want)
	}
	w = tiles.NewWriter(dir, tiles.Options{Pass: tiles.Ensure})
	write(t, w, 256)
	if err := w.Partial(); err == nil || !strings.HasPrefix(err.Error(), "tiles: tile/0/000: ") {
		t.Errorf("Ensure: got error %v, want one that names tile/0/000", err)
	}
}

// A partial tile is not missed once the complete one is there.
func TestACompleteTileServesForAPartialOne(t *testing.T) {
	for _, pass := range []tiles.Pass{tiles.Ensure, tiles.Check} {
		dir := newLog(t, 600, tiles.Options{Entries: true})
		w := tiles.NewWriter(dir, tiles.Options{Pass: pass, Entries: true})
		write(t, w, 300)
		partial(t, w)
		if got, want := w.Found(), (tiles.Found{Missing: 1}); got != want { // tile/1/000.p/1, which nothing serves for yet
			t.Errorf("pass %d found %+v, want %+v", pass, got, want)
		}
		path := filepath.Join(dir, "tile", "0", "001")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[3] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		w = tiles.NewWriter(dir, tiles.Options{Pass: tiles.Check, Entries: true})
		write(t, w, 300)
		partial(t, w)
		if got := w.Found().Missing; got == 0 {
			t.Errorf("pass %d: a complete tile of other bytes served", pass)
		}
	}
}

// A failed call can be made again: the leaf has not been added.
func TestADiskThatFails(t *testing.T) {
	failure := errors.New("no space left")
	for _, opts := range []tiles.Options{{}, {Entries: true}} {
		var failing bool
		opts.Sync = func(*os.File) error {
			if failing {
				return failure
			}
			return nil
		}
		dir := t.TempDir()
		w := tiles.NewWriter(dir, opts)
		write(t, w, 256)
		failing = true
		for range 3 {
			if err := w.Append(leaf(256), entry(256)); !errors.Is(err, failure) || !strings.HasPrefix(err.Error(), "tiles: tile/") {
				t.Fatalf("got error %v, want one that names a file and wraps %v", err, failure)
			}
			if err := w.Partial(); !errors.Is(err, failure) {
				t.Fatalf("Partial: got error %v, want %v", err, failure)
			}
		}
		if w.Size() != 256 || w.Root() != theModel().root(t, 256) {
			t.Fatalf("got size %d, want 256", w.Size())
		}
		if got := files(t, dir); len(got) != 0 {
			t.Fatalf("%d files stand there half-written", len(got))
		}
		failing = false
		write(t, w, 600)
		failing = true
		if err := w.Partial(); !errors.Is(err, failure) {
			t.Fatalf("Partial: got error %v, want %v", err, failure)
		}
		failing = false
		partial(t, w)
		wantSameFiles(t, files(t, dir), wantFiles(t, 600, opts.Entries))
	}
}

// Wherever writing fails, trying again gives the same files as if it had not.
func TestADiskThatFailsOnce(t *testing.T) {
	failure := errors.New("no space left")
	for at := 1; ; at++ {
		calls := 0
		dir := t.TempDir()
		w := tiles.NewWriter(dir, tiles.Options{Entries: true, Sync: func(*os.File) error {
			if calls++; calls == at {
				return failure
			}
			return nil
		}})
		for i := range int64(600) {
			if err := w.Append(leaf(i), entry(i)); err != nil {
				if w.Size() != i {
					t.Fatalf("failing at file %d: leaf %d has been added", at, i)
				}
				if err := w.Append(leaf(i), entry(i)); err != nil {
					t.Fatalf("failing at file %d, again: %v", at, err)
				}
			}
		}
		if err := w.Partial(); err != nil {
			partial(t, w)
		}
		wantSameFiles(t, files(t, dir), wantFiles(t, 600, true))
		if calls < at {
			break // it got by without failing
		}
		// And there is nothing left to write.
		calls = 0
		partial(t, w)
		if calls != 0 {
			t.Fatalf("Partial wrote %d files again", calls)
		}
	}
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		// Root writes anywhere; a file in place of the directory stops it as well.
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tile"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		wantNamed(t, dir)
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	wantNamed(t, dir)
}

func wantNamed(t *testing.T, dir string) {
	t.Helper()
	for _, pass := range []tiles.Pass{tiles.Write, tiles.Ensure} {
		w := tiles.NewWriter(dir, tiles.Options{Pass: pass})
		write(t, w, 3)
		var failed *fs.PathError
		if err := w.Partial(); !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "tiles: tile/0/000.p/3: ") {
			t.Errorf("pass %d: got error %v, want one that names tile/0/000.p/3", pass, err)
		}
	}
}

// What a crash leaves behind is replaced, and never written through.
func TestATemporaryFileThatACrashLeft(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	tmp := filepath.Join(dir, "tile", "0", "000.tmp")
	err := errors.Join(os.MkdirAll(filepath.Dir(tmp), 0o700), os.WriteFile(elsewhere, []byte("mine"), 0o600), os.Symlink(elsewhere, tmp))
	if err != nil {
		t.Fatal(err)
	}
	w := tiles.NewWriter(dir, tiles.Options{})
	write(t, w, 256)
	partial(t, w)
	wantSameFiles(t, files(t, dir), wantFiles(t, 256, false))
	if got, _ := os.ReadFile(elsewhere); string(got) != "mine" {
		t.Errorf("a file elsewhere now holds %d bytes", len(got))
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

func TestAWriterThatChecksDoesNotResume(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Resume did not panic")
		}
	}()
	tiles.NewWriter(t.TempDir(), tiles.Options{Pass: tiles.Check}).Resume()
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
