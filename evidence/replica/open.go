package replica

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
)

// resume makes the replica ready to go on from what is there, or begins it.
func (r *Replica) resume() error {
	own, err := r.loadCheckpoints()
	if err != nil {
		return err
	}
	last, err := r.store.Last()
	if err != nil {
		return err
	}
	if last == 0 {
		r.tiles = tiles.NewWriter(r.dir, tiles.Options{})
		return r.store.Begin()
	}
	reach, tile, err := tiles.Reach(r.dir)
	if err != nil {
		return err
	}
	r.history.alone = true
	again := rereading{
		replica: r, tiles: tiles.NewWriter(r.dir, tiles.Options{Pass: tiles.Check}), last: last, whole: -1, sure: r.history,
	}
	if err := chain.Scan(r.dir, nil, func(f *chain.Frame, _ int64) bool { return again.take(f) }); err != nil {
		return err
	}
	if err := errors.Join(again.cut(), again.judge(own)); err != nil {
		return fmt.Errorf("%w: %w", evidence.ErrDamaged, err)
	}
	if n := r.history.records; reach > int64(n) {
		return fmt.Errorf("%w: %s is of %d records, and %d are there", evidence.ErrDamaged, tile, reach, n)
	}
	r.history.alone = false
	if err := r.store.Open(last, again.whole); err != nil {
		return err
	}
	if r.tiles, _, err = chain.MendTiles(r.dir, again.tiles); err != nil {
		return err
	}
	r.reach()
	return nil
}

// A rereading goes through a replica that is opened. It looks at as few
// signatures as cover everything: the hash of each record stands in the next.
type rereading struct {
	replica *Replica
	tiles   *tiles.Writer
	last    uint64 // segment
	whole   int64  // bytes of it, up to an incomplete frame; -1 if there is none
	err     error  // what is wrong with the last one

	// The last one that is signed, which covers all before it, and those since
	// then, which nothing covers.
	final   chain.Frame
	sure    history // after it
	waiting []chain.Frame
}

// take takes the next frame, and reports whether to go on.
func (a *rereading) take(f *chain.Frame) (more bool) {
	if f.Bad != nil && f.Bad.Torn && f.At.Segment == a.last {
		a.whole = f.At.Offset
		return false // nothing comes after it
	}
	if a.err = a.follow(f); a.err == nil {
		a.err = a.cover(f)
	}
	if a.err != nil {
		a.err = fmt.Errorf("segment %d, offset %d: %w", f.At.Segment, f.At.Offset, a.err)
		return false
	}
	return true
}

// cover takes a record that follows: with those before it, if it is signed, and
// otherwise with the next one that is.
func (a *rereading) cover(f *chain.Frame) error {
	w := *f
	w.Env = nil
	a.waiting = append(a.waiting, w)
	if !f.Signed {
		if len(a.waiting) > record.MaxUnsigned {
			return record.Errorf(record.DamageUnsigned, "no signature covers it nor the records before it")
		}
		return nil
	}
	for i, w := range a.waiting {
		if err := a.tiles.Append(w.Leaf, nil); err != nil {
			return err
		}
		a.replica.note(a.sure.records+uint64(i), w.At, w.Record)
	}
	clear(a.waiting)
	a.waiting = a.waiting[:0]
	f.Env = append(a.final.Env[:0], f.Env...)
	a.final, a.sure = *f, a.replica.history
	return nil
}

// cut leaves out what nothing covers at the end: nobody was told that it is stored.
func (a *rereading) cut() error {
	if len(a.waiting) == 0 || a.err != nil {
		return nil //nolint:nilerr // the reader says it
	}
	at := a.waiting[0].At
	if at.Segment != a.last {
		return errors.New("no signature covers the end of a segment that is not the last one")
	}
	a.whole, a.replica.history = at.Offset, a.sure
	return nil
}

// follow goes on to a record that must be the next one.
func (a *rereading) follow(f *chain.Frame) error {
	c := &a.replica.history
	switch {
	case f.Bad != nil:
		return f.Bad
	case f.Err != nil:
		return f.Err
	case f.Record.Ledger != c.origin:
		return record.Errorf(record.DamageSpliced, "the record is of another ledger")
	}
	if stands, _ := c.locate(f.Record); stands != standsNext {
		return record.Errorf(record.DamageInconsistent, "the record does not follow from the one before it")
	}
	if f.Record.Kind == record.KindSession || f.Record.Kind == record.KindRotate {
		if err := c.introduce(f); err != nil {
			return err
		}
	} else if s := c.keys.Session; s == nil || s.Signing == record.SignRecords && !f.Signed {
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	if err := c.bounds(f.Record); err != nil {
		return err
	}
	return c.advance(f)
}

// judge says whether the replica is what was left of it; own is its checkpoint.
func (a *rereading) judge(own *chain.Anchor) error {
	c := &a.replica.history
	if a.err != nil {
		return a.err
	}
	if own != nil && uint64(own.Size) > c.records {
		return fmt.Errorf("its checkpoint covers %d records, and %d are there", own.Size, c.records)
	}
	for _, anchor := range c.ahead {
		switch err := c.signer(anchor); {
		case errors.Is(err, chain.ErrNoSession):
			return fmt.Errorf("%s: %w", anchor.Name, err)
		case err != nil:
			return err
		}
	}
	if a.final.Record == nil || a.final.Record.Kind == record.KindSession || a.final.Record.Kind == record.KindRotate {
		return nil // a root key signed it, or there is none
	}
	ring := *c.keys
	ring.Known = nil // nothing is introduced
	if ring.Open(&a.final, a.final.Env); a.final.Err != nil {
		return fmt.Errorf("its last record: %w", a.final.Err)
	}
	return nil
}

// loadCheckpoints has the records compared with the checkpoints that are there.
// It returns the one that must not cover more than there is, nil without one.
func (r *Replica) loadCheckpoints() (own *chain.Anchor, err error) {
	signed, err := chain.ReadCheckpoint(r.dir)
	switch {
	case errors.Is(err, chain.ErrNoCheckpoint):
	case err != nil:
		return nil, err
	default:
		if own, err = chain.ParseAnchor(signed, segment.CheckpointName); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", evidence.ErrDamaged, segment.CheckpointName, err)
		}
		r.history.ahead = append(r.history.ahead, own)
	}
	ahead, err := readAhead(r.dir)
	if err != nil {
		return nil, err
	}
	for _, a := range ahead {
		if own == nil || !bytes.Equal(a.Note, own.Note) { // a crash leaves both
			r.history.ahead = append(r.history.ahead, a)
		}
	}
	slices.SortStableFunc(r.history.ahead, func(a, b *chain.Anchor) int { return int(a.Size - b.Size) })
	return own, nil
}
