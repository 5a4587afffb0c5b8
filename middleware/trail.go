package middleware

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Verdict is what a gate decided. The zero Verdict denies.
type Verdict uint8

// The verdicts.
const (
	VerdictDeny Verdict = iota
	VerdictAllow
	VerdictTransform // allowed, with another Input or Output
)

// String returns "deny", "allow" or "transform".
func (v Verdict) String() string {
	switch v {
	case VerdictAllow:
		return "allow"
	case VerdictTransform:
		return "transform"
	case VerdictDeny:
	}
	return "deny"
}

// A Decision is what one gate decided about one [Call].
type Decision struct {
	Gate    string
	Verdict Verdict
	Shadow  bool          // decided, not enforced
	Code    Code          // of a denial, or of what a transform mended
	Reason  string        // of a denial, why it was allowed, or what a transform changed; never content
	Elapsed time.Duration // time the gate took; zero where nobody observes the call
}

// A scope is a Call's place in its Run, and the context that it passes on, in
// one piece of memory; see scopeBlock.
type scope struct {
	context.Context
	run    *Run
	parent *scope
	chain  Handler // all interceptors, and what they guard
	kept   atomic.Pointer[withinEntry]

	id       CallID
	depth    uint16
	inShadow bool // a shadow makes the call: its denial stops nothing
	state    scopeState

	mu      sync.Mutex   // guards what follows
	reached bool         // the wrapped Handler was called
	exited  bool         // and ended its goroutine
	told    bool         // Tell told log.told or, where that is nil, denied
	n       uint8        // entries of allowed in use
	allowed [4]*string   // gates that allowed; all that most calls ever need
	ran     any          // the Input that reached the wrapped Handler
	usage   *Usage       // what that spent
	denied  *DeniedError // by the gate in allowed[n]
	log     *decisionLog
}

// A decisionLog takes the place of scope.allowed for calls that are observed,
// streamed, denied, or pass more gates than fit there.
type decisionLog struct {
	began     time.Duration // of the observation, in the run
	decisions []Decision
	outlet    *outlet // of the call's stream; nil where nothing is streamed
	told      *DeniedError
	room      [6]Decision // for the first of them
}

// A scopeState is two bits that are set once and read without a lock.
type scopeState struct{ bits atomic.Uint32 }

const (
	observedBit = 1 << iota
	endedBit
)

// observed reports whether somebody wants to know how long gates take.
func (s *scopeState) observed() bool { return s.bits.Load()&observedBit != 0 }

// ended reports whether the call has returned.
func (s *scopeState) ended() bool { return s.bits.Load()&endedBit != 0 }

func (s *scopeState) set(bit uint32) { s.bits.Or(bit) }

type scopeKey struct{}

// Value makes the scope findable in contexts derived from it.
func (s *scope) Value(key any) any {
	switch key.(type) {
	case scopeKey:
		return s
	case shadowKey:
		return nil // a shadow ends where a call of its own begins
	case streamKey:
		return nil // and what was said of streams was said of this call's
	}
	return s.Context.Value(key)
}

func scopeOf(ctx context.Context) *scope {
	if s, ok := ctx.(*scope); ok {
		return s
	}
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// allow notes that gate, which outlives the call, allowed.
func (s *scope) allow(gate *string) {
	s.mu.Lock()
	if s.log == nil && s.denied == nil && int(s.n) < len(s.allowed) {
		s.allowed[s.n] = gate
		s.n++
		s.mu.Unlock()
		return
	}
	s.append(Decision{Gate: *gate, Verdict: VerdictAllow})
	s.mu.Unlock()
}

// deny notes that gate, which outlives the call, denied, and reports whether
// there was room for that.
func (s *scope) deny(gate *string, d *DeniedError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil || s.denied != nil || int(s.n) == len(s.allowed) {
		return false
	}
	s.denied, s.allowed[s.n] = d, gate
	return true
}

// tell notes that d was turned into an Observation. Outside of a wrapped call
// nobody asks for that.
func (s *scope) tell(d *DeniedError) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = true
	if s.denied != d || s.log != nil {
		s.decisionLog().told = d
	}
}

func (s *scope) note(d Decision) {
	s.mu.Lock()
	s.append(d)
	s.mu.Unlock()
}

// took notes that gate allowed, of an observed call.
func (s *scope) took(gate string, elapsed time.Duration) {
	s.mu.Lock()
	s.append(Decision{Gate: gate, Verdict: VerdictAllow, Elapsed: elapsed})
	s.mu.Unlock()
}

// append needs s.mu.
func (s *scope) append(d Decision) {
	log := s.decisionLog()
	log.decisions = append(log.decisions, d)
}

// decisionLog needs s.mu.
func (s *scope) decisionLog() *decisionLog {
	if s.log == nil {
		s.log = new(decisionLog)
		s.log.decisions = s.log.room[:0]
		for _, gate := range s.allowed[:s.n] {
			s.log.decisions = append(s.log.decisions, Decision{Gate: *gate, Verdict: VerdictAllow})
		}
		if d := s.denied; d != nil {
			s.log.decisions = append(s.log.decisions, Decision{
				Gate: *s.allowed[s.n], Verdict: VerdictDeny, Code: d.Code, Reason: d.Reason,
			})
		}
	}
	return s.log
}

// clock returns the time since the call has been observed, if it is. What it
// reads was written before observed was, and is not written again.
func (s *scope) clock() time.Duration { return time.Since(s.run.began) - s.log.began }

// Note puts a decision on the trail of the call that ctx belongs to. [Before],
// [After], [Transform] and [Named] do so by themselves. Outside of a wrapped
// call it does nothing; within [Shadow] the decision is marked as such.
func Note(ctx context.Context, d Decision) {
	s := scopeOf(ctx)
	if s == nil {
		return
	}
	if inShadow(ctx) {
		d.Shadow = true
	}
	s.note(d)
}

// A Trail is what the gates of one call decided, and what reached the wrapped
// tool, chain or model. It is safe for concurrent use. The zero Trail is empty.
type Trail struct{ s *scope }

// Observe returns the trail of the call that ctx belongs to, and has the gates
// inside take their time. An [Interceptor] observes before it calls next, and
// reads the trail after.
func Observe(ctx context.Context) Trail {
	s := scopeOf(ctx)
	if s != nil {
		s.mu.Lock()
		if !s.state.observed() {
			s.decisionLog().began = time.Since(s.run.began)
			s.state.set(observedBit)
		}
		s.mu.Unlock()
	}
	return Trail{s}
}

// TrailOf returns the trail of the call that ctx belongs to, so far. Outside of
// a wrapped call it is empty.
func TrailOf(ctx context.Context) Trail { return Trail{scopeOf(ctx)} }

// Decisions returns the decisions so far, in the order in which they were made.
// They must not be modified.
func (t Trail) Decisions() []Decision {
	if t.s == nil {
		return nil
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.s.log == nil && t.s.n == 0 && t.s.denied == nil {
		return nil
	}
	decisions := t.s.decisionLog().decisions
	return decisions[:len(decisions):len(decisions)] // what is added later is not written into it
}

// Ran returns the Input with which the wrapped tool, chain or model was called,
// and whether it was called at all.
func (t Trail) Ran() (input any, ran bool) {
	if t.s == nil {
		return nil, false
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.s.ran, t.s.reached
}

// Told returns the denial that [Tell] turned into an [Observation], the last one
// where there are several, or nil. An adapter returns it where there is nobody to
// tell.
func (t Trail) Told() *DeniedError {
	if t.s == nil {
		return nil
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	switch {
	case !t.s.told:
		return nil
	case t.s.log != nil && t.s.log.told != nil:
		return t.s.log.told
	}
	return t.s.denied
}

// Released returns how many bytes of the call's stream its caller has got so
// far; zero where nothing is streamed. Of a call that was denied these are what
// was released before the verdict.
func (t Trail) Released() int64 {
	if t.s == nil {
		return 0
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.s.log == nil || t.s.log.outlet == nil {
		return 0
	}
	return t.s.log.outlet.passed.Load()
}
