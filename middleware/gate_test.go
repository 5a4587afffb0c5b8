package middleware_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/middleware"
)

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

// Every gate leaves one decision: that it let the call be, changed it, or denied it.
func TestEachKindOfGateNotesItsDecision(t *testing.T) {
	no := middleware.Deny(middleware.CodePolicy, "no")
	for _, tt := range []struct {
		changed bool
		err     error
		want    middleware.Verdict
		kinds   string
	}{
		{false, nil, middleware.VerdictAllow, "BATR"},
		{true, nil, middleware.VerdictTransform, "TR"},
		{false, no, middleware.VerdictDeny, "BATR"},
		{true, no, middleware.VerdictDeny, "TR"},
	} {
		for kind, gate := range map[string]middleware.Interceptor{
			"B": middleware.Before("gate", func(context.Context, middleware.Call) error { return tt.err }),
			"A": middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error { return tt.err }),
			"T": middleware.Transform("gate", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
				c.Input = "changed"
				return c, tt.changed, tt.err
			}),
			"R": middleware.TransformResult("gate", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
				r.Output = "changed"
				return r, tt.changed, tt.err
			}),
		} {
			if !strings.Contains(tt.kinds, kind) {
				continue
			}
			w := new(watch)
			res, err := middleware.Wrap(echo, w.Intercept, gate)(t.Context(), tool("ls"))
			ds := w.trail.Decisions()
			if len(ds) != 1 || ds[0].Gate != "gate" || ds[0].Verdict != tt.want {
				t.Errorf("%s, changed %v, %v: got decisions %+v, want %v", kind, tt.changed, tt.err, ds, tt.want)
			}
			want := map[bool]any{true: "changed", false: "ls"}[tt.changed]
			if tt.err != nil {
				want = nil
			}
			if (err == nil) != (tt.err == nil) || res.Output != want {
				t.Errorf("%s, changed %v, %v: got %v, %v, want %v", kind, tt.changed, tt.err, res.Output, err, want)
			}
		}
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

func TestGateNotesWhatItDecides(t *testing.T) {
	gate := middleware.NewGate("gate")
	i := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return gate.Layer().Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			ruling := gate.Begin(ctx)
			if call.Input == "bad" {
				return middleware.Result{}, ruling.Deny(ctx, call, errors.New("secret"))
			}
			ruling.Allow()
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

func TestElapsedIsTheTimeThatTheGateTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := middleware.NewGate("gate")
		for verdict, rule := range map[middleware.Verdict]func(ctx context.Context, ruling *middleware.Ruling, call middleware.Call){
			middleware.VerdictAllow: func(_ context.Context, ruling *middleware.Ruling, _ middleware.Call) { ruling.Allow() },
			middleware.VerdictDeny: func(ctx context.Context, ruling *middleware.Ruling, call middleware.Call) {
				_ = ruling.Deny(ctx, call, errors.New("no"))
			},
			middleware.VerdictTransform: func(_ context.Context, ruling *middleware.Ruling, _ middleware.Call) {
				ruling.Note(middleware.Decision{Verdict: middleware.VerdictTransform})
			},
		} {
			observer := func(next middleware.Handler) middleware.Handler {
				return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					trail := middleware.Observe(ctx)
					time.Sleep(time.Second)
					res, err := next(ctx, call)
					if ds := trail.Decisions(); len(ds) != 1 || ds[0].Verdict != verdict || ds[0].Elapsed != 2*time.Second {
						t.Errorf("%v: got %+v, want 2s", verdict, ds)
					}
					return res, err
				}
			}
			slow := func(next middleware.Handler) middleware.Handler {
				return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					ruling := gate.Begin(ctx)
					time.Sleep(2 * time.Second)
					rule(ctx, &ruling, call)
					return next(ctx, call)
				}
			}
			if _, err := middleware.Wrap(echo, observer, slow)(t.Context(), tool("ls")); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAGateOutsideOfAnyCall(t *testing.T) {
	gate := middleware.NewGate("gate")
	allows, notes, denies := gate.Begin(t.Context()), gate.Begin(t.Context()), gate.Begin(t.Context())
	allows.Allow()
	notes.Note(middleware.Decision{Verdict: middleware.VerdictTransform})
	err := denies.Deny(t.Context(), tool("ls"), middleware.Deny(middleware.CodeLoop, "no"))
	if d := wantDenied(t, err, "gate", middleware.CodeLoop); d.Call != "shell" || d.Reason != "no" {
		t.Errorf("got %q of %q", d.Reason, d.Call)
	}
}

func TestAGateWhoseContextEndedDidNotDecide(t *testing.T) {
	gate := middleware.NewGate("gate")
	var decisions []middleware.Decision
	observer := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			trail := middleware.Observe(ctx)
			res, err := next(ctx, call)
			decisions = trail.Decisions()
			return res, err
		}
	}
	asks := func(middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			ruling := gate.Begin(ctx)
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return middleware.Result{}, ruling.Deny(ctx, call, ctx.Err())
		}
	}
	_, err := middleware.Wrap(echo, observer, asks)(t.Context(), tool("ls"))
	if err != context.Canceled {
		t.Errorf("got %v, want the context's error as it is", err)
	}
	if len(decisions) != 1 || decisions[0].Code != middleware.CodeIndeterminate || decisions[0].Reason != "context canceled" {
		t.Errorf("got %+v, want one denial that could not be decided", decisions)
	}
}
