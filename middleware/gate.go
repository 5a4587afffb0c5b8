package middleware

import (
	"context"
	"errors"
	"time"
)

// Before returns a gate that decides before the call runs. A nil error from
// check allows. Any other denies: one from [Deny] with its code, and one of
// another kind with [CodeIndeterminate], as does a panic. Where the context
// has ended, its error comes back as it is.
//
// The gate's name stands in denials and on the trail. Before panics if it is
// empty or check is nil. The check must be safe for concurrent use.
func Before(gate string, check func(ctx context.Context, call Call) error) Interceptor {
	mustGate("Before", gate, check == nil)
	j := &judge{gate: gate}
	return func(next Handler) Handler {
		if next == nil {
			return j.layer()
		}
		return func(ctx context.Context, call Call) (Result, error) {
			if s, ok := ctx.(*scope); ok && !s.observed.Load() {
				// What follows, for the most common case.
				if err := judgeCall(check, ctx, call); err != nil {
					t := turn{j: j, s: s}
					return Result{}, t.deny(ctx, &call, err)
				}
				s.allow(&j.gate)
				return next(ctx, call)
			}
			t := j.begin(ctx)
			if err := judgeCall(check, ctx, call); err != nil {
				return Result{}, t.deny(ctx, &call, err)
			}
			t.allow()
			return next(ctx, call)
		}
	}
}

// After returns a gate that decides on the result of a call that succeeded. An
// error from check withholds the Output and keeps the Usage; what it means, and
// when After panics, is as for [Before]. A call that failed passes.
func After(gate string, check func(ctx context.Context, call Call, res Result) error) Interceptor {
	mustGate("After", gate, check == nil)
	j := &judge{gate: gate}
	return func(next Handler) Handler {
		if next == nil {
			return j.layer()
		}
		return func(ctx context.Context, call Call) (Result, error) {
			res, err := next(ctx, call)
			if err != nil || told(res) {
				return res, err
			}
			t := j.begin(ctx)
			if err := judgeResult(check, ctx, call, res); err != nil {
				return Result{Usage: res.Usage}, t.deny(ctx, &call, err)
			}
			t.allow()
			return res, nil
		}
	}
}

// Transform returns a gate that may put another Input in the call's place: what
// it judged is what runs. The func returns the Call to go on with, of which the
// Input and the Stream are taken, and whether it changed anything. What its
// errors mean, and when Transform panics, is as for [Before].
func Transform(gate string, f func(ctx context.Context, call Call) (to Call, changed bool, err error)) Interceptor {
	mustGate("Transform", gate, f == nil)
	j := &judge{gate: gate}
	return func(next Handler) Handler {
		if next == nil {
			return j.layer()
		}
		return func(ctx context.Context, call Call) (Result, error) {
			t := j.begin(ctx)
			var to Call
			var changed bool
			err := judgeCall(func(ctx context.Context, call Call) (err error) {
				to, changed, err = f(ctx, call)
				return err
			}, ctx, call)
			switch {
			case err != nil:
				return Result{}, t.deny(ctx, &call, err)
			case changed:
				t.note(Decision{Verdict: VerdictTransform})
				call.Input, call.Stream = to.Input, to.Stream
			default:
				t.allow()
			}
			return next(ctx, call)
		}
	}
}

// TransformResult returns a gate that may put another Output in the result's
// place. It sees calls that succeeded. Of the Result that it returns the Output
// is taken; what its errors mean is as for [After].
func TransformResult(gate string, f func(ctx context.Context, call Call, res Result) (to Result, changed bool, err error)) Interceptor {
	mustGate("TransformResult", gate, f == nil)
	j := &judge{gate: gate}
	return func(next Handler) Handler {
		if next == nil {
			return j.layer()
		}
		return func(ctx context.Context, call Call) (Result, error) {
			res, err := next(ctx, call)
			if err != nil || told(res) {
				return res, err
			}
			t := j.begin(ctx)
			var to Result
			var changed bool
			err = judgeResult(func(ctx context.Context, call Call, res Result) (err error) {
				to, changed, err = f(ctx, call, res)
				return err
			}, ctx, call, res)
			switch {
			case err != nil:
				return Result{Usage: res.Usage}, t.deny(ctx, &call, err)
			case changed:
				t.note(Decision{Verdict: VerdictTransform})
				res.Output = to.Output
			default:
				t.allow()
			}
			return res, nil
		}
	}
}

// On returns an Interceptor that is i for calls of one kind; other kinds pass.
func On(kind Kind, i Interceptor) Interceptor {
	check("On", []Interceptor{i})
	return func(next Handler) Handler {
		if next == nil {
			l := layerOf(i)
			l.Only = kind
			return l.Handler()
		}
		inner := i(next)
		return func(ctx context.Context, call Call) (Result, error) {
			if call.Kind == kind {
				return inner(ctx, call)
			}
			return next(ctx, call)
		}
	}
}

func mustGate(who, gate string, noCheck bool) {
	if gate == "" {
		panic("middleware: " + who + " needs a gate's name")
	}
	if noCheck {
		panic("middleware: " + who + "(" + gate + "): nil check")
	}
}

// told reports whether a denial was turned into text further inside.
func told(res Result) bool {
	_, ok := res.Output.(Observation)
	return ok
}

// A Gate is a gate's name for an Interceptor that is written by hand and too
// busy for what [Named] costs. It notes and attributes what the Interceptor
// decides; it does not catch panics, which then deny without the gate's name.
//
//	gate := middleware.NewGate("odd")
//	...
//	turn := gate.Begin(ctx)
//	if err := check(call); err != nil {
//		return middleware.Result{}, turn.Deny(ctx, call, err)
//	}
//	turn.Allow()
//	return next(ctx, call)
//
// A Gate is safe for concurrent use. Each one is its own [Layer.ID].
type Gate struct{ judge }

// NewGate returns a Gate. It panics if the name is empty.
func NewGate(name string) *Gate {
	mustGate("NewGate", name, false)
	return &Gate{judge{gate: name}}
}

// Layer describes the gate, for an Interceptor that is applied to nil.
func (g *Gate) Layer() Layer { return Layer{Name: g.gate, Gate: true, ID: &g.judge} }

// Begin begins a decision about the call that ctx belongs to.
func (g *Gate) Begin(ctx context.Context) Turn {
	if s, ok := ctx.(*scope); ok && !s.observed.Load() {
		return Turn{turn{j: &g.judge, s: s}}
	}
	return Turn{g.begin(ctx)}
}

// A Turn is one decision of a [Gate] under way. It must not be used twice.
type Turn struct{ t turn }

// Allow notes that the gate allowed.
func (t *Turn) Allow() { t.t.allow() }

// Deny notes and returns the denial that err means, as for [Before]: to be
// returned in place of a Result's Output.
func (t *Turn) Deny(ctx context.Context, call Call, err error) error {
	return t.t.deny(ctx, &call, err)
}

// A judge is a gate's name, which outlives every call.
type judge struct{ gate string }

func (j *judge) layer() Handler { return Layer{Name: j.gate, Gate: true, ID: j}.Handler() }

// A turn is a judge at work on one call.
type turn struct {
	j      *judge
	s      *scope // nil outside of a wrapped call
	began  time.Duration
	shadow bool
	timed  bool
}

func (j *judge) begin(ctx context.Context) turn {
	t := turn{j: j}
	if s, ok := ctx.(*scope); ok {
		t.s = s
	} else if t.s = scopeOf(ctx); t.s != nil {
		t.shadow = inShadow(ctx)
	}
	if t.s != nil && t.s.observed.Load() {
		t.timed, t.began = true, t.s.clock()
	}
	return t
}

func (t *turn) allow() {
	if t.s == nil {
		return
	}
	if t.timed || t.shadow {
		t.note(Decision{Verdict: VerdictAllow})
		return
	}
	t.s.allow(&t.j.gate)
}

func (t *turn) note(d Decision) {
	if t.s == nil {
		return
	}
	d.Gate, d.Shadow = t.j.gate, t.shadow
	if t.timed {
		d.Elapsed = t.s.clock() - t.began
	}
	t.s.note(d)
}

// deny notes and returns the denial that err means. Where the call's context
// ended, the gate did not decide, and the context's error comes back.
func (t *turn) deny(ctx context.Context, call *Call, err error) error {
	if done := ctx.Err(); done != nil && errors.Is(err, done) {
		t.note(Decision{Verdict: VerdictDeny, Code: CodeIndeterminate, Reason: done.Error()})
		return err
	}
	d := attribute(t.j.gate, call, err)
	if t.s != nil && !t.timed && !t.shadow && t.s.deny(&t.j.gate, d) {
		return d
	}
	t.note(Decision{Verdict: VerdictDeny, Code: d.Code, Reason: d.Reason})
	return d
}

// judgeCall turns a panic of the check into a denial.
func judgeCall(check func(context.Context, Call) error, ctx context.Context, call Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = gatePanic(&call, v)
		}
	}()
	return check(ctx, call)
}

// judgeResult turns a panic of the check into a denial.
func judgeResult(check func(context.Context, Call, Result) error, ctx context.Context, call Call, res Result) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = gatePanic(&call, v)
		}
	}()
	return check(ctx, call, res)
}

func gatePanic(call *Call, v any) error {
	return &DeniedError{Code: CodeIndeterminate, Reason: "the gate panicked", Err: newPanicError(call, v)}
}
