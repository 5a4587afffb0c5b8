package evidence

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
)

// Inject makes the disk of a Recorder fail as f says.
func (c *Config) Inject(f *segmenttest.Faults) { c.Each(f.Do) }

// Each has f carry out each operation of a Recorder's disk.
func (c *Config) Each(f func(op segmenttest.Op) error) { c.disk = segmenttest.Disk(f) }

// Small has segments end after so many bytes.
func (c *Config) Small(segment int64) { c.segment = segment }

// Free has the disk say that it has so many bytes left.
func (c *Config) Free(free func() (int64, error)) {
	if c.disk == nil {
		d := segment.RealDisk()
		c.disk = &d
	}
	c.disk.Free = func(string) (int64, error) { return free() }
}

// Break has the writer panic at the next record.
func (r *Recorder) Break() { r.writer.build.contents = nil }

// SetClock has records dated by another wall clock.
func (r *Recorder) SetClock(wall func() time.Time) {
	r.queue.mu.Lock()
	defer r.queue.mu.Unlock()
	r.queue.wall = wall
}

// SealCursor returns the cursor with so much as its second line, as the holder of a
// root key could make it.
func SealCursor(line []byte, root crypto.Signer, ledger string) []byte {
	key, err := cursorKey(root, ledger)
	if err != nil {
		panic(err)
	}
	file := append(append([]byte("safeconduct cursor v2\n"), line...), '\n')
	mac := hmac.New(sha256.New, key)
	mac.Write(file)
	return fmt.Appendf(file, "%x\n", mac.Sum(nil))
}
