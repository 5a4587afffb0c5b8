package middlewaretest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// What goes wrong in trials.
var (
	errNext   = errors.New("middlewaretest: next failed")
	errStream = errors.New("middlewaretest: the stream is closed")
)

// A sample is one call to try, alone or within a run.
type sample struct {
	k     *kit
	call  middleware.Call
	inRun bool
}

func (s sample) String() string {
	where := "alone"
	if s.inRun {
		where = "within a run"
	}
	return fmt.Sprintf("%s %q %s", s.call.Kind, s.call.Name, where)
}

func (s sample) broken(r rule, format string, args ...any) {
	s.k.broken(r, s.String(), format, args...)
}

// check tries the sample in every way. It reports whether the call reaches next
// where all goes well.
func (s sample) check() (reached bool) {
	reached = s.succeeds()
	steps := []func(){s.fails, s.oddOutputs, func() { s.oddInputs(reached) }, s.streams, s.cancelled}
	if reached {
		steps = append(steps, s.apart,
			func() { s.releases(rulePanic, func(t *trial) { t.end = func() { panic(errNext) } }) },
			func() { s.releases(ruleGoexit, func(t *trial) { t.exit = true }) })
	}
	for _, step := range steps {
		if !s.k.gaveUp() {
			step()
		}
	}
	return reached
}

// within calls f with a context for the sample's calls, which ends thereafter.
func (s sample) within(f func(ctx context.Context, cancel context.CancelFunc)) {
	if !s.inRun {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		f(ctx, cancel)
		return
	}
	_ = InRun(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		f(ctx, cancel)
	})
}

// try makes the call once through a fresh interceptor, and holds what is seen
// against the rules that always hold. Cause is what next's error must show.
func (s sample) try(next middleware.Handler, cause error) sight {
	var seen sight
	s.within(func(ctx context.Context, _ context.CancelFunc) {
		seen = s.tryIn(ctx, next, cause)
	})
	return seen
}

func (s sample) tryIn(ctx context.Context, next middleware.Handler, cause error) sight {
	if s.k.gaveUp() {
		return sight{}
	}
	call := s.call
	call.Input = clone(s.call.Input)
	seen := s.k.newRig(s.k.new()).do(ctx, call, &trial{next: next})
	if !same(call.Input, s.call.Input) {
		s.broken(ruleInput, "the caller's Input was another after the call")
	}
	s.judge(ctx, seen, cause)
	return seen
}

// judge holds one call against the rules that always hold.
func (s sample) judge(ctx context.Context, seen sight, cause error) {
	if seen.hung {
		s.k.hung = true
		s.broken(ruleReturn, "the call did not return within %v", patience)
		return
	}
	if n := len(seen.reached); n > 1 {
		s.broken(ruleOnce, "next was called %d times", n)
		return // what came of it says nothing more
	}
	if len(seen.reached) > 0 && !s.judgeReached(ctx, seen) {
		return // neither does this
	}
	for _, again := range seen.again {
		if c := seen.came; again.Kind != c.Kind || again.Name != c.Name || c.Stream == nil && again.Stream != nil {
			s.broken(ruleAgain, "%s %q was carried out in place of %s %q", again.Kind, again.Name, c.Kind, c.Name)
		}
	}
	in, out := seen.inner, seen.outer
	if v := out.panicked; v != nil && in.panicked == nil {
		if !isDenied(seen.wrapped.err) && !foreign.Is(seen.wrapped.err, errTamed) {
			s.broken(ruleOwnPanic, "it panicked (%v), and the wrapped call came back with error %v", v, seen.wrapped.err)
		}
	}
	if !out.returned {
		return
	}
	if out.err != nil && out.res.Output != nil {
		s.broken(ruleOutput, "an Output of type %T came with the error %q", out.res.Output, out.err)
	}
	if in.returned && spent(out.res.Usage) < spent(in.res.Usage) {
		s.broken(ruleUsage, "next spent %+v, and %+v came back", *in.res.Usage, out.res.Usage)
	}
	told := isDenied(in.err) && observed(out)
	if in.err != nil && cause != nil && !told && !foreign.Is(out.err, cause) {
		s.broken(ruleError, "next failed with %q, and error %v came back", in.err, out.err)
	}
	s.judgeDenial(ctx, in, out)
}

// judgeReached holds what reached next against what came, and reports whether it
// was reached as part of the call.
func (s sample) judgeReached(ctx context.Context, seen sight) bool {
	if got, came := seen.reached[0], seen.came; !alike(got, came) {
		s.broken(ruleIdentity, "call %v of %v, %s %q, reached next as call %v of %v, %s %q",
			came.ID, came.Parent, came.Kind, came.Name, got.ID, got.Parent, got.Kind, got.Name)
	}
	if seen.came.Stream == nil && seen.reached[0].Stream != nil {
		s.broken(ruleStream, "next was given a Stream that the caller did not ask for")
	}
	if seen.ctx.Value(trialKey{}) == nil {
		s.broken(ruleValues, "a value of the caller's context was not there")
		return false
	}
	if want, ok := ctx.Deadline(); ok {
		if have, ok := seen.ctx.Deadline(); !ok || have.After(want) {
			s.broken(ruleDeadline, "the caller's deadline was not there, or a later one was")
		}
	}
	return true
}

// alike reports whether two Calls are the same one, whatever their Inputs.
func alike(a, b middleware.Call) bool {
	return a.ID == b.ID && a.Parent == b.Parent && a.Kind == b.Kind && a.Name == b.Name
}

// judgeDenial holds an error of the interceptor's own against the rule.
func (s sample) judgeDenial(ctx context.Context, in, out outcome) {
	if out.err == nil || in.panicked != nil {
		return
	}
	d, _ := foreign.As[*middleware.DeniedError](out.err)
	switch {
	case d != nil:
		if !foreign.Is(in.err, d) && (d.Code == "" || d.Reason == "") {
			s.broken(ruleDenial, "the denial has the code %q and the reason %q", d.Code, d.Reason)
		}
	case ctx.Err() != nil && foreign.Is(out.err, ctx.Err()):
	case foreign.Is(out.err, errStream): // the caller's, of a chunk that was held
	case in.err == nil:
		s.broken(ruleDenial, "next did not fail, and an error of type %T came back: %v", out.err, out.err)
	}
}

func observed(o outcome) bool {
	_, ok := o.res.Output.(middleware.Observation)
	return ok && o.err == nil
}

func isDenied(err error) bool {
	d, _ := foreign.As[*middleware.DeniedError](err)
	return d != nil
}

// spent returns a number that is less where a Usage says less.
func spent(u *middleware.Usage) int64 {
	if u == nil {
		return 0
	}
	return u.InputTokens + u.OutputTokens + u.TotalTokens + u.CachedTokens + u.ReasoningTokens + u.Cost
}
