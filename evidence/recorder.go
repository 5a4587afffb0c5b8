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

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
	"github.com/google/uuid"
)

var (
	// ErrLocked means that another Recorder, here or in another process, writes
	// the ledger.
	ErrLocked = segment.ErrLocked

	// ErrDamaged means that what stands in the ledger does not verify, so that
	// nothing is appended to it.
	ErrDamaged = segment.ErrDamaged

	// ErrUnavailable is the cause of a denial with middleware.CodeEvidence: no
	// durable record of the call could be had. It comes wrapped with the reason.
	ErrUnavailable = errors.New("no durable record")

	// ErrFull means that records come faster than they can be written.
	ErrFull = errors.New("the queue is full")

	// ErrClosed means that the Recorder was closed.
	ErrClosed = errors.New("the recorder is closed")
)

// queueMemory bounds the bytes of content that queued records keep alive.
const queueMemory = 64 << 20

// A Recorder writes a ledger. It is safe for concurrent use.
type Recorder struct {
	runs          middleware.Local[runState]
	effectsByTool map[string]record.Effects
	classify      func(middleware.Call) record.Effects
	patience      time.Duration

	log        logger
	unrecorded sync.Once // that calls lack their record has been said

	queue         *queue
	writer        *writer
	payloads      *payloadStore // nil without
	shippers      []*ship.Shipper
	recordsBefore uint64                            // records of the ledger when it was opened
	root          atomic.Pointer[ed25519.PublicKey] // in force

	rotating sync.Mutex
	lastRoot ed25519.PublicKey // guarded by rotating: the root that all that was asked for leads to
}

// Open opens the ledger in the directory dir, which it makes if there is none, and
// starts a writer: its first record is durable when Open returns, which waits for the
// disk and the root key as long as they take. The Recorder must be closed. A ledger
// that is there is read through first; see "Opening a ledger" in the package doc.
//
// The error wraps [ErrDamaged] where the ledger is not what its writers left,
// [ErrOtherKey] where it is and another root key must continue it, and [ErrLocked] where
// another Recorder has it open. Open panics if the Config makes no sense: a negative
// bound, a Signing that there is not, a tool that is named twice, or an [Exporter]
// without a Sink or with a name that it cannot have or that another one has.
func Open(dir string, cfg Config) (*Recorder, error) { return open(dir, cfg, segment.RealDisk(), 0) }

// open is Open on a disk, with segments of so many bytes; zero is the usual size.
func open(dir string, cfg Config, disk segment.Disk, size int64) (*Recorder, error) {
	r := &Recorder{effectsByTool: make(map[string]record.Effects), classify: cfg.Effects, patience: cfg.Patience}
	switch {
	case cfg.Patience < 0 || cfg.Queue < 0 || cfg.LowSpace < 0:
		panic("evidence: Open: negative bound")
	case cfg.Signing != "" && cfg.Signing != record.SignRecords && cfg.Signing != record.SignCheckpoints:
		panic(fmt.Sprintf("evidence: Open: no Signing is called %q", cfg.Signing))
	}
	r.patience = cmp.Or(cfg.Patience, 5*time.Second)
	cfg.Queue = cmp.Or(cfg.Queue, 8192)
	cfg.Signing = cmp.Or(cfg.Signing, record.SignRecords)
	cfg.LowSpace = cmp.Or(cfg.LowSpace, 256<<20)
	for i, name := range slices.Concat(cfg.ReadOnly, cfg.BestEffort) {
		if r.effectsByTool[name] != "" {
			panic(fmt.Sprintf("evidence: Open: the tool %q is named twice", name))
		}
		r.effectsByTool[name] = record.EffectsReadOnly
		if i >= len(cfg.ReadOnly) {
			r.effectsByTool[name] = record.EffectsBestEffort
		}
	}
	names := make(map[string]bool)
	for _, e := range cfg.Exporters {
		if e = e.complete(); names[e.Name] {
			panic(fmt.Sprintf("evidence: Open: two exporters are called %q", e.Name))
		}
		names[e.Name] = true
	}
	if err := r.open(dir, cfg, disk, size); err != nil {
		return nil, fmt.Errorf("evidence: ledger %s: %w", dir, err)
	}
	return r, nil
}

func (r *Recorder) open(dir string, cfg Config, disk segment.Disk, size int64) (err error) {
	ephemeral := cfg.Key == nil
	if ephemeral {
		if cfg.Key, err = trust.GenerateKey(); err != nil {
			return err
		}
	}
	root, err := rootOf(cfg.Key)
	if err != nil {
		return fmt.Errorf("Config.Key: %w", err)
	}
	r.root.Store(&root)
	r.lastRoot = root
	if err := record.CheckOrigin(cfg.Ledger); err != nil {
		return fmt.Errorf("Config.Ledger %w", err)
	}
	if p := cfg.Predecessor; p != nil && (p.Reason != record.Clean(p.Reason, record.MaxReason) || p.Ledger != cleanName(p.Ledger)) {
		return errors.New("Config.Predecessor is not what PredecessorOf returns")
	}
	s, err := segment.Lock(dir, disk, size)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && r.writer == nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if cfg.Overflow == "" {
		cfg.Overflow = dir
	} else if info, err := os.Stat(cfg.Overflow); err != nil {
		return fmt.Errorf("Config.Overflow: %w", err)
	} else if !info.IsDir() {
		return errors.New("Config.Overflow is not a directory")
	}
	found, err := resume(s, root, cfg.Overflow)
	if err != nil {
		switch {
		case errors.Is(err, ErrDamaged):
			err = fmt.Errorf("%w: safeconduct verify says more; to go on, begin a successor "+
				"(evidence.PredecessorOf, safeconduct succeed)", err)
		case ephemeral && errors.Is(err, ErrOtherKey):
			err = fmt.Errorf("%w: Config.Key is not set, see LoadOrCreateKey", err)
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
		space := payloadSpace{free: disk.Free, least: cfg.LowSpace + segment.Ahead}
		if r.payloads, err = openPayloads(dir, *cfg.Payloads, space); err != nil {
			return err
		}
	}
	if err := r.assemble(s, cfg, origin, found); err != nil {
		return r.abandon(err)
	}
	return r.begin(record.Session{Previous: found.head, Tree: found.treeHead(), Recovered: found.recovered, Predecessor: cfg.Predecessor})
}

// assemble puts the parts together.
func (r *Recorder) assemble(s *segment.Store, cfg Config, origin string, found *ledgerState) error {
	log := logger{cfg.Logger}
	r.log = log
	r.recordsBefore = found.records
	r.queue = newQueue(cfg.Queue, queueMemory)
	var key []byte
	if len(cfg.Exporters) > 0 {
		var err error
		if key, err = cursorKey(cfg.Key, origin); err != nil {
			return err
		}
	}
	for _, e := range cfg.Exporters {
		e = e.complete()
		x, err := ship.New(ship.Config{
			Name: e.Name, Sink: e.Sink, Unordered: e.Unordered, Concurrency: e.Concurrency, Attempts: e.Attempts,
			Timeout: e.Timeout, MinBackoff: e.MinBackoff, MaxBackoff: e.MaxBackoff, OpenFor: e.OpenFor,
			Dir: s.Dir(), Ledger: origin, Disk: s.Disk(), Record: r.queue.putStatement, Classes: errorClasses, Log: log.say,
		}, key, s.End(), found.records)
		if err != nil {
			return fmt.Errorf("exporter %s: %w", e.Name, err)
		}
		r.shippers = append(r.shippers, x)
	}
	seal := newSealer(s, origin, found.tree, found.tiles)
	seal.log, seal.publish, seal.low = log, cfg.Publish, cfg.LowSpace
	contents := newCommitter()
	overflow := newOverflow(cfg.Overflow, s.Disk())
	if cfg.Overflow == s.Dir() {
		overflow.holds = s.Holds
	}
	r.writer = &writer{
		queue: r.queue, store: s, overflow: overflow, shippers: r.shippers, sealer: seal,
		payloads: r.payloads, disclose: cfg.Disclose, signing: cfg.Signing, log: log, root: cfg.Key,
		build: &builder{
			ledger: origin, writer: newID(contents.random), contents: contents, names: names{omit: cfg.OmitMadeUp},
			disclose: cfg.Disclose != nil || r.payloads != nil,
		},
	}
	return nil
}

// begin starts the goroutines with the writer's first record.
func (r *Recorder) begin(first record.Session) error {
	done, _ := r.queue.put(true, &event{kind: record.KindSession, body: first}, nil) // the queue is empty and open
	r.writer.start()
	if err := <-done; err != nil {
		r.queue.close()
		<-r.writer.done
		return r.abandon(err)
	}
	for _, x := range r.shippers {
		go x.Run()
	}
	return nil
}

// abandon ends what was begun for a Recorder that cannot be had, because of err.
func (r *Recorder) abandon(err error) error {
	r.stopShippers()
	if r.payloads != nil {
		err = errors.Join(err, r.payloads.close(context.Background()))
	}
	return err
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
