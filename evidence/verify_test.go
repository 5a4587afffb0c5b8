package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// writeLedger writes a ledger of one run, with records 0 to 10, and returns its
// envelopes.
func writeLedger(t testing.TB, dir string, cfg evidence.Config) [][]byte {
	t.Helper()
	cfg.ReadOnly = []string{"calculator", "shell"}
	r := open(t, dir, cfg)
	if err := agent(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ledgertest.Envelopes(t, dir)
}

// forgeLedger makes the same ledger by hand.
func forgeLedger(t testing.TB, dir string, change func(f *ledgertest.Forger)) [][]byte {
	t.Helper()
	f := ledgertest.NewForger(t)
	if change != nil {
		change(f)
	}
	f.Open()
	f.Agent("run")
	ledgertest.Bare(f.Envs...).Write(t, dir)
	return f.Envs
}

// resign changes the payload of an envelope and signs it again.
func resign(t testing.TB, env []byte, key ed25519.PrivateKey, old, new string) []byte {
	t.Helper()
	payload := ledgertest.DecodePayload(t, env)
	changed := strings.Replace(string(payload), old, new, 1)
	if changed == string(payload) {
		t.Fatalf("%q is not in %s", old, payload)
	}
	return ledgertest.Seal(key, []byte(changed))
}

// reshape changes the record of an envelope and signs it again.
func reshape(t testing.TB, env []byte, change func(s *record.Subject, r *record.Record)) []byte {
	t.Helper()
	s, r, err := record.ParsePayload(ledgertest.DecodePayload(t, env))
	if err != nil {
		t.Fatal(err)
	}
	change(&s, r)
	payload := record.AppendPayload(nil, s, r)
	return reseal(r, payload)
}

// reseal has the keys of a forger sign.
func reseal(r *record.Record, payload []byte) []byte {
	if r.Kind == record.KindSession {
		return ledgertest.Seal(ledgertest.Key(1), payload)
	}
	return ledgertest.Seal(ledgertest.Key(11), payload)
}

// forge is what a holder of the key can do: it changes the records of one run as
// edit and spoil say and signs them all again. Between the two it makes the
// chain, the numbers, the subjects and the run's end right.
func forge(t testing.TB, envs [][]byte, edit func([]*record.Record) []*record.Record, spoil func([]*record.Record)) [][]byte {
	t.Helper()
	var rs []*record.Record
	for _, env := range envs {
		_, r, err := record.ParsePayload(ledgertest.DecodePayload(t, env))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	first := *rs[0]
	if edit != nil {
		rs = edit(rs)
	}
	for i, r := range rs {
		if r.ID == "" { // new
			r.ID, r.Ledger, r.Writer, r.Time, r.Version = first.ID, first.Ledger, first.Writer, first.Time, 1
		}
		r.Seq = uint64(i + 1)
	}
	runSeq := uint64(0)
	for _, r := range rs {
		if r.Run != "" {
			runSeq++
			r.RunSeq = runSeq
		}
		if r.RunEnd != nil {
			r.RunEnd.Records, r.RunEnd.Head = r.RunSeq, record.Hash{}
		}
	}
	if spoil != nil {
		spoil(rs)
	}
	// The hashes come last.
	var out [][]byte
	var prev, head record.Hash
	var start *record.Hash
	for _, r := range rs {
		r.Prev = prev
		s := record.Subject{Name: record.SubjectLedger, Digest: sha256.Sum256([]byte(r.Ledger))}
		switch {
		case r.Kind == record.KindStart, r.Run != "" && start == nil:
			s = record.Subject{Name: record.SubjectRunID, Digest: sha256.Sum256([]byte(r.Run))}
		case r.Run != "":
			s = record.Subject{Name: record.SubjectRun, Digest: *start}
		}
		if r.RunEnd != nil && r.RunEnd.Head == (record.Hash{}) {
			r.RunEnd.Head = head
		}
		payload := record.AppendPayload(nil, s, r)
		prev = sha256.Sum256(payload)
		if r.Run != "" {
			head = prev
		}
		if r.Kind == record.KindStart {
			start = &record.Hash{}
			*start = prev
		}
		out = append(out, reseal(r, payload))
	}
	return out
}

// What no verifier can see without a checkpoint from elsewhere: the tail is cut
// between two records. The run under way shows.
func TestTailCutBetweenRecords(t *testing.T) {
	dir := ledgertest.Dir(t)
	envs := forgeLedger(t, dir, nil)
	ledgertest.Rewrite(t, dir, envs[:7]...)
	if report := ledgertest.WantIntact(t, dir); report.Interrupted != 1 || report.Unknown != 1 {
		t.Errorf("got report %+v, want an interrupted run with an unknown call", report)
	}
	ledgertest.Rewrite(t, dir, envs[:1]...)
	if report := ledgertest.WantIntact(t, dir); report.Head.Seq != 1 {
		t.Errorf("got head %+v, want seq 1", report.Head)
	}
}

// A call that outlives its run is no damage, after a gap either.
func TestLateAfterGap(t *testing.T) {
	dir := ledgertest.Dir(t)
	envs := forgeLedger(t, dir, nil)
	ledgertest.Rewrite(t, dir, forge(t, envs, func(rs []*record.Record) []*record.Record {
		gap := &record.Record{Kind: record.KindGap, Mono: rs[1].Mono, Gap: &record.Gap{Reason: "x"}}
		intent, outcome := *rs[5], *rs[6]
		intent.Mono, outcome.Mono = rs[10].Mono, rs[10].Mono
		return append(slices.Insert(rs, 1, gap), &intent, &outcome)
	}, func(rs []*record.Record) {
		for _, r := range rs[1:] {
			r.Seq += 2
		}
		*rs[1].Gap = record.Gap{From: 2, To: 3, Count: 2, Reason: "x"}
	})...)
	if report := ledgertest.WantIntact(t, dir); report.Late != 2 || report.Lost != 2 || report.Interrupted != 0 {
		t.Errorf("got report %+v, want 2 late and 2 lost", report)
	}
}

// After a damage the rest is counted.
func TestVerifyGoesOn(t *testing.T) {
	dir := ledgertest.Dir(t)
	f := ledgertest.NewForger(t)
	for _, id := range []string{"a", "b", "c"} {
		f.Open()
		f.Agent(id)
	}
	ledgertest.Bare(f.Envs...).Write(t, dir)
	all := ledgertest.Entries(t, dir)
	path := segment.Path(dir, 1)
	for i := range all {
		ledgertest.Flip(t, path, all[i].Offset+100, 0x40)
		report := ledgertest.Verify(t, dir)
		if i%11 == 0 { // a session: nothing says whose its records are
			if report.Records != 22 || report.First.Record != uint64(i+1) || report.First.Damage != record.DamageEdited ||
				report.Damage[record.DamageUnknownKey] != 10 {
				t.Errorf("session %d edited: got %d records, first %v, damage %v", i+1, report.Records, report.First, report.Damage)
			}
			ledgertest.Flip(t, path, all[i].Offset+100, 0x40)
			continue
		}
		if report.Records != 32 || report.First.Record != uint64(i+1) || report.First.Offset != all[i].Offset || len(report.Damage) != 1 ||
			report.Damage[record.DamageEdited] != 1 {
			t.Errorf("record %d edited: got %d records, first %v, damage %v", i+1, report.Records, report.First, report.Damage)
		}
		ledgertest.Flip(t, path, all[i].Offset+100, 0x40)
	}
	// A length that is wrong loses no more than its frame.
	for _, at := range []int64{0, 2, 3} {
		ledgertest.Flip(t, path, all[5].Offset+at, 0x08)
		if report := ledgertest.Verify(t, dir); report.Records != 32 || report.First.Damage != record.DamageEdited {
			t.Errorf("length edited: got %d records, first %v", report.Records, report.First)
		}
		ledgertest.Flip(t, path, all[5].Offset+at, 0x08)
	}
	ledgertest.WantIntact(t, dir)
}

// Trust comes from the keys that are given, and only from them.
func TestVerifyKeys(t *testing.T) {
	dir := ledgertest.Dir(t)
	envs := forgeLedger(t, dir, nil)
	right, wrong := ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))
	if report := ledgertest.Verify(t, dir, wrong, right); !report.Intact() {
		t.Errorf("with the key and another: got %v", report.First)
	}
	if report := ledgertest.Verify(t, dir, wrong); report.Intact() || report.First.Damage != record.DamageUnknownKey || report.Records != 0 {
		t.Errorf("with another key: got %v", report.First)
	}
	if _, err := evidence.Verify(dir, evidence.VerifyOptions{}); err == nil {
		t.Error("without a key: got no error")
	}
	if _, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{nil}}); err == nil {
		t.Error("with a key of no length: got no error")
	}
	report, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{right}, Ledger: "another"})
	if err != nil || report.Intact() || report.First.Damage != record.DamageSpliced {
		t.Errorf("with another origin: got %v, %v", report, err)
	}
	// A record has one envelope: no signature may stand beside the one that is due.
	extra := bytes.Replace(envs[4], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1)
	ledgertest.Rewrite(t, dir, ledgertest.At(envs, 4, extra)...)
	wantDamage(t, ledgertest.Verify(t, dir), record.DamageNotCanonical)
}

// A ledger without a record is not damaged, unless something says that it had some.
func TestVerifyOfAnEmptyLedger(t *testing.T) {
	dir := ledgertest.Dir(t)
	f := ledgertest.Base(t)
	ledgertest.Bare().Write(t, dir)
	opts := attack{}.options()
	if _, err := evidence.Verify(dir, opts); !errors.Is(err, evidence.ErrEmpty) {
		t.Errorf("got %v, want ErrEmpty", err)
	}
	opts.Checkpoints = [][]byte{f.Checkpoint()}
	if report, err := evidence.Verify(dir, opts); err != nil || report.Intact() {
		t.Errorf("with a checkpoint from elsewhere: got %+v, %v", report, err)
	}
	ledgertest.Forgery{Checkpoint: f.Checkpoint()}.Write(t, dir)
	wantDamage(t, ledgertest.Verify(t, dir), record.DamageRemoved)
	ledgertest.Bare().Write(t, dir)
	if err := makeTile(dir, "tile/0/000"); err != nil {
		t.Fatal(err)
	}
	wantDamage(t, ledgertest.Verify(t, dir), record.DamageRemoved)
}

func TestVerifyCannot(t *testing.T) {
	dir := ledgertest.Dir(t)
	forgeLedger(t, dir, nil)
	keys := evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}}
	empty := t.TempDir()
	file := filepath.Join(empty, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(empty, "nothing"): "no such file",
		empty:                           "not a ledger",
		file:                            "not a directory",
	} {
		if _, err := evidence.Verify(path, keys); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("got error %v, want one with the path and %q", err, says)
		} else if path != filepath.Join(empty, "nothing") && !errors.Is(err, evidence.ErrNotLedger) {
			t.Errorf("%s: got error %v, want ErrNotLedger", path, err)
		}
	}
	if _, err := evidence.Verify(filepath.Join(empty, "nothing"), keys); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(segment.Path(dir, 1), []byte("safeconduct segment v9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Verify(dir, keys); !errors.Is(err, evidence.ErrVersion) {
		t.Errorf("got error %v, want ErrVersion", err)
	}
}

func TestRead(t *testing.T) {
	dir := ledgertest.Dir(t)
	envs := forgeLedger(t, dir, nil)
	n := 0
	for e, err := range evidence.Read(dir) {
		if err != nil || e.Record.Seq != uint64(n+1) || e.Hash != sha256.Sum256(ledgertest.DecodePayload(t, e.Envelope)) {
			t.Fatalf("record %d: got %+v, %v", n+1, e.Record, err)
		}
		r, err := record.Parse(e.Envelope)
		if err != nil || r.ID != e.Record.ID {
			t.Errorf("Parse: got %+v, %v", r, err)
		}
		if n++; n == 5 {
			break
		}
	}
	ledgertest.Rewrite(t, dir, ledgertest.At(envs, 4, []byte("{}"))...)
	good, bad := 0, 0
	for e, err := range evidence.Read(dir) {
		if err != nil {
			bad++
			if e.Record != nil || e.Segment != 1 {
				t.Errorf("got entry %+v with error %v", e, err)
			}
			continue
		}
		good++
	}
	if good != 10 || bad != 1 {
		t.Errorf("got %d good and %d bad, want 10 and 1", good, bad)
	}
	for e, err := range evidence.Read(filepath.Join(dir, "nothing")) {
		if err == nil || e.Segment != 0 {
			t.Errorf("got %+v, %v, want an error", e, err)
		}
	}
	if _, err := record.Parse([]byte("{}")); err == nil {
		t.Error("Parse: got no error")
	}
}

func TestFindingIsEscaped(t *testing.T) {
	f := evidence.Finding{Damage: record.DamageMalformed, Detail: "kind \x1b[2J\n", Record: 3, Segment: 1, Offset: 99, Seq: 4, Run: time.Now().String()}
	if got, want := f.String(), `record 3 (segment 1, offset 99, seq 4): malformed: kind \x1b[2J\n`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Records that come back, after their writer has ended or while it is the last one,
// are damage, and count for nothing else.
func TestReplayedRecordsAreNotCountedAgain(t *testing.T) {
	dir := ledgertest.Dir(t)
	for i := range 3 {
		if i > 0 { // each writer that is repeated begins by saying what it cut off
			appendTo(t, dir, 1, []byte("torn"))
		}
		r := open(t, dir, evidence.Config{Key: ledgertest.Key(1)})
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := ledgertest.WantIntact(t, dir)
	if before.Torn != 8 {
		t.Fatalf("got %d bytes cut off, want 8: the test is void", before.Torn)
	}
	counts := func(r *evidence.Report) []uint64 {
		return []uint64{
			r.Writers, r.Sessions, r.Runs, r.Interrupted, r.Partial, r.Late, r.Calls, r.Done, r.Denied, r.Failed, r.Cancelled, r.Unknown, r.Overruled,
			uint64(r.Torn),
		}
	}
	all := ledgertest.Entries(t, dir)
	text, err := os.ReadFile(segment.Path(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]evidence.Entry{"a writer that has ended": all[len(all)/2], "the last writer": all[len(all)-1]} {
		var envs [][]byte
		for _, e := range all {
			if e.Record.Writer == again.Record.Writer {
				envs = append(envs, e.Envelope)
			}
		}
		frames := segmenttest.File(envs...)[len(segmenttest.File()):]
		if err := os.WriteFile(segment.Path(dir, 1), append(slices.Clip(text), frames...), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ledgertest.Verify(t, dir)
		if got.First == nil || got.First.Damage != record.DamageReplayed {
			t.Errorf("%s: got %+v, want %s", name, got.First, record.DamageReplayed)
		}
		if got, want := counts(got), counts(before); !slices.Equal(got, want) {
			t.Errorf("%s: got the counts %d, want %d", name, got, want)
		}
	}
}
