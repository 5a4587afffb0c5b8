package evidence_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// Whatever of a ledger is damaged, Open that refuses it names PredecessorOf, and that
// describes what is left: also where that is no record.
func TestSuccessorOfAnyDamage(t *testing.T) {
	const origin = "old"
	unreadable := func(env []byte) []byte { return append([]byte("{"), env...) }
	file := func(t *testing.T, dir string, data []byte) {
		t.Helper()
		putFile(t, segment.Path(dir, 1), data)
	}
	remove := func(t *testing.T, path ...string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(path...)); err != nil {
			t.Fatal(err)
		}
	}
	none := record.Hash(new(tiles.Tree).Root())
	for _, tt := range []struct {
		name    string
		damage  func(t *testing.T, dir string, envs [][]byte)
		origin  string
		records func(all int) int
	}{
		{"a signature", func(t *testing.T, dir string, envs [][]byte) {
			file(t, dir, segmenttest.File(ledgertest.At(envs, 0, ledgertest.FlipSig(envs[0]))...))
		}, origin, func(all int) int { return all }},
		{"the first envelope", func(t *testing.T, dir string, envs [][]byte) {
			file(t, dir, segmenttest.File(ledgertest.At(envs, 0, unreadable(envs[0]))...))
		}, origin, func(all int) int { return all }},
		{"all envelopes", func(t *testing.T, dir string, envs [][]byte) {
			file(t, dir, segmenttest.File(ledgertest.Each(envs, unreadable)...))
		}, origin, func(all int) int { return all }},
		{"all envelopes, no checkpoint", func(t *testing.T, dir string, envs [][]byte) {
			file(t, dir, segmenttest.File(ledgertest.Each(envs, unreadable)...))
			remove(t, dir, segment.CheckpointName)
		}, "", func(all int) int { return all }},
		{"all envelopes, a checkpoint that is none", func(t *testing.T, dir string, envs [][]byte) {
			file(t, dir, segmenttest.File(ledgertest.Each(envs, unreadable)...))
			putFile(t, filepath.Join(dir, segment.CheckpointName), []byte("old\n"))
		}, "", func(all int) int { return all }},
		{"nothing but other bytes", func(t *testing.T, dir string, _ [][]byte) {
			file(t, dir, []byte("these are not the first line of a segment"))
		}, origin, func(int) int { return 0 }},
		{"no record", func(t *testing.T, dir string, _ [][]byte) {
			file(t, dir, segmenttest.File())
		}, origin, func(int) int { return 0 }},
		{"no record but those of the overflow", func(t *testing.T, dir string, envs [][]byte) {
			file(t, dir, segmenttest.File())
			remove(t, dir, segment.CheckpointName)
			putFile(t, filepath.Join(dir, segment.OverflowName), segmenttest.File(envs...))
		}, "", func(int) int { return 0 }},
		{"no segment", func(t *testing.T, dir string, _ [][]byte) {
			remove(t, segment.Path(dir, 1))
		}, origin, func(int) int { return 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := ledgertest.Dir(t)
			writeLedger(t, old, evidence.Config{Ledger: origin})
			envs := ledgertest.Envelopes(t, old)
			tt.damage(t, old, envs)
			if _, err := evidence.Open(old, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrDamaged) {
				t.Fatalf("opened: got error %v, want one that wraps ErrDamaged", err)
			}
			p, err := evidence.PredecessorOf(old, "it is damaged")
			if err != nil {
				t.Fatal(err)
			}
			want := tt.records(len(envs))
			if p.Ledger != tt.origin || p.Tree.Records != uint64(want) || (p.Tree.Root == none) != (want == 0) {
				t.Errorf("got %+v, want origin %q and %d records", p, tt.origin, want)
			}
			dir := ledgertest.Dir(t)
			if err := open(t, dir, evidence.Config{Predecessor: p}).Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			ledgertest.WantIntact(t, dir)
			if got := ledgertest.Entries(t, dir)[0].Record.Session.Predecessor; got == nil || *got != *p {
				t.Errorf("got predecessor %+v, want %+v", got, p)
			}
		})
	}
}

// There is nothing to succeed where no ledger is.
func TestPredecessorOfNone(t *testing.T) {
	empty, begun, plain, exported := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "file"), t.TempDir()
	if err := os.Mkdir(filepath.Join(begun, "segments"), 0o700); err != nil {
		t.Fatal(err)
	}
	putFile(t, plain, []byte("text"))
	putFile(t, filepath.Join(exported, segment.CheckpointName), []byte("old\n"))
	for _, dir := range []string{empty, begun, plain, exported} {
		if p, err := evidence.PredecessorOf(dir, "why"); !errors.Is(err, evidence.ErrNotLedger) {
			t.Errorf("got %+v and error %v, want one that wraps ErrNotLedger", p, err)
		}
	}
}
