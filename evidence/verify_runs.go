package evidence

import (
	"slices"

	"example.com/safeconduct/evidence/record"
)

// verdictDeny is a Decision's Verdict.
const verdictDeny = "deny"

// A runChecker judges whether the records of each run agree: its start and end,
// and the intents and outcomes of its calls.
type runChecker struct {
	*findings
	open   map[string]*judgedRun // runs under way, and those that had a record since their end
	ended  map[string]*judgedRun // the last of those that ended
	order  []string              // in which they did
	forgot bool                  // there were more
}

// A judgedRun is what is known of one run.
type judgedRun struct {
	start   record.Hash // of the payload of run.start
	known   bool        // start is
	started bool        // the run has, or had, a run.start
	ended   bool
	late    bool // seen first long after its end, so that its numbers are not known
	seq     uint64
	hash    record.Hash
	intents uint64
	missed  uint64                 // of the run's records
	missing uint64                 // of the writer's records, as of the run's last one
	open    map[uint32]record.Call // those without an outcome, as they began
}

// take checks what the next record says about its run. It is told
// how many records of its writer are missing so far.
func (c *runChecker) take(sub record.Subject, r *record.Record, hash record.Hash, missing uint64) {
	if r.Run == "" {
		return
	}
	run := c.open[r.Run]
	if run == nil {
		run = c.ended[r.Run] // a call that outlives its run
	}
	if run == nil {
		run = &judgedRun{open: make(map[uint32]record.Call)}
		c.firstRecord(r, run, hash, missing)
	} else if r.Kind == record.KindStart {
		c.found(r, record.DamageInconsistent, "the run begins twice")
	}
	c.open[r.Run] = run
	switch {
	case r.Kind == record.KindStart:
	case run.known && sub != (record.Subject{Name: record.SubjectRun, Digest: run.start}):
		c.found(r, record.DamageSpliced, "the subject is not the run's beginning")
	case !run.known && sub.Name == record.SubjectRun:
		run.known, run.start = true, sub.Digest
	}
	c.runSeq(r, run, missing)
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
	run.seq, run.hash, run.missing = r.RunSeq, hash, missing
	if (run.ended || run.late) && len(run.open) == 0 {
		delete(c.open, r.Run)
		c.retire(r.Run, run)
	}
}

// maxEnded bounds the runs that are kept in mind after their end.
const maxEnded = 1024

// retire keeps a run in mind in case that a record of it is still to come.
func (c *runChecker) retire(id string, run *judgedRun) {
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

// firstRecord takes the first record that is seen of a run.
func (c *runChecker) firstRecord(r *record.Record, run *judgedRun, hash record.Hash, missing uint64) {
	switch {
	case r.Kind == record.KindStart:
		run.started, run.known, run.start = true, true, hash
		c.report.Runs++
	case r.RunSeq == 1:
		c.report.Runs++
		c.report.Partial++
	case c.forgot && missing < r.RunSeq-1: // it may have ended long ago
		run.late, run.seq = true, r.RunSeq-1
	default: // its first records are among the missing, or runSeq finds it out
		run.started = true
		c.report.Runs++
	}
}

// runSeq checks the record's number within its run.
func (c *runChecker) runSeq(r *record.Record, run *judgedRun, missing uint64) {
	if r.RunSeq <= run.seq {
		c.found(r, record.DamageInconsistent, "runSeq %d follows %d", r.RunSeq, run.seq)
		return
	}
	missed := r.RunSeq - run.seq - 1
	if missed > missing-run.missing {
		c.found(r, record.DamageInconsistent, "runSeq %d follows %d", r.RunSeq, run.seq)
	}
	run.missed += missed
}

func (c *runChecker) outcome(r *record.Record, run *judgedRun) {
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

func (c *runChecker) runEnd(r *record.Record, run *judgedRun) {
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
func (c *runChecker) endWriter() {
	for _, run := range c.open {
		c.report.Unknown += uint64(len(run.open))
		if run.started && !run.ended {
			c.report.Interrupted++
		}
	}
	clear(c.open)
	clear(c.ended)
	c.order, c.forgot = nil, false
}
