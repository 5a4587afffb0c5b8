package gates

import (
	"context"
	"sync"

	"example.com/safeconduct/middleware"
)

// A streamCounter counts what a model call streams, and ends the stream where it is
// more than the budget allows.
type streamCounter struct {
	b  *budget
	st *runState
	m  *modelReservation

	mu      sync.Mutex // guards what follows and the modelReservation while chunks come
	begun   bool
	bytes   int64
	refused error // why the stream was ended
	ended   bool
}

// countStream puts a streamCounter on the Stream of a call.
func (b *budget) countStream(st *runState, m *modelReservation, call *middleware.Call) *streamCounter {
	c := &streamCounter{b: b, st: st, m: m}
	to := call.Stream
	call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
		if err := c.count(ctx, chunk); err != nil {
			return err
		}
		return to(ctx, chunk) // without the lock: it may never return
	}
	return c
}

// count takes a chunk, unless the stream was refused.
func (c *streamCounter) count(ctx context.Context, chunk middleware.Chunk) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil && !c.ended {
		c.refused = c.take(ctx, chunk)
	}
	return c.refused
}

// take counts a chunk. The error is of one that is too much. It needs c.mu.
func (c *streamCounter) take(ctx context.Context, chunk middleware.Chunk) error {
	c.begun = true
	c.bytes = sum(c.bytes, streamedBytes(chunk))
	if !c.b.meters {
		return nil
	}
	per := int64(bytesPerToken)
	if c.m.bound > 0 {
		per *= trusted
	}
	return c.b.extend(ctx, c.st, c.m, (c.bytes+per-1)/per)
}

// end ends the counting. It returns whether anything was streamed, and how many
// tokens that was, as far as that can be told.
func (c *streamCounter) end() (begun bool, tokens int64) {
	if c == nil {
		return false, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	return c.begun, (c.bytes + bytesPerToken - 1) / bytesPerToken
}

// refusal returns why the stream was ended, if it was.
func (c *streamCounter) refusal() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// trusted is how many times as long as its bound an answer may be, at four bytes
// a token, where the provider was asked to keep to that bound: it counts better.
const trusted = 2

// spareTokens are reserved in a Store beyond what was streamed, so that it is not
// asked for every chunk.
const spareTokens = 64

// extend reserves more for a call whose output has come to this many tokens. The
// error is that of one for which there is no room.
func (b *budget) extend(ctx context.Context, st *runState, m *modelReservation, tokens int64) error {
	if tokens <= m.streamed {
		return nil
	}
	if b.stored && tokens > m.covered {
		x, err := b.extendStored(ctx, st, m, tokens)
		if err != nil {
			return err
		}
		if x != nil {
			return b.denyOver(x.bound, x.shortage)
		}
	}
	longer := m.estimate
	longer.streamed = tokens
	bk := b.lock(st)
	x, ok := bk.grow(&m.booked, func(i int) Amounts {
		bd := &b.bounds[m.bounds[i]]
		return longer.toReserve(&bd.Limits).within(&bd.max)
	})
	bk.mu.Unlock()
	if !ok {
		return b.denyOver(m.bounds[x.i], x)
	}
	m.streamed = tokens
	return nil
}

// extendStored reserves in the Store what a call asks beyond what it has there,
// and some more, if there is room for that.
func (b *budget) extendStored(ctx context.Context, st *runState, m *modelReservation, tokens int64) (*boundShortage, error) {
	before, longer := m.estimate, m.estimate
	before.streamed = m.covered
	beyond := func(i int) Amounts {
		ask, was := longer.toReserve(&b.bounds[i].Limits), before.toReserve(&b.bounds[i].Limits)
		for d := range ask {
			ask[d] -= was[d]
		}
		return ask
	}
	longer.streamed = tokens
	needed := false
	for i := range b.bounds {
		needed = needed || b.bounds[i].stored && beyond(i).within(&b.bounds[i].max) != Amounts{}
	}
	if !needed {
		return nil, nil
	}
	longer.streamed = sum(tokens, spareTokens)
	more, x, err := b.reserveStored(ctx, st, beyond)
	if x != nil {
		longer.streamed = tokens
		more, x, err = b.reserveStored(ctx, st, beyond)
	}
	if more != nil {
		m.more = append(m.more, more)
		m.covered = longer.streamed
	}
	return x, err
}
