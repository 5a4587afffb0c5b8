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

	"example.com/safeconduct/evidence"
)

// Below the directory of a Collector:
//
//	ledgers/NAME              a ledger: evidence.Verify and all else take it
//	equivocations/NAME.ndjson what contradicts it
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
	return syncDir(dir)
}

// syncDir makes what was created in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// dirName returns the name of the directory of a ledger: what can be read of its
// origin, for people, and a hash, which keeps apart those that only differ in what
// a file system does not tell apart, or may not hold.
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

// A ledger is one that is collected.
type ledger struct {
	origin, dir   string
	policy        *evidence.TrustPolicy
	metrics       *metrics
	runs          runs
	equivocations equivocations

	mu      sync.Mutex
	replica *evidence.Replica // nil before the first record
	err     error             // why it is not available
}

func newLedger(dir, origin string, policy *evidence.TrustPolicy, m *metrics) *ledger {
	name := dirName(origin)
	return &ledger{
		origin: origin, dir: filepath.Join(dir, ledgersName, name), policy: policy, metrics: m,
		equivocations: equivocations{path: filepath.Join(dir, equivocationsName, name+".ndjson")},
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

// open returns the replica, which is made if there is none. What could not be
// opened once is not tried again, unless another process has it, which may end.
func (l *ledger) open() (*evidence.Replica, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.replica == nil && l.err == nil {
		r, err := evidence.OpenReplica(l.dir, evidence.ReplicaConfig{
			Ledger: l.origin, Policy: l.policy, Stored: l.stored,
		})
		if errors.Is(err, evidence.ErrLocked) {
			return nil, err
		}
		l.replica, l.err = r, err
	}
	return l.replica, l.err
}

// existing returns the replica, nil where there is none yet.
func (l *ledger) existing() (*evidence.Replica, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replica, l.err
}

func (l *ledger) stored(index uint64, r *evidence.Record) {
	l.runs.stored(index, r)
	l.metrics.stored.Add(1)
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
