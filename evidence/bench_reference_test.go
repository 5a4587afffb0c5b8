package evidence_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
)

// The goals were set where the references take so long.
const (
	goalSHA256 = 680 * time.Nanosecond   // of 1 KiB
	goalSign   = 28300 * time.Nanosecond // Ed25519, 1 KiB
	goalVerify = 62 * time.Microsecond
)

// reference returns what f takes at the median of many tries.
func reference(f func()) time.Duration {
	const tries = 51
	n := max(1, int(200*time.Microsecond/goalSHA256)/10)
	took := make([]time.Duration, tries)
	for i := range took {
		began := time.Now()
		for range n {
			f()
		}
		took[i] = time.Since(began) / time.Duration(n)
	}
	slices.Sort(took)
	return took[tries/2]
}

// References are what things take that a recorder is made of.
type references struct{ sha256, sign, verify time.Duration }

func takeReferences() (r references) {
	block, key := make([]byte, 1024), ledgertest.Key(1)
	sig := ed25519.Sign(key, block)
	r.sha256 = reference(func() { _ = sha256.Sum256(block) })
	r.sign = reference(func() { _ = ed25519.Sign(key, block) })
	r.verify = reference(func() { _ = ed25519.Verify(ledgertest.Public(key), block, sig) })
	return r
}

// and returns the mean of those taken before and after something.
func (r references) and(after references) references {
	return references{(r.sha256 + after.sha256) / 2, (r.sign + after.sign) / 2, (r.verify + after.verify) / 2}
}

// slower returns how many times slower than where goals are set.
func slower(took, there time.Duration) float64 { return float64(took) / float64(there) }

// syncTime returns what it takes to write a group's worth of bytes and sync them
// in dir, at the median.
func syncTime(b *testing.B, dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 400<<10)
	took := make([]time.Duration, 31)
	for i := range took {
		began := time.Now()
		_, err := f.WriteAt(data, int64(i*len(data)))
		if err := errors.Join(err, evidence.SyncFile(f)); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// heap returns how many bytes are alive.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A tail is how long things took, in ascending order.
type tail []time.Duration

func (t tail) at(q float64) time.Duration { return t[min(len(t)-1, int(q*float64(len(t))))] }

func (t tail) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, p99.9 %v, p99.99 %v, max %v of %d", t.at(0.5), t.at(0.99), t.at(0.999), t.at(0.9999), t[len(t)-1], len(t))
}
