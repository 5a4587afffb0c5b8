package evidence

import (
	"crypto/rand"
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A waiter wants to know when a record is durable, or that it is not.
type waiter struct {
	seq  uint64
	done chan error // buffered: nobody may be there any more
}

// A queue holds events until the writer takes them. Callers never wait for the
// writer, nor wake it, which costs more than an event does: it looks by itself,
// unless somebody waits for a record or the room gets short. They wait for each
// other no longer than it takes to copy an event.
type queue struct {
	limit  int // events
	memory int // bytes kept alive

	encodeNow chan struct{} // the encoder should look now
	writeNow  chan struct{} // somebody waits: try the disk now
	ending    chan struct{} // closed with the queue

	mu        sync.Mutex
	events    []event
	kept      int
	alerted   bool       // the room got short, and the writer knows
	roomAgain chan error // closed when there is some again; nil where nobody waits for it
	waiters   []waiter
	seq       uint64     // of the last event
	durable   uint64     // up to which all are
	ended     bool       // no more are made durable
	lost      record.Gap // since the writer last took events
	lostAll   uint64
	wall      func() time.Time
	began     time.Time
	closed    bool

	mono time.Duration // of the last event

	// The session that signs what comes next, in seconds of the wall clock.
	notBefore, notAfter int64
}

func newQueue(limit, memory int) *queue {
	return &queue{
		events: make([]event, 0, min(limit, minRoom)), limit: limit, memory: memory, wall: time.Now, began: time.Now(),
		encodeNow: make(chan struct{}, 1), writeNow: make(chan struct{}, 1), ending: make(chan struct{}),
	}
}

// minRoom is for how many events there is room from the beginning. The writer
// makes more as it comes to be needed: for callers that would be a long time
// under the lock, and more if the garbage collector has them help.
const minRoom = 1024

// emptyEvents returns an empty slice to take events in, in place of one that
// had as many as taken. Made of spare where that is large enough.
func (q *queue) emptyEvents(spare []event, taken int) []event {
	if want := min(q.limit, max(minRoom, 4*taken)); cap(spare) < want {
		return make([]event, 0, want)
	}
	return spare[:0]
}

// lock takes the lock. It is held for less than a microsecond, and to be parked
// and woken takes many times that where the processors are busy: so callers try
// for a while.
func (q *queue) lock() {
	for range 100 {
		if q.mu.TryLock() {
			return
		}
	}
	q.mu.Lock()
}

// errCalledTwice is that a call's intent is there already.
var errCalledTwice = errors.New("evidence: an interceptor outside of the recorder called next twice")

// begin is put for the intent of a call of a run. A start before it is left out
// where the run has begun. A call begins once: else the error is errTwice.
func (q *queue) begin(wait bool, of *middleware.Run, start, intent *event) (done chan error, err error) {
	q.lock()
	defer q.mu.Unlock()
	run := intent.run
	if run.of == nil {
		run.of, run.id = of, runID(of)
	}
	if start == nil || run.seq > 0 {
		return q.insert(wait, intent, nil)
	}
	return q.insert(wait, start, intent)
}

// put queues a, and b behind it if that is not nil, both or none; they are of
// one run. If there is no room they are lost, and the numbers that they were
// given say so. Where wait is set, it returns a channel that says when the last
// of them is durable; if there is no room, nothing is lost, and the channel is
// closed when put can be tried again.
func (q *queue) put(wait bool, a, b *event) (done chan error, err error) {
	q.lock()
	defer q.mu.Unlock()
	if b != nil && b.kind == record.KindEnd {
		if b.run.ended {
			b = nil // a call that only says that it is the root
		} else {
			b.run.ended = true
		}
	}
	return q.insert(wait, a, b)
}

// endRun is put for the end of a run that went on after its root call.
func (q *queue) endRun(end *event) {
	q.lock()
	defer q.mu.Unlock()
	if !end.run.ended {
		end.run.ended = true
		_, _ = q.insert(false, end, nil)
	}
}

// putStatement puts a record of what somebody else than a caller has to say,
// unless the queue is closed.
func (q *queue) putStatement(kind record.Kind, body any, wait bool) (<-chan error, error) {
	if q.isClosed() {
		return nil, ErrClosed // and nothing is lost by it
	}
	return q.put(wait, &event{kind: kind, body: body}, nil)
}

// insert needs q.mu.
func (q *queue) insert(wait bool, a, b *event) (done chan error, err error) {
	n, kept, last := 1, a.kept, a
	if b != nil {
		n, kept, last = 2, kept+b.kept, b
	}
	if q.closed {
		q.lostAll += uint64(n)
		return nil, ErrClosed
	}
	// What is larger than the bounds by itself gets into an empty queue. Once
	// something is lost nothing gets in until the writer has taken what there
	// is: one gap stands for it all, at the end.
	full := q.lost.Count > 0 || len(q.events) > 0 &&
		(len(q.events)+n > q.limit || q.kept+kept > q.memory)
	if full && wait {
		if q.roomAgain == nil {
			q.roomAgain = make(chan error)
		}
		notify(q.encodeNow)
		notify(q.writeNow)
		return q.roomAgain, ErrFull
	}
	if last.kind == record.KindIntent && !last.run.markBegun(last.call.id) {
		return nil, errCalledTwice
	}
	now := q.now() // under the lock: in order
	if !full && a.kind != record.KindSession {
		q.renew(now)
	}
	q.add(a, now, full)
	if b != nil {
		q.add(b, now, full)
	}
	if full {
		return nil, ErrFull
	}
	q.kept += kept
	switch {
	case wait:
		done = make(chan error, 1)
		q.waiters = append(q.waiters, waiter{q.seq, done})
		notify(q.encodeNow)
		notify(q.writeNow)
	case !q.alerted && (len(q.events) > cap(q.events)/2 || q.kept > q.memory/2):
		q.alerted = true
		notify(q.encodeNow)
	}
	return done, nil
}

// A moment is a time by both clocks: the one that people set, and the one that
// never steps back.
type moment struct {
	wall time.Time
	mono time.Duration
}

// now needs q.mu, so that records are in the order of their times.
func (q *queue) now() moment {
	wall := q.wall()
	mono := wall.Sub(q.began)
	if mono < q.mono { // a clock that has no monotonic reading
		mono = q.mono
	}
	q.mono = mono
	return moment{wall, mono}
}

// elapsed returns the time since the queue was made.
func (q *queue) elapsed() time.Duration { return time.Since(q.began) }

// runID returns the ID of a run, or one of our own where somebody set another:
// of two runs with one ID a verifier would make one that begins twice.
func runID(run *middleware.Run) string {
	other := func(c rune) bool { return (c < 'A' || c > 'Z') && (c < '2' || c > '7') }
	if len(run.ID) != 26 || strings.ContainsFunc(run.ID, other) { // as rand.Text makes it
		return rand.Text()
	}
	return run.ID
}

// add needs q.mu.
func (q *queue) add(e *event, now moment, full bool) {
	q.seq++
	e.seq, e.at, e.mono = q.seq, now.wall, now.mono
	if e.run != nil {
		e.run.seq++
		e.runSeq = e.run.seq
		if e.kind == record.KindIntent {
			e.run.calls++
		}
		e.calls = e.run.calls
	}
	if full {
		q.lose(e.seq, "the queue was full")
		return
	}
	if e.kind == record.KindSession {
		s := e.body.(record.Session)
		s.NotBefore = now.wall.Add(-sessionSlack).Round(0).UTC().Truncate(time.Second)
		s.NotAfter = s.NotBefore.Add(sessionLife)
		q.notBefore, q.notAfter = s.NotBefore.Unix(), s.NotAfter.Unix()
		e.body = s
	}
	if len(q.events) == cap(q.events) { // the writer does not come
		q.events = append(make([]event, 0, max(q.limit, 2*len(q.events))), q.events...)
	}
	q.events = append(q.events, *e)
}

// renew begins another session where now is outside of the one that there is,
// because that was long enough or because the clock was set. It needs q.mu.
func (q *queue) renew(now moment) {
	if t := now.wall.Unix(); t <= q.notBefore || t >= q.notAfter {
		q.add(&event{kind: record.KindSession, body: record.Session{}}, now, false)
	}
}

// lose needs q.mu.
func (q *queue) lose(seq uint64, reason string) {
	if q.lost.Count == 0 {
		q.lost = record.Gap{From: seq, Reason: reason}
	}
	q.lost.To = seq
	q.lost.Count++
	q.lostAll++
}

// take returns the queued events, with a gap for what was lost after them: while
// there was no room nothing got in. Callers go on with spare, which is empty.
func (q *queue) take(spare []event) []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.roomAgain != nil {
		close(q.roomAgain)
		q.roomAgain = nil
	}
	if len(q.events) == 0 && q.lost.Count == 0 {
		return nil
	}
	taken := q.events
	q.events, q.kept, q.alerted = spare, 0, false
	if q.lost.Count > 0 {
		now := q.now()
		gap := q.lost
		q.lost = record.Gap{}
		if t := now.wall.Unix(); t <= q.notBefore || t >= q.notAfter {
			now.wall = taken[len(taken)-1].at // the gap must come right after what it declares
		}
		q.seq++
		taken = append(taken, event{kind: record.KindGap, seq: q.seq, at: now.wall, mono: now.mono, body: gap})
	}
	return taken
}

// acknowledge tells those who wait for a record up to seq that it is durable, or
// with an error why it is not.
func (q *queue) acknowledge(seq uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil {
		q.durable = seq
	}
	q.ended = q.ended || seq == math.MaxUint64
	rest := q.waiters[:0]
	for _, w := range q.waiters {
		if w.seq <= seq {
			w.done <- err
		} else {
			rest = append(rest, w)
		}
	}
	clear(q.waiters[len(rest):])
	q.waiters = rest
}

// barrier returns a channel that says when all events so far are durable, or with
// an error why they are not.
func (q *queue) barrier() <-chan error {
	q.mu.Lock()
	defer q.mu.Unlock()
	done := make(chan error, 1)
	switch {
	case q.durable >= q.seq:
		done <- nil
	case q.ended:
		done <- ErrClosed
	default:
		q.waiters = append(q.waiters, waiter{q.seq, done})
		notify(q.encodeNow)
		notify(q.writeNow)
	}
	return done
}

// newest returns the number of the last event.
func (q *queue) newest() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.seq
}

// close refuses all further events.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.ending)
		if q.roomAgain != nil {
			close(q.roomAgain)
			q.roomAgain = nil
		}
	}
	notify(q.encodeNow)
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// length returns how many events are queued, and how many were lost for good.
func (q *queue) length() (queued int, lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events), q.lostAll
}

// notify leaves one token in a channel that holds one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
