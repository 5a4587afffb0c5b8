package evidence

import (
	"crypto/ed25519"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

const (
	// sealEvery is how long a record waits for a checkpoint that covers it,
	// sealSoon the end of a run.
	sealEvery = time.Second
	sealSoon  = 50 * time.Millisecond

	// announceEvery is how often a checkpoint goes to the log.
	announceEvery = time.Minute
)

// A sealer keeps the Merkle tree of what is durable, and signs its head. It has
// a goroutine of its own: no record waits for it.
type sealer struct {
	dir     string
	disk    *segment.Disk
	holds   func() error // the directory has the ledger still
	origin  string
	log     logger
	publish func(checkpoint []byte)
	low     int64 // bytes; below them the disk counts as nearly full

	wake     chan struct{}
	runEnded chan struct{}
	quit     chan struct{}
	done     chan struct{}

	mu      sync.Mutex
	pending []tiles.Hash
	session *sessionKey

	// The goroutine's own.
	tree      tiles.Tree
	writer    *tiles.Writer
	broken    bool // the writer failed; the next opening makes up for it
	spare     []tiles.Hash
	sealed    int64 // size of the newest checkpoint
	failing   bool
	announced time.Time

	checkpoint atomic.Pointer[[]byte]
	free       atomic.Int64
	lowSpace   atomic.Bool
}

func newSealer(s *segment.Store, origin string, tree tiles.Tree, w *tiles.Writer) *sealer {
	return &sealer{
		dir: s.Dir(), disk: s.Disk(), holds: s.Holds, origin: origin, tree: tree, writer: w,
		wake: make(chan struct{}, 1), runEnded: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// add takes the leaves of records that are durable, which the session of the
// last of them is to seal.
func (s *sealer) add(leaves []tiles.Hash, by *sessionKey, runEnds bool) {
	s.mu.Lock()
	s.pending = append(s.pending, leaves...)
	s.session = by
	s.mu.Unlock()
	notify(s.wake)
	if runEnds {
		notify(s.runEnded)
	}
}

// close seals what there is.
func (s *sealer) close() {
	close(s.quit)
	<-s.done
}

func (s *sealer) run() {
	defer close(s.done)
	for quit := false; !quit; {
		select {
		case <-s.wake:
			quit = s.waitToSeal()
		case <-s.quit:
			quit = true
		}
		s.measureSpace()
		s.seal(quit)
	}
}

// waitToSeal waits until it is time to seal. It reports whether the sealer is to
// end.
func (s *sealer) waitToSeal() (quit bool) {
	timer := time.NewTimer(sealEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-s.quit:
		return true
	case <-s.runEnded:
	}
	timer.Reset(sealSoon)
	select {
	case <-timer.C:
		return false
	case <-s.quit:
		return true
	}
}

// seal adds what is pending to the tree and signs its head.
func (s *sealer) seal(last bool) {
	if err := s.holds(); err != nil {
		s.report(err, last)
		return
	}
	s.mu.Lock()
	leaves, by := s.pending, s.session
	s.pending = s.spare[:0]
	s.mu.Unlock()
	for _, leaf := range leaves {
		s.tree.Append(leaf)
		if s.broken {
			continue
		}
		if err := s.writer.Append(leaf, nil); err != nil {
			s.broken = true
			s.log.warn("tiles are not written any more until the ledger is opened again", "error", err)
		}
	}
	s.spare = leaves
	if s.tree.Size() == s.sealed || by == nil {
		return
	}
	s.report(s.sign(by, last), last)
}

// report says how an attempt went, and has another one made where it failed.
func (s *sealer) report(err error, last bool) {
	switch {
	case err != nil && !s.failing:
		s.log.warn("checkpoints cannot be written", "error", err)
	case err == nil && s.failing:
		s.log.warn("checkpoints are written again")
	}
	if s.failing = err != nil; s.failing && !last {
		notify(s.wake) // again, when it is time
	}
}

func (s *sealer) sign(by *sessionKey, last bool) error {
	c := tiles.Checkpoint{Origin: s.origin, Size: s.tree.Size(), Root: s.tree.Root()}
	signed, err := tiles.Sign(c, by.public(), func(msg []byte) ([]byte, error) { return ed25519.Sign(by.key, msg), nil })
	if err != nil {
		return err
	}
	if err := s.disk.Replace(filepath.Join(s.dir, segment.CheckpointName), signed); err != nil {
		return err
	}
	s.sealed = c.Size
	s.checkpoint.Store(&signed)
	if now := time.Now(); last || now.Sub(s.announced) >= announceEvery {
		s.announced = now
		s.log.info("checkpoint", "ledger", s.origin, "records", c.Size, "root", record.Hash(c.Root).String())
		s.log.say(slog.LevelDebug, "checkpoint", "ledger", s.origin, "signed", string(signed))
	}
	if s.publish != nil {
		func() {
			defer func() { _ = recover() }() // a panic of the user's func must not stop us
			s.publish(append([]byte(nil), signed...))
		}()
	}
	return nil
}

// measureSpace sees how much room the disk has left.
func (s *sealer) measureSpace() {
	free, err := s.disk.Free(s.dir)
	if err != nil {
		return
	}
	s.free.Store(free)
	low := free < s.low
	if low != s.lowSpace.Swap(low) && low {
		s.log.warn("the disk is nearly full", "free", free)
	}
}
