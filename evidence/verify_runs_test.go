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
