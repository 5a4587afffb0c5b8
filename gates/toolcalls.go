package gates

import (
	"context"
	"slices"

	"example.com/safeconduct/middleware"
)

// takeTool charges a tool call, out of what is held for its chain where that is
// something. A tool call takes one, whatever comes of it: there is nothing to
// settle.
func (b *budget) takeTool(ctx context.Context, call middleware.Call) error {
	st := b.state(ctx)
	defer b.lock(st).Unlock()
	if n := st.batch[call.Parent]; n > 0 {
		st.batch[call.Parent] = n - 1
		b.drop(st, toolCalls, b.one[toolCalls])
	} else if err := b.fits(st, toolCalls, b.one[toolCalls]); err != nil {
		return err
	}
	b.charge(st, toolCalls, b.one[toolCalls])
	return nil
}

// tool returns the Handler for tool calls, which makes its denials the gate's.
func (b *budget) tool(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		turn := b.gate.Begin(ctx)
		if err := b.takeTool(ctx, call); err != nil {
			return middleware.Result{}, turn.Deny(ctx, call, err)
		}
		turn.Allow()
		res, err := next(ctx, call)
		b.refundUnused(ctx, res, err)
		return res, err
	}
}

// refundTool returns the Handler inside of takeTool.
func (b *budget) refundTool(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		b.refundUnused(ctx, res, err)
		return res, err
	}
}

// refundUnused gives back what a call took that did not come to the tool. One
// that panics keeps what it took.
func (b *budget) refundUnused(ctx context.Context, res middleware.Result, err error) {
	if (err != nil || told(res)) && !ran(ctx) {
		b.refund(ctx)
	}
}

func (b *budget) refund(ctx context.Context) {
	st := b.state(ctx)
	defer b.lock(st).Unlock()
	for s, n := range b.one[toolCalls] {
		if n != 0 {
			b.account(st, Scope(s)).used[toolCalls] -= n
		}
	}
}

// chain makes a chain known for which tool calls may be held, until it ends.
func (b *budget) chain(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		st := b.state(ctx)
		mu := b.lock(st)
		st.open = append(st.open, call.ID)
		mu.Unlock()
		defer func() {
			defer b.lock(st).Unlock()
			b.giveBack(st, call.ID)
			st.open = slices.DeleteFunc(st.open, func(id middleware.CallID) bool { return id == call.ID })
		}()
		return next(ctx, call)
	}
}

// replan gives back what an earlier plan of the same chain left over.
func (b *budget) replan(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		st := b.state(ctx)
		mu := b.lock(st)
		b.giveBack(st, call.Parent)
		mu.Unlock()
		return next(ctx, call)
	}
}

// giveBack gives back what is held for a chain. It needs the lock.
func (b *budget) giveBack(st *runState, chain middleware.CallID) {
	if n := st.batch[chain]; n > 0 {
		b.drop(st, toolCalls, b.times(n))
	}
	delete(st.batch, chain)
}

// judgePlan judges the batch of tool calls that a plan asks for, and holds them.
func (b *budget) judgePlan(ctx context.Context, call middleware.Call, res middleware.Result) error {
	plan, err := planOf(res)
	if err != nil {
		return err
	}
	n := int64(len(plan.ToolCalls))
	if n == 0 {
		return nil
	}
	ask := b.times(n)
	st := b.state(ctx)
	defer b.lock(st).Unlock()
	if err := b.fits(st, toolCalls, ask); err != nil {
		return err
	}
	if !slices.Contains(st.open, call.Parent) {
		return nil // nobody would give back what is held
	}
	b.hold(st, toolCalls, ask)
	if st.batch == nil {
		st.batch = make(map[middleware.CallID]int64)
	}
	st.batch[call.Parent] += n // beside that of a plan made at the same time
	return nil
}

// times returns what n tool calls take.
func (b *budget) times(n int64) bill {
	ask := b.one[toolCalls]
	for s := range ask {
		ask[s] *= n
	}
	return ask
}
