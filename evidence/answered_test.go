package evidence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// TestOptionsAnswerErrors: an error that an option or a func answers names it, and with
// that there is none.
func TestOptionsAnswerErrors(t *testing.T) {
	tmp := t.TempDir()
	try := func(dir string, cfg evidence.Config) error {
		r, err := evidence.Open(dir, cfg)
		if err != nil {
			return err
		}
		return r.Close(t.Context())
	}
	kept, overflow := filepath.Join(tmp, "kept"), filepath.Join(tmp, "overflow")
	key, err := evidence.LoadOrCreateKey(filepath.Join(tmp, "agent.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := try(kept, evidence.Config{Key: key, Ledger: "kept"}); err != nil {
		t.Fatal(err)
	}
	again, err := evidence.LoadOrCreateKey(filepath.Join(tmp, "agent.key"))
	if err != nil {
		t.Fatal(err)
	}
	envs := ledgertest.Envelopes(t, kept)
	damaged := filepath.Join(tmp, "damaged")
	if err := os.CopyFS(damaged, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	envs[0] = ledgertest.FlipSig(envs[0])
	ledgertest.Rewrite(t, damaged, envs...)
	succeed := func(old string) error {
		p, err := evidence.PredecessorOf(old, "it cannot be continued")
		if err != nil {
			return err
		}
		return try(filepath.Join(t.TempDir(), "next"), evidence.Config{Key: key, Predecessor: p})
	}
	// An overflow in which a ledger that is no more left its records.
	if err := os.CopyFS(overflow, os.DirFS(filepath.Join(kept, "segments"))); err != nil {
		t.Fatal(err)
	}
	segment, err := filepath.Glob(filepath.Join(overflow, "*.seg"))
	if err != nil || len(segment) != 1 {
		t.Fatal(segment, err)
	}
	if err := os.Rename(segment[0], filepath.Join(overflow, "overflow.seg")); err != nil {
		t.Fatal(err)
	}
	fresh := func() string { return filepath.Join(t.TempDir(), "ledger") }
	recorder, err := evidence.Open(fresh(), evidence.Config{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close(t.Context())
	tool := middleware.Call{ID: 1, Kind: middleware.KindTool, Name: "calc", Input: "1"}
	_, bare := recorder.Intercept(middlewaretest.Echo)(t.Context(), tool)
	_, wrapped := middleware.Wrap(middlewaretest.Echo, recorder.Intercept)(t.Context(), tool)
	for _, tt := range []struct {
		answer        string
		without, with error
	}{
		{"Config.Key is not set, see LoadOrCreateKey", try(kept, evidence.Config{}), try(kept, evidence.Config{Key: again})},
		{"evidence.PredecessorOf", try(kept, evidence.Config{Key: ledgertest.Key(7)}), succeed(kept)},
		{"evidence.PredecessorOf", try(damaged, evidence.Config{Key: key}), succeed(damaged)},
		{"open it with that one", try(kept, evidence.Config{Key: ledgertest.Key(7)}), try(kept, evidence.Config{Key: key})},
		{"each needs a Config.Overflow of its own", try(fresh(), evidence.Config{Key: key, Overflow: overflow}),
			try(fresh(), evidence.Config{Key: key, Overflow: t.TempDir()})},
		{"within middleware.Wrap only", bare, wrapped},
	} {
		if tt.without == nil || !strings.Contains(tt.without.Error(), tt.answer) {
			t.Errorf("%s: without: got %v, want an error that names it", tt.answer, tt.without)
		}
		if tt.with != nil {
			t.Errorf("%s: with: got %v, want none", tt.answer, tt.with)
		}
	}
}
