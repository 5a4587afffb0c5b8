package gates

import (
	"context"
	"sync"

	"example.com/safeconduct/middleware"
)

// A tap counts what a model call streams, and ends the stream where it is more
// than the budget allows.
type tap struct {
	b  *budget
	st *runState
	m  *modelHold

	mu      sync.Mutex // guards what follows and the modelHold while chunks come
	begun   bool
	bytes   int64
	refused error // why the stream was ended
	ended   bool
}

// tap puts a tap on the Stream of a call.
func (b *budget) tap(st *runState, m *modelHold, call *middleware.Call) *tap {
	t := &tap{b: b, st: st, m: m}
	to := call.Stream
	call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
		if err := t.count(ctx, chunk); err != nil {
			return err
		}
		return to(ctx, chunk) // without the lock: it may never return
	}
	return t
}

// count takes a chunk, unless the stream was refused.
func (t *tap) count(ctx context.Context, chunk middleware.Chunk) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil && !t.ended {
		t.refused = t.take(ctx, chunk)
	}
	return t.refused
}

// streamedBytes returns what a chunk adds to the output of a model.
func streamedBytes(c middleware.Chunk) int64 {
	if c.Repeats {
		return int64(len(c.Reasoning))
	}
	return int64(c.Len())
}

// take counts a chunk. The error is of one that is too much. It needs t.mu.
func (t *tap) take(ctx context.Context, chunk middleware.Chunk) error {
	t.begun = true
	t.bytes = sum(t.bytes, streamedBytes(chunk))
	if !t.b.meters {
		return nil
	}
	per := int64(bytesPerToken)
	if t.m.bound > 0 {
		per *= trusted
	}
	return t.b.extend(ctx, t.st, t.m, (t.bytes+per-1)/per)
}

// end ends the counting. It returns whether anything was streamed, and how many
// tokens that was, as far as that can be told.
func (t *tap) end() (begun bool, tokens int64) {
	if t == nil {
		return false, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	return t.begun, (t.bytes + bytesPerToken - 1) / bytesPerToken
}

// refusal returns why the stream was ended, if it was.
func (t *tap) refusal() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

// trusted is how many times as long as its bound an answer may be, at four bytes
// a token, where the provider was asked to keep to that bound: it counts better.
const trusted = 2

// spareTokens are reserved in a Store beyond what was streamed, so that it is not
// asked for every chunk.
const spareTokens = 64

// extend reserves more for a call whose output has come to so many tokens. The
// error is of one that there is no room for.
func (b *budget) extend(ctx context.Context, st *runState, m *modelHold, tokens int64) error {
	if tokens <= m.streamed {
		return nil
	}
	if b.stored && tokens > m.kept {
		x, err := b.extendStored(ctx, st, m, tokens)
		if err != nil {
			return err
		}
		if x != nil {
			return b.over(x.bound, x.misfit)
		}
	}
	longer := m.estimate
	longer.streamed = tokens
	bk := b.lock(st)
	x, ok := bk.grow(&m.hold, func(i int) Amounts {
		bd := &b.bounds[m.bounds[i]]
		return longer.ask(&bd.Limits).within(&bd.max)
	})
	bk.mu.Unlock()
	if !ok {
		return b.over(m.bounds[x.i], x)
	}
	m.streamed = tokens
	return nil
}

// extendStored reserves in the Store what a call asks beyond what it holds there,
// and some more, if there is room for that.
func (b *budget) extendStored(ctx context.Context, st *runState, m *modelHold, tokens int64) (*excess, error) {
	held, longer := m.estimate, m.estimate
	held.streamed = m.kept
	beyond := func(i int) Amounts {
		ask, was := longer.ask(&b.bounds[i].Limits), held.ask(&b.bounds[i].Limits)
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
		m.kept = longer.streamed
	}
	return x, err
}
