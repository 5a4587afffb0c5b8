package evidence_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
)

// What a replica takes is what is there, and it refuses nothing before the first
// damage but what no signature covers. What it does not look at is found by whoever verifies it.
func TestReplicaOfAttacks(t *testing.T) {
	for _, a := range attacks(t) {
		if a.ledger.Segment != nil || a.ledger.Files != nil {
			continue // of frames and files, which do not travel
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			opts := a.options()
			cfg := replica.Config{Ledger: "prod", Policy: a.policy}
			if cfg.Policy == nil {
				cfg.Policy = ledgertest.Trusting("prod", opts.Keys...)
			}
			original := ledgertest.Dir(t)
			a.ledger.Write(t, original)
			want, err := evidence.Verify(original, opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, batch := range []int{1, 3, 100} {
				dir := ledgertest.Dir(t)
				r := ledgertest.OpenReplica(t, dir, cfg)
				taken, err := ledgertest.Feed(r, batch, a.ledger.Envs...)
				stored := once(a.ledger.Envs[:taken])
				ledgertest.WantSame(t, dir, stored...)
				if a.ledger.Checkpoint != nil {
					err = errors.Join(err, r.PutCheckpoint(a.ledger.Checkpoint))
				}
				if err != nil {
					before := a.ledger.Envs
					if !want.Intact() && want.First.Record <= uint64(len(before)) {
						before = before[:want.First.Record-1]
					}
					var missing *replica.MissingError
					if want.Intact() && (!errors.As(err, &missing) || !missing.Uncovered) || taken < ledgertest.Covered(before) {
						t.Errorf("batches of %d: got %v after %d records, want damage %v", batch, err, taken, want.First)
					}
					continue
				}
				opts := opts // with the checkpoint, if that waits for records
				if signed := r.Checkpoint(); signed != nil {
					opts.Checkpoints = append(slices.Clone(opts.Checkpoints), signed)
				}
				got, err := evidence.Verify(dir, opts)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case a.want == record.DamageReplayed && got.Intact(): // what comes twice is stored once
				case a.want == record.DamageRolledBack && got.First.Damage == a.want: // the checkpoint is from elsewhere now
				case fmt.Sprint(got.First) != fmt.Sprint(want.First) || got.Root != want.Root:
					t.Errorf("batches of %d: got %v, want what the original has: %v", batch, got.First, want.First)
				}
				again := ledgertest.ReopenReplica(t, r, cfg)
				if n, err := again.Append(a.ledger.Envs); n != taken || err != nil {
					t.Errorf("a replay: got %d of %d, %v", n, taken, err)
				}
				ledgertest.WantSame(t, dir, stored...)
			}
		})
	}
}

// once returns the envelopes without those that were there before.
func once(envs [][]byte) (first [][]byte) {
	for i, env := range envs {
		if !slices.ContainsFunc(envs[:i], func(e []byte) bool { return bytes.Equal(e, env) }) {
			first = append(first, env)
		}
	}
	return first
}
