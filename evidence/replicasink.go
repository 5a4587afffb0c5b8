package evidence

import (
	"context"
	"errors"
)

// Take is a [Sink] that keeps a copy of a ledger in another directory, on another
// disk say, which verifies as the ledger does:
//
//	copy, err := evidence.OpenReplica(dir, evidence.ReplicaConfig{Ledger: "prod", Policy: policy})
//	...
//	evidence.Exporter{Name: "copy", Sink: copy.Take}
//
// It needs the order of the ledger. It returns nil once the records are synced to
// the disk. A record that does not verify, or that contradicts what is there, is
// refused for good; where records before it are missing it waits for those.
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
	return &SinkError{
		Err: err, Accepted: taken,
		Final: errors.As(err, &refused) || errors.As(err, &contradicts), Rejected: 1,
	}
}
