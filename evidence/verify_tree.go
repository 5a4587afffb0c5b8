package evidence

import (
	"errors"
	"slices"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// A treeChecker judges whether the ledger is the one that is known from elsewhere:
// from its sessions, which say what tree they found, from checkpoints, and from
// its tiles.
type treeChecker struct {
	*findings
	tiles      *tiles.Writer // over the envelopes so far
	unreadable uint64        // records that all bad frames may have been

	session      *chain.Session // in force
	introduction []byte         // the newest envelope that introduced a session
	sessions     chain.Sessions // of all sessions so far

	expected  []expectation // in the order of their sizes
	next      int           // of those, the first that the tree has not reached
	confirmed uint64        // records that a tree head was of, which was signed before

	reach     int64  // records that the tiles are of, at least
	reachTile string // that says so
}

// An expectation is a checkpoint, and what the ledger has at its size.
type expectation struct {
	*chain.Anchor
	root tiles.Hash
	last mark // of the records that it covers
}

// judgeSession notes what signs record n, and checks its time.
func (t *treeChecker) judgeSession(f *chain.Frame, n uint64) {
	r := f.Record
	s := f.Session
	if r.Kind == record.KindSession {
		t.introduction = append(t.introduction[:0], f.Env...)
		if s == nil { // nothing was trusted
			s = chain.NewSession(r, f.Hash)
		}
	}
	if s != nil && s != t.session {
		t.session = s
		t.sessions = append(t.sessions, chain.InForce{Session: s, First: n})
		t.report.Sessions++
	}
	if t.session == nil {
		return
	}
	if bad := t.session.Covers(r, n); bad != nil {
		t.found(r, bad.Damage, "%s", bad.Detail)
	}
}

// grow adds the frame to the tree.
func (t *treeChecker) grow(f *chain.Frame) error {
	if err := t.tiles.Append(f.Leaf, f.Env); err != nil {
		return err
	}
	for ; t.next < len(t.expected) && t.expected[t.next].Size <= t.tiles.Size(); t.next++ {
		if e := &t.expected[t.next]; e.Size == t.tiles.Size() {
			e.root, e.last = t.tiles.Root(), t.mark
		}
	}
	return nil
}

// sameTree checks that the ledger so far is the one that a writer found whose
// first record is r, if the record before it is the one that it says. Where
// something else is wrong with it, that follows.
func (t *treeChecker) sameTree(r *record.Record, before record.Head) {
	if r.Seq != 1 || before.Writer == "" || r.Session.Previous == nil || *r.Session.Previous != before {
		return
	}
	have := record.TreeHead{Records: uint64(t.tiles.Size()), Root: record.Hash(t.tiles.Root())}
	switch {
	case *r.Session.Tree == have:
		t.confirmed = have.Records
	case t.report.First == nil:
		t.found(r, record.DamageRewritten,
			"the %d records before it are not the %d that the writer found", have.Records, r.Session.Tree.Records)
		t.report.Proven = t.confirmed
	}
}

// expect has the ledger compared with checkpoints, when it is through.
func (t *treeChecker) expect(anchors ...*chain.Anchor) {
	for _, a := range anchors {
		t.expected = append(t.expected, expectation{Anchor: a})
	}
	slices.SortStableFunc(t.expected, func(a, b expectation) int { return int(a.Size - b.Size) })
}

// expectOwn has the ledger in dir compared with its own checkpoint, if there is
// one, and with how far its tiles say that it goes. Both must be read before the
// records: a writer adds to those first.
func (t *treeChecker) expectOwn(dir string) error {
	data, err := chain.ReadCheckpoint(dir)
	switch {
	case errors.Is(err, chain.ErrNoCheckpoint):
		err = nil
	case err == nil:
		own, bad := chain.ParseAnchor(data, "the ledger's checkpoint")
		if bad != nil {
			own = &chain.Anchor{Name: "the ledger's checkpoint"} // says so at the end
		}
		own.Own = true
		t.expect(own)
	}
	var failed error
	t.reach, t.reachTile, failed = tiles.Reach(dir)
	return errors.Join(err, failed)
}

// finish compares the tree with the checkpoints, and with how far the tiles go. It
// is told how many records follow that no signature covers.
func (t *treeChecker) finish(uncovered int64) {
	size := t.tiles.Size()
	t.report.Root = record.Hash(t.tiles.Root())
	sound := t.report.First == nil // what follows does not follow from damage before
	end := t.mark
	t.over = true
	for i := range t.expected {
		t.mark = end
		t.compare(&t.expected[i], uncovered, sound)
	}
	t.mark = end
	if t.reach > size+int64(t.unreadable) {
		t.found(nil, record.DamageRolledBack, "%s is of %d records, and %d are there", t.reachTile, t.reach, size)
	}
}

// isExpected reports whether a tree is that of a good checkpoint.
func (t *treeChecker) isExpected(tree *tiles.Tree) bool {
	return slices.ContainsFunc(t.expected, func(e expectation) bool {
		return e.Note != nil && e.Size == tree.Size() && e.Root == tree.Root() && e.Origin == t.report.Ledger && t.signer(e.Anchor) == nil
	})
}

// lastTile has the last tile looked at where the last record has made it
// complete: the next leaf does that. Nothing can be checked after it.
func (t *treeChecker) lastTile() error {
	if size := t.tiles.Size(); size > 0 && size%256 == 0 {
		if err := t.tiles.Append(tiles.Hash{}, nil); err != nil {
			return err
		}
	}
	t.report.MissingTiles = t.tiles.Found().Missing
	return nil
}

// compare checks the ledger against a checkpoint.
func (t *treeChecker) compare(e *expectation, uncovered int64, sound bool) {
	if e.Note == nil {
		t.found(nil, record.DamageMalformed, "%s is not a checkpoint", e.Name)
		return
	}
	if t.report.Ledger != "" && e.Origin != t.report.Ledger {
		t.found(nil, record.DamageSpliced, "%s is of the ledger %q", e.Name, record.Brief(e.Origin))
		return
	}
	bad := t.signer(e.Anchor)
	if bad != nil && bad.Damage == record.DamageEdited {
		t.found(nil, bad.Damage, "%s", bad.Detail)
		return
	}
	if e.Size > t.tiles.Size() {
		t.tooShort(e.Anchor, uncovered, bad)
		return
	}
	if e.Size > 0 {
		t.mark = e.last
	}
	switch {
	case bad != nil:
		t.found(nil, bad.Damage, "%s", bad.Detail)
	case e.Size == 0 || e.root == e.Root:
		t.confirmed = max(t.confirmed, uint64(e.Size))
		if e.Own {
			t.report.Checkpoint = &record.TreeHead{Records: uint64(e.Size), Root: record.Hash(e.Root)}
		}
	case sound || !e.Own:
		t.found(nil, record.DamageRewritten, "the first %d records are not those that %s covers", e.Size, e.Name)
		t.report.Proven = min(t.report.Proven, t.confirmed)
	}
}

// tooShort says what is wrong where a checkpoint covers more records than the tree
// is of. bad is what is wrong with its signature, if anything is.
func (t *treeChecker) tooShort(a *chain.Anchor, uncovered int64, bad *record.Error) {
	size := t.tiles.Size()
	switch {
	case a.Own && a.Size <= size+int64(t.unreadable): // the bad frames may have been these records
	case bad == nil && a.Size <= size+uncovered:
		t.found(nil, record.DamageRewritten, "the first %d records, of which a signature covers %d, are not those that %s covers",
			a.Size, size, a.Name)
	default:
		unknown := ""
		if bad != nil && bad.Damage == record.DamageUnknownKey {
			unknown = ", and no session of the ledger signed it"
		}
		t.found(nil, record.DamageRolledBack, "%s covers %d records, and %d are there%s", a.Name, a.Size, size, unknown)
	}
}

// signer returns nil where a session of the ledger that was in force signed a
// checkpoint, and else what is wrong.
func (t *treeChecker) signer(a *chain.Anchor) *record.Error {
	_, err := t.sessions.Signer(a)
	if errors.Is(err, chain.ErrNoSession) {
		return record.Errorf(record.DamageUnknownKey, "%s covers %d records, and no session of the ledger signed it", a.Name, a.Size)
	}
	bad, _ := errors.AsType[*record.Error](err)
	return bad
}
