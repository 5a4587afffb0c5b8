package chain

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A Frame is what stands at one place of a ledger. What it points to, but for
// the record and the session, is valid until the visit that gets it returns.
type Frame struct {
	At  segment.Place
	Bad *segment.FrameError // what is there is no frame; all else is not set then

	Env     []byte
	Leaf    tiles.Hash  // of Env, in the Merkle tree
	Hash    record.Hash // of the payload
	Subject record.Subject
	Record  *record.Record
	Signed  bool     // by a key that may
	Session *Session // in force, the one that the record begins included
	Err     error    // a *record.Error; there is no record then

	from, to int  // Env in its batch
	done     bool // opened by the reader
}

// DamageOf says what is wrong with a ledger where it has bytes that are no frame.
func DamageOf(e *segment.FrameError) record.Damage {
	if e.Torn {
		return record.DamageTruncated
	}
	return record.DamageEdited
}

// The bounds of a batch: what one worker opens at a time.
const (
	ScanFrames = 128
	scanBytes  = 256 << 10
)

type batch struct {
	frames []Frame
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
	keys *Keyring // nil: signatures are not looked at

	todo  chan *batch // for the workers
	order chan *batch // the same, for whoever visits
	free  chan *batch
	stop  chan struct{}
	err   error // of the reader, once order is closed
}

// Scan calls visit for each frame of the ledger in dir, in order, until it
// returns false. It says how many bytes have been read so far. The error is of a
// ledger that cannot be read any further; what was read before it has been
// visited.
//
// The keyring follows the records; without one, which is cheap, no signature is
// looked at.
func Scan(dir string, ring *Keyring, visit func(f *Frame, read int64) bool) error {
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
			f.Env = b.data[f.from:f.to:f.to]
		}
		s.todo <- b
		s.order <- b
	}
	if !next() {
		return
	}
	before, size := int64(0), int64(0)
	s.err = segment.Walk(s.dir, func(at segment.Place, env []byte, err error) bool {
		f := Frame{At: at, from: len(b.data), to: len(b.data) + len(env)}
		if !errors.As(err, &f.Bad) {
			s.keys.take(&f, env)
		}
		b.data = append(b.data, env...)
		b.frames = append(b.frames, f)
		b.read = before + at.Offset + segment.FrameHeader + int64(len(env))
		if len(b.frames) < ScanFrames && len(b.data) < scanBytes {
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
			if f := &b.frames[i]; f.Bad == nil {
				f.Leaf = tiles.LeafHash(f.Env)
				if !f.done {
					f.Open(&e)
				}
			}
		}
		b.opened <- struct{}{}
	}
}

// take looks at the next envelope of a ledger, and opens it unless the session
// in force can judge it alone.
func (ring *Keyring) take(f *Frame, env []byte) {
	if ring == nil {
		return
	}
	if ring.Session.Routine(env) {
		f.Session = ring.Session
	} else {
		ring.Open(f, env)
		f.done = true
	}
	ring.Records++
}

// Open parses the envelope, checks its signatures where there is a session to
// check them with, and only then parses the payload.
func (f *Frame) Open(e *record.Envelope) {
	if f.Err = e.Parse(f.Env); f.Err != nil {
		return
	}
	if f.Session != nil {
		if f.Signed, f.Err = f.Session.check(e); f.Err != nil {
			return
		}
	} else {
		f.Signed = len(e.Signatures) > 0
	}
	f.Hash = sha256.Sum256(e.Payload)
	if f.Subject, f.Record, f.Err = e.Record(); f.Err != nil || f.Session == nil {
		return
	}
	if f.Err = f.Session.allows(f.Record.Kind, f.Signed); f.Err != nil {
		f.Record = nil
	}
}
