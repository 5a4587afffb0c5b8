package ship

import (
	"context"
	"slices"
	"time"

	"example.com/safeconduct/evidence/record"
)

// What a sink refuses for good is parked: the cursor moves over it, and it is not
// sent again by itself. The cursor has the refusals until a record of each is
// durable, at most one a minute while there is but one, so that the ledger says
// in the end which of its records did not arrive.

// maxRefusals bounds the refusals that wait to be recorded. While there are so
// many nothing more is shipped.
const maxRefusals = 16

// A refusal is records of a batch that a sink refused.
type refusal struct {
	envelopes [][]byte
	classes   []string // of the error
}

// refuse notes that n more records were refused for good, or all that are left,
// by an error of some classes.
func (b *batch) refuse(n int, classes []string) {
	n = min(n, b.left())
	if n == 0 {
		return
	}
	b.refusals = append(b.refusals, refusal{b.envelopes[b.done : b.done+n], classes})
	b.refused += n
	b.done += n
}

// park notes that records were refused, for a record to say so. It leaves the refusal
// alone that is being recorded.
func (c *cursor) park(r *refusal, recording *record.Refusal) {
	for _, env := range r.envelopes {
		rec, err := record.Parse(env)
		if err != nil || rec.Kind.AboutDelivery() {
			continue
		}
		include(c.refusalOf(r.classes, recording), rec)
	}
}

// refusalOf returns the refusal, with room for another range, that an error of such
// classes belongs to.
func (c *cursor) refusalOf(classes []string, recording *record.Refusal) *record.Refusal {
	for _, f := range c.Refused {
		if f != recording && len(f.Ranges) < record.MaxRanges && slices.Equal(f.Error, classes) {
			return f
		}
	}
	f := &record.Refusal{Error: classes, Exporter: c.Exporter}
	c.Refused = append(c.Refused, f)
	return f
}

// include adds a record to those of a refusal.
func include(f *record.Refusal, r *record.Record) {
	f.Count++
	if n := len(f.Ranges); n > 0 && f.Ranges[n-1].Writer == r.Writer && f.Ranges[n-1].To == r.Seq-1 {
		f.Ranges[n-1].To = r.Seq
		return
	}
	f.Ranges = append(f.Ranges, record.Range{From: r.Seq, To: r.Seq, Writer: r.Writer})
}

// refusalDue returns when the next refusal may be recorded. There must be one.
func (x *Shipper) refusalDue() time.Time {
	if len(x.cursor.Refused) == 1 && x.refusalAt.After(x.recordAt) && !x.hurry.Load() {
		return x.refusalAt
	}
	return x.recordAt
}

// recordRefusal begins to record a refusal. It stays in the cursor until that is
// durable.
func (x *Shipper) recordRefusal(f *record.Refusal) {
	x.recordAt = time.Now().Add(saveEvery)
	body := *f
	body.Ranges = slices.Clone(f.Ranges) // f goes on where the record cannot be had at once
	done, err := x.Record(record.KindDeliveryFailed, body, true)
	if err != nil {
		return // where nothing is written any more, the next process does it
	}
	x.warn("a sink refused records for good", "records", f.Count, "error", f.Error)
	x.recording, x.wasRecorded = f, done
}

// refusalRecorded takes the answer to that.
func (x *Shipper) refusalRecorded(err error) {
	f := x.recording
	x.recording, x.wasRecorded = nil, nil
	if err != nil {
		return
	}
	x.refusalAt = time.Now().Add(reportEvery)
	if x.hurry.Load() {
		x.recordAt = time.Time{}
	}
	x.mu.Lock()
	x.cursor.Refused = slices.DeleteFunc(x.cursor.Refused, func(other *record.Refusal) bool { return other == f })
	x.announce()
	x.mu.Unlock()
	x.unsaved = true
}

// RecordRefusalsNow has refusals recorded without a rest between them, from now on.
func (x *Shipper) RecordRefusalsNow() { x.hurry.Store(true) }

// WaitRefusalsRecorded waits until all refusals so far are recorded, unless records
// cannot be written at the moment, as failing says.
func (x *Shipper) WaitRefusalsRecorded(ctx context.Context, failing func() error) {
	x.wake()
	x.mu.Lock()
	those := slices.Clone(x.cursor.Refused)
	x.mu.Unlock()
	for failing() == nil {
		x.mu.Lock()
		moved := x.moved
		left := slices.ContainsFunc(those, func(f *record.Refusal) bool { return slices.Contains(x.cursor.Refused, f) })
		x.mu.Unlock()
		if !left {
			return
		}
		select {
		case <-moved:
		case <-time.After(closePoll):
		case <-x.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Unrecorded returns how many records the sink refused of which no record says so.
func (x *Shipper) Unrecorded() (records uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.cursor.Refused {
		records += f.Count
	}
	return records
}
