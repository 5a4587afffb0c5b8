package evidence

import (
	"errors"
	"slices"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A mark is where a frame is, and its number.
type mark struct {
	index uint64
	at    segment.Place
}

// signed notes what signs record n, and checks its time.
func (c *checker) signed(f *frame, n uint64) {
	r := f.record
	s := f.session
	if r.Kind == record.KindSession {
		c.lastRoot = append(c.lastRoot[:0], f.env...)
		if s == nil { // nothing was trusted
			s = newSession(r, f.hash)
		}
	}
	if s != nil && s != c.session {
		c.session = s
		c.reigns = append(c.reigns, reign{s, n})
		c.report.Sessions++
	}
	if c.session == nil {
		return
	}
	if bad := c.session.covers(r, n); bad != nil {
		c.found(r, bad.Damage, "%s", bad.Detail)
	}
}

// grow adds the frame to the tree.
func (c *checker) grow(f *frame) error {
	here := mark{c.index, c.at}
	if err := c.tree.Append(f.leaf, f.env); err != nil {
		return err
	}
	for ; c.next < len(c.anchors) && c.anchors[c.next].Size <= c.tree.Size(); c.next++ {
		if a := c.anchors[c.next]; a.Size == c.tree.Size() {
			a.root, a.last = c.tree.Root(), here
		}
	}
	return nil
}

// sameTree checks that the ledger so far is the one that a writer found. Where
// something else is wrong with it, that follows.
func (c *checker) sameTree(r *record.Record) {
	have := record.TreeHead{Records: uint64(c.tree.Size()), Root: record.Hash(c.tree.Root())}
	switch {
	case *r.Session.Tree == have:
		c.agreed = have.Records
	case c.report.First == nil:
		c.found(r, record.DamageRewritten,
			"the %d records before it are not the %d that the writer found", have.Records, r.Session.Tree.Records)
		c.report.Proven = c.agreed
	}
}

// expect has the ledger compared with checkpoints, when it is through.
func (c *checker) expect(anchors ...*anchor) {
	c.anchors = append(c.anchors, anchors...)
	slices.SortStableFunc(c.anchors, func(a, b *anchor) int { return int(a.Size - b.Size) })
}

// expectOwn has the ledger in dir compared with its own checkpoint, if there is
// one. It must be read before the records: a writer adds to those first.
func (c *checker) expectOwn(dir string) error {
	data, err := readCheckpoint(dir)
	if errors.Is(err, errNoCheckpoint) {
		return nil
	}
	if err != nil {
		return err
	}
	a, err := parseAnchor(data, "the ledger's checkpoint")
	if err != nil {
		a = &anchor{name: "the ledger's checkpoint"} // says so at the end
	}
	a.own = true
	c.expect(a)
	return nil
}

// expectTiles has the ledger compared with how far the tiles in dir say that it
// goes. It must be asked before the records are read, as for the checkpoint.
func (c *checker) expectTiles(dir string) (err error) {
	c.reach, c.tile, err = tiles.Reach(dir)
	return err
}

// finishTree compares the tree with the checkpoints, and with how far the tiles go.
func (c *checker) finishTree() {
	size := c.tree.Size()
	c.report.Root = record.Hash(c.tree.Root())
	sound := c.report.First == nil // what follows does not follow from damage before
	end := mark{c.index, c.at}
	c.over = true
	for _, a := range c.anchors {
		c.index, c.at = end.index, end.at
		c.compare(a, size, sound)
	}
	c.index, c.at = end.index, end.at
	if c.reach > size+int64(c.torn) {
		c.found(nil, record.DamageRolledBack, "%s is of %d records, and %d are there", c.tile, c.reach, size)
	}
}

// coverTail takes those records at the end that a checkpoint covers and no record
// that is signed.
func (c *checker) coverTail() error {
	tree, covered := c.tree.Tree(), 0
	for i := range c.window {
		tree.Append(c.window[i].leaf)
		for _, a := range c.anchors {
			if a.note != nil && a.Size == tree.Size() && a.Root == tree.Root() && a.Origin == c.report.Ledger && c.signer(a) == nil {
				covered = i + 1
			}
		}
	}
	if covered == 0 {
		return nil
	}
	return c.cover(covered)
}

// lastTile has the last tile looked at where the last record has made it
// complete: the next leaf does that. Nothing can be checked after it.
func (c *checker) lastTile() error {
	if size := c.tree.Size(); size > 0 && size%256 == 0 {
		if err := c.tree.Append(tiles.Hash{}, nil); err != nil {
			return err
		}
	}
	c.report.MissingTiles = c.tree.Found().Missing
	return nil
}

// compare checks the ledger of so many records against a checkpoint.
func (c *checker) compare(a *anchor, size int64, sound bool) {
	if a.note == nil {
		c.found(nil, record.DamageMalformed, "%s is not a checkpoint", a.name)
		return
	}
	if c.report.Ledger != "" && a.Origin != c.report.Ledger {
		c.found(nil, record.DamageSpliced, "%s is of the ledger %q", a.name, record.Brief(a.Origin))
		return
	}
	bad := c.signer(a)
	if bad != nil && bad.Damage == record.DamageEdited {
		c.found(nil, bad.Damage, "%s", bad.Detail)
		return
	}
	if a.Size > size {
		if a.own && a.Size <= size+int64(c.torn) {
			return // the bad frames may have been these records
		}
		if bad == nil && a.Size <= size+int64(len(c.window)) {
			c.found(nil, record.DamageRewritten, "the first %d records, of which a signature covers %d, are not those that %s covers",
				a.Size, size, a.name)
			return
		}
		unknown := ""
		if bad != nil && bad.Damage == record.DamageUnknownKey {
			unknown = ", and no session of the ledger signed it"
		}
		c.found(nil, record.DamageRolledBack, "%s covers %d records, and %d are there%s", a.name, a.Size, size, unknown)
		return
	}
	if a.Size > 0 {
		c.index, c.at = a.last.index, a.last.at
	}
	switch {
	case bad != nil:
		c.found(nil, bad.Damage, "%s", bad.Detail)
	case a.Size == 0 || a.root == a.Root:
		c.agreed = max(c.agreed, uint64(a.Size))
		if a.own {
			c.report.Checkpoint = &record.TreeHead{Records: uint64(a.Size), Root: record.Hash(a.Root)}
		}
	case sound || !a.own:
		c.found(nil, record.DamageRewritten, "the first %d records are not those that %s covers", a.Size, a.name)
		c.report.Proven = min(c.report.Proven, c.agreed)
	}
}

// signer returns nil where a session of the ledger that was in force signed a
// checkpoint, and else what is wrong.
func (c *checker) signer(a *anchor) *record.Error {
	_, err := c.reigns.signer(a)
	if errors.Is(err, errNoSession) {
		return record.Errorf(record.DamageUnknownKey, "%s covers %d records, and no session of the ledger signed it", a.name, a.Size)
	}
	bad, _ := errors.AsType[*record.Error](err)
	return bad
}
