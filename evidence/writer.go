package evidence

import (
	"cmp"
	"crypto"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

const (
	// minTick and maxTick are how long the writer lets records gather while
	// nobody waits for one: a tick trades syncs for latency that no call sees.
	// Where nothing comes, ticks get longer.
	minTick = 2 * time.Millisecond
	maxTick = 64 * time.Millisecond

	// The pauses between attempts at what fails.
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second

	// overflowAfter is how long the disk may hold up all groups before records go there.
	overflowAfter = 250 * time.Millisecond
)

// A writer turns events into signed frames on disk. One goroutine encodes and
// chains, some sign, one writes: the groups that it makes durable are those
// that were encoded a while ago.
type writer struct {
	queue    *queue
	store    *segment.Store
	overflow *overflow
	shippers []*ship.Shipper
	sealer   *sealer
	payloads *payloadStore // may be nil
	build    *builder
	disclose func(record.Disclosure)
	signing  record.Signing
	log      logger

	// The encoder's own.
	root        crypto.Signer
	session     *sessionKey
	forOverflow *group // for the overflow

	signers   *signers
	free      chan *group
	wakeWrite chan struct{} // there is something to write, or no more comes
	gaveUp    chan struct{} // closed: nothing will be written any more
	done      chan struct{}

	mu         sync.Mutex // held to add to the overflow, and to empty it
	inWrite    *group     // the one that is being written, unless it is of the overflow
	pending    []*group   // encoded, to be written in this order; none where the overflow is active
	allEncoded bool       // all there is

	inHand  atomic.Int64 // events that were taken and are not durable
	durable atomic.Uint64
	failure atomic.Pointer[error] // of the last attempt, if it failed
	fatal   atomic.Pointer[error] // nothing is written any more
}

func (w *writer) start() {
	w.signers = newSigners()
	w.free, w.wakeWrite = make(chan *group, groupCount), make(chan struct{}, 1)
	for range groupCount {
		w.free <- newGroup()
	}
	w.forOverflow = newGroup()
	w.gaveUp, w.done = make(chan struct{}), make(chan struct{})
	go w.sealer.run()
	go w.encode()
	go w.write()
}

func (w *writer) err() error {
	for _, e := range []*atomic.Pointer[error]{&w.fatal, &w.failure} {
		if p := e.Load(); p != nil {
			return *p
		}
	}
	return nil
}

// containPanic keeps a panic of ours from the agent: nothing is recorded any
// more, and calls that need a record are denied.
func (w *writer) containPanic() {
	v := recover()
	if v == nil {
		return
	}
	err := fmt.Errorf("evidence: the writer panicked: %v", v)
	w.fatal.Store(&err)
	w.log.warn("nothing is recorded any more", "error", err)
	w.queue.close()
	w.queue.acknowledge(math.MaxUint64, err)
}

// reportFailure says that records cannot be written, also to those who wait for
// one up to seq: whoever came later waits for the next attempt.
func (w *writer) reportFailure(err error, seq uint64) {
	if old := w.err(); old == nil || old.Error() != err.Error() {
		w.log.warn("records cannot be written", "error", err)
	}
	w.failure.Store(&err)
	w.queue.acknowledge(seq, err)
}

func (w *writer) reportRecovery() {
	if w.failure.Swap(nil) != nil {
		w.log.warn("records are written again")
	}
}

// encode makes groups of events until the queue is closed and empty, or nothing
// can be written any more.
func (w *writer) encode() {
	defer w.endEncoding()
	defer w.signers.stop()
	defer w.containPanic()
	var spare []event
	taken, tick := 0, minTick
	for {
		closed := w.queue.isClosed() // asked before taking: nothing comes after
		spare = w.queue.emptyEvents(spare, taken)
		events := w.queue.take(spare)
		if taken = len(events); taken == 0 {
			if closed {
				return
			}
			w.pause(tick)
			tick = min(2*tick, maxTick)
			continue
		}
		w.inHand.Add(int64(len(events)))
		if !w.encodeAll(events) {
			return
		}
		clear(events) // lets go of what they point to
		spare = events
		if tick = minTick; len(events) < maxGroup {
			w.pause(tick)
		}
	}
}

// pause waits, but not while somebody waits for a record.
func (w *writer) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.queue.encodeNow:
	case <-timer.C:
	case <-w.gaveUp:
	}
}

// encodeAll encodes events. What is encoded once is never encoded again: each
// record's hash is in the next.
func (w *writer) encodeAll(events []event) bool {
	var b *group
	for i := range events {
		e := &events[i]
		if e.kind == record.KindSession || e.kind == record.KindRotate {
			if b != nil && !w.signAndPush(b) {
				return false
			}
			b = nil
			if !w.writeKeyChange(e) {
				return false
			}
			continue
		}
		if b == nil {
			if b = w.emptyGroup(); b == nil {
				return false
			}
		}
		b.payloads = w.build.build(b.payloads, e)
		b.ends = append(b.ends, len(b.payloads))
		b.seq = e.seq
		b.endsRun = b.endsRun || e.kind == record.KindEnd
		w.handOutDisclosures()
		if b.full() || i == len(events)-1 {
			if !w.signAndPush(b) {
				return false
			}
			b = nil
		}
	}
	return b == nil || w.signAndPush(b)
}

func (w *writer) isGivenUp() bool {
	select {
	case <-w.gaveUp:
		return true
	default:
		return false
	}
}

// emptyGroup returns an empty group, nil where nothing is written any more. If
// the disk holds up all others it is one for the overflow.
func (w *writer) emptyGroup() *group {
	if w.overflow.isActive() {
		w.forOverflow.reset(w.session)
		return w.forOverflow
	}
	var b *group
	select {
	case b = <-w.free:
	default:
		timer := time.NewTimer(overflowAfter)
		defer timer.Stop()
		select {
		case b = <-w.free:
		case <-w.gaveUp:
			return nil
		case <-timer.C:
			b = w.forOverflow
		}
	}
	b.reset(w.session)
	return b
}

// signAndPush has a group signed and passes it on. It returns false if nothing is
// written any more.
func (w *writer) signAndPush(b *group) bool {
	if len(b.frames) == 0 {
		w.signers.sign(b)
	}
	if b != w.forOverflow {
		w.push(b)
		return true
	}
	retry := minRetry
	for {
		newest := w.queue.newest()
		err := w.moveToOverflow(b)
		if err == nil {
			return true
		}
		w.reportFailure(fmt.Errorf("the disk does not answer, and nor does the overflow file: %w", err), newest)
		free := w.free
		if w.overflow.isActive() { // what is in it comes first
			free, retry = nil, min(retry, overflowAfter)
		}
		timer := time.NewTimer(retry)
		select {
		case <-w.gaveUp:
			timer.Stop()
			return false
		case other := <-free: // the disk does
			timer.Stop()
			w.forOverflow = other
			w.push(b)
			return true
		case <-timer.C:
		}
		retry = min(2*retry, maxRetry)
	}
}

func (w *writer) push(b *group) {
	w.mu.Lock()
	w.pending = append(w.pending, b)
	w.mu.Unlock()
	notify(w.wakeWrite)
}

// moveToOverflow moves what is pending to the overflow, and b behind it, all or
// none. If the process dies, what stands there must follow what the segments
// have: they may never get what is being written, so that it comes first.
func (w *writer) moveToOverflow(b *group) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.overflow.append(w.inWrite, append(w.pending[:len(w.pending):len(w.pending)], b)...); err != nil {
		return err
	}
	for _, moved := range w.pending {
		w.free <- moved
	}
	w.pending = w.pending[:0]
	notify(w.wakeWrite)
	return nil
}

// endEncoding says that no more groups come.
func (w *writer) endEncoding() {
	w.mu.Lock()
	w.allEncoded = true
	w.mu.Unlock()
	notify(w.wakeWrite)
}

// write makes groups durable until there are no more, or the queue is closed
// and the disk fails.
func (w *writer) write() {
	defer close(w.done)
	defer func() { _ = w.store.Close() }() // what counts was synced
	defer w.overflow.close()
	defer w.sealer.close()
	func() {
		defer w.containPanic()
		for w.writeNext() {
		}
	}()
	close(w.gaveUp)
	for !w.hasEnded() {
		<-w.wakeWrite // until the encoder has ended too
	}
	w.queue.acknowledge(math.MaxUint64, cmp.Or(w.err(), ErrClosed))
}

func (w *writer) hasEnded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.allEncoded
}

// writeNext makes the oldest group durable, once there is one. It returns false
// when nothing is written any more.
func (w *writer) writeNext() bool {
	for {
		w.mu.Lock()
		var b *group
		if len(w.pending) > 0 {
			b = w.pending[0]
			w.inWrite = b
			w.pending = append(w.pending[:0], w.pending[1:]...)
		}
		ended := w.allEncoded
		w.mu.Unlock()
		switch {
		case b != nil:
			return w.writeGroup(b)
		case w.overflow.isActive():
			return w.writeOverflowed()
		case ended:
			return false
		}
		<-w.wakeWrite
	}
}

func (w *writer) writeGroup(b *group) bool {
	b.signed.Wait()
	ok := w.makeDurable(b.frames, groupEnd{seq: b.seq, count: b.count(), endsRun: b.endsRun, session: b.session}, b.leaves)
	if ok {
		w.mu.Lock()
		w.inWrite = nil
		w.mu.Unlock()
		w.free <- b
	}
	return ok
}

// writeOverflowed makes the oldest group of the overflow durable.
func (w *writer) writeOverflowed() bool {
	newest := w.queue.newest()
	frames, m, err := w.overflow.next()
	if err != nil {
		w.reportFailure(err, newest)
		w.pauseForDisk(minRetry)
		return !w.queue.isClosed()
	}
	var leaves []tiles.Hash
	if err := segment.EachFrame(frames, func(env []byte) { leaves = append(leaves, tiles.LeafHash(env)) }); err != nil {
		w.reportFailure(fmt.Errorf("%s: %w", segment.OverflowName, err), newest)
		w.pauseForDisk(minRetry)
		return !w.queue.isClosed()
	}
	if !w.makeDurable(frames, m, leaves) {
		return false
	}
	w.mu.Lock()
	err = w.overflow.markTaken()
	w.mu.Unlock()
	if err != nil {
		w.log.warn("the overflow file cannot be emptied", "error", err)
	}
	return true
}

// makeDurable makes frames durable, however long it takes, unless the queue is
// closed and the disk fails.
func (w *writer) makeDurable(frames []byte, m groupEnd, leaves []tiles.Hash) bool {
	retry := minRetry
	for {
		closed, newest := w.queue.isClosed(), w.queue.newest()
		err := w.store.Append(frames)
		if err == nil {
			break
		}
		w.reportFailure(err, newest)
		if closed {
			return false
		}
		w.pauseForDisk(retry)
		retry = min(2*retry, maxRetry)
	}
	w.reportRecovery()
	w.durable.Add(uint64(m.count))
	w.inHand.Add(-int64(m.count))
	w.queue.acknowledge(m.seq, nil)
	w.sealer.add(leaves, m.session, m.endsRun)
	for _, x := range w.shippers {
		x.Extend(w.store.End(), uint64(m.count), int64(len(frames)))
	}
	return true
}

// pauseForDisk waits between attempts at the disk, but not while somebody waits
// for a record.
func (w *writer) pauseForDisk(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.queue.writeNow:
	case <-w.queue.ending:
	}
}

// handOutDisclosures hands out the disclosures of the record that was encoded.
func (w *writer) handOutDisclosures() {
	for _, d := range w.build.disclosures {
		if w.payloads != nil {
			w.payloads.put(d.Commitment(), d)
		}
		if w.disclose == nil {
			continue
		}
		func() {
			defer func() { _ = recover() }() // a panic of the user's func must not stop us
			w.disclose(d)
		}()
	}
	clear(w.build.disclosures)
	w.build.disclosures = w.build.disclosures[:0]
}
