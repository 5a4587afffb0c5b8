package evidence

import (
	"errors"
	"fmt"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A checker judges the frames of a ledger, which it is fed in order. It tells
// which of them a signature covers; what these say of writers, runs and the tree
// is judged by one checker each.
type checker struct {
	findings
	writers writerChecker
	runs    runChecker
	tree    treeChecker

	uncovered  []uncovered // frames that no signature covers yet
	unreadable uint64      // records that the bad frames since the last good one may have been
}

// findings are all that is wrong with a ledger: each is counted, and the first is
// kept with its place.
type findings struct {
	report *Report
	mark        // of the frame that is judged
	over   bool // there are no more records
}

// A mark is where a frame is, and its number.
type mark struct {
	index uint64 // from 1
	at    segment.Place
}

func newChecker(origin string, tree *tiles.Writer) *checker {
	c := &checker{findings: findings{report: &Report{Ledger: origin, Damage: make(map[record.Damage]uint64)}}}
	c.writers = writerChecker{findings: &c.findings, ended: make(map[string]uint64)}
	c.runs = runChecker{findings: &c.findings, open: make(map[string]*judgedRun), ended: make(map[string]*judgedRun)}
	c.tree = treeChecker{findings: &c.findings, tiles: tree}
	return c
}

// found notes a damage at the current place. r is nil where it is not known. The
// first one is the one that stands first, but what is wrong with checkpoints and
// tiles comes after all that is wrong with records.
func (fs *findings) found(r *record.Record, damage record.Damage, format string, args ...any) *Finding {
	fs.report.Damage[damage]++
	if first := fs.report.First; first != nil && (fs.over || first.Record <= fs.index) {
		return nil
	}
	f := &Finding{
		Damage: damage, Detail: fmt.Sprintf(format, args...),
		Record: fs.index, Segment: fs.at.Segment, Offset: fs.at.Offset,
	}
	if r != nil {
		f.Writer, f.Seq, f.Run = r.Writer, r.Seq, r.Run
	}
	fs.report.First = f
	return f
}

// minFrame is shorter than any frame that holds a record.
const minFrame = 512

// frame takes the next frame. The error is of a tree that cannot be computed or
// compared.
func (c *checker) frame(f *chain.Frame) error {
	c.mark = mark{c.index + 1, f.At}
	if f.Bad != nil {
		n := 1 + uint64(f.Bad.Skipped/minFrame)
		c.unreadable += n
		c.tree.unreadable += n
		c.found(nil, chain.DamageOf(f.Bad), "%s", f.Bad.Detail)
		return nil //nolint:nilerr // it is found, which is what was asked
	}
	switch err := c.acceptable(f); {
	case err != nil:
		var bad *record.Error
		errors.As(err, &bad)
		c.found(f.Record, bad.Damage, "%s", bad.Detail)
		if len(c.uncovered) == 0 {
			c.unreadable++
			return c.tree.grow(f)
		}
		none := *f
		none.Record = nil
		return c.keepUncovered(&none)
	case !f.Signed:
		return c.keepUncovered(f)
	}
	return c.takeSigned(f)
}

// acceptable returns a *record.Error where a frame holds no record of this ledger
// that may stand there at all. Signatures were checked before, or it is only
// looked at whether there are some.
func (c *checker) acceptable(f *chain.Frame) error {
	if f.Err != nil {
		return f.Err
	}
	if c.report.Ledger == "" {
		c.report.Ledger = f.Record.Ledger
	}
	switch kind, session := f.Record.Kind, c.tree.session; {
	case f.Record.Ledger != c.report.Ledger:
		return record.Errorf(record.DamageSpliced, "the record is of the ledger %q", record.Brief(f.Record.Ledger))
	case f.Signed:
	case kind == record.KindSession || kind == record.KindRotate || session == nil || session.Signing == record.SignRecords:
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	return nil
}

// record takes the next record that is proven: number n of the ledger.
func (c *checker) record(f *chain.Frame, n uint64) {
	r := f.Record
	c.report.Records++
	before := c.writers.head
	if !c.writers.take(r, f.Hash) {
		return
	}
	if r.Writer != before.Writer {
		c.tree.sameTree(r, before)
		c.runs.endWriter()
	}
	c.tree.judgeSession(f, n)
	switch r.Kind {
	case record.KindSession:
		if was := r.Session.Recovered; was != nil {
			c.countRecovered(was)
		}
	case record.KindRotate:
		c.report.Rotations++
	case record.KindErased:
		c.report.Erased++
	case record.KindDeliveryFailed:
		c.writers.judgeRefused(r)
	}
	c.runs.take(f.Subject, r, f.Hash, c.writers.missing)
}

// countRecovered counts what an opening took out of the ledger.
func (c *checker) countRecovered(r *record.Recovered) {
	c.report.Torn += r.Bytes
	if r.Unsigned != nil {
		c.report.Cut += r.Unsigned.Records
	}
	if r.Aside != nil {
		c.report.Aside++
	}
}

// isEmpty reports whether there is no record, and nothing says that there ever was
// one: an incomplete frame at most.
func (c *checker) isEmpty() bool {
	return c.index == 0 && len(c.tree.expected) == 0 && c.tree.reach == 0
}

// finish takes the end of the ledger.
func (c *checker) finish() error {
	end := c.mark
	if err := c.coverTail(); err != nil {
		return err
	}
	c.judgeTail()
	c.mark = end
	c.runs.endWriter()
	if c.writers.head.Writer != "" {
		head := c.writers.head
		c.report.Head = &head
	}
	if c.index == 0 {
		c.found(nil, record.DamageRemoved, "the ledger holds no record")
	}
	c.tree.finish(int64(len(c.uncovered)))
	return nil
}
