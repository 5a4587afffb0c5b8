package evidence

import (
	"crypto/ed25519"
	"runtime"
	"sync"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

const (
	// maxGroup bounds the records of one write and sync, of which the last one is
	// always signed, and groupMemory their bytes.
	maxGroup    = record.MaxUnsigned + 1
	groupMemory = 1 << 20

	// groupCount is how many there are: one is being encoded, one signed, one
	// written, and the others are between.
	groupCount = 6

	// signChunk is how many records a signer takes at a time.
	signChunk = 8
)

// A group is records on their way to the disk: encoded by one goroutine, signed
// by some, written by another.
type group struct {
	payloads []byte
	ends     []int // of each payload
	session  *sessionKey

	frames  []byte // in the form that is written
	starts  []int  // of each frame
	leaves  []tiles.Hash
	seq     uint64 // of the last record
	endsRun bool   // a run ends in it

	signed sync.WaitGroup // for its chunks
}

func newGroup() *group { return new(group) }

func (b *group) reset(s *sessionKey) {
	b.payloads, b.ends = reusable(b.payloads)[:0], b.ends[:0]
	b.frames, b.starts, b.leaves = reusable(b.frames)[:0], b.starts[:0], b.leaves[:0]
	b.session, b.seq, b.endsRun = s, 0, false
}

func (b *group) count() int { return len(b.ends) }

func (b *group) full() bool { return len(b.ends) == maxGroup || len(b.payloads) >= groupMemory }

func (b *group) payload(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.payloads[from:b.ends[i]]
}

// layOut makes room for the frames, whose lengths follow from those of the
// payloads, so that each can be filled by itself.
func (b *group) layOut() {
	at := 0
	for i := range b.ends {
		b.starts = append(b.starts, at)
		signatures := 0
		if b.signs(i) {
			signatures = 1
		}
		at += segment.FrameHeader + record.EnvelopeSize(len(b.payload(i)), signatures)
	}
	if cap(b.frames) < at {
		b.frames = make([]byte, at, at+at/4)
	}
	b.frames = b.frames[:at]
	if cap(b.leaves) < len(b.ends) {
		b.leaves = make([]tiles.Hash, len(b.ends), maxGroup)
	}
	b.leaves = b.leaves[:len(b.ends)]
}

// signs reports whether record i carries a signature. The last one of a group
// always does, and so covers the others: each holds the hash of the one before.
func (b *group) signs(i int) bool {
	return b.session.signing == record.SignRecords || i == b.count()-1
}

// signAndFrame signs record i and writes its frame. The scratch is returned for
// the next.
func (b *group) signAndFrame(i int, scratch []byte) []byte {
	payload := b.payload(i)
	var sigs []record.Signature
	var one [1]record.Signature
	if b.signs(i) {
		scratch = record.AppendPAE(scratch[:0], payload)
		one[0] = record.Signature{KeyID: []byte(b.session.id), Sig: ed25519.Sign(b.session.key, scratch)}
		sigs = one[:]
	}
	frame := b.frames[b.starts[i]:]
	if i+1 < len(b.starts) {
		frame = b.frames[b.starts[i]:b.starts[i+1]]
	}
	env := record.AppendEnvelope(frame[segment.FrameHeader:segment.FrameHeader], payload, sigs...)
	if len(env) != len(frame)-segment.FrameHeader {
		panic("evidence: an envelope has another length than was laid out")
	}
	b.leaves[i] = tiles.LeafHash(env)
	segment.FillHeader(frame)
	return scratch
}

// single makes the group of one record that others than the session key sign.
func (b *group) single(payload []byte, sigs ...record.Signature) {
	env := record.AppendEnvelope(nil, payload, sigs...)
	b.ends = append(b.ends, 0)
	b.frames = segment.AppendFrame(b.frames, env)
	b.leaves = append(b.leaves, tiles.LeafHash(env))
}

// Signers sign groups, as many at a time as there are processors.
type signers struct {
	jobs    chan chunk
	running sync.WaitGroup
}

type chunk struct {
	b        *group
	from, to int
}

func newSigners() *signers {
	n := runtime.GOMAXPROCS(0)
	s := &signers{jobs: make(chan chunk, 2*n)}
	for range n {
		s.running.Go(func() {
			var scratch []byte
			for c := range s.jobs {
				for i := c.from; i < c.to; i++ {
					scratch = c.b.signAndFrame(i, scratch)
					runtime.Gosched() // calls come first
				}
				c.b.signed.Done()
			}
		})
	}
	return s
}

// sign has the group signed, which can be waited for.
func (s *signers) sign(b *group) {
	b.layOut()
	if n := b.count(); n <= signChunk { // somebody may wait for it
		var scratch []byte
		for i := range n {
			scratch = b.signAndFrame(i, scratch)
		}
		return
	}
	b.signed.Add((b.count() + signChunk - 1) / signChunk)
	for from := 0; from < b.count(); from += signChunk {
		s.jobs <- chunk{b, from, min(from+signChunk, b.count())}
	}
}

func (s *signers) stop() {
	close(s.jobs)
	s.running.Wait()
}
