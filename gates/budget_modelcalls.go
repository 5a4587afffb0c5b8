package gates

import (
	"context"
	"math"
	"strconv"

	"example.com/safeconduct/middleware"
)

// model returns the Handler for model calls, which reserves and settles.
func (b *budget) model(next middleware.Handler, notes bool) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		ruling := b.begin(ctx, notes)
		st := b.state(ctx)
		m, err := b.reserveModel(ctx, st, &call)
		if err != nil {
			return middleware.Result{}, ruling.deny(ctx, &call, err)
		}
		if m.changed {
			note(ctx, middleware.VerdictTransform, "")
		} else {
			ruling.allow()
		}
		var counter *streamCounter
		if call.Stream != nil {
			counter = b.countStream(st, m, &call)
		}
		returned := false
		defer func() {
			streamed, tokens := counter.end()
			m.streamed = tokens
			b.settleModel(ctx, st, m, res, fateOf(err, returned), streamed)
		}()
		res, err = next(ctx, call)
		returned = true
		if refused := counter.refusal(); refused != nil {
			ruling := b.begin(ctx, notes)
			return middleware.Result{Usage: res.Usage}, ruling.deny(ctx, &call, refused)
		}
		return res, err
	}
}

// A modelReservation is what one model call has reserved.
type modelReservation struct {
	estimate
	changed bool            // the request
	bounds  []int           // of the postings
	booked  bookReservation // in the gate's own book; without postings where that is nothing
	stored  *storeReservation
	more    []*storeReservation // what a stream asked beyond
	covered int64               // tokens of output that more is enough for
}

// reserveModel reserves a model call, and puts what is to be sent in the place of
// its Input.
func (b *budget) reserveModel(ctx context.Context, st *runState, call *middleware.Call) (*modelReservation, error) {
	m := &modelReservation{}
	if b.meters || b.advises {
		req, ok := call.Input.(*middleware.ModelRequest)
		if !ok || req == nil {
			return nil, middleware.Deny(middleware.CodeIndeterminate, "the request cannot be read")
		}
		sent := b.advise(st, req)
		if err := b.estimate(&m.estimate, call.Name, sent); err != nil {
			return nil, err
		}
		if err := b.reserveOrShrink(ctx, st, m); err != nil {
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
	return m, b.reserveOrShrink(ctx, st, m)
}

// reserveOrShrink reserves what a call is estimated to take, or less of its output
// where limits say so.
func (b *budget) reserveOrShrink(ctx context.Context, st *runState, m *modelReservation) error {
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
			err := b.denyOver(x.bound, x.shortage)
			if bd.guess && m.guessed(&bd.Limits, x.shortage) {
				err.Reason += "; it counts an answer of " + strconv.FormatInt(m.output(&bd.Limits), 10) +
					" tokens, as the request sets no MaxTokens: Limits.Estimate and Limits.Clamp change that"
			}
			return err
		}
	}
}

// reserveAll reserves a call in all scopes, or in none.
func (b *budget) reserveAll(ctx context.Context, st *runState, m *modelReservation) (*boundShortage, error) {
	x, err := b.reserveHere(st, m)
	if x != nil || err != nil || !b.stored {
		return x, err
	}
	reserved := false
	defer func() {
		if !reserved { // or the Store ended the goroutine
			bk := b.lock(st)
			defer bk.mu.Unlock()
			bk.release(&m.booked)
		}
	}()
	m.stored, x, err = b.reserveStored(ctx, st, func(i int) Amounts { return m.toReserve(&b.bounds[i].Limits) })
	reserved = x == nil && err == nil
	return x, err
}

func (b *budget) reserveHere(st *runState, m *modelReservation) (*boundShortage, error) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	now := bk.now()
	m.booked = bookReservation{postings: make([]posting, 0, len(b.bounds))}
	m.bounds = m.bounds[:0]
	for i := range b.bounds {
		bd := &b.bounds[i]
		ask := m.toReserve(&bd.Limits).within(&bd.max)
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
		m.booked.postings = append(m.booked.postings, posting{a, &bd.max, ask})
		m.bounds = append(m.bounds, i)
	}
	if x, ok := bk.reserve(&m.booked, b.Lease); !ok {
		return &boundShortage{x, m.bounds[x.i]}, nil
	}
	return nil, nil
}

// settleModel charges what a model call used in place of what was reserved.
func (b *budget) settleModel(ctx context.Context, st *runState, m *modelReservation, res middleware.Result, f fate, streamed bool) {
	defer func() {
		for _, more := range m.more {
			b.releaseStored(ctx, st, more)
		}
	}()
	if !ran(ctx) {
		bk := b.lock(st)
		bk.release(&m.booked)
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
	bk.settle(&m.booked, all)
	bk.mu.Unlock()
	if m.stored != nil {
		all = make([]Amounts, len(m.stored.bounds))
		for i, bound := range m.stored.bounds {
			all[i] = charge(bound)
		}
		b.settleStored(ctx, st, m.stored, all)
	}
}
