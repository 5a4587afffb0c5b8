package chain_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// checked returns a Writer that has checked the tiles of a ledger.
func checked(t *testing.T, dir string, f *ledgertest.Forger) *tiles.Writer {
	t.Helper()
	w := tiles.NewWriter(dir, tiles.Options{Pass: tiles.Check})
	for _, env := range f.Envs {
		if err := w.Append(tiles.LeafHash(env), nil); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Tiles that are missing or wrong are written again, as they were, and those that
// come next are written.
func TestTilesAreMended(t *testing.T) {
	f := longLedger(t, record.SignCheckpoints, 2*tileWidth/chain.ScanFrames)
	whole := ledgertest.Dir(t)
	f.Ledger().Write(t, whole)
	f.Ledger().WriteTiles(t, whole)
	for name, tt := range map[string]struct {
		spoil  func(dir string) error
		mended uint64
	}{
		"whole":             {func(string) error { return nil }, 0},
		"one missing":       {func(dir string) error { return os.Remove(tile(dir, 1)) }, 1},
		"all missing":       {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "tile")) }, 2},
		"wrong":             {func(dir string) error { return os.WriteFile(tile(dir, 0), make([]byte, tileWidth*32), 0o600) }, 1},
		"wrong and missing": {func(dir string) error { return errors.Join(os.Truncate(tile(dir, 0), 7), os.Remove(tile(dir, 1))) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			before := checked(t, dir, f)
			w, mended, err := chain.MendTiles(dir, before)
			if err != nil || mended != tt.mended || (w == before) != (tt.mended == 0) {
				t.Fatalf("got %d mended, error %v, want %d", mended, err, tt.mended)
			}
			wantTiles(t, dir, whole)
			if w.Root() != f.Tree.Root() || w.Size() != f.Tree.Size() {
				t.Errorf("got a tree of %d leaves, or another root, want %d", w.Size(), f.Tree.Size())
			}
			for range tileWidth + 1 {
				if err := w.Append(tiles.Hash{}, nil); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := os.Stat(tile(dir, 2)); err != nil {
				t.Errorf("the next tile is not written: %v", err)
			}
		})
	}
}

const tileWidth = 256

// tile is the path of one of the first tiles.
func tile(dir string, n int64) string {
	return filepath.Join(dir, filepath.FromSlash(tiles.TilePath(0, n, tileWidth)))
}

// wantTiles compares the first two tiles of two ledgers.
func wantTiles(t *testing.T, dir, want string) {
	t.Helper()
	for n := range int64(2) {
		got, err := os.ReadFile(tile(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(tile(want, n)); err != nil || string(got) != string(b) {
			t.Errorf("tile %d differs, or %v", n, err)
		}
	}
}

// EnsureTiles says what it found, and why it cannot go on.
func TestEnsureTiles(t *testing.T) {
	f := longLedger(t, record.SignCheckpoints, 3)
	dir := ledgertest.Dir(t)
	f.Ledger().Write(t, dir)
	for _, want := range []tiles.Found{{Missing: 1}, {}} {
		if w, err := chain.EnsureTiles(dir); err != nil || w.Found() != want || w.Size() != f.Tree.Size() {
			t.Errorf("got %+v, error %v, want %+v", w.Found(), err, want)
		}
	}
	if _, err := chain.EnsureTiles(t.TempDir()); !errors.Is(err, segment.ErrNotLedger) {
		t.Errorf("no ledger: got error %v", err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "tile")), os.WriteFile(filepath.Join(dir, "tile"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := chain.EnsureTiles(dir); err == nil {
		t.Error("a file in the place of the tiles: got no error")
	}
	if _, _, err := chain.MendTiles(dir, checked(t, dir, f)); err == nil {
		t.Error("a file in the place of the tiles is mended")
	}
}
