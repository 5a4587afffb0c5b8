package middleware

import (
	"context"
	"sync"
	"sync/atomic"
)

// A turn is had by one chunk at a time, as a mutex is, but who waits for it goes
// away when a context ends: what has it may be somebody else's code, that never
// returns. The zero turn is free.
type turn struct {
	state atomic.Int32

	mu    sync.Mutex    // guards what follows, and the way from taken to awaited
	freed chan struct{} // closed when an awaited turn is left
}

// The states of a turn.
const (
	turnFree int32 = iota
	turnTaken
	turnAwaited // taken, and somebody waits for it
)

// take waits for the turn. The error is that of a context that ended before.
func (t *turn) take(ctx context.Context) error {
	for !t.state.CompareAndSwap(turnFree, turnTaken) {
		freed := t.await()
		if freed == nil {
			continue // it has been left
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// await returns what will be closed when the turn is left, or nil if it is free.
func (t *turn) await() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch s := t.state.Load(); {
		case s == turnFree:
			return nil
		case s == turnAwaited, t.state.CompareAndSwap(turnTaken, turnAwaited):
			if t.freed == nil {
				t.freed = make(chan struct{})
			}
			return t.freed
		}
	}
}

// leave leaves the turn to others.
func (t *turn) leave() {
	if t.state.CompareAndSwap(turnTaken, turnFree) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.freed)
	t.freed = nil
	t.state.Store(turnFree)
}
