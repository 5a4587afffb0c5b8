package tiles_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/internal/tiles"
)

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
