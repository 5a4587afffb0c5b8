package gates

import (
	"context"
	"math"
	"sync/atomic"

	"example.com/safeconduct/middleware"
)

// metered reserves and settles model calls.
func (b *budget) metered(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		ask, err := b.request(call)
		if err != nil {
			return middleware.Result{}, err
		}
		st := b.state(ctx)
		if err := b.reserve(st, ask); err != nil {
			return middleware.Result{}, err
		}
		var streamed atomic.Bool
		if stream := call.Stream; stream != nil {
			call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
				streamed.Store(true)
				return stream(ctx, chunk)
			}
		}
		returned := false
		defer func() {
			calls, used := b.spent(ctx, ask, res, returned && err == nil, streamed.Load())
			b.settle(st, ask, calls, used)
		}()
		res, err = next(ctx, call)
		returned = true
		return res, err
	}
}

// request returns the tokens to reserve for a model call.
func (b *budget) request(call middleware.Call) (ask bill, err error) {
	if !b.limits(tokens) {
		return bill{}, nil
	}
	req, ok := call.Input.(*middleware.ModelRequest)
	if !ok || req == nil {
		return bill{}, middleware.Deny(middleware.CodeIndeterminate, "the request cannot be read")
	}
	prompt := promptTokens(req)
	for s := range ask {
		ask[s] = b.limited(Scope(s), sum(prompt, outputTokens(req, b.estimate[s])))
	}
	return ask, nil
}

// limited returns n where the scope limits tokens.
func (b *budget) limited(s Scope, n int64) int64 {
	if b.max[tokens][s] == 0 {
		return 0
	}
	return n
}

// reserve holds a model call and its tokens in all scopes, or in none.
func (b *budget) reserve(st *runState, ask bill) error {
	defer b.lock(st).Unlock()
	if err := b.fits(st, modelCalls, b.one[modelCalls]); err != nil {
		return err
	}
	if err := b.fits(st, tokens, ask); err != nil {
		return err
	}
	b.hold(st, modelCalls, b.one[modelCalls])
	b.hold(st, tokens, ask)
	return nil
}

// settle charges what a model call used in place of what was held.
func (b *budget) settle(st *runState, ask, calls, used bill) {
	defer b.lock(st).Unlock()
	b.drop(st, modelCalls, b.one[modelCalls])
	b.drop(st, tokens, ask)
	b.charge(st, modelCalls, calls)
	b.charge(st, tokens, used)
}

// spent returns the calls and tokens to charge for a model call for which ask
// was held.
func (b *budget) spent(ctx context.Context, ask bill, res middleware.Result, ok, streamed bool) (calls, used bill) {
	if !ran(ctx) {
		return bill{}, bill{}
	}
	n, known := reported(res.Usage)
	if !known && (ok || streamed || res.Usage != nil) {
		return b.one[modelCalls], ask // the estimate
	}
	for s := range used {
		used[s] = b.limited(Scope(s), n) // zero where it failed and nothing was metered
	}
	return b.one[modelCalls], used
}

// maxUsage is more tokens than one call can take. What a provider reports
// beyond it is not believed.
const maxUsage = 1_000_000_000

// bytesPerToken is what a token takes in English prose, on average.
const bytesPerToken = 4

// promptTokens estimates what a provider will count as the prompt.
func promptTokens(req *middleware.ModelRequest) int64 {
	var bytes int64
	for i := range req.Messages {
		for j := range req.Messages[i].Parts {
			part := &req.Messages[i].Parts[j]
			bytes = sum(bytes, int64(max(len(part.Text), part.Size)))
		}
	}
	return sum(bytes, bytesPerToken-1) / bytesPerToken
}

// outputTokens bounds what the model may answer: the bound that the request
// sets, or the estimate, for each answer asked for.
func outputTokens(req *middleware.ModelRequest, estimate int64) int64 {
	if req.MaxTokens > 0 {
		estimate = int64(req.MaxTokens)
	}
	return product(estimate, int64(max(req.Candidates, 1)))
}

// reported returns the tokens that a provider says it counted, unless what it
// says cannot be believed.
func reported(u *middleware.Usage) (int64, bool) {
	if u == nil || !u.Reported {
		return 0, false
	}
	if min(u.InputTokens, u.OutputTokens, u.TotalTokens, u.CachedTokens, u.ReasoningTokens) < 0 {
		return 0, false
	}
	n := max(u.TotalTokens, sum(u.InputTokens, u.OutputTokens))
	return n, n > 0 && n <= maxUsage
}

// product returns a * b of numbers that are not negative, at most the largest
// one.
func product(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
