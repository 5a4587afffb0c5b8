package middleware_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"example.com/safeconduct/middleware"
)

// An adapter extends the run for a save that the framework makes after the call, and a
// recorder hears of the end.
func ExampleExtend() {
	recorder := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			fmt.Printf("call %d, made by %d\n", call.ID, call.Parent)
			if call.Parent == 0 {
				end := func() { fmt.Println("the run ends") }
				if !middleware.RunOf(ctx).AtEnd(end) {
					end()
				}
			}
			return res, err
		}
	}
	var more *middleware.Extension
	chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		more = middleware.Extend(ctx)
		return middleware.Result{Output: "an answer"}, nil
	}, recorder)
	save := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, nil
	}, recorder)

	ctx := context.Background()
	if _, err := chain(ctx, middleware.Call{Kind: middleware.KindChain, Name: "chat"}); err != nil {
		panic(err)
	}
	if _, err := save(more.Context(ctx), middleware.Call{Kind: middleware.KindChain, Name: "memory"}); err != nil {
		panic(err)
	}
	more.End()
	// Output:
	// call 1, made by 0
	// call 2, made by 1
	// the run ends
}

func TestExtend(t *testing.T) {
	var said []string
	say := func(what string) func() { return func() { said = append(said, what) } }
	var run *middleware.Run
	root := func(during func(ctx context.Context)) {
		t.Helper()
		h := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			run = middleware.RunOf(ctx)
			during(ctx)
			return middleware.Result{}, nil
		}, func(next middleware.Handler) middleware.Handler { return next })
		if _, err := h(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(words ...string) {
		t.Helper()
		if !slices.Equal(said, words) {
			t.Errorf("got %q, want %q", said, words)
		}
		said = nil
	}

	root(func(ctx context.Context) {
		if middleware.RunOf(ctx).AtEnd(say("end")) {
			t.Error("a run that nothing extends has an AtEnd")
		}
	})
	want()

	var a, b *middleware.Extension
	root(func(ctx context.Context) {
		a, b = middleware.Extend(ctx), middleware.Extend(ctx)
		for _, name := range []string{"first", "second"} {
			if !middleware.RunOf(ctx).AtEnd(say(name)) {
				t.Error("AtEnd: got false in a run that is extended")
			}
		}
	})
	a.End()
	a.End()
	want()
	b.End()
	want("first", "second")
	if run.AtEnd(say("late")) {
		t.Error("AtEnd: got true of a run that has ended")
	}

	var late context.Context
	root(func(ctx context.Context) { late = ctx })
	if middleware.Extend(late) != nil {
		t.Error("Extend of a run that has ended: got an extension")
	}

	root(func(ctx context.Context) { // it ends no sooner than its root call
		e := middleware.Extend(ctx)
		middleware.RunOf(ctx).AtEnd(say("end"))
		e.End()
		want()
	})
	want("end")

	root(func(ctx context.Context) {
		inner := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			if middleware.Extend(ctx) != nil {
				t.Error("Extend in a call of a call: got an extension")
			}
			return middleware.Result{}, nil
		}, middleware.Before("deny", func(_ context.Context, call middleware.Call) error {
			if call.Name == "denied" {
				return middleware.Deny(middleware.CodePolicy, "no")
			}
			return nil
		}))
		_, _ = inner(ctx, middleware.Call{Kind: middleware.KindTool, Name: "allowed"})
		_, _ = inner(ctx, middleware.Call{Kind: middleware.KindTool, Name: "denied"})
		if middleware.Extend(ctx) != nil {
			t.Error("Extend in a run that has stopped: got an extension")
		}
	})
	var none *middleware.Extension
	if none = middleware.Extend(t.Context()); none != nil || none.Context(t.Context()) != t.Context() {
		t.Error("outside of a run: got an extension")
	}
	none.End()
	if (*middleware.Run)(nil).AtEnd(say("nil")) {
		t.Error("AtEnd of no run: got true")
	}

	// Many at once: one end.
	var more []*middleware.Extension
	root(func(ctx context.Context) {
		for range 50 {
			more = append(more, middleware.Extend(ctx))
		}
		middleware.RunOf(ctx).AtEnd(say("end"))
	})
	var ending sync.WaitGroup
	for _, e := range more {
		ending.Go(e.End)
	}
	ending.Wait()
	want("end")
}
