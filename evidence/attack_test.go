package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// An attack is what somebody does to a ledger, or a ledger that nobody has done
// anything to, and what a verifier must say. The fixtures in testdata/ledgers are
// made of it.
type attack struct {
	name   string
	ledger ledgertest.Forgery
	roots  []ed25519.PrivateKey // the keys that are trusted; that of the forger if nil
	origin string               // that is asked for
	given  [][]byte             // checkpoints from elsewhere
	policy *trust.Policy
	want   record.Damage // "" if it is intact
	record uint64        // the first bad one
	check  func(r *evidence.Report) bool
}

func (a attack) options() evidence.VerifyOptions {
	opts := evidence.VerifyOptions{Ledger: a.origin, Checkpoints: a.given, Policy: a.policy}
	if a.roots == nil && a.policy == nil {
		a.roots = []ed25519.PrivateKey{ledgertest.Key(1)}
	}
	for _, key := range a.roots {
		opts.Keys = append(opts.Keys, ledgertest.Public(key))
	}
	return opts
}

// rewriteAll is what the holder of a session key can do: records 2 on are made
// anew, as change says.
func rewriteAll(t testing.TB, change func(f *ledgertest.Forger)) *ledgertest.Forger {
	f := ledgertest.NewForger(t)
	f.Open()
	change(f)
	return f
}

// changed changes the text of a payload and has the session sign it.
func changed(t testing.TB, f *ledgertest.Forger, i int, old, new string) [][]byte {
	return ledgertest.At(f.Envs, i, resign(t, f.Envs[i], ledgertest.Key(11), old, new))
}

// attacks are numbered as in the table of attacks that the ledger is designed
// against.
func attacks(t testing.TB) []attack {
	f := ledgertest.Base(t)
	envs, whole := f.Envs, f.Ledger()
	left := func(envs ...[]byte) ledgertest.Forgery {
		return ledgertest.Forgery{Envs: envs, Checkpoint: whole.Checkpoint}
	}
	cut := func(n int) *ledgertest.Forger { // the ledger as it was with n records
		c := ledgertest.NewForger(t)
		for _, env := range envs[:n] {
			c.Put(env)
		}
		c.Session = ledgertest.Key(11)
		return c
	}
	planted := ledgertest.Base(t)
	planted.Begin("run-c")
	stranger := ledgertest.Key(66)
	other := ledgertest.NewForger(t)
	other.Origin = "test"
	other.Open()
	other.Run("run-a", "shell")
	other.Run("run-b", "mail")
	swapped := rewriteAll(t, func(f *ledgertest.Forger) { f.Run("run-b", "mail"); f.Run("run-a", "shell") })
	allowed := rewriteAll(t, func(f *ledgertest.Forger) { f.Run("run-a", "mail"); f.Run("run-b", "mail") })
	dropped := rewriteAll(t, func(f *ledgertest.Forger) { f.Run("run-b", "mail") })
	all := []attack{
		{name: "intact", ledger: whole, given: [][]byte{cut(5).Checkpoint(), whole.Checkpoint}, origin: "prod", check: func(r *evidence.Report) bool {
			return r.Records == 9 && r.Runs == 2 && r.Denied == 1 && r.Done == 1 && r.Sessions == 1 && r.Checkpoint != nil && r.Checkpoint.Records == 9
		}},
		{name: "intact-without-checkpoint", ledger: ledgertest.Bare(envs...), check: func(r *evidence.Report) bool { return r.Checkpoint == nil }},
		{name: "01-byte-changed", ledger: left(ledgertest.At(envs, 3, ledgertest.Edit(t, envs[3], `"deny"`, `"okay"`))...), want: record.DamageEdited, record: 4},
		{name: "02-removed", ledger: left(slices.Delete(slices.Clone(envs), 3, 4)...), want: record.DamageRemoved, record: 4},
		{name: "03-reordered", ledger: left(ledgertest.Swap(envs, 2, 3)...), want: record.DamageReordered, record: 3},
		{name: "04-cut", ledger: left(envs[:7]...), want: record.DamageRolledBack, record: 7},
		{name: "05-intact-cut-above-the-anchor", ledger: cut(7).Ledger(), given: [][]byte{cut(5).Checkpoint()}, check: func(r *evidence.Report) bool { return r.Interrupted == 1 && r.Unknown == 1 }},
		{name: "05-cut-below-a-later-anchor", ledger: cut(7).Ledger(), given: [][]byte{cut(5).Checkpoint(), whole.Checkpoint}, want: record.DamageRolledBack, record: 7},
		{name: "06-cut-below-the-anchor", ledger: cut(4).Ledger(), given: [][]byte{cut(5).Checkpoint()}, want: record.DamageRolledBack, record: 4},
		{name: "07-replayed", ledger: left(slices.Insert(slices.Clone(envs), 5, envs[2])...), want: record.DamageReplayed, record: 6},
		{name: "08-spliced", ledger: left(ledgertest.At(envs, 3, other.Envs[3])...), want: record.DamageSpliced, record: 4},
		{name: "08-another-ledger", ledger: other.Ledger(), origin: "prod", want: record.DamageSpliced, record: 1},
		{name: "09-runs-swapped", ledger: left(slices.Concat(envs[:1], envs[5:], envs[1:5])...), want: record.DamageReordered, record: 2},
		{name: "09-intact-runs-swapped-by-the-key-holder", ledger: swapped.Ledger()},
		{name: "09-runs-swapped-by-the-key-holder", ledger: swapped.Ledger(), given: [][]byte{whole.Checkpoint}, want: record.DamageRewritten, record: 9},
		{name: "10-signatures-stripped", ledger: rebuilt(t, ledgertest.Each(envs, ledgertest.Strip), ledgertest.Key(11)), want: record.DamageUnsigned, record: 1},
		{name: "10-signatures-stripped-but-sessions", ledger: rebuilt(t, slices.Concat(envs[:1], ledgertest.Each(envs[1:], ledgertest.Strip)), ledgertest.Key(11)), want: record.DamageUnsigned, record: 2},
		{name: "11-signed-by-a-stranger", ledger: rebuilt(t, ledgertest.Each(envs, func(env []byte) []byte { return ledgertest.SealAll(ledgertest.DecodePayload(t, env), stranger) }), stranger), want: record.DamageUnknownKey, record: 1},
		{name: "11-one-signed-by-a-stranger", ledger: left(ledgertest.At(envs, 4, ledgertest.SealAll(ledgertest.DecodePayload(t, envs[4]), stranger))...), want: record.DamageUnknownKey, record: 5},
		{name: "12-intact-rewritten-by-the-key-holder", ledger: allowed.Ledger()},
		{name: "12-rewritten-by-the-key-holder", ledger: allowed.Ledger(), given: [][]byte{cut(5).Checkpoint()}, want: record.DamageRewritten, record: 5},
		{name: "13-intact-dropped-by-the-key-holder", ledger: dropped.Ledger()},
		{name: "13-dropped-by-the-key-holder", ledger: dropped.Ledger(), given: [][]byte{cut(5).Checkpoint()}, want: record.DamageRewritten, record: 5},
		{name: "14-split-view", ledger: whole, given: [][]byte{whole.Checkpoint, allowed.Checkpoint()}, want: record.DamageRewritten, record: 9},
		{name: "15-duplicate-member", ledger: ledgertest.Bare(changed(t, f, 3, `"verdict":"deny"`, `"verdict":"allow","verdict":"deny"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-case-twin", ledger: ledgertest.Bare(changed(t, f, 3, `"verdict":"deny"`, `"Verdict":"allow","verdict":"deny"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-white-space", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq": 4`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-escape", ledger: ledgertest.Bare(changed(t, f, 3, `"deny"`, `"den\u0079"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-number", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":4e0`)...), want: record.DamageMalformed, record: 4},
		{name: "16-order", ledger: ledgertest.Bare(changed(t, f, 3, `"runSeq":3,"seq":4`, `"seq":4,"runSeq":3`)...), want: record.DamageNotCanonical, record: 4},
		{name: "17-spelled-with-an-escape", ledger: ledgertest.Bare(changed(t, f, 3, `"name":"shell"`, `"name":"sh\u00e9ll"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "18-larger-than-2-53", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":9007199254740993`)...), want: record.DamageMalformed, record: 4},
		{name: "18-1e400", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":1e400`)...), want: record.DamageMalformed, record: 4},
		{name: "18-minus-zero", ledger: ledgertest.Bare(changed(t, f, 2, `"size":87`, `"size":-0`)...), want: record.DamageNotCanonical, record: 3},
		{name: "18-nan", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":NaN`)...), want: record.DamageMalformed, record: 4},
		{name: "19-invalid-utf-8", ledger: ledgertest.Bare(changed(t, f, 3, `not on`, "not \xff")...), want: record.DamageMalformed, record: 4},
		{name: "19-lone-surrogate", ledger: ledgertest.Bare(changed(t, f, 3, `not on`, `not \ud800`)...), want: record.DamageMalformed, record: 4},
		{name: "20-large-payload", ledger: ledgertest.Bare(changed(t, f, 3, `not on`, strings.Repeat("x", record.MaxPayload))...), want: record.DamageMalformed, record: 4},
		{name: "20-large-frame", ledger: ledgertest.Forgery{Segment: segmenttest.File(ledgertest.At(envs, 3, bytes.Repeat([]byte("x"), 70_000))...)}, want: record.DamageEdited, record: 4},
		{name: "21-torn-at-the-end", ledger: ledgertest.Forgery{Segment: chop(segmenttest.File(envs...), 100), Checkpoint: cut(8).Checkpoint()}, want: record.DamageTruncated, record: 9},
		{name: "21-torn-in-the-middle", ledger: ledgertest.Forgery{Segment: slices.Concat(chop(segmenttest.File(envs[:4]...), 100), segmenttest.File(envs[4:]...)[len(segmenttest.File()):])}, want: record.DamageEdited, record: 4},
		{name: "23-key-id-changed", ledger: left(ledgertest.At(envs, 4, bytes.Replace(envs[4], []byte(record.KeyID(ledgertest.Public(ledgertest.Key(11)))), []byte(record.KeyID(ledgertest.Public(stranger))), 1))...), want: record.DamageEdited, record: 5},
		{name: "21-intact-overflow-planted", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{
			"overflow.seg": segmenttest.File(ledgertest.Strip(planted.Envs[len(planted.Envs)-1])),
		}}, check: func(r *evidence.Report) bool { return r.Astray == 1 && r.Waiting == 0 }},
		{name: "21-intact-overflow-waiting", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{
			"overflow.seg": segmenttest.File(planted.Envs[len(envs)-1:]...),
		}}, check: func(r *evidence.Report) bool { return r.Astray == 0 && r.Waiting == 1 }},
		{name: "26-tile-beyond-the-tree", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{"tile/0/000": make([]byte, 8192)}}, want: record.DamageRolledBack, record: 9},
		{name: "26-tile-beyond-the-tree-empty", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{"tile/1/000": {}}}, want: record.DamageRolledBack, record: 9},
		{name: "26-intact-no-tile", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{"tile/0/000.tmp": {}, "tile/0/000.p/9": {}}}},
		{name: "25-restored-from-a-backup", ledger: cut(5).Ledger(), given: [][]byte{whole.Checkpoint}, want: record.DamageRolledBack, record: 5},
		{name: "31-base64-with-a-line-break", ledger: left(ledgertest.At(envs, 3, slices.Concat(envs[3][:20], []byte("\n"), envs[3][20:]))...), want: record.DamageMalformed, record: 4},
		{name: "31-foreign-signature", ledger: ledgertest.Bare(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-foreign-signature-behind", ledger: ledgertest.Bare(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`}]}`), []byte(`},{"keyid":"x","sig":"AAAA"}]}`), 1))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-signature-twice", ledger: ledgertest.Bare(ledgertest.At(envs, 3, ledgertest.SealAll(ledgertest.DecodePayload(t, envs[3]), f.Session, f.Session))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-root-signature-twice", ledger: ledgertest.Bare(ledgertest.At(envs, 0, ledgertest.SealAll(ledgertest.DecodePayload(t, envs[0]), f.Root, f.Root))...), want: record.DamageNotCanonical, record: 1},
		{name: "31-foreign-signature-under-a-checkpoint", ledger: left(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-nine-signatures", ledger: left(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[`+strings.Repeat(`{"keyid":"x","sig":"AAAA"},`, 8)+`{`), 1))...), want: record.DamageMalformed, record: 4},
		{name: "checkpoint-edited", ledger: ledgertest.Forgery{Envs: envs, Checkpoint: bytes.Replace(whole.Checkpoint, []byte("\n9\n"), []byte("\n8\n"), 1)}, want: record.DamageEdited, record: 9},
		{name: "checkpoint-by-a-stranger", ledger: ledgertest.Forgery{Envs: envs, Checkpoint: f.CheckpointBy(stranger)}, want: record.DamageUnknownKey, record: 9},
		{name: "checkpoint-of-another-ledger", ledger: ledgertest.Forgery{Envs: envs, Checkpoint: other.Checkpoint()}, want: record.DamageSpliced, record: 9},
		{name: "checkpoint-that-is-none", ledger: ledgertest.Forgery{Envs: envs, Checkpoint: []byte("prod\n9\n")}, want: record.DamageMalformed, record: 9},
		{name: "checkpoint-elsewhere-of-another-ledger", ledger: whole, given: [][]byte{other.Checkpoint()}, want: record.DamageSpliced, record: 9},
		{name: "checkpoint-elsewhere-by-a-stranger", ledger: whole, given: [][]byte{f.CheckpointBy(stranger)}, want: record.DamageUnknownKey, record: 9},
	}
	return slices.Concat(all, moreAttacks(t), keyAttacks(t))
}

// rebuilt is a ledger with a checkpoint over these records.
func rebuilt(t testing.TB, envs [][]byte, key ed25519.PrivateKey) ledgertest.Forgery {
	f := ledgertest.NewForger(t)
	for _, env := range envs {
		f.Put(env)
	}
	return ledgertest.Forgery{Envs: envs, Checkpoint: f.CheckpointBy(key)}
}

func chop(b []byte, n int) []byte { return b[:len(b)-n] }

// moreAttacks are those on what records say.
func moreAttacks(t testing.TB) []attack {
	made := func(make func(f *ledgertest.Forger)) *ledgertest.Forger {
		f := ledgertest.NewForger(t)
		f.Open()
		make(f)
		return f
	}
	spoiled := func(spoil func(r *record.Record)) *ledgertest.Forger {
		f := ledgertest.NewForger(t)
		f.Spoil = spoil
		f.Open()
		f.Run("run-a", "mail")
		return f
	}
	odd := func(name string, spoil func(r *record.Record)) attack {
		return attack{name: name, ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			f.Spoil = func(r *record.Record) { spoil(r) }
			run.Intent("mail")
		}).Ledger(), want: record.DamageMalformed, record: 3}
	}
	withGap := made(func(f *ledgertest.Forger) {
		run := f.Begin("run-a")
		call := run.Intent("mail")
		f.Seq, run.Seq = f.Seq+3, run.Seq+3
		f.Gap(4, 6)
		run.Outcome(call, ledgertest.Done)
		run.End()
	})
	erased := made(func(f *ledgertest.Forger) { f.Run("run-a", "mail"); f.Erase() })
	shipped := made(func(f *ledgertest.Forger) {
		first := f.Writer
		f.Run("run-a", "mail")
		f.Deliver(record.Range{From: 2, To: 3, Writer: f.Writer}, record.Range{From: 5, To: 5, Writer: f.Writer})
		f.Open()
		f.Deliver(record.Range{From: 4, To: 4, Writer: first})
	})
	return []attack{
		{name: "intact-delivery", ledger: shipped.Ledger(), check: func(r *evidence.Report) bool { return r.Refused == 4 }},
		{name: "delivery-refused-edited", ledger: ledgertest.Bare(ledgertest.At(shipped.Envs, 5, ledgertest.Edit(t, shipped.Envs[5], `"to":3`, `"to":4`))...), want: record.DamageEdited, record: 6},
		{name: "delivery-breaker-edited", ledger: ledgertest.Bare(ledgertest.At(shipped.Envs, 6, ledgertest.Edit(t, shipped.Envs[6], `"state":"open"`, `"state":"shut"`))...), want: record.DamageEdited, record: 7},
		{name: "delivery-refused-removed", ledger: ledgertest.Bare(slices.Delete(slices.Clone(shipped.Envs), 5, 6)...), want: record.DamageRemoved, record: 6},
		{name: "delivery-of-records-to-come", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Deliver(record.Range{From: 5, To: 6, Writer: f.Writer})
		}).Ledger(), want: record.DamageInconsistent, record: 6},
		{name: "delivery-of-a-writer-to-come", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Deliver(record.Range{From: 1, To: 1, Writer: f.ID()})
		}).Ledger(), want: record.DamageInconsistent, record: 6},
		{name: "delivery-miscounted", ledger: ledgertest.Bare(changed(t, shipped, 5, `"count":3`, `"count":2`)[:6]...), want: record.DamageMalformed, record: 6},
		{name: "delivery-breaker-half-open", ledger: ledgertest.Bare(changed(t, shipped, 6, `"state":"open"`, `"state":"half-open"`)[:7]...), want: record.DamageMalformed, record: 7},
		{name: "delivery-beyond-the-end-of-a-writer", ledger: made(func(f *ledgertest.Forger) {
			first := f.Writer
			f.Run("run-a", "mail")
			f.Open()
			f.Deliver(record.Range{From: 4, To: 6, Writer: first})
		}).Ledger(), want: record.DamageInconsistent, record: 7},
		{name: "22-intact-writer-dated-back", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Now = f.Now.Add(-300 * 24 * time.Hour)
			f.Open()
		}).Ledger(), check: func(r *evidence.Report) bool { return r.ClockSteps == 1 }},
		{name: "28-outcome-of-another-call", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			call := *run.Intent("rm")
			call.Name = "ls"
			run.Outcome(&call, ledgertest.Done)
			run.End()
		}).Ledger(), want: record.DamageInconsistent, record: 4},
		{name: "28-outcome-of-another-kind", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			call := *run.Intent("rm")
			call.Kind = "model"
			run.Outcome(&call, ledgertest.Done)
			run.End()
		}).Ledger(), want: record.DamageInconsistent, record: 4},
		odd("kind-of-call-unknown", func(r *record.Record) { r.Call.Kind = "weird" }),
		odd("name-too-long", func(r *record.Record) { r.Call.Name = strings.Repeat("x", 257) }),
		odd("run-id-too-long", func(r *record.Record) { r.Run = strings.Repeat("x", 257) }),
		odd("commitment-that-is-none", func(r *record.Record) { r.Input.Commitment = "A" }),
		odd("request-of-a-tool", func(r *record.Record) { r.Request = &record.Request{Model: "m"} }),
		odd("plan-of-a-tool", func(r *record.Record) { r.Plan = &record.Plan{Steps: 1} }),
		odd("origin-that-is-none", func(r *record.Record) { r.Ledger = "a b" }),
		{name: "verdict-unknown", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			maybe := ledgertest.Deny
			maybe.Verdict = "maybe"
			run.Outcome(run.Intent("mail"), ledgertest.Done, maybe)
		}).Ledger(), want: record.DamageMalformed, record: 4},
		{name: "22-monotonic-clock-back", ledger: spoiled(func(r *record.Record) {
			if r.Kind == record.KindOutcome {
				r.Mono = 0
			}
		}).Ledger(), want: record.DamageInconsistent, record: 4},
		{name: "22-intact-wall-clock-set", ledger: spoiled(func(r *record.Record) {
			if r.Kind == record.KindOutcome || r.Kind == record.KindEnd {
				r.Time = r.Time.Add(time.Hour)
			}
		}).Ledger(), check: func(r *evidence.Report) bool { return r.ClockSteps == 1 }},
		{name: "22-wall-clock-beyond-the-session", ledger: spoiled(func(r *record.Record) {
			if r.Kind == record.KindOutcome {
				r.Time = r.Time.Add(-time.Hour)
			}
		}).Ledger(), want: record.DamageExpiredKey, record: 4},
		{name: "27-intact-gap", ledger: withGap.Ledger(), check: func(r *evidence.Report) bool { return r.Gaps == 1 && r.Lost == 3 && r.Done == 1 }},
		{name: "27-gap-over-records-that-are-there", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Gap(3, 5)
		}).Ledger(), want: record.DamageInconsistent, record: 6},
		{name: "27-gap-that-begins-too-early", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Seq += 2
			f.Gap(4, 7)
		}).Ledger(), want: record.DamageInconsistent, record: 6},
		{name: "27-gap-that-miscounts", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Spoil = func(r *record.Record) { r.Gap.Count++ }
			f.Seq += 2
			f.Gap(6, 7)
		}).Ledger(), want: record.DamageMalformed, record: 6},
		{name: "27-gap-by-a-stranger", ledger: func() ledgertest.Forgery {
			f := ledgertest.Base(t)
			f.Envs = f.Envs[:3]
			f.Session = ledgertest.Key(66)
			f.Seq = 7
			f.Gap(4, 7)
			return ledgertest.Forgery{Envs: f.Envs}
		}(), want: record.DamageUnknownKey, record: 4},
		{name: "27-gap-in-place-of-a-record", ledger: func() ledgertest.Forgery {
			f := ledgertest.Base(t)
			g := ledgertest.Base(t)
			g.Envs, g.Seq = g.Envs[:3], 4
			_, r, err := record.ParsePayload(ledgertest.DecodePayload(t, f.Envs[3]))
			if err != nil {
				t.Fatal(err)
			}
			g.Prev = r.Prev
			g.Gap(4, 4)
			return ledgertest.Bare(slices.Concat(g.Envs, f.Envs[4:])...)
		}(), want: record.DamageEquivocation, record: 5},
		{name: "28-outcome-without-intent", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			run.Outcome(&record.Call{ID: 1, Kind: "tool", Name: "mail"}, ledgertest.Done)
			run.End()
		}).Ledger(), want: record.DamageOutcome, record: 3},
		{name: "28-intact-intent-without-outcome", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			run.Intent("mail")
			run.End()
		}).Ledger(), check: func(r *evidence.Report) bool { return r.Unknown == 1 && r.Done == 0 }},
		{name: "29-intact-erased", ledger: erased.Ledger(), check: func(r *evidence.Report) bool { return r.Erased == 1 }},
		{name: "29-erasure-removed", ledger: ledgertest.Forgery{Envs: erased.Envs[:5], Checkpoint: erased.Checkpoint()}, want: record.DamageRolledBack, record: 5},
		{name: "intact-overruled", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			run.Outcome(run.Intent("mail"), ledgertest.Done, ledgertest.Deny)
			shadow := ledgertest.Deny
			shadow.Shadow = true
			run.Outcome(run.Intent("mail"), ledgertest.Done, shadow)
			run.End()
		}).Ledger(), check: func(r *evidence.Report) bool { return r.Overruled == 1 && r.Done == 2 }},
		{name: "intact-run-across-a-renewal", ledger: made(func(f *ledgertest.Forger) {
			run := f.Begin("run-a")
			call := run.Intent("mail")
			f.Renew()
			run.Outcome(call, ledgertest.Done)
			run.End()
		}).Ledger(), check: func(r *evidence.Report) bool {
			return r.Sessions == 2 && r.Writers == 1 && r.Unknown == 0 && r.Interrupted == 0 && r.Done == 1
		}},
	}
}

// keyAttacks are those on sessions, rotations and what only checkpoints sign.
func keyAttacks(t testing.TB) []attack {
	both := []ed25519.PrivateKey{ledgertest.Key(1), ledgertest.Key(2)}
	made := func(make func(f *ledgertest.Forger)) *ledgertest.Forger {
		f := ledgertest.NewForger(t)
		f.Open()
		f.Run("run-a", "mail")
		make(f)
		return f
	}
	reopened := made(func(f *ledgertest.Forger) { f.Open(); f.Run("run-b", "mail") })
	rotated := made(func(f *ledgertest.Forger) {
		f.Rotate(ledgertest.Key(2))
		f.Run("run-b", "mail")
		f.Renew()
		f.Run("run-c", "mail")
	})
	// The session key of day one is stolen, after the ledger has gone on.
	renewed := made(func(f *ledgertest.Forger) { f.Renew(); f.Run("run-b", "mail") })
	stolen := made(func(f *ledgertest.Forger) { f.Renew(); f.Session = ledgertest.Key(11); f.Run("run-b", "mail") })
	late := made(func(f *ledgertest.Forger) {
		f.Now = f.Now.Add(25 * time.Hour)
		f.Elapsed += 25 * time.Hour
		f.Run("run-b", "mail")
	})
	unsigned := func(make func(f *ledgertest.Forger)) *ledgertest.Forger {
		f := ledgertest.NewForger(t)
		f.Signing = record.SignCheckpoints
		f.Open()
		f.Run("run-a", "shell")
		make(f)
		return f
	}
	plain := unsigned(func(*ledgertest.Forger) {})
	before := plain.Checkpoint()
	longer := unsigned(func(f *ledgertest.Forger) { f.Run("run-b", "mail") })
	strangers := &ledgertest.Forger{T: t, Origin: "prod", Signing: record.SignCheckpoints, Salt: 5, Now: longer.Now, Sign: ledgertest.SealAll}
	strangers.Writer, strangers.Seq = strangers.ID(), 20
	for range 3 {
		strangers.Begin(strangers.ID())
	}
	started := unsigned(func(f *ledgertest.Forger) { f.Begin("run-b") })
	long := ledgertest.NewForger(t)
	long.Signing = record.SignCheckpoints
	long.Open()
	endless := long.Begin("run-a")
	for long.Seq < 257 {
		endless.Intent("mail")
	}
	endless.End()
	cutOff := made(func(f *ledgertest.Forger) {
		f.Spoil = func(r *record.Record) {
			if r.Session != nil {
				r.Session.Recovered = &record.Recovered{
					Aside:    &record.Aside{Bytes: 1311, Digest: ledgertest.HashOf("the file")},
					Unsigned: &record.Unsigned{Bytes: 3912, Digest: ledgertest.HashOf("the frames"), First: ledgertest.HashOf("first"), Last: ledgertest.HashOf("last"), Records: 3},
				}
			}
		}
		f.Open()
		f.Run("run-b", "mail")
	})
	proven := func(n uint64) func(r *evidence.Report) bool {
		return func(r *evidence.Report) bool { return r.Proven == n }
	}
	window := func(roots ...trust.Root) *trust.Policy {
		return &trust.Policy{Ledgers: []trust.Ledger{{Origin: "prod", Roots: roots}}}
	}
	one, two := ledgertest.Public(ledgertest.Key(1)), ledgertest.Public(ledgertest.Key(2))
	forgedTree := made(func(f *ledgertest.Forger) {
		f.Spoil = func(r *record.Record) {
			if r.Session != nil {
				r.Session.Tree.Root[0] ^= 1
			}
		}
		f.Open()
	})
	return []attack{
		{name: "intact-reopened", ledger: reopened.Ledger(), check: func(r *evidence.Report) bool { return r.Writers == 2 && r.Sessions == 2 }},
		{name: "intact-rotated", ledger: rotated.Ledger(), roots: both, check: func(r *evidence.Report) bool { return r.Rotations == 1 && r.Sessions == 2 }},
		{name: "24-after-the-session", ledger: late.Ledger(), want: record.DamageExpiredKey, record: 6},
		{name: "24-with-the-key-of-an-ended-session", ledger: ledgertest.Bare(stolen.Envs...), want: record.DamageExpiredKey, record: 7},
		{name: "24-checkpoint-with-the-key-of-an-ended-session", ledger: ledgertest.Forgery{Envs: renewed.Envs, Checkpoint: renewed.CheckpointBy(ledgertest.Key(11))}, want: record.DamageExpiredKey, record: 10},
		{name: "24-session-by-a-session-key", ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Root = ledgertest.Key(11); f.Renew() }).Envs...), want: record.DamageUnknownKey, record: 6},
		{name: "24-session-without-signature", ledger: ledgertest.Bare(unsigned(func(f *ledgertest.Forger) {
			f.Add(&record.Record{Kind: record.KindSession, Session: f.NewSession()}, f.OfLedger())
		}).Envs...), want: record.DamageUnsigned, record: 6},
		{name: "record-by-a-root-key", ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Session = f.Root; f.Run("run-b", "mail") }).Envs...), want: record.DamageInconsistent, record: 6},
		{name: "session-by-an-unannounced-root-key", ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Root = ledgertest.Key(2); f.Renew() }).Envs...), roots: both, want: record.DamageInconsistent, record: 6},
		{name: "session-by-the-root-key-before-the-rotation", ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Rotate(ledgertest.Key(2)); f.Root = ledgertest.Key(1); f.Renew() }).Envs...), roots: both, want: record.DamageInconsistent, record: 7},
		{name: "rotation-to-a-key-not-given", ledger: rotated.Ledger(), want: record.DamageUnknownKey, record: 6},
		{name: "rotation-by-the-old-key-alone", ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5, ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(1)))[:6]...), roots: both, want: record.DamageUnsigned, record: 6},
		{name: "rotation-by-the-new-key-alone", ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5, ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(2)))[:6]...), roots: both, want: record.DamageUnsigned, record: 6},
		{name: "rotation-signed-in-the-other-order", ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5, ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(2), ledgertest.Key(1)))[:6]...), roots: both, want: record.DamageNotCanonical, record: 6},
		{name: "rotation-by-the-session-key", ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5, ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(11)))[:6]...), roots: both, want: record.DamageUnknownKey, record: 6},
		{name: "session-removed", ledger: ledgertest.Bare(renewed.Envs[1:]...), want: record.DamageUnknownKey, record: 1},
		{name: "renewal-removed", ledger: ledgertest.Bare(slices.Delete(slices.Clone(renewed.Envs), 5, 6)...), want: record.DamageUnknownKey, record: 6},
		{name: "tree-of-another-ledger", ledger: forgedTree.Ledger(), want: record.DamageRewritten, record: 6},
		{name: "cut-before-the-session-of-an-anchor", ledger: ledgertest.Bare(reopened.Envs[:5]...), given: [][]byte{reopened.Checkpoint()}, want: record.DamageRolledBack, record: 5},
		{name: "intact-policy", ledger: rotated.Ledger(), policy: window(trust.Root{Key: one, NotAfter: ledgertest.DayOne.Add(time.Hour)}, trust.Root{Key: two, NotBefore: ledgertest.DayOne})},
		{name: "policy-not-after", ledger: rotated.Ledger(), policy: window(trust.Root{Key: one, NotAfter: ledgertest.DayOne.Add(-time.Hour)}, trust.Root{Key: two}), want: record.DamageExpiredKey, record: 1},
		{name: "policy-not-before", ledger: rotated.Ledger(), policy: window(trust.Root{Key: one}, trust.Root{Key: two, NotBefore: ledgertest.DayOne.Add(time.Hour)}), want: record.DamageExpiredKey, record: 6},
		{name: "policy-revoked-before-a-session", ledger: reopened.Ledger(), policy: window(trust.Root{Key: one, LastRecord: 5}), want: record.DamageExpiredKey, record: 6},
		{name: "policy-revoked-within-a-session", ledger: reopened.Ledger(), policy: window(trust.Root{Key: one, LastRecord: 8}), want: record.DamageExpiredKey, record: 9},
		{name: "intact-checkpoints-only", ledger: plain.Ledger(), check: func(r *evidence.Report) bool { return r.Records == 5 }},
		{name: "intact-checkpoints-then-a-session", ledger: ledgertest.Bare(unsigned(func(f *ledgertest.Forger) { f.Open() }).Envs...)},
		{name: "intact-checkpoints-elsewhere", ledger: ledgertest.Bare(plain.Envs...), given: [][]byte{before}},
		{name: "intact-checkpoints-without-one", ledger: ledgertest.Bare(plain.Envs...), check: proven(5)},
		{name: "intact-checkpoints-unsigned-end", ledger: ledgertest.Forgery{Envs: longer.Envs[:8], Checkpoint: before}, check: func(r *evidence.Report) bool {
			return r.Records == 5 && r.Unsigned == 3 && r.Runs == 1 && r.Proven == 5
		}},
		{name: "intact-checkpoints-over-an-unsigned-end", ledger: started.Ledger(), check: func(r *evidence.Report) bool {
			return r.Records == 6 && r.Unsigned == 0 && r.Runs == 2 && r.Proven == 6
		}},
		{name: "intact-checkpoints-last-signature-stripped", ledger: ledgertest.Bare(ledgertest.At(plain.Envs, 4, ledgertest.Strip(plain.Envs[4]))...), check: func(r *evidence.Report) bool {
			return r.Records == 1 && r.Unsigned == 4 && r.Runs == 0
		}},
		{name: "checkpoints-last-signature-stripped", ledger: ledgertest.Forgery{Envs: ledgertest.At(plain.Envs, 4, ledgertest.Strip(plain.Envs[4])), Checkpoint: before}, want: record.DamageRewritten, record: 5, check: proven(1)},
		{name: "checkpoints-edited-in-a-group", ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 7, ledgertest.Edit(t, longer.Envs[7], `"done"`, `"failed"`))...), want: record.DamageEdited, record: 8, check: proven(5)},
		{name: "checkpoints-edited-first-in-a-group", ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 5, ledgertest.Edit(t, longer.Envs[5], `"alice"`, `"mallory"`))...), want: record.DamageEdited, record: 6, check: proven(5)},
		{name: "checkpoints-edited-signed", ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 8, ledgertest.Edit(t, longer.Envs[8], `"calls":1`, `"calls":2`))...), want: record.DamageEdited, record: 9, check: proven(5)},
		{name: "checkpoints-edited-and-stripped", ledger: ledgertest.Forgery{Envs: ledgertest.At(plain.Envs, 4, ledgertest.Strip(ledgertest.Edit(t, plain.Envs[4], `"calls":1`, `"calls":2`))), Checkpoint: before}, want: record.DamageRewritten, record: 5},
		{name: "checkpoints-of-another-writer", ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 7, ledgertest.Edit(t, longer.Envs[7], `"writer":"019d`, `"writer":"019e`))...), want: record.DamageEdited, record: 8, check: proven(5)},
		{name: "checkpoints-replaced-by-those-of-another-writer", ledger: ledgertest.Bare(slices.Concat(longer.Envs[:5], strangers.Envs, longer.Envs[8:])...), want: record.DamageUnsigned, record: 8, check: proven(5)},
		{name: "checkpoints-removed", ledger: ledgertest.Bare(slices.Delete(slices.Clone(longer.Envs), 6, 7)...), want: record.DamageRemoved, record: 7, check: proven(5)},
		{name: "checkpoints-reordered", ledger: ledgertest.Bare(ledgertest.Swap(longer.Envs, 6, 7)...), want: record.DamageReordered, record: 7, check: proven(5)},
		{name: "checkpoints-replayed", ledger: ledgertest.Bare(slices.Insert(slices.Clone(longer.Envs), 7, longer.Envs[6])...), want: record.DamageReplayed, record: 8, check: proven(5)},
		{name: "checkpoints-planted", ledger: ledgertest.Bare(slices.Insert(slices.Clone(longer.Envs), 7, ledgertest.Edit(t, longer.Envs[7], `"done"`, `"failed"`))...), want: record.DamageUnsigned, record: 8, check: proven(5)},
		{name: "checkpoints-appended-what-does-not-follow", ledger: ledgertest.Bare(append(slices.Clone(longer.Envs), ledgertest.Edit(t, longer.Envs[7], `"done"`, `"failed"`))...), want: record.DamageUnsigned, record: 10, check: proven(9)},
		{name: "checkpoints-session-cut-to-an-unsigned-record", ledger: ledgertest.Forgery{Envs: longer.Envs[:7], Checkpoint: longer.Checkpoint()}, want: record.DamageRolledBack, record: 7, check: proven(5)},
		{name: "20-checkpoints-256-without-a-signature", ledger: ledgertest.Bare(long.Envs...), want: record.DamageUnsigned, record: 257, check: proven(1)},
		{name: "20-intact-checkpoints-255-without-a-signature", ledger: ledgertest.Bare(long.Envs[:256]...), check: func(r *evidence.Report) bool { return r.Unsigned == 255 && r.Records == 1 }},
		{name: "20-checkpoints-256-then-a-signature", ledger: long.Ledger(), want: record.DamageUnsigned, record: 257, check: proven(1)},
		{name: "intact-cut-off", ledger: cutOff.Ledger(), check: func(r *evidence.Report) bool { return r.Cut == 3 && r.Aside == 1 && r.Records == 10 }},
	}
}
