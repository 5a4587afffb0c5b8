package middleware

import (
	"context"
	"slices"
	"time"

	"example.com/safeconduct/internal/foreign"
)

// Before returns a gate that decides before the call runs. A nil error from
// check allows. Any other denies: one from [Deny] with its code, and one of
// another kind with [CodeIndeterminate], as does a panic. Where the context
// has ended, its error comes back as it is.
//
// The gate's name stands in denials and on the trail. Before panics if it is
// empty or check is nil. The check must be safe for concurrent use.
func Before(gate string, check func(ctx context.Context, call Call) error) Interceptor {
	return gated("Before", gate, check == nil, func(g *Gate, next Handler) Handler {
		return func(ctx context.Context, call Call) (Result, error) {
			t := g.Begin(ctx)
			if err := judgeCall(check, ctx, call); err != nil {
				return Result{}, t.Deny(ctx, call, err)
			}
			t.Allow()
			return next(ctx, call)
		}
	})
}

// After returns a gate that decides on the result of a call that succeeded. An
// error from check withholds the Output and keeps the Usage; what it means, and
// when After panics, is as for [Before]. A call that failed passes, and so does
// one whose Output is an [Observation].
//
// Where the call is streamed, the gate holds the stream until it has decided:
// what the caller gets of it, it gets after the check has allowed, chunk by chunk
// as it came, and of a call that is denied or fails it gets nothing. [Window] and
// [PassThrough] declare that chunks go out before the verdict.
func After(gate string, check func(ctx context.Context, call Call, res Result) error) Interceptor {
	return afterward("After", gate, check == nil, func(ctx context.Context, call Call, res Result) (Result, bool, error) {
		return res, false, check(ctx, call, res)
	})
}

// Transform returns a gate that may put another Input in the call's place: what
// it judged is what runs. The func returns the Call to go on with, of which the
// Input and the Stream are taken, and whether it changed anything. What its
// errors mean, and when Transform panics, is as for [Before].
func Transform(gate string, f func(ctx context.Context, call Call) (to Call, changed bool, err error)) Interceptor {
	return gated("Transform", gate, f == nil, func(g *Gate, next Handler) Handler {
		return func(ctx context.Context, call Call) (Result, error) {
			t := g.Begin(ctx)
			var to Call
			var changed bool
			err := judgeCall(func(ctx context.Context, call Call) (err error) {
				to, changed, err = f(ctx, call)
				return err
			}, ctx, call)
			switch {
			case err != nil:
				return Result{}, t.Deny(ctx, call, err)
			case changed:
				t.Note(Decision{Verdict: VerdictTransform})
				call.Input, call.Stream = to.Input, to.Stream
			default:
				t.Allow()
			}
			return next(ctx, call)
		}
	})
}

// TransformResult returns a gate that may put another Output in the result's
// place, such as a changed copy. It sees calls that succeeded. Of the Result that it
// returns the Output is taken; what its errors mean is as for [After].
//
// A stream is held as by [After]. If the Output was changed, the caller's Stream
// gets the text of the new one in one chunk, and nothing of what had come; see
// [Hold.Replace].
func TransformResult(gate string, f func(ctx context.Context, call Call, res Result) (to Result, changed bool, err error)) Interceptor {
	return afterward("TransformResult", gate, f == nil, f)
}

// afterward is TransformResult.
func afterward(who, gate string, noCheck bool, f func(context.Context, Call, Result) (Result, bool, error)) Interceptor {
	return gated(who, gate, noCheck, func(g *Gate, next Handler) Handler {
		return func(ctx context.Context, call Call) (Result, error) {
			if call.Stream != nil {
				return g.judgeStream(f, next, ctx, call)
			}
			res, err := next(ctx, call)
			if err != nil || told(res) {
				return res, err
			}
			res, _, err = g.judge(f, ctx, call, res)
			return res, err
		}
	})
}

// judge decides on the result of a call that succeeded.
func (g *Gate) judge(f func(context.Context, Call, Result) (Result, bool, error), ctx context.Context, call Call, res Result) (_ Result, changed bool, err error) {
	t := g.Begin(ctx)
	to, changed, err := judgeResult(f, ctx, call, res)
	switch {
	case err != nil:
		return Result{Usage: res.Usage}, false, t.Deny(ctx, call, err)
	case changed:
		t.Note(Decision{Verdict: VerdictTransform})
		res.Output = to.Output
	default:
		t.Allow()
	}
	return res, changed, nil
}

// judgeStream makes a call with a Stream, which it holds, and decides on its
// result.
func (g *Gate) judgeStream(f func(context.Context, Call, Result) (Result, bool, error), next Handler, ctx context.Context, call Call) (Result, error) {
	hold := g.Hold(ctx, call)
	defer hold.Close()
	streamed := call
	streamed.Stream = hold.Stream
	res, err := next(ctx, streamed)
	hold.Close()
	if refused := hold.Err(); refused != nil {
		return Result{Usage: res.Usage}, refused
	}
	if err != nil || told(res) {
		return res, err
	}
	res, changed, err := g.judge(f, ctx, call, res)
	if err != nil {
		return res, err
	}
	if changed {
		err = hold.Replace(ctx, res.Output)
	} else {
		err = hold.Release(ctx)
	}
	if err != nil {
		return Result{Usage: res.Usage}, err
	}
	return res, nil
}

// gated returns the Interceptor of a gate that h makes.
func gated(who, name string, noCheck bool, h func(g *Gate, next Handler) Handler) Interceptor {
	mustGate(who, name, noCheck)
	g := NewGate(name)
	return func(next Handler) Handler {
		if next == nil {
			return g.Layer().Handler()
		}
		return h(g, next)
	}
}

// On returns an Interceptor that is i for calls of one kind; other kinds pass. It
// panics if there is no such kind, or if i is itself for other kinds and would see
// no call.
func On(kind Kind, i Interceptor) Interceptor {
	check("On", []Interceptor{i})
	if !kind.known() {
		panic("middleware: On: " + kind.String() + " is no kind of call")
	}
	o := on(kind, i)
	if !slices.ContainsFunc(Layers(o), func(l Layer) bool { return !l.never }) {
		panic("middleware: On: no call would come to\n" + Onion(o))
	}
	return o
}

func on(kind Kind, i Interceptor) Interceptor {
	return func(next Handler) Handler {
		if next == nil {
			l := around(i, func(parts ...Interceptor) Interceptor { return on(kind, Compose(parts...)) })
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
type Gate struct{ name string }

// NewGate returns a Gate. It panics if the name is empty.
func NewGate(name string) *Gate {
	mustGate("NewGate", name, false)
	return &Gate{name}
}

// Layer describes the gate, for an Interceptor that is applied to nil.
func (g *Gate) Layer() Layer { return Layer{Name: g.name, Gate: true, ID: g} }

// Begin begins a decision about the call that ctx belongs to.
func (g *Gate) Begin(ctx context.Context) Turn {
	if s, ok := ctx.(*scope); ok && !s.state.observed() {
		return Turn{g: g, s: s} // the most common case
	}
	return g.begin(ctx)
}

func (g *Gate) begin(ctx context.Context) Turn {
	t := Turn{g: g, s: scopeOf(ctx)}
	if t.s == nil {
		return t
	}
	if s, ok := ctx.(*scope); !ok || s != t.s {
		t.shadow = inShadow(ctx)
	}
	if t.s.state.observed() {
		t.timed, t.began = true, t.s.clock()
	}
	return t
}

// A Turn is one decision of a [Gate] under way. It must not be used twice.
type Turn struct {
	g      *Gate
	s      *scope // nil outside of a wrapped call
	began  time.Duration
	shadow bool
	timed  bool
}

// Allow notes that the gate allowed.
func (t *Turn) Allow() {
	if t.s == nil {
		return
	}
	switch {
	case t.shadow:
		t.Note(Decision{Verdict: VerdictAllow})
	case t.timed:
		t.s.took(t.g.name, t.s.clock()-t.began)
	default:
		t.s.allow(&t.g.name)
	}
}

// Deny notes and returns the denial that err means, as for [Before]: to be
// returned in place of a Result's Output. Where the call's context ended, the
// gate did not decide, and the context's error comes back.
func (t *Turn) Deny(ctx context.Context, call Call, err error) error {
	if done := ctx.Err(); done != nil && foreign.Is(err, done) {
		t.Note(Decision{Verdict: VerdictDeny, Code: CodeIndeterminate, Reason: done.Error()})
		return err
	}
	d := attribute(t.g.name, &call, err)
	if t.s != nil && !t.timed && !t.shadow && t.s.deny(&t.g.name, d) {
		return d
	}
	t.Note(Decision{Verdict: VerdictDeny, Code: d.Code, Reason: d.Reason})
	return d
}

// Note notes d, of which the Gate, Shadow and Elapsed are filled in. It is for a
// transform with a Code or a Reason; [Turn.Allow] and [Turn.Deny] note the rest.
func (t *Turn) Note(d Decision) {
	if t.s == nil {
		return
	}
	d.Gate, d.Shadow = t.g.name, t.shadow
	if t.timed {
		d.Elapsed = t.s.clock() - t.began
	}
	t.s.note(d)
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

// judgeResult turns a panic of the func into a denial.
func judgeResult(f func(context.Context, Call, Result) (Result, bool, error), ctx context.Context, call Call, res Result) (to Result, changed bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = gatePanic(&call, v)
		}
	}()
	return f(ctx, call, res)
}

func gatePanic(call *Call, v any) error {
	return &DeniedError{Code: CodeIndeterminate, Reason: "the gate panicked", Err: newPanicError(call, v)}
}
