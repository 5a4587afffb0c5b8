package evidence_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"golang.org/x/mod/sumdb/note"
)

// longLedger writes a ledger of more records than a tile has hashes.
func longLedger(t testing.TB) (dir string) {
	t.Helper()
	dir = ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Ledger: "exported", ReadOnly: []string{"calculator", "shell"}})
	for range 40 {
		if err := agent(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExportEnvelopes(t *testing.T) {
	dir := longLedger(t)
	var out bytes.Buffer
	n, err := evidence.ExportEnvelopes(&out, dir)
	want := ledgertest.Envelopes(t, dir)
	if err != nil || n != uint64(len(want)) {
		t.Fatalf("got %d, %v, want %d", n, err, len(want))
	}
	got := bytes.SplitAfter(out.Bytes(), []byte("\n"))
	for i, env := range want {
		if !bytes.Equal(got[i], append(bytes.Clone(env), '\n')) {
			t.Fatalf("line %d: got %s, want %s", i, got[i], env)
		}
	}

	// The end of a frame that is being written is no damage, one in the middle is.
	file, err := os.ReadFile(segment.Path(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, segment.Path(dir, 1), file[:len(file)-7])
	if n, err := evidence.ExportEnvelopes(&out, dir); err != nil || n != uint64(len(want)-1) {
		t.Errorf("half a frame: got %d, %v, want %d", n, err, len(want)-1)
	}
	ledgertest.Flip(t, segment.Path(dir, 1), 9000, 1)
	if n, err := evidence.ExportEnvelopes(&out, dir); !errors.Is(err, evidence.ErrDamaged) || n == 0 || n > 10 ||
		!strings.Contains(err.Error(), "segment 1, offset ") {
		t.Errorf("edited: got %d, %v, want %v", n, err, evidence.ErrDamaged)
	}
	full := errors.New("no space left")
	if _, err := evidence.ExportEnvelopes(failingWriter{full}, longLedger(t)); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// What is exported is a log as tools of other people read it.
func TestExportTiles(t *testing.T) {
	dir, out := longLedger(t), filepath.Join(t.TempDir(), "out")
	cp, err := evidence.ExportTiles(out, dir)
	if err != nil {
		t.Fatal(err)
	}
	want := ledgertest.Envelopes(t, dir)
	if cp.Ledger != "exported" || cp.Head.Records != uint64(len(want)) || len(want) <= 256 {
		t.Fatalf("got %+v of %d records", cp, len(want))
	}
	signed, err := os.ReadFile(filepath.Join(out, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(cp.Key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	head, err := tiles.ParseCheckpoint(n.Text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tiles.NewReader(out, head.Size, nil)
	if err != nil {
		t.Fatal(err)
	}
	if root, err := r.Root(head.Size); err != nil || root != head.Root || record.Hash(root) != cp.Head.Root {
		t.Errorf("the root of the tiles: got %v, %v, want %v", root, err, head.Root)
	}
	var got [][]byte
	for n := int64(0); int64(len(got)) < head.Size; n++ {
		bundle, err := os.ReadFile(filepath.Join(out, tiles.BundlePath(n, int(min(256, head.Size-int64(len(got)))))))
		if err != nil {
			t.Fatal(err)
		}
		for len(bundle) > 0 {
			size := binary.BigEndian.Uint16(bundle)
			got = append(got, bundle[2:2+size])
			bundle = bundle[2+size:]
		}
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Error("the entries are not the records")
	}
	err = filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o044 != 0o044 {
			t.Errorf("%s: got mode %v, want it readable", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := os.Remove(segment.Path(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.ExportTiles(out, dir); err == nil {
		t.Error("an empty ledger was exported")
	}
}

func TestExportTilesRefuses(t *testing.T) {
	dir, tmp := longLedger(t), t.TempDir()
	file := filepath.Join(tmp, "file")
	putFile(t, file, []byte("x"))
	for _, tt := range []struct {
		name, out string
		want      error
	}{
		{"a directory that is not empty", tmp, fs.ErrExist},
		{"the ledger itself", dir, fs.ErrExist},
		{"a directory that has no parent", filepath.Join(tmp, "a", "b"), fs.ErrNotExist},
		{"a file", file, nil},
	} {
		if _, err := evidence.ExportTiles(tt.out, dir); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	empty := filepath.Join(tmp, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.ExportTiles(empty, dir); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "x" {
		t.Errorf("the file: got %q, %v", got, err)
	}
}
