package ship

import (
	"context"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// deliver has the sink take the batch, however long that takes, unless the
// shipper is stopped or has to go back.
func (x *Shipper) deliver(b *shipment) {
	defer func() { x.back <- b }()
	for b.left() > 0 && x.line.Wait(x.ctx) == nil {
		err := x.activation(b)
		if b.left() == 0 || b.held != nil {
			return
		}
		if x.line.State() == delivery.Closed && !delivery.IsOpen(err) { // the attempts are used up
			timer := time.NewTimer(x.MaxBackoff)
			select {
			case <-timer.C:
			case <-x.ctx.Done():
			}
			timer.Stop()
		}
	}
}

// activation makes attempts at a batch as long as that makes sense. The error is
// that of the last one, where it does not any more.
func (x *Shipper) activation(b *shipment) error {
	a := x.line.Begin()
	for b.left() > 0 {
		rest := b.envelopes[b.done:]
		err := x.line.Attempt(x.ctx, func(ctx context.Context) error { return x.Sink(ctx, rest) })
		if delivery.IsHung(err) {
			b.lend()
		}
		switch {
		case err == nil:
			b.take(len(rest))
			return nil
		case delivery.IsPermanent(err):
			b.take(min(delivery.Taken(err), len(rest)))
			n := delivery.Refused(err)
			if n == 0 {
				n = len(rest)
			}
			b.refuse(n, x.Classes(err))
			a = x.line.Begin()
			continue
		}
		b.take(min(delivery.Taken(err), len(rest)))
		if b.left() > 0 && (x.misses(b, err) || a.Again(x.ctx, err) != nil) {
			return err
		}
	}
	return nil
}

// misses reports whether the sink says that it lacks records before what is left
// of the batch, and they are to be sent again. One that claims to have more than
// came to it is not believed: nothing is skipped.
func (x *Shipper) misses(b *shipment, err error) bool {
	if held := delivery.Missing(err); !x.Unordered && held != nil && *held < b.index+uint64(b.done) && x.mayRewind() {
		b.held = held
	}
	return b.held != nil
}
