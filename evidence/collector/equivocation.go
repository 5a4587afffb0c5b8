package collector

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"example.com/safeconduct/evidence/replica"
	"example.com/safeconduct/internal/osfile"
	"github.com/go-json-experiment/json"
)

const (
	// maxEquivocations bounds the file of one client, in bytes: whoever can sign two
	// things can sign any number, and there must be room for other clients.
	maxEquivocations = 64 << 20

	// maxSeen bounds those that are known to be in it.
	maxSeenEquivocations = 1024
)

var errFullOfEquivocations = errors.New("collector: the file of equivocations is full")

// The equivocations of a ledger are a file for each client that sent some, which is
// only ever added to, a line of JSON for each. Both sides are signed by the ledger's
// own keys, so that the file proves them to anybody.
type equivocations struct {
	dir string

	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool // what was received
}

// An equivocation is one line.
type equivocation struct {
	Time   time.Time `json:"time"`
	Client string    `json:"client"`
	Ledger string    `json:"ledger"`
	Writer string    `json:"writer,omitzero"` // of the record that was received
	Seq    uint64    `json:"seq,omitzero"`

	// What is in the ledger, and what came: envelopes or checkpoints.
	Held     string `json:"held"`
	Received string `json:"received"`
}

// add keeps both sides. It reports whether they are new.
func (q *equivocations) add(client, ledger string, e *replica.EquivocationError) (fresh bool, err error) {
	hash := sha256.Sum256(e.Received)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.seen[hash] {
		return false, nil
	}
	line, err := json.Marshal(equivocation{
		Time: time.Now().UTC(), Client: client, Ledger: ledger, Writer: e.Writer, Seq: e.Seq,
		Held: string(e.Held), Received: string(e.Received),
	})
	if err != nil {
		return false, fmt.Errorf("collector: equivocation: %w", err)
	}
	if err := q.append(client, append(line, '\n')); err != nil {
		return false, err
	}
	if len(q.seen) >= maxSeenEquivocations || q.seen == nil {
		q.seen = make(map[[sha256.Size]byte]bool)
	}
	q.seen[hash] = true
	return true, nil
}

// path returns the file of what a client sent.
func (q *equivocations) path(client string) string {
	return filepath.Join(q.dir, dirName(client)+".ndjson")
}

// append makes a line durable. What a crash has left of one before is ended first.
func (q *equivocations) append(client string, line []byte) (err error) {
	if err := os.Mkdir(q.dir, 0o700); err == nil {
		err = osfile.SyncDir(filepath.Dir(q.dir))
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(q.path(client), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if size+int64(len(line)) > maxEquivocations {
		return errFullOfEquivocations
	}
	if size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := f.Write(line); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if size == 0 {
		return osfile.SyncDir(q.dir)
	}
	return nil
}
