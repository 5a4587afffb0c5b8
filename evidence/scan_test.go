package evidence_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// Envelopes are opened in parallel and come in order all the same.
func TestParallelOrder(t *testing.T) {
	t.Parallel()
	dir := ledgertest.Dir(t)
	f := manyRecords(t, 3000)
	ledgertest.Bare(f.Envs...).Write(t, dir)
	n := 0
	for e, err := range evidence.Read(dir) {
		if err != nil || !slices.Equal(e.Envelope, f.Envs[n]) || e.Record.Seq != uint64(n+1) {
			t.Fatalf("record %d: got %+v, %v", n+1, e.Record, err)
		}
		n++
	}
	if n != len(f.Envs) {
		t.Errorf("got %d records, want %d", n, len(f.Envs))
	}
	// Wherever a record is bad, it is the first, and the rest is counted.
	for _, i := range []int{1, 127, 128, 129, 1500, len(f.Envs) - 1} {
		ledgertest.Bare(ledgertest.At(f.Envs, i, ledgertest.FlipSig(f.Envs[i]))...).Write(t, dir)
		report := ledgertest.Verify(t, dir)
		if report.Intact() || report.First.Record != uint64(i+1) || report.First.Damage != record.DamageEdited ||
			report.Records != uint64(len(f.Envs)-1) || len(report.Damage) != 1 {
			t.Errorf("record %d edited: got %d records, first %v, damage %v", i+1, report.Records, report.First, report.Damage)
		}
	}
}

// A loop over Read that ends early, or panics, leaves no goroutine behind: see
// TestMain.
func TestReadEndsEarly(t *testing.T) {
	dir := ledgertest.Dir(t)
	ledgertest.Bare(manyRecords(t, 3000).Envs...).Write(t, dir)
	for _, err := range evidence.Read(dir) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	func() {
		defer func() {
			if v := recover(); v == nil {
				t.Error("got no panic")
			}
		}()
		for _, err := range evidence.Read(dir) {
			panic(fmt.Sprint("enough ", err))
		}
	}()
}

func TestProgress(t *testing.T) {
	dir := ledgertest.Dir(t)
	f := manyRecords(t, 3000)
	ledgertest.Bare(f.Envs...).Write(t, dir)
	opts := attack{}.options()
	var all []evidence.Progress
	opts.Progress = func(p evidence.Progress) { all = append(all, p) }
	began := time.Now()
	report, err := evidence.Verify(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	last := all[len(all)-1]
	if last.Records != uint64(len(f.Envs)) || last.Bytes != report.Bytes || last.Total != report.Bytes {
		t.Errorf("got %+v at the end, want %d records and %d bytes", last, len(f.Envs), report.Bytes)
	}
	if most := 2 + int(time.Since(began)/(100*time.Millisecond)); len(all) > most {
		t.Errorf("got %d calls, want %d at most", len(all), most)
	}
	if !slices.IsSortedFunc(all, func(a, b evidence.Progress) int { return int(a.Bytes - b.Bytes) }) {
		t.Errorf("got %+v, want them in order", all)
	}
}

// A ledger of any length is verified in the same memory.
func TestVerifyInConstantMemory(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("makes a ledger of 250 MB")
	}
	const records = 200_000
	dir := ledgertest.Dir(t)
	ledgertest.Bare().Write(t, dir)
	file, err := os.OpenFile(segment.Path(dir, 1), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	head := len(segmenttest.File())
	f := ledgertest.NewForger(t)
	f.Signing = record.SignCheckpoints // one signature each would take longer to make than to check
	f.Out = func(env []byte) { _, _ = w.Write(segmenttest.File(env)[head:]) }
	f.Open()
	for i := 0; f.Tree.Size() < records; i++ {
		f.Agent(fmt.Sprint("run-", i))
		f.Now = f.Now.Add(-1700 * time.Millisecond) // a day holds them
	}
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		t.Fatal(err)
	}
	opts := attack{given: [][]byte{f.Checkpoint()}}.options()
	runtime.GC()
	var before, m runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	opts.Progress = func(evidence.Progress) {
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	began := time.Now()
	report, err := evidence.Verify(dir, opts)
	if err != nil || !report.Intact() || report.Records < records {
		t.Fatalf("got %+v, %v", report, err)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 48<<20 {
		t.Errorf("verifying took %d MiB", grown>>20)
	} else {
		t.Logf("%d records, %d MiB, in %v with %d MiB", report.Records, report.Bytes>>20, time.Since(began), grown>>20)
	}
}

// A writer that opens a ledger reads it through and refuses what is damaged: it
// stops at the first bad record.
func TestOpenReadsThrough(t *testing.T) {
	f := ledgertest.Base(t)
	f.Open()
	f.Run("run-c", "mail")
	handed := ledgertest.NewForger(t)
	handed.Open()
	handed.Rotate(ledgertest.Key(2))
	claimed := ledgertest.NewForger(t) // to be handed over, to a key that did not sign it
	claimed.Open()
	claimed.Add(&record.Record{Kind: record.KindRotate, Rotate: &record.Rotate{
		Key: record.KeyID(ledgertest.Public(ledgertest.Key(2))), Public: ledgertest.PKIX(ledgertest.Public(ledgertest.Key(2))),
	}}, claimed.OfLedger(), claimed.Root)
	for name, tt := range map[string]struct {
		ledger ledgertest.Forgery
		key    byte
		says   string // "" if it opens
	}{
		"intact":                               {f.Ledger(), 1, ""},
		"torn":                                 {ledgertest.Forgery{Segment: chop(segmenttest.File(f.Envs...), 100)}, 1, ""},
		"cut":                                  {ledgertest.Bare(f.Envs[:7]...), 1, ""},
		"another root key":                     {f.Ledger(), 2, evidence.ErrOtherKey.Error()},
		"handed over":                          {ledgertest.Bare(handed.Envs...), 1, evidence.ErrOtherKey.Error()},
		"handed over to one that did not sign": {ledgertest.Bare(claimed.Envs...), 1, "is damaged"},
		"handed over by another":               {ledgertest.Bare(ledgertest.At(handed.Envs, 0, ledgertest.FlipSig(handed.Envs[0]))...), 1, "is damaged"},
		"removed":                              {ledgertest.Bare(slices.Delete(slices.Clone(f.Envs), 3, 4)...), 1, "record 4 "},
		"two bad": {ledgertest.Bare(ledgertest.At(ledgertest.At(f.Envs, 2, ledgertest.Strip(f.Envs[1])), 3,
			ledgertest.Strip(f.Envs[1]))...), 1, "record 3 "},
		"last edited":  {ledgertest.Bare(ledgertest.At(f.Envs, 13, ledgertest.FlipSig(f.Envs[13]))...), 1, "edited"},
		"last session": {ledgertest.Bare(ledgertest.At(f.Envs, 9, ledgertest.FlipSig(f.Envs[9]))...), 1, "session is "},
		"by another": {ledgertest.Bare(ledgertest.At(f.Envs, 13,
			ledgertest.Seal(ledgertest.Key(66), ledgertest.DecodePayload(t, f.Envs[13])))...), 1, "unknown_key"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			tt.ledger.Write(t, dir)
			r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(tt.key)})
			if err == nil {
				_ = r.Close(context.Background())
			}
			want := evidence.ErrDamaged
			if tt.says == evidence.ErrOtherKey.Error() {
				want = evidence.ErrOtherKey
			}
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, want) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got error %v, want %q", err, tt.says)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	dir := ledgertest.Dir(t)
	f := ledgertest.Base(t)
	f.Ledger().Write(t, dir)
	for name, tt := range map[string]struct {
		change func(o *evidence.VerifyOptions)
		says   string
	}{
		"no key":           {func(o *evidence.VerifyOptions) { o.Keys = nil }, "no key"},
		"another policy":   {func(o *evidence.VerifyOptions) { o.Policy = &trust.Policy{} }, `does not name "prod"`},
		"not a checkpoint": {func(o *evidence.VerifyOptions) { o.Checkpoints = [][]byte{f.Checkpoint(), []byte("prod\n9\n")} }, "checkpoint 2: "},
		"cut checkpoint":   {func(o *evidence.VerifyOptions) { o.Checkpoints = [][]byte{chop(f.Checkpoint(), 9)} }, "checkpoint 1: "},
		"no checkpoint":    {func(o *evidence.VerifyOptions) { o.Checkpoints = [][]byte{nil} }, "checkpoint 1: "},
	} {
		opts := attack{}.options()
		tt.change(&opts)
		if report, err := evidence.Verify(dir, opts); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %+v, %v, want an error with %q", name, report, err, tt.says)
		}
	}
	// What is not a file is not read.
	if err := os.Remove(filepath.Join(dir, "checkpoint")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "checkpoint"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Verify(dir, attack{}.options()); err == nil ||
		!strings.Contains(err.Error(), "checkpoint: is not a regular file: move away what is in its place") {
		t.Errorf("with a directory as checkpoint: got error %v", err)
	}
	f.Ledger().Write(t, dir)
	// What is not in the ledger yet is only measured.
	if err := os.WriteFile(filepath.Join(dir, "overflow.seg"), make([]byte, 77), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := ledgertest.WantIntact(t, dir); report.Overflow != 77 {
		t.Errorf("got overflow %d, want 77", report.Overflow)
	}
}

// A ledger that is being written is intact up to its last signature: however often
// it is verified, and in either way of signing.
func TestVerifyWhileWriting(t *testing.T) {
	// Most ledgers are short, as a verification costs what the ledger is long; those
	// that are long come to have tiles.
	rounds := append(slices.Repeat([]int{6}, 40), 30, 30)
	if testing.Short() {
		rounds = []int{30}
	}
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			verified, unsigned := 0, 0
			for _, n := range rounds {
				verified += n
				unsigned += verifyWhileWriting(t, signing, n)
			}
			t.Logf("records at the end were unsigned in %d of %d verifications", unsigned, verified)
		})
	}
}

func verifyWhileWriting(t *testing.T, signing record.Signing, rounds int) (unsigned int) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Signing: signing, ReadOnly: []string{"shell"}})
	more := make(chan bool)
	var running sync.WaitGroup
	defer running.Wait()
	defer close(more)
	running.Go(func() {
		for range more {
			for range 6 {
				_, _ = call(t, r, shell, say("ok"))
			}
		}
	})
	seen := uint64(0)
	for n := range rounds {
		more <- true
		report := ledgertest.Verify(t, dir)
		if !report.Intact() || report.Records < seen {
			t.Fatalf("verification %d: got %d records after %d, first damage %v", n, report.Records, seen, report.First)
		}
		if seen = report.Records; report.Unsigned > 0 {
			unsigned++
		}
	}
	return unsigned
}

// Half a record at the end is a write under way, if the rest of it comes while the
// ledger is verified, and damage if not.
func TestHalfARecordMayBeAWriteUnderWay(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(fmt.Sprint(comes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				envs := ledgertest.Base(t).Envs
				n := len(envs) - 1
				whole, part := segmenttest.File(envs...), segmenttest.File(envs[:n]...)
				half := len(part) + (len(whole)-len(part))/2
				ledgertest.Bare(envs[:n]...).Write(t, dir)
				appendTo(t, dir, 1, whole[len(part):half])
				if comes {
					go func() {
						time.Sleep(5 * time.Millisecond)
						appendTo(t, dir, 1, whole[half:])
					}()
				}
				report := ledgertest.Verify(t, dir)
				if report.Intact() != comes || report.Records != uint64(n) {
					t.Errorf("got %d records, first damage %v, want %d and an intact ledger %v", report.Records, report.First, n, comes)
				}
			})
		})
	}
}
