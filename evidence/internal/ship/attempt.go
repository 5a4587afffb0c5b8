package ship

import (
	"context"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// deliver has the sink take or refuse the batch, however long that takes, unless
// the Shipper is stopped or has to go back.
func (x *Shipper) deliver(b *batch) {
	defer func() { x.delivered <- b }()
	for b.left() > 0 && x.line.Wait(x.ctx) == nil {
		err := x.attempt(b)
		if b.left() == 0 || b.held != nil {
			return
		}
		if x.line.State() == delivery.Closed && !delivery.IsOpen(err) { // the attempts are used up
			select {
			case <-time.After(x.MaxBackoff):
			case <-x.ctx.Done():
			}
		}
	}
}

// attempt calls the sink with a batch, and again with what is left of it, as often
// as package delivery lets it. The error is that of the last call, where another is
// not made now.
func (x *Shipper) attempt(b *batch) error {
	series := x.line.Begin()
	for b.left() > 0 {
		rest := b.envelopes[b.done:]
		err := x.line.Attempt(x.ctx, func(ctx context.Context) error { return x.Sink(ctx, rest) })
		if delivery.IsHung(err) {
			b.lend()
		}
		if err == nil {
			b.take(len(rest))
			return nil
		}
		b.take(min(delivery.Taken(err), len(rest)))
		if delivery.IsPermanent(err) {
			n := delivery.Refused(err)
			if n == 0 {
				n = len(rest)
			}
			b.refuse(n, x.Classes(err))
			series = x.line.Begin()
			continue
		}
		if b.left() > 0 && (x.misses(b, err) || series.Again(x.ctx, err) != nil) {
			return err
		}
	}
	return nil
}

// misses reports whether the sink says that it lacks records before what is left
// of the batch, and they are to be sent again. One that claims to have more than
// came to it is not believed: nothing is skipped.
func (x *Shipper) misses(b *batch, err error) bool {
	if held := delivery.Missing(err); !x.Unordered && held != nil && *held < b.index+uint64(b.done) && x.mayRewind() {
		b.held = held
	}
	return b.held != nil
}
