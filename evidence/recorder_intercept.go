package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// gateName is the Recorder's name where it denies.
const gateName = "recorder"

// Intercept is a middleware.Interceptor that records the calls that pass it. It
// belongs outermost, so that it sees every denial; middleware.Wrap panics where it
// stands inside a gate. See "What is recorded of a call" in the package doc.
//
// A tool whose intent cannot be made durable is denied with middleware.CodeEvidence;
// the denial's cause wraps [ErrUnavailable]. The Handler must be called within
// middleware.Wrap, which gives calls their run and number: outside of it every call is
// an error. So is one that comes a second time, because an interceptor outside called
// next again: nothing runs that has no records of its own. See middleware.Again.
func (r *Recorder) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: gateName, Recorder: true, ID: r}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		run := middleware.RunOf(ctx)
		switch {
		case run == nil || call.ID == 0:
			return res, errors.New("evidence: the recorder works within middleware.Wrap only")
		case call.Kind < middleware.KindChain || call.Kind > middleware.KindRetriever:
			return res, fmt.Errorf("evidence: a call of no known kind: %s", call.Kind)
		}
		rec := recording{
			r: r, run: run, state: r.runs.In(run), input: call.Input,
			call:  callRef{call.ID, call.Parent, call.Kind, call.Name},
			trail: middleware.Observe(ctx), began: r.queue.elapsed(),
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
		if err = rec.begin(ctx); err == nil {
			res, err = next(ctx, call)
		}
		rec.end(ctx, res, err)
		returned = true
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
	begun bool          // the intent is queued, or declared lost
	ended bool          // and the outcome

	offered []string // tools, to a model
}

func (c *recording) event(kind record.Kind) event {
	return event{kind: kind, run: c.state, call: c.call}
}

// begin records the intent. The error is of a call that must not be made.
func (c *recording) begin(ctx context.Context) error {
	intent := c.event(record.KindIntent)
	intent.balances = balancesOf(c.run)
	intent.input, intent.kept = c.r.snapshot(c.input, nil)
	c.offered = offeredTools(intent.input)
	intent.effects = c.r.effectsOf(&c.call, c.input)
	wait := intent.effects == record.EffectsDurable || intent.effects == record.EffectsPreferred

	var start *event
	if c.call.parent == 0 {
		e := c.event(record.KindStart)
		start = &e
	}
	switch err := c.put(ctx, wait, start, &intent); {
	case err == nil:
		return nil
	case !c.begun:
		return err
	case !wait:
		return nil // what was lost is counted
	default:
		return c.decideWithoutRecord(ctx, intent.effects, err)
	}
}

// decideWithoutRecord decides about a call whose intent is not durable, because
// of err.
func (c *recording) decideWithoutRecord(ctx context.Context, effects record.Effects, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	c.r.sayUnrecorded(err)
	if effects == record.EffectsPreferred {
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

// sayUnrecorded has somebody hear once why calls lack their record: the model is not
// told, and not everybody looks into the error.
func (r *Recorder) sayUnrecorded(err error) {
	r.unrecorded.Do(func() {
		log := r.log
		if log.to == nil {
			log.to = slog.Default()
		}
		log.warn("calls lack a durable record, and those that need one are denied", "error", err)
	})
}

// effectsOf says how the call is treated.
func (r *Recorder) effectsOf(call *callRef, input any) (e record.Effects) {
	if e = r.effectsByTool[call.name]; e != "" && call.kind == middleware.KindTool {
		return e
	}
	if r.classify != nil {
		e = r.askEffects(middleware.Call{ID: call.id, Parent: call.parent, Kind: call.kind, Name: call.name, Input: input})
	} else {
		e = ""
	}
	if e == "" && call.kind == middleware.KindTool {
		return record.EffectsDurable
	}
	return e
}

// askEffects asks the user, and takes a panic or a word that it does not know
// for the strictest answer.
func (r *Recorder) askEffects(call middleware.Call) (e record.Effects) {
	defer func() {
		if recover() != nil || e != "" && !e.Known() {
			e = record.EffectsDurable
		}
	}()
	return r.classify(call)
}

// put queues the intent, behind the start of its run if there is one, and where
// wait is set waits until they are durable. For room in the queue it waits as
// long as for the disk, unless that is known to fail.
func (c *recording) put(ctx context.Context, wait bool, start, intent *event) error {
	q := c.r.queue
	done, err := q.begin(wait, c.run, start, intent)
	if !wait {
		c.begun = !errors.Is(err, errCalledTwice)
		return err
	}
	timer := time.NewTimer(c.r.patience)
	defer timer.Stop()
	for errors.Is(err, ErrFull) && c.r.Err() == nil {
		if err = c.await(ctx, done, timer.C); err == nil {
			done, err = q.begin(true, c.run, start, intent)
		}
	}
	if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, errCalledTwice) {
		if _, again := q.begin(false, c.run, start, intent); errors.Is(again, errCalledTwice) { // declared lost, or there after all
			err = again
		}
	}
	c.begun = !errors.Is(err, errCalledTwice)
	if err == nil {
		err = c.await(ctx, done, timer.C)
	}
	return err
}

// await waits for an answer of the queue.
func (c *recording) await(ctx context.Context, done <-chan error, late <-chan time.Time) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return fmt.Errorf("the disk did not answer within %v", c.r.patience)
	}
}

// end records what came of the call.
func (c *recording) end(ctx context.Context, res middleware.Result, err error) {
	if !c.begun {
		return
	}
	e := c.event(record.KindOutcome)
	e.decisions = c.trail.Decisions()
	e.outcome = outcomeOf(ctx, res, err, e.decisions)
	c.addHowItRan(&e)
	if err == nil {
		var kept int
		e.output, kept = c.r.snapshot(res.Output, c.offered)
		e.hasOut = true
		if c.offered != nil {
			e.body = c.offered
		}
		e.kept += kept
	}
	if res.Usage != nil {
		u := *res.Usage
		e.usage = &u
	}
	c.finish(&e)
}

// aborted records that the call neither returned nor failed, or that what came
// of it cannot be told: code of others panics or ends the goroutine.
func (c *recording) aborted(class string) {
	if !c.begun || c.ended {
		return
	}
	e := c.event(record.KindOutcome)
	e.decisions = c.trail.Decisions()
	e.outcome = record.Outcome{Result: record.ResultFailed, Error: []string{class}}
	defer c.finish(&e) // whatever that code does now
	c.addHowItRan(&e)
}

// addHowItRan adds whether the call was carried out, the input as it ran, and
// what is left of the limits.
func (c *recording) addHowItRan(e *event) {
	input, ran := c.trail.Ran()
	e.outcome.Reached = ran
	if ran && !isSame(input, c.input) {
		var kept int
		e.ran, kept = c.r.snapshot(input, nil)
		e.hasRan = true
		e.kept += kept
		c.offered = offeredTools(e.ran)
	}
	e.balances = balancesOf(c.run)
}

// offeredTools returns the tools that a request offers to a model.
func offeredTools(snap any) []string {
	switch q := snap.(type) {
	case *middleware.ModelRequest:
		return q.Tools
	case *oversized:
		if q.asInput.Request != nil {
			return q.asInput.Request.Tools
		}
	}
	return nil
}

func (c *recording) finish(e *event) {
	c.ended = true
	e.outcome.Released = c.trail.Released()
	e.outcome.Latency = c.r.queue.elapsed() - c.began
	if c.call.parent == 0 {
		end, queue := c.event(record.KindEnd), c.r.queue // c itself would move to the heap
		if !c.run.AtEnd(func() { queue.endRun(&end) }) {
			_, _ = queue.put(false, e, &end)
			return
		}
	}
	_, _ = c.r.queue.put(false, e, nil)
}

// balancesOf keeps a Meter that panics from failing the call.
func balancesOf(run *middleware.Run) (b []middleware.Balance) {
	defer func() { _ = recover() }()
	return run.Balances()
}
