package middlewaretest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// usage is what next spends in trials, whatever comes of the call.
func usage() *middleware.Usage {
	return &middleware.Usage{InputTokens: 7, OutputTokens: 5, TotalTokens: 12, CachedTokens: 3, ReasoningTokens: 2, Cost: 9, Reported: true}
}

// answer is a next that does well.
func answer(_ context.Context, call middleware.Call) (middleware.Result, error) {
	res := middleware.Result{Output: call.Input, Usage: usage()}
	switch call.Kind {
	case middleware.KindPlan:
		res.Output = &middleware.Plan{Final: map[string]any{"output": "done"}}
	case middleware.KindModel:
		res.Output = &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "done", StopReason: "stop"}}}
	case middleware.KindRetriever:
		res.Output = []middleware.Document{
			{Text: "a page", Metadata: map[string]any{"source": "pages/1", "page": 1}, Score: 0.9}, {Text: "a note"},
		}
	}
	return res, nil
}

// succeeds reports whether the call reaches a next that does well.
func (s sample) succeeds() (reached bool) {
	seen := s.try(answer, nil)
	reached = len(seen.reached) > 0
	p, _ := foreign.As[*middleware.PanicError](seen.outer.err)
	value := seen.outer.panicked
	if p != nil {
		value = p.Value
	}
	if value != nil {
		s.broken(ruleKinds, "it panicked: %v", value)
	}
	return reached
}

// fails tries a next that fails, and one that is denied further inside.
func (s sample) fails() {
	s.try(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Usage: usage()}, errNext
	}, errNext)
	s.try(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{Usage: usage()}, &middleware.DeniedError{
			Gate: "inner", Call: call.Name, Code: middleware.CodePolicy, Reason: "an inner gate refused", Err: errNext,
		}
	}, errNext)
}

// oddOutputs tries a next whose Output is not what it should be. A gate may
// refuse it or not; what was spent was spent.
func (s sample) oddOutputs() {
	outputs := []any{nil, 42, struct{}{}}
	switch s.call.Kind {
	case middleware.KindPlan:
		outputs = append(outputs, (*middleware.Plan)(nil), &middleware.Plan{},
			&middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: "made up"}}})
	case middleware.KindModel:
		outputs = append(outputs, (*middleware.ModelResponse)(nil), &middleware.ModelResponse{})
	case middleware.KindChain:
		outputs = append(outputs, map[string]any(nil))
	case middleware.KindRetriever:
		outputs = append(outputs, []middleware.Document(nil), []middleware.Document{{}})
	}
	for _, output := range outputs {
		s.try(func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: output, Usage: usage()}, nil
		}, nil)
	}
}

// oddInputs tries Inputs that are not what they should be. An interceptor that
// looks into them may panic: it must not hide that, and let nothing happen.
func (s sample) oddInputs(reached bool) {
	for _, input := range []any{nil, 42, struct{}{}, []string{"x"}, (*middleware.ModelRequest)(nil)} {
		odd := s
		odd.call.Input = input
		seen := odd.try(answer, nil)
		if reached && seen.outer.returned && seen.outer.err == nil && len(seen.reached) == 0 && !observed(seen.outer) {
			s.broken(ruleOwnPanic, "with an Input of type %T it neither called next, nor denied, nor failed", input)
		}
	}
}

// streams tries a call whose caller wants no more of the stream. It may get to
// know of a chunk when next has one, or later, if the interceptor holds it.
func (s sample) streams() {
	var asked, ended atomic.Bool // the caller's Stream failed; next was told
	streamed := s
	streamed.call.Stream = func(context.Context, middleware.Chunk) error {
		asked.Store(true)
		return errStream
	}
	early := false
	seen := streamed.try(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if call.Stream == nil {
			return answer(ctx, call)
		}
		err := call.Stream(ctx, middleware.Chunk{Text: []byte("done")})
		early = asked.Load()
		if err != nil {
			ended.Store(true)
			return middleware.Result{Usage: usage()}, err
		}
		return answer(ctx, call)
	}, nil)
	switch {
	case early && !ended.Load():
		s.broken(ruleStreamError, "the caller's Stream failed, and the Stream that next was given did not")
	case asked.Load() && !early && seen.outer.returned && seen.outer.err == nil:
		s.broken(ruleStreamError, "the caller's Stream failed, and the call came back as a success")
	}
}

// cancelled tries a call whose context ends while next is at work.
func (s sample) cancelled() {
	var deaf atomic.Bool
	s.within(func(ctx context.Context, cancel context.CancelFunc) {
		s.tryIn(ctx, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			cancel()
			if !untilDone(ctx) {
				deaf.Store(true)
				return middleware.Result{}, errNext
			}
			return middleware.Result{Usage: usage()}, ctx.Err()
		}, nil)
	})
	if deaf.Load() {
		s.broken(ruleCancel, "the caller's context ended, and that of next did not")
	}
}

// apart applies one Interceptor to two Handlers.
func (s sample) apart() {
	i := s.k.new()
	a, b := s.k.newRig(i), s.k.newRig(i)
	s.within(func(ctx context.Context, _ context.CancelFunc) {
		for _, r := range []*rig{a, b, a} {
			if r.do(ctx, s.fresh(), &trial{next: answer, tame: true}).strayed {
				s.broken(ruleApart, "a call of one Handler came to the next of the other")
				return
			}
		}
	})
}

// releases tries whether a call reaches next after calls in which next came to
// an end that is not a return, as it does after calls that failed.
func (s sample) releases(r rule, end func(*trial)) {
	if s.k.has(r) {
		return // one that hangs would do so for each call
	}
	fail := func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, errNext
	}
	for _, times := range []int{1, 32} {
		if reached, hung := s.after(times, fail, func(*trial) {}); !reached || hung {
			continue // a failure has the same effect: it is meant
		}
		reached, hung := s.after(times, fail, end)
		if hung {
			s.k.hung = true
			s.broken(r, "after %d such calls one hangs", times)
			return
		}
		if !reached {
			s.broken(r, "after %d such calls one no longer reaches next; after %d that failed it does", times, times)
			return
		}
	}
	seen := sight{}
	s.within(func(ctx context.Context, _ context.CancelFunc) {
		good := &trial{next: answer, tame: true}
		end(good)
		seen = s.k.newRig(s.k.new()).do(ctx, s.fresh(), good)
	})
	if seen.outer.returned && seen.outer.err == nil && len(seen.reached) > 0 {
		s.broken(r, "the call came back as a success")
	}
}

// after makes a number of calls of next that end so, and then reports whether a good
// one reaches next, or hangs.
func (s sample) after(times int, next middleware.Handler, end func(*trial)) (reached, hung bool) {
	r := s.k.newRig(s.k.new())
	s.within(func(ctx context.Context, _ context.CancelFunc) {
		for range times {
			bad := &trial{next: next, tame: true}
			end(bad)
			if hung = r.do(ctx, s.fresh(), bad).hung; hung {
				return
			}
		}
		seen := r.do(ctx, s.fresh(), &trial{next: answer, tame: true})
		reached, hung = len(seen.reached) > 0, seen.hung
	})
	return reached, hung
}

// fresh returns the call with an Input that nobody else holds.
func (s sample) fresh() middleware.Call {
	call := s.call
	call.Input = clone(s.call.Input)
	return call
}

// crowd is how many calls are made at the same time.
const crowd = 64

// concurrent makes many calls at the same time through one Handler.
func (k *kit) concurrent(calls []middleware.Call) {
	for _, inRun := range []bool{false, true} {
		r := k.newRig(k.new())
		r.now = &trial{next: answer, rig: r, tame: true}
		var wg sync.WaitGroup
		sample{k: k, inRun: inRun}.within(func(ctx context.Context, _ context.CancelFunc) {
			trials := make([]*trial, crowd)
			for n := range trials {
				t := &trial{rig: r, tame: true, next: func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					runtime.Gosched()
					res, err := answer(ctx, call)
					res.Usage.Cost += int64(n)
					return res, err
				}}
				trials[n] = t
				s := sample{k, calls[n%len(calls)], inRun}
				wg.Go(func() { r.run(context.WithValue(ctx, trialKey{}, t), t, s.fresh()) })
			}
			wg.Wait()
			for n, t := range trials {
				sample{k, calls[n%len(calls)], inRun}.judgeAmong(ctx, t.seen(), n)
			}
		})
	}
}

// judgeAmong holds the nth call of a crowd against the rules.
func (s sample) judgeAmong(ctx context.Context, seen sight, n int) {
	if seen.hung {
		s.k.hung = true
		s.broken(ruleConcurrent, "one of %d calls at the same time did not return within %v", crowd, patience)
		return
	}
	if s.k.has(ruleValues) {
		return // the values say which of the calls it is
	}
	if len(seen.reached) == 1 && !alike(seen.reached[0], seen.came) && !s.k.has(ruleIdentity) {
		s.broken(ruleConcurrent, "another call reached next in its place")
		return
	}
	if u := seen.outer.res.Usage; u != nil && len(seen.reached) > 0 && u.Cost != usage().Cost+int64(n) {
		s.broken(ruleConcurrent, "what another call spent came back")
		return
	}
	s.judge(ctx, seen, nil)
}
