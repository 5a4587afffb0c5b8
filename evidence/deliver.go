package evidence

import (
	"context"
	"errors"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// deliver has the sink take the batch, however long that takes, unless the
// shipper is stopped.
func (x *shipper) deliver(b *shipment) {
	defer func() { x.back <- b }()
	for b.left() > 0 && x.line.Wait(x.ctx) == nil {
		err := x.activation(b)
		if b.left() == 0 {
			return
		}
		if x.line.State() == delivery.Closed && !errors.Is(err, delivery.ErrOpen) { // the attempts are used up
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
func (x *shipper) activation(b *shipment) error {
	a := x.line.Begin()
	for b.left() > 0 {
		rest := b.envelopes[b.done:]
		err := x.line.Attempt(x.ctx, func(ctx context.Context) error { return x.Sink(ctx, rest) })
		if errors.Is(err, delivery.ErrHung) {
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
			b.refuse(n, err)
			a = x.line.Begin()
			continue
		}
		b.take(min(delivery.Taken(err), len(rest)))
		if b.left() > 0 && a.Again(x.ctx, err) != nil {
			return err
		}
	}
	return nil
}
