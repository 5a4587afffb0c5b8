package middleware

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"
)

// MaxDepth bounds how deep calls nest within a run: a chain that calls a tool
// that calls the chain is denied with [CodeTooDeep] before the stack overflows,
// which Go cannot recover from.
const MaxDepth = 100

// An Identity says on whose behalf a run happens. Empty fields are unknown.
type Identity struct {
	Session string // a conversation of runs
	Subject string // the user or service that the agent acts for
	Tenant  string
}

type identityKey struct{}

// WithIdentity returns a context in which every run that starts has this
// identity. Runs already under way keep theirs.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// A Coverage says how much of an agent is guarded, as package coverage finds it.
type Coverage struct {
	Digest    [32]byte // of the whole report
	Guarded   int      // models, tools, retrievers and memories
	Unguarded int
	Opaque    int // what could not be looked into
}

type coverageKey struct{}

// WithCoverage returns a context in which every run that starts has this coverage, which
// a recorder writes down where the run begins. Runs already under way keep theirs.
func WithCoverage(ctx context.Context, c Coverage) context.Context {
	return context.WithValue(ctx, coverageKey{}, &c)
}

// A Run is one top-level invocation and every [Call] that it causes. [Wrap]
// starts one where the context has none. It is safe for concurrent use; its
// fields must not be changed.
type Run struct {
	ID string // 26 characters, random, unique
	Identity
	Coverage *Coverage // nil where nobody said it

	began  time.Time
	calls  atomic.Uint32
	block  atomic.Pointer[scopeBlock]
	stop   atomic.Pointer[DeniedError]
	mu     sync.Mutex
	locals atomic.Pointer[[]localEntry]
	meters atomic.Pointer[[]Meter]
	more   atomic.Pointer[continuation] // nil in a run that was never extended
}

func newRun(ctx context.Context) *Run {
	r := &Run{ID: rand.Text(), began: time.Now()}
	r.Identity, _ = ctx.Value(identityKey{}).(Identity)
	r.Coverage, _ = ctx.Value(coverageKey{}).(*Coverage)
	return r
}

// A scopeBlock is room for a few scopes of one run: one allocation for several
// calls. It lives as long as any of their contexts.
type scopeBlock struct {
	used   atomic.Uint32
	scopes [7]scope // 1 KiB
}

// newScope returns a zero scope.
func (r *Run) newScope() *scope {
	if b := r.block.Load(); b != nil {
		if n := b.used.Add(1); n <= uint32(len(b.scopes)) {
			return &b.scopes[n-1]
		}
	}
	b := new(scopeBlock)
	b.used.Store(1)
	r.block.Store(b) // of two at a time one is lost, with the room that it has left
	return &b.scopes[0]
}

// RunOf returns the Run that ctx belongs to, or nil outside of any.
func RunOf(ctx context.Context) *Run {
	if s := scopeOf(ctx); s != nil {
		return s.run
	}
	return nil
}

type toolCallKey struct{}

// WithToolCall returns a context that carries the provider's ID of the tool
// call that is about to be made. Adapters set it where they know it.
func WithToolCall(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, toolCallKey{}, id)
}

// ToolCallOf returns the provider's ID of the tool call under way, or "".
func ToolCallOf(ctx context.Context) string {
	id, _ := ctx.Value(toolCallKey{}).(string)
	return id
}

// Stopped returns the denial that stopped the run, or nil while it may go on.
// A run stops when a denial leaves a wrapped call as an error: calls that start
// later are refused with [CodeStopped], however often they are tried.
func (r *Run) Stopped() *DeniedError {
	if r == nil {
		return nil
	}
	return r.stop.Load()
}

// halt stops the run if err is a denial. The first denial counts.
func (r *Run) halt(err error) {
	if d, _ := denial(err); d != nil {
		r.stop.CompareAndSwap(nil, d)
	}
}

// refusal returns the error for a call that the stop of its run refuses.
func (r *Run) refusal(call *Call) error {
	d := r.stop.Load()
	if d == nil {
		return nil
	}
	return &DeniedError{
		Gate: d.Gate, Call: call.Name, Code: CodeStopped,
		Reason: "the run was stopped: " + d.Reason, Err: d,
	}
}

// A Local is state that lives and dies with a [Run]: one *T per Run, made zero
// on first use. The zero Local is ready to use and must not be copied after.
// A Local is safe for concurrent use; what it holds is as safe as T is.
type Local[T any] struct{ _ byte } // not of size zero: its address is its key

type localEntry struct{ key, value any }

// In returns run's own *T. In a nil Run it returns a fresh one each time.
func (l *Local[T]) In(run *Run) *T {
	if run == nil {
		return new(T)
	}
	if v := l.find(run); v != nil {
		return v
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	if v := l.find(run); v != nil {
		return v
	}
	v := new(T)
	appendShared(&run.locals, localEntry{l, v})
	return v
}

func (l *Local[T]) find(run *Run) *T {
	entries := run.locals.Load()
	if entries == nil {
		return nil
	}
	for i := range *entries {
		if k, ok := (*entries)[i].key.(*Local[T]); ok && k == l {
			return (*entries)[i].value.(*T)
		}
	}
	return nil
}

// appendShared replaces the slice at p by one that also holds v, so that readers need no
// lock. Writers must hold one.
func appendShared[T any](p *atomic.Pointer[[]T], v T) {
	var old []T
	if s := p.Load(); s != nil {
		old = *s
	}
	s := make([]T, len(old), len(old)+1)
	copy(s, old)
	s = append(s, v)
	p.Store(&s)
}

// A Balance is what is left of one limit.
type Balance struct {
	Gate  string // whose limit it is
	Scope string // "run", "process" ...
	Limit string // "tool_calls", "tokens" ...
	Max   int64
	Used  int64 // settled
	Held  int64 // reserved by calls under way
}

// A Meter reports the balances of a gate that counts, for one run, in a slice of
// its own each time.
type Meter interface {
	Balances(run *Run) []Balance
}

// Attach makes a gate's balances part of what [Run.Balances] reports. Attaching
// the same Meter again does nothing. The Meter's type must be comparable.
func (r *Run) Attach(m Meter) {
	if r == nil || r.attached(m) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.attached(m) {
		appendShared(&r.meters, m)
	}
}

func (r *Run) attached(m Meter) bool {
	meters := r.meters.Load()
	if meters == nil {
		return false
	}
	for _, have := range *meters {
		if have == m {
			return true
		}
	}
	return false
}

// Balances returns what is left of every limit that holds for the run, in the
// order in which the gates were first met.
func (r *Run) Balances() []Balance {
	if r == nil {
		return nil
	}
	meters := r.meters.Load()
	if meters == nil {
		return nil
	}
	var all []Balance
	for _, m := range *meters {
		if b := m.Balances(r); all == nil {
			all = b
		} else {
			all = append(all, b...)
		}
	}
	return all
}
