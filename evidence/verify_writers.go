package evidence

import (
	"slices"
	"time"

	"example.com/safeconduct/evidence/record"
)

// A writerChecker judges whether the records of each writer follow one another,
// and the writers one another.
type writerChecker struct {
	*findings
	head    record.Head   // the last record, whose writer the ledger is at
	mono    time.Duration // of that record
	wall    time.Time     // the same
	excused uint64        // records that may be missing after it, as the frames since then were found bad
	missing uint64        // of this writer's records, declared or not
	holes   []hole
	recent  [64]record.Hash   // by seq: tells a replay from an equivocation
	ended   map[string]uint64 // the last seq of each writer that has ended
}

// A hole is a range of sequence numbers that were passed over without a gap.
type hole struct {
	from, to uint64
	finding  *Finding // the report's First, if that is of this hole
}

// take checks the next record's place in its writer's chain, and reports whether
// it stands in order, so that the rest can be checked.
func (w *writerChecker) take(r *record.Record, hash record.Hash) (inOrder bool) {
	switch {
	case r.Writer != w.head.Writer && w.ended[r.Writer] > 0:
		w.found(r, record.DamageReplayed, "a record of a writer that has ended")
		return false
	case r.Writer != w.head.Writer:
		w.begin(r)
	case r.Seq <= w.head.Seq:
		w.outOfOrder(r, hash)
		return false
	default:
		w.follow(r)
	}
	if r.Mono < w.mono {
		w.found(r, record.DamageInconsistent, "the monotonic clock steps back")
	} else if step := r.Time.Sub(w.wall) - (r.Mono - w.mono); !w.wall.IsZero() && step.Abs() > maxClockStep {
		w.report.ClockSteps++
	}
	w.head = record.Head{Hash: hash, Seq: r.Seq, Writer: r.Writer}
	w.mono, w.wall, w.excused = r.Mono, r.Time, 0
	w.recent[r.Seq%uint64(len(w.recent))] = hash
	if r.Kind == record.KindGap {
		w.report.Gaps++
		w.report.Lost += r.Gap.Count
	}
	return true
}

// maxClockStep is by how much the wall clock may leave the other one from one
// record to the next before it counts.
const maxClockStep = time.Minute

// follow checks a record of the same writer with a higher number.
func (w *writerChecker) follow(r *record.Record) {
	missing := r.Seq - w.head.Seq - 1
	w.missing += missing
	switch {
	case r.Kind == record.KindGap:
		switch {
		case r.Gap.From <= w.head.Seq:
			w.found(r, record.DamageInconsistent, "the gap declares records lost that are there")
		case r.Gap.From-w.head.Seq-1 > w.excused:
			w.addHole(r, w.head.Seq+1, r.Gap.From-1)
		case r.Gap.From == w.head.Seq+1 && r.Prev != w.head.Hash:
			w.found(r, record.DamageEquivocation, "the record does not follow from the one before it")
		}
	case missing > w.excused:
		w.addHole(r, w.head.Seq+1, r.Seq-1)
	case missing == 0 && r.Prev != w.head.Hash:
		w.found(r, record.DamageEquivocation, "the record does not follow from the one before it")
	}
}

// maxHoles bounds the holes that are kept in mind to tell removal from
// reordering. What does not fit counts as removed.
const maxHoles = 256

func (w *writerChecker) addHole(r *record.Record, from, to uint64) {
	finding := w.found(r, record.DamageRemoved, "%d records before this one are missing", to-from+1)
	if len(w.holes) < maxHoles {
		w.holes = append(w.holes, hole{from, to, finding})
	}
}

// outOfOrder takes a record with a number that the ledger has passed.
func (w *writerChecker) outOfOrder(r *record.Record, hash record.Hash) {
	i := slices.IndexFunc(w.holes, func(h hole) bool { return h.from <= r.Seq && r.Seq <= h.to })
	if i < 0 {
		if w.head.Seq-r.Seq < uint64(len(w.recent)) && w.recent[r.Seq%uint64(len(w.recent))] != hash {
			w.found(r, record.DamageEquivocation, "another record with this number came before it")
		} else {
			w.found(r, record.DamageReplayed, "the record was there before")
		}
		return
	}
	// It is not missing after all.
	h := w.holes[i]
	w.report.Damage[record.DamageReordered]++
	if f := h.finding; f != nil && f.Damage == record.DamageRemoved {
		f.Damage, f.Detail = record.DamageReordered, "a record that this one follows comes after it"
	}
	w.holes = slices.Delete(w.holes, i, i+1)
	if h.from < r.Seq {
		w.holes = append(w.holes, hole{h.from, r.Seq - 1, h.finding})
	}
	if r.Seq < h.to {
		w.holes = append(w.holes, hole{r.Seq + 1, h.to, h.finding})
	}
	if h.from == h.to {
		if w.report.Damage[record.DamageRemoved]--; w.report.Damage[record.DamageRemoved] == 0 {
			delete(w.report.Damage, record.DamageRemoved)
		}
	}
}

// begin checks the first record of a writer that the ledger has not met.
func (w *writerChecker) begin(r *record.Record) {
	first := w.head.Writer == ""
	switch {
	case r.Seq != 1:
		if r.Seq-1 > w.excused || w.excused == 0 {
			w.found(r, record.DamageRemoved, "the first records of the writer are missing")
		}
	case first && r.Session.Previous == nil:
	case first:
		if w.excused == 0 {
			w.found(r, record.DamageRemoved, "the records of the writers before it are missing")
		}
	case r.Session.Previous == nil:
		w.found(r, record.DamageEquivocation, "the writer begins as if the ledger were empty")
	case *r.Session.Previous == w.head:
	case r.Session.Previous.Writer != w.head.Writer:
		w.found(r, record.DamageRemoved, "the records of the writer before it are missing")
	case r.Session.Previous.Seq > w.head.Seq:
		if missing := r.Session.Previous.Seq - w.head.Seq; missing > w.excused {
			w.found(r, record.DamageRemoved, "%d records before this one are missing", missing)
		}
	default:
		w.found(r, record.DamageEquivocation, "the writer follows another record than the one before it")
	}
	if !first {
		w.ended[w.head.Writer] = w.head.Seq
		if r.Time.Before(w.wall.Add(-maxClockStep)) {
			w.report.ClockSteps++
		}
	}
	w.report.Writers++
	w.mono, w.wall, w.missing, w.holes = 0, time.Time{}, r.Seq-1, nil
	clear(w.recent[:])
}

// judgeRefused checks that the ledger has had the records that a sink refused,
// as r says.
func (w *writerChecker) judgeRefused(r *record.Record) {
	w.report.Refused += r.Refused.Count
	for _, g := range r.Refused.Ranges {
		last, there := w.ended[g.Writer]
		if g.Writer == r.Writer {
			last, there = r.Seq-1, true
		}
		if !there || g.To > last {
			w.found(r, record.DamageInconsistent, "it says that records were refused that do not come before it")
			return
		}
	}
}
