package replica_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
	"pgregory.net/rapid"
)

// openOn is ledgertest.OpenReplica on another disk, with segments of so many bytes.
func openOn(t testing.TB, dir string, cfg replica.Config, disk segment.Disk, size int64) *replica.Replica {
	t.Helper()
	r, err := replica.OpenOn(dir, cfg, &disk, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

// long is a ledger of several writers and sessions, with gaps, longer than a tile
// and than a mark.
func long(t testing.TB) *ledgertest.Forger {
	f := ledgertest.NewForger(t)
	f.Open()
	for f.Tree.Size() < 700 {
		f.Run("run-"+f.ID(), "mail")
	}
	f.Seq += 5
	f.Gap(f.Seq-4, f.Seq)
	f.Run("run-b", "shell")
	f.Renew()
	f.Run("run-c", "mail")
	f.Open()
	f.Rotate(ledgertest.Key(2))
	f.Seq += 2
	f.Gap(f.Seq-1, f.Seq)
	for f.Tree.Size() < 1500 {
		f.Run("run-"+f.ID(), "mail")
	}
	return f
}

var longKeys = ledgertest.Trusting("prod", ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2)))

func TestReplicaGoesOnAfterEachReopening(t *testing.T) {
	f := long(t)
	cfg := replica.Config{Ledger: "prod", Policy: longKeys}
	dir := ledgertest.Dir(t)
	var seen []uint64
	for at := 0; at < len(f.Envs); at += 250 {
		seen = seen[:0]
		cfg.Stored = func(i uint64, r *record.Record) { seen = append(seen, i) }
		r := openOn(t, dir, cfg, segment.RealDisk(), 100_000)
		end := min(at+250, len(f.Envs))
		if n, err := r.Append(f.Envs[max(0, at-100):end]); err != nil || n != end-max(0, at-100) {
			t.Fatalf("at %d: got %d, %v", at, n, err)
		}
		if head, n := r.Head(); n != uint64(end) || head.Hash != ledgertest.HashOf(string(ledgertest.DecodePayload(t, f.Envs[end-1]))) {
			t.Fatalf("at %d: got head %+v of %d records", at, head, n)
		}
		if len(seen) != end || seen[end-1] != uint64(end-1) {
			t.Fatalf("at %d: Stored was called %d times", at, len(seen))
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ledgertest.WantSame(t, dir, f.Envs...)
	report := ledgertest.Verify(t, dir, ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2)))
	if !report.Intact() || report.Segments < 5 || report.MissingTiles != 0 {
		t.Errorf("got %v, %d segments, %d tiles missing", report.First, report.Segments, report.MissingTiles)
	}
}

// A record that is there is taken again wherever it stands; another one in its
// place is an equivocation and changes nothing.
func TestReplicaKnowsEachRecord(t *testing.T) {
	f := long(t)
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{Policy: longKeys})
	if n, err := r.Append(f.Envs); err != nil {
		t.Fatal(n, err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.IntRange(0, len(f.Envs)-1).Draw(rt, "i")
		n := rapid.IntRange(1, 20).Draw(rt, "n")
		part := f.Envs[i:min(i+n, len(f.Envs))]
		if got, err := r.Append(part); got != len(part) || err != nil {
			rt.Fatalf("got %d of %d, %v", got, len(part), err)
		}
	})
	for _, i := range []int{1, 255, 256, 699, 706, 1023, 1024, len(f.Envs) - 1} {
		record, err := record.Parse(f.Envs[i])
		if err != nil {
			t.Fatal(err)
		}
		env := forgeAnother(t, f, i)
		n, err := r.Append([][]byte{f.Envs[i], env, f.Envs[0]})
		var equivocation *replica.EquivocationError
		if n != 1 || !errors.As(err, &equivocation) {
			t.Errorf("record %d: got %d, %v", i, n, err)
			continue
		}
		if equivocation.Writer != record.Writer || equivocation.Seq != record.Seq ||
			!bytes.Equal(equivocation.Held, f.Envs[i]) || !bytes.Equal(equivocation.Received, env) {
			t.Errorf("record %d: got %v", i, equivocation)
		}
	}
	ledgertest.WantSame(t, dir, f.Envs...)
}

// forgeAnother returns another record with the writer and number of one, by the key
// that signed it.
func forgeAnother(t testing.TB, f *ledgertest.Forger, i int) []byte {
	t.Helper()
	s, r, err := record.ParsePayload(ledgertest.DecodePayload(t, f.Envs[i]))
	if err != nil {
		t.Fatal(err)
	}
	r.ID = "019d0c2e-5b1f-7c39-9cc2-ffff00000000"
	payload := record.AppendPayload(nil, s, r)
	var e record.Envelope
	if err := e.Parse(f.Envs[i]); err != nil {
		t.Fatal(err)
	}
	for seed := range byte(40) {
		if key := ledgertest.Key(seed); record.KeyID(ledgertest.Public(key)) == string(e.Signatures[0].KeyID) {
			return ledgertest.SealAll(payload, key)
		}
	}
	t.Fatal("no key")
	return nil
}

// What the errors say, and that it is nothing of what was sent.
func TestReplicaErrors(t *testing.T) {
	f := ledgertest.Base(t)
	r := ledgertest.OpenReplica(t, ledgertest.Dir(t), replica.Config{})
	if r.Ledger() != "prod" {
		t.Errorf("got ledger %q", r.Ledger())
	}
	if n, err := r.Append(f.Envs[:5]); err != nil {
		t.Fatal(n, err)
	}
	for env, want := range map[string]string{
		string(f.Envs[7]):                   "replica: records are missing between the 5 that are there and this",
		"{}":                                "replica: refused: not_canonical: ",
		string(ledgertest.Strip(f.Envs[5])): "replica: refused: unsigned: no signature",
		string(forgeAnother(t, f, 2)): "replica: equivocation: record 3 of writer " + f.Writer +
			" contradicts what is there",
	} {
		if _, err := r.Append([][]byte{[]byte(env)}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	other := ledgertest.NewForger(t)
	other.Salt = 1
	other.Open()
	other.Run("run-x", "mail")
	if err := r.PutCheckpoint(other.Checkpoint()); err == nil || err.Error() != "replica: equivocation: a checkpoint contradicts what is there" {
		t.Errorf("got %v", err)
	}
}
