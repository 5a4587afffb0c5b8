package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

var signings = []record.Signing{record.SignRecords, record.SignCheckpoints}

// followers returns a forger that goes on where the ledger ends, as somebody can
// who has no key.
func followers(t testing.TB, dir string) *ledgertest.Forger {
	t.Helper()
	f := goOn(t, ledgertest.Envelopes(t, dir), ledgertest.Key(66))
	f.Envs, f.Signing = nil, record.SignCheckpoints
	return f
}

// goOn returns a forger that goes on after some records, with a session key.
func goOn(t testing.TB, envs [][]byte, session ed25519.PrivateKey) *ledgertest.Forger {
	t.Helper()
	f := ledgertest.NewForger(t)
	for _, env := range envs {
		f.Put(env)
	}
	payload := ledgertest.DecodePayload(t, envs[len(envs)-1])
	_, r, err := record.ParsePayload(payload)
	if err != nil {
		t.Fatal(err)
	}
	f.Salt, f.Session = 7, session
	f.Origin, f.Writer, f.Seq, f.Prev = r.Ledger, r.Writer, r.Seq, sha256.Sum256(payload)
	f.Now, f.Elapsed = r.Time, r.Mono
	return f
}

// closed makes a ledger of one run.
func closed(t testing.TB, cfg evidence.Config) (dir string) {
	t.Helper()
	dir = ledgertest.Dir(t)
	r := open(t, dir, cfg)
	if err := agent(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reopen opens and closes a ledger and returns what it says that it found.
func reopen(t testing.TB, dir string, cfg evidence.Config) *record.Recovered {
	t.Helper()
	cfg.Key = ledgertest.Key(1)
	r, err := evidence.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var found *record.Recovered
	for _, e := range ledgertest.Entries(t, dir) {
		if s := e.Record.Session; s != nil && e.Record.Seq == 1 {
			found = s.Recovered
		}
	}
	return found
}

// What somebody without a key puts at the end of a ledger is no evidence: it is
// said to be unsigned, the next writer cuts it off, and its session says so for
// ever. Nothing has it signed.
func TestRecordsThatNobodySignedAreCutOff(t *testing.T) {
	dir := closed(t, evidence.Config{Signing: record.SignCheckpoints})
	honest := ledgertest.Envelopes(t, dir)
	f := followers(t, dir)
	run := f.Begin("forged")
	run.Outcome(run.Intent("transfer_money"), ledgertest.Done)
	forged := segmenttest.File(f.Envs...)[len(segmenttest.File()):]
	appendTo(t, dir, 1, forged)

	report := ledgertest.WantIntact(t, dir)
	if n := uint64(len(honest)); report.Unsigned != 3 || report.Records != n || report.Proven != n || report.Runs != 1 {
		t.Errorf("before: got %+v, want %d records and 3 that are unsigned", report, n)
	}
	want := record.Unsigned{
		Bytes: int64(len(forged)), Digest: sha256.Sum256(forged), Records: 3,
		First: sha256.Sum256(ledgertest.DecodePayload(t, f.Envs[0])), Last: sha256.Sum256(ledgertest.DecodePayload(t, f.Envs[2])),
	}
	got := reopen(t, dir, evidence.Config{Signing: record.SignCheckpoints})
	if got == nil || got.Unsigned == nil || *got.Unsigned != want {
		t.Errorf("got recovered %+v, want %+v", got, want)
	}
	reopen(t, dir, evidence.Config{}) // however it goes on
	report = ledgertest.WantIntact(t, dir)
	if report.Cut != 3 || report.Unsigned != 0 || report.Runs != 1 {
		t.Errorf("after: got %+v, want 3 cut off and no other run", report)
	}
	now := ledgertest.Envelopes(t, dir)
	if !slices.EqualFunc(now[:len(honest)], honest, bytes.Equal) {
		t.Error("the records before are not those that were there")
	}
	for _, env := range now {
		if bytes.Contains(ledgertest.DecodePayload(t, env), []byte("transfer_money")) {
			t.Error("a forged record is in the ledger")
		}
	}
}

// Without a key nothing that was acknowledged can be replaced and then be signed by
// the next writer.
func TestHistoryIsNotReplacedAndSigned(t *testing.T) {
	cfg := evidence.Config{Signing: record.SignCheckpoints}
	for name, spoil := range map[string]func(t *testing.T, dir string, envs [][]byte) [][]byte{
		"all but the session": func(t *testing.T, dir string, envs [][]byte) [][]byte {
			ledgertest.Rewrite(t, dir, envs[0])
			f := followers(t, dir)
			f.Run("forged", "mail")
			return append(envs[:1:1], ledgertest.Each(f.Envs, ledgertest.Strip)...)
		},
		"the last record": func(t *testing.T, dir string, envs [][]byte) [][]byte {
			n := len(envs) - 1
			ledgertest.Rewrite(t, dir, envs[:n]...)
			f := followers(t, dir)
			f.Begin("forged")
			return append(envs[:n:n], f.Envs...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := closed(t, cfg)
			if err := errors.Join(os.Remove(filepath.Join(dir, "checkpoint")), os.RemoveAll(filepath.Join(dir, "tile"))); err != nil {
				t.Fatal(err)
			}
			spoiled := spoil(t, dir, ledgertest.Envelopes(t, dir))
			ledgertest.Rewrite(t, dir, spoiled...)
			if err := os.RemoveAll(filepath.Join(dir, "checkpoint")); err != nil {
				t.Fatal(err)
			}
			before := ledgertest.Verify(t, dir)
			if !before.Intact() || before.Unsigned == 0 {
				t.Errorf("before: got %+v, want what is forged unsigned", before)
			}
			reopen(t, dir, cfg)
			report := ledgertest.WantIntact(t, dir)
			if report.Cut != before.Unsigned {
				t.Errorf("got %d cut off, want %d", report.Cut, before.Unsigned)
			}
			for _, e := range ledgertest.Entries(t, dir) {
				if e.Record.Run == "forged" {
					t.Error("a forged record was signed")
				}
			}
		})
	}
}

// What was edited before a signature stops the next writer, and is named itself.
func TestEditedRecordsAreNamedThemselves(t *testing.T) {
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			cfg := evidence.Config{Key: ledgertest.Key(1), Signing: signing}
			dir := closed(t, cfg)
			envs := ledgertest.Envelopes(t, dir)
			for i := 1; i < len(envs); i++ {
				changed := ledgertest.Edit(t, envs[i], `"time":"2`, `"time":"3`)
				ledgertest.Rewrite(t, dir, ledgertest.At(envs, i, changed)...)
				report := ledgertest.Verify(t, dir)
				n := uint64(i + 1)
				if report.Intact() || report.First.Damage != record.DamageEdited || report.First.Record != n || report.Proven >= n {
					t.Errorf("record %d: got %v, %d proven", n, report.First, report.Proven)
				}
				if report.Damage[record.DamageEquivocation] > 0 {
					t.Errorf("record %d: got %v, and nobody signed two records", n, report.Damage)
				}
				if _, err := evidence.Open(dir, cfg); !errors.Is(err, evidence.ErrDamaged) {
					t.Errorf("record %d: Open: got %v, want ErrDamaged", n, err)
				}
			}
		})
	}
}

// A process that dies while it writes a group leaves part of it: it is cut off
// wherever that was, and the groups before it stay.
func TestGroupThatWasNotWrittenToItsEnd(t *testing.T) {
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			t.Parallel()
			cfg := evidence.Config{Signing: signing}
			dir := closed(t, cfg)
			path := segment.Path(dir, 1)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all := ledgertest.Entries(t, dir)
			ends, signed := []int64{}, []int64{}
			for i, e := range all {
				end := int64(len(whole))
				if i+1 < len(all) {
					end = all[i+1].Offset
				}
				ends = append(ends, end)
				if !bytes.HasSuffix(e.Envelope, []byte(`"signatures":[]}`)) {
					signed = append(signed, end)
				}
			}
			for n := ends[0]; n < int64(len(whole)); n += 61 {
				if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, whole[:n], 0o600)); err != nil {
					t.Fatal(err)
				}
				kept := int64(0)
				for _, end := range signed {
					if end <= n {
						kept = end
					}
				}
				reopen(t, dir, cfg)
				ledgertest.WantIntact(t, dir)
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				now := ledgertest.Entries(t, dir)
				if !bytes.Equal(got[:kept], whole[:kept]) || now[len(now)-1].Offset != kept {
					t.Fatalf("cut at %d: the new writer begins at %d, want it at %d", n, now[len(now)-1].Offset, kept)
				}
			}
		})
	}
}

// An overflow file that somebody without a key puts there neither comes in nor
// stops the next writer. Verify and Open say the same of it.
func TestPlantedOverflowIsSetAside(t *testing.T) {
	for _, signing := range signings {
		for name, plant := range map[string]func(dir string) [][]byte{
			"unsigned": func(dir string) [][]byte {
				f := followers(t, dir)
				f.Begin("forged")
				return f.Envs
			},
			"signed by a stranger": func(dir string) [][]byte {
				f := followers(t, dir)
				f.Signing = record.SignRecords
				f.Begin("forged")
				return f.Envs
			},
			"of nowhere": func(dir string) [][]byte {
				f := followers(t, dir)
				f.Prev = ledgertest.HashOf("nothing")
				f.Begin("forged")
				return f.Envs
			},
			"of another ledger": func(dir string) [][]byte {
				f := followers(t, dir)
				f.Origin = "another"
				f.Begin("forged")
				return f.Envs
			},
			"far ahead": func(dir string) [][]byte {
				f := followers(t, dir)
				f.Seq += 1000
				f.Begin("forged")
				return f.Envs
			},
			"another writer": func(dir string) [][]byte {
				f := followers(t, dir)
				f.Open()
				return f.Envs
			},
			"no record": func(string) [][]byte { return [][]byte{[]byte(`{"payload":"`)} },
		} {
			t.Run(fmt.Sprintf("%s/%s", signing, name), func(t *testing.T) {
				cfg := evidence.Config{Signing: signing}
				dir := closed(t, cfg)
				honest := ledgertest.Envelopes(t, dir)
				planted := segmenttest.File(plant(dir)...)
				if err := os.WriteFile(filepath.Join(dir, "overflow.seg"), planted, 0o600); err != nil {
					t.Fatal(err)
				}
				if report := ledgertest.WantIntact(t, dir); report.Astray != 1 || report.Waiting != 0 {
					t.Errorf("got %d astray and %d waiting, want 1 astray", report.Astray, report.Waiting)
				}
				want := record.Aside{Bytes: int64(len(planted)), Digest: sha256.Sum256(planted)}
				if got := reopen(t, dir, cfg); got == nil || got.Aside == nil || *got.Aside != want || got.Overflow != 0 {
					t.Errorf("got recovered %+v, want %+v set aside", got, want)
				}
				aside := filepath.Join(dir, fmt.Sprintf("overflow.seg.%.16s", want.Digest))
				if got, err := os.ReadFile(aside); err != nil || !bytes.Equal(got, planted) {
					t.Errorf("%s: got %d bytes, %v", aside, len(got), err)
				}
				if report := ledgertest.WantIntact(t, dir); report.Aside != 1 || report.Overflow != 0 {
					t.Errorf("got %+v, want one overflow set aside", report)
				}
				if now := ledgertest.Envelopes(t, dir); len(now) != len(honest)+1 {
					t.Errorf("got %d records, want %d", len(now), len(honest)+1)
				}
			})
		}
	}
}

// An overflow that is signed and goes on after records that are missing shows that
// the segments were cut. Nobody else is blamed for it.
func TestOverflowShowsThatSegmentsWereCut(t *testing.T) {
	for _, signing := range signings {
		t.Run(string(signing), func(t *testing.T) {
			cfg := evidence.Config{Key: ledgertest.Key(1), Signing: signing}
			dir := closed(t, cfg)
			envs := ledgertest.Envelopes(t, dir)
			n := len(envs)
			overflow := filepath.Join(dir, "overflow.seg")
			for kept, says := range map[int]string{1: "these were cut", 0: "they were cut or removed"} {
				ledgertest.Rewrite(t, dir, envs[:kept]...)
				if err := os.WriteFile(overflow, segmenttest.File(envs[n-1]), 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := evidence.Open(dir, cfg)
				if !errors.Is(err, evidence.ErrDamaged) || !strings.Contains(err.Error(), says) {
					t.Errorf("%d kept: Open: got %v, want ErrDamaged and %q", kept, err, says)
				}
				if _, err := os.Stat(overflow); err != nil {
					t.Errorf("%d kept: the overflow is gone: %v", kept, err)
				}
				if kept == 0 {
					continue
				}
				report := ledgertest.Verify(t, dir)
				if report.Intact() || report.First.Damage != record.DamageRemoved || !strings.Contains(report.First.Detail, says) {
					t.Errorf("%d kept: got %v, want records removed", kept, report.First)
				}
			}
			// All of it is taken over where nothing is missing, whatever the segments have
			// of the last group.
			for kept := 1; kept < n; kept++ {
				ledgertest.Rewrite(t, dir, envs[:kept]...)
				if err := os.WriteFile(overflow, segmenttest.File(envs[1:]...), 0o600); err != nil {
					t.Fatal(err)
				}
				if got := reopen(t, dir, evidence.Config{Signing: signing}); got == nil || int(got.Overflow) != n-kept || got.Unsigned != nil ||
					got.Aside != nil {
					t.Errorf("%d kept: got recovered %+v, want %d of the overflow", kept, got, n-kept)
				}
				ledgertest.WantIntact(t, dir)
				if now := ledgertest.Envelopes(t, dir); !slices.EqualFunc(now[:n], envs, bytes.Equal) {
					t.Errorf("%d kept: not all records are there", kept)
				}
			}
		})
	}
}

// Where the overflow goes on after the last signature of the segments, and so does
// something else in them that nobody signed, the overflow is taken and the other cut.
func TestAnOverflowStandsBesideWhatNobodySigned(t *testing.T) {
	cfg := evidence.Config{Signing: record.SignCheckpoints}
	dir := closed(t, cfg)
	honest := ledgertest.Envelopes(t, dir)
	unsigned := func(env []byte) bool { return bytes.HasSuffix(env, []byte(`"signatures":[]}`)) }
	from := len(honest) - 1
	for unsigned(honest[from-1]) {
		from--
	}
	if len(honest)-from < 2 {
		t.Fatalf("the last group has %d records, want several: the test is void", len(honest)-from)
	}
	f := goOn(t, honest[:from], ledgertest.Key(66))
	f.Envs, f.Signing = nil, record.SignCheckpoints
	f.Begin("forged")
	for name, beside := range map[string][][]byte{
		"another record":           f.Envs,
		"a part, and then another": {honest[from], f.Envs[0]},
	} {
		file, overflow := segmenttest.File(slices.Concat(honest[:from], beside)...), segmenttest.File(honest[from:]...)
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.Mkdir(filepath.Dir(segment.Path(dir, 1)), 0o700),
			os.WriteFile(segment.Path(dir, 1), file, 0o600), os.WriteFile(filepath.Join(dir, "overflow.seg"), overflow, 0o600)); err != nil {
			t.Fatal(err)
		}
		got := reopen(t, dir, cfg)
		if same := uint64(len(beside) - 1); got == nil || got.Unsigned == nil || got.Unsigned.Records != 1 || got.Overflow != uint64(len(honest)-from)-same {
			t.Errorf("%s: got recovered %+v", name, got)
		}
		if now := ledgertest.Envelopes(t, dir); len(now) != len(honest)+1 || !slices.EqualFunc(now[:len(honest)], honest, bytes.Equal) {
			t.Errorf("%s: got %d records, want the %d honest ones and a new writer's", name, len(now), len(honest))
		}
		ledgertest.WantIntact(t, dir)
	}
}
