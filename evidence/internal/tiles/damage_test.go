package tiles_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/internal/missing"
)

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
					missing.Skip(t, "a file system with sparse files and links", "%v", err)
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
					missing.Skip(t, "a file system with sparse files and links", "%v", err)
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
