package schema

import (
	"context"
	"sync"
	"sync/atomic"

	"example.com/safeconduct/middleware"
)

// A boundary judges what leaves calls.
type boundary struct {
	BoundaryRules
	shown       string // the schema, for a model
	byDefault   *fallback
	gate        *middleware.Gate
	judgedCalls middleware.Within[judgedCall]
}

func (b *boundary) intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return b.gate.Layer().Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		t := b.judgedCalls.Find(ctx)
		switch {
		case t == nil || t.ended.Load():
			return b.judgeOutermost(ctx, call, next)
		case b.Reasks == 0:
			return next(ctx, call)
		case t.beginsReask(call):
			return b.judgeReask(ctx, t, call, next)
		case t.runsPlan(call):
			return b.judgePlan(ctx, t, call, next)
		}
		return b.passOn(ctx, t, call, next)
	}
}

// judgeOutermost judges a call that is within no other.
func (b *boundary) judgeOutermost(ctx context.Context, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	t := b.judgedCalls.New(ctx)
	t.kind, t.id = call.Kind, call.ID
	defer t.ended.Store(true)
	held, watched := b.holdStream(ctx, call), b.watchStream(call)
	defer held.close()
	res, err := held.run(ctx, call, watched.over(next))
	v, early := watched.verdict(ctx)
	if !early && (err != nil || isObservation(res)) {
		return res, err
	}
	ruling := b.gate.Begin(ctx)
	if !early {
		v = b.judge(ctx, &call, res.Output, t.acceptedAnswer, false)
	}
	if v.refused && b.Reasks > 0 {
		if r := b.reask(ctx, t, t, call, held, &v); r.answered {
			return middleware.Result{Output: r.output, Usage: res.Usage}, r.err
		}
		ruling = b.gate.Begin(ctx)
	}
	if v.refused && b.byDefault != nil {
		v = b.judge(ctx, &call, v.output, "", true)
	}
	res, err = conclude(ctx, &ruling, call, v, res.Usage)
	return held.release(ctx, v, res, err)
}

// judgePlan judges the final answer of an agent that the outermost call, a chain,
// runs, so that the agent can be asked again. What is refused for good is left
// to the chain.
func (b *boundary) judgePlan(
	ctx context.Context, outer *judgedCall, call middleware.Call, next middleware.Handler,
) (middleware.Result, error) {
	outer.noteWithin(call)
	t := b.judgedCalls.New(ctx)
	t.kind, t.id = call.Kind, call.ID
	defer t.ended.Store(true)
	held := b.holdStream(ctx, call)
	defer held.close()
	res, err := held.run(ctx, call, next)
	if err != nil || isObservation(res) {
		return res, err
	}
	if !isFinal(res) {
		return held.release(ctx, verdict{}, res, nil)
	}
	ruling := b.gate.Begin(ctx)
	v := b.judge(ctx, &call, res.Output, "", false)
	if v.refused {
		if r := b.reask(ctx, outer, t, call, held, &v); r.answered {
			outer.accept(r.accepted)
			return middleware.Result{Output: r.output, Usage: res.Usage}, r.err
		}
	}
	if v.denied != nil {
		return held.release(ctx, verdict{}, middleware.Result{Output: v.output, Usage: res.Usage}, nil)
	}
	outer.accept(v.answer)
	res, err = conclude(ctx, &ruling, call, v, res.Usage)
	return held.release(ctx, v, res, err)
}

// judgeReask judges a call that was made for another answer.
func (b *boundary) judgeReask(
	ctx context.Context, t *judgedCall, call middleware.Call, next middleware.Handler,
) (middleware.Result, error) {
	watched := b.watchStream(call)
	res, err := watched.over(next)(ctx, call)
	v, early := watched.verdict(ctx)
	if !early && (err != nil || isObservation(res) || call.Kind == middleware.KindPlan && !isFinal(res)) {
		return res, err
	}
	ruling := b.gate.Begin(ctx)
	if !early {
		v = b.judge(ctx, &call, res.Output, "", false)
	}
	res, err = conclude(ctx, &ruling, call, v, res.Usage)
	t.setVerdict(v, err)
	return res, err
}

// passOn passes on a call that is not judged, and notes what it may mean for the
// one that is.
func (b *boundary) passOn(ctx context.Context, t *judgedCall, call middleware.Call, next middleware.Handler) (middleware.Result, error) {
	correction := t.noteWithin(call)
	if req, ok := call.Input.(*middleware.ModelRequest); ok && req != nil && correction != nil {
		call.Input = withMessages(req, correction)
		ruling := b.gate.Begin(ctx)
		ruling.Note(middleware.Decision{Verdict: middleware.VerdictTransform, Reason: "what is wrong with the refused answer was added"})
	}
	res, err := next(ctx, call)
	t.keepAnswer(res)
	return res, err
}

// conclude notes what a verdict means for the call, and returns it.
func conclude(
	ctx context.Context, ruling *middleware.Ruling, call middleware.Call, v verdict, u *middleware.Usage,
) (middleware.Result, error) {
	switch {
	case v.denied != nil:
		return middleware.Result{Usage: u}, ruling.Deny(ctx, call, v.denied)
	case v.changed != "":
		ruling.Note(middleware.Decision{Verdict: middleware.VerdictTransform, Code: v.code, Reason: v.changed})
	default:
		ruling.Allow()
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

// A judgedCall is a call that the boundary judges, as the calls within find it.
type judgedCall struct {
	kind middleware.Kind

	// Of a call that is made for another answer: which call asks for it, and
	// what to add to a model request within.
	reaskOf    middleware.CallID
	correction []middleware.Message

	// The boundary is done with the call. Another interceptor may still have
	// it carried out again, and that is then a call of its own.
	ended atomic.Bool

	mu             sync.Mutex
	id             middleware.CallID // zero until the call begins
	modelRequests  int               // within it, to models
	toolsAndPlans  int               // calls within it of tools and plans
	lastText       string            // by a model, last
	acceptedAnswer string            // the final answer of an agent within it
	reasks         int               // how often another answer was asked for
	verdict        verdict           // on another answer
	denial         error             // that the verdict became
}

// beginsReask reports whether call is the one that is made for another answer.
func (t *judgedCall) beginsReask(call middleware.Call) bool {
	if t.reaskOf == 0 || t.reaskOf != call.Parent {
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

// runsPlan reports whether call is a plan of the outermost call, a chain.
func (t *judgedCall) runsPlan(call middleware.Call) bool {
	return call.Kind == middleware.KindPlan && t.kind == middleware.KindChain && t.reaskOf == 0 && t.id == call.Parent
}

// noteWithin notes a call within, and returns what to add to a model request.
func (t *judgedCall) noteWithin(call middleware.Call) []middleware.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id == 0 {
		return nil // an interceptor's own, before the call begins
	}
	switch call.Kind {
	case middleware.KindTool, middleware.KindPlan:
		t.toolsAndPlans++
	case middleware.KindModel:
		t.modelRequests++
		return t.correction
	case middleware.KindChain, middleware.KindRetriever:
	}
	return nil
}

// keepAnswer keeps what a model said within the call.
func (t *judgedCall) keepAnswer(res middleware.Result) {
	answer, ok := res.Output.(*middleware.ModelResponse)
	if !ok || answer == nil || len(answer.Choices) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastText = answer.Choices[0].Text
}

// lastAnswer returns what a model said last within the call.
func (t *judgedCall) lastAnswer() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastText
}

func (t *judgedCall) accept(answer string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acceptedAnswer = answer
}

// setVerdict keeps the verdict on another answer.
func (t *judgedCall) setVerdict(v verdict, denial error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.verdict, t.denial = v, denial
}
