package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

// Timelines gather the records of a ledger into runs, and print each when it is
// over: memory grows with the runs under way at one time, not with the ledger.
type timelines struct {
	out *bufio.Writer
	dir string

	writer string
	runs   map[string]*timeline // of this writer, not printed yet
	next   int                  // the place of the next one

	total, interrupted, calls, unknown uint64
	printed                            bool
}

func newTimelines(out *bufio.Writer, dir string) *timelines {
	return &timelines{out: out, dir: dir, runs: make(map[string]*timeline)}
}

// A timeline is one run.
type timeline struct {
	id    string
	place int // in the order in which runs were first met
	who   *record.Who
	cover *record.Coverage

	started, ended bool
	start          time.Time
	from, to       time.Duration // by the writer's clock

	calls []*call
	byID  map[uint32]*call
	open  int
}

// A call is one call of a run, as the timeline shows it.
type call struct {
	id, parent uint32
	kind, name string

	orphan  bool           // it has no intent
	effects record.Effects // of its intent

	result   record.Result // empty without an outcome
	latency  time.Duration
	usage    *record.Usage
	allowed  []string // the gates that did and did not say why, in order
	notes    []string // what else gates decided
	denial   denial   // zero if it was not denied
	decided  bool     // the denial is one of its own gates'
	told     bool     // and was handed back as text
	reached  bool     // the tool, chain or model was called
	released int64    // bytes of its stream
	error    []string // classes
}

func (t *timelines) entry(e *evidence.Entry) error {
	r := e.Record
	if r.Writer != t.writer {
		if err := t.flush(); err != nil {
			return err
		}
		t.writer = r.Writer
	}
	switch r.Kind {
	case record.KindSession:
		if r.Seq > 1 {
			return t.remark("KEY: another session key, until %s", date(r.Session.NotAfter))
		}
		t.blank()
		fmt.Fprintf(t.out, "writer %s  %s%s\n", escape(r.Writer), date(r.Time), recovered(r.Session.Recovered))
		return t.err()
	case record.KindRotate:
		return t.remark("KEY: handed over to the root key %s", escape(r.Rotate.Key))
	case record.KindErased:
		return t.remark("ERASED: content %s, by authority of %s: %s",
			escape(r.Erased.Commitment), escape(r.Erased.Authority), escape(r.Erased.Reason))
	case record.KindGap:
		return t.remark("GAP: %s lost, seq %d to %d: %s", count(r.Gap.Count, "record"), r.Gap.From, r.Gap.To, escape(r.Gap.Reason))
	case record.KindStart, record.KindIntent, record.KindOutcome, record.KindEnd:
		run := t.runs[r.Run]
		if run == nil {
			run = &timeline{id: r.Run, place: t.next, byID: make(map[uint32]*call)}
			t.runs[r.Run] = run
			t.next++
		}
		run.add(r)
		if run.ended && run.open == 0 {
			delete(t.runs, r.Run)
			return t.printRun(run)
		}
	case record.KindDeliveryFailed:
		return t.remark("REFUSED: the sink of %s refused %s for good%s: %s",
			escape(r.Refused.Exporter), count(r.Refused.Count, "record"), inBrackets(r.Refused.Error), ranges(r.Refused.Ranges))
	case record.KindBreaker:
		return t.remark("BREAKER: %s is %s%s", escape(r.Breaker.Exporter), escape(r.Breaker.State), inBrackets(r.Breaker.Error))
	case record.KindApproval:
		// Reserved: Read refuses them.
	}
	return nil
}

func (t *timelines) damage(_ *evidence.Entry, err error) error {
	return t.remark("DAMAGE: %s", escape(strings.TrimPrefix(err.Error(), "evidence: ")))
}

// remark prints what stands between runs.
func (t *timelines) remark(format string, args ...any) error {
	t.blank()
	t.printParagraph("", fmt.Sprintf(format, args...))
	return t.err()
}

// blank separates what follows from what was printed.
func (t *timelines) blank() {
	if t.printed {
		fmt.Fprintln(t.out)
	}
	t.printed = true
}

// err returns the error of the writer, which keeps it.
func (t *timelines) err() error {
	_, err := t.out.Write(nil)
	return err
}

// flush prints the runs of a writer that has ended.
func (t *timelines) flush() error {
	runs := slices.SortedFunc(maps.Values(t.runs), func(a, b *timeline) int { return cmp.Compare(a.place, b.place) })
	clear(t.runs)
	for _, run := range runs {
		if err := t.printRun(run); err != nil {
			return err
		}
	}
	return nil
}

func (t *timelines) end() error {
	if err := t.flush(); err != nil {
		return err
	}
	t.blank()
	fmt.Fprintf(t.out, "%s, %s\n",
		countWith(t.total, "run", t.interrupted, "interrupted"), countWith(t.calls, "call", t.unknown, "unknown"))
	fmt.Fprintf(t.out, "No signature was checked: safeconduct verify %s --key FILE\n", escape(t.dir))
	return t.err()
}

// add takes the next record of the run.
func (run *timeline) add(r *record.Record) {
	if run.who == nil {
		run.who = r.Who
	}
	switch r.Kind {
	case record.KindStart:
		run.started, run.start, run.from, run.cover = true, r.Time, r.Mono, r.Coverage
	case record.KindIntent:
		c := run.call(r.Call)
		c.effects = r.Effects
		run.byID[c.id] = c
		run.open++
	case record.KindOutcome:
		c := run.byID[r.Call.ID]
		if c == nil {
			c = run.call(r.Call)
			c.orphan = true
		} else {
			delete(run.byID, c.id)
			run.open--
		}
		c.outcome(r)
	case record.KindEnd:
		run.ended, run.to = true, r.Mono
	default: // not of runs
	}
}

// call adds a call.
func (run *timeline) call(rc *record.Call) *call {
	c := &call{id: rc.ID, parent: rc.Parent, kind: escape(rc.Kind), name: escape(rc.Name)}
	run.calls = append(run.calls, c)
	return c
}

// outcome takes what came of the call.
func (c *call) outcome(r *record.Record) {
	o := r.Outcome
	c.result, c.latency, c.usage = o.Result, o.Latency, r.Usage
	c.told, c.reached, c.error, c.released = o.Told, o.Reached, o.Error, o.Released
	if o.Result == record.ResultDenied {
		c.denial = denial{o.Gate, o.Code, o.Reason}
	}
	for _, d := range r.Decisions {
		why := denial{d.Gate, d.Code, d.Reason}
		switch {
		case d.Verdict == "allow" && d.Reason == "":
			gate := escape(d.Gate)
			if d.Shadow {
				gate += " (shadow)"
			}
			if !slices.Contains(c.allowed, gate) {
				c.allowed = append(c.allowed, gate)
			}
			continue
		case d.Verdict == "deny" && !d.Shadow && c.denial == why:
			c.decided = true // printed with the outcome
			continue
		}
		c.notes = append(c.notes, verdict(&d)+byWhom(why, ""))
	}
	if r.Omitted > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%d more decisions and the like were left out of the record", r.Omitted))
	}
}
