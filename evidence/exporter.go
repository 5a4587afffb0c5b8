package evidence

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker"
)

// A Sink takes records elsewhere. It gets signed envelopes, each one line of
// JSON without a newline, in the order of the ledger, and returns nil once it
// has taken all of them for good. Any error means that the same envelopes come
// again, alone or with others: a Sink must recognise what it has by
// [Record.ID], and raise an alarm where a writer and seq that it has come with
// another payload.
//
// A Sink should return when ctx ends, which it does after 30 seconds. It is not
// called again before it has returned. It may keep the envelopes and must not
// modify them. No call of an agent ever waits for it.
type Sink func(ctx context.Context, envelopes [][]byte) error

const (
	batchRecords = 256
	batchBytes   = 1 << 20

	attemptTimeout = 30 * time.Second       // bound on one call of the sink
	minPause       = 500 * time.Millisecond // after a first failure; doubles
	maxPause       = 30 * time.Second

	tripAfter  = 5                // failures in a row that open the breaker
	openFor    = 30 * time.Second // until it lets a probe through
	probePause = time.Second      // between looks at an open breaker
)

// errStopped means that it was us who broke off an attempt.
var errStopped = errors.New("evidence: the exporter was stopped")

// An exporter ships the ledger to a sink, from its beginning. It reads the files
// behind a cursor: while the sink is away the cursor waits, and nothing is
// buffered, dropped or too old. The cursor lives in memory, so that a later
// Recorder ships everything again.
type exporter struct {
	dir     string
	sink    Sink
	breaker *gobreaker.CircuitBreaker
	state   atomic.Int32 // of the breaker

	ctx       context.Context // of the attempts
	stop      context.CancelFunc
	finishing chan struct{}
	once      sync.Once
	done      chan struct{}

	more chan struct{} // something was published
	mu   sync.Mutex
	end  place // up to which the ledger is durable

	cursor place
	reader *bufio.Reader
	hung   chan error // the answer of a call that did not return in time

	durable, shipped, attempts, failures atomic.Uint64
	lastErr                              atomic.Pointer[error]
}

func newExporter(dir string, sink Sink, records uint64) *exporter {
	x := &exporter{
		dir: dir, sink: sink,
		finishing: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1),
		reader: bufio.NewReaderSize(nil, 2*(frameHeader+MaxEnvelope)),
	}
	x.ctx, x.stop = context.WithCancel(context.Background())
	x.durable.Store(records)
	x.breaker = gobreaker.NewCircuitBreaker(gobreaker.Settings{
		// No Interval: with one, failures that come slowly never trip it.
		Timeout:     openFor,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		// Called under the breaker's lock: whatever uses the breaker here, or
		// waits for someone who does, deadlocks.
		OnStateChange: func(_ string, _, to gobreaker.State) { x.state.Store(int32(to)) },
		IsSuccessful:  func(err error) bool { return err == nil || errors.Is(err, errStopped) },
	})
	return x
}

// publish says that the ledger is durable up to end, with n records more.
func (x *exporter) publish(end place, n int) {
	x.mu.Lock()
	x.end = end
	x.mu.Unlock()
	x.durable.Add(uint64(n))
	notify(x.more)
}

// finish lets the exporter end when everything is shipped, or its breaker is
// open.
func (x *exporter) finish() { x.once.Do(func() { close(x.finishing) }) }

func (x *exporter) isFinishing() bool {
	select {
	case <-x.finishing:
		return true
	default:
		return false
	}
}

func (x *exporter) stats(s *Stats) {
	s.Shipped, s.Attempts, s.Failures = x.shipped.Load(), x.attempts.Load(), x.failures.Load()
	if durable := x.durable.Load(); durable > s.Shipped {
		s.Unshipped = durable - s.Shipped
	}
	s.Breaker = gobreaker.State(x.state.Load()).String()
	if p := x.lastErr.Load(); p != nil {
		s.SinkErr = *p
	}
}

func (x *exporter) run() {
	defer close(x.done)
	defer x.stop()
	pause := minPause
	for {
		batch, next, err := x.read()
		if err == nil && len(batch) == 0 {
			if !x.await() {
				return
			}
			continue
		}
		if err == nil {
			err = x.ship(batch)
		}
		if err == nil {
			x.cursor, pause = next, minPause
			x.shipped.Add(uint64(len(batch)))
			x.lastErr.Store(nil)
			continue
		}
		wait := pause
		if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
			if x.isFinishing() {
				return // nobody should wait for a sink that is known to be away
			}
			wait = probePause
		} else {
			if !errors.Is(err, errStopped) {
				x.lastErr.Store(&err)
			}
			pause = min(2*pause, maxPause)
		}
		if !x.sleep(wait) {
			return
		}
	}
}

// await waits for something to ship. It returns false when there will be
// nothing.
func (x *exporter) await() bool {
	select {
	case <-x.more:
		return true
	default:
	}
	select {
	case <-x.more:
		return true
	case <-x.finishing:
		// What was published before that is in x.more.
		select {
		case <-x.more:
			return true
		default:
			return false
		}
	case <-x.ctx.Done():
		return false
	}
}

// sleep waits, and returns false when the exporter is to stop.
func (x *exporter) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// ship has the sink take the batch, if the breaker lets it.
func (x *exporter) ship(batch [][]byte) error {
	_, err := x.breaker.Execute(func() (any, error) {
		x.attempts.Add(1)
		err := x.attempt(batch)
		if err != nil && !errors.Is(err, errStopped) {
			x.failures.Add(1)
		}
		return nil, err
	})
	return err
}

// attempt calls the sink and waits for it, but not longer than it may take: a
// probe that hangs would keep the breaker half-open for ever. A call that did
// not return is left alone, and no other is made before it does.
func (x *exporter) attempt(batch [][]byte) error {
	if x.hung != nil {
		select {
		case <-x.hung: //nolint:errcheck // its answer came too late to count
			x.hung = nil
		default:
			return errors.New("evidence: the sink has not returned from an earlier call")
		}
	}
	ctx, cancel := context.WithTimeout(x.ctx, attemptTimeout)
	defer cancel()
	answer := make(chan error, 1)
	go func() {
		err := errors.New("evidence: the sink ended its goroutine")
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("evidence: the sink panicked with a %T", v)
			}
			answer <- err
		}()
		err = x.sink(ctx, batch)
	}()
	select {
	case err := <-answer:
		if err != nil && x.ctx.Err() != nil {
			return errStopped
		}
		return err
	case <-ctx.Done():
		x.hung = answer
		if x.ctx.Err() != nil {
			return errStopped
		}
		return fmt.Errorf("evidence: the sink did not return within %v", attemptTimeout)
	}
}

// read returns the envelopes after the cursor, and the cursor after them. There
// are none where the cursor is at the end of what is durable.
func (x *exporter) read() (batch [][]byte, next place, err error) {
	x.mu.Lock()
	end := x.end
	x.mu.Unlock()
	next = x.cursor
	if next == (place{}) {
		ns, err := listSegments(x.dir)
		if err != nil || len(ns) == 0 {
			return nil, next, errors.Join(err, errors.New("evidence: export: no segment"))
		}
		next = place{segment: ns[0]}
	}
	for next.segment < end.segment || next.segment == end.segment && next.offset < end.offset {
		batch, next, err = x.readSegment(next, end)
		if err != nil {
			return nil, next, fmt.Errorf("evidence: export: segment %d: %w", next.segment, err)
		}
		if len(batch) > 0 {
			return batch, next, nil
		}
		next = place{segment: next.segment + 1}
	}
	return nil, next, nil
}

// readSegment reads on in one segment, up to its end or to that of what is
// durable.
func (x *exporter) readSegment(at, end place) (batch [][]byte, next place, err error) {
	f, err := os.Open(segmentPath(x.dir, at.segment))
	if err != nil {
		return nil, at, err
	}
	defer func() { _ = f.Close() }() // only read
	if at.offset == 0 {
		at.offset = int64(len(segmentHeader))
	}
	if _, err := f.Seek(at.offset, io.SeekStart); err != nil {
		return nil, at, err
	}
	var r io.Reader = f
	if at.segment == end.segment {
		r = io.LimitReader(f, end.offset-at.offset)
	}
	x.reader.Reset(r)
	fr := &frameReader{r: x.reader, off: at.offset}
	for size := 0; len(batch) < batchRecords && size < batchBytes; {
		env, _, err := fr.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, at, err
		}
		batch = append(batch, append([]byte(nil), env...))
		size += len(env)
	}
	return batch, place{at.segment, fr.off}, nil
}
