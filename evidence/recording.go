package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"example.com/safeconduct/internal/delivery"
	"example.com/safeconduct/middleware"
)

// gateName is the Recorder's name where it denies.
const gateName = "recorder"

// Intercept is a middleware.Interceptor that records the calls that pass it. It
// belongs outermost, so that it sees every denial; middleware.Wrap panics where
// it stands inside a gate.
//
// Each call gets an intent before, an outcome after, and the root call of a run
// also a run.start and a run.end. The call does not wait for them, unless it is
// a tool call: see [Config]. A tool whose intent cannot be made durable is denied
// with middleware.CodeEvidence; the denial's cause wraps [ErrUnavailable]. The
// wait comes before the gates decide: an intent is what was asked for.
//
// A panic passes through and is recorded as failed. The Handler must be called
// within middleware.Wrap, which gives calls their run; outside of it every call
// is an error.
func (r *Recorder) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: gateName, Recorder: true, ID: r}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		run := middleware.RunOf(ctx)
		if run == nil {
			return middleware.Result{}, errors.New("evidence: the recorder works within middleware.Wrap only")
		}
		rec := recording{
			r: r, run: run, state: r.runs.In(run), input: call.Input,
			call:  callRef{call.ID, call.Parent, call.Kind, call.Name},
			trail: middleware.Observe(ctx), began: r.queue.elapsed(),
		}
		if err := rec.begin(ctx); err != nil {
			rec.end(ctx, middleware.Result{}, err)
			return middleware.Result{}, err
		}
		returned := false
		defer func() {
			if returned {
				return
			}
			if v := recover(); v != nil {
				rec.aborted("panic")
				panic(v)
			}
			rec.aborted("goexit")
		}()
		res, err := next(ctx, call)
		returned = true
		rec.end(ctx, res, err)
		return res, err
	}
}

// A recording is one call being recorded.
type recording struct {
	r     *Recorder
	run   *middleware.Run
	state *runState
	call  callRef
	input any
	trail middleware.Trail
	began time.Duration // by the queue's clock
}

func (c *recording) event(kind RecordKind) event {
	return event{kind: kind, run: c.state, of: c.run, call: c.call}
}

// begin records the intent. The error is of a call that must not be made.
func (c *recording) begin(ctx context.Context) error {
	intent := c.event(KindIntent)
	intent.balances = balances(c.run)
	intent.input, intent.kept = snapshot(c.input)
	intent.effects = c.r.effectsOf(&c.call, c.input)
	wait := intent.effects == EffectsDurable || intent.effects == EffectsPreferred

	var done chan error
	var err error
	if c.call.parent == 0 {
		start := c.event(KindStart)
		done, err = c.r.queue.put(wait, &start, &intent)
	} else {
		done, err = c.r.queue.put(wait, &intent, nil)
	}
	if !wait {
		return nil // what was lost is counted
	}
	if err == nil {
		err = c.await(ctx, done)
	}
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if intent.effects == EffectsPreferred {
		middleware.Note(ctx, middleware.Decision{
			Gate: gateName, Verdict: middleware.VerdictDeny, Shadow: true, Code: middleware.CodeEvidence,
			Reason: "no durable record of the call could be made; it is made all the same", Elapsed: c.r.queue.elapsed() - c.began,
		})
		return nil
	}
	d := &middleware.DeniedError{
		Gate: gateName, Call: c.call.name, Code: middleware.CodeEvidence,
		Reason: "no durable record of the call could be made",
		Err:    fmt.Errorf("%w: %w", ErrUnavailable, err),
	}
	middleware.Note(ctx, middleware.Decision{Gate: d.Gate, Code: d.Code, Reason: d.Reason, Elapsed: c.r.queue.elapsed() - c.began})
	return d
}

// effectsOf says how the call is treated.
func (r *Recorder) effectsOf(call *callRef, input any) (e Effects) {
	if e = r.named[call.name]; e != "" && call.kind == middleware.KindTool {
		return e
	}
	if r.classify != nil {
		e = r.classified(middleware.Call{ID: call.id, Parent: call.parent, Kind: call.kind, Name: call.name, Input: input})
	} else {
		e = ""
	}
	if e == "" && call.kind == middleware.KindTool {
		return EffectsDurable
	}
	return e
}

// classified asks the user, and takes a panic or a word that it does not know
// for the strictest answer.
func (r *Recorder) classified(call middleware.Call) (e Effects) {
	defer func() {
		if recover() != nil || e != "" && !e.known() {
			e = EffectsDurable
		}
	}()
	return r.classify(call)
}

// await waits for the intent to be durable.
func (c *recording) await(ctx context.Context, done chan error) error {
	timer := time.NewTimer(c.r.patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("the disk did not answer within %v", c.r.patience)
	}
}

// end records what came of the call.
func (c *recording) end(ctx context.Context, res middleware.Result, err error) {
	e := c.event(KindOutcome)
	e.decisions = c.trail.Decisions()
	e.outcome = outcomeOf(ctx, res, err, e.decisions)
	if err == nil {
		var kept int
		e.output, kept = snapshot(res.Output)
		e.hasOut = true
		e.kept += kept
	}
	if res.Usage != nil {
		u := *res.Usage
		e.usage = &u
	}
	c.finish(&e)
}

// aborted records that the call neither returned nor failed.
func (c *recording) aborted(class string) {
	e := c.event(KindOutcome)
	e.decisions = c.trail.Decisions()
	e.outcome = Outcome{Result: ResultFailed, Error: []string{class}}
	c.finish(&e)
}

func (c *recording) finish(e *event) {
	input, ran := c.trail.Ran()
	if ran && !same(input, c.input) {
		var kept int
		e.ran, kept = snapshot(input)
		e.hasRan = true
		e.kept += kept
	}
	e.outcome.Reached = ran
	e.outcome.Released = c.trail.Released()
	e.outcome.Latency = c.r.queue.elapsed() - c.began
	e.balances = balances(c.run)
	if c.call.parent == 0 {
		end := c.event(KindEnd)
		_, _ = c.r.queue.put(false, e, &end)
		return
	}
	_, _ = c.r.queue.put(false, e, nil)
}

// balances keeps a Meter that panics from failing the call.
func balances(run *middleware.Run) (b []middleware.Balance) {
	defer func() { _ = recover() }()
	return run.Balances()
}

// outcomeOf classifies how a call ended.
func outcomeOf(ctx context.Context, res middleware.Result, err error, decisions []middleware.Decision) Outcome {
	if err == nil {
		if _, told := res.Output.(middleware.Observation); told {
			o := Outcome{Result: ResultDenied, Told: true}
			for i := len(decisions) - 1; i >= 0; i-- {
				if d := decisions[i]; d.Verdict == middleware.VerdictDeny && !d.Shadow {
					o.Gate, o.Code, o.Reason = d.Gate, string(d.Code), d.Reason
					break
				}
			}
			return o
		}
		return Outcome{Result: ResultDone}
	}
	var denied *middleware.DeniedError
	switch {
	case errors.As(err, &denied) && denied != nil:
		o := Outcome{Result: ResultDenied, Gate: denied.Gate, Code: string(denied.Code), Reason: denied.Reason}
		if denied.Err != nil {
			o.Error = classes(denied.Err)
		}
		return o
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return Outcome{Result: ResultCancelled, Error: classes(err)}
	}
	return Outcome{Result: ResultFailed, Error: classes(err)}
}

// maxClasses bounds the classes of one error.
const maxClasses = 8

// classes returns what kinds of errors err is made of, outermost first: names
// for the well-known, Go types for the rest, and never what they say.
func classes(err error) []string {
	var all []string
	var visit func(err error)
	visit = func(err error) {
		if err == nil || len(all) == maxClasses {
			return
		}
		all = append(all, class(err))
		switch u := err.(type) { //nolint:errorlint // each error of the chain is looked at by itself
		case *middleware.PanicError:
			// Its Value is the tool's own, whatever it is.
		case interface{ Unwrap() error }:
			visit(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range u.Unwrap() {
				visit(err)
			}
		}
	}
	visit(err)
	return all
}

func class(err error) string {
	switch err { //nolint:errorlint // each error of the chain is looked at by itself
	case context.Canceled:
		return "context.Canceled"
	case context.DeadlineExceeded:
		return "context.DeadlineExceeded"
	case io.EOF:
		return "io.EOF"
	case io.ErrUnexpectedEOF:
		return "io.ErrUnexpectedEOF"
	case ErrUnavailable:
		return "evidence.ErrUnavailable"
	case ErrFull:
		return "evidence.ErrFull"
	case ErrClosed:
		return "evidence.ErrClosed"
	}
	switch e := err.(type) { //nolint:errorlint // the same
	case *middleware.PanicError:
		return "panic"
	case *delivery.StatusError:
		return fmt.Sprintf("http.%d", e.Status)
	}
	return fmt.Sprintf("%T", err)
}
