package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"pgregory.net/rapid"
)

// trusting is a policy that trusts keys for a ledger.
func trusting(ledger string, keys ...ed25519.PublicKey) *trust.Policy {
	p := trust.Ledger{Origin: ledger}
	for _, key := range keys {
		p.Roots = append(p.Roots, trust.Root{Key: key})
	}
	return &trust.Policy{Ledgers: []trust.Ledger{p}}
}

func openReplica(t testing.TB, dir string, cfg evidence.ReplicaConfig) *evidence.Replica {
	t.Helper()
	if cfg.Ledger == "" {
		cfg.Ledger = "prod"
	}
	if cfg.Policy == nil {
		cfg.Policy = trusting(cfg.Ledger, ledgertest.Public(ledgertest.Key(1)))
	}
	r, err := evidence.OpenReplica(dir, cfg)
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

// feed gives a replica envelopes in batches, each up to one that is signed, and
// returns how many it took before an error.
func feed(r *evidence.Replica, batch int, envs ...[]byte) (int, error) {
	taken := 0
	for taken < len(envs) {
		end := min(taken+batch, len(envs))
		for end < len(envs) && !isSigned(envs[end-1]) {
			end++
		}
		n, err := r.Append(envs[taken:end])
		whole := taken+n == end
		if taken += n; err != nil || !whole {
			return taken, errors.Join(err)
		}
	}
	return taken, nil
}

func isSigned(env []byte) bool { return !bytes.HasSuffix(env, []byte(`"signatures":[]}`)) }

// covered returns how many of the first records are signed, or before one that is.
func covered(envs [][]byte) int {
	n := len(envs)
	for n > 0 && !isSigned(envs[n-1]) {
		n--
	}
	return n
}

func wantSame(t testing.TB, dir string, want ...[]byte) {
	t.Helper()
	got := ledgertest.Envelopes(t, dir)
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %d records, and not the %d that were taken", len(got), len(want))
	}
}

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
			cfg := evidence.ReplicaConfig{Ledger: "prod", Policy: a.policy}
			if cfg.Policy == nil {
				cfg.Policy = trusting("prod", opts.Keys...)
			}
			original := ledgertest.Dir(t)
			a.ledger.Write(t, original)
			want, err := evidence.Verify(original, opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, batch := range []int{1, 3, 100} {
				dir := ledgertest.Dir(t)
				r := openReplica(t, dir, cfg)
				taken, err := feed(r, batch, a.ledger.Envs...)
				stored := once(a.ledger.Envs[:taken])
				wantSame(t, dir, stored...)
				if a.ledger.Checkpoint != nil {
					err = errors.Join(err, r.PutCheckpoint(a.ledger.Checkpoint))
				}
				if err != nil {
					before := a.ledger.Envs
					if !want.Intact() && want.First.Record <= uint64(len(before)) {
						before = before[:want.First.Record-1]
					}
					var missing *evidence.MissingError
					if want.Intact() && (!errors.As(err, &missing) || !missing.Uncovered) || taken < covered(before) {
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
				again := reopenReplica(t, r, cfg)
				if n, err := again.Append(a.ledger.Envs); n != taken || err != nil {
					t.Errorf("a replay: got %d of %d, %v", n, taken, err)
				}
				wantSame(t, dir, stored...)
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

func reopenReplica(t testing.TB, r *evidence.Replica, cfg evidence.ReplicaConfig) *evidence.Replica {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return openReplica(t, r.Dir(), cfg)
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

var longKeys = trusting("prod", ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2)))

func TestReplicaGoesOnAfterEachReopening(t *testing.T) {
	f := long(t)
	cfg := evidence.ReplicaConfig{Policy: longKeys}
	cfg.Small(100_000)
	dir := ledgertest.Dir(t)
	var seen []uint64
	for at := 0; at < len(f.Envs); at += 250 {
		seen = seen[:0]
		cfg.Stored = func(i uint64, r *record.Record) { seen = append(seen, i) }
		r := openReplica(t, dir, cfg)
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
	wantSame(t, dir, f.Envs...)
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
	r := openReplica(t, dir, evidence.ReplicaConfig{Policy: longKeys})
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
		var equivocation *evidence.EquivocationError
		if n != 1 || !errors.As(err, &equivocation) {
			t.Errorf("record %d: got %d, %v", i, n, err)
			continue
		}
		if equivocation.Writer != record.Writer || equivocation.Seq != record.Seq ||
			!bytes.Equal(equivocation.Held, f.Envs[i]) || !bytes.Equal(equivocation.Received, env) {
			t.Errorf("record %d: got %v", i, equivocation)
		}
	}
	wantSame(t, dir, f.Envs...)
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
	r := openReplica(t, ledgertest.Dir(t), evidence.ReplicaConfig{})
	if r.Ledger() != "prod" {
		t.Errorf("got ledger %q", r.Ledger())
	}
	if n, err := r.Append(f.Envs[:5]); err != nil {
		t.Fatal(n, err)
	}
	for env, want := range map[string]string{
		string(f.Envs[7]):                   "evidence: replica: records are missing between the 5 that are there and this",
		"{}":                                "evidence: replica: refused: not_canonical: ",
		string(ledgertest.Strip(f.Envs[5])): "evidence: replica: refused: unsigned: no signature",
		string(forgeAnother(t, f, 2)): "evidence: replica: equivocation: record 3 of writer " + f.Writer +
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
	if err := r.PutCheckpoint(other.Checkpoint()); err == nil || err.Error() != "evidence: replica: equivocation: a checkpoint contradicts what is there" {
		t.Errorf("got %v", err)
	}
}
