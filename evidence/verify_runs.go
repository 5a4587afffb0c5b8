package evidence

import (
	"slices"

	"example.com/safeconduct/evidence/record"
)

// verdictDeny is a Decision's Verdict.
const verdictDeny = "deny"

// A runCheck is what a checker knows of one run.
type runCheck struct {
	start   record.Hash // of the payload of run.start
	known   bool        // start is
	started bool        // the run has, or had, a run.start
	ended   bool
	late    bool // seen first long after its end, so that its numbers are not known
	seq     uint64
	hash    record.Hash
	intents uint64
	missed  uint64                 // of the run's records
	missing uint64                 // checker.missing at the run's last record
	open    map[uint32]record.Call // those without an outcome, as they began
}

// run checks what the record says about its run.
func (c *checker) run(sub record.Subject, r *record.Record, hash record.Hash) {
	if r.Run == "" {
		return
	}
	run := c.runs[r.Run]
	if run == nil {
		run = c.ended[r.Run] // a call that outlives its run
	}
	if run == nil {
		run = &runCheck{open: make(map[uint32]record.Call)}
		c.enter(r, run, hash)
	} else if r.Kind == record.KindStart {
		c.found(r, record.DamageInconsistent, "the run begins twice")
	}
	c.runs[r.Run] = run
	switch {
	case r.Kind == record.KindStart:
	case run.known && sub != (record.Subject{Name: record.SubjectRun, Digest: run.start}):
		c.found(r, record.DamageSpliced, "the subject is not the run's beginning")
	case !run.known && sub.Name == record.SubjectRun:
		run.known, run.start = true, sub.Digest
	}
	c.runSeq(r, run)
	if run.ended || run.late {
		c.report.Late++
	}
	switch r.Kind {
	case record.KindIntent:
		if _, open := run.open[r.Call.ID]; open {
			c.found(r, record.DamageInconsistent, "call %d begins twice", r.Call.ID)
		}
		run.open[r.Call.ID] = *r.Call
		run.intents++
		c.report.Calls++
	case record.KindOutcome:
		c.outcome(r, run)
	case record.KindEnd:
		c.runEnd(r, run)
	}
	run.seq, run.hash, run.missing = r.RunSeq, hash, c.missing
	if (run.ended || run.late) && len(run.open) == 0 {
		delete(c.runs, r.Run)
		c.retire(r.Run, run)
	}
}

// maxEnded bounds the runs that are kept in mind after their end.
const maxEnded = 1024

// retire keeps a run in mind in case that a record of it is still to come.
func (c *checker) retire(id string, run *runCheck) {
	if c.ended[id] != nil {
		return
	}
	if len(c.order) == maxEnded {
		delete(c.ended, c.order[0])
		c.order, c.forgot = c.order[1:], true
	}
	c.ended[id] = run
	c.order = append(c.order, id)
}

// enter takes the first record that is seen of a run.
func (c *checker) enter(r *record.Record, run *runCheck, hash record.Hash) {
	switch {
	case r.Kind == record.KindStart:
		run.started, run.known, run.start = true, true, hash
		c.report.Runs++
	case r.RunSeq == 1:
		c.report.Runs++
		c.report.Partial++
	case c.forgot && c.missing < r.RunSeq-1: // it may have ended long ago
		run.late, run.seq = true, r.RunSeq-1
	default: // its first records are among the missing, or runSeq finds it out
		run.started = true
		c.report.Runs++
	}
}

// runSeq checks the record's number within its run.
func (c *checker) runSeq(r *record.Record, run *runCheck) {
	if r.RunSeq <= run.seq {
		c.found(r, record.DamageInconsistent, "runSeq %d follows %d", r.RunSeq, run.seq)
		return
	}
	missed := r.RunSeq - run.seq - 1
	if missed > c.missing-run.missing {
		c.found(r, record.DamageInconsistent, "runSeq %d follows %d", r.RunSeq, run.seq)
	}
	run.missed += missed
}

func (c *checker) outcome(r *record.Record, run *runCheck) {
	switch began, open := run.open[r.Call.ID]; {
	case !open && run.missed == 0:
		c.found(r, record.DamageOutcome, "call %d ends and did not begin", r.Call.ID)
	case open && began != *r.Call:
		c.found(r, record.DamageInconsistent, "call %d ends as another one than it began as", r.Call.ID)
	}
	delete(run.open, r.Call.ID)
	switch r.Outcome.Result {
	case record.ResultDone:
		c.report.Done++
		if slices.ContainsFunc(r.Decisions, func(d record.Decision) bool { return d.Verdict == verdictDeny && !d.Shadow }) {
			c.report.Overruled++
		}
	case record.ResultDenied:
		c.report.Denied++
	case record.ResultFailed:
		c.report.Failed++
	case record.ResultCancelled:
		c.report.Cancelled++
	}
}

func (c *checker) runEnd(r *record.Record, run *runCheck) {
	whole := run.missed == 0 && !run.late
	switch {
	case run.ended:
		c.found(r, record.DamageInconsistent, "the run ends twice")
	case r.RunEnd.Records != r.RunSeq,
		whole && r.RunEnd.Calls != run.intents,
		whole && r.RunEnd.Head != run.hash:
		c.found(r, record.DamageInconsistent, "the run's end does not agree with its records")
	}
	run.ended = true
}

// endWriter settles the runs of a writer, which do not outlive it.
func (c *checker) endWriter() {
	for _, run := range c.runs {
		c.report.Unknown += uint64(len(run.open))
		if run.started && !run.ended {
			c.report.Interrupted++
		}
	}
	clear(c.runs)
	clear(c.ended)
	c.order, c.forgot = nil, false
}
