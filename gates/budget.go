package gates

import (
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/safeconduct/middleware"
)

const budgetName = "budget"

// Budget returns the gate "budget", which bounds what calls spend. The limits of several
// scopes and windows are charged together or not at all: what does not fit is denied with
// [middleware.CodeOverBudget] and a reason that names the limit, the amount asked and what
// is left. However many goroutines there are, no more calls pass than a limit allows and,
// but for a [BudgetOptions.Store], no fewer. A run that lacks the name of the session,
// subject or tenant that a limit is for is denied with [middleware.CodeIndeterminate]; see
// [Limits.Nameless]. What calls, streams and plans are charged says the package's doc.
//
// Budget panics without limits, if one makes no sense, and if a scope is there twice
// with the same window.
func Budget(limits ...Limits) middleware.Interceptor {
	return BudgetWith(BudgetOptions{}, limits...)
}

// BudgetWith is [Budget] with options. It panics also if one of them makes no
// sense.
func BudgetWith(o BudgetOptions, limits ...Limits) middleware.Interceptor {
	b := newBudget(o, limits)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			l := middleware.Layer{Name: budgetName, Gate: true, ID: b, Stream: "passed through"}
			l.Counts, l.PerRun = b.covers()
			if b.wallTime == 0 {
				l.Kinds = l.Counts
			}
			return l.Handler()
		}
		return b.intercept(next)
	}
}

// covers returns the kinds of calls that some limit but that of time is for, and whether one counts the
// calls of a run.
func (b *budget) covers() (kinds []middleware.Kind, perRun bool) {
	for _, bd := range b.bounds {
		perRun = perRun || bd.Scope == ScopeRun && bd.ToolCalls+bd.ModelCalls > 0
	}
	if b.limited[DimToolCalls] {
		kinds = append(kinds, middleware.KindTool, middleware.KindPlan)
	}
	if b.limited[DimModelCalls] || b.meters || b.advises {
		kinds = append(kinds, middleware.KindModel)
	}
	return kinds, perRun
}

// A budget is a Budget made ready.
type budget struct {
	BudgetOptions
	book // of the process, and of all scopes where they share limits
	runs middleware.Local[runState]
	gate *middleware.Gate

	bounds   []bound
	tools    []toolLimit // but for those in the Store
	limited  [Dims]bool
	shared   bool // others than runs have limits here
	windows  bool // some limits have windows
	stored   bool // some limits are in the Store
	advises  bool // some limits have Soft or FinalAnswer
	meters   bool // tokens or cost are limited
	wallTime time.Duration
	balances int    // at most
	prefix   string // of the IDs of reservations
	serial   serial
}

// A bound is Limits made ready.
type bound struct {
	Limits
	max    Amounts
	stored bool // its accounts are in the Store
	guess  bool // the Estimate is nobody's choice
}

func newBudget(o BudgetOptions, limits []Limits) *budget {
	if len(limits) == 0 {
		panic("gates: Budget without limits bounds nothing")
	}
	o.check()
	b := &budget{BudgetOptions: o, gate: middleware.NewGate(budgetName), book: newBook()}
	for _, l := range limits {
		l.check()
		guess := l.Estimate == 0 && !l.Clamp
		if l.Estimate == 0 {
			l.Estimate = DefaultEstimate
		}
		bd := bound{Limits: l, max: l.amounts(), stored: o.Store != nil && l.Scope.named(), guess: guess}
		b.bounds = append(b.bounds, bd)
		b.shared = b.shared || l.Scope != ScopeRun
		b.windows = b.windows || l.Window > 0
		b.stored = b.stored || bd.stored
		b.advises = b.advises || l.Soft+l.FinalAnswer > 0
		b.meters = b.meters || l.metered()
		b.wallTime = max(b.wallTime, l.WallTime)
		for d, n := range bd.max {
			if n > 0 {
				b.limited[d] = true
				b.balances++
			}
		}
		if l.WallTime > 0 {
			b.balances++
		}
	}
	slices.SortStableFunc(b.bounds, func(x, y bound) int { return x.compare(&y.Limits) })
	for i := range b.bounds {
		if bd := &b.bounds[i]; i > 0 && bd.compare(&b.bounds[i-1].Limits) == 0 {
			panic(fmt.Sprintf("gates: Budget: two Limits for scope %v with the same Window", bd.Scope))
		}
		if bd := &b.bounds[i]; bd.max[DimToolCalls] > 0 && !bd.stored {
			b.tools = append(b.tools, toolLimit{i, bd.max[DimToolCalls]})
		}
	}
	if b.stored {
		b.prefix = newPrefix()
	}
	if b.limited[DimCost] && b.Prices == nil {
		b.Prices = ListPrices()
	}
	return b
}

// intercept returns the Handler around next. Kinds of calls that no limit is
// for go straight to next. Where there is a limit on time, all are timed.
func (b *budget) intercept(next middleware.Handler) middleware.Handler {
	if b.wallTime > 0 {
		return middleware.Named(budgetName, b.timed)(next)
	}
	return b.counted(next, true).handler()
}

// counted returns the Handlers that count. Within Named, which notes decisions
// itself, they are not to do so.
func (b *budget) counted(next middleware.Handler, notes bool) byKind {
	h := byKind{next, next, next, next, next}
	if b.limited[DimToolCalls] {
		h.tool = b.tool(next, notes)
		h.plan = b.plan(next, notes)
		h.chain = b.chain(next)
	}
	if b.limited[DimModelCalls] || b.meters || b.advises {
		h.model = b.model(next, notes)
	}
	return h
}

// A maybeNoted is one decision of the gate, noted where notes is true.
type maybeNoted struct {
	middleware.Ruling
	notes bool
}

func (b *budget) begin(ctx context.Context, notes bool) maybeNoted {
	if !notes {
		return maybeNoted{}
	}
	return maybeNoted{b.gate.Begin(ctx), true}
}

func (r *maybeNoted) allow() {
	if r.notes {
		r.Allow()
	}
}

func (r *maybeNoted) deny(ctx context.Context, call *middleware.Call, err error) error {
	if r.notes {
		return r.Deny(ctx, *call, err)
	}
	return err
}

// note puts something that is no denial on the call's trail.
func note(ctx context.Context, verdict middleware.Verdict, reason string) {
	middleware.Note(ctx, middleware.Decision{Gate: budgetName, Verdict: verdict, Reason: reason})
}

// ran reports whether the call that ctx belongs to came to what is wrapped.
// Outside of a wrapped call nobody knows, and it counts as if.
func ran(ctx context.Context) bool {
	if middleware.RunOf(ctx) == nil {
		return true
	}
	_, ran := middleware.TrailOf(ctx).Ran()
	return ran
}
