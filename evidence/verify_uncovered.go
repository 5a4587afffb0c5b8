package evidence

import (
	"slices"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/record"
)

// An uncovered frame stands in a ledger after the last record that is known to be
// signed, or covered by one that is.
type uncovered struct {
	chain.Frame        // without its envelope; without a record where something is wrong with it
	index       uint64 // of the frame, from 1
	unreadable  uint64 // records that bad frames right before it may have been
}

func (u *uncovered) mark() mark { return mark{u.index, u.At} }

// before returns the hash that the record holds of the one before it, which is of
// another writer where the record is its first.
func (u *uncovered) before() record.Hash {
	r := u.Record
	switch {
	case r.Seq != 1:
		return r.Prev
	case r.Session.Previous != nil:
		return r.Session.Previous.Hash
	}
	return record.Hash{}
}

// asUncovered returns the frame that is judged as one that no signature covers
// yet.
func (c *checker) asUncovered(f *chain.Frame) uncovered {
	u := uncovered{Frame: *f, index: c.index, unreadable: c.unreadable}
	c.unreadable = 0
	return u
}

// keepUncovered takes a frame that no signature covers yet. The error is of a
// tree that cannot be computed or compared.
func (c *checker) keepUncovered(f *chain.Frame) error {
	u := c.asUncovered(f)
	u.Env = nil
	if len(c.uncovered) == record.MaxUnsigned {
		c.found(f.Record, record.DamageUnsigned, "no signature covers it nor the %d before it", record.MaxUnsigned)
		for i := range c.uncovered {
			c.writers.excused += c.uncovered[i].unreadable + 1
		}
		if err := c.grow(len(c.uncovered)); err != nil {
			return err
		}
	}
	c.uncovered = append(c.uncovered, u)
	return nil
}

// takeSigned takes the record that is signed, and the uncovered ones before it
// that it covers: each holds the hash of the one before it.
func (c *checker) takeSigned(f *chain.Frame) error {
	base := uint64(c.tree.tiles.Size()) + 1
	last := len(c.uncovered)
	if last == 0 {
		c.writers.excused, c.unreadable = c.writers.excused+c.unreadable, 0
	} else {
		end := c.mark
		frames := append(c.uncovered, c.asUncovered(f))
		order, whole := c.walkBack(frames)
		if !whole {
			c.judgeBreak(frames, order)
		}
		c.judgeStrays(frames, order, whole)
		for _, i := range order[:len(order)-1] {
			c.mark = frames[i].mark()
			c.record(&frames[i].Frame, base+uint64(i))
		}
		if err := c.grow(last); err != nil {
			return err
		}
		c.mark = end
	}
	c.record(f, base+uint64(last))
	c.proven(base + uint64(last))
	return c.tree.grow(f)
}

// proven notes that the first n records are, unless something was wrong.
func (c *checker) proven(n uint64) {
	if c.report.First == nil {
		c.report.Proven = n
	}
}

// walkBack goes back from the last of the frames, by the hashes. It returns which
// ones that leads to, the first one first, and whether the record before that is
// the last one that was proven before.
func (c *checker) walkBack(frames []uncovered) (order []int, whole bool) {
	last := len(frames) - 1
	order = []int{last}
	inPlace := func(i int) bool {
		return frames[i-1].Record != nil && frames[i-1].Hash == frames[i].before()
	}
	at := last
	for at > 0 && inPlace(at) {
		at--
		order = append(order, at)
	}
	if at > 0 { // it is not as it was written
		where := make(map[record.Hash]int)
		for i := at - 1; i >= 0; i-- {
			if frames[i].Record != nil {
				where[frames[i].Hash] = i
			}
		}
		for i := at + 1; i <= last; i++ {
			delete(where, frames[i].Hash)
		}
		for {
			i, ok := where[frames[at].before()]
			if !ok {
				break
			}
			delete(where, frames[i].Hash)
			at = i
			order = append(order, at)
		}
	}
	slices.Reverse(order)
	return order, frames[at].before() == c.writers.head.Hash
}

// judgeBreak says what is wrong where the records before the first one in order
// are not those that it follows.
func (c *checker) judgeBreak(frames []uncovered, order []int) {
	first := &frames[order[0]]
	for i := range order[0] {
		c.writers.excused += frames[i].unreadable + 1
	}
	c.writers.excused += first.unreadable
	if order[0] == 0 {
		return // as between any two records that are signed
	}
	before := &frames[order[0]-1]
	if before.Record == nil {
		return // which was found before
	}
	seq := first.Record.First()
	if first.Record.Seq == 1 {
		seq = before.Record.Seq + 1
		if p := first.Record.Session.Previous; p != nil && p.Writer == before.Record.Writer {
			seq = p.Seq + 1
		}
	} else if before.Record.Writer != first.Record.Writer && before.Record.Seq+1 != seq {
		seq = before.Record.Seq // of a place in another writer's chain, it says nothing about this one's
	}
	defer func(end mark) { c.mark = end }(c.mark)
	c.mark = before.mark()
	switch missing := int64(seq - before.Record.Seq - 1); {
	case missing == 0:
		c.found(before.Record, record.DamageEdited, "its hash is not the one that the record after it holds, "+
			"which is signed or covered by a signature")
	case missing > int64(first.unreadable):
		c.mark = first.mark()
		c.found(first.Record, record.DamageRemoved, "%d records before this one are missing", missing)
		c.writers.excused += uint64(missing)
	case missing < 0:
		c.found(before.Record, record.DamageUnsigned, "nothing that is signed follows from it")
	}
}

// judgeStrays names what stands among the records in order and is none of them,
// and the first of those that stand before one that they follow.
func (c *checker) judgeStrays(frames []uncovered, order []int, whole bool) {
	if len(order) == len(frames) && slices.IsSorted(order) {
		return
	}
	defer func(end mark) { c.mark = end }(c.mark)
	places := make(map[record.Hash]int)
	for _, i := range order {
		places[frames[i].Hash] = i
	}
	from := 0
	if !whole {
		from = order[0]
	}
	for i := from; i < len(frames); i++ {
		u := &frames[i]
		if u.Record == nil || slices.Contains(order, i) {
			continue
		}
		if k, again := places[u.Hash]; again {
			c.mark = frames[max(i, k)].mark()
			c.found(u.Record, record.DamageReplayed, "the record was there before")
		} else {
			c.mark = u.mark()
			c.found(u.Record, record.DamageUnsigned, "nothing that is signed follows from it")
		}
	}
	early := -1
	for k, i := range order[1:] {
		if i < order[k] && (early < 0 || i < early) {
			early = i
		}
	}
	if early >= 0 {
		c.mark = frames[early].mark()
		c.found(frames[early].Record, record.DamageReordered, "a record that this one follows comes after it")
	}
}

// grow adds the first n uncovered frames to the tree, and forgets them.
func (c *checker) grow(n int) error {
	end := c.mark
	for i := range n {
		u := &c.uncovered[i]
		c.mark = u.mark()
		if err := c.tree.grow(&u.Frame); err != nil {
			return err
		}
	}
	c.uncovered = slices.Delete(c.uncovered, 0, n)
	c.mark = end
	return nil
}

// coverTail takes those records at the end that a checkpoint covers and no record
// that is signed.
func (c *checker) coverTail() error {
	tree, covered := c.tree.tiles.Tree(), 0
	for i := range c.uncovered {
		tree.Append(c.uncovered[i].Leaf)
		if c.tree.isExpected(&tree) {
			covered = i + 1
		}
	}
	if covered == 0 {
		return nil
	}
	return c.cover(covered)
}

// cover takes the first n uncovered records, which a checkpoint covers as they
// stand.
func (c *checker) cover(n int) error {
	end := c.mark
	base := uint64(c.tree.tiles.Size()) + 1
	for i := range n {
		u := &c.uncovered[i]
		c.mark = u.mark()
		c.writers.excused += u.unreadable
		if u.Record != nil {
			c.record(&u.Frame, base+uint64(i))
		} else {
			c.writers.excused++
		}
	}
	c.proven(base + uint64(n) - 1)
	c.mark = end
	return c.grow(n)
}

// judgeTail judges what no signature covers at the end of the ledger: records
// on their way there that follow one another, or what somebody put there.
func (c *checker) judgeTail() {
	head := c.writers.head
	for i := range c.uncovered {
		u := &c.uncovered[i]
		if u.Record == nil {
			return // which was found before
		}
		if u.before() != head.Hash || u.Record.Writer != head.Writer || u.unreadable > 0 {
			c.mark = u.mark()
			c.found(u.Record, record.DamageUnsigned, "no signature covers it, and it does not follow from the record before it")
			return
		}
		head.Hash = u.Hash
	}
	c.report.Unsigned = uint64(len(c.uncovered))
}
