package middleware_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/middleware"
)

func TestWrapNumbersAndLinksCalls(t *testing.T) {
	type seen struct {
		id, parent middleware.CallID
		run        string
	}
	var calls []seen
	note := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			calls = append(calls, seen{call.ID, call.Parent, middleware.RunOf(ctx).ID})
			return next(ctx, call)
		}
	}
	inner := middleware.Wrap(echo, note)
	outer := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour) // a context derived from the call's
		defer cancel()
		if _, err := inner(ctx, tool("a")); err != nil {
			return middleware.Result{}, err
		}
		return inner(ctx, tool("b"))
	}, note)

	ctx := middleware.WithIdentity(t.Context(), middleware.Identity{Subject: "alice"})
	for range 2 {
		calls = nil
		if _, err := outer(ctx, middleware.Call{Kind: middleware.KindChain, Name: "c", Parent: 7}); err != nil {
			t.Fatal(err)
		}
		run := calls[0].run
		want := []seen{{1, 0, run}, {2, 1, run}, {3, 1, run}}
		for i := range want {
			if calls[i] != want[i] {
				t.Errorf("call %d: got %+v, want %+v", i, calls[i], want[i])
			}
		}
	}
	if middleware.RunOf(t.Context()) != nil {
		t.Error("RunOf outside of a run is not nil")
	}
}

func TestIdentityReachesTheRun(t *testing.T) {
	var got middleware.Identity
	h := middleware.Wrap(echo, middleware.Before("who", func(ctx context.Context, _ middleware.Call) error {
		got = middleware.RunOf(ctx).Identity
		return nil
	}))
	want := middleware.Identity{Session: "s", Subject: "alice", Tenant: "acme"}
	if _, err := h(middleware.WithIdentity(t.Context(), want), tool("")); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestHardDenialStopsTheRun(t *testing.T) {
	ran := 0
	count := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran++
		return echo(ctx, call)
	}
	denied := middleware.Wrap(count, middleware.Before("gate", deny))
	other := middleware.Wrap(count, middleware.Before("open", allow))
	run := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		_, err := denied(ctx, tool("a"))
		first := wantDenied(t, err, "gate", middleware.CodePolicy)
		_, err = other(ctx, tool("b"))
		d := wantDenied(t, err, "gate", middleware.CodeStopped)
		if !errors.Is(d, first) {
			t.Error("the later refusal does not wrap the denial that stopped the run")
		}
		if middleware.RunOf(ctx).Stopped() != first {
			t.Error("Stopped is not the first denial")
		}
		return middleware.Result{}, nil
	}, middleware.Before("open", allow))
	if _, err := run(t.Context(), middleware.Call{Kind: middleware.KindChain}); err != nil {
		t.Fatal(err)
	}
	if ran != 0 {
		t.Errorf("%d calls ran after the denial", ran)
	}
	if _, err := other(t.Context(), tool("c")); err != nil {
		t.Errorf("another run was stopped too: %v", err)
	}
}

// A call that is none, and one that is too deep, are refused, and the run goes on.
func TestACallThatCannotBeMadeDoesNotStopTheRun(t *testing.T) {
	inner := middleware.Wrap(echo, middleware.Before("open", allow))
	run := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		for _, kind := range []middleware.Kind{0, 200} {
			if _, err := inner(ctx, middleware.Call{Kind: kind, Name: "a"}); err == nil {
				t.Errorf("kind %d: got no error", kind)
			}
		}
		_, err := inner(ctx, tool("b"))
		return middleware.Result{}, err
	}, middleware.Before("open", allow))
	if _, err := run(t.Context(), middleware.Call{Kind: middleware.KindChain}); err != nil {
		t.Errorf("got %v, want the run to go on", err)
	}
}

func TestDepth(t *testing.T) {
	var h middleware.Handler
	deepest := 0
	depth := 0
	h = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		depth++
		deepest = max(deepest, depth)
		return h(ctx, call)
	}, middleware.Before("open", allow))
	_, err := h(t.Context(), tool(""))
	wantDenied(t, err, "", middleware.CodeTooDeep)
	if deepest != middleware.MaxDepth {
		t.Errorf("got %d levels, want %d", deepest, middleware.MaxDepth)
	}
}

func TestLocal(t *testing.T) {
	var a, b middleware.Local[int]
	h := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		run := middleware.RunOf(ctx)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { a.In(run) })
		}
		wg.Wait()
		*a.In(run)++
		*b.In(run) += 10
		*a.In(run)++
		return middleware.Result{Output: [2]int{*a.In(run), *b.In(run)}}, nil
	}, middleware.Before("open", allow))
	for range 2 {
		res, err := h(t.Context(), tool(""))
		if want := [2]int{2, 10}; err != nil || res.Output != want {
			t.Errorf("got %v, %v, want %v", res.Output, err, want)
		}
	}
	if *a.In(nil) != 0 {
		t.Error("a Local in no run is not zero")
	}
}

type meter struct{ used int64 }

func (m *meter) Balances(*middleware.Run) []middleware.Balance {
	return []middleware.Balance{{Gate: "m", Limit: "calls", Max: 5, Used: m.used}}
}

func TestBalances(t *testing.T) {
	m := &meter{used: 2}
	h := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		run := middleware.RunOf(ctx)
		run.Attach(m)
		run.Attach(m)
		return middleware.Result{Output: run.Balances()}, nil
	}, middleware.Before("open", allow))
	res, err := h(t.Context(), tool(""))
	if err != nil {
		t.Fatal(err)
	}
	if bs := res.Output.([]middleware.Balance); len(bs) != 1 || bs[0].Used != 2 {
		t.Errorf("got %+v, want one balance", bs)
	}
	var none *middleware.Run
	none.Attach(m)
	if none.Balances() != nil || none.Stopped() != nil {
		t.Error("a nil Run is not empty")
	}
}

func TestUsageTokens(t *testing.T) {
	var none *middleware.Usage
	for _, tt := range []struct {
		u    *middleware.Usage
		want int64
	}{
		{none, 0},
		{&middleware.Usage{InputTokens: 3, OutputTokens: 4}, 7},
		{&middleware.Usage{InputTokens: 3, OutputTokens: 4, TotalTokens: 9}, 9},
		{&middleware.Usage{InputTokens: math.MaxInt64, OutputTokens: math.MaxInt64}, math.MaxInt64},
		{&middleware.Usage{InputTokens: -3, OutputTokens: 4, TotalTokens: -9}, 4},
	} {
		if got := tt.u.Tokens(); got != tt.want {
			t.Errorf("%+v: got %d, want %d", tt.u, got, tt.want)
		}
	}
}

func TestConcurrentCallsOfOneRun(t *testing.T) {
	inner := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran, _ := middleware.TrailOf(ctx).Ran()
		return middleware.Result{Output: ran}, nil
	}, middleware.Before("open", allow))
	_, err := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				for k := range 100 {
					res, err := inner(ctx, middleware.Call{Kind: middleware.KindTool, Input: [2]int{g, k}})
					if err != nil || res.Output != [2]int{g, k} {
						t.Errorf("got %v, %v, want %v", res.Output, err, [2]int{g, k})
						return
					}
				}
			})
		}
		wg.Wait()
		return middleware.Result{}, nil
	}, middleware.Before("open", allow))(t.Context(), middleware.Call{Kind: middleware.KindChain})
	if err != nil {
		t.Fatal(err)
	}
}
