package evidence

import (
	"slices"

	"example.com/safeconduct/evidence/record"
)

// A waiting is what stands in a ledger after the last record that is known to be
// signed, or covered by one that is.
type waiting struct {
	frame        // without its envelope; without a record where something is wrong with it
	index uint64 // of the frame, from 1
	torn  uint64 // records that bad frames right before it may have been
}

// before returns the hash that the record holds of the one before it, which is of
// another writer where the record is its first.
func (w *waiting) before() record.Hash {
	r := w.record
	switch {
	case r.Seq != 1:
		return r.Prev
	case r.Session.Previous != nil:
		return r.Session.Previous.Hash
	}
	return record.Hash{}
}

// wait takes a frame that no signature covers yet. The error is of a tree that
// cannot be computed or compared.
func (c *checker) wait(f *frame) error {
	w := waiting{frame: *f, index: c.index, torn: c.loose}
	w.env, c.loose = nil, 0
	if len(c.window) == record.MaxUnsigned {
		c.found(f.record, record.DamageUnsigned, "no signature covers it nor the %d before it", record.MaxUnsigned)
		for i := range c.window {
			c.doubt += c.window[i].torn + 1
		}
		if err := c.growWindow(len(c.window)); err != nil {
			return err
		}
	}
	c.window = append(c.window, w)
	return nil
}

// prove takes the record that is signed, and those of the window that it covers:
// each holds the hash of the one before it.
func (c *checker) prove(f *frame) error {
	if len(c.window) == 0 {
		c.doubt, c.loose = c.doubt+c.loose, 0
		c.record(f, uint64(c.tree.Size())+1)
		c.proven(uint64(c.tree.Size()) + 1)
		return c.grow(f)
	}
	w := waiting{frame: *f, index: c.index, torn: c.loose}
	c.loose = 0
	window := append(c.window, w)
	last := len(window) - 1
	order, whole := c.walkBack(window)
	if !whole {
		c.broken(window, order)
	}
	c.strays(window, order, whole)
	base := uint64(c.tree.Size()) + 1
	for _, i := range order[:len(order)-1] {
		c.at, c.index = window[i].at, window[i].index
		c.record(&window[i].frame, base+uint64(i))
	}
	if err := c.growWindow(last); err != nil {
		return err
	}
	c.at, c.index = w.at, w.index
	c.record(f, base+uint64(last))
	c.proven(base + uint64(last))
	return c.grow(f)
}

// proven notes that the first n records are, unless something was wrong.
func (c *checker) proven(n uint64) {
	if c.report.First == nil {
		c.report.Proven = n
	}
}

// walkBack goes back from the last record of the window, by the hashes. It returns
// which ones that leads to, the first one first, and whether the record before
// that is the last one that was proven before.
func (c *checker) walkBack(window []waiting) (order []int, whole bool) {
	last := len(window) - 1
	order = []int{last}
	inPlace := func(i int) bool {
		return window[i-1].record != nil && window[i-1].hash == window[i].before()
	}
	at := last
	for at > 0 && inPlace(at) {
		at--
		order = append(order, at)
	}
	if at > 0 { // it is not as it was written
		where := make(map[record.Hash]int)
		for i := at - 1; i >= 0; i-- {
			if window[i].record != nil {
				where[window[i].hash] = i
			}
		}
		for i := at + 1; i <= last; i++ {
			delete(where, window[i].hash)
		}
		for {
			i, ok := where[window[at].before()]
			if !ok {
				break
			}
			delete(where, window[i].hash)
			at = i
			order = append(order, at)
		}
	}
	slices.Reverse(order)
	return order, window[at].before() == c.hash
}

// broken says what is wrong where the records before the first one in order are
// not those that it follows.
func (c *checker) broken(window []waiting, order []int) {
	head := &window[order[0]]
	for i := range order[0] {
		c.doubt += window[i].torn + 1
	}
	c.doubt += head.torn
	if order[0] == 0 {
		return // as between any two records that are signed
	}
	q := &window[order[0]-1]
	if q.record == nil {
		return // which was found before
	}
	seq := head.record.First()
	if head.record.Seq == 1 {
		seq = q.record.Seq + 1
		if p := head.record.Session.Previous; p != nil && p.Writer == q.record.Writer {
			seq = p.Seq + 1
		}
	} else if q.record.Writer != head.record.Writer && q.record.Seq+1 != seq {
		seq = q.record.Seq // of a place in another writer's chain, it says nothing about this one's
	}
	end := mark{c.index, c.at}
	switch missing := int64(seq - q.record.Seq - 1); {
	case missing == 0:
		c.index, c.at = q.index, q.at
		c.found(q.record, record.DamageEdited, "its hash is not the one that the record after it holds, "+
			"which is signed or covered by a signature")
	case missing > int64(head.torn):
		c.index, c.at = head.index, head.at
		c.found(head.record, record.DamageRemoved, "%d records before this one are missing", missing)
		c.doubt += uint64(missing)
	case missing < 0:
		c.index, c.at = q.index, q.at
		c.found(q.record, record.DamageUnsigned, "nothing that is signed follows from it")
	}
	c.index, c.at = end.index, end.at
}

// strays names what stands among the records in order and is none of them, and
// the first of those that stand before one that they follow.
func (c *checker) strays(window []waiting, order []int, whole bool) {
	if len(order) == len(window) && slices.IsSorted(order) {
		return
	}
	end := mark{c.index, c.at}
	defer func() { c.index, c.at = end.index, end.at }()
	places := make(map[record.Hash]int)
	for _, i := range order {
		places[window[i].hash] = i
	}
	from := 0
	if !whole {
		from = order[0]
	}
	for i := from; i < len(window); i++ {
		w := &window[i]
		if w.record == nil || slices.Contains(order, i) {
			continue
		}
		c.index, c.at = w.index, w.at
		if k, again := places[w.hash]; again {
			c.index, c.at = window[max(i, k)].index, window[max(i, k)].at
			c.found(w.record, record.DamageReplayed, "the record was there before")
		} else {
			c.found(w.record, record.DamageUnsigned, "nothing that is signed follows from it")
		}
	}
	early := -1
	for k, i := range order[1:] {
		if i < order[k] && (early < 0 || i < early) {
			early = i
		}
	}
	if early >= 0 {
		c.index, c.at = window[early].index, window[early].at
		c.found(window[early].record, record.DamageReordered, "a record that this one follows comes after it")
	}
}

// growWindow adds the first n frames of the window to the tree, and forgets them.
func (c *checker) growWindow(n int) error {
	end := mark{c.index, c.at}
	for i := range n {
		w := &c.window[i]
		c.index, c.at = w.index, w.at
		if err := c.grow(&w.frame); err != nil {
			return err
		}
	}
	c.window = slices.Delete(c.window, 0, n)
	c.index, c.at = end.index, end.at
	return nil
}

// cover takes the first n records of the window, which a checkpoint covers as
// they stand.
func (c *checker) cover(n int) error {
	end := mark{c.index, c.at}
	base := uint64(c.tree.Size()) + 1
	for i := range n {
		w := &c.window[i]
		c.index, c.at = w.index, w.at
		c.doubt += w.torn
		if w.record != nil {
			c.record(&w.frame, base+uint64(i))
		} else {
			c.doubt++
		}
	}
	c.proven(base + uint64(n) - 1)
	c.index, c.at = end.index, end.at
	return c.growWindow(n)
}

// tail looks at what no signature covers at the end of the ledger: records on
// their way there that follow one another, or what somebody put there.
func (c *checker) tail() {
	hash := c.hash
	for i := range c.window {
		w := &c.window[i]
		if w.record == nil {
			return // which was found before
		}
		if w.before() != hash || w.record.Writer != c.writer || w.torn > 0 {
			c.index, c.at = w.index, w.at
			c.found(w.record, record.DamageUnsigned, "no signature covers it, and it does not follow from the record before it")
			return
		}
		hash = w.hash
	}
	c.report.Unsigned = uint64(len(c.window))
}
