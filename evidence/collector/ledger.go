package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/internal/osfile"
)

// Below the directory of a Collector:
//
//	ledgers/NAME                     a ledger: evidence.Verify and all else take it
//	equivocations/NAME/CLIENT.ndjson what contradicts it, by who sent it
const (
	ledgersName       = "ledgers"
	equivocationsName = "equivocations"
)

func makeDirs(dir string) error {
	for _, name := range []string{ledgersName, equivocationsName} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	return osfile.SyncDir(dir)
}

// dirName returns the name of the directory of a ledger: what is readable of its
// origin, for people, and a hash, which keeps apart origins that differ only in what
// file systems do not tell apart, or cannot hold.
func dirName(origin string) string {
	const readable = 40
	var b strings.Builder
	for _, c := range strings.ToLower(origin) {
		if b.Len() == readable {
			break
		}
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else {
			b.WriteByte('-')
		}
	}
	hash := sha256.Sum256([]byte(origin))
	return b.String() + "-" + hex.EncodeToString(hash[:16])
}

// A ledger is one of those that the policy names.
type ledger struct {
	origin, dir   string
	policy        *trust.Policy
	metrics       *metrics
	runs          runs
	equivocations equivocations

	mu      sync.Mutex
	replica *replica.Replica // nil before the first record
	err     error            // why it is not available
	retryAt time.Time        // before it is not tried again
	pause   time.Duration    // before the next time
	counted uint64           // records that stored was told of
}

// The pause after the first opening that failed, which doubles, and the longest one.
const minPause, maxPause = time.Second, time.Minute

func newLedger(dir, origin string, policy *trust.Policy, m *metrics) *ledger {
	name := dirName(origin)
	return &ledger{
		origin: origin, dir: filepath.Join(dir, ledgersName, name), policy: policy, metrics: m,
		equivocations: equivocations{dir: filepath.Join(dir, equivocationsName, name)},
	}
}

var errClosed = errors.New("collector: it is closed")

// openExisting opens the ledger if it is there.
func (l *ledger) openExisting() error {
	if _, err := os.Stat(l.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := l.open()
	return err
}

// open returns the replica, which is made if there is none. What could not be opened
// is tried again after a pause: a disk is full, or no file can be opened, only for a
// while. What is damaged stays damaged, and finding that out takes long.
func (l *ledger) open() (*replica.Replica, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tryOpen()
}

// tryOpen needs l.mu.
func (l *ledger) tryOpen() (*replica.Replica, error) {
	if l.replica != nil || errors.Is(l.err, errClosed) || errors.Is(l.err, evidence.ErrDamaged) || time.Now().Before(l.retryAt) {
		return l.replica, l.err
	}
	r, err := replica.Open(l.dir, replica.Config{
		Ledger: l.origin, Policy: l.policy, Stored: l.stored,
	})
	if errors.Is(err, evidence.ErrLocked) {
		return nil, err // by another process, which may end
	}
	if l.replica, l.err, l.pause = r, err, min(max(2*l.pause, minPause), maxPause); err != nil {
		l.retryAt = time.Now().Add(l.pause)
		l.metrics.stored.Add(-l.counted)
		l.runs.forget()
		l.counted = 0
	}
	return r, err
}

// existing returns the replica, nil where there is none yet. One that could not be
// opened is tried again.
func (l *ledger) existing() (*replica.Replica, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.tryOpen()
	}
	return l.replica, nil
}

func (l *ledger) stored(index uint64, r *record.Record) {
	l.runs.add(index, r)
	l.metrics.stored.Add(1)
	l.counted++
}

func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.replica
	l.replica, l.err = nil, errClosed
	if r == nil {
		return nil
	}
	return r.Close()
}
