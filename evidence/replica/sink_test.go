package replica_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/replica"
)

func TestReplicaIsASink(t *testing.T) {
	evidencetest.TestSink(t, func(t *testing.T, root ed25519.PublicKey) evidencetest.Subject {
		dir := ledgertest.Dir(t)
		var full atomic.Bool
		open := func() *replica.Replica {
			cfg := replica.Config{Ledger: "evidencetest", Policy: ledgertest.Trusting("evidencetest", root)}
			disk := segmenttest.Disk(func(op segmenttest.Op) error {
				if op.Name == "write" && full.Load() {
					return errors.Join(op.Part(len(op.Bytes)/2), syscall.ENOSPC)
				}
				return op.Do()
			})
			return openOn(t, dir, cfg, *disk, 0)
		}
		r := open()
		return evidencetest.Subject{
			Sink:   r.Take,
			Stored: func() [][]byte { return ledgertest.Envelopes(t, dir) },
			Break:  func(n int) { full.Store(n >= 0) }, // it takes a batch or nothing
			Reopen: func() evidence.Sink {
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				return open().Take
			},
		}
	})
}

// What a replica refuses is refused for good, one record at a time, and what it
// lacks is waited for.
func TestReplicaSinkErrors(t *testing.T) {
	f := ledgertest.Base(t)
	other := ledgertest.Base(t)
	other.Envs = other.Envs[:8]
	other.Gap(9, 9) // another record in its place
	for _, tt := range []struct {
		name  string
		envs  [][]byte
		taken int
		final bool
	}{
		{"a record is missing", slices.Delete(slices.Clone(f.Envs), 3, 4), 3, false},
		{"a record was changed", ledgertest.At(f.Envs, 3, ledgertest.Edit(t, f.Envs[3], `"deny"`, `"okay"`)), 3, true},
	} {
		r := ledgertest.OpenReplica(t, ledgertest.Dir(t), replica.Config{})
		err := r.Take(t.Context(), tt.envs)
		var e *evidence.SinkError
		if !errors.As(err, &e) || e.Taken() != tt.taken || e.Permanent() != tt.final || e.Refused() != 1 {
			t.Errorf("%s: got %v, want %d taken and permanent %t", tt.name, err, tt.taken, tt.final)
		}
	}
	r := ledgertest.OpenReplica(t, ledgertest.Dir(t), replica.Config{})
	if err := r.Take(t.Context(), f.Envs); err != nil {
		t.Fatal(err)
	}
	err := r.Take(t.Context(), other.Envs[8:])
	var e *evidence.SinkError
	if !errors.As(err, &e) || e.Taken() != 0 || !e.Permanent() {
		t.Errorf("a contradiction: got %v, want it refused", err)
	}
}
