package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

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
	r.chain.alone = true
	again := rereading{
		replica: r, tiles: tiles.NewWriter(r.dir, tiles.Options{Pass: tiles.Check}), last: last, whole: -1, sure: r.chain,
	}
	if err := scan(r.dir, nil, func(f *frame, _ int64) bool { return again.take(f) }); err != nil {
		return err
	}
	if err := errors.Join(again.cut(), again.judge(own)); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if n := r.chain.records; reach > int64(n) {
		return fmt.Errorf("%w: %s is of %d records, and %d are there", ErrDamaged, tile, reach, n)
	}
	r.chain.alone = false
	if err := r.store.Open(last, again.whole); err != nil {
		return err
	}
	if r.tiles, _, err = mendTiles(r.dir, again.tiles); err != nil {
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
	final   frame
	sure    chain // after it
	waiting []frame
}

// take takes the next frame, and reports whether to go on.
func (a *rereading) take(f *frame) (more bool) {
	if f.bad != nil && f.bad.Torn && f.at.Segment == a.last {
		a.whole = f.at.Offset
		return false // nothing comes after it
	}
	if a.err = a.follow(f); a.err == nil {
		a.err = a.cover(f)
	}
	if a.err != nil {
		a.err = fmt.Errorf("segment %d, offset %d: %w", f.at.Segment, f.at.Offset, a.err)
		return false
	}
	return true
}

// cover takes a record that follows: with those before it, if it is signed, and
// otherwise with the next one that is.
func (a *rereading) cover(f *frame) error {
	w := *f
	w.env = nil
	a.waiting = append(a.waiting, w)
	if !f.signed {
		if len(a.waiting) > record.MaxUnsigned {
			return record.Errorf(record.DamageUnsigned, "no signature covers it nor the records before it")
		}
		return nil
	}
	for i, w := range a.waiting {
		if err := a.tiles.Append(w.leaf, nil); err != nil {
			return err
		}
		a.replica.note(a.sure.records+uint64(i), w.at, w.record)
	}
	clear(a.waiting)
	a.waiting = a.waiting[:0]
	f.env = append(a.final.env[:0], f.env...)
	a.final, a.sure = *f, a.replica.chain
	return nil
}

// cut leaves out what nothing covers at the end: nobody was told that it is stored.
func (a *rereading) cut() error {
	if len(a.waiting) == 0 || a.err != nil {
		return nil //nolint:nilerr // the reader says it
	}
	at := a.waiting[0].at
	if at.Segment != a.last {
		return errors.New("no signature covers the end of a segment that is not the last one")
	}
	a.whole, a.replica.chain = at.Offset, a.sure
	return nil
}

// follow goes on to a record that must be the next one.
func (a *rereading) follow(f *frame) error {
	c := &a.replica.chain
	switch {
	case f.bad != nil:
		return f.bad
	case f.err != nil:
		return f.err
	case f.record.Ledger != c.origin:
		return record.Errorf(record.DamageSpliced, "the record is of another ledger")
	}
	if stands, _ := c.locate(f.record); stands != standsNext {
		return record.Errorf(record.DamageInconsistent, "the record does not follow from the one before it")
	}
	if f.record.Kind == record.KindSession || f.record.Kind == record.KindRotate {
		if err := c.introduce(f); err != nil {
			return err
		}
	} else if s := c.keys.session; s == nil || s.signing == record.SignRecords && !f.signed {
		return record.Errorf(record.DamageUnsigned, "no signature")
	}
	if err := c.bounds(f.record); err != nil {
		return err
	}
	return c.advance(f)
}

// judge says whether the replica is what was left of it; own is its checkpoint.
func (a *rereading) judge(own *anchor) error {
	c := &a.replica.chain
	if a.err != nil {
		return a.err
	}
	if own != nil && uint64(own.Size) > c.records {
		return fmt.Errorf("its checkpoint covers %d records, and %d are there", own.Size, c.records)
	}
	for _, anchor := range c.ahead {
		switch err := c.signer(anchor); {
		case errors.Is(err, errNoSession):
			return fmt.Errorf("%s: %w", anchor.name, err)
		case err != nil:
			return err
		}
	}
	if a.final.record == nil || a.final.record.Kind == record.KindSession || a.final.record.Kind == record.KindRotate {
		return nil // a root key signed it, or there is none
	}
	ring := *c.keys
	ring.known = nil // nothing is introduced
	if ring.open(&a.final, a.final.env); a.final.err != nil {
		return fmt.Errorf("its last record: %w", a.final.err)
	}
	return nil
}

// loadCheckpoints has the records compared with the checkpoints that are there.
// It returns the one that must not cover more than there is, nil without one.
func (r *Replica) loadCheckpoints() (own *anchor, err error) {
	signed, err := readCheckpoint(r.dir)
	switch {
	case errors.Is(err, errNoCheckpoint):
	case err != nil:
		return nil, err
	default:
		if own, err = parseAnchor(signed, segment.CheckpointName); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, segment.CheckpointName, err)
		}
		r.chain.ahead = append(r.chain.ahead, own)
	}
	ahead, err := readAhead(r.dir)
	if err != nil {
		return nil, err
	}
	for _, a := range ahead {
		if own == nil || !bytes.Equal(a.note, own.note) { // a crash leaves both
			r.chain.ahead = append(r.chain.ahead, a)
		}
	}
	slices.SortStableFunc(r.chain.ahead, func(a, b *anchor) int { return int(a.Size - b.Size) })
	return own, nil
}
