package replica

import (
	"context"
	"errors"

	"example.com/safeconduct/evidence"
)

// Take is a [evidence.Sink] that keeps a copy of a ledger in another directory, on
// another disk say, which verifies as the ledger does:
//
//	kept, err := replica.Open(dir, replica.Config{Ledger: "prod", Policy: policy})
//	...
//	evidence.Exporter{Name: "copy", Sink: kept.Take}
//
// It needs the order of the ledger. It returns nil once the records are synced to
// the disk. A record that does not verify, or that contradicts what is there, is
// refused for good; where records before it are missing the exporter goes back to
// them. So a replica that did not know of a root key takes the rotation to it, and
// what follows, once it was opened with a policy that does.
func (r *Replica) Take(ctx context.Context, envelopes [][]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	taken, err := r.Append(envelopes)
	if err == nil {
		return nil
	}
	var refused *RefusedError
	var contradicts *EquivocationError
	var missing *MissingError
	e := &evidence.SinkError{
		Err: err, Accepted: taken,
		Final: errors.As(err, &refused) || errors.As(err, &contradicts), Rejected: 1,
	}
	if errors.As(err, &missing) {
		e.Held = &missing.Records
	}
	return e
}
