package middleware

import (
	"context"
	"errors"
	"sync"
)

// Shadow returns an Interceptor that has i decide without enforcing. The call
// runs as if i were not there, with the Input, context and Stream that it came
// with, and its result is returned whatever i makes of it. What i would have
// denied stands on the trail with [Decision.Shadow] set. A panic of i is noted
// as such a denial.
//
// An i that waits still delays the call, and one that ends its goroutine ends it.
func Shadow(i Interceptor) Interceptor {
	mustInterceptors("Shadow", []Interceptor{i})
	name := layerOf(i).Name
	return func(next Handler) Handler {
		if next == nil {
			l := around(i, func(parts ...Interceptor) Interceptor { return Shadow(Compose(parts...)) })
			l.Shadow = true
			return l.Handler()
		}
		h := i(func(ctx context.Context, call Call) (Result, error) {
			f, ok := ctx.Value(shadowKey{}).(*shadowFrame)
			if !ok {
				// The context that i passed on is not its own: what it calls
				// cannot be found, and runs after i returns instead.
				return Result{}, Deny(CodeIndeterminate, "the context is not derived from the call's")
			}
			f.once.Do(func() { f.run(next, call.Stream) })
			return f.res, f.err
		})
		return func(ctx context.Context, call Call) (Result, error) {
			f := &shadowFrame{Context: ctx, call: call}
			err := f.decide(h)
			f.once.Do(func() { f.run(next, nil) })
			if !f.returned {
				// i recovered, or called next in another goroutine.
				if f.panic != nil {
					panic(f.panic)
				}
				return Result{}, errNoReturn
			}
			f.note(name, err)
			return f.res, f.err
		}
	}
}

// errNoReturn is the error of a call that ended its goroutine, and not its caller's.
var errNoReturn = errors.New("middleware: the call ended its goroutine")

type shadowKey struct{}

func inShadow(ctx context.Context) bool { return ctx.Value(shadowKey{}) != nil }

// A shadowFrame is the context under which a shadowed Interceptor works, and
// holds the one real execution of the call.
type shadowFrame struct {
	context.Context
	call Call

	denied int // shadow denials on the trail when the Interceptor began

	once     sync.Once // guards what follows
	returned bool      // next was called, and did not panic
	panic    any       // but for what it panicked with
	res      Result
	err      error
}

// Value makes the frame findable by the Interceptor that works in its shadow.
func (f *shadowFrame) Value(key any) any {
	if _, ok := key.(shadowKey); ok {
		return f
	}
	return f.Context.Value(key)
}

// run calls next as the call came. The watched Stream, if there is one, sees
// each chunk too; what it answers has no effect.
func (f *shadowFrame) run(next Handler, watched Stream) {
	call := f.call
	if real := call.Stream; real != nil && watched != nil {
		call.Stream = func(ctx context.Context, chunk Chunk) error {
			func() {
				defer func() { _ = recover() }() // has no effect either
				_ = watched(f, chunk)
			}()
			return real(ctx, chunk)
		}
	}
	defer func() {
		if f.panic = recover(); f.panic != nil {
			panic(f.panic)
		}
	}()
	f.res, f.err = next(f.Context, call)
	f.returned = true
}

// decide lets the shadowed Interceptor work and returns what it made of it. What
// next panicked with comes out of here as its too: whoever calls decide goes on with
// that panic.
func (f *shadowFrame) decide(h Handler) (err error) {
	f.denied = scopeOf(f.Context).shadowDenials()
	call := f.call
	if call.Stream != nil {
		call.Stream = func(context.Context, Chunk) error { return nil }
	}
	defer func() {
		if v := recover(); v != nil {
			err = gatePanic(&call, v)
		}
	}()
	_, err = h(f, call)
	return err
}

// note puts the denial that err means on the trail, unless the Interceptor did
// so itself or it came from next.
func (f *shadowFrame) note(name string, err error) {
	if err == nil || passedOn(err, f.err) {
		return
	}
	s := scopeOf(f.Context)
	if s == nil || s.shadowDenials() > f.denied {
		return
	}
	d := attribute(name, &f.call, err)
	s.note(Decision{Gate: d.Gate, Verdict: VerdictDeny, Shadow: true, Code: d.Code, Reason: d.Reason})
}

// shadowDenials counts the denials on the trail that were not enforced.
func (s *scope) shadowDenials() int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log == nil {
		return 0
	}
	n := 0
	for _, d := range s.log.decisions {
		if d.Shadow && d.Verdict == VerdictDeny {
			n++
		}
	}
	return n
}
