package middleware

import (
	"context"
	"time"

	"example.com/safeconduct/internal/foreign"
)

// A Gate is for an Interceptor that is written by hand and that runs too often to
// pay for [Named]: it puts what the Interceptor decides on the trail, and its name on
// the denials. It does not catch panics, which then deny without that name.
//
//	gate := middleware.NewGate("odd")
//	...
//	ruling := gate.Begin(ctx)
//	if err := ruling.Decide(ctx, call, check(call)); err != nil {
//		return middleware.Result{}, err
//	}
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
func (g *Gate) Begin(ctx context.Context) Ruling {
	if s, ok := ctx.(*scope); ok && !s.state.observed() {
		return Ruling{g: g, s: s} // the most common case
	}
	return g.begin(ctx)
}

func (g *Gate) begin(ctx context.Context) Ruling {
	r := Ruling{g: g, s: scopeOf(ctx)}
	if r.s == nil {
		return r
	}
	if _, ok := ctx.(*scope); !ok {
		r.shadow = inShadow(ctx)
	}
	if r.s.state.observed() {
		r.timed, r.began = true, r.s.clock()
	}
	return r
}

// A Ruling is one decision of a [Gate] under way. It is used once: by Decide, by Allow,
// by Deny or by Note. One that is not used leaves nothing on the trail.
type Ruling struct {
	g      *Gate
	s      *scope // nil outside of a wrapped call
	began  time.Duration
	shadow bool
	timed  bool
}

// Allow notes that the gate allowed.
func (r *Ruling) Allow() {
	if r.s == nil {
		return
	}
	switch {
	case r.shadow:
		r.Note(Decision{Verdict: VerdictAllow})
	case r.timed:
		r.s.took(r.g.name, r.s.clock()-r.began)
	default:
		r.s.allow(&r.g.name)
	}
}

// Deny notes and returns the denial that err means, as for [Before]: to be
// returned in place of a Result's Output. Given what [Allow] returned, or [ErrAbstain],
// it denies all the same: Decide knows what they mean. Where the call's context ended,
// the gate did not decide, and the context's error comes back.
func (r *Ruling) Deny(ctx context.Context, call Call, err error) error {
	if done := ctx.Err(); done != nil && foreign.Is(err, done) {
		r.Note(Decision{Verdict: VerdictDeny, Code: CodeIndeterminate, Reason: done.Error()})
		return err
	}
	d := attribute(r.g.name, &call, err)
	if r.s != nil && !r.timed && !r.shadow && r.s.deny(&r.g.name, d) {
		return d
	}
	r.Note(Decision{Verdict: VerdictDeny, Code: d.Code, Reason: d.Reason})
	return d
}

// Note notes d, of which the Gate, Shadow and Elapsed are filled in. It is for a
// transform with a Code or a Reason; [Ruling.Decide] notes the rest.
func (r *Ruling) Note(d Decision) {
	if r.s == nil {
		return
	}
	d.Gate, d.Shadow = r.g.name, r.shadow
	if r.timed {
		d.Elapsed = r.s.clock() - r.began
	}
	r.s.note(d)
}
