package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// gatesThatSay returns one gate of each constructor, whose check returns err.
func gatesThatSay(err error) map[string]middleware.Interceptor {
	hand := middleware.NewGate("gate")
	return map[string]middleware.Interceptor{
		"Before":    middleware.Before("gate", func(context.Context, middleware.Call) error { return err }),
		"After":     middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error { return err }),
		"ToolCalls": middleware.ToolCalls("gate", func(context.Context, middleware.ToolCall) error { return err }),
		"Transform": middleware.Transform("gate", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
			return c, false, err
		}),
		"TransformResult": middleware.TransformResult("gate", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
			return r, false, err
		}),
		"Ruling": func(next middleware.Handler) middleware.Handler {
			if next == nil {
				return hand.Layer().Handler()
			}
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				ruling := hand.Begin(ctx)
				if err := ruling.Decide(ctx, call, err); err != nil {
					return middleware.Result{}, err
				}
				return next(ctx, call)
			}
		},
		"Named, after": middleware.Named("gate", func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				res, failed := next(ctx, call)
				if failed != nil {
					return res, failed
				}
				return res, err
			}
		}),
	}
}

func TestWhatACheckSaysBesideDenying(t *testing.T) {
	yes, allow := middleware.Allow("%s said yes", "alice"), middleware.Allow
	for name, tt := range map[string]struct {
		err  error
		want string // on the trail; empty for nothing
	}{
		"allow":                {nil, "gate allow "},
		"allow, and why":       {yes, "gate allow alice said yes"},
		"allow, without a why": {middleware.Allow(""), "gate allow "},
		"a why is no format":   {allow("100%"), "gate allow 100%"},
		"abstain":              {middleware.ErrAbstain, ""},
		"abstain, wrapped":     {fmt.Errorf("x: %w", middleware.ErrAbstain), "gate deny the gate could not decide"},
		"abstain, joined":      {errors.Join(middleware.ErrAbstain), "gate deny the gate could not decide"},
		"abstain, and deny":    {errors.Join(middleware.ErrAbstain, middleware.Deny("x", "no")), "gate deny no"},
		"allow, wrapped":       {fmt.Errorf("x: %w", yes), "gate deny the gate could not decide"},
		"allow, and deny":      {errors.Join(yes, middleware.Deny("x", "no")), "gate deny no"},
	} {
		for constructor, gate := range gatesThatSay(tt.err) {
			for _, shadow := range []bool{false, true} {
				for _, stream := range []bool{false, true} {
					for _, observed := range []bool{false, true} {
						w, to, reached := new(watch), new(sink), 0
						call := tool("ls")
						client := func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
							reached++
							if call.Stream == nil {
								return echo(ctx, call)
							}
							if err := call.Stream(ctx, middleware.Chunk{Text: []byte("ls")}); err != nil {
								return middleware.Result{}, err
							}
							return echo(ctx, call)
						}
						if stream {
							call.Stream = to.take
						}
						i, watching := gate, w.Intercept
						if shadow {
							i = middleware.Shadow(i)
						}
						if !observed {
							watching = w.look
						}
						res, err := middleware.Wrap(client, watching, i)(t.Context(), call)
						what := fmt.Sprintf("%s: %s, shadow %v, stream %v, observed %v", name, constructor, shadow, stream, observed)
						passes := shadow || !strings.Contains(tt.want, "deny")
						if passes && (err != nil || res.Output != "ls" || reached != 1 || stream && to.texts() != "ls") {
							t.Errorf("%s: got %v, %v, reached %d times, streamed %q, want ls, once", what, res.Output, err, reached, to.texts())
						}
						if !passes && (err == nil || res.Output != nil || to.texts() != "") && constructor != "Named, after" {
							t.Errorf("%s: got %v, %v, streamed %q, want a denial and nothing more", what, res.Output, err, to.texts())
						}
						if got := said(w.trail, shadow); got != tt.want {
							t.Errorf("%s: got %q on the trail, want %q", what, got, tt.want)
						}
					}
				}
			}
		}
	}
}

// look is Intercept for a call that nobody observes.
func (w *watch) look(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "look", Recorder: true, ID: w}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		w.trail = middleware.TrailOf(ctx)
		return next(ctx, call)
	}
}

// said returns what stands on a trail, each decision as its gate, verdict and reason.
func said(trail middleware.Trail, shadow bool) string {
	var all []string
	for _, d := range trail.Decisions() {
		if d.Shadow != shadow {
			all = append(all, fmt.Sprintf("shadow %v:", d.Shadow))
		}
		all = append(all, fmt.Sprintf("%s %s %s", d.Gate, d.Verdict, d.Reason))
	}
	return strings.Join(all, "; ")
}

func TestATransformSaysWhatItChanged(t *testing.T) {
	for err, want := range map[error]string{
		middleware.Allow("the card's number"): "gate transform the card's number: changed",
		middleware.ErrAbstain:                 ": ls",
	} {
		for constructor, gate := range map[string]middleware.Interceptor{
			"Transform": middleware.Transform("gate", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
				c.Input = "changed"
				return c, true, err
			}),
			"TransformResult": middleware.TransformResult("gate", func(_ context.Context, _ middleware.Call, r middleware.Result) (middleware.Result, bool, error) {
				r.Output = "changed"
				return r, true, err
			}),
		} {
			w := new(watch)
			res, failed := middleware.Wrap(echo, w.Intercept, gate)(t.Context(), tool("ls"))
			if got := said(w.trail, false) + ": " + fmt.Sprint(res.Output); got != want || failed != nil {
				t.Errorf("%s, %v: got %q, %v, want %q", constructor, err, got, failed, want)
			}
		}
	}
}

// An Interceptor within Named abstains in the place of calling next, or after it.
func TestNamedAbstains(t *testing.T) {
	cause := errors.New("no disk")
	fails := func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Usage: &middleware.Usage{Cost: 3}}, cause
	}
	abstains := middleware.Named("gate", func(middleware.Handler) middleware.Handler {
		return func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: "mine"}, middleware.ErrAbstain
		}
	})
	late := middleware.Named("gate", func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			_, _ = next(ctx, call)
			return middleware.Result{Output: "mine"}, middleware.ErrAbstain
		}
	})
	for name, tt := range map[string]struct {
		gate   middleware.Interceptor
		h      middleware.Handler
		output any
		err    error
	}{
		"in the place of next":              {abstains, echo, "ls", nil},
		"in the place of a next that fails": {abstains, fails, nil, cause},
		"after":                             {late, echo, "ls", nil},
		"after a failure":                   {late, fails, nil, cause},
	} {
		w := new(watch)
		res, err := middleware.Wrap(tt.h, w.Intercept, tt.gate)(t.Context(), tool("ls"))
		if res.Output != tt.output || !errors.Is(err, tt.err) || tt.err != nil && res.Usage == nil || said(w.trail, false) != "" {
			t.Errorf("%s: got %+v, %v and %q on the trail, want %v, %v and nothing", name, res, err, said(w.trail, false), tt.output, tt.err)
		}
	}

	// A panic of next is not the gate's that abstained.
	boom := func(context.Context, middleware.Call) (middleware.Result, error) { panic("boom") }
	inner := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) { panic("boom") }
	}
	_, err := middleware.Wrap(boom, abstains)(t.Context(), tool("ls"))
	if p := (*middleware.PanicError)(nil); !errors.As(err, &p) || errors.As(err, new(*middleware.DeniedError)) {
		t.Errorf("a tool that panics: got %v, want its panic", err)
	}
	_, err = middleware.Wrap(echo, abstains, inner)(t.Context(), tool("ls"))
	wantDenied(t, err, "", middleware.CodeIndeterminate)
}

// next is called once, whatever an Interceptor says: it must not abstain from a call
// that it has under way.
func TestNamedDoesNotAbstainFromACallUnderWay(t *testing.T) {
	begun, end, ended := make(chan bool), make(chan bool), make(chan bool)
	gate := middleware.Named("gate", func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			go func() { defer close(ended); _, _ = next(ctx, call) }()
			<-begun
			return middleware.Result{}, middleware.ErrAbstain
		}
	})
	n := 0
	_, err := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		n++
		close(begun)
		<-end
		return middleware.Result{}, nil
	}, gate)(t.Context(), tool("ls"))
	close(end)
	<-ended
	if wantDenied(t, err, "gate", middleware.CodeIndeterminate); n != 1 {
		t.Errorf("next was called %d times", n)
	}
}

func TestToolCallsAbstainsFromAPlan(t *testing.T) {
	gate := middleware.ToolCalls("gate", func(_ context.Context, call middleware.ToolCall) error {
		switch call.Input {
		case "no":
			return middleware.Deny(middleware.CodeApproval, "nobody said yes")
		case "yes":
			return middleware.Allow("%s said yes", "alice")
		case "free":
			return nil
		}
		return middleware.ErrAbstain
	})
	for _, tt := range []struct{ inputs, want string }{
		{"", "gate allow "},
		{"other", ""},
		{"other other", ""},
		{"free other", "gate allow "},
		{"other yes", `gate allow tool call 2, "refund": alice said yes`},
		{"yes other yes", `gate allow tool call 1, "refund": alice said yes; tool call 3, "refund": alice said yes`},
		{"other no", `gate deny tool call 2, "refund": nobody said yes`},
		{"yes no", `gate deny tool call 2, "refund": nobody said yes`},
	} {
		var calls []middleware.ToolCall
		for _, input := range strings.Fields(tt.inputs) {
			calls = append(calls, kit.Ask("refund", input))
		}
		w := new(watch)
		_, err := middleware.Wrap(planned(calls...), w.Intercept, gate)(t.Context(), kit.Plan())
		if got := said(w.trail, false); got != tt.want || (err != nil) != strings.Contains(tt.want, "deny") {
			t.Errorf("%s: got %q, %v, want %q", tt.inputs, got, err, tt.want)
		}
	}
}

// Outside of a check the errors are failures: nothing is opened by them.
func TestWhereNobodyAsksAVerdictIsAnError(t *testing.T) {
	hand := middleware.NewGate("gate")
	for name, err := range map[string]error{"ErrAbstain": middleware.ErrAbstain, "Allow": middleware.Allow("alice said yes")} {
		plain := func(middleware.Handler) middleware.Handler {
			return func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, err }
		}
		_, got := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
			t.Errorf("%s: an interceptor without a name let the call pass", name)
			return middleware.Result{}, nil
		}, plain)(t.Context(), tool("ls"))
		if got != err || !strings.Contains(got.Error(), "check") {
			t.Errorf("%s: got %v, want that it is for a check to return", name, got)
		}

		// The failure of a tool is no verdict of the gate around it.
		w := new(watch)
		_, got = middleware.Wrap(plain(nil), w.Intercept, middleware.Named("gate", pass))(t.Context(), tool("ls"))
		if got != err {
			t.Errorf("%s: a tool's failure came back as %v", name, got)
		}

		ruling := hand.Begin(t.Context())
		if d := wantDenied(t, ruling.Deny(t.Context(), tool("ls"), err), "gate", middleware.CodeIndeterminate); !errors.Is(d, err) {
			t.Errorf("%s: got %v, want it as the cause", name, d.Err)
		}
	}
}
