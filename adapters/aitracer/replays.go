package aitracer

import (
	"sync"
	"time"
)

// Replays remember signatures in two generations, of which the older one is
// dropped when it is certain that all in it are too old to be let through.
type replays struct {
	max  int
	keep time.Duration // of a generation

	mu       sync.Mutex
	now, old generation
	began    time.Time // when the younger generation did

	// floor is the latest timestamp of all that was forgotten. None up to it
	// is let through any more: a clock that was set back would make them
	// fresh again.
	floor int64
}

type generation struct {
	macs   map[mac]struct{}
	latest int64 // timestamp
}

// A novelty says what replays make of a webhook.
type novelty int

const (
	fresh novelty = iota
	replayed
	crowded
)

func (r *replays) note(hook webhook, now time.Time) novelty {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rotate(now)
	_, isNow := r.now.macs[hook.mac]
	_, isOld := r.old.macs[hook.mac]
	switch {
	case isNow || isOld || hook.at <= r.floor:
		return replayed
	case len(r.now.macs)+len(r.old.macs) >= r.max:
		return crowded
	}
	if r.now.macs == nil {
		r.now.macs = make(map[mac]struct{})
	}
	r.now.macs[hook.mac] = struct{}{}
	r.now.latest = max(r.now.latest, hook.at)
	return fresh
}

// rotate begins a new generation where it is time to. Every timestamp in a
// generation is at most one tolerance ahead of the time it came at, and out of
// tolerance after another one: keep is two of them.
func (r *replays) rotate(now time.Time) {
	for range 2 {
		if now.Sub(r.began) < r.keep {
			return
		}
		r.floor = max(r.floor, r.old.latest)
		r.old, r.now = r.now, generation{}
		r.began = r.began.Add(r.keep)
	}
	r.began = now // after both were dropped
}
