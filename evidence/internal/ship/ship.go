package ship

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

// A Config says what is shipped where. Nothing in it may be zero but Unordered,
// and what package delivery has defaults for: Attempts, Timeout, MinBackoff and
// OpenFor.
type Config struct {
	Name      string // of the exporter
	Sink      func(ctx context.Context, envelopes [][]byte) error
	Unordered bool // calls of the Sink may overlap

	Concurrency, Attempts                    int
	Timeout, MinBackoff, MaxBackoff, OpenFor time.Duration

	Dir    string // of the ledger
	Ledger string // its origin
	Disk   *segment.Disk

	// Record has a record written about the shipping. Where wait is set the
	// channel says when that is durable, or why it is not. It returns at once,
	// and an error where there is no room for it or nothing is written any more.
	Record func(kind record.Kind, body any, wait bool) (<-chan error, error)

	// Classes returns what kinds of errors an error is made of, for a record.
	Classes func(error) []string

	// Log is told what a person should know of, without content.
	Log func(level slog.Level, msg string, args ...any)
}

// A Shipper is an exporter at work. One goroutine reads batches off the ledger,
// has others deliver them, and moves the cursor up to the first that is not dealt
// with. It is safe for concurrent use.
type Shipper struct {
	Config
	line *delivery.Line
	key  atomic.Pointer[[]byte] // of the cursor

	ctx       context.Context // of the calls
	stop      context.CancelFunc
	finishing chan struct{}
	once      sync.Once
	done      chan struct{}
	more      chan struct{} // there is something to do

	mu        sync.Mutex
	end       segment.Place // up to which the ledger is durable
	total     amount        // of it
	cursor    cursor        // all before it is dealt with
	wanted    uint64        // records that somebody waits for
	waitsFrom time.Time     // when the first record came that was not yet read
	moved     chan struct{} // closed when the cursor moves, or the Shipper ends
	breaker   *record.Breaker
	rewinds   rewinds
	readErr   error // why the ledger cannot be read
	cursorErr error // why the cursor cannot be kept

	oldest atomic.Pointer[time.Time] // of the first batch under way
	hurry  atomic.Bool               // refusals are to be recorded without a rest

	// The rest is the loop's own.
	reader    batchReader
	read      amount        // up to where batches were made
	readTo    segment.Place // the same
	underWay  []*batch      // in the order of the ledger
	delivered chan *batch
	spare     []*batch
	stuck     bool      // on a batch that could not be delivered to its end
	rereadAt  time.Time // after an error

	unsaved      bool // the cursor
	savedAt      time.Time
	savedRecords uint64 // how far it was then

	loggedAt      time.Time
	loggedRecords uint64 // how far the cursor was then

	refusalAt   time.Time       // when a refusal may be recorded, if there is not more than one
	recordAt    time.Time       // when a record may be tried, after one that could not be had
	recording   *record.Refusal // that is being recorded
	wasRecorded <-chan error    // what came of that; nil without one
}

// An amount is how much of a ledger.
type amount struct {
	records uint64
	bytes   int64 // of their frames
}

// New returns the Shipper of a ledger that is durable up to end and has so many
// records. The key is that of its cursor: see [CursorKey].
func New(cfg Config, key []byte, end segment.Place, records uint64) (*Shipper, error) {
	x := &Shipper{
		Config: cfg, reader: batchReader{dir: cfg.Dir}, end: end,
		finishing: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1), moved: make(chan struct{}),
		delivered: make(chan *batch, cfg.Concurrency),
	}
	x.key.Store(&key)
	x.ctx, x.stop = context.WithCancel(context.Background())
	bytes, err := bytesBefore(x.Dir, end)
	if err != nil {
		return nil, err
	}
	x.total = amount{records, bytes}
	switch c, err := loadCursor(x.Dir, x.Name, x.Ledger, key, end, records); {
	case err != nil:
		x.warn("an exporter begins anew, as its cursor cannot be used", "error", err)
		fallthrough
	case c == nil:
		x.cursor = newCursor(x.Name, x.Ledger)
	default:
		x.cursor = *c
	}
	x.readTo, x.read = x.cursor.place(), amount{x.cursor.records(), x.cursor.Bytes}
	x.line = delivery.New(delivery.Config{
		Timeout: x.Timeout, MinBackoff: x.MinBackoff, MaxBackoff: x.MaxBackoff, Attempts: x.Attempts,
		Concurrency: x.Concurrency, OpenFor: x.OpenFor, NotifyEvery: reportEvery, Notify: x.breakerChanged,
	})
	return x, nil
}

// SetKey has the cursor sealed with another key from now on.
func (x *Shipper) SetKey(key []byte) { x.key.Store(&key) }

// Extend says that the ledger is durable up to end, which is so much more than
// before.
func (x *Shipper) Extend(end segment.Place, records uint64, bytes int64) {
	x.mu.Lock()
	if x.waitsFrom.IsZero() {
		x.waitsFrom = time.Now()
	}
	x.end = end
	x.total.records += records
	x.total.bytes += bytes
	x.mu.Unlock()
	x.wake()
}

// wake has the loop look what there is to do.
func (x *Shipper) wake() {
	select {
	case x.more <- struct{}{}:
	default:
	}
}

// ShipNow has the first n records shipped without waiting for more.
func (x *Shipper) ShipNow(n uint64) {
	x.mu.Lock()
	x.wanted = max(x.wanted, n)
	x.mu.Unlock()
	x.wake()
}

// WaitShipped waits until the first n records are dealt with. It returns false
// where the breaker is open or the Shipper has ended.
func (x *Shipper) WaitShipped(ctx context.Context, n uint64) bool {
	for {
		x.mu.Lock()
		there, moved := x.cursor.records() >= n, x.moved
		x.mu.Unlock()
		if there {
			return true
		}
		select {
		case <-x.done:
			return false
		default:
		}
		if x.line.State() != delivery.Closed {
			return false
		}
		select {
		case <-moved:
		case <-time.After(closePoll):
		case <-ctx.Done():
			return false
		}
	}
}

// Finish lets Run end when everything is shipped, or the breaker is open.
func (x *Shipper) Finish() { x.once.Do(func() { close(x.finishing) }) }

func (x *Shipper) isFinishing() bool {
	select {
	case <-x.finishing:
		return true
	default:
		return false
	}
}

// Stop ends Run as soon as the calls under way have ended, which it cancels. A
// Shipper that is never run must be stopped too.
func (x *Shipper) Stop() { x.stop() }

// Done returns a channel that is closed when Run has ended.
func (x *Shipper) Done() <-chan struct{} { return x.done }
