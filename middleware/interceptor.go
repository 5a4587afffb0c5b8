package middleware

import (
	"context"
	"errors"
	"fmt"

	"example.com/safeconduct/internal/shown"
)

// A Handler carries out a Call. If err is non-nil, Output is nil, but Usage
// still says what was spent. A Handler must be safe for concurrent use.
//
// The error is a [*DeniedError] where a gate refused, the context's own error
// where it ended, and anything else where the operation failed.
type Handler func(ctx context.Context, call Call) (Result, error)

// An Interceptor returns a Handler that adds behavior around next. It is
// applied once per wrapped tool, chain and model, so state that they share
// belongs in its constructor, not in the closure. The Handler that it returns
// must be safe for concurrent use, call next at most once, pass on the Call's ID and
// a context derived from its own, and release what it holds when next panics. One that
// wants another result than next's asks for it with [Again].
//
// Applied to nil, an Interceptor may return [Layer.Handler] to say what it is;
// those of this module do. What it returns then is never called otherwise.
type Interceptor func(next Handler) Handler

// Compose makes one Interceptor of several: the first is outermost. It panics
// if there is none, or if one is nil.
func Compose(is ...Interceptor) Interceptor {
	mustInterceptors("Compose", is)
	is = append([]Interceptor(nil), is...)
	if len(is) == 1 {
		return is[0]
	}
	return func(next Handler) Handler {
		if next == nil {
			return Layer{parts: is, with: Compose}.Handler()
		}
		return apply(next, is)
	}
}

func mustInterceptors(who string, is []Interceptor) {
	if len(is) == 0 {
		panic("middleware: " + who + " without interceptors guards nothing")
	}
	for i, in := range is {
		if in == nil {
			panic(fmt.Sprintf("middleware: %s: interceptor %d is nil", who, i))
		}
	}
}

func apply(h Handler, is []Interceptor) Handler {
	for i := len(is) - 1; i >= 0; i-- {
		h = is[i](h)
		if h == nil {
			panic(fmt.Sprintf("middleware: interceptor %d (%s) returned a nil Handler", i, layerOf(is[i]).Name))
		}
	}
	return h
}

// Wrap guards h with the interceptors, the first outermost. Adapters call it once for
// each tool, chain and model. The Handler that it returns sets the Call's ID and Parent,
// and starts a [Run] where the context belongs to none. It refuses to begin in a run that
// has stopped or under a context that is done, and stops the run when a denial comes
// back. It catches panics, also of errors' methods, and reports a context that ended
// while h ran even where h says that all went well. Once it has returned, no more is
// streamed.
//
// Wrap cannot know what kinds of calls h gets, or whether each is a run of its own, of
// which a budget of runs counts one: say with [Shared] that the loop around is guarded
// too, or check with a [Reach]. Wrap panics if there is no interceptor, if h or an
// interceptor is nil, or if their order makes no sense; see [Layer].
func Wrap(h Handler, is ...Interceptor) Handler {
	if h == nil {
		panic("middleware: Wrap: nil Handler")
	}
	mustInterceptors("Wrap", is)
	checkOrder(is)
	chain := apply(guard(h), is)
	return func(ctx context.Context, call Call) (Result, error) {
		parent, direct := ctx.(*scope)
		if !direct {
			parent = scopeOf(ctx)
		}
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		var s *scope
		if parent == nil {
			call.Parent = 0
			run := newRun(ctx)
			s = run.newScope()
			s.Context, s.run = ctx, run
		} else {
			if err := parent.run.refusal(&call); err != nil {
				return Result{}, err
			}
			call.Parent = parent.id
			s = parent.run.newScope()
			s.Context, s.run, s.parent, s.depth = ctx, parent.run, parent, parent.depth+1
			s.inShadow = parent.inShadow || !direct && inShadow(ctx)
			if direct {
				s.Context = parent.Context // what is between holds nothing else
			}
		}
		s.chain = chain
		res, err := begin(s, &call)
		if err != nil && !s.inShadow {
			s.run.halt(err)
		}
		if parent == nil {
			s.run.rootReturned()
		}
		return res, err
	}
}

// begin numbers a call and sends it through its interceptors.
func begin(s *scope, call *Call) (res Result, err error) {
	s.id = CallID(s.run.calls.Add(1))
	call.ID = s.id
	if call.Stream == nil {
		res, err = enter(s.chain, s, *call)
	} else {
		res, err = enterStream(s.chain, s, *call)
	}
	if err != nil {
		res.Output, err = nil, sound(call, err)
	}
	return res, err
}

// enter calls the outermost interceptor. A panic that comes out of it is an
// interceptor's own, and denies, as the one that panicked may have been a gate. One
// that ended its goroutine denies too: there is nobody to return that to, so the run
// is stopped.
func enter(chain Handler, s *scope, call Call) (res Result, err error) {
	returned := false
	defer func() {
		s.state.set(endedBit)
		if returned {
			return
		}
		v := recover()
		usage, exited := s.outcome()
		d := &DeniedError{Call: call.Name, Code: CodeIndeterminate}
		switch {
		case v != nil:
			d.Reason, d.Err = shown.Panicked("an interceptor"), newPanicError(&call, v)
			res, err = Result{Usage: usage}, d
		case !exited && !s.inShadow:
			d.Reason = "an interceptor ended its goroutine"
			s.run.halt(d)
		}
	}()
	if !call.Kind.known() || s.depth >= MaxDepth {
		returned = true
		return Result{}, misplaced(&call)
	}
	res, err = chain(s, call)
	returned = true
	return res, err
}

// enterStream is enter for a call with a Stream. A Stream that panicked fails the
// call, whatever the client made of that.
func enterStream(chain Handler, s *scope, call Call) (Result, error) {
	out := &outlet{to: call.Stream, kind: call.Kind, name: call.Name}
	defer out.end(s)
	call.Stream = out.pass
	s.mu.Lock()
	s.decisionLog().outlet = out
	s.mu.Unlock()
	res, err := enter(chain, s, call)
	if p := out.panicked.Load(); p != nil && err == nil {
		err = p
	}
	return res, err
}

// misplaced returns why a call cannot begin where it is.
func misplaced(call *Call) error {
	switch {
	case call.Kind == 0:
		return errors.New("middleware: the Call has no Kind")
	case !call.Kind.known():
		return fmt.Errorf("middleware: %s is no kind of call", call.Kind)
	}
	return &DeniedError{
		Call: call.Name, Code: CodeTooDeep,
		Reason: fmt.Sprintf("calls are nested %d deep", MaxDepth),
	}
}

// guard is the innermost layer: it notes what reached h and what became of it, and
// catches its panics.
func guard(h Handler) Handler {
	return func(ctx context.Context, call Call) (res Result, err error) {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		s := scopeOf(ctx)
		if err := s.reach(&call); err != nil {
			return Result{}, err
		}
		returned := false
		defer func() {
			if returned {
				return
			}
			if v := recover(); v != nil {
				res, err = Result{}, newPanicError(&call, v)
			} else {
				s.noteExit()
			}
		}()
		res, err = h(ctx, call)
		if res.Usage != nil {
			s.noteUsage(res.Usage)
		}
		if err != nil {
			err = sound(&call, err)
		}
		if done := ctx.Err(); done != nil && !isDenied(err) {
			// Clients report a cancelled stream as a success, or hide why
			// they failed.
			switch {
			case err == nil:
				err = done
			case !errors.Is(err, done): // it is sound
				err = fmt.Errorf("%w: %w", done, err)
			}
		}
		if err != nil {
			res.Output = nil
		}
		returned = true
		return res, err
	}
}

// reach notes that call, whose scope s is, is about to be carried out.
func (s *scope) reach(call *Call) error {
	if s == nil || s.id != call.ID || s.state.ended() {
		return fmt.Errorf("middleware: %s %s: an interceptor passed on a context that is not derived from the call's: "+
			"make it of the ctx that the interceptor got", call.Kind, call.Name)
	}
	if err := s.run.refusal(call); err != nil {
		return err
	}
	s.mu.Lock()
	twice := s.reached
	if !twice {
		s.reached, s.ran = true, call.Input
	}
	s.mu.Unlock()
	if twice {
		return fmt.Errorf("middleware: %s %s: an interceptor called next twice", call.Kind, call.Name)
	}
	return nil
}

// noteUsage notes what the wrapped Handler spent.
func (s *scope) noteUsage(usage *Usage) {
	s.mu.Lock()
	s.usage = usage
	s.mu.Unlock()
}

// noteExit notes that the wrapped Handler ended its goroutine.
func (s *scope) noteExit() {
	s.mu.Lock()
	s.exited = true
	s.mu.Unlock()
}

func (s *scope) outcome() (usage *Usage, exited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usage, s.exited
}
