package gates_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// A gauge knows how many calls are at work, and how many were at most.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) work(ctx context.Context, d time.Duration) (middleware.Result, error) {
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	return slow(d)(ctx, middleware.Call{})
}

// toolAndModel returns a tool that does what its Input, a func, says, and a model that
// works for a second, under one gate.
func toolAndModel(gate middleware.Interceptor) (tool, model middleware.Handler, g *gauge) {
	g = &gauge{}
	tool = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "ok"}, call.Input.(func(context.Context) error)(ctx)
	}, gate)
	model = middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return g.work(ctx, time.Second)
	}, gate)
	return tool, model, g
}

func doing(f func(ctx context.Context) error) middleware.Call {
	return middleware.Call{Kind: middleware.KindTool, Name: "a", Input: f}
}

// TestAPlaceIsForOneCall shows that no more calls than allowed are at work where
// a call makes many at the same time, and where its context outlives it: its place
// is for one of them, and gone with it.
func TestAPlaceIsForOneCall(t *testing.T) {
	fan := func(t *testing.T, ctx context.Context, model middleware.Handler) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := model(ctx, kit.Model("x")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for _, n := range []int{1, 3} {
		for _, when := range []string{"within the call", "after the call"} {
			synctest.Test(t, func(t *testing.T) {
				tool, model, g := toolAndModel(gates.Concurrency(n, gates.WaitWhenFull))
				began := time.Now()
				var kept context.Context
				if _, err := tool(t.Context(), doing(func(ctx context.Context) error {
					if kept = ctx; when == "within the call" {
						fan(t, ctx, model)
					}
					return nil
				})); err != nil {
					t.Error(err)
				}
				if when == "after the call" {
					fan(t, kept, model)
				}
				took := time.Duration((50+n-1)/n) * time.Second
				if g.most.Load() != int64(n) || time.Since(began) != took {
					t.Errorf("%s: %d at a time in %v, want %d in %v", when, g.most.Load(), time.Since(began), n, took)
				}
			})
		}
	}
}

// TestDenyWhenACallMakesMany shows the same where calls are denied.
func TestDenyWhenACallMakesMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool, model, g := toolAndModel(gates.Concurrency(2, gates.DenyWhenFull))
		var done, busy atomic.Int64
		_, err := tool(t.Context(), doing(func(ctx context.Context) error {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					switch _, err := model(ctx, kit.Model("x")); {
					case err == nil:
						done.Add(1)
					case isDenial(err): // busy, or the run is stopped by one that was
						busy.Add(1)
					}
				})
			}
			wg.Wait()
			return nil
		}))
		if err != nil || done.Load() != 2 || busy.Load() != 8 || g.most.Load() != 2 {
			t.Errorf("got %v, %d done, %d busy, %d at a time", err, done.Load(), busy.Load(), g.most.Load())
		}
	})
}

// TestACallThatOutlivesTheOneAround shows that it keeps the place, and gives it
// back when it returns.
func TestACallThatOutlivesTheOneAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool, model, _ := toolAndModel(gates.Concurrency(1, gates.WaitWhenFull))
		began := time.Now()
		var wg sync.WaitGroup
		if _, err := tool(t.Context(), doing(func(ctx context.Context) error {
			wg.Go(func() {
				if _, err := model(ctx, kit.Model("x")); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			return nil
		})); err != nil || time.Since(began) != 0 {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		for want := 2 * time.Second; want < 5*time.Second; want += time.Second {
			if _, err := model(t.Context(), kit.Model("x")); err != nil || time.Since(began) != want {
				t.Errorf("got %v after %v, want %v", err, time.Since(began), want)
			}
		}
		wg.Wait()
	})
}

// TestAPlaceFurtherAround shows that a call which waits within one that has
// returned gets the place of the one around that, which waits for it.
func TestAPlaceFurtherAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool, model, g := toolAndModel(gates.Concurrency(1, gates.WaitWhenFull))
		_, err := tool(t.Context(), doing(func(ctx context.Context) error {
			var wg sync.WaitGroup
			_, err := tool(ctx, doing(func(ctx context.Context) error {
				for range 3 {
					wg.Go(func() {
						if _, err := model(ctx, kit.Model("x")); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				return nil
			}))
			wg.Wait()
			return err
		}))
		if err != nil || g.most.Load() != 1 {
			t.Errorf("got %v, %d at a time", err, g.most.Load())
		}
	})
}

// A call that waits for the place of the one around it gets that of the one around
// both, where the first returns and leaves its place to another.
func TestAPlaceFurtherAroundIsNotLeftIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := gates.Concurrency(2, gates.WaitWhenFull)
		tool, _, _ := toolAndModel(gate)
		began := time.Now()
		var wg sync.WaitGroup
		var waited time.Duration
		start := func(ctx context.Context, f func(ctx context.Context) error) {
			wg.Go(func() {
				if _, err := tool(ctx, doing(f)); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(time.Millisecond) // it has begun
		}
		sleep := func(d time.Duration) func(context.Context) error {
			return func(context.Context) error { time.Sleep(d); return nil }
		}
		start(t.Context(), func(around context.Context) error {
			start(around, sleep(time.Second)) // has the place of the one around
			start(around, func(ctx context.Context) error {
				start(ctx, sleep(time.Minute)) // has the place of this one
				start(ctx, func(context.Context) error {
					waited = time.Since(began)
					return nil
				})
				time.Sleep(2 * time.Second)
				return nil
			})
			time.Sleep(time.Hour)
			return nil
		})
		wg.Wait()
		if waited.Round(time.Second) != 2*time.Second {
			t.Errorf("a call waited %v for a place that was idle after 2s", waited)
		}
	})
}

// TestConcurrencyInAShadow shows that a call within one that has a place does not
// wait for it in a shadow either, whose context goes nowhere.
func TestConcurrencyInAShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool, model, _ := toolAndModel(middleware.Shadow(gates.Concurrency(1, gates.WaitWhenFull)))
		began := time.Now()
		_, err := tool(t.Context(), doing(func(ctx context.Context) error {
			_, err := model(ctx, kit.Model("x"))
			return err
		}))
		if err != nil || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// TestConcurrencyOfTrees has calls make calls within them at random, one after the
// other and at the same time, waited for and not, cancelled and not. No more than
// allowed are at work, all end, and all places are free in the end.
func TestConcurrencyOfTrees(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			n := 1 + r.IntN(4)
			full := []gates.Full{gates.WaitWhenFull, gates.WaitWhenFull, gates.DenyWhenFull}[r.IntN(3)]
			tool, model, g := toolAndModel(gates.Concurrency(n, full))
			var all sync.WaitGroup
			var grow func(ctx context.Context, seed uint64, depth int) error
			grow = func(ctx context.Context, seed uint64, depth int) error {
				r := rand.New(rand.NewPCG(seed, 1))
				if depth == 0 || r.IntN(3) == 0 {
					ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(5000))*time.Millisecond)
					defer cancel()
					_, err := model(ctx, kit.Model("x"))
					return err
				}
				_, err := tool(ctx, doing(func(ctx context.Context) error {
					var wg sync.WaitGroup
					for range r.IntN(4) {
						child := r.Uint64()
						switch r.IntN(3) {
						case 0:
							_ = grow(ctx, child, depth-1)
						case 1:
							wg.Go(func() { _ = grow(ctx, child, depth-1) })
						case 2:
							all.Go(func() { _ = grow(ctx, child, depth-1) })
						}
					}
					wg.Wait()
					return nil
				}))
				return err
			}
			for range 6 {
				all.Go(func() { _ = grow(t.Context(), r.Uint64(), 4) })
				synctest.Wait()
			}
			all.Wait()
			if most := g.most.Load(); most > int64(n) {
				t.Errorf("seed %d: %d at a time, want at most %d", seed, most, n)
			}
			g.most.Store(0)
			for range n {
				all.Go(func() {
					if _, err := model(t.Context(), kit.Model("x")); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				})
			}
			all.Wait()
			if most := g.most.Load(); most != int64(n) {
				t.Errorf("seed %d: %d at a time in the end, want %d", seed, most, n)
			}
		})
	}
}
