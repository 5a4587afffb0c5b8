package evidence

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

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

// A Config says how a [Recorder] works. The zero Config is ready to use: every
// tool counts as having side effects, and a new key is made.
type Config struct {
	// Key signs the records. If it is nil, Open makes one that lives as long
	// as the Recorder does: enough to start a ledger, not to continue one.
	Key ed25519.PrivateKey

	// Ledger is the origin that a new ledger gets, its name in every record:
	// at most 256 bytes without white space or "+". If it is empty, a new
	// ledger gets a random one, and an existing one keeps its own; otherwise an
	// existing one must have the same.
	Ledger string

	// ReadOnly names the tools that have no side effects, as they were
	// registered: they run without waiting for their intent to be durable.
	ReadOnly []string

	// BestEffort names the tools that have side effects and run all the same
	// before their intent is durable, and even if it never is. Each of their
	// intents says so.
	BestEffort []string

	// Patience bounds how long a tool waits for its intent to be durable
	// before it is denied. If it is zero, 5 seconds.
	Patience time.Duration

	// Queue bounds the records that wait to be written. What comes while it is
	// full is lost, and declared in a gap. If it is zero, 8192.
	Queue int

	// Disclose gets what opens each commitment, about when the record is
	// written. It is called from one goroutine and should be quick: later
	// records wait for it. If it is nil, nothing keeps the contents and no
	// commitment can ever be opened.
	Disclose func(Disclosure)

	// Sink gets every record of the ledger, if it is not nil.
	Sink Sink

	disk *disk // tests break it
}

// queueMemory bounds the bytes of content that queued records keep alive.
const queueMemory = 64 << 20

// A Recorder writes a ledger. It is safe for concurrent use.
type Recorder struct {
	runs     middleware.Local[runState]
	tools    map[string]Effects
	patience time.Duration

	queue    *queue
	writer   *writer
	exporter *exporter // nil without a sink
	pub      ed25519.PublicKey

	closing sync.Once
}

// Open opens the ledger in the directory dir, which it makes if there is none,
// and starts a writer: its first record is durable when Open returns. The
// Recorder must be closed.
//
// An existing ledger is read through first. An incomplete last frame, which is
// what a crash leaves, is cut off, and the first record says so; anything else
// that is wrong is an error that wraps [ErrDamaged], and nothing is written. So
// is a ledger that another key signed. The error wraps [ErrLocked] where another
// Recorder has the ledger open.
//
// Open panics if the Config makes no sense: a negative bound, or a tool that is
// named twice.
func Open(dir string, cfg Config) (*Recorder, error) {
	r := &Recorder{tools: make(map[string]Effects), patience: cfg.Patience}
	switch {
	case cfg.Patience < 0 || cfg.Queue < 0:
		panic("evidence: Open: negative bound")
	case cfg.Patience == 0:
		r.patience = 5 * time.Second
	}
	if cfg.Queue == 0 {
		cfg.Queue = 8192
	}
	for i, name := range slices.Concat(cfg.ReadOnly, cfg.BestEffort) {
		if r.tools[name] != "" {
			panic(fmt.Sprintf("evidence: Open: the tool %q is named twice", name))
		}
		r.tools[name] = EffectsReadOnly
		if i >= len(cfg.ReadOnly) {
			r.tools[name] = EffectsBestEffort
		}
	}
	if err := r.open(dir, cfg); err != nil {
		return nil, fmt.Errorf("evidence: ledger %s: %w", dir, err)
	}
	return r, nil
}

func (r *Recorder) open(dir string, cfg Config) error {
	key, ephemeral := cfg.Key, cfg.Key == nil
	if ephemeral {
		var err error
		if key, err = GenerateKey(); err != nil {
			return err
		}
	}
	if len(key) != ed25519.PrivateKeySize {
		return errors.New("Config.Key is not an Ed25519 private key")
	}
	if err := checkOrigin(cfg.Ledger); err != nil {
		return err
	}
	r.pub = key.Public().(ed25519.PublicKey)

	d := realDisk()
	if cfg.disk != nil {
		d = *cfg.disk
	}
	s, t, err := openStore(dir, d, ringOf(r.pub))
	if err != nil {
		if ephemeral && errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w (a ledger can be continued only with the key that began it: set Config.Key)", err)
		}
		return err
	}
	switch {
	case t.origin != "" && cfg.Ledger != "" && t.origin != cfg.Ledger:
		err = fmt.Errorf("its origin is %q, not %q", t.origin, cfg.Ledger)
		return errors.Join(err, s.close())
	case t.origin == "" && cfg.Ledger != "":
		t.origin = cfg.Ledger
	case t.origin == "":
		t.origin = "ledger-" + uuid.NewString()
	}
	r.queue = newQueue(cfg.Queue, queueMemory)
	if cfg.Sink != nil {
		r.exporter = newExporter(dir, cfg.Sink, t.records)
	}
	r.writer = newWriter(s, r.queue, r.exporter, key, t.origin, cfg.Disclose)
	return r.begin(t)
}

// begin starts the goroutines with the writer's first record.
func (r *Recorder) begin(t tail) error {
	first := &event{kind: KindSession, session: Session{Key: r.writer.keyID, Previous: t.head, Recovered: t.recovered}}
	done, _ := r.queue.put(true, first) // the queue is empty and open
	go r.writer.run()
	if err := <-done; err != nil {
		r.queue.close()
		<-r.writer.done
		if r.exporter != nil {
			r.exporter.stop()
		}
		return err
	}
	if r.exporter != nil {
		go r.exporter.run()
	}
	return nil
}

func checkOrigin(origin string) error {
	if len(origin) > maxName || origin != clean(origin, maxName) {
		return errors.New("Config.Ledger is too long or not valid UTF-8")
	}
	for _, c := range origin {
		if c <= ' ' || c == '+' || c == 0x7f {
			return errors.New("Config.Ledger holds white space or a plus sign")
		}
	}
	return nil
}

// PublicKey returns the key that verifies the records. Written down in a place
// that the agent's process cannot change, it is what [Verify] needs.
func (r *Recorder) PublicKey() ed25519.PublicKey { return r.pub }

// Ledger returns the origin of the ledger.
func (r *Recorder) Ledger() string { return r.writer.origin }

// Err returns why records cannot be written at the moment, or nil. The Recorder
// goes on trying.
func (r *Recorder) Err() error { return r.writer.err() }

// Stats are the counts of a [Recorder] since it was opened.
type Stats struct {
	Durable uint64 // records that are on disk
	Waiting int    // records that are not yet
	Lost    uint64 // records for which there was no room, each declared in a gap

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
