package evidence_test

import (
	"fmt"
	"testing"

	"example.com/safeconduct/evidence/internal/ledgertest"
)

// After many runs have ended, one whose beginning is declared lost is not taken
// for one of those: just as many records are missing as it takes.
func TestARunWithoutItsBeginningAfterManyRuns(t *testing.T) {
	dir := ledgertest.Dir(t)
	f := ledgertest.NewForger(t)
	f.Open()
	for i := range 1100 {
		f.Begin(fmt.Sprint("run-", i)).End()
	}
	n, before := len(f.Envs), f.Prev
	run := f.Begin("run-without-a-beginning")
	f.Envs, f.Prev = f.Envs[:n], before
	f.Gap(f.Seq, f.Seq)
	run.Outcome(run.Intent("search"), ledgertest.Done)
	run.End()
	ledgertest.Bare(f.Envs...).Write(t, dir)
	if report := ledgertest.WantIntact(t, dir); report.Late != 0 || report.Runs != 1101 || report.Lost != 1 || report.Interrupted != 0 {
		t.Errorf("got report %+v, want 1101 runs and none of their records late", report)
	}
}

// A run ends with its writer: what has its ID under the next one is another run.
func TestARunDoesNotOutliveItsWriter(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	f.Begin("run").Intent("mail")
	f.Open()
	f.Run("run", "mail")
	dir := ledgertest.Dir(t)
	f.Ledger().Write(t, dir)
	report := ledgertest.WantIntact(t, dir)
	if report.Runs != 2 || report.Interrupted != 1 || report.Unknown != 1 {
		t.Errorf("got %d runs, %d interrupted, %d calls without an outcome, want 2, 1 and 1", report.Runs, report.Interrupted, report.Unknown)
	}
}
