package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// Payloads say whether and how contents are kept beside the ledger, so that
// commitments can be opened later. They are kept on best effort: no record and
// no call waits for them or fails for them. A disk makes some hundreds or
// thousands of files a second: where contents come faster for longer than a
// queue of 4 MiB can even out, some are dropped, and counted.
//
// While the disk has less space left than Config.LowSpace, and the room that a
// segment asks for ahead, contents are dropped and counted: what is left is for
// records.
//
// Each content is a file of its own, encrypted, in the directory "payloads" of
// the ledger. It reaches the disk when the system writes it out: after a power
// failure the last ones may be missing, cut off or empty. Such a content can no
// longer be disclosed; the ledger holds as before.
//
// To erase a content is to remove its file. What remains of it, on the blocks
// of the disk or in a backup, can be read with the Key only.
//
// The Key is behind a func, so that printing or logging the Payloads, or whatever
// holds them, shows nothing of it.
type Payloads struct {
	// Key returns what encrypts the contents: 32 bytes, required. It is asked
	// once. The caller keeps it, and not beside the ledger; losing it erases all
	// contents. Another key may be given for a ledger that has contents: each is
	// then read with its own.
	Key func() []byte `json:"-"`

	// MaxBytes bounds the files together, each counted as the blocks of 4 KiB
	// that it takes. What comes when they are full is dropped, and counted. Zero
	// means 1 GiB.
	MaxBytes int64

	// MaxContent bounds one content, in bytes of [record.Disclosure.Encoded], which is
	// a third longer than the JSON in it. Larger ones are dropped, and counted.
	// Zero means 1 MiB; it must not exceed 64 MiB.
	MaxContent int
}

// String gives the bounds.
func (p Payloads) String() string {
	return fmt.Sprintf("evidence.Payloads of %d bytes, %d each", p.MaxBytes, p.MaxContent)
}

// GoString does the same.
func (p Payloads) GoString() string { return p.String() }

// LogValue does the same.
func (p Payloads) LogValue() slog.Value { return slog.StringValue(p.String()) }

const (
	payloadQueue  = 1024    // contents that wait
	payloadMemory = 4 << 20 // and their bytes
	payloadBlock  = 4096    // bytes that the disk gives out at once
)

// Why a content was not kept, where the disk is not the reason.
var (
	errPayloadLarge  = errors.New("payload: is larger than Payloads.MaxContent")
	errPayloadQueue  = errors.New("payload: too many wait for the disk")
	errPayloadFull   = errors.New("Payloads.MaxBytes is reached")
	errPayloadSpace  = errors.New("the disk is nearly full, and what is left is for records")
	errPayloadRecord = errors.New("the ID of its record is not one")
)

// A payloadStore keeps contents. It is safe for concurrent use. Whoever opens it
// has the ledger locked: two stores must not share a directory.
type payloadStore struct {
	dir        string // payloads itself
	key        []byte
	maxBytes   int64
	maxContent int
	space      payloadSpace
	write      func(f *os.File, b []byte) (int, error) // tests break it
	sync       func(dir *os.Root) error                // and this

	wake chan struct{} // there is something to do
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	queue   []payloadOp
	waiting int  // bytes, of what is being written as well
	closed  bool // nothing gets in any more
	stopped bool // nor is what got in done any more
	kept    uint64
	dropped uint64
	bytes   int64 // on disk; only the goroutine changes it
	last    error // why the last one that was dropped was: tests ask

	plain, sealed []byte // the goroutine's own
}

// A payloadSpace says how much of the disk contents must leave.
type payloadSpace struct {
	free  func(dir string) (int64, error) // nil: all of it may be used
	least int64
}

// hasRoom reports whether the disk has room for n more bytes. One that does not
// say has.
func (s payloadSpace) hasRoom(dir string, n int64) bool {
	if s.free == nil {
		return true
	}
	free, err := s.free(dir)
	return err != nil || free-n >= s.least
}

// A payloadOp is a content to keep or, where done is set, something that
// somebody waits for: to erase a commitment, or for all before it if there is
// none.
type payloadOp struct {
	commitment string
	disclosure record.Disclosure
	done       chan payloadResult // buffered: nobody may be there any more
}

type payloadResult struct {
	existed bool
	err     error
}

func (op *payloadOp) size() int { return len(op.disclosure.Record) + len(op.disclosure.Encoded) }

// openPayloads opens the store of the ledger in dir, which must exist, and
// starts its goroutine. It goes over all files to sum up their sizes, and
// removes what a crash left half written. It panics if a bound of p is negative
// or too large.
func openPayloads(dir string, p Payloads, space payloadSpace) (*payloadStore, error) {
	if p.MaxBytes < 0 || p.MaxContent < 0 || p.MaxContent > payloadLimit {
		panic("evidence: Payloads: a bound is negative or too large")
	}
	var key []byte
	if p.Key != nil {
		key = bytes.Clone(p.Key())
	}
	s := &payloadStore{
		dir: filepath.Join(dir, payloadsName), key: key, maxBytes: p.MaxBytes, maxContent: p.MaxContent,
		space: space, write: (*os.File).Write, sync: osfile.SyncRoot,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if s.maxBytes == 0 {
		s.maxBytes = 1 << 30
	}
	if s.maxContent == 0 {
		s.maxContent = 1 << 20
	}
	err := checkPayloadKey(key)
	if err == nil {
		err = s.prepare(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("payloads: %w", err)
	}
	go s.run()
	return s, nil
}

// prepare makes the directory if there is none, checks that files can be made
// in it, cleans it up and sums it up.
func (s *payloadStore) prepare(parent string) error {
	switch err := os.Mkdir(s.dir, 0o700); {
	case err == nil:
		if err := osfile.SyncDir(parent); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	root, err := openPayloadRoot(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read by
	probe, err := createTemp(root)
	if err != nil {
		return err
	}
	if err := errors.Join(probe.Close(), root.Remove(payloadTemp)); err != nil {
		return err
	}
	shards, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, shard := range shards {
		if len(shard.Name()) != payloadShardSize || !shard.IsDir() {
			continue
		}
		if err := s.prepareShard(root, shard.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (s *payloadStore) prepareShard(root *os.Root, name string) error {
	shard, err := openDirIn(root, name)
	if err != nil {
		return err
	}
	defer func() { _ = shard.Close() }() // only read by
	files, err := fs.ReadDir(shard.FS(), ".")
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == payloadTemp {
			if err := errors.Join(shard.Remove(payloadTemp), s.sync(shard)); err != nil {
				return err
			}
			continue
		}
		if checkCommitment(f.Name()) != nil || !f.Type().IsRegular() {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return err
		}
		s.bytes += sizeOnDisk(info.Size())
	}
	return nil
}

// sizeOnDisk rounds a size up to what it takes on a disk.
func sizeOnDisk(size int64) int64 { return (size + payloadBlock - 1) / payloadBlock * payloadBlock }

// put keeps d, which opens the commitment, soon. It never waits for the disk:
// what does not fit is dropped and counted.
func (s *payloadStore) put(commitment string, d record.Disclosure) {
	op := payloadOp{commitment: commitment, disclosure: d}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		s.drop(ErrClosed)
	case len(d.Encoded) > s.maxContent:
		s.drop(errPayloadLarge)
	// What is larger than the bound by itself gets into an empty queue.
	case len(s.queue) > 0 && (len(s.queue) >= payloadQueue || s.waiting+op.size() > payloadMemory):
		s.drop(errPayloadQueue)
	default:
		s.waiting += op.size()
		s.queue = append(s.queue, op)
		notify(s.wake)
	}
}

// drop needs s.mu.
func (s *payloadStore) drop(err error) {
	s.dropped++
	s.last = err
}

// erase removes what is kept of a commitment, or queued to be, and reports
// whether anything was. When it returns without an error, no power failure
// brings it back. If ctx ends first, it is not known what came of it, and erase
// can be called again.
func (s *payloadStore) erase(ctx context.Context, commitment string) (existed bool, err error) {
	if err := checkCommitment(commitment); err != nil {
		return false, fmt.Errorf("payload: %w", err)
	}
	op := payloadOp{commitment: commitment, done: make(chan payloadResult, 1)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false, ErrClosed
	}
	s.queue = append(s.queue, op)
	s.mu.Unlock()
	notify(s.wake)
	select {
	case d := <-op.done:
		return d.existed, d.err
	case <-ctx.Done():
		return false, fmt.Errorf("payloads: %w", ctx.Err())
	}
}

// close writes what is queued and ends the goroutine. If ctx ends first, the
// error says so and what is left is dropped, once the disk has answered for what
// is being written. It can be called again.
func (s *payloadStore) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	notify(s.wake)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		return fmt.Errorf("payloads: the last contents were dropped: %w", ctx.Err())
	}
}

// stats returns how many contents were kept and dropped since the store was
// opened, and what all files take on disk.
func (s *payloadStore) stats() (kept, dropped uint64, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept, s.dropped, s.bytes
}

func (s *payloadStore) run() {
	defer close(s.done)
	for {
		op, stopped, ok := s.next()
		if !ok {
			return
		}
		var d payloadResult
		var size int64 // by which the files grew
		switch {
		case stopped:
			d.err = ErrClosed
		case op.done == nil:
			size, d.err = s.keep(op.commitment, op.disclosure)
		default:
			d.existed, size, d.err = s.remove(op.commitment)
		}
		s.mu.Lock()
		s.waiting -= op.size()
		s.bytes += size
		switch {
		case op.done != nil:
		case d.err != nil:
			s.drop(d.err)
		default:
			s.kept++
		}
		s.mu.Unlock()
		if op.done != nil {
			op.done <- d
		}
	}
}

// next waits for something to do. It returns false when there is nothing left
// and nothing to come.
func (s *payloadStore) next() (op payloadOp, stopped, ok bool) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			op, s.queue[0] = s.queue[0], payloadOp{}
			if s.queue = s.queue[1:]; len(s.queue) == 0 {
				s.queue = nil
			}
			stopped = s.stopped
			s.mu.Unlock()
			return op, stopped, true
		}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return payloadOp{}, false, false
		}
		<-s.wake
	}
}
