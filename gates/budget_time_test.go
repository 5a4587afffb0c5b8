package gates_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// patient is a tool that takes a minute, if it is let.
func patient(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
	select {
	case <-time.After(time.Minute):
		return middleware.Result{Output: "done", Usage: &middleware.Usage{InputTokens: 3, OutputTokens: 2, Reported: true}}, nil
	case <-ctx.Done():
		return middleware.Result{Usage: &middleware.Usage{InputTokens: 3, Reported: true}}, ctx.Err()
	}
}

// TestBudgetWallTime checks how long a run may take. The clock is fake.
func TestBudgetWallTime(t *testing.T) {
	t.Run("calls that begin in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{WallTime: 150 * time.Second})
			mustRun(t, func(ctx context.Context) {
				time.Sleep(time.Hour) // the time begins with the first call through the gate
				for range 2 {
					if err := do(ctx, gate, patient, kit.Tool("shell", "ls")); err != nil {
						t.Errorf("got %v, want it allowed", err)
					}
				}
				time.Sleep(30 * time.Second)
				for _, call := range []middleware.Call{kit.Tool("shell", "ls"), kit.Model("hi"), kit.Plan(), kit.Chain("c", nil), kit.Retriever("q")} {
					err := do(ctx, gate, kit.Echo, call)
					if d := kit.WantDenied(t, err, middleware.CodeOverBudget); d.Gate != "budget" || d.Reason != "limit wall_time of the run: 2m30s are over" {
						t.Errorf("%v: got gate %q and reason %q", call.Kind, d.Gate, d.Reason)
					}
				}
				if got := middleware.RunOf(ctx).Balances(); len(got) != 1 || got[0].Limit != "wall_time" || got[0].Max != 150_000 || got[0].Used != 150_000 {
					t.Errorf("got balances %+v, want all of 150 s used", got)
				}
			})
			if err := do(t.Context(), gate, patient, kit.Tool("shell", "ls")); err != nil {
				t.Errorf("another run: got %v, want it allowed", err)
			}
		})
	})
	t.Run("a call under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{WallTime: 10 * time.Second, ToolCalls: 5})
			began := time.Now()
			mustRun(t, func(ctx context.Context) {
				var err error
				res, _ := middleware.Wrap(patient, lenient(&err), gate)(ctx, kit.Tool("shell", "ls"))
				d := kit.WantDenied(t, err, middleware.CodeOverBudget)
				if took := time.Since(began); took != 10*time.Second || !errors.Is(d, context.DeadlineExceeded) {
					t.Errorf("got %v after %v, want the deadline after 10s", d.Err, took)
				}
				if res.Usage == nil || res.Usage.InputTokens != 3 {
					t.Errorf("got usage %+v, want what was spent", res.Usage)
				}
				wantSpent(t, ctx, "run/tool_calls", 1, 0)
			})
		})
	})
	t.Run("calls within a call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{WallTime: 90 * time.Second, Tokens: 100_000})
			var inner []error
			chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				for range 3 {
					_, err := middleware.Wrap(patient, gate)(ctx, kit.Model("hi"))
					inner = append(inner, err)
				}
				return middleware.Result{}, inner[len(inner)-1]
			}, gate)
			_, err := chain(t.Context(), kit.Chain("qa", nil))
			kit.WantDenied(t, err, middleware.CodeOverBudget)
			if len(inner) != 3 || inner[0] != nil || !errors.Is(inner[1], context.DeadlineExceeded) || !errors.Is(inner[2], context.DeadlineExceeded) {
				t.Errorf("got %v inside, want one done and then the end of the context", inner)
			}
		})
	})
	// The shorter wins, whoever's it is.
	t.Run("the caller's deadline is shorter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{WallTime: 30 * time.Second})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := middleware.Wrap(patient, gate)(ctx, kit.Tool("shell", "ls"))
			if !errors.Is(err, context.DeadlineExceeded) || denied(err, middleware.CodeOverBudget) {
				t.Errorf("got %v, want the caller's deadline", err)
			}
		})
	})
	t.Run("the caller cancels", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{WallTime: 30 * time.Second, ToolCalls: 3, Tokens: 100_000})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(5*time.Second, cancel)
			_, err := middleware.Wrap(patient, gate)(ctx, kit.Tool("shell", "ls"))
			if !errors.Is(err, context.Canceled) || denied(err, middleware.CodeOverBudget) {
				t.Errorf("got %v, want the caller's own", err)
			}
		})
	})
	t.Run("denied inside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := gates.Budget(gates.Limits{WallTime: 10 * time.Second})
			slow := middleware.Interceptor(func(middleware.Handler) middleware.Handler {
				return func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
					<-ctx.Done()
					return middleware.Result{}, &middleware.DeniedError{Gate: "slow", Code: middleware.CodePolicy, Reason: "no", Err: ctx.Err()}
				}
			})
			_, err := middleware.Wrap(kit.Echo, gate, slow)(t.Context(), kit.Tool("shell", "ls"))
			if d := kit.WantDenied(t, err, middleware.CodePolicy); d.Gate != "slow" {
				t.Errorf("got gate %q, want the denial of the inner one", d.Gate)
			}
		})
	})
}

// TestBudgetTrail checks that every decision is on the trail, once, with and
// without a limit on time.
func TestBudgetTrail(t *testing.T) {
	for _, limits := range []gates.Limits{{ToolCalls: 1, ModelCalls: 1}, {ToolCalls: 1, ModelCalls: 1, WallTime: time.Hour}} {
		gate := gates.Budget(limits)
		mustRun(t, func(ctx context.Context) {
			tests := []struct {
				h    middleware.Handler
				call middleware.Call
				want middleware.Decision
			}{
				{kit.Planner(asks(2)...), kit.Plan(),
					middleware.Decision{Gate: "budget", Code: middleware.CodeOverBudget, Reason: "limit tool_calls of the run: asked 2, left 1 of 1"}},
				{kit.Planner(asks(1)...), kit.Plan(), middleware.Decision{Gate: "budget", Verdict: middleware.VerdictAllow}},
				{kit.Echo, kit.Tool("shell", "ls"), middleware.Decision{Gate: "budget", Verdict: middleware.VerdictAllow}},
				{kit.Fail(errTool), kit.Model("hi"), middleware.Decision{Gate: "budget", Verdict: middleware.VerdictAllow}},
				{kit.Echo, kit.Tool("shell", "ls"),
					middleware.Decision{Gate: "budget", Code: middleware.CodeOverBudget, Reason: "limit tool_calls of the run: asked 1, left 0 of 1"}},
				{kit.Echo, kit.Model("hi"),
					middleware.Decision{Gate: "budget", Code: middleware.CodeOverBudget, Reason: "limit model_calls of the run: asked 1, left 0 of 1"}},
			}
			for _, tt := range tests {
				var got []middleware.Decision
				look := func(next middleware.Handler) middleware.Handler {
					return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						_, _ = next(ctx, call)
						got = middleware.TrailOf(ctx).Decisions()
						return middleware.Result{}, nil
					}
				}
				_, _ = middleware.Wrap(tt.h, look, gate)(ctx, tt.call)
				if !slices.Equal(got, []middleware.Decision{tt.want}) {
					t.Errorf("%v: got trail %+v, want %+v alone", tt.call.Kind, got, tt.want)
				}
			}
		})
	}
}

// TestBudgetBalances checks what a recorder reads around a call.
func TestBudgetBalances(t *testing.T) {
	gate := gates.Budget(
		gates.Limits{ToolCalls: 5, Tokens: 10_000, Estimate: 100},
		gates.Limits{Scope: gates.ScopeProcess, ModelCalls: 7},
	)
	for range 2 {
		mustRun(t, func(ctx context.Context) {
			if got := middleware.RunOf(ctx).Balances(); got != nil {
				t.Errorf("got %+v before the first call, want none", got)
			}
			_ = do(ctx, gate, kit.Echo, kit.Tool("shell", "ls"))
			_ = do(ctx, gate, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				wantSpent(t, ctx, "run/tokens", 0, 102)
				return middleware.Result{}, errTool
			}, kit.Model("hello"))
			wantSpent(t, ctx, "run/tool_calls", 1, 0)
			got := middleware.RunOf(ctx).Balances()
			if len(got) != 3 || got[0].Gate != "budget" || got[0].Max != 5 || got[1].Max != 10_000 || got[2].Max != 7 {
				t.Errorf("got balances %+v, want three limits in order", got)
			}
		})
	}
	mustRun(t, func(ctx context.Context) {
		_ = do(ctx, gate, kit.Echo, kit.Tool("shell", "ls"))
		wantSpent(t, ctx, "process/model_calls", 2, 0)
	})
}
