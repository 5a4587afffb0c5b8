package evidence_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// What is in the overflow when the process dies is taken over at the next start.
func TestOverflowIsTakenOver(t *testing.T) {
	for _, signing := range signings {
		synctest.Test(t, func(t *testing.T) { overflowIsTakenOver(t, signing) })
	}
}

func overflowIsTakenOver(t *testing.T, signing record.Signing) {
	dir := ledgertest.Dir(t)
	cfg := evidence.Config{Key: ledgertest.Key(1), Signing: signing, ReadOnly: []string{"calculator"}}
	var disk gated
	r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
	if err != nil {
		t.Fatal(err)
	}
	disk.hang(syncsOfSegments)
	for range 200 {
		if _, err := call(t, r, calculator, say("437")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Second)
	dead := ledgertest.Dir(t) // what a process that is killed here leaves
	if err := os.CopyFS(dead, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	disk.release()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	report := ledgertest.Verify(t, dead)
	if report.Overflow == 0 || report.Done == 200 {
		t.Fatalf("got %+v, want an overflow", report)
	}
	again, err := evidence.Open(dead, evidence.Config{Key: ledgertest.Key(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report = ledgertest.WantIntact(t, dead)
	if report.Done != 200 || report.Overflow != 0 {
		t.Errorf("got %+v, want all 200 calls in the ledger", report)
	}
	all := ledgertest.Entries(t, dead)
	if got := all[len(all)-1].Record.Session.Recovered; got == nil || got.Overflow == 0 {
		t.Errorf("got recovered %+v, want records of the overflow", got)
	}
}

// What the overflow holds follows what the segments have, also where the group
// that was being written when the process died never got there.
func TestOverflowAfterFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}}
		var full atomic.Bool
		do := func(op segmenttest.Op) error {
			if full.Load() && op.Name == "write" && strings.Contains(op.Path, "segments") {
				return errors.Join(syscall.ENOSPC, op.Part(len(op.Bytes)/2))
			}
			return op.Do()
		}
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do})
		if err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		for range 200 {
			if _, err := call(t, r, calculator, say("437")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		dead := ledgertest.Dir(t) // what a process that is killed here leaves
		if err := os.CopyFS(dead, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		full.Store(false)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Done != 200 {
			t.Errorf("got %d done, want 200", report.Done)
		}
		again, err := evidence.Open(dead, evidence.Config{Key: ledgertest.Key(1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dead); report.Done != 200 {
			t.Errorf("got %d done, want all 200 calls in the ledger", report.Done)
		}
	})
}

// An overflow file with the records of another ledger is not ours to remove.
func TestOverflowOfAnotherLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, shared := ledgertest.Dir(t), t.TempDir()
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Overflow: shared}
		var disk gated
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
		if err != nil {
			t.Fatal(err)
		}
		disk.hang(syncsOfSegments)
		for range 100 {
			if _, err := call(t, r, calculator, say("437")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		file := filepath.Join(shared, "overflow.seg")
		other := ledgertest.Dir(t)
		for _, begun := range []bool{false, true} {
			if begun {
				r, err := evidence.Open(other, evidence.Config{Key: ledgertest.Key(1)})
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			o, err := evidence.Open(other, evidence.Config{Key: ledgertest.Key(1), Overflow: shared})
			if err == nil {
				t.Errorf("begun %v: Open took the overflow of another ledger for its own", begun)
				_ = o.Close(t.Context())
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("begun %v: %v", begun, err)
			}
		}
		disk.release()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// An overflow that the ledger has gone on without is set aside.
func TestOverflowThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, elsewhere := ledgertest.Dir(t), t.TempDir()
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}, Overflow: elsewhere}
		var disk gated
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: disk.do})
		if err != nil {
			t.Fatal(err)
		}
		disk.hang(syncsOfSegments)
		for range 100 {
			if _, err := call(t, r, calculator, say("437")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		dead, left := ledgertest.Dir(t), t.TempDir() // what a process that is killed here leaves
		if err := errors.Join(os.CopyFS(dead, os.DirFS(dir)), os.CopyFS(left, os.DirFS(elsewhere))); err != nil {
			t.Fatal(err)
		}
		disk.release()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(left, "overflow.seg"))
		if err != nil {
			t.Fatal(err)
		}
		for _, overflow := range []string{"", left} {
			again, err := evidence.Open(dead, evidence.Config{Key: ledgertest.Key(1), Overflow: overflow})
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ledgertest.WantIntact(t, dead)
		aside := filepath.Join(left, fmt.Sprintf("overflow.seg.%.16s", record.Hash(sha256.Sum256(want))))
		if got, err := os.ReadFile(aside); err != nil || string(got) != string(want) {
			t.Errorf("got %d bytes, %v, want the %d of the overflow set aside", len(got), err, len(want))
		}
		if report := ledgertest.WantIntact(t, dead); report.Aside != 1 {
			t.Errorf("got %d set aside, want 1", report.Aside)
		}
		if _, err := os.Stat(filepath.Join(left, "overflow.seg")); !os.IsNotExist(err) {
			t.Errorf("the overflow is still there: %v", err)
		}
	})
}
