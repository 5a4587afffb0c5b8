//go:build unix

package tiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence/internal/tiles"
)

func TestModes(t *testing.T) {
	for _, tt := range []struct{ mode, file, dir fs.FileMode }{{0, 0o600, 0o700}, {0o640, 0o640, 0o750}, {0o644, 0o644, 0o755}} {
		dir := filepath.Join(t.TempDir(), "log")
		w := tiles.NewWriter(dir, tiles.Options{Mode: tt.mode})
		write(t, w, 1)
		partial(t, w)
		for name, want := range map[string]fs.FileMode{"tile/0/000.p/1": tt.file, "tile/0": tt.dir, ".": tt.dir} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want&^umask() {
				t.Errorf("mode %o: %s has %o, want %o", tt.mode, name, got, want&^umask())
			}
		}
	}
}

func umask() fs.FileMode {
	old := syscall.Umask(0)
	syscall.Umask(old)
	return fs.FileMode(old)
}

// Opening a named pipe would wait for ever.
func TestANamedPipeInPlaceOfATile(t *testing.T) {
	for _, pass := range []tiles.Pass{tiles.Check, tiles.Ensure} {
		dir := newLog(t, 300, tiles.Options{})
		path := filepath.Join(dir, "tile", "0", "000")
		if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := newReader(t, dir, 300, nil).Inclusion(0, 300); err == nil {
			t.Error("a Reader reads it")
		}
		w := tiles.NewWriter(dir, tiles.Options{Pass: pass})
		write(t, w, 300)
		partial(t, w)
		if got, want := w.Found(), (tiles.Found{Wrong: 1}); got != want {
			t.Errorf("pass %d found %+v, want %+v", pass, got, want)
		}
	}
}
