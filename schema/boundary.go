package schema

import (
	"context"
	"sync"
	"sync/atomic"

	"example.com/safeconduct/middleware"
)

// A boundary judges what leaves calls.
type boundary struct {
	Rules
	shown     string // the schema, for a model
	byDefault *fallback
	gate      *middleware.Gate
	turns     middleware.Within[turn]
}

func (b *boundary) intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return b.gate.Layer().Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		t := b.turns.Find(ctx)
		switch {
		case t == nil || t.over.Load():
			return b.outermost(ctx, call, next)
		case b.Reasks == 0:
			return next(ctx, call)
		case t.begins(call):
			return b.other(ctx, t, call, next)
		case t.runs(call):
			return b.plan(ctx, t, call, next)
		}
		return b.within(ctx, t, call, next)
	}
}

// outermost judges a call that is within no other.
func (b *boundary) outermost(ctx context.Context, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	t := b.turns.New(ctx)
	t.kind, t.id = call.Kind, call.ID
	defer t.over.Store(true)
	held, watched := b.hold(ctx, call), b.watch(call)
	defer held.close()
	res, err := held.run(ctx, call, watched.over(next))
	v, early := watched.verdict(ctx)
	if !early && (err != nil || isObservation(res)) {
		return res, err
	}
	turn := b.gate.Begin(ctx)
	if !early {
		v = b.judge(ctx, &call, res.Output, t.accepted, false)
	}
	if v.refused && b.Reasks > 0 {
		if r := b.ask(ctx, t, t, call, held, &v); r.answered {
			return middleware.Result{Output: r.output, Usage: res.Usage}, r.err
		}
		turn = b.gate.Begin(ctx)
	}
	if v.refused && b.byDefault != nil {
		v = b.judge(ctx, &call, v.output, "", true)
	}
	res, err = conclude(ctx, &turn, call, v, res.Usage)
	return held.release(ctx, v, res, err)
}

// plan judges the final answer of an agent that the outermost call, a chain,
// runs, so that the agent can be asked again. What is refused for good is left
// to the chain.
func (b *boundary) plan(ctx context.Context, outer *turn, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	outer.enters(call)
	t := b.turns.New(ctx)
	t.kind, t.id = call.Kind, call.ID
	defer t.over.Store(true)
	held := b.hold(ctx, call)
	defer held.close()
	res, err := held.run(ctx, call, next)
	if err != nil || isObservation(res) {
		return res, err
	}
	if !isFinal(res) {
		return held.release(ctx, verdict{}, res, nil)
	}
	turn := b.gate.Begin(ctx)
	v := b.judge(ctx, &call, res.Output, "", false)
	if v.refused {
		if r := b.ask(ctx, outer, t, call, held, &v); r.answered {
			outer.accept(r.accepted)
			return middleware.Result{Output: r.output, Usage: res.Usage}, r.err
		}
	}
	if v.denied != nil {
		return held.release(ctx, verdict{}, middleware.Result{Output: v.output, Usage: res.Usage}, nil)
	}
	outer.accept(v.answer)
	res, err = conclude(ctx, &turn, call, v, res.Usage)
	return held.release(ctx, v, res, err)
}

// other judges a call that was made for another answer.
func (b *boundary) other(ctx context.Context, t *turn, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	watched := b.watch(call)
	res, err := watched.over(next)(ctx, call)
	v, early := watched.verdict(ctx)
	if !early && (err != nil || isObservation(res) || call.Kind == middleware.KindPlan && !isFinal(res)) {
		return res, err
	}
	turn := b.gate.Begin(ctx)
	if !early {
		v = b.judge(ctx, &call, res.Output, "", false)
	}
	res, err = conclude(ctx, &turn, call, v, res.Usage)
	t.judged(v, err)
	return res, err
}

// within passes on a call that is not judged, and notes what it may mean for the
// one that is.
func (b *boundary) within(ctx context.Context, t *turn, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	correction := t.enters(call)
	if req, ok := call.Input.(*middleware.ModelRequest); ok && req != nil && correction != nil {
		call.Input = withMessages(req, correction)
		turn := b.gate.Begin(ctx)
		turn.Note(middleware.Decision{Verdict: middleware.VerdictTransform, Reason: "what is wrong with the refused answer was added"})
	}
	res, err := next(ctx, call)
	t.hears(res)
	return res, err
}

// conclude notes what a verdict means for the call, and returns it.
func conclude(ctx context.Context, turn *middleware.Ruling, call middleware.Call, v verdict, u *middleware.Usage) (middleware.Result, error) {
	switch {
	case v.denied != nil:
		return middleware.Result{Usage: u}, turn.Deny(ctx, call, v.denied)
	case v.changed != "":
		turn.Note(middleware.Decision{Verdict: middleware.VerdictTransform, Code: v.code, Reason: v.changed})
	default:
		turn.Allow()
	}
	return middleware.Result{Output: v.output, Usage: u}, nil
}

func isObservation(res middleware.Result) bool {
	_, ok := res.Output.(middleware.Observation)
	return ok
}

func isFinal(res middleware.Result) bool {
	plan, ok := res.Output.(*middleware.Plan)
	return ok && plan != nil && plan.Final != nil
}

// A turn is a call that the boundary judges, as the calls within find it.
type turn struct {
	kind middleware.Kind

	// Of a call that is made for another answer: which call asks for it, and
	// what to add to a model request within.
	asks    middleware.CallID
	correct []middleware.Message

	// The boundary is done with the call. Another interceptor may still have
	// it carried out again, and that is then a call of its own.
	over atomic.Bool

	mu       sync.Mutex
	id       middleware.CallID // zero until the call begins
	requests int               // within it, to models
	others   int               // calls within it of tools and plans
	said     string            // by a model, last
	accepted string            // the final answer of an agent within it
	asked    int               // how often another answer was asked for
	verdict  verdict           // on another answer
	denial   error             // that the verdict became
}

// begins reports whether call is the one that is made for another answer.
func (t *turn) begins(call middleware.Call) bool {
	if t.asks == 0 || t.asks != call.Parent {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id != 0 {
		return false
	}
	t.id = call.ID
	return true
}

// runs reports whether call is a plan of the outermost call, a chain.
func (t *turn) runs(call middleware.Call) bool {
	return call.Kind == middleware.KindPlan && t.kind == middleware.KindChain && t.asks == 0 && t.id == call.Parent
}

// enters notes a call within, and returns what to add to a model request.
func (t *turn) enters(call middleware.Call) []middleware.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id == 0 {
		return nil // an interceptor's own, before the call begins
	}
	switch call.Kind {
	case middleware.KindTool, middleware.KindPlan:
		t.others++
	case middleware.KindModel:
		t.requests++
		return t.correct
	case middleware.KindChain, middleware.KindRetriever:
	}
	return nil
}

// hears keeps what a model said within the call.
func (t *turn) hears(res middleware.Result) {
	answer, ok := res.Output.(*middleware.ModelResponse)
	if !ok || answer == nil || len(answer.Choices) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said = answer.Choices[0].Text
}

// heard returns what a model said last within the call.
func (t *turn) heard() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said
}

func (t *turn) accept(answer string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted = answer
}

// judged keeps the verdict on another answer.
func (t *turn) judged(v verdict, denial error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.verdict, t.denial = v, denial
}
