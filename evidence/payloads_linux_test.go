package evidence_test

import (
	"crypto/rand"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/internal/missing"
)

// On a disk that fills up, contents stop, and tools go on.
func TestContentsDoNotFillTheDisk(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=12m"); err != nil {
		missing.Skip(t, "mount", "a small file system is mounted, which only root may: %v", err)
	}
	defer func() { _ = syscall.Unmount(mount, 0) }()
	dir := filepath.Join(mount, "ledger")
	cfg := evidence.Config{Key: ledgertest.Key(1), LowSpace: 1 << 20, Payloads: &evidence.Payloads{Key: payloadKey}}
	r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Segment: 20_000}) // so that room is asked for again and again
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(t.Context()) }()
	noise := make([]byte, 200<<10)
	_, _ = rand.Read(noise)
	for i := range 100 {
		if _, err := call(t, r, shell, say(string(noise))); err != nil {
			t.Fatalf("call %d, with %d contents kept: %v", i, r.Stats().Kept, err)
		}
	}
	if s := r.Stats(); s.Kept == 0 || s.Dropped == 0 {
		t.Errorf("got %d contents kept and %d dropped, want some of both", s.Kept, s.Dropped)
	}
}
