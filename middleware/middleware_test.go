package middleware_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/middleware"
)

func echo(_ context.Context, call middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: call.Input}, nil
}

func tool(input string) middleware.Call {
	return middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: input}
}

// watch is a recorder: it keeps the trail of the last call.
type watch struct{ trail middleware.Trail }

func (w *watch) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "watch", Recorder: true, ID: w}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		w.trail = middleware.Observe(ctx)
		return next(ctx, call)
	}
}

func allow(context.Context, middleware.Call) error { return nil }

func deny(context.Context, middleware.Call) error {
	return middleware.Deny(middleware.CodePolicy, "not today")
}

func wantDenied(t *testing.T, err error, gate string, code middleware.Code) *middleware.DeniedError {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) {
		t.Fatalf("got error %v, want a DeniedError", err)
	}
	if d.Gate != gate || d.Code != code {
		t.Fatalf("got denial by %q with code %q, want %q, %q", d.Gate, d.Code, gate, code)
	}
	return d
}

func wantPanic(t *testing.T, part string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		if s, ok := v.(string); !ok || !strings.Contains(s, part) {
			t.Fatalf("got panic %v, want one with %q", v, part)
		}
	}()
	f()
}

func TestOrderIsTheOrderOnThePage(t *testing.T) {
	var order []string
	say := func(name string) middleware.Interceptor {
		return func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				order = append(order, name)
				return next(ctx, call)
			}
		}
	}
	h := middleware.Wrap(echo, say("first"), middleware.Compose(say("second"), say("third")), say("fourth"))
	if _, err := h(t.Context(), tool("ls")); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, " "), "first second third fourth"; got != want {
		t.Errorf("got order %q, want %q", got, want)
	}
}

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

func TestWhatAGatesErrorMeans(t *testing.T) {
	secret := errors.New("password=hunter2")
	var typedNil *middleware.DeniedError
	for name, tt := range map[string]struct {
		err  error
		code middleware.Code
	}{
		"a denial keeps its code":      {middleware.Deny(middleware.CodeLoop, "again %d", 3), middleware.CodeLoop},
		"a wrapped denial too":         {errors.Join(secret, middleware.Deny(middleware.CodeLoop, "x")), middleware.CodeLoop},
		"no code is policy":            {middleware.Deny("", "x"), middleware.CodePolicy},
		"any other error":              {secret, middleware.CodeIndeterminate},
		"a nil *DeniedError in an err": {typedNil, middleware.CodeIndeterminate},
	} {
		t.Run(name, func(t *testing.T) {
			before := middleware.Before("gate", func(context.Context, middleware.Call) error { return tt.err })
			after := middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error { return tt.err })
			for _, i := range []middleware.Interceptor{before, after} {
				res, err := middleware.Wrap(echo, i)(t.Context(), tool("ls"))
				d := wantDenied(t, err, "gate", tt.code)
				if d.Call != "shell" || res.Output != nil {
					t.Errorf("got call %q, output %v, want shell, nil", d.Call, res.Output)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the cause shows in %q", err)
				}
				if errors.Is(tt.err, secret) && !errors.Is(err, secret) {
					t.Error("the cause is not in the chain of errors")
				}
			}
		})
	}
}

func TestDenyMayBeReturnedTwice(t *testing.T) {
	shared := middleware.Deny(middleware.CodePolicy, "no")
	for _, gate := range []string{"one", "two"} {
		h := middleware.Wrap(echo, middleware.Before(gate, func(context.Context, middleware.Call) error { return shared }))
		_, err := h(t.Context(), tool(""))
		wantDenied(t, err, gate, middleware.CodePolicy)
	}
}

func TestAfterKeepsUsage(t *testing.T) {
	spent := &middleware.Usage{InputTokens: 3, OutputTokens: 4, Reported: true}
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "secret", Usage: spent}, nil
	}, middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error {
		return middleware.Deny(middleware.CodeBadOutput, "no")
	}))
	res, err := h(t.Context(), tool(""))
	wantDenied(t, err, "gate", middleware.CodeBadOutput)
	if res.Output != nil || res.Usage != spent {
		t.Errorf("got %+v, want no output and the usage", res)
	}
}

func TestTransformIsWhatRuns(t *testing.T) {
	w := new(watch)
	var judged any
	h := middleware.Wrap(echo, w.Intercept,
		middleware.Transform("redact", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
			call.Input = strings.ReplaceAll(call.Input.(string), "4242", "[card]")
			return call, true, nil
		}),
		middleware.Before("look", func(_ context.Context, call middleware.Call) error {
			judged = call.Input
			return nil
		}),
		middleware.TransformResult("shout", func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
			res.Output = strings.ToUpper(res.Output.(string))
			return res, true, nil
		}))
	res, err := h(t.Context(), tool("pay 4242"))
	if err != nil || res.Output != "PAY [CARD]" {
		t.Fatalf("got %v, %v", res.Output, err)
	}
	ran, ok := w.trail.Ran()
	if !ok || ran != "pay [card]" || judged != ran {
		t.Errorf("got ran %v, judged %v, want both %q", ran, judged, "pay [card]")
	}
	var verdicts []string
	for _, d := range w.trail.Decisions() {
		verdicts = append(verdicts, d.Gate+" "+d.Verdict.String())
	}
	if got, want := strings.Join(verdicts, ", "), "redact transform, look allow, shout transform"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTrailHoldsEveryDecision(t *testing.T) {
	for _, observed := range []bool{false, true} {
		var trail middleware.Trail
		var is []middleware.Interceptor
		is = append(is, func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				if trail = middleware.TrailOf(ctx); observed {
					trail = middleware.Observe(ctx)
				}
				return next(ctx, call)
			}
		})
		for _, gate := range []string{"a", "b", "c", "d", "e"} {
			is = append(is, middleware.Before(gate, allow))
		}
		is = append(is, middleware.Before("f", deny))
		_, err := middleware.Wrap(echo, is...)(t.Context(), tool(""))
		wantDenied(t, err, "f", middleware.CodePolicy)
		ds := trail.Decisions()
		if len(ds) != 6 {
			t.Fatalf("observed %v: got %d decisions, want 6", observed, len(ds))
		}
		for i, d := range ds[:5] {
			if d.Gate != string(rune('a'+i)) || d.Verdict != middleware.VerdictAllow || (d.Elapsed > 0) != observed {
				t.Errorf("observed %v: got decision %+v", observed, d)
			}
		}
		if d := ds[5]; d.Verdict != middleware.VerdictDeny || d.Code != middleware.CodePolicy || d.Reason != "not today" {
			t.Errorf("got last decision %+v", d)
		}
		if _, ran := trail.Ran(); ran {
			t.Error("a denied call is said to have run")
		}
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

func TestTell(t *testing.T) {
	for _, tt := range []struct {
		kind middleware.Kind
		told bool
	}{{middleware.KindTool, true}, {middleware.KindPlan, true}, {middleware.KindModel, false}, {middleware.KindChain, false}} {
		h := middleware.Wrap(echo, middleware.Tell, middleware.Before("gate", deny))
		res, err := h(t.Context(), middleware.Call{Kind: tt.kind, Name: "x"})
		obs, told := res.Output.(middleware.Observation)
		if told != tt.told || (err == nil) != tt.told {
			t.Errorf("%s: got %v, %v, want told %v", tt.kind, res.Output, err, tt.told)
		}
		if told && !strings.Contains(string(obs), "not today") {
			t.Errorf("got observation %q without the reason", obs)
		}
	}
	// A denial inside the tool's own calls has stopped the run: nothing to tell.
	inner := middleware.Wrap(echo, middleware.Before("gate", deny))
	outer := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return inner(ctx, tool(""))
	}, middleware.Tell, middleware.Before("open", allow))
	_, err := outer(t.Context(), tool(""))
	wantDenied(t, err, "gate", middleware.CodePolicy)
}

func TestPanics(t *testing.T) {
	cause := errors.New("cause")
	boom := func(context.Context, middleware.Call) (middleware.Result, error) { panic(cause) }
	_, err := middleware.Wrap(boom, middleware.Before("open", allow))(t.Context(), tool("x"))
	var p *middleware.PanicError
	if !errors.As(err, &p) || p.Call != "shell" || len(p.Stack) == 0 || !errors.Is(err, cause) {
		t.Errorf("a tool's panic came back as %v", err)
	}
	if errors.As(err, new(*middleware.DeniedError)) {
		t.Error("a tool's panic is a denial")
	}
	if got, want := err.Error(), "tool shell panicked"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	gates := map[string]middleware.Interceptor{
		"before":    middleware.Before("before", func(context.Context, middleware.Call) error { panic(cause) }),
		"after":     middleware.After("after", func(context.Context, middleware.Call, middleware.Result) error { panic(cause) }),
		"transform": middleware.Transform("transform", func(context.Context, middleware.Call) (middleware.Call, bool, error) { panic(cause) }),
		"result": middleware.TransformResult("result", func(context.Context, middleware.Call, middleware.Result) (middleware.Result, bool, error) {
			panic(cause)
		}),
		"named": middleware.Named("named", func(middleware.Handler) middleware.Handler { return boom }),
		"":      func(middleware.Handler) middleware.Handler { return boom },
	}
	for gate, i := range gates {
		w := new(watch)
		_, err := middleware.Wrap(echo, w.Intercept, i)(t.Context(), tool("x"))
		wantDenied(t, err, gate, middleware.CodeIndeterminate)
		if !errors.As(err, new(*middleware.PanicError)) || !errors.Is(err, cause) {
			t.Errorf("%s: the denial %v does not wrap the panic", gate, err)
		}
		if ds := w.trail.Decisions(); gate != "" && (len(ds) != 1 || ds[0].Verdict != middleware.VerdictDeny) {
			t.Errorf("%s: got trail %+v, want one denial", gate, ds)
		}
	}
}

func TestGoexitPassesThrough(t *testing.T) {
	released := make(chan bool, 3)
	hold := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			defer func() { released <- true }()
			return next(ctx, call)
		}
	}
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		runtime.Goexit()
		return middleware.Result{}, nil
	}, hold, middleware.Named("n", hold), middleware.Shadow(hold))
	var wg sync.WaitGroup
	returned := false
	wg.Go(func() {
		_, _ = h(t.Context(), tool(""))
		returned = true
	})
	wg.Wait()
	if returned || !<-released {
		t.Error("a call whose goroutine exited returned")
	}
}

func TestContextIsLookedAtBeforeAndAfter(t *testing.T) {
	open := middleware.Before("open", allow)
	ran := false
	ctx, cancel := context.WithCancel(t.Context())
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		ran = true
		cancel()
		return middleware.Result{Output: "cut", Usage: &middleware.Usage{InputTokens: 1}}, nil
	}, open)
	res, err := h(ctx, tool(""))
	if !errors.Is(err, context.Canceled) || res.Output != nil || res.Usage == nil {
		t.Errorf("cancelled while it ran: got %+v, %v", res, err)
	}
	ran = false
	if _, err := h(ctx, tool("")); !errors.Is(err, context.Canceled) || ran {
		t.Errorf("cancelled before: got %v, ran %v", err, ran)
	}

	// A client that hides why it failed.
	ctx, cancel = context.WithCancel(t.Context())
	hidden := errors.New("network error: failed to reach API server")
	_, err = middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		cancel()
		return middleware.Result{}, hidden
	}, open)(ctx, tool(""))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, hidden) {
		t.Errorf("got %v, want both errors", err)
	}

	// Cancelled while a gate waits: nothing was decided.
	ctx, cancel = context.WithCancel(t.Context())
	_, err = middleware.Wrap(echo, middleware.Before("wait", func(ctx context.Context, _ middleware.Call) error {
		cancel()
		return context.Cause(ctx)
	}))(ctx, tool(""))
	if !errors.Is(err, context.Canceled) || errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("cancelled in a gate: got %v", err)
	}
}

func TestNextTwice(t *testing.T) {
	ran := 0
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ran++
		return echo(ctx, call)
	}, func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			_, _ = next(ctx, call)
			return next(ctx, call)
		}
	})
	if _, err := h(t.Context(), tool("")); err == nil || ran != 1 {
		t.Errorf("got %v after %d runs, want an error after one", err, ran)
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

func TestConstructionPanics(t *testing.T) {
	open := middleware.Before("open", allow)
	w := new(watch)
	for part, f := range map[string]func(){
		"guards nothing":                     func() { middleware.Wrap(echo) },
		"Compose without":                    func() { middleware.Compose() },
		"nil Handler":                        func() { middleware.Wrap(nil, open) },
		"interceptor 1 is nil":               func() { middleware.Wrap(echo, open, nil) },
		"returned a nil Handler":             func() { middleware.Wrap(echo, func(middleware.Handler) middleware.Handler { return nil }) },
		"needs a gate's name":                func() { middleware.Before("", allow) },
		"Before(x): nil check":               func() { middleware.Before("x", nil) },
		"watch stands inside the gate open":  func() { middleware.Wrap(echo, open, w.Intercept) },
		"open stands twice":                  func() { middleware.Wrap(echo, open, middleware.Shadow(open)) },
		"watch stands twice":                 func() { middleware.Wrap(echo, w.Intercept, w.Intercept) },
		"Tell stands innermost":              func() { middleware.Wrap(echo, open, middleware.Tell) },
		"On: interceptor 0 is nil":           func() { middleware.On(middleware.KindTool, nil) },
		"Shadow: interceptor 0 is nil":       func() { middleware.Shadow(nil) },
		"Named needs":                        func() { middleware.Named("", open) },
		"watch stands inside the gate inner": func() { middleware.Wrap(echo, middleware.Compose(middleware.Named("inner", pass), w.Intercept)) },
	} {
		t.Run(part, func(t *testing.T) { wantPanic(t, part, f) })
	}
	// These make sense.
	middleware.Wrap(echo, middleware.Shadow(open), w.Intercept, middleware.Tell, middleware.Before("b", allow))
	middleware.Wrap(echo, middleware.On(middleware.KindTool, open), middleware.On(middleware.KindModel, open))
}

func TestNamed(t *testing.T) {
	failed := errors.New("failed")
	fail := func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, failed }
	refuse := func(middleware.Handler) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{}, middleware.Deny(middleware.CodeLoop, "x")
		}
	}
	late := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			_, _ = next(ctx, call)
			return middleware.Result{}, failed
		}
	}
	answer := func(middleware.Handler) middleware.Handler { return echo }
	for name, tt := range map[string]struct {
		i       middleware.Interceptor
		h       middleware.Handler
		gate    string
		code    middleware.Code
		verdict middleware.Verdict
	}{
		"denies":                     {refuse, echo, "named", middleware.CodeLoop, middleware.VerdictDeny},
		"passes":                     {pass, echo, "", "", middleware.VerdictAllow},
		"passes on a failure":        {pass, fail, "", "", middleware.VerdictAllow},
		"fails where next did not":   {late, echo, "named", middleware.CodeIndeterminate, middleware.VerdictDeny},
		"answers without next":       {answer, fail, "", "", middleware.VerdictAllow},
		"passes on another's denial": {pass, middleware.Before("inner", deny)(echo), "inner", middleware.CodePolicy, middleware.VerdictAllow},
	} {
		t.Run(name, func(t *testing.T) {
			w := new(watch)
			_, err := middleware.Wrap(tt.h, w.Intercept, middleware.Named("named", tt.i))(t.Context(), tool(""))
			if tt.code != "" {
				wantDenied(t, err, tt.gate, tt.code)
			} else if err != nil && !errors.Is(err, failed) {
				t.Errorf("got %v", err)
			}
			ds := w.trail.Decisions()
			if d := ds[len(ds)-1]; d.Gate != "named" || d.Verdict != tt.verdict {
				t.Errorf("got decision %+v, want %s", d, tt.verdict)
			}
		})
	}
}

func TestOnion(t *testing.T) {
	w := new(watch)
	got := middleware.Onion(w.Intercept, middleware.Tell,
		middleware.Compose(middleware.Before("a", allow), middleware.On(middleware.KindTool, middleware.Before("b", allow))),
		middleware.Shadow(middleware.Named("c", pass)), pass)
	want := ` 1 watch
 2 tell
 3 a
 4 b, tool calls only
 5 c, shadow
 6 middleware_test.pass
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
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

func TestGateNotesWhatItDecides(t *testing.T) {
	gate := middleware.NewGate("gate")
	i := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return gate.Layer().Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			turn := gate.Begin(ctx)
			if call.Input == "bad" {
				return middleware.Result{}, turn.Deny(ctx, call, errors.New("secret"))
			}
			turn.Allow()
			return next(ctx, call)
		}
	}
	for _, shadow := range []bool{false, true} {
		for input, verdict := range map[string]middleware.Verdict{"good": middleware.VerdictAllow, "bad": middleware.VerdictDeny} {
			w := new(watch)
			in := middleware.Interceptor(i)
			if shadow {
				in = middleware.Shadow(i)
			}
			_, err := middleware.Wrap(echo, w.Intercept, in)(t.Context(), tool(input))
			if !shadow && verdict == middleware.VerdictDeny {
				wantDenied(t, err, "gate", middleware.CodeIndeterminate)
			} else if err != nil {
				t.Error(err)
			}
			ds := w.trail.Decisions()
			if len(ds) != 1 || ds[0].Gate != "gate" || ds[0].Verdict != verdict || ds[0].Shadow != shadow || ds[0].Elapsed <= 0 {
				t.Errorf("shadow %v, input %s: got %+v", shadow, input, ds)
			}
		}
	}
	wantPanic(t, "stands twice", func() { middleware.Wrap(echo, i, i) })
	wantPanic(t, "NewGate needs", func() { middleware.NewGate("") })
}

// Scopes of one run share their allocation, and nothing else.
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
