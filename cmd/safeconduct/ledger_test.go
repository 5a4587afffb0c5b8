package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
)

// newKey has keygen make a key, and returns it with the path of its public half.
func newKey(t *testing.T) (key ed25519.PrivateKey, public string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.key")
	if code, _, stderr := safeconduct("keygen", path); code != 0 {
		t.Fatalf("keygen: %s", stderr)
	}
	key, err := trust.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return key, path + ".pub"
}

func open(t *testing.T, dir string, cfg evidence.Config) *evidence.Recorder {
	t.Helper()
	r, err := evidence.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, r) })
	return r
}

func shut(t *testing.T, r *evidence.Recorder) {
	t.Helper()
	if err := r.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// ledger makes a ledger of two writers with every outcome that a call can have.
func ledger(t *testing.T) (dir, public string) {
	t.Helper()
	key, public := newKey(t)
	dir = filepath.Join(t.TempDir(), "ledger")
	cfg := evidence.Config{Key: key, Ledger: "agents-test", ReadOnly: []string{"search"}, BestEffort: []string{"mail"}}
	r := open(t, dir, cfg)
	answered(t, r)
	stopped(t, r)
	broken(t, r)
	unnamed(t, r)
	shut(t, r)

	r = open(t, dir, cfg)
	interrupted(t, r)
	return dir, public
}

// A script is what a chain, a tool or a model of the tests does.
type script func(ctx context.Context) (any, *middleware.Usage, error)

func says(s string) script {
	return func(context.Context) (any, *middleware.Usage, error) { return s, nil, nil }
}

func fails(err error) script {
	return func(context.Context) (any, *middleware.Usage, error) { return nil, nil, err }
}

// do makes one call under the interceptors.
func do(ctx context.Context, kind middleware.Kind, name string, s script, is ...middleware.Interceptor) error {
	h := func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		out, usage, err := s(ctx)
		return middleware.Result{Output: out, Usage: usage}, err
	}
	_, err := middleware.Wrap(h, is...)(ctx, middleware.Call{Kind: kind, Name: name, Input: "in"})
	return err
}

func allow(gate string) middleware.Interceptor {
	return middleware.Before(gate, func(context.Context, middleware.Call) error { return nil })
}

// approve is a gate that says why it allows, and abstains where it has no reason to.
func approve(gate, reason string) middleware.Interceptor {
	return middleware.Before(gate, func(context.Context, middleware.Call) error {
		if reason == "" {
			return middleware.ErrAbstain
		}
		return middleware.Allow("%s", reason)
	})
}

func deny(gate string, code middleware.Code, reason string) middleware.Interceptor {
	return middleware.Before(gate, func(context.Context, middleware.Call) error { return middleware.Deny(code, "%s", reason) })
}

// answered is a run that comes to its end, with a tool denied and told.
func answered(t *testing.T, r *evidence.Recorder) {
	t.Helper()
	ctx := middleware.WithIdentity(t.Context(), middleware.Identity{Subject: "alice", Session: "s-7", Tenant: "acme"})
	model := func(reported bool, in, out int64) script {
		return func(context.Context) (any, *middleware.Usage, error) {
			return &middleware.ModelResponse{Model: "gpt-4o"}, &middleware.Usage{InputTokens: in, OutputTokens: out, Reported: reported}, nil
		}
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	plan := func(ctx context.Context, s script) {
		must(do(ctx, middleware.KindPlan, "react", func(ctx context.Context) (any, *middleware.Usage, error) {
			must(do(ctx, middleware.KindModel, "gpt-4o", s, r.Intercept, allow("ingress"), allow("budget"), allow("redact")))
			return &middleware.Plan{}, nil, nil
		}, r.Intercept))
	}
	must(do(ctx, middleware.KindChain, "agent", func(ctx context.Context) (any, *middleware.Usage, error) {
		plan(ctx, model(true, 1204, 87))
		must(do(ctx, middleware.KindTool, "search", says("found"), r.Intercept, allow("tools"), allow("budget"),
			middleware.Transform("redact", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
				call.Input = "out"
				return call, true, nil
			}),
			middleware.Shadow(deny("loop", middleware.CodeLoop, "the same call 3 times in a row"))))
		plan(ctx, model(false, 0, 0))
		must(do(ctx, middleware.KindTool, "shell", says("rm"), r.Intercept, middleware.Tell,
			allow("ingress"), deny("tools", middleware.CodeToolNotAllowed, `tool "shell" is not on the allowlist`)))
		plan(ctx, model(true, 123_456, 12))
		must(do(ctx, middleware.KindRetriever, "a-vector-store-with-a-name-that-is-too-long", says("cached"), r.Intercept,
			func(next middleware.Handler) middleware.Handler {
				if next == nil {
					return nil
				}
				return func(context.Context, middleware.Call) (middleware.Result, error) {
					return middleware.Result{Output: "cached"}, nil
				}
			}))
		return map[string]any{"text": "42"}, nil, nil
	}, r.Intercept, allow("ingress")))
}

// stopped is a run that a denial stops.
func stopped(t *testing.T, r *evidence.Recorder) {
	t.Helper()
	withhold := middleware.After("output", func(context.Context, middleware.Call, middleware.Result) error {
		return middleware.Deny(middleware.CodeBadOutput, "the answer is not the JSON that was promised: at /items/0/price: "+
			"got string, want number; at /items/1: missing properties: name, price")
	})
	err := do(t.Context(), middleware.KindChain, "agent", func(ctx context.Context) (any, *middleware.Usage, error) {
		err := do(ctx, middleware.KindTool, "mail", says("sent"), r.Intercept, allow("tools"),
			approve("approval", "alice said yes"), middleware.Shadow(approve("second-approval", "bob said \x1b[31myes")),
			approve("nobody", ""), withhold)
		return nil, nil, err
	}, r.Intercept)
	var denied *middleware.DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("got %v, want a denial", err)
	}
}

// broken is a run with a failure, a panic and a cancellation.
func broken(t *testing.T, r *evidence.Recorder) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := do(ctx, middleware.KindChain, "agent", func(ctx context.Context) (any, *middleware.Usage, error) {
		_ = do(ctx, middleware.KindTool, "search", fails(errors.New("secret")), r.Intercept, allow("tools"))
		_ = do(ctx, middleware.KindTool, "search", func(context.Context) (any, *middleware.Usage, error) { panic("secret") }, r.Intercept)
		return nil, nil, do(ctx, middleware.KindTool, "search", func(context.Context) (any, *middleware.Usage, error) {
			cancel()
			return nil, nil, ctx.Err()
		}, r.Intercept)
	}, r.Intercept)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
}

// unnamed is a run in which interceptors without a name fail and deny.
func unnamed(t *testing.T, r *evidence.Recorder) {
	t.Helper()
	returns := func(err error) middleware.Interceptor {
		return func(middleware.Handler) middleware.Handler {
			return func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, err }
		}
	}
	err := do(t.Context(), middleware.KindChain, "agent", func(ctx context.Context) (any, *middleware.Usage, error) {
		_ = do(ctx, middleware.KindTool, "search", says("found"), r.Intercept, middleware.Shadow(allow("loop")), returns(errors.New("secret")))
		return "done", nil, do(ctx, middleware.KindTool, "search", says("found"), r.Intercept,
			returns(middleware.Deny(middleware.CodePolicy, "not on a Sunday")))
	}, r.Intercept)
	var denied *middleware.DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("got %v, want a denial", err)
	}
}

// interrupted is a run that is under way when the Recorder is closed.
func interrupted(t *testing.T, r *evidence.Recorder) {
	t.Helper()
	err := do(t.Context(), middleware.KindChain, "agent", func(ctx context.Context) (any, *middleware.Usage, error) {
		return nil, nil, do(ctx, middleware.KindTool, "deploy", func(context.Context) (any, *middleware.Usage, error) {
			shut(t, r)
			return "deployed", nil, nil
		}, r.Intercept, allow("tools"))
	}, r.Intercept)
	if err != nil {
		t.Fatal(err)
	}
}
