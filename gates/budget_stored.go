package gates

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// A serial numbers the reservations of a gate.
type serial struct{ atomic.Uint64 }

// newPrefix returns what tells the reservations of a gate from those of all
// others.
func newPrefix() string { return rand.Text() + "-" }

// A storeReservation is what one call has reserved in the Store or, where that failed,
// in the gate's own book.
type storeReservation struct {
	id      string
	bounds  []int // of the charges
	charges []Charge
	local   *bookReservation // in place of the Store
}

// requested returns what was asked of each charge.
func (r *storeReservation) requested() []Amounts {
	all := make([]Amounts, len(r.charges))
	for i := range r.charges {
		all[i] = r.charges[i].Ask
	}
	return all
}

// A boundShortage is what does not fit under a bound.
type boundShortage struct {
	shortage
	bound int
}

// reserveStored reserves in the Store. It returns nil where no limit that is kept
// there is for what is asked, what does not fit, or why it cannot tell.
func (b *budget) reserveStored(ctx context.Context, st *runState, ask func(bound int) Amounts) (*storeReservation, *boundShortage, error) {
	r := &storeReservation{}
	for i := range b.bounds {
		bd := &b.bounds[i]
		amounts := ask(i)
		if amounts = amounts.within(&bd.max); !bd.stored || amounts == (Amounts{}) {
			continue
		}
		if st.names[i] == "" {
			if err := b.unnamed(st, i); err != nil {
				return nil, nil, err
			}
			continue
		}
		r.bounds = append(r.bounds, i)
		r.charges = append(r.charges, Charge{Account: st.names[i], Window: bd.Window, Max: bd.max, Ask: amounts})
	}
	if len(r.charges) == 0 {
		return nil, nil, nil
	}
	r.id = b.prefix + strconv.FormatUint(b.serial.Add(1), 36)
	var standing []Standing
	err := b.askStore(ctx, func(ctx context.Context) (err error) {
		standing, err = b.Store.Reserve(ctx, Reservation{ID: r.id, Charges: r.charges, TTL: b.Lease})
		if err == nil && len(standing) != len(r.charges) {
			err = fmt.Errorf("gates: budget: the store answered %d of %d charges", len(standing), len(r.charges))
		}
		return err
	})
	over, isOver := foreign.As[*LimitError](err)
	switch {
	case err == nil:
		b.keepStanding(st, r, standing)
		return r, nil, nil
	case isOver && over != nil && over.Charge >= 0 && over.Charge < len(r.charges) && over.Dim < Dims:
		return nil, &boundShortage{shortage{over.Charge, over.Dim, over.Asked, over.Left}, r.bounds[over.Charge]}, nil
	}
	// Nobody knows whether it is reserved. If this fails too it expires.
	_ = b.askStore(context.WithoutCancel(ctx), func(ctx context.Context) error { return b.Store.Release(ctx, r.id) })
	if done := ctx.Err(); done != nil {
		return nil, nil, done
	}
	if b.LocalShare > 0 {
		x, failed := b.reserveLocal(r)
		if x != nil || failed != nil {
			return nil, x, failed
		}
		note(ctx, middleware.VerdictAllow, "the store of the budget failed: this process allows its share")
		return r, nil, nil
	}
	return nil, nil, &middleware.DeniedError{
		Code: middleware.CodeIndeterminate, Err: err,
		Reason: "the store of the budget failed: BudgetOptions.LocalShare lets a share pass then",
	}
}

// reserveLocal reserves in the gate's own book, under this process's share of
// the limits.
func (b *budget) reserveLocal(r *storeReservation) (*boundShortage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	local := &bookReservation{}
	for _, c := range r.charges {
		a, err := b.account(c.Account, c.Window)
		if err != nil {
			return nil, &middleware.DeniedError{Code: middleware.CodeIndeterminate, Err: err,
				Reason: "there is no room to count while the store of the budget fails"}
		}
		share := c.Max
		for d, n := range share {
			if n > 0 {
				share[d] = max(n/b.LocalShare, 1)
			}
		}
		local.postings = append(local.postings, posting{of: a, max: &share, ask: c.Ask})
	}
	if x, ok := b.reserve(local, b.Lease); !ok {
		return &boundShortage{x, r.bounds[x.i]}, nil
	}
	r.local = local
	return nil, nil
}

// keepStanding keeps what the Store says of its accounts.
func (b *budget) keepStanding(st *runState, r *storeReservation, standing []Standing) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	for i, bound := range r.bounds {
		st.standing[bound], st.standingFrom[bound] = standing[i], r
	}
}

// settleStored charges what was used.
func (b *budget) settleStored(ctx context.Context, st *runState, r *storeReservation, used []Amounts) {
	if r.local != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.settle(r.local, used)
		return
	}
	err := b.endInStore(ctx, func(ctx context.Context) error { return b.Store.Settle(ctx, r.id, used) })
	if err != nil {
		note(ctx, middleware.VerdictAllow, "the store of the budget failed: the call is not charged there")
		return
	}
	b.adjustStanding(st, r, used)
}

// releaseStored gives back what was reserved, if anything was.
func (b *budget) releaseStored(ctx context.Context, st *runState, r *storeReservation) {
	if r == nil {
		return
	}
	if r.local != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.release(r.local)
		return
	}
	_ = b.endInStore(ctx, func(ctx context.Context) error { return b.Store.Release(ctx, r.id) }) // else it expires
	b.adjustStanding(st, r, make([]Amounts, len(r.charges)))
}

// adjustStanding keeps what became of a reservation, until the Store says more. Where
// it has done so in the meantime, that holds.
func (b *budget) adjustStanding(st *runState, r *storeReservation, used []Amounts) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	for i, bound := range r.bounds {
		if st.standingFrom[bound] != r {
			continue
		}
		st.standingFrom[bound] = nil
		s := &st.standing[bound]
		for d, n := range r.charges[i].Ask {
			s.Held[d] = max(s.Held[d]-n, 0)
			s.Used[d] = sum(s.Used[d], used[i][d])
		}
	}
}

// askStore asks the Store, within the time that there is. A Store that panics failed.
func (b *budget) askStore(ctx context.Context, f func(ctx context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, b.StoreTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("gates: budget: the store panicked: %v", v)
		}
	}()
	return f(ctx)
}

// endInStore has the Store end a reservation, whatever became of the call's context.
// It tries twice.
func (b *budget) endInStore(ctx context.Context, f func(ctx context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	err := b.askStore(ctx, f)
	if err == nil || foreign.Is(err, ErrNoReservation) {
		return err
	}
	return b.askStore(ctx, f)
}
