package gates

import (
	"context"
	"math"

	"example.com/safeconduct/middleware"
)

// model returns the Handler for model calls, which reserves and settles.
func (b *budget) model(next middleware.Handler, notes bool) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		turn := b.begin(ctx, notes)
		st := b.state(ctx)
		m, err := b.reserveModel(ctx, st, &call)
		if err != nil {
			return middleware.Result{}, turn.deny(ctx, &call, err)
		}
		if m.changed {
			note(ctx, middleware.VerdictTransform, "")
		} else {
			turn.allow()
		}
		var t *tap
		if call.Stream != nil {
			t = b.tap(st, m, &call)
		}
		returned := false
		defer func() {
			streamed, tokens := t.end()
			m.streamed = tokens
			b.settleModel(ctx, st, m, res, fateOf(err, returned), streamed)
		}()
		res, err = next(ctx, call)
		returned = true
		if refused := t.refusal(); refused != nil {
			turn := b.begin(ctx, notes)
			return middleware.Result{Usage: res.Usage}, turn.deny(ctx, &call, refused)
		}
		return res, err
	}
}

// A modelHold is what one model call holds.
type modelHold struct {
	estimate
	changed bool  // the request
	bounds  []int // of the postings
	hold    hold  // in the gate's own book; without postings for nothing
	stored  *storeHold
	more    []*storeHold // what a stream asked beyond
	kept    int64        // tokens of output that more is enough for
}

// reserveModel reserves a model call, and puts what is to be sent in the place of
// its Input.
func (b *budget) reserveModel(ctx context.Context, st *runState, call *middleware.Call) (*modelHold, error) {
	m := &modelHold{}
	if b.meters || b.advises {
		req, ok := call.Input.(*middleware.ModelRequest)
		if !ok || req == nil {
			return nil, middleware.Deny(middleware.CodeIndeterminate, "the request cannot be read")
		}
		sent := b.advise(st, req)
		if err := b.estimate(&m.estimate, call.Name, sent); err != nil {
			return nil, err
		}
		if err := b.fit(ctx, st, m); err != nil {
			return nil, err
		}
		if m.clamped(sent) {
			clamped := *sent
			clamped.MaxTokens = int(min(m.bound, math.MaxInt))
			sent = &clamped
		}
		if m.changed = sent != req; m.changed {
			call.Input = sent
		}
		return m, nil
	}
	return m, b.fit(ctx, st, m)
}

// fit reserves what a call is estimated to take, or less of its output where
// limits say so.
func (b *budget) fit(ctx context.Context, st *runState, m *modelHold) error {
	for {
		x, err := b.reserveAll(ctx, st, m)
		if err != nil {
			return err
		}
		if x == nil {
			return nil
		}
		// Each time round there is less to ask for, or it ends.
		if bd := &b.bounds[x.bound]; !bd.Clamp || !m.shrink(x.dim, x.left) {
			return b.over(x.bound, x.misfit)
		}
	}
}

// reserveAll reserves a call in all scopes, or in none.
func (b *budget) reserveAll(ctx context.Context, st *runState, m *modelHold) (*excess, error) {
	x, err := b.reserveHere(st, m)
	if x != nil || err != nil || !b.stored {
		return x, err
	}
	reserved := false
	defer func() {
		if !reserved { // or the Store ended the goroutine
			bk := b.lock(st)
			defer bk.mu.Unlock()
			bk.release(&m.hold)
		}
	}()
	m.stored, x, err = b.reserveStored(ctx, st, func(i int) Amounts { return m.ask(&b.bounds[i].Limits) })
	reserved = x == nil && err == nil
	return x, err
}

func (b *budget) reserveHere(st *runState, m *modelHold) (*excess, error) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	now := bk.now()
	m.hold = hold{postings: make([]posting, 0, len(b.bounds))}
	m.bounds = m.bounds[:0]
	for i := range b.bounds {
		bd := &b.bounds[i]
		ask := m.ask(&bd.Limits).within(&bd.max)
		if bd.stored || ask == (Amounts{}) {
			continue
		}
		a, err := b.at(st, i, now)
		if err != nil {
			return nil, err
		}
		if a == nil {
			continue
		}
		m.hold.postings = append(m.hold.postings, posting{a, &bd.max, ask})
		m.bounds = append(m.bounds, i)
	}
	if x, ok := bk.reserve(&m.hold, b.Lease); !ok {
		return &excess{x, m.bounds[x.i]}, nil
	}
	return nil, nil
}

// settleModel charges what a model call used in place of what was held.
func (b *budget) settleModel(ctx context.Context, st *runState, m *modelHold, res middleware.Result, f fate, streamed bool) {
	defer func() {
		for _, more := range m.more {
			b.releaseStored(ctx, st, more)
		}
	}()
	if !ran(ctx) {
		bk := b.lock(st)
		bk.release(&m.hold)
		bk.mu.Unlock()
		b.releaseStored(ctx, st, m.stored)
		return
	}
	used := m.spent(b.Prices, res, f, streamed)
	if used.how != "" && b.meters {
		note(ctx, middleware.VerdictAllow, used.how)
	}
	charge := func(bound int) Amounts {
		bd := &b.bounds[bound]
		return m.charge(&bd.Limits, &used).within(&bd.max)
	}
	all := make([]Amounts, len(m.bounds))
	for i, bound := range m.bounds {
		all[i] = charge(bound)
	}
	bk := b.lock(st)
	bk.settle(&m.hold, all)
	bk.mu.Unlock()
	if m.stored != nil {
		all = make([]Amounts, len(m.stored.bounds))
		for i, bound := range m.stored.bounds {
			all[i] = charge(bound)
		}
		b.settleStored(ctx, st, m.stored, all)
	}
}
