package middleware

import (
	"context"
	"sync"
	"sync/atomic"
)

// A ctxMutex is a mutex of which a waiter lets go when its context ends: who holds
// it may be in somebody else's code, which may never return. The zero ctxMutex is
// unlocked.
type ctxMutex struct {
	state atomic.Int32

	mu       sync.Mutex    // guards what follows, and the way from mutexLocked to mutexAwaited
	unlocked chan struct{} // closed when an awaited ctxMutex is unlocked
}

// The states of a ctxMutex.
const (
	mutexFree int32 = iota
	mutexLocked
	mutexAwaited // locked, and somebody waits for it
)

// lock waits until it has the mutex. The error is that of a context that ended
// before.
func (m *ctxMutex) lock(ctx context.Context) error {
	for !m.state.CompareAndSwap(mutexFree, mutexLocked) {
		unlocked := m.await()
		if unlocked == nil {
			continue // it has been unlocked
		}
		select {
		case <-unlocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// await returns what will be closed when the mutex is unlocked, or nil if it is
// free.
func (m *ctxMutex) await() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		switch s := m.state.Load(); {
		case s == mutexFree:
			return nil
		case s == mutexAwaited, m.state.CompareAndSwap(mutexLocked, mutexAwaited):
			if m.unlocked == nil {
				m.unlocked = make(chan struct{})
			}
			return m.unlocked
		}
	}
}

// unlock wakes all who wait.
func (m *ctxMutex) unlock() {
	if m.state.CompareAndSwap(mutexLocked, mutexFree) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.unlocked)
	m.unlocked = nil
	m.state.Store(mutexFree)
}
