package tiles_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

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
