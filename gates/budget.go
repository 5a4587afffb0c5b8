package gates

import (
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/safeconduct/middleware"
)

const budgetName = "budget"

// Budget returns the gate "budget", which bounds what calls spend. The limits of
// several scopes and windows, one Limits for each, are charged together or not
// at all. What does not fit is denied with [middleware.CodeOverBudget] and a
// reason that names the limit, the amount asked and what is left. Under any
// number of goroutines no more calls pass than a limit allows, and, but for a
// [BudgetOptions.Store], no fewer. A call of a run that lacks the name of the
// session, subject or tenant whose limit it needs is denied with
// [middleware.CodeIndeterminate]; see [Limits.Nameless].
//
// A tool call takes one. It counts once the tool was called, whatever came of
// it: a failure, a panic, the end of the context. One that a gate further
// inside denied is given back.
//
// A model call reserves one, and an estimate of its tokens. Of the prompt that
// is one for every four bytes of text, and 1600 for each part that is media, such
// as an image; see [middleware.Part]. For the output it is its MaxTokens, or else
// Limits.Estimate, for each of the answers asked for. All of the input may turn
// out to be cached, and all of the output reasoning: limits on those reserve as
// much. The cost reserved is the most that such tokens may cost.
//
// The call is settled with what the provider reports. The estimate is charged
// where the provider reports nothing, zero, or what cannot be believed: a
// negative number, more than a billion, more cached tokens than input. Where it
// leaves out the prompt, or the output of an answer that is not empty, that is
// charged by the estimate. A note on the call's trail says so. Where the provider
// reports a cost of its own it is charged instead of that by
// [BudgetOptions.Prices], which do not know the conditions under which the provider
// bills. A call to a model whose price is not known is denied with
// [middleware.CodeIndeterminate].
//
// Of a call that failed what was reported is charged, or the estimate, where a part
// of the answer had been streamed or Usage came back without numbers; otherwise its
// tokens are given back. One that did not come to the model takes nothing. One that
// did, and was denied then by a gate inside or panicked, is charged as one that was
// answered: whether that happens may be up to what the model says. So a limit on
// tokens or cost is overshot by no more than what the reservations of the calls then
// under way underestimated.
//
// A stream is counted while it comes, at four bytes a token, and what it takes
// beyond its estimate is reserved as well. The chunk for which there is no room is
// not passed on, and the call is denied and charged with what had come, that chunk
// included. Four bytes are an average: where tokens are longer than that, a stream
// is ended so much too early, and where they are shorter too late. A request that
// bounds its output is believed up to twice as much, as the provider keeps to the
// bound by a better count. Where the provider does not report what a stream took,
// the estimate or what was counted is charged, whichever is more.
//
// A plan that asks for more tool calls than are left is denied before any of them
// runs, and nothing is charged. If they fit, they are held for the chain that the
// plan belongs to, where that chain itself runs under this gate, and its tool
// calls draw on what is held. What is left over goes back when the chain plans
// again or ends; the calls of a plan that is made again, by [middleware.Again],
// take the place of those of the first. A plan without such a chain is checked,
// and nothing is held; neither is it in a [Store] of one's own.
//
// WallTime denies calls that begin when the time is over, and is the deadline of
// those under way. A call that it ends is denied, where it is the outermost that
// the gate saw; within, the context's error comes back.
//
// The gate reports what is left to [middleware.Run.Balances]. Tool calls under
// way count as used there; wall_time is in milliseconds. What a Store keeps is
// reported as it was when the run last reserved.
//
// Budget panics without limits, if one is negative, if Limits limit nothing, and
// if a scope is there twice with the same window.
func Budget(limits ...Limits) middleware.Interceptor {
	return BudgetWith(BudgetOptions{}, limits...)
}

// BudgetWith is [Budget] with options. It panics also if one of them makes no
// sense.
func BudgetWith(o BudgetOptions, limits ...Limits) middleware.Interceptor {
	b := newBudget(o, limits)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: budgetName, Gate: true, ID: b, Stream: "passed through"}.Handler()
		}
		return b.intercept(next)
	}
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
}

func newBudget(o BudgetOptions, limits []Limits) *budget {
	if len(limits) == 0 {
		panic("gates: Budget without limits bounds nothing")
	}
	o.check()
	b := &budget{BudgetOptions: o, gate: middleware.NewGate(budgetName), book: newBook()}
	for _, l := range limits {
		l.check()
		if l.Estimate == 0 {
			l.Estimate = DefaultEstimate
		}
		bd := bound{Limits: l, max: l.amounts(), stored: o.Store != nil && l.Scope.named()}
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
