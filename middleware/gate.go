package middleware

import (
	"context"
	"slices"

	"example.com/safeconduct/internal/shown"
)

// Before returns a gate that decides before the call runs. A nil error from check
// allows, one from [Allow] does and says why, and with [ErrAbstain] the gate has no say.
// Any other denies: one from [Deny] with its code, and one of another kind with
// [CodeIndeterminate], as does a panic. Where the context has ended, its error comes
// back as it is.
//
// The gate's name stands in denials and on the trail. Before panics if it is
// empty or check is nil. The check must be safe for concurrent use.
func Before(gate string, check func(ctx context.Context, call Call) error) Interceptor {
	return gateInterceptor("Before", gate, check == nil, func(g *Gate, next Handler) Handler { return g.before(next, check) })
}

// before is Before around next.
func (g *Gate) before(next Handler, check func(ctx context.Context, call Call) error) Handler {
	return func(ctx context.Context, call Call) (Result, error) {
		ruling := g.Begin(ctx)
		if err := ruling.Decide(ctx, call, checkCall(ctx, call, check)); err != nil {
			return Result{}, err
		}
		return next(ctx, call)
	}
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
	f := func(ctx context.Context, call Call, res Result) (Result, bool, error) {
		return res, false, check(ctx, call, res)
	}
	return gateInterceptor("After", gate, check == nil, func(g *Gate, next Handler) Handler { return g.result(next, f) })
}

// Transform returns a gate that may put another Input in the call's place: what
// it judged is what runs. The func returns the Call to go on with, of which the
// Input and the Stream are taken, and whether it changed anything. What its errors
// mean, and when Transform panics, is as for [Before]: with [Allow] it says what it
// changed, and where it abstains, the call goes on as it came.
func Transform(gate string, f func(ctx context.Context, call Call) (to Call, changed bool, err error)) Interceptor {
	return gateInterceptor("Transform", gate, f == nil, func(g *Gate, next Handler) Handler {
		return func(ctx context.Context, call Call) (Result, error) {
			ruling := g.Begin(ctx)
			var to Call
			var changed bool
			err := checkCall(ctx, call, func(ctx context.Context, call Call) (err error) {
				to, changed, err = f(ctx, call)
				return err
			})
			if reason, ok := allows(err); ok && changed {
				ruling.Note(Decision{Verdict: VerdictTransform, Reason: reason})
				call.Input, call.Stream = to.Input, to.Stream
			} else if err := ruling.Decide(ctx, call, err); err != nil {
				return Result{}, err
			}
			return next(ctx, call)
		}
	})
}

// TransformResult returns a gate that may put another Output in the result's
// place, such as a changed copy. It sees calls that succeeded. Of the Result that it
// returns the Output is taken; what its errors mean is as for [Transform].
//
// A stream is held as by [After]. If the Output was changed, the caller's Stream
// gets the text of the new one in one chunk, and nothing of what had come; see
// [Hold.Replace].
func TransformResult(gate string, f func(ctx context.Context, call Call, res Result) (to Result, changed bool, err error)) Interceptor {
	return gateInterceptor("TransformResult", gate, f == nil, func(g *Gate, next Handler) Handler { return g.result(next, f) })
}

// A resultCheck is what TransformResult calls, and what After makes of its check.
type resultCheck func(ctx context.Context, call Call, res Result) (to Result, changed bool, err error)

// result is TransformResult around next.
func (g *Gate) result(next Handler, f resultCheck) Handler {
	return func(ctx context.Context, call Call) (Result, error) {
		if call.Stream != nil {
			return g.judgeStream(ctx, call, f, next)
		}
		res, err := next(ctx, call)
		if err != nil || isObservation(res) {
			return res, err
		}
		res, _, err = g.judge(ctx, call, res, f)
		return res, err
	}
}

// judge decides on the result of a call that succeeded.
func (g *Gate) judge(ctx context.Context, call Call, res Result, f resultCheck) (_ Result, changed bool, err error) {
	ruling := g.Begin(ctx)
	to, changed, err := checkResult(ctx, call, res, f)
	if reason, ok := allows(err); ok && changed {
		ruling.Note(Decision{Verdict: VerdictTransform, Reason: reason})
		res.Output = to.Output
		return res, true, nil
	}
	if err := ruling.Decide(ctx, call, err); err != nil {
		return Result{Usage: res.Usage}, false, err
	}
	return res, false, nil
}

// judgeStream makes a call with a Stream, which it holds, and decides on its
// result.
func (g *Gate) judgeStream(ctx context.Context, call Call, f resultCheck, next Handler) (Result, error) {
	hold := g.Hold(ctx, call)
	defer hold.Close()
	held := call
	held.Stream = hold.Stream
	res, err := next(ctx, held)
	hold.Close()
	if refused := hold.Err(); refused != nil {
		return Result{Usage: res.Usage}, refused
	}
	if err != nil || isObservation(res) {
		return res, err
	}
	res, changed, err := g.judge(ctx, call, res, f)
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

// gateInterceptor returns an Interceptor with a new Gate, which h puts around what
// is guarded. It panics by the name of who.
func gateInterceptor(who, name string, nilCheck bool, h func(g *Gate, next Handler) Handler) Interceptor {
	mustGate(who, name, nilCheck)
	g := NewGate(name)
	return func(next Handler) Handler {
		if next == nil {
			return g.Layer().Handler()
		}
		return h(g, next)
	}
}

func mustGate(who, gate string, nilCheck bool) {
	if gate == "" {
		panic("middleware: " + who + " needs a gate's name")
	}
	if nilCheck {
		panic("middleware: " + who + "(" + gate + "): nil check")
	}
}

// On returns an Interceptor that is i for calls of one kind; other kinds pass. It
// panics if there is no such kind, or if i, or a gate in it, is for other kinds and
// would see no call.
func On(kind Kind, i Interceptor) Interceptor {
	mustInterceptors("On", []Interceptor{i})
	if !kind.known() {
		panic("middleware: On: " + kind.String() + " is no kind of call")
	}
	o := on(kind, i)
	layers := Layers(o)
	seen := slices.ContainsFunc(layers, func(l Layer) bool { return !l.never })
	if !seen || slices.ContainsFunc(layers, func(l Layer) bool { return l.idle && l.Gate }) {
		panic("middleware: On: no call would come to\n" + Onion(o) +
			"A gate of this module is for the right kinds by itself: leave out On, or name another kind than " + kind.String())
	}
	return o
}

func on(kind Kind, i Interceptor) Interceptor {
	return func(next Handler) Handler {
		if next == nil {
			l := around(i, func(parts ...Interceptor) Interceptor { return on(kind, Compose(parts...)) })
			l.Kinds, l.only = []Kind{kind}, kind
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

// isObservation reports whether a denial was turned into text further inside.
func isObservation(res Result) bool {
	_, ok := res.Output.(Observation)
	return ok
}

// checkCall calls a check, and turns a panic of it into a denial.
func checkCall(ctx context.Context, call Call, check func(context.Context, Call) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = gatePanic(&call, v)
		}
	}()
	return check(ctx, call)
}

// checkResult calls a check, and turns a panic of it into a denial.
func checkResult(ctx context.Context, call Call, res Result, f resultCheck) (to Result, changed bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = gatePanic(&call, v)
		}
	}()
	return f(ctx, call, res)
}

// gatePanic must be called by the deferred function that recovered.
func gatePanic(call *Call, v any) error {
	return &DeniedError{Code: CodeIndeterminate, Reason: shown.Panicked("the gate"), Err: newPanicError(call, v)}
}
