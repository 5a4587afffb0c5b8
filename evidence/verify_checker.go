package evidence

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A checker is fed the frames of a ledger in order.
type checker struct {
	report *Report
	tree   *tiles.Writer // over the envelopes so far
	index  uint64        // of the frame, from 1
	at     segment.Place

	// The writer that the ledger is at.
	writer  string
	seq     uint64
	hash    record.Hash
	mono    time.Duration
	wall    time.Time
	doubt   uint64 // records that the bad frames since then may have been
	loose   uint64 // those of them that are not before a frame of the window
	missing uint64 // of this writer's records, declared or not
	holes   []hole
	recent  [64]record.Hash      // by seq: tells a replay from an equivocation
	earlier map[string]uint64    // the last seq of each writer that has ended
	runs    map[string]*runCheck // under way
	ended   map[string]*runCheck // the last of those that ended
	order   []string             // in which they did
	forgot  bool                 // there were more

	// What signs, see window.go and checktree.go.
	window   []waiting // what no signature covers yet
	session  *session  // in force
	reigns   reigns    // of all sessions so far
	anchors  []*anchor
	next     int    // of the anchors that the tree has not reached
	torn     uint64 // records that all bad frames may have been
	reach    int64  // records that the tiles are of, at least
	tile     string // that says so
	agreed   uint64 // records that a tree head was of, which was signed before
	over     bool   // there are no more records
	lastRoot []byte // the last that introduced a session
}

// A hole is a range of sequence numbers that were passed over without a gap.
type hole struct {
	from, to uint64
	finding  *Finding // the report's First, if that is of this hole
}

func newChecker(origin string, tree *tiles.Writer) *checker {
	return &checker{
		report:  &Report{Ledger: origin, Damage: make(map[record.Damage]uint64)},
		tree:    tree,
		earlier: make(map[string]uint64),
		runs:    make(map[string]*runCheck),
		ended:   make(map[string]*runCheck),
	}
}

// found notes a damage at the current place. r is nil where it is not known. The
// first one is the one that stands first, but what is wrong with checkpoints and
// tiles comes after all that is wrong with records.
func (c *checker) found(r *record.Record, damage record.Damage, format string, args ...any) *Finding {
	c.report.Damage[damage]++
	if first := c.report.First; first != nil && (c.over || first.Record <= c.index) {
		return nil
	}
	f := &Finding{
		Damage: damage, Detail: fmt.Sprintf(format, args...),
		Record: c.index, Segment: c.at.Segment, Offset: c.at.Offset,
	}
	if r != nil {
		f.Writer, f.Seq, f.Run = r.Writer, r.Seq, r.Run
	}
	c.report.First = f
	return f
}

// smallest is less than any frame that holds a record.
const smallest = 512

// frame takes the next frame. The error is of a tree that cannot be computed or
// compared.
func (c *checker) frame(f *frame) error {
	c.index++
	c.at = f.at
	if f.bad != nil {
		n := 1 + uint64(f.bad.Skipped/smallest)
		c.loose += n
		c.torn += n
		c.found(nil, damageOf(f.bad), "%s", f.bad.Detail)
		return nil //nolint:nilerr // it is found, which is what was asked
	}
	switch err := c.acceptable(f); {
	case err != nil:
		var bad *record.Error
		errors.As(err, &bad)
		c.found(f.record, bad.Damage, "%s", bad.Detail)
		if len(c.window) == 0 {
			c.loose++
			return c.grow(f)
		}
		none := *f
		none.record = nil
		return c.wait(&none)
	case !f.signed:
		return c.wait(f)
	}
	return c.prove(f)
}

// acceptable returns a *record.Error where a frame holds no record of this ledger
// that may stand there at all. Signatures were checked before, or it is only
// looked at whether there are some.
func (c *checker) acceptable(f *frame) error {
	if f.err != nil {
		return f.err
	}
	if c.report.Ledger == "" {
		c.report.Ledger = f.record.Ledger
	}
	switch kind := f.record.Kind; {
	case f.record.Ledger != c.report.Ledger:
		return record.Errorf(record.DamageSpliced, "the record is of the ledger %q", record.Brief(f.record.Ledger))
	case f.signed:
	case kind == record.KindSession || kind == record.KindRotate || c.session == nil || c.session.signing == record.SignRecords:
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	return nil
}

// record takes the next record that is proven: number n of the ledger.
func (c *checker) record(f *frame, n uint64) {
	r := f.record
	c.report.Records++
	if !c.chain(r, f.hash) {
		return
	}
	c.signed(f, n)
	switch r.Kind {
	case record.KindSession:
		if was := r.Session.Recovered; was != nil {
			c.recovered(was)
		}
	case record.KindRotate:
		c.report.Rotations++
	case record.KindErased:
		c.report.Erased++
	case record.KindDeliveryFailed:
		c.refused(r)
	}
	c.run(f.subject, r, f.hash)
}

// recovered counts what an opening took out of the ledger.
func (c *checker) recovered(r *record.Recovered) {
	c.report.Torn += r.Bytes
	if r.Unsigned != nil {
		c.report.Cut += r.Unsigned.Records
	}
	if r.Aside != nil {
		c.report.Aside++
	}
}

// refused checks that the ledger has had the records that a sink refused.
func (c *checker) refused(r *record.Record) {
	c.report.Refused += r.Refused.Count
	for _, g := range r.Refused.Ranges {
		last, there := c.earlier[g.Writer]
		if g.Writer == r.Writer {
			last, there = r.Seq-1, true
		}
		if !there || g.To > last {
			c.found(r, record.DamageInconsistent, "it says that records were refused that do not come before it")
			return
		}
	}
}

// chain checks the record's place in its writer's chain, and reports whether it
// stands in order, so that the rest can be checked.
func (c *checker) chain(r *record.Record, hash record.Hash) (inOrder bool) {
	switch {
	case r.Writer != c.writer && c.earlier[r.Writer] > 0:
		c.found(r, record.DamageReplayed, "a record of a writer that has ended")
		return false
	case r.Writer != c.writer:
		c.begin(r)
	case r.Seq <= c.seq:
		c.outOfOrder(r, hash)
		return false
	default:
		c.follow(r)
	}
	if r.Mono < c.mono {
		c.found(r, record.DamageInconsistent, "the monotonic clock steps back")
	} else if step := r.Time.Sub(c.wall) - (r.Mono - c.mono); !c.wall.IsZero() && step.Abs() > maxClockStep {
		c.report.ClockSteps++
	}
	c.seq, c.hash, c.mono, c.wall, c.doubt = r.Seq, hash, r.Mono, r.Time, 0
	c.recent[r.Seq%uint64(len(c.recent))] = hash
	if r.Kind == record.KindGap {
		c.report.Gaps++
		c.report.Lost += r.Gap.Count
	}
	return true
}

// maxClockStep is by how much the wall clock may leave the other one from one
// record to the next before it counts.
const maxClockStep = time.Minute

// follow checks a record of the same writer with a higher number.
func (c *checker) follow(r *record.Record) {
	missing := r.Seq - c.seq - 1
	c.missing += missing
	switch {
	case r.Kind == record.KindGap:
		switch {
		case r.Gap.From <= c.seq:
			c.found(r, record.DamageInconsistent, "the gap declares records lost that are there")
		case r.Gap.From-c.seq-1 > c.doubt:
			c.hole(r, c.seq+1, r.Gap.From-1)
		case r.Gap.From == c.seq+1 && r.Prev != c.hash:
			c.found(r, record.DamageEquivocation, "the record does not follow from the one before it")
		}
	case missing > c.doubt:
		c.hole(r, c.seq+1, r.Seq-1)
	case missing == 0 && r.Prev != c.hash:
		c.found(r, record.DamageEquivocation, "the record does not follow from the one before it")
	}
}

// maxHoles bounds the holes that are kept in mind to tell removal from
// reordering. What does not fit counts as removed.
const maxHoles = 256

func (c *checker) hole(r *record.Record, from, to uint64) {
	finding := c.found(r, record.DamageRemoved, "%d records before this one are missing", to-from+1)
	if len(c.holes) < maxHoles {
		c.holes = append(c.holes, hole{from, to, finding})
	}
}

// outOfOrder takes a record with a number that the ledger has passed.
func (c *checker) outOfOrder(r *record.Record, hash record.Hash) {
	i := slices.IndexFunc(c.holes, func(h hole) bool { return h.from <= r.Seq && r.Seq <= h.to })
	if i < 0 {
		if c.seq-r.Seq < uint64(len(c.recent)) && c.recent[r.Seq%uint64(len(c.recent))] != hash {
			c.found(r, record.DamageEquivocation, "another record with this number came before it")
		} else {
			c.found(r, record.DamageReplayed, "the record was there before")
		}
		return
	}
	// It is not missing after all.
	h := c.holes[i]
	c.report.Damage[record.DamageReordered]++
	if f := h.finding; f != nil && f.Damage == record.DamageRemoved {
		f.Damage, f.Detail = record.DamageReordered, "a record that this one follows comes after it"
	}
	c.holes = slices.Delete(c.holes, i, i+1)
	if h.from < r.Seq {
		c.holes = append(c.holes, hole{h.from, r.Seq - 1, h.finding})
	}
	if r.Seq < h.to {
		c.holes = append(c.holes, hole{r.Seq + 1, h.to, h.finding})
	}
	if h.from == h.to {
		if c.report.Damage[record.DamageRemoved]--; c.report.Damage[record.DamageRemoved] == 0 {
			delete(c.report.Damage, record.DamageRemoved)
		}
	}
}

// begin checks the first record of a writer that the ledger has not met.
func (c *checker) begin(r *record.Record) {
	want := (*record.Head)(nil)
	if c.writer != "" {
		want = &record.Head{Hash: c.hash, Seq: c.seq, Writer: c.writer}
	}
	switch {
	case r.Seq != 1:
		if r.Seq-1 > c.doubt || c.doubt == 0 {
			c.found(r, record.DamageRemoved, "the first records of the writer are missing")
		}
	case want == nil && r.Session.Previous == nil:
	case want == nil:
		if c.doubt == 0 {
			c.found(r, record.DamageRemoved, "the records of the writers before it are missing")
		}
	case r.Session.Previous == nil:
		c.found(r, record.DamageEquivocation, "the writer begins as if the ledger were empty")
	case *r.Session.Previous == *want:
		c.sameTree(r)
	case r.Session.Previous.Writer != want.Writer:
		c.found(r, record.DamageRemoved, "the records of the writer before it are missing")
	case r.Session.Previous.Seq > want.Seq:
		if r.Session.Previous.Seq-want.Seq > c.doubt {
			c.found(r, record.DamageRemoved, "%d records before this one are missing", r.Session.Previous.Seq-want.Seq)
		}
	default:
		c.found(r, record.DamageEquivocation, "the writer follows another record than the one before it")
	}
	c.endWriter()
	if c.writer != "" {
		c.earlier[c.writer] = c.seq
		if r.Time.Before(c.wall.Add(-maxClockStep)) {
			c.report.ClockSteps++
		}
	}
	c.report.Writers++
	c.writer, c.mono, c.wall, c.missing, c.holes = r.Writer, 0, time.Time{}, r.Seq-1, nil
	clear(c.recent[:])
}

// finish takes the end of the ledger.
func (c *checker) finish() error {
	end := mark{c.index, c.at}
	if err := c.coverTail(); err != nil {
		return err
	}
	c.tail()
	c.index, c.at = end.index, end.at
	c.endWriter()
	if c.writer != "" {
		c.report.Head = &record.Head{Hash: c.hash, Seq: c.seq, Writer: c.writer}
	}
	if c.index == 0 {
		c.found(nil, record.DamageRemoved, "the ledger holds no record")
	}
	c.finishTree()
	return nil
}
