package evidence_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
)

// An exporter ships what a signature covers, to its end: a replica takes each batch
// whole, whatever groups the writer made.
func TestBatchesEndWithASignature(t *testing.T) {
	t.Parallel()
	dir, copied := ledgertest.Dir(t), ledgertest.Dir(t)
	replica := ledgertest.OpenReplica(t, copied, replica.Config{})
	rec, err := evidence.Open(dir, evidence.Config{
		Key: ledgertest.Key(1), Ledger: "prod", Signing: record.SignCheckpoints, ReadOnly: []string{"shell"},
		Exporters: []evidence.Exporter{{Name: "copy", Sink: func(ctx context.Context, envs [][]byte) error {
			if !ledgertest.IsSigned(envs[len(envs)-1]) {
				t.Errorf("a batch of %d ends with a record that nothing covers", len(envs))
			}
			return replica.Take(ctx, envs)
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { use(t, rec, 200) })
	}
	all.Wait()
	if err := rec.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, want := ledgertest.Envelopes(t, copied), ledgertest.Envelopes(t, dir)
	if !slices.EqualFunc(got, want, bytes.Equal) || len(got) != 6401 {
		t.Errorf("the copy has %d records, the ledger %d, or they differ", len(got), len(want))
	}
	if n := stats(rec).Failures; n != 0 {
		t.Errorf("%d calls failed", n)
	}
	ledgertest.WantIntact(t, copied)
}

// The copy has the same bytes, across a restart of both.
func TestCopy(t *testing.T) {
	t.Parallel()
	dir, copied := ledgertest.Dir(t), ledgertest.Dir(t)
	for range 3 {
		r := ledgertest.OpenReplica(t, copied, replica.Config{})
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
