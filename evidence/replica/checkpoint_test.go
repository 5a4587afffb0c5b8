package replica_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
)

func TestReplicaCheckpoints(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Open()
	f.Run("run-a", "shell")
	five := f.Checkpoint()
	f.Run("run-b", "mail")
	nine := f.Checkpoint()
	fork := ledgertest.NewForger(t) // the same session, other records
	fork.Salt = 1
	fork.Open()
	fork.Run("run-x", "mail")
	otherFive := fork.Checkpoint()
	fork.Run("run-y", "mail")
	otherNine := fork.Checkpoint()

	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{})
	var missing *replica.MissingError
	var refused *replica.RefusedError
	var equivocation *replica.EquivocationError
	if err := r.PutCheckpoint(five); !errors.As(err, &missing) {
		t.Errorf("before its session: got %v", err)
	}
	if n, err := r.Append(f.Envs[:3]); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	// Signed by the session, of more records than there are: it waits.
	for range 2 {
		if err := r.PutCheckpoint(nine); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Checkpoint(); !bytes.Equal(got, nine) {
		t.Errorf("got checkpoint %q", got)
	}
	if err := r.PutCheckpoint(otherNine); !errors.As(err, &equivocation) || !bytes.Equal(equivocation.Held, nine) ||
		!bytes.Equal(equivocation.Received, otherNine) {
		t.Errorf("another one of as many records: got %v", err)
	}
	if err := r.PutCheckpoint(five); err != nil {
		t.Error(err)
	}
	ledgertest.WantIntact(t, dir) // those that wait do not count yet
	r = ledgertest.ReopenReplica(t, r, replica.Config{})
	if got := r.Checkpoint(); !bytes.Equal(got, nine) {
		t.Errorf("after a reopening: got checkpoint %q", got)
	}
	// Records that are not those that it covers.
	if n, err := r.Append(f.Envs[:8]); n != 8 || err != nil {
		t.Fatal(n, err)
	}
	last := forgeAnother(t, f, 8)
	if n, err := r.Append([][]byte{last}); n != 0 || !errors.As(err, &equivocation) || !bytes.Equal(equivocation.Held, nine) ||
		!bytes.Equal(equivocation.Received, last) {
		t.Errorf("a record against a checkpoint: got %d, %v", n, err)
	}
	if n, err := r.Append(f.Envs[8:]); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if report := ledgertest.WantIntact(t, dir); report.Checkpoint == nil || report.Checkpoint.Records != 9 {
		t.Errorf("got checkpoint %v", report.Checkpoint)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "ahead", "*")); len(left) > 0 {
		t.Errorf("still waiting: %v", left)
	}
	// An older one is checked, and does not replace the newer.
	for range 2 {
		if err := r.PutCheckpoint(five); err != nil {
			t.Error(err)
		}
		if err := r.PutCheckpoint(otherFive); !errors.As(err, &equivocation) || !bytes.Equal(equivocation.Held, nine) {
			t.Errorf("got %v", err)
		}
		r = ledgertest.ReopenReplica(t, r, replica.Config{})
	}
	if got := r.Checkpoint(); !bytes.Equal(got, nine) {
		t.Errorf("got checkpoint %q", got)
	}
	for name, tt := range map[string]struct {
		signed []byte
		want   record.Damage
	}{
		"not one":           {[]byte("prod\n9\n"), record.DamageMalformed},
		"too long":          {append(bytes.Clone(nine), make([]byte, 200_000)...), record.DamageMalformed},
		"of another ledger": {bytes.ReplaceAll(nine, []byte("prod"), []byte("test")), record.DamageSpliced},
		"edited":            {bytes.Replace(nine, []byte("\n9\n"), []byte("\n8\n"), 1), record.DamageEdited},
	} {
		if err := r.PutCheckpoint(tt.signed); !errors.As(err, &refused) || refused.Damage != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	// A key whose session has ended signs nothing later.
	stolen := f.Session
	f.Renew()
	f.Run("run-c", "mail")
	if n, err := r.Append(f.Envs); n != len(f.Envs) || err != nil {
		t.Fatal(n, err)
	}
	if err := r.PutCheckpoint(f.CheckpointBy(stolen)); !errors.As(err, &refused) || refused.Damage != record.DamageExpiredKey {
		t.Errorf("got %v", err)
	}
	// So many wait, and no more.
	for n := 0; ; n++ {
		f.Run(fmt.Sprintf("run-%d", n), "mail")
		if err := r.PutCheckpoint(f.Checkpoint()); err != nil {
			if n != 64 || !errors.Is(err, replica.ErrAhead) {
				t.Errorf("checkpoint %d: got %v", n, err)
			}
			break
		}
	}
}
