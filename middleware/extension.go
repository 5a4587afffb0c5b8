package middleware

import (
	"context"
	"sync"
)

// An Extension keeps a [Run] from ending with its root call, because more of it is to
// come: what a framework does after that call and in its name, such as saving a turn of
// a conversation. It must be ended. It is safe for concurrent use, and a nil one does
// nothing.
type Extension struct {
	root *scope
	end  sync.Once
}

// Extend extends the run of the call under way, for an adapter that knows that more comes.
// It returns nil where ctx belongs to no run, to a call that another one made, whose end
// does not end the run, or to a run that has stopped, in which nothing more can happen.
func Extend(ctx context.Context) *Extension {
	s := scopeOf(ctx)
	if s == nil || s.parent != nil || s.state.ended() || s.run.Stopped() != nil {
		return nil
	}
	s.run.more.CompareAndSwap(nil, new(continuation))
	s.run.more.Load().note(func(c *continuation) { c.extensions++ })
	return &Extension{root: s}
}

// Context returns a context like ctx in which calls are made by the run's root call.
func (e *Extension) Context(ctx context.Context) context.Context {
	if e == nil {
		return ctx
	}
	return &extendedContext{ctx, e.root}
}

// End says that nothing more comes. With the last Extension the run ends, if its root
// call has returned. Only the first call of End counts.
func (e *Extension) End() {
	if e != nil {
		e.end.Do(func() { e.root.run.more.Load().note(func(c *continuation) { c.extensions-- }) })
	}
}

// AtEnd has f called when the run ends, and reports whether an [Extension] keeps it from
// ending with its root call. Where none does, the run ends when that returns, and f is
// not called. It is for a recorder, which says so of a run.
func (r *Run) AtEnd(f func()) bool {
	if r == nil {
		return false
	}
	c := r.more.Load()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return false
	}
	c.atEnd = append(c.atEnd, f)
	return true
}

// rootReturned notes that the root call has returned.
func (r *Run) rootReturned() {
	if c := r.more.Load(); c != nil {
		c.note(func(c *continuation) { c.returned = true })
	}
}

// A continuation is what keeps a run that is extended from ending.
type continuation struct {
	mu         sync.Mutex // guards what follows
	extensions int        // that have not ended
	returned   bool       // the root call has
	atEnd      []func()
}

// note changes the continuation, and ends the run with the last that kept it from that.
func (c *continuation) note(change func(*continuation)) {
	c.mu.Lock()
	change(c)
	var ended []func()
	if c.over() {
		ended, c.atEnd = c.atEnd, nil
	}
	c.mu.Unlock()
	for _, f := range ended {
		f()
	}
}

// over reports whether the run has ended. It needs c.mu.
func (c *continuation) over() bool { return c.returned && c.extensions == 0 }

// An extendedContext is the place of a call that follows a run's root call.
type extendedContext struct {
	context.Context
	root *scope
}

// Value makes the root call's scope findable.
func (c *extendedContext) Value(key any) any {
	switch key.(type) {
	case scopeKey:
		return c.root
	case shadowKey, streamKey:
		return nil // of another call
	}
	return c.Context.Value(key)
}
