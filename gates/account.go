package gates

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"example.com/safeconduct/middleware"
)

// An account counts against the limits of one scope. What is held is reserved
// by model calls under way, and by batches of tool calls of which not all have
// begun.
type account struct{ used, held amounts }

// A runState is what a Budget keeps for one run.
type runState struct {
	met atomic.Bool // the run has heard of the gate

	mu sync.Mutex // see accounts.lock
	account
	began time.Time                   // of the first call through the gate
	open  []middleware.CallID         // chains under way that are under the gate
	batch map[middleware.CallID]int64 // tool calls held for them
}

// A bill is how much of one dim a call takes in each scope. Where a scope has no
// limit it is zero: what is not limited is not counted.
type bill [scopes]int64

// Accounts are the account of the process and those of the runs, under their
// limits.
type accounts struct {
	max    [dims]bill
	shared bool // the process has limits

	mu      sync.Mutex // see lock
	process account
}

// lock locks the account of st and that of the process, so that they are
// charged together, and returns what to unlock: one mutex for all where the
// process has limits, and otherwise one for each run.
func (a *accounts) lock(st *runState) *sync.Mutex {
	mu := &st.mu
	if a.shared {
		mu = &a.mu
	}
	mu.Lock()
	return mu
}

// account returns the account of a scope.
func (a *accounts) account(st *runState, s Scope) *account {
	if s == ScopeProcess {
		return &a.process
	}
	return &st.account
}

// left returns how much of a limit is left. It needs the lock.
func (a *accounts) left(st *runState, s Scope, d dim) int64 {
	of := a.account(st, s)
	return max(a.max[d][s]-of.used[d]-of.held[d], 0)
}

// fits returns the denial of what does not fit. It needs the lock.
func (a *accounts) fits(st *runState, d dim, ask bill) error {
	for s, n := range ask {
		if n != 0 && n > a.left(st, Scope(s), d) {
			return a.over(st, Scope(s), d, n)
		}
	}
	return nil
}

// hold reserves what fits. It needs the lock.
func (a *accounts) hold(st *runState, d dim, ask bill) {
	for s, n := range ask {
		if n != 0 { // an account without limits has no lock
			a.account(st, Scope(s)).held[d] += n // cannot overflow: it fits
		}
	}
}

// drop gives back what was held. It needs the lock.
func (a *accounts) drop(st *runState, d dim, held bill) {
	for s, n := range held {
		if n != 0 {
			a.account(st, Scope(s)).held[d] -= n
		}
	}
}

// charge adds to what was used. It needs the lock.
func (a *accounts) charge(st *runState, d dim, used bill) {
	for s, n := range used {
		if n != 0 {
			of := a.account(st, Scope(s))
			of.used[d] = sum(of.used[d], n)
		}
	}
}

// over returns the denial for a limit. It needs the lock.
func (a *accounts) over(st *runState, s Scope, d dim, asked int64) error {
	return overBudget("limit " + d.String() + " of the " + s.String() +
		": asked " + strconv.FormatInt(asked, 10) +
		", left " + strconv.FormatInt(a.left(st, s, d), 10) +
		" of " + strconv.FormatInt(a.max[d][s], 10))
}

func overBudget(reason string) *middleware.DeniedError {
	return &middleware.DeniedError{Code: middleware.CodeOverBudget, Reason: reason}
}

// balances appends what is left of the limits of a scope. It needs the lock.
func (a *accounts) balances(all []middleware.Balance, st *runState, s Scope) []middleware.Balance {
	for d := range dims {
		if limit := a.max[d][s]; limit > 0 {
			of := a.account(st, s)
			all = append(all, middleware.Balance{
				Gate: budgetName, Scope: s.String(), Limit: d.String(),
				Max: limit, Used: of.used[d], Held: of.held[d],
			})
		}
	}
	return all
}

// sum returns a + b of numbers that are not negative, at most the largest one.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
