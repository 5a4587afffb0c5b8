package gates

import (
	"context"
	"slices"
	"time"

	"example.com/safeconduct/middleware"
)

// A toolLimit is a bound's limit on tool calls.
type toolLimit struct {
	bound int
	max   int64
}

// A toolCharge is what a tool call took.
type toolCharge struct {
	at     time.Duration
	stored *storeReservation // nil for nothing
}

// tool returns the Handler for tool calls.
func (b *budget) tool(next middleware.Handler, notes bool) middleware.Handler {
	if notes && !b.stored {
		return b.toolHere(next)
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ruling := b.begin(ctx, notes)
		st := b.state(ctx)
		took, err := b.takeTool(ctx, st, call.Parent)
		if err != nil {
			return middleware.Result{}, ruling.deny(ctx, &call, err)
		}
		ruling.allow()
		return b.useTool(ctx, call, next, st, took)
	}
}

// toolHere is tool without a Store, as most budgets are: what is left of it is
// what every call pays for.
func (b *budget) toolHere(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ruling := b.gate.Begin(ctx)
		st := b.state(ctx)
		at, err := b.takeToolHere(st, call.Parent)
		if err != nil {
			return middleware.Result{}, ruling.Deny(ctx, call, err)
		}
		ruling.Allow()
		returned := false
		defer func() {
			if !returned && !ran(ctx) {
				b.refund(st, at)
			}
		}()
		res, err := next(ctx, call)
		returned = true
		if unused(ctx, res, err) {
			b.refund(st, at)
		}
		return res, err
	}
}

// useTool carries out a call that may also have taken from the Store.
func (b *budget) useTool(ctx context.Context, call middleware.Call, next middleware.Handler, st *runState, took toolCharge) (
	res middleware.Result, err error,
) {
	returned := false
	defer func() {
		switch {
		case !returned && !ran(ctx), unused(ctx, res, err):
			b.refund(st, took.at)
			b.releaseStored(ctx, st, took.stored)
		case took.stored != nil:
			b.settleStored(ctx, st, took.stored, took.stored.requested())
		}
	}()
	res, err = next(ctx, call)
	returned = true
	return res, err
}

// unused reports whether a call that returned took what it did not use: it did not
// come to the tool. One that did not return panicked, or ended its goroutine.
func unused(ctx context.Context, res middleware.Result, err error) bool {
	return (err != nil || isObservation(res)) && !ran(ctx)
}

// takeTool charges a tool call, out of what is reserved for its chain, if anything
// is. A tool call takes one, whatever comes of it: here there is nothing
// to settle. In the Store it is reserved.
func (b *budget) takeTool(ctx context.Context, st *runState, chain middleware.CallID) (toolCharge, error) {
	at, err := b.takeToolHere(st, chain)
	if err != nil || !b.stored {
		return toolCharge{at: at}, err
	}
	reserved := false
	defer func() {
		if !reserved { // or the Store ended the goroutine
			b.refund(st, at)
		}
	}()
	stored, err := b.reserveToolCalls(ctx, st, 1)
	if err != nil {
		return toolCharge{}, err
	}
	reserved = true
	return toolCharge{at, stored}, nil
}

// reserveToolCalls reserves tool calls in the Store.
func (b *budget) reserveToolCalls(ctx context.Context, st *runState, n int64) (*storeReservation, error) {
	r, x, err := b.reserveStored(ctx, st, func(int) Amounts { return Amounts{DimToolCalls: n} })
	if x != nil {
		err = b.denyOver(x.bound, x.shortage)
	}
	return r, err
}

func (b *budget) takeToolHere(st *runState, chain middleware.CallID) (at time.Duration, err error) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	now := b.time(bk)
	batches := st.batches[chain]
	var batch *plannedCalls
	if len(batches) > 0 {
		batch = &batches[len(batches)-1]
	}
	for _, l := range b.tools {
		a := st.accounts[l.bound]
		if a == nil || a.window > 0 || a.gone {
			if a, err = b.at(st, l.bound, now); err != nil {
				return 0, err
			}
		}
		if a == nil || batch != nil && a.counts(batch.at) {
			continue // not limited, or reserved
		}
		if left := a.left(l.max, DimToolCalls); left < 1 {
			return 0, b.denyOver(l.bound, shortage{dim: DimToolCalls, asked: 1, left: left})
		}
	}
	for _, l := range b.tools {
		a := st.accounts[l.bound]
		if a == nil {
			continue
		}
		if batch != nil && a.counts(batch.at) {
			a.reserved[DimToolCalls]--
		}
		a.used[DimToolCalls]++ // cannot overflow: it fits
	}
	if batch != nil {
		if batch.n--; batch.n == 0 {
			st.batches[chain] = batches[:len(batches)-1]
		}
	}
	return now, nil
}

// refund gives back what a call took.
func (b *budget) refund(st *runState, at time.Duration) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	for _, l := range b.tools {
		if a := st.accounts[l.bound]; a != nil && a.counts(at) {
			a.used[DimToolCalls]--
		}
	}
}

// chain makes a chain known for which tool calls may be reserved, until it ends.
func (b *budget) chain(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		st := b.state(ctx)
		bk := b.lock(st)
		st.open = append(st.open, openChain{id: call.ID})
		bk.mu.Unlock()
		defer func() {
			bk := b.lock(st)
			defer bk.mu.Unlock()
			b.giveBack(st, call.ID)
			st.open = slices.DeleteFunc(st.open, func(o openChain) bool { return o.id == call.ID })
		}()
		return next(ctx, call)
	}
}

// plan returns the Handler for plans. It gives back what an earlier plan of the
// same chain left over, and judges the batch.
func (b *budget) plan(next middleware.Handler, notes bool) middleware.Handler {
	judged := b.gate.Plans(b.judgePlan)(next)
	if !notes {
		judged = func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if err != nil || isObservation(res) {
				return res, err
			}
			plan, err := res.Plan()
			if err == nil {
				err = b.judgePlan(ctx, call, plan)
			}
			if err != nil {
				return middleware.Result{Usage: res.Usage}, err
			}
			return res, nil
		}
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		st := b.state(ctx)
		bk := b.lock(st)
		if _, plan := st.begin(&call); plan == call.ID {
			b.giveBack(st, call.Parent)
		}
		bk.mu.Unlock()
		return judged(ctx, call)
	}
}

// giveBack gives back what is reserved for a chain. It needs the lock.
func (b *budget) giveBack(st *runState, chain middleware.CallID) {
	for _, batch := range st.batches[chain] {
		b.drop(st, batch)
	}
	delete(st.batches, chain)
}

// drop gives back what is reserved for a batch. It needs the lock.
func (b *budget) drop(st *runState, batch plannedCalls) {
	for _, l := range b.tools {
		if a := st.accounts[l.bound]; a != nil && a.counts(batch.at) {
			a.reserved[DimToolCalls] -= batch.n
		}
	}
}

// judgePlan judges the batch of tool calls that a plan asks for, and reserves them.
func (b *budget) judgePlan(ctx context.Context, call middleware.Call, plan *middleware.Plan) error {
	n := int64(len(plan.ToolCalls))
	st := b.state(ctx)
	if b.stored && n > 0 {
		// Looked at only: tool calls reserve there one by one.
		stored, err := b.reserveToolCalls(ctx, st, n)
		if err != nil {
			return err
		}
		b.releaseStored(ctx, st, stored)
	}
	return b.reserveBatch(st, &call, n)
}

// reserveBatch reserves the tool calls of a plan for its chain, in the place of those
// that are reserved for a plan which this one was made in the place of.
func (b *budget) reserveBatch(st *runState, call *middleware.Call, n int64) error {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	now := b.time(bk)
	chain, plan := st.planned(call)
	for _, l := range b.tools {
		a, err := b.at(st, l.bound, now)
		if err != nil {
			return err
		}
		if a == nil {
			continue
		}
		left := a.left(l.max, DimToolCalls)
		for _, batch := range st.batches[chain] {
			if batch.plan == plan && a.counts(batch.at) {
				left += batch.n
			}
		}
		if left < n {
			return b.denyOver(l.bound, shortage{dim: DimToolCalls, asked: n, left: left})
		}
	}
	if !slices.ContainsFunc(st.open, func(o openChain) bool { return o.id == chain }) {
		return nil // nobody would give them back
	}
	batches := slices.DeleteFunc(st.batches[chain], func(batch plannedCalls) bool {
		if batch.plan == plan {
			b.drop(st, batch)
		}
		return batch.plan == plan
	})
	if n > 0 {
		for _, l := range b.tools {
			if a := st.accounts[l.bound]; a != nil {
				a.reserved[DimToolCalls] += n // cannot overflow: it fits
			}
		}
		batches = append(batches, plannedCalls{n, now, plan}) // beside that of a plan made at the same time
	}
	if len(batches) == 0 {
		delete(st.batches, chain)
		return nil
	}
	if st.batches == nil {
		st.batches = make(map[middleware.CallID][]plannedCalls)
	}
	st.batches[chain] = batches
	return nil
}
