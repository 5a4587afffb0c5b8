package ship

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

const (
	batchRecords = 256
	batchBytes   = 1 << 20
	linger       = 200 * time.Millisecond // what a record may wait for others to go with it

	saveEvery = time.Second       // a crash has the sink get again what came since
	saveAfter = 16 * batchRecords // or so many records, if that is sooner
	sayEvery  = time.Minute       // bounds records and log lines about the shipping

	// closePoll is how often a shipper that is to end looks at its breaker.
	closePoll = 50 * time.Millisecond
)

// A Config says what is shipped where. Nothing in it may be zero but what
// package delivery has defaults for, and Unordered.
type Config struct {
	Name      string // of the exporter
	Sink      func(ctx context.Context, envelopes [][]byte) error
	Unordered bool

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

// A Shipper is an Exporter at work. One goroutine reads batches off the ledger,
// has others deliver them, and moves the cursor up to the first that is not dealt
// with.
type Shipper struct {
	Config
	reader *ledgerReader
	line   *delivery.Line
	key    atomic.Pointer[[]byte] // of the cursor

	ctx       context.Context // of the calls
	stop      context.CancelFunc
	finishing chan struct{}
	once      sync.Once
	done      chan struct{}
	more      chan struct{} // something was published, noticed or asked for

	mu     sync.Mutex
	end    segment.Place   // up to which the ledger is durable
	total  count           // of it
	cursor cursor          // all before it is dealt with
	asked  uint64          // records that somebody waits for
	first  time.Time       // when the first record came that was not yet read
	news   chan struct{}   // closed when the cursor moves, or the shipper ends
	notice *record.Breaker // of the breaker, not yet recorded
	again  rewinds
	err    error // of reading the ledger
	kept   error // of keeping the cursor

	oldest atomic.Pointer[time.Time] // of the first batch under way
	urgent atomic.Bool               // refusals are to be recorded without a rest

	// The goroutine's own.
	read    count         // up to where batches were made
	at      segment.Place // the same
	flying  []*shipment   // in the order of the ledger
	back    chan *shipment
	spare   []*shipment
	stuck   bool      // on a batch that could not be delivered to its end
	retryAt time.Time // of reading, after an error
	dirty   bool      // the cursor is not kept
	savedAt time.Time
	savedOf uint64 // cursor.records() then

	said     time.Time       // the last log line
	saidOf   uint64          // cursor.records() then
	tellAt   time.Time       // when a refusal may be recorded, if there is not more than one
	recordAt time.Time       // when a record may be tried, after one that could not be had
	telling  *record.Refusal // that is being recorded
	recorded <-chan error    // what came of that; nil without one
}

// A count is how much of a ledger.
type count struct {
	records uint64
	bytes   int64
}

// New returns the shipper of a ledger that is durable up to end and has so
// many records. The key is that of the cursor.
func New(cfg Config, key []byte, end segment.Place, records uint64) (*Shipper, error) {
	x := &Shipper{
		Config:    cfg,
		reader:    newLedgerReader(cfg.Dir),
		finishing: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1), news: make(chan struct{}),
		end: end, back: make(chan *shipment, cfg.Concurrency),
	}
	x.key.Store(&key)
	x.ctx, x.stop = context.WithCancel(context.Background())
	bytes, err := bytesBefore(x.Dir, end)
	if err != nil {
		return nil, err
	}
	x.total = count{records, bytes}
	switch c, err := loadCursor(x.Dir, x.Name, x.Ledger, key, end, records); {
	case err != nil:
		x.warn("an exporter begins anew, as its cursor cannot be used", "error", err)
		fallthrough
	case c == nil:
		x.cursor = newCursor(x.Name, x.Ledger)
	default:
		x.cursor = *c
	}
	x.at, x.read = x.cursor.place(), count{x.cursor.records(), x.cursor.Bytes}
	x.line = delivery.New(delivery.Config{
		Timeout: x.Timeout, MinBackoff: x.MinBackoff, MaxBackoff: x.MaxBackoff, Attempts: x.Attempts,
		Concurrency: x.Concurrency, OpenFor: x.OpenFor, NotifyEvery: sayEvery, Notify: x.breaker,
	})
	return x, nil
}

// warn logs what a person may have to see to.
func (x *Shipper) warn(msg string, args ...any) {
	x.Log(slog.LevelWarn, msg, append([]any{"exporter", x.Name}, args...)...)
}

// Extend says that the ledger is durable up to end, which is so much more than
// before.
func (x *Shipper) Extend(end segment.Place, records uint64, bytes int64) {
	x.mu.Lock()
	if x.first.IsZero() {
		x.first = time.Now()
	}
	x.end = end
	x.total.records += records
	x.total.bytes += bytes
	x.mu.Unlock()
	notify(x.more)
}

// SetKey has the cursor sealed with another key from now on.
func (x *Shipper) SetKey(key []byte) { x.key.Store(&key) }

// Stop ends Run as soon as the calls under way have ended, which it cancels. A
// Shipper that is never run must be stopped too.
func (x *Shipper) Stop() { x.stop() }

// Done returns a channel that is closed when Run has ended.
func (x *Shipper) Done() <-chan struct{} { return x.done }

// Finish lets the shipper end when everything is shipped, or its breaker is
// open.
func (x *Shipper) Finish() { x.once.Do(func() { close(x.finishing) }) }

func (x *Shipper) isFinishing() bool {
	select {
	case <-x.finishing:
		return true
	default:
		return false
	}
}

// Run ships until it is stopped, or has finished.
func (x *Shipper) Run() {
	defer close(x.done)
	defer x.stop()
	finishing := x.finishing
	for !x.ended() {
		x.dispatch()
		x.tell()
		x.keep()
		timer := time.NewTimer(x.due())
		select {
		case b := <-x.back:
			x.settle(b)
		case err := <-x.recorded:
			x.toldRefusal(err)
		case <-x.more:
		case <-finishing:
			finishing = nil
		case <-x.ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	x.stop()
	for len(x.flying) > 0 {
		x.settle(<-x.back)
	}
	select {
	case err := <-x.recorded:
		x.toldRefusal(err)
	default:
	}
	x.save()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.wake()
}

// ended reports whether there is nothing more to do, or nobody waits for it.
func (x *Shipper) ended() bool {
	if x.ctx.Err() != nil {
		return true
	}
	if !x.isFinishing() {
		return false
	}
	if x.line.State() != delivery.Closed {
		return true // nobody should wait for a sink that is known to be away
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cursor.records() >= x.total.records || x.err != nil && len(x.flying) == 0 || len(x.cursor.Refused) >= 4*maxRefusals
}

// due returns for how long there is nothing to do.
func (x *Shipper) due() time.Duration {
	wait := max(sayEvery-time.Since(x.said), 0)
	consider := func(d time.Duration) { wait = min(wait, max(d, 0)) }
	if x.isFinishing() {
		consider(closePoll)
	}
	if next := x.line.Tell(); next > 0 {
		consider(next)
	}
	if x.dirty {
		consider(saveEvery - time.Since(x.savedAt))
	}
	if n := len(x.cursor.Refused); n > 0 && x.telling == nil {
		next := x.recordAt
		if n == 1 && x.tellAt.After(next) && !x.urgent.Load() {
			next = x.tellAt
		}
		consider(time.Until(next))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.canRead() {
		consider(max(linger-time.Since(x.first), time.Until(x.retryAt)))
	}
	return wait
}

// canRead reports whether there is something to read, and to do with it. It
// needs x.mu.
func (x *Shipper) canRead() bool {
	return x.read.records < x.total.records && len(x.flying) < x.Concurrency && x.again.to == nil &&
		(len(x.cursor.Refused) < maxRefusals || x.isFinishing())
}

// dispatch has batches delivered, as many as may be under way.
func (x *Shipper) dispatch() {
	if x.again.to != nil && len(x.flying) == 0 {
		x.rewind()
	}
	for {
		x.mu.Lock()
		left := count{x.total.records - x.read.records, x.total.bytes - x.read.bytes}
		ready := x.canRead() && !time.Now().Before(x.retryAt) &&
			(left.records >= batchRecords || left.bytes >= batchBytes || time.Since(x.first) >= linger ||
				x.isFinishing() || x.asked > x.cursor.records())
		end := x.end
		x.mu.Unlock()
		if !ready {
			return
		}
		b := x.empty()
		err := x.reader.read(b, x.at, end)
		x.mu.Lock()
		x.err = err
		if x.first = (time.Time{}); x.total.records > x.read.records+uint64(len(b.ends)) { // some may have come meanwhile
			x.first = time.Now()
		}
		x.mu.Unlock()
		if err != nil {
			x.warn("an exporter cannot read the ledger", "error", err)
			x.retryAt = time.Now().Add(x.MaxBackoff)
			x.spare = append(x.spare, b)
			return
		}
		b.index = x.read.records
		x.at, x.read = b.at(len(b.ends)), count{x.read.records + uint64(len(b.ends)), x.read.bytes + b.bytes(len(b.ends))}
		x.flying = append(x.flying, b)
		x.age()
		go x.deliver(b)
	}
}

func (x *Shipper) empty() *shipment {
	if n := len(x.spare); n > 0 {
		b := x.spare[n-1]
		x.spare = x.spare[:n-1]
		b.reset()
		return b
	}
	return new(shipment)
}

// age notes how old the first batch under way is.
func (x *Shipper) age() {
	if len(x.flying) == 0 {
		x.oldest.Store(nil)
		return
	}
	b := x.flying[0]
	if !b.dated {
		b.dated = true
		if r, err := record.Parse(b.envelopes[0]); err == nil {
			b.time = r.Time
		}
	}
	since := b.time // b is used again while somebody looks
	x.oldest.Store(&since)
}

// settle takes back a batch and moves the cursor.
func (x *Shipper) settle(b *shipment) {
	b.landed = true
	for len(x.flying) > 0 && x.flying[0].landed {
		b := x.flying[0]
		x.flying = x.flying[1:]
		if !x.stuck {
			x.advance(b)
			if b.held != nil {
				x.goBack(*b.held)
			} else {
				x.stuck = b.left() > 0 // the shipper ends
			}
		}
		if !b.lent {
			x.spare = append(x.spare, b)
		}
	}
	x.age()
}

// advance moves the cursor over what was done of a batch.
func (x *Shipper) advance(b *shipment) {
	if b.done == 0 {
		return
	}
	c := x.cursor
	at := b.at(b.done)
	c.LastAt = at.Offset - int64(segment.FrameHeader+len(b.envelopes[b.done-1]))
	c.Segment, c.Offset, c.Last = at.Segment, at.Offset, leafOf(b.envelopes[b.done-1])
	c.Bytes += b.bytes(b.done)
	c.Shipped += uint64(b.done - b.refused)
	c.Parked += uint64(b.refused)
	x.dirty = true
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range b.refusals {
		c.refuse(&r, x.telling)
	}
	x.cursor = c
	x.wake()
}

// wake needs x.mu.
func (x *Shipper) wake() {
	close(x.news)
	x.news = make(chan struct{})
}

// keep keeps the cursor, but not too often.
func (x *Shipper) keep() {
	if x.dirty && (time.Since(x.savedAt) >= saveEvery || x.cursor.records()-x.savedOf >= saveAfter) {
		x.save()
	}
}

func (x *Shipper) save() {
	if !x.dirty {
		return
	}
	err := x.cursor.save(x.Disk, x.Dir, *x.key.Load())
	x.savedAt, x.savedOf = time.Now(), x.cursor.records()
	x.dirty = err != nil
	if err != nil {
		err = fmt.Errorf("evidence: exporter %s: cursor: %w", x.Name, err)
	}
	if err != nil && x.kept == nil {
		x.warn("an exporter's cursor cannot be kept: the sink will get records again after a restart", "error", err)
	}
	x.mu.Lock()
	x.kept = err
	x.mu.Unlock()
}

// notify leaves one token in a channel that holds one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
