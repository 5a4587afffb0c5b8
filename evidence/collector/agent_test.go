package collector_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/httpsink"
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

// While the token is wrong nothing is refused, and once it is right all arrives, without
// a hand on anything. So it does where the collector has lost what it had.
func TestATokenThatIsWrongAtFirst(t *testing.T) {
	s := newSite(t, nil)
	for _, wrong := range []string{"stranger", testAgent} { // 401, and 403 of one who may not write this ledger
		t.Run(wrong, func(t *testing.T) {
			var token atomic.Value
			token.Store(wrong)
			sink, err := httpsink.New(httpsink.Config{URL: s.url + "/v1/records", Token: func() string { return token.Load().(string) }})
			if err != nil {
				t.Fatal(err)
			}
			log := new(lockedBuffer)
			a := newAgent(t, filepath.Join(t.TempDir(), "ledger"), evidence.Config{
				Ledger: "prod", Key: prodKey, ReadOnly: []string{"calculator", "shell"}, Logger: slog.New(slog.NewTextHandler(log, nil)),
				Exporters: []evidence.Exporter{{Sink: sink.Send, MinBackoff: 5 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, OpenFor: 20 * time.Millisecond}},
			})
			stats := func() evidence.ExporterStats { return a.r.Stats().Exporters[0] }
			a.runs(2)
			eventually(t, "it is turned away again and again", func() bool { return stats().Attempts > 3 })
			eventually(t, "the log is loud", func() bool {
				return strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "see to the token")
			})
			if x := stats(); !x.Unauthorized || x.Parked != 0 || x.Shipped != 0 || x.Breaker == "closed" {
				t.Errorf("with a wrong token: got %+v, want none parked and the breaker open", x)
			}
			token.Store(prodAgent)
			all := func() bool { return a.r.Flush(context.Background()) == nil && stats().Lag == 0 }
			eventually(t, "all is shipped", all)

			s.shutDown()
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
			s.start()
			a.runs(1)
			eventually(t, "all is shipped again", func() bool {
				return all() && len(envelopes(t, s.ledger("prod"))) == len(envelopes(t, a.dir))
			})
			if x := stats(); x.Parked != 0 || x.Unauthorized {
				t.Errorf("at the end: got %+v, want none parked", x)
			}
			a.close()
			eventually(t, "the last records arrive", func() bool { return len(envelopes(t, s.ledger("prod"))) == len(envelopes(t, a.dir)) })
			wantSame(t, s.ledger("prod"), envelopes(t, a.dir))
			wantIntact(t, s.ledger("prod"), prodKey)
			s.shutDown()
			if err := os.RemoveAll(s.dir); err != nil {
				t.Fatal(err)
			}
			s.start()
		})
	}
}
