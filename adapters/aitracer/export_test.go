package aitracer

import (
	"encoding/binary"
	"time"
)

// Replays are what a verifier remembers, with a clock that can be set.
type Replays struct{ r replays }

// NewReplays returns Replays whose generations are kept for so long.
func NewReplays(most int, keep time.Duration) *Replays {
	return &Replays{replays{max: most, keep: keep, began: time.Now()}}
}

// Fresh reports whether a webhook with this timestamp, and a signature of its
// own, is let through.
func (r *Replays) Fresh(timestamp int64, now time.Time) bool {
	hook := webhook{at: timestamp}
	binary.BigEndian.PutUint64(hook.mac[:], uint64(timestamp))
	return r.r.note(hook, now) == fresh
}

// Len returns how many are remembered.
func (r *Replays) Len() int { return len(r.r.now.macs) + len(r.r.old.macs) }

// RejectedSpans is what a Sink reads out of an answer.
func RejectedSpans(answer []byte) uint64 { return rejectedSpans(answer) }

// Settled returns how many answers a Sink remembers.
func Settled(s *Sink) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.settled)
}
