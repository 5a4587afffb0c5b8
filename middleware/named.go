package middleware

import (
	"context"
	"sync"
	"time"
)

// Named gives an Interceptor that is written by hand a gate's name, on its denials and
// on the trail, and denies where it panics. A denial that i returns and that came neither
// from next nor from the call's Stream is i's own; so is any other error where neither
// failed. Where i returns what next did, it allowed. What next spent comes back even if i
// forgets it or panics. Named panics if the name is empty or i is nil.
//
// To allow and say why, i returns its Result with an error from [Allow]. With [ErrAbstain]
// it has no say: next is called if it was not, what next returned comes back, and nothing
// is noted.
func Named(gate string, i Interceptor) Interceptor {
	mustGate("Named", gate, i == nil)
	return named(NewGate(gate), i)
}

// named is Named for a Gate that was made before.
func named(g *Gate, i Interceptor) Interceptor {
	return func(next Handler) Handler {
		if next == nil {
			in := layerOf(i)
			l := around(i, func(parts ...Interceptor) Interceptor { return named(g, Compose(parts...)) })
			l.Name, l.Gate, l.ID, l.named = g.name, true, g, true
			l.Shadow, l.Kinds, l.Counts, l.only, l.PerRun = in.Shadow, in.Kinds, in.Counts, in.only, in.PerRun
			l.Tools, l.tool = in.Tools, in.tool
			l.Stream, l.rules = in.Stream, in.rules
			return l.Handler()
		}
		h := i(func(ctx context.Context, call Call) (Result, error) {
			f, ok := ctx.Value(namedKey{g}).(*namedFrame)
			if !ok {
				return next(ctx, call)
			}
			if call.Stream != nil {
				call.Stream = f.inward(call.Stream)
			}
			began := time.Now()
			f.enter()
			res, err := next(ctx, call)
			f.leave(res, err, time.Since(began))
			return res, err
		})
		return func(ctx context.Context, call Call) (res Result, err error) {
			t := g.begin(ctx)
			f := &namedFrame{Context: ctx, g: g}
			if call.Stream != nil {
				call.Stream = f.outward(call.Stream)
			}
			defer func() {
				o := f.outcome()
				if o.inNext {
					return // a panic of what is inside passes
				}
				if v := recover(); v != nil {
					t.began += o.took
					res, err = Result{Usage: o.res.Usage}, t.Deny(ctx, call, gatePanic(&call, v))
				}
			}()
			res, err = h(f, call)
			o := f.outcome()
			t.began += o.took
			if res.Usage == nil {
				res.Usage = o.res.Usage
			}
			switch _, allowed := allows(err); {
			case o.refused != nil:
				return Result{Usage: res.Usage}, t.Deny(ctx, call, o.refused)
			case allowed && (err == nil || err != o.err): //nolint:errorlint // is it next's very own?
				return res, t.Decide(ctx, call, err)
			case abstains(err) && o.returned:
				return o.res, o.err
			case abstains(err) && !o.inNext:
				f.enter() // a panic of next is not i's
				return next(ctx, call)
			case passedOn(err, o.err) || passedOn(err, o.foreign):
				t.Allow()
				return res, err
			}
			return Result{Usage: res.Usage}, t.Deny(ctx, call, err)
		}
	}
}

// passedOn reports whether err is the failure of others that was passed on: it is no
// denial, or the same one.
func passedOn(err, others error) bool {
	return others != nil && (!isDenied(err) || sameDenial(err, others))
}

// A namedFrame is the context of one call within a Named Interceptor.
type namedFrame struct {
	context.Context
	g *Gate

	mu sync.Mutex
	namedOutcome
}

// A namedOutcome is what a Named Interceptor did with next and its Stream.
type namedOutcome struct {
	inNext   bool          // next was called, and has not returned
	returned bool          // or it has
	res      Result        // what next returned
	err      error         // and with it
	took     time.Duration // how long it took
	refused  error         // what the Interceptor's own Stream returned
	foreign  error         // what the Stream that the call came with returned
}

type namedKey struct{ g *Gate }

// Value makes the frame findable by the Interceptor that it belongs to.
func (f *namedFrame) Value(key any) any {
	if key == (namedKey{f.g}) {
		return f
	}
	return f.Context.Value(key)
}

func (f *namedFrame) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inNext = true
}

func (f *namedFrame) leave(res Result, err error, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inNext, f.returned, f.res, f.err, f.took = false, true, res, err, took
}

func (f *namedFrame) outcome() namedOutcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.namedOutcome
}

// outward is the Stream that the call came with, as the Interceptor sees it. It
// remembers the error, which is not the Interceptor's.
func (f *namedFrame) outward(stream Stream) Stream {
	return func(ctx context.Context, chunk Chunk) error {
		err := stream(ctx, chunk)
		if err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.foreign = err
		}
		return err
	}
}

// inward is the Stream that the Interceptor passes on. A denial of a chunk that
// did not come from outside is the gate's own.
func (f *namedFrame) inward(stream Stream) Stream {
	return func(ctx context.Context, chunk Chunk) error {
		err := stream(ctx, chunk)
		if isDenied(err) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if !sameDenial(err, f.foreign) {
				f.refused = err
			}
		}
		return err
	}
}
