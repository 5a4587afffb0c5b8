package ship

import (
	"fmt"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

const (
	batchRecords = 256
	batchBytes   = 1 << 20
	linger       = 200 * time.Millisecond // what a record may wait for others to go with it

	saveEvery   = time.Second       // a crash has the sink get again what came since
	saveAfter   = 16 * batchRecords // or so many records, if that is sooner
	reportEvery = time.Minute       // bounds records and log lines about the shipping

	// closePoll is how often the breaker is looked at while somebody waits.
	closePoll = 50 * time.Millisecond
)

// Run ships until it is stopped, or has finished.
func (x *Shipper) Run() {
	defer close(x.done)
	defer x.stop()
	finishing := x.finishing
	for !x.ended() {
		x.dispatch()
		x.report()
		x.keep()
		select {
		case b := <-x.delivered:
			x.settle(b)
		case err := <-x.wasRecorded:
			x.refusalRecorded(err)
		case <-x.more:
		case <-finishing:
			finishing = nil
		case <-x.ctx.Done():
		case <-time.After(x.idle()):
		}
	}
	x.stop()
	for len(x.underWay) > 0 {
		x.settle(<-x.delivered)
	}
	select {
	case err := <-x.wasRecorded:
		x.refusalRecorded(err)
	default:
	}
	x.save()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.announce()
}

// ended reports whether there is nothing more to do, or nobody waits for it.
func (x *Shipper) ended() bool {
	if x.ctx.Err() != nil {
		return true
	}
	if !x.isFinishing() {
		return false
	}
	if x.line.State() != delivery.Closed {
		return true // nobody should wait for a sink that is known to be away
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cursor.records() >= x.total.records || x.readErr != nil && len(x.underWay) == 0 || len(x.cursor.Refused) >= 4*maxRefusals
}

// idle returns for how long there is nothing to do.
func (x *Shipper) idle() time.Duration {
	wait := max(reportEvery-time.Since(x.loggedAt), 0)
	consider := func(d time.Duration) { wait = min(wait, max(d, 0)) }
	if x.isFinishing() {
		consider(closePoll)
	}
	if next := x.line.Tell(); next > 0 {
		consider(next)
	}
	if x.unsaved {
		consider(saveEvery - time.Since(x.savedAt))
	}
	if len(x.cursor.Refused) > 0 && x.recording == nil {
		consider(time.Until(x.refusalDue()))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.canRead() {
		consider(max(linger-time.Since(x.waitsFrom), time.Until(x.rereadAt)))
	}
	return wait
}

// canRead reports whether there is something to read, and to do with it. It
// needs x.mu.
func (x *Shipper) canRead() bool {
	return x.read.records < x.total.records && len(x.underWay) < x.Concurrency && x.rewinds.to == nil &&
		(len(x.cursor.Refused) < maxRefusals || x.isFinishing())
}

// dispatch has batches delivered, as many as may be under way.
func (x *Shipper) dispatch() {
	if x.rewinds.to != nil && len(x.underWay) == 0 {
		x.rewind()
	}
	for {
		x.mu.Lock()
		left := amount{x.total.records - x.read.records, x.total.bytes - x.read.bytes}
		ready := x.canRead() && !time.Now().Before(x.rereadAt) &&
			(left.records >= batchRecords || left.bytes >= batchBytes || time.Since(x.waitsFrom) >= linger ||
				x.isFinishing() || x.wanted > x.cursor.records())
		end := x.end
		x.mu.Unlock()
		if !ready {
			return
		}
		b := x.empty()
		err := x.reader.read(b, x.readTo, end)
		x.mu.Lock()
		x.readErr = err
		if x.waitsFrom = (time.Time{}); x.total.records > x.read.records+uint64(len(b.ends)) { // some may have come meanwhile
			x.waitsFrom = time.Now()
		}
		x.mu.Unlock()
		if err != nil {
			x.warn("an exporter cannot read the ledger", "error", err)
			x.rereadAt = time.Now().Add(x.MaxBackoff)
			x.spare = append(x.spare, b)
			return
		}
		b.index, b.first = x.read.records, b.envelopes[0]
		x.readTo, x.read = b.at(len(b.ends)), amount{x.read.records + uint64(len(b.ends)), x.read.bytes + b.bytes(len(b.ends))}
		x.underWay = append(x.underWay, b)
		x.age()
		go x.deliver(b)
	}
}

// empty returns a batch to read into.
func (x *Shipper) empty() *batch {
	if n := len(x.spare); n > 0 {
		b := x.spare[n-1]
		x.spare = x.spare[:n-1]
		b.reset()
		return b
	}
	return new(batch)
}

// age notes how old the first batch under way is.
func (x *Shipper) age() {
	if len(x.underWay) == 0 {
		x.oldest.Store(nil)
		return
	}
	b := x.underWay[0]
	if b.first != nil {
		if r, err := record.Parse(b.first); err == nil {
			b.time = r.Time
		}
		b.first = nil
	}
	since := b.time // b is used again while somebody looks
	x.oldest.Store(&since)
}

// settle takes back a batch and moves the cursor.
func (x *Shipper) settle(b *batch) {
	b.returned = true
	for len(x.underWay) > 0 && x.underWay[0].returned {
		b := x.underWay[0]
		x.underWay = x.underWay[1:]
		if !x.stuck {
			x.advance(b)
			if b.held != nil {
				x.goBack(*b.held)
			} else {
				x.stuck = b.left() > 0 // the Shipper ends
			}
		}
		if !b.lent {
			x.spare = append(x.spare, b)
		}
	}
	x.age()
}

// advance moves the cursor over what was done of a batch.
func (x *Shipper) advance(b *batch) {
	if b.done == 0 {
		return
	}
	c := x.cursor
	at := b.at(b.done)
	c.LastAt = at.Offset - int64(segment.FrameHeader+len(b.envelopes[b.done-1]))
	c.Segment, c.Offset, c.Last = at.Segment, at.Offset, leafOf(b.envelopes[b.done-1])
	c.Bytes += b.bytes(b.done)
	c.Shipped += uint64(b.done - b.refused)
	c.Parked += uint64(b.refused)
	x.unsaved = true
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range b.refusals {
		c.park(&r, x.recording)
	}
	x.cursor = c
	x.announce()
}

// announce wakes those who wait for the cursor to move. It needs x.mu.
func (x *Shipper) announce() {
	close(x.moved)
	x.moved = make(chan struct{})
}

// keep keeps the cursor, but not too often.
func (x *Shipper) keep() {
	if x.unsaved && (time.Since(x.savedAt) >= saveEvery || x.cursor.records()-x.savedRecords >= saveAfter) {
		x.save()
	}
}

// save keeps the cursor where that is not done yet.
func (x *Shipper) save() {
	if !x.unsaved {
		return
	}
	err := x.cursor.save(x.Disk, x.Dir, *x.key.Load())
	x.savedAt, x.savedRecords = time.Now(), x.cursor.records()
	x.unsaved = err != nil
	if err != nil {
		err = fmt.Errorf("evidence: exporter %s: cursor: %w", x.Name, err)
		if x.cursorErr == nil {
			x.warn("an exporter's cursor cannot be kept: the sink will get records again after a restart", "error", err)
		}
	}
	x.mu.Lock()
	x.cursorErr = err
	x.mu.Unlock()
}
