package evidence

import (
	"crypto/ed25519"
	"sync/atomic"
	"time"
)

const (
	// linger is how long the writer lets records gather while nobody waits for
	// one: it trades syncs for latency that no call sees.
	linger = 2 * time.Millisecond

	// maxBatch bounds the records of one write and sync.
	maxBatch = 256

	// The pauses between attempts to write to a disk that fails.
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second
)

// A writer turns events into signed frames on disk, in one goroutine.
type writer struct {
	queue    *queue
	store    *store
	exporter *exporter // may be nil
	build    *builder
	key      ed25519.PrivateKey
	keyID    string
	origin   string
	disclose func(Disclosure)
	done     chan struct{}

	events []event // taken, from next on not encoded yet
	next   int
	frames []byte // encoded, not durable yet
	count  int    // of frames
	seq    uint64 // of the last of them
	pae    []byte
	env    []byte

	inHand  atomic.Int64 // events and frames
	durable atomic.Uint64
	failure atomic.Pointer[error]
}

func newWriter(s *store, q *queue, x *exporter, key ed25519.PrivateKey, origin string, disclose func(Disclosure)) *writer {
	contents := newCommitter()
	id, err := newID(contents.random)
	if err != nil {
		panic("evidence: " + err.Error()) // crypto/rand does not fail
	}
	return &writer{
		queue: q, store: s, exporter: x, key: key, keyID: KeyID(key.Public().(ed25519.PublicKey)),
		origin: origin, disclose: disclose, done: make(chan struct{}),
		build: &builder{ledger: origin, writer: id, contents: contents, disclose: disclose != nil, began: q.began},
	}
}

func (w *writer) err() error {
	if p := w.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// run writes until the queue is closed and empty, or closed and the disk fails.
func (w *writer) run() {
	defer close(w.done)
	defer func() { _ = w.store.close() }() // what counts was synced
	retry := minRetry
	for {
		closed := w.queue.isClosed() // asked before taking: nothing comes after
		if w.next == len(w.events) {
			w.events, w.next = w.queue.take(w.spare()), 0
			w.inHand.Add(int64(len(w.events)))
		}
		if w.next == len(w.events) && w.count == 0 {
			if closed {
				return
			}
			w.idle()
			continue
		}
		err := w.encode()
		if err == nil {
			err = w.commit()
		}
		if err == nil {
			w.failure.Store(nil)
			w.queue.acknowledge(w.seq, nil)
			retry = minRetry
			continue
		}
		w.failure.Store(&err)
		w.queue.acknowledge(0, err)
		if closed {
			return
		}
		w.pause(retry)
		retry = min(2*retry, maxRetry)
	}
}

// spare returns the room that the events took, empty.
func (w *writer) spare() []event {
	clear(w.events) // lets go of what they point to
	return w.events[:0]
}

// idle waits until there is something to write, and a little longer unless
// somebody waits for it.
func (w *writer) idle() {
	select {
	case <-w.queue.urgent:
	case <-w.queue.wake:
		w.pause(linger)
	}
}

// pause waits, but not while somebody waits for a record.
func (w *writer) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.queue.urgent:
	case <-timer.C:
	}
}

// encode makes frames of the next events. What is encoded once is never encoded
// again: each record's hash is in the next.
func (w *writer) encode() error {
	for w.next < len(w.events) && w.count < maxBatch {
		e := &w.events[w.next]
		_, payload, err := w.build.build(e)
		if err != nil {
			return err
		}
		w.pae = appendPAE(w.pae[:0], payload)
		w.env = appendEnvelope(w.env[:0], payload, w.keyID, ed25519.Sign(w.key, w.pae))
		w.frames = appendFrame(w.frames, w.env)
		w.seq = e.seq
		w.count++
		w.next++
	}
	return nil
}

// commit makes the frames durable.
func (w *writer) commit() error {
	err := w.store.append(w.frames)
	w.reveal()
	if err != nil {
		return err
	}
	w.durable.Add(uint64(w.count))
	w.inHand.Add(-int64(w.count))
	if w.exporter != nil {
		w.exporter.publish(place{w.store.segment, w.store.size}, w.count)
	}
	w.frames, w.count = keep(w.frames)[:0], 0
	return nil
}

// reveal hands out the disclosures of the records that were encoded.
func (w *writer) reveal() {
	for _, d := range w.build.disclosures {
		func() {
			defer func() { _ = recover() }() // not ours to fail by
			w.disclose(d)
		}()
	}
	clear(w.build.disclosures)
	w.build.disclosures = w.build.disclosures[:0]
}
