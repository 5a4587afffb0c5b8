// Package replica keeps a copy of a ledger that somebody else writes: where the
// agent cannot change it, and verified as it comes.
//
//	kept, err := replica.Open(dir, replica.Config{Ledger: "prod", Policy: policy})
//	if err != nil {
//		return err
//	}
//	defer kept.Close()
//	recorder, err := evidence.Open(ledger, evidence.Config{
//		Key:       key, // see evidence.LoadOrCreateKey
//		Exporters: []evidence.Exporter{{Name: "copy", Sink: kept.Take}},
//	})
//
// Package collector keeps one for each ledger that it gets over HTTP.
package replica

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// A Config says what a [Replica] takes.
type Config struct {
	// Ledger is the origin of the ledger. It must not be empty.
	Ledger string

	// Policy says which root keys to trust for it. It must name the ledger.
	Policy *trust.Policy

	// Stored gets each record with its index, from 0: in [Open] those that
	// are there, then each once it is durable. It is called in order, from one
	// goroutine at a time, must be quick, and must not call the Replica. It may
	// be nil.
	Stored func(index uint64, r *record.Record)
}

// A Replica is the copy of a ledger that is written elsewhere: a directory that
// holds the same signed records, byte for byte and in the same order, and that
// [evidence.Verify], [evidence.Read] and all else take for the ledger. It has the
// files that a [evidence.Recorder] makes, locked against other writers. Segments may
// begin at other records than those of the original.
//
// Each record is verified before it is stored: a root key that the policy trusts
// introduced the session, which signed it within its time, and it follows the one
// before it. That is what it takes to know who wrote it and that none is missing.
// What a record says of calls and runs is looked at by [evidence.Verify] alone.
//
// Memory does not grow with the number of records, only a little with the
// writers, sessions and gaps. A Replica is safe for concurrent use.
type Replica struct {
	dir    string
	ledger string
	stored func(uint64, *record.Record)

	mu      sync.Mutex
	store   *segment.Store
	history history
	tiles   *tiles.Writer   // nil once one could not be written, until they can be again
	mended  time.Time       // when that was last tried
	marks   []segment.Place // of every markEvery-th record
	newest  *chain.Anchor   // of those that cover no more than is there; nil without one
	closed  bool
}

// markEvery is how many records there are from one mark to the next.
const markEvery = 1024

// A RefusedError reports a record, or a checkpoint, that does not verify, so
// that it was not stored.
type RefusedError struct {
	Damage record.Damage
	Detail string // may quote what the record says; printed by a program it must be escaped
}

// Error says what is wrong.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("replica: refused: %s: %s", e.Damage, e.Detail)
}

// A MissingError reports a record, or a checkpoint, whose turn has not come:
// records before it are missing, perhaps because they are still under way, or what
// covers it is.
type MissingError struct {
	Head    *record.Head // of the Replica, which goes on after it; nil where it is empty
	Records uint64       // how many it has

	// Uncovered says that none is missing before it, but that it is not signed,
	// and nothing that came with it covers it: it is to come again with the next
	// one that is signed.
	Uncovered bool
}

// Error says how many records there are.
func (e *MissingError) Error() string {
	if e.Uncovered {
		return fmt.Sprintf("replica: no signature covers what follows the %d records that are there", e.Records)
	}
	return fmt.Sprintf("replica: records are missing between the %d that are there and this", e.Records)
}

// An EquivocationError reports that the holder of a ledger's keys has signed two
// things that cannot both be true. Neither replaces the other: keep both. What is
// not signed contradicts nobody.
type EquivocationError struct {
	Writer string // of the record that was received; empty for a checkpoint
	Seq    uint64

	// Held is what is there and contradicts it: a checkpoint, or the envelope of a
	// record, which is signed or covered by one after it that is. Received is what
	// came, and signed.
	Held, Received []byte
}

// Error says which record contradicts.
func (e *EquivocationError) Error() string {
	what := "a checkpoint contradicts"
	if e.Writer != "" {
		what = fmt.Sprintf("record %d of writer %s contradicts", e.Seq, e.Writer)
	}
	return fmt.Sprintf("replica: %s: %s what is there", record.DamageEquivocation, what)
}

// Open opens the replica in the directory dir, which it makes if there is
// none. It must be closed.
//
// What is there is read through: its chain is checked, who introduced its sessions
// and who signed its last record, and its tree against the checkpoints. An
// incomplete last frame, which is what a crash leaves, is cut off: nobody was told
// that it is stored. Anything else that is wrong is an error that wraps
// [evidence.ErrDamaged]. The error wraps [evidence.ErrLocked] where somebody else
// has the ledger open. Open panics without a Ledger or Policy.
func Open(dir string, cfg Config) (*Replica, error) {
	if cfg.Ledger == "" || cfg.Policy == nil {
		panic("replica: Open: no Ledger or no Policy")
	}
	return open(dir, cfg, segment.RealDisk(), 0)
}

// open is Open on a disk, with segments of so many bytes; zero is the usual size.
func open(dir string, cfg Config, disk segment.Disk, size int64) (*Replica, error) {
	r := &Replica{dir: dir, ledger: cfg.Ledger, stored: cfg.Stored}
	if err := r.open(cfg, disk, size); err != nil {
		return nil, fmt.Errorf("replica: %s: %w", dir, err)
	}
	return r, nil
}

func (r *Replica) open(cfg Config, disk segment.Disk, size int64) (err error) {
	if err := record.CheckOrigin(cfg.Ledger); err != nil {
		return fmt.Errorf("Config.Ledger %w", err)
	}
	roots, err := chain.RootKeys(nil, cfg.Policy, cfg.Ledger)
	if err != nil {
		return err
	}
	if r.store, err = segment.Lock(r.dir, disk, size); err != nil {
		return err
	}
	r.history = newHistory(cfg.Ledger, roots)
	if err := r.resume(); err != nil {
		return errors.Join(err, r.store.Close())
	}
	return nil
}

// Append takes envelopes that follow one another in the ledger, each as a
// [evidence.Sink] gets it, and returns how many it has taken, from the first on:
// these are durable. Where that is not all of them the error says what is wrong with
// the next one.
//
// A record that is there already is taken again and changes nothing, so that a batch
// can be sent twice. Else a record must be the next one: the error is a
// [*MissingError] where records before it are missing, a [*RefusedError] where it
// does not verify, and an [*EquivocationError] where it is signed and another record
// is in its place. It wraps [evidence.ErrUnavailable] where the disk fails; nothing
// of the batch that was new is then taken.
//
// Where the session signs only checkpoints, most records come without a signature.
// They are taken with the one that is signed and covers them, and not before: the
// error says what is wrong with one of them, and where nothing is, it is a
// MissingError that is Uncovered. Batches are best what an [evidence.Exporter]
// sends, which ends with a signature.
func (r *Replica) Append(envelopes [][]byte) (taken int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, errReplicaClosed
	}
	frames := make([]chain.Frame, len(envelopes))
	for i, env := range envelopes {
		frames[i].Env = env
	}
	r.openFrames(frames)
	j := judgement{replica: r, next: r.history, sure: r.history}
	known := 0 // of those before the first that is new
	for i := range frames {
		if err = j.take(&frames[i]); err != nil {
			err = j.proven(err, frames[i:])
			break
		}
		if len(j.fresh) == j.covered {
			taken = i + 1
		}
		if len(j.fresh) == 0 {
			known = taken
		}
	}
	if failed := r.commit(j.sure, j.fresh[:j.covered]); failed != nil {
		return known, r.unavailable(failed)
	}
	if err == nil && taken < len(frames) {
		err = &MissingError{Uncovered: true}
	}
	if missing, ok := err.(*MissingError); ok { //nolint:errorlint // it is our own
		missing.Head, missing.Records = r.history.head(), r.history.records
	}
	return taken, err
}

var errReplicaClosed = errors.New("replica: it is closed")

// openTogether is how many envelopes are worth a goroutine.
const openTogether = 8

// openFrames parses envelopes, and checks those that are the routine of the
// session in force, in parallel.
func (r *Replica) openFrames(frames []chain.Frame) {
	session := r.history.keys.Session
	var running sync.WaitGroup
	n := min(runtime.GOMAXPROCS(0), (len(frames)+openTogether-1)/openTogether)
	for w := range n {
		part := frames[len(frames)*w/n : len(frames)*(w+1)/n]
		running.Go(func() {
			var e record.Envelope
			for i := range part {
				f := &part[i]
				if f.Leaf = tiles.LeafHash(f.Env); session.Routine(f.Env) {
					f.Session = session
				}
				f.Open(&e)
			}
		})
	}
	running.Wait()
}

// commit makes records durable and goes on to what comes after them.
func (r *Replica) commit(next history, fresh []chain.Frame) error {
	if len(fresh) == 0 {
		return nil
	}
	var frames []byte
	starts := make([]int, len(fresh))
	for i, f := range fresh {
		starts[i] = len(frames)
		frames = segment.AppendFrame(frames, f.Env)
	}
	if err := r.store.Append(frames); err != nil {
		return err
	}
	from := r.store.End().Offset - int64(len(frames))
	for i, f := range fresh {
		r.note(r.history.records+uint64(i), segment.Place{Segment: r.store.End().Segment, Offset: from + int64(starts[i])}, f.Record)
		if r.tiles != nil && r.tiles.Append(f.Leaf, nil) != nil {
			r.tiles = nil // they are made again when they are needed
		}
	}
	r.history = next
	r.reach()
	return nil
}

// note remembers where a record is, and tells whoever wants to know.
func (r *Replica) note(index uint64, at segment.Place, rec *record.Record) {
	if index%markEvery == 0 {
		r.marks = append(r.marks, at)
	}
	if r.stored != nil {
		r.stored(index, rec)
	}
}

// Ledger returns the origin of the ledger.
func (r *Replica) Ledger() string { return r.ledger }

// Dir returns the directory, for [evidence.Verify] and others that read ledgers.
func (r *Replica) Dir() string { return r.dir }

// Head returns where the ledger ends, nil where it is empty, and how many
// records it has.
func (r *Replica) Head() (*record.Head, uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.history.head(), r.history.records
}

// Read goes through the records from an index on, counted from 0, to the end as it
// is when Read begins. It is as [evidence.Read], but need not begin at the
// beginning.
func (r *Replica) Read(from uint64) iter.Seq2[evidence.Entry, error] {
	return func(yield func(evidence.Entry, error) bool) {
		r.mu.Lock()
		records, marks := r.history.records, r.marks
		r.mu.Unlock()
		if from >= records {
			return
		}
		var scratch record.Envelope
		index, stopped := from-from%markEvery, false
		err := segment.WalkFrom(r.dir, marks[from/markEvery], func(at segment.Place, env []byte, bad error) bool {
			if index++; index <= from && bad == nil {
				return true
			}
			stopped = !yield(entryAt(at, env, bad, &scratch))
			return !stopped && index < records
		}, nil)
		if err != nil && !stopped {
			yield(evidence.Entry{}, fmt.Errorf("replica: %s: %w", r.dir, err))
		}
	}
}

// entryAt returns what is at a place. Only a file that was changed since it was
// verified holds no record there.
func entryAt(at segment.Place, env []byte, bad error, scratch *record.Envelope) (evidence.Entry, error) {
	f := chain.Frame{Env: env, Err: bad}
	if bad == nil {
		f.Open(scratch)
	}
	e := evidence.Entry{
		Record: f.Record, Subject: f.Subject, Hash: f.Hash,
		Segment: at.Segment, Offset: at.Offset, Envelope: bytes.Clone(env),
	}
	if f.Err != nil {
		return e, fmt.Errorf("replica: segment %d, offset %d: %w", at.Segment, at.Offset, f.Err)
	}
	return e, nil
}

// unavailable returns the error of a disk that fails.
func (r *Replica) unavailable(err error) error {
	return fmt.Errorf("replica: %s: %w: %w", r.dir, evidence.ErrUnavailable, err)
}

// Close gives the ledger back. What was taken is durable already.
func (r *Replica) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if err := r.store.Close(); err != nil {
		return fmt.Errorf("replica: %s: %w", r.dir, err)
	}
	return nil
}
