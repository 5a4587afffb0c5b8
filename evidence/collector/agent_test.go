package collector_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/middleware"
)

// An agent writes a ledger.
type agent struct {
	t   testing.TB
	dir string
	r   *evidence.Recorder
	run middleware.Handler
}

func newAgent(t testing.TB, dir string, cfg evidence.Config) *agent {
	t.Helper()
	r, err := evidence.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	deny := middleware.On(middleware.KindTool, middleware.Before("tools", func(_ context.Context, call middleware.Call) error {
		if call.Name == "shell" {
			return middleware.Deny(middleware.CodeToolNotAllowed, "shell is not on the list")
		}
		return nil
	}))
	tool := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "437"}, nil
	}, r.Intercept, middleware.Tell, deny)
	chain := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for _, name := range []string{"calculator", "shell"} {
			if _, err := tool(ctx, middleware.Call{Kind: middleware.KindTool, Name: name, Input: "19*23"}); err != nil {
				return middleware.Result{}, err
			}
		}
		return middleware.Result{Output: map[string]any{"output": "437"}}, nil
	}, r.Intercept)
	return &agent{t: t, dir: dir, r: r, run: chain}
}

// runs makes runs of eight records each.
func (a *agent) runs(n int) {
	a.t.Helper()
	for range n {
		if _, err := a.run(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "agent", Input: map[string]any{"input": "?"}}); err != nil {
			a.t.Error(err)
		}
	}
}

// interrupted begins a run that the Recorder is closed before the end of.
func (a *agent) interrupted() {
	a.t.Helper()
	chain := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		a.close()
		return middleware.Result{Output: map[string]any{}}, nil
	}, a.r.Intercept)
	if _, err := chain(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "agent", Input: map[string]any{}}); err != nil {
		a.t.Error(err)
	}
}

func (a *agent) close() {
	a.t.Helper()
	if err := a.r.Close(context.Background()); err != nil {
		a.t.Error(err)
	}
}

// written returns the records of a ledger with so many runs.
func written(t testing.TB, origin string, key ed25519.PrivateKey, runs int) [][]byte {
	t.Helper()
	a := newAgent(t, filepath.Join(t.TempDir(), "ledger"), evidence.Config{Ledger: origin, Key: key, ReadOnly: []string{"calculator", "shell"}})
	a.runs(runs)
	a.close()
	return envelopes(t, a.dir)
}

func envelopes(t testing.TB, dir string) (envs [][]byte) {
	t.Helper()
	for e, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		envs = append(envs, e.Envelope)
	}
	return envs
}

func wantSame(t testing.TB, dir string, want [][]byte) {
	t.Helper()
	got := envelopes(t, dir)
	if len(got) != len(want) {
		t.Errorf("%s: got %d records, want %d", dir, len(got), len(want))
		return
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%s: record %d differs", dir, i)
		}
	}
}

func wantIntact(t testing.TB, dir string, key ed25519.PrivateKey) *evidence.Report {
	t.Helper()
	report, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{public(key)}})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Intact() {
		t.Fatalf("%s: %v", dir, report.First)
	}
	return report
}
