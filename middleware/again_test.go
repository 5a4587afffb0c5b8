package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
)

type triesKey struct{}

// tries is an interceptor that has every call carried out until it answers
// "good", at most n times more. The nth other call gets the input with n.
func tries(n int) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if err != nil || res.Output == "good" {
				return res, err
			}
			if ctx.Value(triesKey{}) != nil {
				return middleware.Result{Usage: res.Usage}, middleware.Deny(middleware.CodeBadOutput, "not good")
			}
			for i := range n {
				call.Input = i + 1
				var again middleware.Result
				again, err = middleware.Again(context.WithValue(ctx, triesKey{}, true), call)
				if err == nil || !strings.Contains(err.Error(), "not good") {
					return middleware.Result{Output: again.Output, Usage: res.Usage}, err
				}
			}
			return middleware.Result{Usage: res.Usage}, err
		}
	}
}

// goodOn answers the nth input well.
func goodOn(n int) middleware.Handler {
	return func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		res := middleware.Result{Output: "bad", Usage: &middleware.Usage{OutputTokens: 1}}
		if call.Input == n {
			res.Output = "good"
		}
		return res, nil
	}
}

// calls keeps what passes it, as text.
type calls struct {
	mu  sync.Mutex
	all []string
}

func (c *calls) Intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		c.mu.Lock()
		defer c.mu.Unlock()
		verdict := res.Output
		if err != nil {
			verdict = "refused"
		}
		c.all = append(c.all, fmt.Sprintf("%s/%s(%v)=%v", call.Parent, call.ID, call.Input, verdict))
		return res, err
	}
}

func TestAgain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		good   int // the input that is answered well
		calls  string
		denied bool
		spent  int64
	}{
		{"first", 0, "0/1(0)=good", false, 1},
		{"third", 2, "1/2(1)=refused 1/3(2)=good 0/1(0)=good", false, 1},
		{"none", 9, "1/2(1)=refused 1/3(2)=refused 1/4(3)=refused 0/1(0)=refused", true, 1},
	} {
		seen := new(calls)
		var run *middleware.Run
		note := middleware.Before("note", func(ctx context.Context, _ middleware.Call) error {
			run = middleware.RunOf(ctx)
			return nil
		})
		h := middleware.Wrap(goodOn(tc.good), seen.Intercept, note, tries(3))
		res, err := h(t.Context(), middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: 0})
		if got := strings.Join(seen.all, " "); got != tc.calls {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.calls)
		}
		if (err != nil) != tc.denied || (run.Stopped() != nil) != tc.denied {
			t.Errorf("%s: got %v and stopped %v, want denied: %v", tc.name, err, run.Stopped(), tc.denied)
		}
		if res.Usage == nil || res.Usage.OutputTokens != tc.spent {
			t.Errorf("%s: got usage %v, want that of one call", tc.name, res.Usage)
		}
	}
}

// Another interceptor's denial of the other call is returned as it is, and what
// it stops is the caller's to say.
func TestAgainDeniedByAnother(t *testing.T) {
	budget := middleware.Before("budget", func(_ context.Context, call middleware.Call) error {
		if call.Parent != 0 {
			return middleware.Deny(middleware.CodeOverBudget, "one call is all there is")
		}
		return nil
	})
	_, err := middleware.Wrap(goodOn(1), budget, tries(3))(t.Context(), middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: 0})
	wantDenied(t, err, "budget", middleware.CodeOverBudget)

	var stopped error
	forgives := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if call.Parent == 0 {
				_, stopped = middleware.Again(ctx, call)
			}
			return res, err
		}
	}
	var run *middleware.Run
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		run = middleware.RunOf(ctx)
		return echo(ctx, call)
	}, forgives, budget)
	if res, err := h(t.Context(), tool("ls")); err != nil || res.Output != "ls" {
		t.Errorf("got %v, %v, want what the first call gave", res.Output, err)
	}
	wantDenied(t, stopped, "budget", middleware.CodeOverBudget)
	if d := run.Stopped(); d != nil {
		t.Errorf("got a run stopped by %v, want one that goes on", d)
	}
}

func TestAgainWhereItCannotBe(t *testing.T) {
	if _, err := middleware.Again(t.Context(), tool("ls")); !errors.Is(err, middleware.ErrNoAgain) {
		t.Errorf("outside of a call: got %v, want ErrNoAgain", err)
	}
	var got error
	try := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			_, got = middleware.Again(ctx, call)
			return res, err
		}
	}
	n := 0
	count := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		n++
		return echo(ctx, call)
	}
	if _, err := middleware.Wrap(count, middleware.Shadow(try))(t.Context(), tool("ls")); err != nil || !errors.Is(got, middleware.ErrNoAgain) || n != 1 {
		t.Errorf("in a shadow: got %v, %v and %d calls, want ErrNoAgain and one call", err, got, n)
	}

	ctx, cancel := context.WithCancel(t.Context())
	ends := middleware.Compose(try, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			defer cancel()
			return next(ctx, call)
		}
	})
	if _, _ = middleware.Wrap(echo, ends)(ctx, tool("ls")); !errors.Is(got, context.Canceled) {
		t.Errorf("after the context ended: got %v, want its error", got)
	}

	inner := middleware.Wrap(echo, middleware.Before("no", deny))
	_, _ = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		_, _ = inner(ctx, call)
		return echo(ctx, call)
	}, try)(t.Context(), tool("ls"))
	wantDenied(t, got, "no", middleware.CodeStopped)
}

// An interceptor that asks again without end comes to the bound on nesting.
func TestAgainWithoutEnd(t *testing.T) {
	n := 0
	endless := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if _, err := next(ctx, call); err != nil {
				return middleware.Result{}, err
			}
			n++
			return middleware.Again(ctx, call)
		}
	}
	_, err := middleware.Wrap(echo, endless)(t.Context(), tool("ls"))
	wantDenied(t, err, "", middleware.CodeTooDeep)
	if n != middleware.MaxDepth {
		t.Errorf("got %d calls, want %d", n, middleware.MaxDepth)
	}
}
