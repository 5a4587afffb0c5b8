package evidence_test

import (
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
)

// A segment that could not be begun, and whose file could not be removed either,
// is no reason why none ever is.
func TestASegmentIsBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var broken atomic.Bool
		cfg := evidence.Config{Patience: time.Second}
		do := func(op segmenttest.Op) error {
			begins := filepath.Dir(op.Path) == filepath.Join(dir, "segments") &&
				(op.Name == "remove" || op.Name == "write" && string(op.Bytes) == "safeconduct segment v1\n")
			if broken.Load() && begins {
				return syscall.EIO
			}
			return op.Do()
		}
		r := openOn(t, dir, cfg, evidence.Disk{Do: do, Segment: 5000})
		broken.Store(true)
		var err error
		for range 10 {
			if _, err = call(t, r, shell, say("ok")); err != nil {
				break
			}
		}
		wantUnavailable(t, err, syscall.EIO)
		broken.Store(false)
		time.Sleep(10 * time.Second)
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Errorf("after the disk had recovered: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		ledgertest.WantIntact(t, dir)
	})
}
