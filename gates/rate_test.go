package gates_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

func pacedTool(pace gates.RateRules) middleware.Handler {
	pace.Scope = gates.ScopeProcess
	return middleware.Wrap(kit.Echo, gates.Rate(pace))
}

// TestDeniedCallsUseUpNoPace shows that as many calls pass as the pace allows,
// however many others are denied at the same time.
func TestDeniedCallsUseUpNoPace(t *testing.T) {
	for _, callers := range []int{1, 4, 32} {
		t.Run(fmt.Sprint(callers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tool := pacedTool(gates.RateRules{Calls: 20, Per: time.Second})
				var passed atomic.Int64
				var wg sync.WaitGroup
				end := time.Now().Add(2 * time.Second)
				for range callers {
					wg.Go(func() {
						for time.Now().Before(end) {
							for range 1000 / callers {
								if _, err := tool(t.Context(), kit.Tool("a", "")); err == nil {
									passed.Add(1)
								} else if !denied(err, middleware.CodeBusy) {
									t.Error(err)
								}
							}
							time.Sleep(10 * time.Millisecond)
						}
					})
				}
				wg.Wait()
				if n := passed.Load(); n != 59 { // a burst of 20, and one each 50 ms before the end
					t.Errorf("%d calls passed, want 59", n)
				}
			})
		})
	}
}

// TestDeniedCallsLockNobodyOut shows that a second after a crowd was denied the
// next ones pass.
func TestDeniedCallsLockNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := pacedTool(gates.RateRules{Calls: 20, Per: time.Second})
		var passed atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 1250 {
					if _, err := tool(t.Context(), kit.Tool("a", "")); err == nil {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := passed.Load(); n != 20 {
			t.Errorf("%d of the crowd passed, want 20", n)
		}
		time.Sleep(time.Second)
		for i := range 20 {
			if _, err := tool(t.Context(), kit.Tool("a", "")); err != nil {
				t.Fatalf("call %d, a second later: %v", i, err)
			}
		}
	})
}

// TestWaitersThatGiveUpUseUpNoPace shows that those who wait get the places of
// those before them who gave up, and that nothing is left of these.
func TestWaitersThatGiveUpUseUpNoPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tool := pacedTool(gates.RateRules{Calls: 10, Per: time.Second, Burst: 1, MaxWait: time.Hour})
		if _, err := tool(t.Context(), kit.Tool("a", "")); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := tool(ctx, kit.Tool("a", "")); !errors.Is(err, context.Canceled) || isDenial(err) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		wg.Go(func() { // behind all of them
			if _, err := tool(t.Context(), kit.Tool("a", "")); err != nil || time.Since(began) != 100*time.Millisecond {
				t.Errorf("behind those that gave up: got %v after %v, want 100ms", err, time.Since(began))
			}
		})
		wg.Wait()
		if _, err := tool(t.Context(), kit.Tool("a", "")); err != nil || time.Since(began) != 200*time.Millisecond {
			t.Errorf("the next one: got %v after %v, want 200ms", err, time.Since(began))
		}
	})
}

// TestRateOfAbsurdPaces shows that nothing overflows: a pace without end lets all
// pass, and one over centuries no more than its burst.
func TestRateOfAbsurdPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			pace gates.RateRules
			want int
		}{
			{gates.RateRules{Calls: math.MaxInt, Per: math.MaxInt64}, 5},
			{gates.RateRules{Calls: math.MaxInt, Per: 1}, 5},
			{gates.RateRules{Calls: 1, Per: time.Hour, Burst: math.MaxInt}, 5},
			{gates.RateRules{Calls: 1, Per: math.MaxInt64}, 1},
			{gates.RateRules{Calls: 1, Per: math.MaxInt64, Burst: 2}, 1}, // less than its burst: it cannot be told
			{gates.RateRules{Calls: 2, Per: math.MaxInt64}, 2},
			{gates.RateRules{Calls: 1, Per: time.Hour, MaxWait: time.Minute}, 1},
		} {
			tool, passed := pacedTool(tt.pace), 0
			for range 5 {
				if _, err := tool(t.Context(), kit.Tool("a", "")); err == nil {
					passed++
				}
			}
			if passed != tt.want {
				t.Errorf("%+v: %d of 5 passed, want %d", tt.pace, passed, tt.want)
			}
		}
	})
}

// A paced is one call of a random crowd, and what becomes of it.
type paced struct {
	at       time.Duration
	deadline time.Duration // after which its context ends, which it is known; 0 for never
	gives    time.Duration // after which it is cancelled; 0 for never

	fate string // "passed", "busy", "gave up"
	when time.Duration
}

// slack is what rounding each turn to a nanosecond may add up to.
const slack = 100

// refer says what becomes of the calls under a pace, by a token bucket that is
// filled continuously, in tokens times Per. It reports false where two things
// happen within the slack, so that nobody can say.
func refer(pace gates.RateRules, calls []paced) bool {
	burst := int64(pace.Burst) * int64(pace.Per)
	level, last := burst, time.Duration(0)
	var queue []*paced
	until := func(tokens int) time.Duration { // from last until there are so many
		lack := int64(tokens)*int64(pace.Per) - level
		return time.Duration((lack + int64(pace.Calls) - 1) / int64(pace.Calls))
	}
	sure := true
	near := func(a, b time.Duration) { sure = sure && (a-b > slack || b-a > slack) }
	advance := func(now time.Duration) {
		level = min(level+int64(now-last)*int64(pace.Calls), burst)
		last = now
	}
	serve := func(now time.Duration) { // all that happens among those who wait
		for len(queue) > 0 {
			first, who := now+1, -1
			for i, q := range queue {
				if q.gives > 0 && q.at+q.gives < first {
					first, who = q.at+q.gives, i
				}
			}
			turn := last + max(until(1), 0)
			near(turn, first)
			near(turn, now)
			switch {
			case turn < first:
				advance(turn)
				level -= int64(pace.Per)
				queue[0].fate, queue[0].when = "passed", turn
				queue = queue[1:]
			case who >= 0:
				advance(first)
				queue[who].fate, queue[who].when = "gave up", first
				queue = append(queue[:who:who], queue[who+1:]...)
			default:
				return
			}
		}
	}
	for i := range calls {
		c := &calls[i]
		serve(c.at)
		advance(c.at)
		wait := until(len(queue) + 1)
		longest := pace.MaxWait
		if c.deadline > 0 {
			longest = min(longest, c.deadline)
		}
		near(wait, longest)
		if level < burst {
			near(wait, 0)
		}
		switch {
		case wait <= 0 && len(queue) == 0:
			level -= int64(pace.Per)
			c.fate, c.when = "passed", c.at
		case wait > longest:
			c.fate, c.when = "busy", c.at
		default:
			queue = append(queue, c)
		}
	}
	serve(1 << 60)
	return sure
}

// TestRateKeepsThePace holds crowds of calls, of which some wait, some give up and
// some are denied, against a reference.
func TestRateKeepsThePace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pace := gates.RateRules{
			Calls:   rapid.SampledFrom([]int{1, 2, 3, 7, 50}).Draw(rt, "calls"),
			Per:     rapid.SampledFrom([]time.Duration{time.Second, time.Second + 1, 700 * time.Millisecond}).Draw(rt, "per"),
			Burst:   rapid.IntRange(1, 9).Draw(rt, "burst"),
			MaxWait: rapid.SampledFrom([]time.Duration{0, 100 * time.Millisecond, time.Second, time.Minute}).Draw(rt, "wait"),
		}
		calls := make([]paced, rapid.IntRange(1, 40).Draw(rt, "n"))
		at := time.Duration(0)
		for i := range calls {
			c := &calls[i]
			c.at = at + time.Duration(i)*time.Microsecond // nothing happens at the same time
			at += time.Duration(rapid.SampledFrom([]int{0, 1, 3, 40, 900}).Draw(rt, "pause")) * time.Millisecond
			after := time.Duration(rapid.IntRange(1, 500).Draw(rt, "after"))*time.Millisecond + (500+time.Duration(i))*time.Microsecond
			switch rapid.IntRange(0, 3).Draw(rt, "who") {
			case 0:
				c.gives = after
			case 1:
				c.deadline = after
			}
		}
		want := append([]paced(nil), calls...)
		if !refer(pace, want) {
			rt.Skip("nobody can say")
		}
		synctest.Test(t, func(t *testing.T) {
			tool, began := pacedTool(pace), time.Now()
			var wg sync.WaitGroup
			for i := range calls {
				wg.Go(func() { calls[i].make(t.Context(), tool, began) })
			}
			wg.Wait()
		})
		for i, got := range calls {
			if w := want[i]; got.fate != w.fate || got.when-w.when > slack || w.when-got.when > slack {
				rt.Fatalf("call %d of %+v: %s at %v, want %s at %v\n%+v", i, pace, got.fate, got.when, w.fate, w.when, calls)
			}
		}
	})
}

// make makes the call and notes what becomes of it.
func (c *paced) make(ctx context.Context, tool middleware.Handler, began time.Time) {
	time.Sleep(c.at)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	switch {
	case c.gives > 0:
		defer time.AfterFunc(c.gives, cancel).Stop()
	case c.deadline > 0:
		ctx, cancel = context.WithTimeout(ctx, c.deadline)
		defer cancel()
	}
	_, err := tool(ctx, kit.Tool("a", ""))
	c.when = time.Since(began)
	switch {
	case err == nil:
		c.fate = "passed"
	case denied(err, middleware.CodeBusy):
		c.fate = "busy"
	case errors.Is(err, context.Canceled) && !isDenial(err):
		c.fate = "gave up"
	default:
		c.fate = err.Error()
	}
}
