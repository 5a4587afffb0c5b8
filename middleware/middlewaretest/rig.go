package middlewaretest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"example.com/safeconduct/middleware"
)

// A rig is one interceptor with a probe on either side, wrapped:
//
//	Wrap -> outer probe -> interceptor -> inner probe -> Handler
//
// The inner probe is what the interceptor knows as next. What it and the
// Handler do is up to the trial that is under way.
type rig struct {
	k    *kit
	wrap middleware.Handler

	mu  sync.Mutex
	now *trial // for calls whose context lost its values
}

// A trial is one call through a rig, and what was seen of it.
type trial struct {
	rig  *rig
	next middleware.Handler // what the Handler does
	end  func()             // what the inner probe does after; may be nil
	exit bool               // the Handler ends its goroutine after
	tame bool               // the run goes on, whatever comes back

	mu      sync.Mutex
	came    middleware.Call   // the call outside of the interceptor
	again   []middleware.Call // the calls that it asked for besides, with middleware.Again
	reached []middleware.Call // the calls that came to next
	ctx     context.Context   // what next was given
	strayed bool              // it came to the next of another Handler
	inner   outcome           // what next made of the first call
	outer   outcome           // what the interceptor made of it
	wrapped outcome           // what Wrap made of it
	hung    bool
}

// An outcome is how a Handler returned.
type outcome struct {
	res      middleware.Result
	err      error
	panicked any
	returned bool // false where it panicked, ended its goroutine, or was not called
}

type trialKey struct{}

// errTamed stands in for what would stop the run.
var errTamed = errors.New("middlewaretest: tamed")

// newRig applies i once. It must be an Interceptor that construct accepted.
func (k *kit) newRig(i middleware.Interceptor) *rig {
	r := &rig{k: k}
	outer := func(next middleware.Handler) middleware.Handler { return r.outer(next) }
	inner := func(next middleware.Handler) middleware.Handler { return r.inner(next) }
	handler := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		t := r.trial(ctx)
		res, err := t.next(ctx, call)
		if t.exit {
			runtime.Goexit()
		}
		return res, err
	}
	r.wrap = middleware.Wrap(handler, outer, i, inner)
	return r
}

// do sends a call through the rig, waits for it, and returns what was seen. Where
// no more calls are tried, it counts as one that hangs.
func (r *rig) do(ctx context.Context, call middleware.Call, t *trial) sight {
	if r.k.gaveUp() {
		return sight{hung: true}
	}
	t.rig = r
	r.mu.Lock()
	r.now = t
	r.mu.Unlock()
	r.run(context.WithValue(ctx, trialKey{}, t), t, call)
	return t.seen()
}

// run makes the call on a goroutine of its own, which may hang or end.
func (r *rig) run(ctx context.Context, t *trial, call middleware.Call) {
	done := make(chan struct{})
	r.k.labelled(func() {
		defer close(done)
		var o outcome
		o.res, o.err = r.wrap(ctx, call)
		o.returned = true
		t.mu.Lock()
		t.wrapped = o
		t.mu.Unlock()
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.mu.Lock()
		t.hung = true
		r.k.hangs.Add(1)
		t.mu.Unlock()
	}
}

// outer is the Handler outside of the interceptor. It keeps what comes out of a
// tame trial from stopping the run.
func (r *rig) outer(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		t := r.trial(ctx)
		if !t.comes(call) {
			return next(ctx, call)
		}
		defer func() {
			v := recover()
			t.mu.Lock()
			defer t.mu.Unlock()
			t.outer.panicked = v
			switch {
			case t.tame && (v != nil || err != nil):
				err = errTamed
			case v != nil:
				panic(v)
			}
		}()
		res, err = next(ctx, call)
		t.mu.Lock()
		t.outer.res, t.outer.err, t.outer.returned = res, err, true
		t.mu.Unlock()
		return res, err
	}
}

// inner is the Handler inside of the interceptor.
func (r *rig) inner(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		t := r.trial(ctx)
		t.mu.Lock()
		if t.isAgain(call) {
			t.mu.Unlock()
			return next(ctx, call)
		}
		t.reached = append(t.reached, call)
		again := len(t.reached) > 1
		t.ctx = ctx
		t.strayed = t.strayed || t.rig != r
		t.mu.Unlock()
		if again {
			return next(ctx, call)
		}
		var o outcome
		defer func() {
			if !o.returned {
				o.panicked = recover()
			}
			t.mu.Lock()
			t.inner = o
			t.mu.Unlock()
			if o.panicked != nil {
				panic(o.panicked)
			}
		}()
		res, err = next(ctx, call)
		if t.end != nil {
			t.end()
		}
		o = outcome{res: res, err: err, returned: true}
		return res, err
	}
}

// trial returns the trial that ctx belongs to.
func (r *rig) trial(ctx context.Context) *trial {
	if t, ok := ctx.Value(trialKey{}).(*trial); ok {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// comes notes a call outside of the interceptor, and reports whether it is the
// one that the trial makes.
func (t *trial) comes(call middleware.Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.came.ID == 0 {
		t.came = call
		return true
	}
	t.again = append(t.again, call)
	return false
}

// isAgain reports whether the interceptor asked for the call. It needs t.mu.
func (t *trial) isAgain(call middleware.Call) bool {
	return slices.ContainsFunc(t.again, func(c middleware.Call) bool { return c.ID == call.ID })
}

// A sight is a copy of what was seen of a trial.
type sight struct {
	came                  middleware.Call
	reached, again        []middleware.Call
	ctx                   context.Context
	strayed, hung         bool
	inner, outer, wrapped outcome
}

// seen returns what was seen so far, to look at without a lock.
func (t *trial) seen() sight {
	t.mu.Lock()
	defer t.mu.Unlock()
	return sight{
		came: t.came, reached: slices.Clone(t.reached), again: slices.Clone(t.again), ctx: t.ctx,
		strayed: t.strayed, hung: t.hung,
		inner: t.inner, outer: t.outer, wrapped: t.wrapped,
	}
}

// untilDone waits a bounded while for ctx to end.
func untilDone(ctx context.Context) bool {
	for range 100_000 {
		if ctx.Err() != nil {
			return true
		}
		runtime.Gosched()
	}
	return false
}
