package replica_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
)

// Where the session signs only checkpoints, records without a signature are taken
// with the one that covers them, and not before.
func TestReplicaOfUnsignedRecords(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Signing = record.SignCheckpoints
	f.Open()
	f.Run("run-a", "mail")
	f.Run("run-b", "mail")
	dir := ledgertest.Dir(t)
	r := ledgertest.OpenReplica(t, dir, replica.Config{})
	for i, want := range []int{1, 1, 1, 1, 5, 5, 5, 5, 9} { // a run is a group
		n, err := r.Append(f.Envs[:i+1])
		var missing *replica.MissingError
		if n != want || (err == nil) != (n == i+1) || err != nil && (!errors.As(err, &missing) || !missing.Uncovered || missing.Records != uint64(n)) {
			t.Errorf("the first %d: got %d, %v, want %d taken", i+1, n, err, want)
		}
		if _, records := r.Head(); records != uint64(want) {
			t.Errorf("the first %d: got %d stored, want %d", i+1, records, want)
		}
	}
	ledgertest.WantIntact(t, dir)
	if err := r.PutCheckpoint(f.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
	r = ledgertest.ReopenReplica(t, r, replica.Config{})
	s, another, err := record.ParsePayload(ledgertest.DecodePayload(t, f.Envs[4]))
	if err != nil {
		t.Fatal(err)
	}
	another.ID = "019d0c2e-5b1f-7c39-9cc2-ffff00000000"
	payload := record.AppendPayload(nil, s, another)
	var e *replica.EquivocationError
	if n, err := r.Append([][]byte{ledgertest.SealAll(payload, f.Session)}); n != 0 || !errors.As(err, &e) || !bytes.Equal(e.Held, f.Envs[4]) {
		t.Errorf("signed: got %d, %v", n, err)
	}
	var refused *replica.RefusedError
	if n, err := r.Append([][]byte{ledgertest.SealAll(payload)}); n != 0 || !errors.As(err, &refused) || refused.Damage != record.DamageUnsigned {
		t.Errorf("not signed: got %d, %v", n, err)
	}
}

// unsignedTwin returns another record, that nobody signed, in the place of one.
func unsignedTwin(t *testing.T, env []byte) []byte {
	t.Helper()
	s, another, err := record.ParsePayload(ledgertest.DecodePayload(t, env))
	if err != nil {
		t.Fatal(err)
	}
	another.ID = "019d0c2e-5b1f-7c39-9cc2-ffff00000000"
	payload := record.AppendPayload(nil, s, another)
	return ledgertest.SealAll(payload)
}

// What nobody signed takes no place, whatever comes before and after it, and is no
// half of an equivocation: whoever may send and has no key keeps nobody out.
func TestWhatNobodySignedTakesNoPlace(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Signing = record.SignCheckpoints
	f.Open()
	f.Run("run-a", "mail")
	f.Run("run-b", "mail")
	next := unsignedTwin(t, f.Envs[5])
	for name, tt := range map[string]struct {
		envs [][]byte
		want record.Damage // "" where it may still be covered
	}{
		"alone":                        {[][]byte{next}, ""},
		"behind what is there":         {slices.Concat(f.Envs[:5], [][]byte{next}), ""},
		"before what is signed":        {[][]byte{next, f.Envs[6], f.Envs[7], f.Envs[8]}, record.DamageUnsigned},
		"in place of the last":         {[][]byte{f.Envs[5], f.Envs[6], unsignedTwin(t, f.Envs[7]), f.Envs[8]}, record.DamageEdited},
		"in place of what is there":    {[][]byte{unsignedTwin(t, f.Envs[2])}, record.DamageUnsigned},
		"and with what is signed":      {[][]byte{unsignedTwin(t, f.Envs[2]), f.Envs[4]}, record.DamageUnsigned},
		"in place of one, without end": {[][]byte{f.Envs[5], f.Envs[6], unsignedTwin(t, f.Envs[7])}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := ledgertest.OpenReplica(t, dir, replica.Config{})
			if n, err := r.Append(f.Envs[:5]); n != 5 || err != nil {
				t.Fatal(n, err)
			}
			for range 2 {
				_, err := r.Append(tt.envs)
				var refused *replica.RefusedError
				var missing *replica.MissingError
				switch {
				case tt.want == "" && errors.As(err, &missing) && missing.Uncovered && missing.Records == 5:
				case tt.want != "" && errors.As(err, &refused) && refused.Damage == tt.want:
				default:
					t.Errorf("got %v, want %q", err, tt.want)
				}
				ledgertest.WantSame(t, dir, f.Envs[:5]...)
				r = ledgertest.ReopenReplica(t, r, replica.Config{})
			}
			if n, err := r.Append(f.Envs); n != 9 || err != nil {
				t.Errorf("the agent's own: got %d, %v", n, err)
			}
			ledgertest.WantIntact(t, dir)
		})
	}
}

// Of two histories that one session signed, the first records that differ may be
// without a signature. The first one that has one proves it.
func TestTwoHistoriesOfOneSessionEquivocate(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Signing = record.SignCheckpoints
	f.Open()
	f.Run("run-a", "mail")
	other := *f
	other.Envs = slices.Clone(f.Envs)
	f.Run("run-b", "mail")
	other.Run("run-c", "mail")
	r := ledgertest.OpenReplica(t, ledgertest.Dir(t), replica.Config{})
	if n, err := r.Append(f.Envs); n != 9 || err != nil {
		t.Fatal(n, err)
	}
	var e *replica.EquivocationError
	if n, err := r.Append(other.Envs); n != 5 || !errors.As(err, &e) || !bytes.Equal(e.Received, other.Envs[8]) || !bytes.Equal(e.Held, f.Envs[8]) {
		t.Errorf("got %d, %v", n, err)
	}
}

// What a crash has left of a group that nothing covers is cut off: nobody was told
// that it is there.
func TestReplicaCutsWhatNothingCovers(t *testing.T) {
	f := ledgertest.NewForger(t)
	f.Signing = record.SignCheckpoints
	f.Open()
	f.Run("run-a", "mail")
	f.Run("run-b", "mail")
	whole := segmenttest.File(f.Envs...)
	for left := len(segmenttest.File(f.Envs[:5]...)); left < len(whole); left += 97 {
		dir := ledgertest.Dir(t)
		r := ledgertest.OpenReplica(t, dir, replica.Config{})
		if n, err := r.Append(f.Envs[:5]); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if err := errors.Join(r.Close(), os.WriteFile(segment.Path(dir, 1), whole[:left], 0o600)); err != nil {
			t.Fatal(err)
		}
		stored := 0
		r = ledgertest.OpenReplica(t, dir, replica.Config{Stored: func(index uint64, _ *record.Record) {
			if index != uint64(stored) {
				t.Errorf("stored record %d after %d", index, stored)
			}
			stored++
		}})
		if stored != 5 {
			t.Errorf("%d bytes left: %d records are said to be stored", left, stored)
		}
		ledgertest.WantSame(t, dir, f.Envs[:5]...)
		if n, err := r.Append(f.Envs); n != 9 || err != nil {
			t.Error(n, err)
		}
		ledgertest.WantSame(t, dir, f.Envs...)
		ledgertest.WantIntact(t, dir)
	}
}

// An opening costs as much for each session as for the one before it.
func TestOpenReplicaIsLinearInTheSessions(t *testing.T) {
	allocated := func(sessions int) uint64 {
		f := ledgertest.NewForger(t)
		for range sessions {
			f.Open()
		}
		dir := ledgertest.Dir(t)
		r := ledgertest.OpenReplica(t, dir, replica.Config{})
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(segment.Path(dir, 1), segmenttest.File(f.Envs...), 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r = ledgertest.OpenReplica(t, dir, replica.Config{})
		runtime.ReadMemStats(&after)
		if _, n := r.Head(); n != uint64(sessions) {
			t.Fatalf("got %d records", n)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(250), allocated(1000); many > 6*few {
		t.Errorf("250 sessions take %d bytes, 1000 take %d", few, many)
	}
}

// While a tile cannot be written records are stored all the same, and when it can be
// what comes again is known again, without an opening.
func TestReplicaWhoseTilesCannotBeWrittenForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ledgertest.NewForger(t)
		f.Open()
		for len(f.Envs) < 300 {
			f.Run(fmt.Sprint("run-", len(f.Envs)), "mail")
		}
		dir := ledgertest.Dir(t)
		r := ledgertest.OpenReplica(t, dir, replica.Config{})
		block := filepath.Join(dir, "tile")
		if err := os.WriteFile(block, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Append(f.Envs); n != len(f.Envs) || err != nil {
			t.Fatal(n, err)
		}
		for range 2 {
			if _, err := r.Append(f.Envs[:1]); !errors.Is(err, evidence.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		}
		if err := os.Remove(block); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n, err := r.Append(f.Envs); n != len(f.Envs) || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		if err := r.PutCheckpoint(f.Checkpoint()); err != nil {
			t.Error(err)
		}
		ledgertest.WantSame(t, dir, f.Envs...)
		ledgertest.WantIntact(t, dir)
	})
}

// As many records may wait for a signature as a group can have before its last.
func TestUnsignedRecordsAreBounded(t *testing.T) {
	for unsigned, ok := range map[int]bool{record.MaxUnsigned: true, record.MaxUnsigned + 1: false} {
		f := ledgertest.NewForger(t)
		f.Signing = record.SignCheckpoints
		f.Open()
		for len(f.Envs) < unsigned+2 {
			f.Run("run-"+f.ID(), "mail")
		}
		envs := f.Envs[:unsigned+2]
		for i := 1; i <= unsigned; i++ {
			envs[i] = ledgertest.Strip(envs[i])
		}
		envs[unsigned+1] = ledgertest.SealAll(ledgertest.DecodePayload(t, envs[unsigned+1]), f.Session)
		taken, err := ledgertest.OpenReplica(t, ledgertest.Dir(t), replica.Config{}).Append(envs)
		if ok && (taken != len(envs) || err != nil) {
			t.Errorf("%d unsigned: got %d, %v", unsigned, taken, err)
		}
		var refused *replica.RefusedError
		if !ok && (taken != 1 || !errors.As(err, &refused) || refused.Damage != record.DamageUnsigned) {
			t.Errorf("%d unsigned: got %d, %v, want them refused", unsigned, taken, err)
		}
	}
}
