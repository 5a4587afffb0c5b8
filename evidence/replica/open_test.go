package replica_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/replica"
	"pgregory.net/rapid"
)

func TestOpenReplicaRefuses(t *testing.T) {
	f := ledgertest.Base(t)
	for name, tt := range map[string]struct {
		break_ func(dir string)
		cfg    replica.Config
		want   error
	}{
		"a bit flipped": {func(dir string) { ledgertest.Flip(t, segment.Path(dir, 1), 3000, 1) }, replica.Config{}, evidence.ErrDamaged},
		"cut at a record": {func(dir string) {
			if err := os.WriteFile(segment.Path(dir, 1), segmenttest.File(f.Envs[:7]...), 0o600); err != nil {
				t.Fatal(err)
			}
		}, replica.Config{}, evidence.ErrDamaged},
		"reordered": {func(dir string) { ledgertest.Rewrite(t, dir, ledgertest.Swap(f.Envs, 2, 3)...) }, replica.Config{}, evidence.ErrDamaged},
		"the last one edited": {func(dir string) {
			ledgertest.Rewrite(t, dir, ledgertest.At(f.Envs, 8, ledgertest.Edit(t, f.Envs[8], `"calls":1`, `"calls":2`))...)
		}, replica.Config{}, evidence.ErrDamaged},
		"without signatures": {func(dir string) {
			ledgertest.Rewrite(t, dir, slices.Concat(f.Envs[:1], ledgertest.Each(f.Envs[1:], ledgertest.Strip))...)
		}, replica.Config{}, evidence.ErrDamaged},
		"of another root key": {func(string) {}, replica.Config{Policy: ledgertest.Trusting("prod", ledgertest.Public(ledgertest.Key(3)))},
			evidence.ErrDamaged},
		"of another ledger":   {func(string) {}, replica.Config{Ledger: "test"}, evidence.ErrDamaged},
		"a checkpoint edited": {func(dir string) { ledgertest.Flip(t, filepath.Join(dir, "checkpoint"), 8, 1) }, replica.Config{}, evidence.ErrDamaged},
		"a policy without it": {func(string) {}, replica.Config{Policy: ledgertest.Trusting("test", ledgertest.Public(ledgertest.Key(1)))}, nil},
		"a segment that vanished": {func(dir string) {
			if err := os.Rename(segment.Path(dir, 1), segment.Path(dir, 2)); err != nil {
				t.Fatal(err)
			}
		}, replica.Config{}, evidence.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := ledgertest.OpenReplica(t, dir, replica.Config{})
			if n, err := r.Append(f.Envs); err != nil {
				t.Fatal(n, err)
			}
			if err := r.PutCheckpoint(f.Checkpoint()); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if n, err := r.Append(f.Envs); n != 0 || err == nil {
				t.Errorf("once closed: got %d, %v", n, err)
			}
			tt.break_(dir)
			if tt.cfg.Ledger == "" {
				tt.cfg.Ledger = "prod"
			}
			if tt.cfg.Policy == nil {
				tt.cfg.Policy = ledgertest.Trusting(tt.cfg.Ledger, ledgertest.Public(ledgertest.Key(1)))
			}
			if r, err := replica.Open(dir, tt.cfg); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
				if r != nil {
					r.Close()
				}
			}
		})
	}
}

func TestTwoReplicasOfOneDirectory(t *testing.T) {
	dir := ledgertest.Dir(t)
	ledgertest.OpenReplica(t, dir, replica.Config{})
	if _, err := replica.Open(dir, replica.Config{Ledger: "prod", Policy: longKeys}); !errors.Is(err, evidence.ErrLocked) {
		t.Errorf("got %v", err)
	}
	if _, err := evidence.Open(dir, evidence.Config{}); !errors.Is(err, evidence.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

// Wherever the disk fails or the process dies, what was taken is there when the
// replica is opened again, and it goes on.
func TestReplicaDiesAtEachOperation(t *testing.T) {
	f := ledgertest.Base(t)
	five := ledgertest.NewForger(t)
	for _, env := range f.Envs[:5] {
		five.Put(env)
	}
	died := errors.New("died")
	for n := 1; ; n++ {
		dir := ledgertest.Dir(t)
		ops, torn := 0, n%2 == 0
		cfg := replica.Config{Ledger: "prod", Policy: longKeys}
		disk := segmenttest.Disk(func(op segmenttest.Op) error {
			if ops++; ops < n {
				return op.Do()
			}
			if op.Name == "write" && torn && ops == n {
				return errors.Join(op.Part(len(op.Bytes)/2), died)
			}
			return died
		})
		taken := 0
		r, err := replica.OpenOn(dir, cfg, disk, 4000)
		if err == nil {
			for _, part := range [][][]byte{f.Envs[:2], f.Envs[2:4], f.Envs[4:5], f.Envs[5:9]} {
				k, err := r.Append(part)
				if taken += k; err != nil {
					if !errors.Is(err, evidence.ErrUnavailable) || k != 0 {
						t.Fatalf("operation %d: got %d, %v", n, k, err)
					}
					break
				}
				if taken == 2 {
					_ = r.PutCheckpoint(five.CheckpointBy(ledgertest.Key(11)))
				}
			}
			r.Close()
		}
		again := ledgertest.OpenReplica(t, dir, replica.Config{Policy: longKeys})
		if _, records := again.Head(); records < uint64(taken) {
			t.Fatalf("operation %d: %d records are there, and %d were taken", n, records, taken)
		}
		if k, err := again.Append(f.Envs); k != 9 || err != nil {
			t.Fatalf("operation %d: afterwards: got %d, %v", n, k, err)
		}
		ledgertest.WantSame(t, dir, f.Envs...)
		ledgertest.WantIntact(t, dir)
		if ops < n {
			break // it got through
		}
	}
}

func TestReplicaRead(t *testing.T) {
	f := long(t)
	r := openOn(t, ledgertest.Dir(t), replica.Config{Ledger: "prod", Policy: longKeys}, segment.RealDisk(), 100_000)
	if n, err := ledgertest.Feed(r, 200, f.Envs...); err != nil {
		t.Fatal(n, err)
	}
	for _, from := range []int{0, 1, 1023, 1024, 1025, len(f.Envs) - 1, len(f.Envs), len(f.Envs) + 5000} {
		want := f.Envs[min(from, len(f.Envs)):]
		var got [][]byte
		for e, err := range r.Read(uint64(from)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Envelope)
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("from %d: got %d records, want %d", from, len(got), len(want))
		}
		for _, err := range r.Read(uint64(from)) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
}

// What was changed under an open replica is said as it is found.
func TestReadOfWhatWasChanged(t *testing.T) {
	f := ledgertest.Base(t)
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{})
	if n, err := r.Append(f.Envs); err != nil {
		t.Fatal(n, err)
	}
	ledgertest.Flip(t, segment.Path(dir, 1), int64(len(segmenttest.File(f.Envs[:3]...)))+100, 1)
	var errs []string
	for e, err := range r.Read(0) {
		if err != nil {
			errs = append(errs, err.Error())
			if e.Record != nil || e.Segment != 1 || e.Offset == 0 {
				t.Errorf("got an entry %+v", e)
			}
		}
	}
	if len(errs) != 1 || !strings.HasSuffix(errs[0], "edited: checksum differs") {
		t.Errorf("got %q, want the one frame", errs)
	}
}

func TestOpenReplicaPanics(t *testing.T) {
	for name, cfg := range map[string]replica.Config{"no ledger": {Policy: longKeys}, "no policy": {Ledger: "prod"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_, _ = replica.Open(ledgertest.Dir(t), cfg)
		}()
	}
}

// Tiles that cannot be written keep no record from being stored. Until they can be
// again, what is there cannot be told from what contradicts it.
func TestReplicaWithoutTiles(t *testing.T) {
	f := long(t)
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{Policy: longKeys})
	tile := filepath.Join(dir, "tile")
	if err := os.WriteFile(tile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := ledgertest.Feed(r, 100, f.Envs...); n != len(f.Envs) || err != nil {
		t.Fatal(n, err)
	}
	if n, err := r.Append(f.Envs[:2]); n != 0 || !errors.Is(err, evidence.ErrUnavailable) {
		t.Errorf("got %d, %v", n, err)
	}
	if err := os.Remove(tile); err != nil {
		t.Fatal(err)
	}
	r = ledgertest.ReopenReplica(t, r, replica.Config{Policy: longKeys})
	if n, err := r.Append(f.Envs); n != len(f.Envs) || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if report := ledgertest.Verify(t, dir, ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))); !report.Intact() ||
		report.MissingTiles != 0 {
		t.Errorf("got %v, %d tiles missing", report.First, report.MissingTiles)
	}
}

// Whatever is made of the records of a ledger by somebody without a key, and in
// whatever order it comes, a replica holds the first records of that ledger and
// nothing else, and takes the rest when it comes as it was.
func TestReplicaOfRandomDamage(t *testing.T) {
	f := ledgertest.Base(t)
	run := f.Begin("run-c")
	call := run.Intent("mail")
	f.Renew()
	run.Outcome(call, ledgertest.Done)
	run.End()
	f.Seq += 3
	f.Gap(f.Seq-2, f.Seq)
	f.Open()
	f.Run("run-d", "mail")
	other := ledgertest.NewForger(t)
	other.Root, other.Salt = ledgertest.Key(66), 1
	other.Open()
	other.Run("run-a", "mail")
	dir := ledgertest.Dir(t)
	rapid.Check(t, func(rt *rapid.T) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		r, err := replica.Open(dir, replica.Config{Ledger: "prod", Policy: longKeys})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			from := rapid.IntRange(0, len(f.Envs)-1).Draw(rt, "from")
			batch := slices.Clone(f.Envs[from:rapid.IntRange(from+1, len(f.Envs)).Draw(rt, "to")])
			if rapid.Bool().Draw(rt, "spoilt") {
				batch = ledgertest.Spoil(rt, batch)
			}
			if rapid.IntRange(0, 9).Draw(rt, "by a stranger") == 0 && len(batch) > 0 {
				batch[0] = other.Envs[rapid.IntRange(0, len(other.Envs)-1).Draw(rt, "which")]
			}
			taken, err := r.Append(batch)
			if (err == nil) != (taken == len(batch)) {
				rt.Fatalf("got %d of %d taken, %v", taken, len(batch), err)
			}
		}
		_, n := r.Head()
		if got := ledgertest.Envelopes(t, dir); uint64(len(got)) != n || !slices.EqualFunc(got, f.Envs[:n], bytes.Equal) {
			rt.Fatalf("got %d records, and not the first %d of the ledger", len(got), n)
		}
		if taken, err := r.Append(f.Envs); taken != len(f.Envs) || err != nil {
			rt.Fatalf("got %d of %d, %v", taken, len(f.Envs), err)
		}
	})
	ledgertest.WantIntact(t, dir)
}
