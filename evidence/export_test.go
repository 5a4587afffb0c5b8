package evidence

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
	"example.com/safeconduct/internal/osfile"
	"example.com/safeconduct/middleware"
)

// A Disk is what a test opens a ledger on. The zero Disk is a real one.
type Disk struct {
	Do      func(op segmenttest.Op) error // carries out each operation
	Free    func() (int64, error)         // says how many bytes are left
	Segment int64                         // segments end after so many bytes
}

// OpenOn is Open on another disk.
func OpenOn(dir string, cfg Config, d Disk) (*Recorder, error) {
	disk := segment.RealDisk()
	if d.Do != nil {
		disk = *segmenttest.Disk(d.Do)
	}
	if d.Free != nil {
		disk.Free = func(string) (int64, error) { return d.Free() }
	}
	return open(dir, cfg, disk, d.Segment)
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

// NilStatus returns an error that is a nil pointer.
func NilStatus() error { return (*delivery.StatusError)(nil) }

// Classes returns what kinds of errors err is made of.
func Classes(err error) []string { return errorClasses(err) }

// LongError returns an error whose type has a name of n bytes and more.
func LongError(n int) error {
	named := reflect.StructOf([]reflect.StructField{
		{Name: "E", Type: reflect.TypeFor[error](), Anonymous: true},
		{Name: "X" + strings.Repeat("x", n), Type: reflect.TypeFor[int]()},
	})
	return reflect.New(named).Elem().Interface().(error)
}

// Commit commits to a content as it is recorded, and returns what opens it.
func Commit(input any) (record.Content, record.Disclosure) {
	snap, _ := snapshot(input)
	c, encoded := newCommitter().commit(record.ContentInput, snap, true)
	return c, record.Disclosure{Encoded: encoded}
}

// Unquoted returns s with nothing between its quotes.
func Unquoted(s string) string { return unquoted(s) }

// Snapshot returns what is kept of a content until it is encoded.
func Snapshot(input any) any { snap, _ := snapshot(input); return snap }

// Kept returns how many bytes of a content a queued record keeps alive.
func Kept(content any) int {
	_, kept := snapshot(content)
	return kept
}

// A PayloadStore keeps contents.
type PayloadStore struct{ s *payloadStore }

// OpenPayloads opens the store of the ledger in dir.
func OpenPayloads(dir string, p Payloads) (*PayloadStore, error) {
	s, err := openPayloads(dir, p, payloadSpace{})
	return &PayloadStore{s}, ours(err)
}

// Break replaces what writes files. It must be called before anything is put.
func (p *PayloadStore) Break(write func(f *os.File, b []byte) (int, error)) { p.s.write = write }

// BreakSync replaces what makes a removal durable. It must be called before
// anything is erased.
func (p *PayloadStore) BreakSync(sync func(dir *os.Root) error) { p.s.sync = sync }

// ours says whose error it is, as the exported funcs do.
func ours(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("evidence: %w", err)
}

// These are the methods of the store.
func (p *PayloadStore) Put(d record.Disclosure)                      { p.s.put(d.Commitment(), d) }
func (p *PayloadStore) PutAs(commitment string, d record.Disclosure) { p.s.put(commitment, d) }
func (p *PayloadStore) Close(ctx context.Context) error              { return p.s.close(ctx) }
func (p *PayloadStore) Stats() (kept, dropped uint64, bytes int64) {
	return p.s.stats()
}
func (p *PayloadStore) Erase(ctx context.Context, commitment string) (bool, error) {
	existed, err := p.s.erase(ctx, commitment)
	return existed, ours(err)
}

// Err returns why the last content that was dropped was, or nil if none was.
func (p *PayloadStore) Err() error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return ours(p.s.last)
}

// Get reads what is on disk of a commitment. What is queued is not yet.
func (p *PayloadStore) Get(commitment string) (record.Disclosure, error) {
	return OpenPayload(filepath.Dir(p.s.dir), p.s.key, commitment)
}

// Flush waits until all that was put before is written or dropped: an erasure, of
// what was never there, comes after it, whether or not it succeeds.
func (p *PayloadStore) Flush(ctx context.Context) error {
	if _, err := p.s.erase(ctx, strings.Repeat("A", commitmentSize)); errors.Is(err, ErrClosed) {
		return err
	}
	return ctx.Err()
}

// Waiting returns the bytes that wait for the disk.
func (p *PayloadStore) Waiting() int {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.waiting
}

// SealPayload returns the file of a disclosure.
func SealPayload(key []byte, commitment string, d record.Disclosure) ([]byte, error) {
	_, b, err := sealPayload(nil, nil, key, commitment, d)
	return b, err
}

// SealText returns a file that holds text.
func SealText(key []byte, commitment string, text []byte) ([]byte, error) {
	aead, err := payloadCipher(key, commitment)
	if err != nil {
		return nil, err
	}
	return aead.Seal([]byte(payloadHeader), nil, text, []byte(commitment)), nil
}

// UnsealPayload reads the content of a file.
func UnsealPayload(file, key []byte, commitment string) (record.Disclosure, error) {
	return unsealPayload(file, key, commitment)
}

// The bounds of the queue.
const (
	PayloadQueue  = payloadQueue
	PayloadMemory = payloadMemory
)

// ErasePayload removes a content where no Recorder keeps any.
func ErasePayload(dir, commitment string) error { return ours(erasePayload(dir, commitment)) }

// Looks follows a ledger as Follow does, but looks again at once, until yield
// returns false. It calls grow before each look, and whenever something was read
// of a segment, before whoever reads it gets that.
func Looks(ctx context.Context, dir string, grow func(), yield func(Entry, error) bool) error {
	f := follower{dir: dir, yield: yield, read: func(f *os.File) io.ReaderAt { return growing{f, grow} }}
	for ctx.Err() == nil {
		grow()
		if err := f.catchUp(ctx); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return ctx.Err()
}

type growing struct {
	file *os.File
	grow func()
}

func (g growing) ReadAt(p []byte, off int64) (int, error) {
	n, err := g.file.ReadAt(p, off)
	g.grow()
	return n, err
}

// An Emitter puts intents of one run into a queue, as a call does that waits for
// nothing.
type Emitter struct {
	q   *queue
	run *middleware.Run
	e   event
}

// NewEmitter returns an Emitter into the queue of r, or where r is nil into one
// of its own that holds limit events.
func NewEmitter(r *Recorder, limit int) *Emitter {
	q := newQueue(limit, queueMemory)
	if r != nil {
		q = r.queue
	} else { // as if a writer had been there
		q.add(&event{kind: record.KindSession, body: record.Session{}}, moment{wall: q.began}, false)
		q.events = make([]event, 0, limit)
	}
	run := &middleware.Run{
		ID: "AGXW5INJQKQOVWIHOIHGUVTVY4", Identity: middleware.Identity{Session: "s-1", Subject: "alice", Tenant: "acme"},
	}
	return &Emitter{q, run, event{
		kind: record.KindIntent, run: new(runState),
		call:  callRef{id: 4, parent: 1, kind: middleware.KindTool, name: "calculator"},
		input: "19*23", kept: len("19*23"), effects: record.EffectsReadOnly,
		balances: []middleware.Balance{{Gate: "budget", Scope: "run", Limit: "tool calls", Max: 100, Used: 3}},
	}}
}

// Emit puts one intent.
func (m *Emitter) Emit() error {
	m.e.call.id++
	e := m.e
	_, err := m.q.begin(false, m.run, nil, &e)
	return err
}

// Drain empties a queue that has no writer.
func (m *Emitter) Drain() { m.q.events = m.q.events[:0] }

// SyncFile makes durable what was written to f, as the writer does.
func SyncFile(f *os.File) error { return osfile.Sync(f) }
