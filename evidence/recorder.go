package evidence

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"example.com/safeconduct/middleware"
	"github.com/google/uuid"
)

var (
	// ErrLocked means that another Recorder, here or in another process, writes
	// the ledger.
	ErrLocked = errors.New("the ledger is in use")

	// ErrDamaged means that what stands in the ledger does not verify, so that
	// nothing is appended to it.
	ErrDamaged = errors.New("the ledger is damaged")

	// ErrUnavailable is the cause of a denial with middleware.CodeEvidence: no
	// durable record of the call could be had. It comes wrapped with the reason.
	ErrUnavailable = errors.New("evidence: no durable record")

	// ErrFull means that records come faster than they can be written.
	ErrFull = errors.New("evidence: the queue is full")

	// ErrClosed means that the Recorder was closed.
	ErrClosed = errors.New("evidence: the recorder is closed")
)

// queueMemory bounds the bytes of content that queued records keep alive.
const queueMemory = 64 << 20

// A Recorder writes a ledger. It is safe for concurrent use.
type Recorder struct {
	runs     middleware.Local[runState]
	named    map[string]Effects
	classify func(middleware.Call) Effects
	patience time.Duration

	queue    *queue
	writer   *writer
	payloads *payloadStore                     // nil without
	exporter *exporter                         // nil without a sink
	root     atomic.Pointer[ed25519.PublicKey] // in force

	rotating sync.Mutex
	last     ed25519.PublicKey // guarded by rotating: the root that all that was asked for leads to

	closing sync.Once
}

// Open opens the ledger in the directory dir, which it makes if there is none,
// and starts a writer: its first record is durable when Open returns, which
// waits for the disk and the root key as long as they take. The Recorder must be
// closed.
//
// An existing ledger is read through first: its chain is checked, and its tree
// against the newest checkpoint. An incomplete last frame, which is what a crash
// leaves, is cut off, records that had gone to the overflow are taken over, and
// the first record says so; anything else that is wrong is an error that wraps
// [ErrDamaged], and nothing is written. So is a ledger that another root key
// signed. A ledger that cannot be continued can be succeeded: see
// [PredecessorOf]. The error wraps [ErrLocked] where another Recorder has the
// ledger open.
//
// Open panics if the Config makes no sense: a negative bound, a Signing that
// there is not, or a tool that is named twice.
func Open(dir string, cfg Config) (*Recorder, error) {
	r := &Recorder{named: make(map[string]Effects), classify: cfg.Effects, patience: cfg.Patience}
	switch {
	case cfg.Patience < 0 || cfg.Queue < 0 || cfg.LowSpace < 0:
		panic("evidence: Open: negative bound")
	case cfg.Signing != "" && cfg.Signing != SignRecords && cfg.Signing != SignCheckpoints:
		panic(fmt.Sprintf("evidence: Open: no Signing is called %q", cfg.Signing))
	}
	r.patience = cmp.Or(cfg.Patience, 5*time.Second)
	cfg.Queue = cmp.Or(cfg.Queue, 8192)
	cfg.Signing = cmp.Or(cfg.Signing, SignRecords)
	cfg.LowSpace = cmp.Or(cfg.LowSpace, 256<<20)
	for i, name := range slices.Concat(cfg.ReadOnly, cfg.BestEffort) {
		if r.named[name] != "" {
			panic(fmt.Sprintf("evidence: Open: the tool %q is named twice", name))
		}
		r.named[name] = EffectsReadOnly
		if i >= len(cfg.ReadOnly) {
			r.named[name] = EffectsBestEffort
		}
	}
	if err := r.open(dir, cfg); err != nil {
		return nil, fmt.Errorf("evidence: ledger %s: %w", dir, err)
	}
	return r, nil
}

func (r *Recorder) open(dir string, cfg Config) (err error) {
	ephemeral := cfg.Key == nil
	if ephemeral {
		if cfg.Key, err = GenerateKey(); err != nil {
			return err
		}
	}
	root, err := rootOf(cfg.Key)
	if err != nil {
		return fmt.Errorf("Config.Key: %w", err)
	}
	r.root.Store(&root)
	r.last = root
	if err := checkOrigin(cfg.Ledger); err != nil {
		return err
	}
	d := realDisk()
	if cfg.disk != nil {
		d = *cfg.disk
	}
	s, err := lockStore(dir, d, cmp.Or(cfg.segment, maxSegment))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && r.writer == nil {
			err = errors.Join(err, s.close())
		}
	}()
	if cfg.Overflow == "" {
		cfg.Overflow = dir
	} else if info, err := os.Stat(cfg.Overflow); err != nil {
		return fmt.Errorf("Config.Overflow: %w", err)
	} else if !info.IsDir() {
		return errors.New("Config.Overflow is not a directory")
	}
	found, err := s.resume(root, cfg.Overflow)
	if err != nil {
		if ephemeral && errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w (a ledger can be continued only with the key that began it: set Config.Key)", err)
		}
		return err
	}
	origin := cmp.Or(found.origin, cfg.Ledger)
	switch {
	case cfg.Ledger != "" && origin != cfg.Ledger:
		return fmt.Errorf("its origin is %q, not %q", origin, cfg.Ledger)
	case cfg.Predecessor != nil && found.records > 0:
		return errors.New("Config.Predecessor is for a new ledger")
	case origin == "":
		origin = "ledger-" + uuid.NewString()
	}
	if cfg.Payloads != nil {
		if r.payloads, err = openPayloads(dir, *cfg.Payloads); err != nil {
			return err
		}
	}
	r.assemble(s, cfg, origin, found)
	return r.begin(Session{Previous: found.head, Tree: found.treeHead(), Recovered: found.recovered, Predecessor: cfg.Predecessor})
}

// assemble puts the parts together.
func (r *Recorder) assemble(s *store, cfg Config, origin string, found *found) {
	log := logger{cfg.Logger}
	r.queue = newQueue(cfg.Queue, queueMemory)
	if cfg.Sink != nil {
		r.exporter = newExporter(s.dir, cfg.Sink, found.records)
	}
	seal := newSealer(s.dir, s.disk, origin, found.tree, found.tiles)
	seal.log, seal.publish, seal.low = log, cfg.Publish, cfg.LowSpace
	contents := newCommitter()
	r.writer = &writer{
		queue: r.queue, store: s, overflow: newOverflow(cfg.Overflow, s.disk), exporter: r.exporter, sealer: seal,
		payloads: r.payloads, disclose: cfg.Disclose, signing: cfg.Signing, log: log, root: cfg.Key,
		build: &builder{
			ledger: origin, writer: newID(contents.random), contents: contents,
			disclose: cfg.Disclose != nil || r.payloads != nil,
		},
	}
}

// begin starts the goroutines with the writer's first record.
func (r *Recorder) begin(first Session) error {
	done, _ := r.queue.put(true, &event{kind: KindSession, body: first}, nil) // the queue is empty and open
	r.writer.start()
	if err := <-done; err != nil {
		r.queue.close()
		<-r.writer.done
		if r.exporter != nil {
			r.exporter.stop()
		}
		if r.payloads != nil {
			err = errors.Join(err, r.payloads.close(context.Background()))
		}
		return err
	}
	if r.exporter != nil {
		go r.exporter.run()
	}
	return nil
}

// maxOrigin is how long a name in a checkpoint can be.
const maxOrigin = 255

func checkOrigin(origin string) error {
	if len(origin) > maxOrigin || origin != clean(origin, maxName) {
		return errors.New("Config.Ledger is too long or not valid UTF-8")
	}
	for _, c := range origin {
		if unicode.IsSpace(c) || unicode.IsControl(c) || c == '+' { // as in the name of a note's key
			return errors.New("Config.Ledger holds white space, a control character or a plus sign")
		}
	}
	return nil
}

// PublicKey returns the public half of the root key in force: that of Config, or
// the one that was last rotated to. Written down in a place that the agent's
// process cannot change, it is what [Verify] needs.
func (r *Recorder) PublicKey() ed25519.PublicKey { return *r.root.Load() }

// Ledger returns the origin of the ledger.
func (r *Recorder) Ledger() string { return r.writer.build.ledger }

// Err returns why records cannot be written at the moment, or nil. The Recorder
// goes on trying.
func (r *Recorder) Err() error { return r.writer.err() }

// Checkpoint returns the newest signed checkpoint since the Recorder was opened,
// a C2SP tlog-checkpoint, nil before the first. Its own file has it as well; this
// is to be kept elsewhere.
func (r *Recorder) Checkpoint() []byte {
	if p := r.writer.sealer.checkpoint.Load(); p != nil {
		return slices.Clone(*p)
	}
	return nil
}

// Stats are the counts of a [Recorder] since it was opened.
type Stats struct {
	Durable uint64 // records that are on disk
	Waiting int    // records that are not yet
	Lost    uint64 // records for which there was no room, each declared in a gap, and those that came after Close

	Overflowed int   // of those waiting, the ones in the overflow file
	FreeSpace  int64 // bytes that the ledger's disk had left when last looked at, about once a second while records come
	LowSpace   bool  // these are too few

	// Of the payload store; zero without Config.Payloads.
	Kept    uint64 // contents
	Dropped uint64 // contents that there was no room for, or that could not be written

	// Of the exporter; zero without a Sink.
	Shipped   uint64 // records that the sink took, counted from the ledger's beginning
	Unshipped uint64 // durable records that it has not taken yet
	Attempts  uint64 // calls of the sink
	Failures  uint64 // attempts that failed
	Breaker   string // "closed", "open" or "half-open"
	SinkErr   error  // why the last attempt failed; nil if it did not
}

// Stats returns the counts. Taken while the Recorder works, they need not be of
// one moment.
func (r *Recorder) Stats() Stats {
	queued, lost := r.queue.length()
	s := Stats{
		Durable: r.writer.durable.Load(),
		Waiting: queued + int(r.writer.inHand.Load()),
		Lost:    lost,

		Overflowed: r.writer.overflow.waiting(),
		FreeSpace:  r.writer.sealer.free.Load(),
		LowSpace:   r.writer.sealer.lowSpace.Load(),
	}
	if r.payloads != nil {
		s.Kept, s.Dropped, _ = r.payloads.stats()
	}
	if r.exporter != nil {
		r.exporter.stats(&s)
	}
	return s
}

// A CloseError says what a [Recorder] left behind when it was closed.
type CloseError struct {
	NotDurable int    // records that are not on disk, and lost with the process
	Unshipped  uint64 // records that are on disk, and that the sink did not take
	Err        error  // why; a context's error where the time was up
}

// Error says how many records, and why.
func (e *CloseError) Error() string {
	return fmt.Sprintf("evidence: close: %d records not durable, %d not shipped: %v", e.NotDurable, e.Unshipped, e.Err)
}

// Unwrap returns Err.
func (e *CloseError) Unwrap() error { return e.Err }

// Close stops the Recorder: it writes what is queued, has the sink take what is
// written, and gives the ledger back. Calls that are still under way, and later
// ones, are recorded no more, and tools with side effects are denied.
//
// Close returns when all is done or ctx ends, nil or a [*CloseError]. It can be
// called again, to wait longer or to ask again: it is then about the same
// records. A breaker that is open is not waited for.
func (r *Recorder) Close(ctx context.Context) error {
	r.closing.Do(r.queue.close)
	select {
	case <-r.writer.done:
	case <-ctx.Done():
		if r.exporter != nil {
			r.exporter.stop()
		}
		return r.left(ctx.Err())
	}
	if r.payloads != nil {
		if err := r.payloads.close(ctx); err != nil && ctx.Err() != nil {
			return r.left(ctx.Err())
		}
	}
	if r.exporter != nil {
		r.exporter.finish()
		select {
		case <-r.exporter.done:
		case <-ctx.Done():
			r.exporter.stop()
			return r.left(ctx.Err())
		}
	}
	return r.left(nil)
}

// left returns what is left behind as an error, or nil.
func (r *Recorder) left(err error) error {
	s := r.Stats()
	if s.Waiting == 0 && s.Unshipped == 0 && err == nil {
		return nil
	}
	err = errors.Join(err, r.Err(), s.SinkErr)
	if err == nil {
		err = errStopped // by an earlier Close
	}
	return &CloseError{NotDurable: s.Waiting, Unshipped: s.Unshipped, Err: err}
}
