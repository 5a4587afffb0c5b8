package evidence

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A frame is what stands at one place of a ledger. What it points to, but for
// the record and the session, is valid until the visit that gets it returns.
type frame struct {
	at  segment.Place
	bad *segment.FrameError // what is there is no frame; all else is not set then

	env     []byte
	leaf    tiles.Hash  // of env, in the Merkle tree
	hash    record.Hash // of the payload
	subject record.Subject
	record  *record.Record
	signed  bool     // by a key that may
	session *session // in force, the one that the record begins included
	err     error    // a *record.Error; there is no record then

	from, to int  // env in its batch
	done     bool // opened by the reader
}

// damageOf says what is wrong with a ledger where it has bytes that are no frame.
func damageOf(e *segment.FrameError) record.Damage {
	if e.Torn {
		return record.DamageTruncated
	}
	return record.DamageEdited
}

// The bounds of a batch: what one worker opens at a time.
const (
	scanFrames = 128
	scanBytes  = 256 << 10
)

type batch struct {
	frames []frame
	data   []byte // the envelopes
	read   int64  // bytes of the ledger, up to its end
	opened chan struct{}
}

// A scanner reads the frames of a ledger, opens their envelopes in parallel and
// hands them on in order. Its memory does not grow with the ledger.
//
// One goroutine reads. As it needs to know which session key the next records
// are signed with, it opens those itself that are not the routine of the session
// in force, one after the other; all others it leaves to the workers.
type scanner struct {
	dir  string
	keys *keyring // nil: signatures are not looked at

	todo  chan *batch // for the workers
	order chan *batch // the same, for whoever visits
	free  chan *batch
	stop  chan struct{}
	err   error // of the reader, once order is closed
}

// scan calls visit for each frame of the ledger in dir, in order, until it
// returns false. It says how many bytes have been read so far. The error is of a
// ledger that cannot be read any further; what was read before it has been
// visited.
//
// A writer that opens its own ledger again scans it without a keyring, which is
// cheap: see reopening.
func scan(dir string, ring *keyring, visit func(f *frame, read int64) bool) error {
	workers := runtime.GOMAXPROCS(0)
	n := 2*workers + 2
	s := &scanner{
		dir: dir, keys: ring,
		todo: make(chan *batch, n), order: make(chan *batch, n), free: make(chan *batch, n), stop: make(chan struct{}),
	}
	for range n {
		s.free <- &batch{opened: make(chan struct{}, 1)}
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(s.work)
	}
	running.Go(s.read)
	defer running.Wait()
	defer close(s.stop) // also where visit panics
	for b := range s.order {
		<-b.opened
		for i := range b.frames {
			if !visit(&b.frames[i], b.read) {
				return nil
			}
		}
		s.free <- b
	}
	return s.err
}

// read fills batches.
func (s *scanner) read() {
	defer close(s.order)
	defer close(s.todo)
	var b *batch
	next := func() bool {
		select {
		case b = <-s.free:
			clear(b.frames)
			b.frames, b.data = b.frames[:0], b.data[:0]
			return true
		case <-s.stop:
			return false
		}
	}
	send := func() { // neither blocks: there are no more batches than that
		for i := range b.frames {
			f := &b.frames[i]
			f.env = b.data[f.from:f.to:f.to]
		}
		s.todo <- b
		s.order <- b
	}
	if !next() {
		return
	}
	before, size := int64(0), int64(0)
	s.err = segment.Walk(s.dir, func(at segment.Place, env []byte, err error) bool {
		f := frame{at: at, from: len(b.data), to: len(b.data) + len(env)}
		if !errors.As(err, &f.bad) {
			s.keys.meet(&f, env)
		}
		b.data = append(b.data, env...)
		b.frames = append(b.frames, f)
		b.read = before + at.Offset + segment.FrameHeader + int64(len(env))
		if len(b.frames) < scanFrames && len(b.data) < scanBytes {
			return true
		}
		send()
		return next()
	}, func(n int64) { before, size = before+size, n })
	if b != nil && len(b.frames) > 0 && s.alive() {
		b.read = before + size
		send()
	}
}

func (s *scanner) alive() bool {
	select {
	case <-s.stop:
		return false
	default:
		return true
	}
}

// work opens the envelopes of batches.
func (s *scanner) work() {
	var e record.Envelope
	for b := range s.todo {
		for i := range b.frames {
			if f := &b.frames[i]; f.bad == nil {
				f.leaf = tiles.LeafHash(f.env)
				if !f.done {
					f.open(&e)
				}
			}
		}
		b.opened <- struct{}{}
	}
}

// meet looks at the next envelope of a ledger, and opens it unless the session
// in force can judge it alone.
func (ring *keyring) meet(f *frame, env []byte) {
	if ring == nil {
		return
	}
	if ring.session.routine(env) {
		f.session = ring.session
	} else {
		ring.open(f, env)
		f.done = true
	}
	ring.records++
}

// open parses the envelope, checks its signatures where there is a session to
// check them with, and only then parses the payload.
func (f *frame) open(e *record.Envelope) {
	if f.err = e.Parse(f.env); f.err != nil {
		return
	}
	if f.session != nil {
		if f.signed, f.err = f.session.check(e); f.err != nil {
			return
		}
	} else {
		f.signed = len(e.Signatures) > 0
	}
	f.hash = sha256.Sum256(e.Payload)
	if f.subject, f.record, f.err = e.Record(); f.err != nil || f.session == nil {
		return
	}
	if f.err = f.session.allows(f.record.Kind, f.signed); f.err != nil {
		f.record = nil
	}
}
