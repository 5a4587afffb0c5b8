package evidence_test

import (
	"errors"
	"io/fs"
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
	"example.com/safeconduct/evidence/record"
)

// What is left of a disk that is nearly full is for records: contents are dropped
// and counted, and kept again when there is room.
func TestContentsLeaveTheLastSpaceToRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const low, ahead = 10 << 20, 4 << 20
		var free atomic.Int64
		dir := ledgertest.Dir(t)
		cfg := evidence.Config{LowSpace: low, Payloads: &evidence.Payloads{Key: payloadKey}}
		r := openOn(t, dir, cfg, evidence.Disk{Free: func() (int64, error) { return free.Load(), nil }})
		for _, tt := range []struct {
			free          int64
			kept, dropped uint64
		}{{low + ahead + 2*4096, 2, 0}, {low + ahead + 4096 - 1, 2, 2}, {0, 2, 4}, {1 << 30, 4, 4}} {
			free.Store(tt.free)
			if _, err := call(t, r, shell, say("ok")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if s := r.Stats(); s.Kept != tt.kept || s.Dropped != tt.dropped {
				t.Errorf("with %d bytes free: got %d contents kept and %d dropped, want %d and %d", tt.free, s.Kept, s.Dropped, tt.kept, tt.dropped)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Done != 4 {
			t.Errorf("got %d calls that were done, want 4", report.Done)
		}
	})
}

// Whoever can make a link in a ledger does not say by it where contents go, what
// is read, or what is erased.
func TestPayloadsFollowNoLink(t *testing.T) {
	d := payloadOf(1)
	for name, link := range map[string]func(dir string) string{
		"shard":     func(dir string) string { return filepath.Dir(payloadFile(dir, d.Commitment())) },
		"directory": func(dir string) string { return filepath.Join(dir, "payloads") },
	} {
		for where, outside := range map[string]bool{"outside": true, "inside": false} {
			t.Run(name+", "+where, func(t *testing.T) {
				dir, elsewhere := t.TempDir(), t.TempDir()
				s := openPayloads(t, dir, evidence.Payloads{})
				s.Put(d)
				flushPayloads(t, s)
				from := link(dir)
				if !outside {
					elsewhere = dir
				}
				to := filepath.Join(elsewhere, "to")
				if err := errors.Join(os.Rename(from, to), os.Symlink(to, from)); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Get(d.Commitment()); err == nil {
					t.Error("it was read through the link")
				}
				if _, err := evidence.OpenPayload(dir, payloadKey(), d.Commitment()); err == nil {
					t.Error("OpenPayload read it through the link")
				}
				if existed, err := s.Erase(t.Context(), d.Commitment()); err == nil || existed || !strings.Contains(err.Error(), "symbolic link") {
					t.Errorf("erase: got %v, %v, want that there is a symbolic link", existed, err)
				}
				if err := evidence.ErasePayload(dir, d.Commitment()); err == nil {
					t.Error("erase without a store: got no error")
				}
				other := payloadLike(d.Commitment())
				s.Put(other)
				flushPayloads(t, s)
				left := 0
				_ = filepath.WalkDir(to, func(_ string, e fs.DirEntry, _ error) error {
					if e.Type().IsRegular() {
						left++
					}
					return nil
				})
				if left != 1 {
					t.Errorf("%d files are where the link leads, want the one that was there", left)
				}
			})
		}
	}
}

// payloadLike returns another disclosure that is kept in the same directory.
func payloadLike(commitment string) record.Disclosure {
	for n := 2; ; n++ {
		if d := payloadOf(n); d.Commitment()[:2] == commitment[:2] {
			return d
		}
	}
}

// A content is erased once no power failure brings it back, and not before.
func TestEraseIsDurable(t *testing.T) {
	dir := t.TempDir()
	d := payloadOf(1)
	s := openPayloads(t, dir, evidence.Payloads{})
	s.Put(d)
	flushPayloads(t, s)
	synced := 0
	var broken fault
	s.BreakSync(func(shard *os.Root) error {
		synced++
		if _, err := os.Lstat(payloadFile(dir, d.Commitment())); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the directory was synced before the file was removed: %v", err)
		}
		if filepath.Base(shard.Name()) != d.Commitment()[:2] {
			t.Errorf("synced was %s", shard.Name())
		}
		return broken.get()
	})
	broken.set(syscall.EIO)
	if _, err := s.Erase(t.Context(), d.Commitment()); !errors.Is(err, syscall.EIO) || synced != 1 {
		t.Errorf("got %v after %d syncs, want that of the disk", err, synced)
	}
	broken.set(nil)
	if _, err := s.Erase(t.Context(), d.Commitment()); err != nil || synced != 2 {
		t.Errorf("again: got %v after %d syncs", err, synced)
	}
}
