package gates_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// A reference is what a Budget of three scopes should do, said as simply as can
// be: nothing runs at the same time.
type reference struct {
	limit      map[string]int64 // by "scope/limit"; missing for none
	used, held map[string]int64
	open       map[middleware.CallID]int64 // held for chains under way
}

var referenceScopes = []string{"run", "tenant", "process"}

func (r *reference) fits(limit string, n int64) bool {
	for _, scope := range referenceScopes {
		key := scope + "/" + limit
		if max, ok := r.limit[key]; ok && n > 0 && r.used[key]+r.held[key]+n > max {
			return false
		}
	}
	return true
}

func (r *reference) add(to map[string]int64, limit string, n int64) {
	for _, scope := range referenceScopes {
		if _, ok := r.limit[scope+"/"+limit]; ok {
			to[scope+"/"+limit] += n
		}
	}
}

// What can become of a call.
const (
	done = iota
	failed
	panicked
	deniedInside
	fates
)

// A script is a random program of calls within calls, carried out against a
// Budget and against the reference.
type script struct {
	t    *rapid.T
	ref  *reference
	gate middleware.Interceptor
	left int // calls to make
}

// calls makes some calls under ctx, within the chain with this ID.
func (s *script) calls(ctx context.Context, chain middleware.CallID, depth int) {
	for s.left > 0 && rapid.IntRange(0, 4).Draw(s.t, "more") > 0 {
		s.left--
		switch kind := rapid.SampledFrom([]middleware.Kind{middleware.KindTool, middleware.KindTool, middleware.KindModel, middleware.KindPlan,
			middleware.KindChain}).Draw(s.t, "kind"); {
		case kind == middleware.KindTool:
			s.tool(ctx, chain, depth)
		case kind == middleware.KindModel:
			s.model(ctx, depth)
		case kind == middleware.KindPlan:
			s.plan(ctx, chain)
		case depth < 4:
			s.chain(ctx, depth)
		}
		s.compare(ctx)
	}
}

// send makes one call whose fate is drawn; within it, f happens.
func (s *script) send(ctx context.Context, call middleware.Call, fate int, f func(ctx context.Context) middleware.Result) error {
	guard := s.gate
	if fate == deniedInside {
		guard = middleware.Compose(s.gate, deny)
	}
	var escaped any // rapid panics too, and nobody may catch that
	err := do(ctx, guard, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		var res middleware.Result
		if escaped = panicOf(func() { res = f(ctx) }); escaped != nil {
			return middleware.Result{}, errTool
		}
		switch fate {
		case failed:
			res.Output = nil
			return res, errTool
		case panicked:
			panic("at the disco")
		}
		return res, nil
	}, call)
	if escaped != nil {
		panic(escaped)
	}
	return err
}

// check compares what came of a call with what should have.
func (s *script) check(what string, err error, fits bool, fate int) {
	over := denied(err, middleware.CodeOverBudget)
	if over == fits {
		s.t.Fatalf("%s: got error %v, want it to fit: %v", what, err, fits)
	}
	if fits && fate == failed && !errors.Is(err, errTool) {
		s.t.Fatalf("%s: got error %v, want that of the tool", what, err)
	}
}

func (s *script) tool(ctx context.Context, chain middleware.CallID, depth int) {
	fate := rapid.IntRange(0, fates-1).Draw(s.t, "fate")
	r := s.ref
	fits := true
	if r.open[chain] > 0 {
		r.open[chain]--
		r.add(r.held, "tool_calls", -1)
	} else {
		fits = r.fits("tool_calls", 1)
	}
	if fits {
		r.add(r.used, "tool_calls", 1)
	}
	err := s.send(ctx, kit.Tool("shell", "ls"), fate, func(ctx context.Context) middleware.Result {
		s.compare(ctx)
		if depth < 4 && rapid.Bool().Draw(s.t, "within") {
			s.calls(ctx, 0, depth+1) // a tool that calls: nothing is held for it
		}
		return middleware.Result{Output: "ok"}
	})
	s.check("tool", err, fits, fate)
	if fits && fate == deniedInside {
		r.add(r.used, "tool_calls", -1)
	}
}

func (s *script) model(ctx context.Context, depth int) {
	fate := rapid.IntRange(0, fates-1).Draw(s.t, "fate")
	bound := rapid.IntRange(1, 60).Draw(s.t, "MaxTokens")
	call := kit.Model("hello")
	call.Input.(*middleware.ModelRequest).MaxTokens = bound
	estimate := int64(2 + bound)
	var usage *middleware.Usage
	reported := int64(-1) // unknown
	switch rapid.IntRange(0, 3).Draw(s.t, "usage") {
	case 0:
		reported = int64(rapid.IntRange(1, 90).Draw(s.t, "tokens"))
		usage = &middleware.Usage{InputTokens: reported, Reported: true}
	case 1:
		usage = &middleware.Usage{InputTokens: -5, Reported: true}
	case 2:
		usage = &middleware.Usage{InputTokens: 5}
	}
	r := s.ref
	fits := r.fits("model_calls", 1) && r.fits("tokens", estimate)
	if fits {
		r.add(r.held, "model_calls", 1)
		r.add(r.held, "tokens", estimate)
	}
	err := s.send(ctx, call, fate, func(ctx context.Context) middleware.Result {
		s.compare(ctx)
		if depth < 4 && rapid.Bool().Draw(s.t, "within") {
			s.calls(ctx, 0, depth+1)
		}
		return middleware.Result{Usage: usage}
	})
	s.check("model", err, fits, fate)
	if !fits {
		return
	}
	r.add(r.held, "model_calls", -1)
	r.add(r.held, "tokens", -estimate)
	if fate == deniedInside {
		return
	}
	r.add(r.used, "model_calls", 1)
	switch {
	case fate == panicked: // nothing came back
		r.add(r.used, "tokens", estimate)
	case reported >= 0:
		r.add(r.used, "tokens", reported)
	case fate == done || usage != nil:
		r.add(r.used, "tokens", estimate)
	}
}

func (s *script) plan(ctx context.Context, chain middleware.CallID) {
	r := s.ref
	fate := rapid.SampledFrom([]int{done, failed}).Draw(s.t, "fate")
	n := rapid.IntRange(0, 4).Draw(s.t, "batch")
	r.add(r.held, "tool_calls", -r.open[chain]) // what is left over goes back
	r.open[chain] = 0
	fits := fate != done || r.fits("tool_calls", int64(n))
	err := s.send(ctx, kit.Plan(), fate, func(ctx context.Context) middleware.Result {
		s.compare(ctx)
		return middleware.Result{Output: &middleware.Plan{ToolCalls: asks(n)}}
	})
	s.check("plan", err, fits, fate)
	if fits && fate == done && chain != 0 {
		r.open[chain] = int64(n)
		r.add(r.held, "tool_calls", int64(n))
	}
}

func (s *script) chain(ctx context.Context, depth int) {
	fate := rapid.IntRange(0, fates-1).Draw(s.t, "fate")
	var id middleware.CallID
	guard := func(next middleware.Handler) middleware.Handler { // learns the ID
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			id = call.ID
			return next(ctx, call)
		}
	}
	inner := s.gate
	s.gate = middleware.Compose(guard, inner)
	err := s.send(ctx, kit.Chain("inner", nil), fate, func(ctx context.Context) middleware.Result {
		s.gate = inner
		s.calls(ctx, id, depth+1)
		return middleware.Result{Output: map[string]any{}}
	})
	s.gate = inner
	s.check("chain", err, true, fate)
	s.ref.add(s.ref.held, "tool_calls", -s.ref.open[id])
	delete(s.ref.open, id)
}

// compare holds the balances against the reference.
func (s *script) compare(ctx context.Context) {
	for _, b := range middleware.RunOf(ctx).Balances() {
		key := b.Scope + "/" + b.Limit
		if b.Used != s.ref.used[key] || b.Held != s.ref.held[key] || b.Max != s.ref.limit[key] {
			s.t.Fatalf("%s: got %d used and %d held of %d, want %d and %d of %d",
				key, b.Used, b.Held, b.Max, s.ref.used[key], s.ref.held[key], s.ref.limit[key])
		}
	}
}

// TestBudgetAgainstReference carries out random programs of calls within calls,
// in two runs of a tenant one after the other. In the end nothing is held.
func TestBudgetAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &reference{limit: map[string]int64{}, used: map[string]int64{}, held: map[string]int64{}}
		limits := map[string]*gates.Limits{"run": {}, "tenant": {Scope: gates.ScopeTenant}, "process": {Scope: gates.ScopeProcess}}
		for _, scope := range referenceScopes {
			l := limits[scope]
			for _, limit := range []struct {
				name string
				size int
				to   *int64
			}{{"tool_calls", 12, &l.ToolCalls}, {"model_calls", 12, &l.ModelCalls}, {"tokens", 300, &l.Tokens}} {
				if n := rapid.IntRange(0, limit.size).Draw(t, scope+"/"+limit.name); n > 0 {
					*limit.to = int64(n)
					r.limit[scope+"/"+limit.name] = int64(n)
				}
			}
		}
		var all []gates.Limits
		for _, scope := range referenceScopes {
			if l := *limits[scope]; l.ToolCalls+l.ModelCalls+l.Tokens > 0 {
				all = append(all, l)
			}
		}
		if len(all) == 0 {
			return
		}
		gate := gates.Budget(all...)
		for range 2 {
			r.open = map[middleware.CallID]int64{}
			for _, limit := range []string{"tool_calls", "model_calls", "tokens"} {
				delete(r.used, "run/"+limit)
			}
			var escaped any // rapid panics, and nobody may catch that
			run := func(ctx context.Context) {
				s := &script{t: t, ref: r, gate: gate, left: 40}
				for s.left > 0 {
					s.chain(ctx, 0)
					s.calls(ctx, 0, 1)
					s.left--
				}
				s.compare(ctx)
				for key, n := range r.held {
					if n != 0 {
						t.Fatalf("%s: got %d held in the end, want none", key, n)
					}
				}
			}
			chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				escaped = panicOf(func() { run(ctx) })
				return middleware.Result{}, nil
			}, lenient(new(error)))
			_, err := chain(middleware.WithIdentity(context.Background(), ann), kit.Chain("run", nil))
			if escaped != nil {
				panic(escaped)
			}
			if err != nil {
				t.Fatal(fmt.Errorf("the run: %w", err))
			}
		}
	})
}
