package gates

import (
	"context"
	"fmt"
	"time"

	"example.com/safeconduct/middleware"
)

const budgetName = "budget"

// Budget returns the gate "budget", which bounds what calls spend. The limits of
// several scopes, one Limits for each, are charged together or not at all. What
// does not fit is denied with [middleware.CodeOverBudget] and a reason that
// names the limit, the amount asked and what is left. Under any number of
// goroutines no more calls pass than a limit allows, and no fewer.
//
// A tool call takes one. It counts once the tool was called, whatever came of
// it: a failure, a panic, the end of the context. One that a gate further
// inside denied is given back.
//
// A model call reserves one, and an estimate of its tokens: one for every four
// bytes of the messages, and for the output its MaxTokens, or else
// Limits.Estimate, for each of the answers asked for. It is settled with the
// tokens that the provider reports. The estimate is charged where the provider
// reports none, zero, or what cannot be believed: a negative number, or more
// than a billion. Of a call that failed what was reported is charged, or the
// estimate, where a part of the answer had been streamed or Usage came back
// without numbers; otherwise its tokens are given back. One that did not come
// to the model takes nothing. So a limit on tokens is overshot by no more than
// what the reservations of the calls then under way underestimated.
//
// A plan that asks for more tool calls than are left is denied before any of
// them runs, and nothing is charged. If they fit, they are held for the chain
// that the plan belongs to, where that chain itself runs under this gate, and
// its tool calls draw on what is held. What is left over goes back when the
// chain plans again or ends. A plan without such a chain is checked, and nothing
// is held.
//
// WallTime denies calls that begin when the time is over, and is the deadline of
// those under way. A call that it ends is denied, where it is the outermost that
// the gate saw; within, the context's error comes back.
//
// The gate reports what is left to [middleware.Run.Balances]. Tool calls under
// way count as used there; wall_time is in milliseconds.
//
// Budget panics without limits, if one is negative, if Limits limit nothing, and
// if a scope is there twice.
func Budget(limits ...Limits) middleware.Interceptor {
	b := newBudget(limits)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: budgetName, Gate: true, ID: b}.Handler()
		}
		return b.intercept(next)
	}
}

// A budget is a Budget made ready.
type budget struct {
	accounts
	runs middleware.Local[runState]
	gate *middleware.Gate

	one      [dims]bill    // what one call takes, where it is limited
	estimate [scopes]int64 // of a model's output
	wallTime time.Duration
}

func newBudget(limits []Limits) *budget {
	if len(limits) == 0 {
		panic("gates: Budget without limits bounds nothing")
	}
	b := &budget{gate: middleware.NewGate(budgetName)}
	var seen [scopes]bool
	for _, l := range limits {
		l.check()
		if seen[l.Scope] {
			panic(fmt.Sprintf("gates: Budget: two Limits for scope %v", l.Scope))
		}
		seen[l.Scope] = true
		for d, limit := range (amounts{toolCalls: l.ToolCalls, modelCalls: l.ModelCalls, tokens: l.Tokens}) {
			b.max[d][l.Scope] = limit
			b.one[d][l.Scope] = min(limit, 1)
		}
		if b.estimate[l.Scope] = l.Estimate; l.Estimate == 0 {
			b.estimate[l.Scope] = DefaultEstimate
		}
		b.wallTime = max(b.wallTime, l.WallTime)
	}
	b.shared = seen[ScopeProcess]
	return b
}

// limits reports whether any scope limits d.
func (b *budget) limits(d dim) bool { return b.max[d] != bill{} }

// intercept returns the Handler around next. Kinds of calls that no limit is
// for go straight to next. Where there is a limit on time, all are timed.
func (b *budget) intercept(next middleware.Handler) middleware.Handler {
	if b.wallTime > 0 {
		return middleware.Named(budgetName, b.timed)(next)
	}
	h := b.counted(next)
	if b.limits(toolCalls) {
		// What Named would do, at a fraction of its cost.
		h.tool = b.tool(next)
		h.plan = b.replan(middleware.After(budgetName, b.judgePlan)(next))
	}
	if b.limits(modelCalls) || b.limits(tokens) {
		h.model = middleware.Named(budgetName, b.metered)(next)
	}
	return h.handler()
}

// A switchboard has a Handler for each kind of call.
type switchboard struct{ tool, model, plan, chain, other middleware.Handler }

func (h switchboard) handler() middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		switch call.Kind {
		case middleware.KindTool:
			return h.tool(ctx, call)
		case middleware.KindModel:
			return h.model(ctx, call)
		case middleware.KindPlan:
			return h.plan(ctx, call)
		case middleware.KindChain:
			return h.chain(ctx, call)
		default:
			return h.other(ctx, call)
		}
	}
}

// counted returns the Handlers that count, without a name for their denials.
func (b *budget) counted(next middleware.Handler) switchboard {
	h := switchboard{next, next, next, next, next}
	if b.limits(toolCalls) {
		taken := b.refundTool(next)
		h.tool = func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if err := b.takeTool(ctx, call); err != nil {
				return middleware.Result{}, err
			}
			return taken(ctx, call)
		}
		h.plan = b.replan(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if err != nil || told(res) {
				return res, err
			}
			if err := b.judgePlan(ctx, call, res); err != nil {
				return middleware.Result{Usage: res.Usage}, err
			}
			return res, nil
		})
		h.chain = b.chain(next)
	}
	if b.limits(modelCalls) || b.limits(tokens) {
		h.model = b.metered(next)
	}
	return h
}

// state returns what the gate keeps for the run that ctx belongs to.
func (b *budget) state(ctx context.Context) *runState {
	run := middleware.RunOf(ctx)
	st := b.runs.In(run)
	if !st.met.Load() {
		b.meet(run, st)
	}
	return st
}

// meet makes the gate known to a run.
func (b *budget) meet(run *middleware.Run, st *runState) {
	defer b.lock(st).Unlock()
	if st.began.IsZero() {
		st.began = time.Now()
	}
	run.Attach(b)
	st.met.Store(true)
}

// Balances implements [middleware.Meter].
func (b *budget) Balances(run *middleware.Run) []middleware.Balance {
	st := b.runs.In(run)
	defer b.lock(st).Unlock()
	all := b.balances(nil, st, ScopeRun)
	if b.wallTime > 0 {
		w := middleware.Balance{
			Gate: budgetName, Scope: ScopeRun.String(), Limit: limitWallTime,
			Max: b.wallTime.Milliseconds(),
		}
		if !st.began.IsZero() {
			w.Used = time.Since(st.began).Milliseconds()
		}
		all = append(all, w)
	}
	return b.balances(all, st, ScopeProcess)
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

// told reports whether a denial was turned into text further inside.
func told(res middleware.Result) bool {
	_, ok := res.Output.(middleware.Observation)
	return ok
}
