package evidence_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/middleware"
)

// What comes while the queue is full is lost, and says so.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		hang := make(chan struct{})
		var hung atomic.Bool
		cfg := evidence.Config{Queue: 20, ReadOnly: []string{"shell"}}
		faults := segmenttest.Faults{Sync: func() error {
			if hung.Load() {
				<-hang
			}
			return nil
		}}
		r := openOn(t, dir, cfg, evidence.Disk{Do: faults.Do})
		hung.Store(true)
		_, _ = call(t, r, shell, say("ok"))
		synctest.Wait()
		time.Sleep(time.Second) // the writer takes the first and hangs
		synctest.Wait()
		chain := middleware.Call{Kind: middleware.KindChain, Name: "c"}
		// The first records fit, then the run's middle is lost.
		_, err := call(t, r, chain, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
			tool := middleware.Wrap(say("ok"), r.Intercept)
			for r.Stats().Lost < 20 {
				if _, err := tool(ctx, shell); err != nil {
					return middleware.Result{}, err
				}
			}
			hung.Store(false)
			close(hang)
			synctest.Wait()
			for range 3 {
				if _, err := tool(ctx, shell); err != nil {
					return middleware.Result{}, err
				}
			}
			return middleware.Result{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		report := ledgertest.WantIntact(t, dir)
		if lost := r.Stats().Lost; report.Gaps == 0 || report.Lost != lost || lost < 20 || report.Done < 1+1+3 {
			t.Errorf("got report %+v, want gaps of %d, and the last calls", report, lost)
		}
	})
}

// Whatever is lost where, what is left agrees with the gaps.
func TestGapsUnderLoad(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Queue: 16, ReadOnly: []string{"calculator", "shell"}})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				_ = agent(context.Background(), r)
			}
		})
	}
	wg.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Lost != r.Stats().Lost || report.Lost == 0 {
		t.Errorf("got %d lost in the ledger, %d in the stats, want the same and some", report.Lost, r.Stats().Lost)
	}
	if got := report.Records - 1 - report.Gaps + report.Lost; got != 10_000 {
		t.Errorf("got %d records written or lost, want 10000", got)
	}
	open(t, dir, evidence.Config{}) // and it can be continued
}

func TestClosed(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"calculator"}})
	for range 3 {
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := call(t, r, shell, say("ok"))
	wantUnavailable(t, err, evidence.ErrClosed)
	c := shell
	c.Name = "calculator"
	if _, err := call(t, r, c, say("ok")); err != nil {
		t.Errorf("a tool without side effects: got error %v", err)
	}
	if s := r.Stats(); s.Lost != 8 {
		t.Errorf("got %d lost, want 8", s.Lost)
	}
	ledgertest.WantIntact(t, dir)
}

// Close while calls are under way.
func TestCloseUnderLoad(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"calculator"}})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			for range 10 {
				_ = agent(context.Background(), r)
			}
		})
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	report := ledgertest.WantIntact(t, dir)
	if got := r.Stats(); got.Durable != report.Records {
		t.Errorf("got %d durable, the ledger has %d", got.Durable, report.Records)
	}
}

// A mistake of the writer's is not the agent's: calls that need no record go on,
// and those that do are denied.
func TestWriterPanics(t *testing.T) {
	dir := ledgertest.Dir(t)
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"calculator"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t, r, shell, say("ok")); err != nil {
		t.Fatal(err)
	}
	r.Break()
	for range 3 {
		_, err := call(t, r, shell, say("ok"))
		wantUnavailable(t, err, evidence.ErrUnavailable)
	}
	if _, err := call(t, r, calculator, say("437")); err != nil {
		t.Errorf("a call that needs no record: %v", err)
	}
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("Err: got %v, want the panic", err)
	}
	var left *evidence.PendingError
	if err := r.Close(t.Context()); !errors.As(err, &left) || left.NotDurable == 0 {
		t.Errorf("Close: got %v, want records that are not durable", err)
	}
	again := open(t, dir, evidence.Config{})
	if err := again.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
}

// Who has no Logger hears once why calls are denied, and the model is not told.
func TestWhyCallsLackTheirRecord(t *testing.T) {
	var said strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	defer slog.SetDefault(before)
	for _, given := range []bool{false, true} {
		said.Reset()
		var own strings.Builder
		cfg := evidence.Config{Key: ledgertest.Key(1)}
		if given {
			cfg.Logger = slog.New(slog.NewTextHandler(&own, nil))
		}
		r := open(t, ledgertest.Dir(t), cfg)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err := call(t, r, shell, say("ok"))
			wantUnavailable(t, err, evidence.ErrClosed)
			if d, ok := errors.AsType[*middleware.DeniedError](err); !ok || d.Reason != "no durable record of the call could be made" {
				t.Errorf("got error %v, want the plain reason", err)
			}
		}
		heard, silent := &said, &own
		if given {
			heard, silent = silent, heard
		}
		if strings.Count(heard.String(), "calls lack a durable record") != 1 || !strings.Contains(heard.String(), evidence.ErrClosed.Error()) {
			t.Errorf("own Logger %v: got %q, want one line with the reason", given, heard)
		}
		if strings.Contains(silent.String(), "lack") {
			t.Errorf("own Logger %v: the other one heard %q", given, silent)
		}
	}
}
