package gates

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"example.com/safeconduct/middleware"
)

// A runState is what a Budget keeps for one run.
type runState struct {
	known atomic.Bool // the gate and the run know each other, and what follows is there

	own          book                // whose lock is used where only runs have limits
	accounts     []*account          // by bound; nil where there is none
	names        []string            // of the accounts that are not the run's own
	missing      []bool              // by bound: the run lacks the name that it needs
	full         []bool              // by bound: there was no room for the account
	standing     []Standing          // by bound, of those in the Store, as it last said
	standingFrom []*storeReservation // by bound: the reservation with which it did
	began        time.Time           // of the first call through the gate

	open    []openChain                          // those under way that are under the gate
	batches map[middleware.CallID][]plannedCalls // tool calls reserved for them
}

// An openChain is a chain under way, and the plan that it makes. Where that is
// made again, the other one is a call within it, and takes its place.
type openChain struct {
	id     middleware.CallID
	plan   middleware.CallID // zero for none yet
	latest middleware.CallID // of those made in its place, or plan
}

// planned returns the chain that a plan is made for, and the plan whose place it
// has: its own, unless it is made again. It needs the lock.
func (st *runState) planned(call *middleware.Call) (chain, plan middleware.CallID) {
	for i := range st.open {
		switch o := &st.open[i]; {
		case call.Parent == o.id:
			return o.id, call.ID
		case o.plan != 0 && (call.ID == o.latest || call.Parent == o.latest || call.Parent == o.plan):
			return o.id, o.plan
		}
	}
	return call.Parent, call.ID
}

// begin notes that a plan is made. It needs the lock.
func (st *runState) begin(call *middleware.Call) (chain, plan middleware.CallID) {
	chain, plan = st.planned(call)
	for i := range st.open {
		if o := &st.open[i]; o.id == chain {
			o.plan, o.latest = plan, call.ID
		}
	}
	return chain, plan
}

// plannedCalls are tool calls that one plan has asked for and that have not begun.
type plannedCalls struct {
	n    int64
	at   time.Duration
	plan middleware.CallID
}

// lock locks all accounts of a run together, and returns the book whose lock it
// is: one for all where others than runs have limits, and otherwise one for each
// run.
func (b *budget) lock(st *runState) *book {
	bk := &st.own
	if b.shared {
		bk = &b.book
	}
	bk.lock()
	return bk
}

// state returns what the gate keeps for the run that ctx belongs to.
func (b *budget) state(ctx context.Context) *runState {
	run := middleware.RunOf(ctx)
	st := b.runs.In(run)
	if !st.known.Load() {
		b.introduce(run, st)
	}
	return st
}

// introduce makes the gate and a run known to each other.
func (b *budget) introduce(run *middleware.Run, st *runState) {
	bk := b.lock(st)
	defer bk.mu.Unlock()
	if st.accounts != nil {
		return
	}
	st.own.clock = b.clock
	st.began = time.Now()
	n := len(b.bounds)
	st.accounts, st.names = make([]*account, n), make([]string, n)
	st.missing, st.full = make([]bool, n), make([]bool, n)
	st.standing, st.standingFrom = make([]Standing, n), make([]*storeReservation, n)
	for i := range b.bounds {
		bd := &b.bounds[i]
		if bd.Scope == ScopeRun {
			st.accounts[i] = &account{window: bd.Window}
			continue
		}
		var named bool
		st.names[i], named = bd.account(run)
		if !named && bd.Nameless != NamelessShared {
			st.names[i], st.missing[i] = "", bd.Nameless == NamelessDenied
			continue
		}
		if !bd.stored {
			b.findAccount(st, i)
		}
	}
	run.Attach(b)
	st.known.Store(true)
}

// findAccount finds the account of a bound. It needs the lock.
func (b *budget) findAccount(st *runState, i int) {
	a, err := b.account(st.names[i], b.bounds[i].Window)
	st.accounts[i], st.full[i] = a, err != nil
}

// at returns a run's account under a bound as it is now, nil where it has none
// here, or the denial of a call that needs one. It needs the lock.
func (b *budget) at(st *runState, i int, now time.Duration) (*account, error) {
	a := st.accounts[i]
	if a == nil {
		return nil, b.unnamed(st, i)
	}
	if a.gone {
		b.findAccount(st, i)
		if a = st.accounts[i]; a == nil {
			return nil, b.unnamed(st, i)
		}
	}
	if a.window > 0 {
		a.beginWindow(now)
	}
	return a, nil
}

// unnamed returns the denial of a call that needs an account that is not there.
func (b *budget) unnamed(st *runState, i int) error {
	scope := b.bounds[i].Scope
	switch {
	case st.missing[i]:
		return middleware.Deny(middleware.CodeIndeterminate, "the limits are of the %v, and the run does not name its %v: "+
			"middleware.WithIdentity names it, and Limits.Nameless says what holds without", scope, scope)
	case st.full[i]:
		return &middleware.DeniedError{Code: middleware.CodeIndeterminate, Err: errTooManyAccounts,
			Reason: "there is no room to count for another " + scope.String()}
	}
	return nil
}

// time returns the time where some limits have windows. It needs the lock.
func (b *budget) time(bk *book) time.Duration {
	if !b.windows {
		return 0
	}
	return bk.now()
}

// Balances implements [middleware.Meter].
func (b *budget) Balances(run *middleware.Run) []middleware.Balance {
	st := b.runs.In(run)
	bk := b.lock(st)
	defer bk.mu.Unlock()
	now := b.time(bk)
	bk.lapse()
	all := make([]middleware.Balance, 0, b.balances)
	for i := range b.bounds {
		bd := &b.bounds[i]
		s, counted := b.standing(st, i, now)
		for d, limit := range bd.max {
			if counted && limit > 0 {
				all = append(all, middleware.Balance{
					Gate: budgetName, Scope: bd.Scope.String(), Limit: bd.limit(Dim(d)),
					Max: limit, Used: s.Used[d], Held: s.Held[d],
				})
			}
		}
		if bd.WallTime > 0 {
			all = append(all, middleware.Balance{
				Gate: budgetName, Scope: bd.Scope.String(), Limit: limitWallTime,
				Max: bd.WallTime.Milliseconds(), Used: time.Since(st.began).Milliseconds(),
			})
		}
	}
	return all
}

// standing returns what is used and reserved under a bound, and whether anything is
// counted there. It needs the lock.
func (b *budget) standing(st *runState, i int, now time.Duration) (Standing, bool) {
	if b.bounds[i].stored {
		return st.standing[i], st.names[i] != ""
	}
	a, _ := b.at(st, i, now)
	if a == nil {
		return Standing{}, false
	}
	return Standing{a.used, a.reserved}, true
}

// denyOver returns the denial of what does not fit.
func (b *budget) denyOver(i int, x shortage) *middleware.DeniedError {
	bd := &b.bounds[i]
	unit := ""
	if x.dim == DimCost {
		unit = " micro-dollars"
	}
	return &middleware.DeniedError{
		Code: middleware.CodeOverBudget,
		Reason: "limit " + bd.limit(x.dim) + " of the " + bd.Scope.String() +
			": asked " + strconv.FormatInt(x.asked, 10) +
			", left " + strconv.FormatInt(x.left, 10) +
			" of " + strconv.FormatInt(bd.max[x.dim], 10) + unit,
	}
}
