package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/trust"
)

func TestReplicaIsASink(t *testing.T) {
	evidencetest.TestSink(t, func(t *testing.T, root ed25519.PublicKey) evidencetest.Subject {
		dir := ledgertest.Dir(t)
		var full atomic.Bool
		open := func() *evidence.Replica {
			cfg := evidence.ReplicaConfig{Ledger: "evidencetest", Policy: trusting("evidencetest", root)}
			cfg.Each(func(op evidence.Op) error {
				if op.Name == "write" && full.Load() {
					return errors.Join(op.Part(len(op.Bytes)/2), syscall.ENOSPC)
				}
				return op.Do()
			})
			return openReplica(t, dir, cfg)
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
		r := openReplica(t, ledgertest.Dir(t), evidence.ReplicaConfig{})
		err := r.Take(t.Context(), tt.envs)
		var e *evidence.SinkError
		if !errors.As(err, &e) || e.Taken() != tt.taken || e.Permanent() != tt.final || e.Refused() != 1 {
			t.Errorf("%s: got %v, want %d taken and permanent %t", tt.name, err, tt.taken, tt.final)
		}
	}
	r := openReplica(t, ledgertest.Dir(t), evidence.ReplicaConfig{})
	if err := r.Take(t.Context(), f.Envs); err != nil {
		t.Fatal(err)
	}
	err := r.Take(t.Context(), other.Envs[8:])
	var e *evidence.SinkError
	if !errors.As(err, &e) || e.Taken() != 0 || !e.Permanent() {
		t.Errorf("a contradiction: got %v, want it refused", err)
	}
}

// A copy is kept while the agent works, and verifies as the ledger does.
func ExampleReplica_Take() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	key, err := trust.GenerateKey()
	if err != nil {
		panic(err)
	}
	pub := key.Public().(ed25519.PublicKey)
	policy := &trust.Policy{Ledgers: []trust.Ledger{{Origin: "prod", Roots: []trust.Root{{Key: pub}}}}}
	replica, err := evidence.OpenReplica(filepath.Join(dir, "copy"), evidence.ReplicaConfig{Ledger: "prod", Policy: policy})
	if err != nil {
		panic(err)
	}
	recorder, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
		Key: key, Ledger: "prod",
		Exporters: []evidence.Exporter{{Name: "copy", Sink: replica.Take}},
	})
	if err != nil {
		panic(err)
	}
	exampleCall(recorder)
	if err := errors.Join(recorder.Close(context.Background()), replica.Close()); err != nil {
		panic(err)
	}
	report, err := evidence.Verify(filepath.Join(dir, "copy"), evidence.VerifyOptions{Keys: []ed25519.PublicKey{pub}})
	fmt.Println(report.Records, report.Intact(), err)
	// Output: 5 true <nil>
}

// The copy has the same bytes, across a restart of both.
func TestCopy(t *testing.T) {
	dir, copied := ledgertest.Dir(t), ledgertest.Dir(t)
	for range 3 {
		r := openReplica(t, copied, evidence.ReplicaConfig{})
		rec, err := evidence.Open(dir, evidence.Config{
			Key: ledgertest.Key(1), Ledger: "prod", ReadOnly: []string{"shell"},
			Exporters: []evidence.Exporter{{Name: "copy", Sink: r.Take}},
		})
		if err != nil {
			t.Fatal(err)
		}
		use(t, rec, 300)
		if err := rec.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := ledgertest.Envelopes(t, copied), ledgertest.Envelopes(t, dir); !slices.EqualFunc(got, want, bytes.Equal) || len(got) != 3603 {
		t.Errorf("the copy has %d records, the ledger %d, or they differ", len(got), len(want))
	}
	ledgertest.WantIntact(t, copied)
}
