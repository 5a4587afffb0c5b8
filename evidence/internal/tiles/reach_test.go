package tiles_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence/internal/tiles"
)

func TestReach(t *testing.T) {
	for _, tt := range []struct {
		files  []string
		leaves int64
		tile   string
	}{
		{nil, 0, ""},
		{[]string{"tile/0/000"}, 256, "tile/0/000"},
		{[]string{"tile/0/000", "tile/0/003", "tile/0/001"}, 1024, "tile/0/003"},
		{[]string{"tile/0/999", "tile/0/x001/000"}, 1001 * 256, "tile/0/x001/000"},
		{[]string{"tile/0/x001/x234/067"}, 1234068 * 256, "tile/0/x001/x234/067"},
		{[]string{"tile/0/255", "tile/1/000"}, 65536, "tile/0/255"},
		{[]string{"tile/0/000", "tile/1/000"}, 65536, "tile/1/000"},
		{[]string{"tile/9/000"}, tiles.MaxSize, "tile/9/000"},
		// What is no complete tile.
		{[]string{"tile/0/000.p/5", "tile/0/000.tmp", "tile/0/0", "tile/0/x000/000", "tile/0/001~", "tile/00/000", "tile/-1/000", "tile/64/000"}, 0, ""},
		{[]string{"tile/entries/007", "tile/readme", "tile/0/x001/x"}, 0, ""},
	} {
		dir := t.TempDir()
		for _, name := range tt.files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if leaves, tile, err := tiles.Reach(dir); leaves != tt.leaves || tile != tt.tile || err != nil {
			t.Errorf("%q: got %d, %q, %v, want %d, %q", tt.files, leaves, tile, err, tt.leaves, tt.tile)
		}
	}
}
