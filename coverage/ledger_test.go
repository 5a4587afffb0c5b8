package coverage_test

import (
	"context"
	"crypto/ed25519"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/coverage"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

// TestTheLedgerSaysHowMuchIsGuarded: in run.start, of runs under the report's context
// alone, and the ledger is intact.
func TestTheLedgerSaysHowMuchIsGuarded(t *testing.T) {
	dir := t.TempDir()
	key, err := evidence.LoadOrCreateKey(t.TempDir() + "/key")
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := evidence.Open(dir, evidence.Config{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	agent := agents.NewOneShotAgent(langchaingotest.NewModel(nil, langchaingotest.Finish("well").Always()),
		[]tools.Tool{langchaingotest.NewTool(nil, "calc")})
	guarded := langchaingo.Executor(agents.NewExecutor(agent), recorder.Intercept)
	report := coverage.Walk([]any{guarded, newParts().model, own{ask: func() {}}})
	for _, ctx := range []context.Context{t.Context(), report.Context(t.Context())} {
		if _, err := chains.Run(ctx, guarded, "q"); err != nil {
			t.Fatal(err)
		}
	}
	if err := recorder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	verified, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}})
	if err != nil || !verified.Intact() {
		t.Errorf("got %+v, %v", verified, err)
	}
	var said []*record.Coverage
	for entry, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if r := entry.Record; r.Kind == record.KindStart || r.Coverage != nil {
			said = append(said, r.Coverage)
		}
	}
	want := record.Coverage{Digest: report.Digest(), Guarded: 2, Unguarded: 1, Opaque: 1}
	if len(said) != 2 || said[0] != nil || said[1] == nil || *said[1] != want {
		t.Errorf("got %+v, want nothing and %+v", said, want)
	}
}
