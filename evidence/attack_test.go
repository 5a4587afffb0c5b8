package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// An attack is what somebody does to a ledger, or a ledger that nobody has done
// anything to, and what a verifier must say. The fixtures in testdata/ledgers are
// made of it.
type attack struct {
	name   string
	ledger forgery
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
		a.roots = []ed25519.PrivateKey{testKey(1)}
	}
	for _, key := range a.roots {
		opts.Keys = append(opts.Keys, public(key))
	}
	return opts
}

// base is the ledger that most attacks are on: a session and two runs of four
// records each.
func base(t testing.TB) *forger {
	f := newForger(t)
	f.open()
	f.run("run-a", "shell")
	f.run("run-b", "mail")
	return f
}

// rewriteAll is what the holder of a session key can do: records 2 on are made
// anew, as change says.
func rewriteAll(t testing.TB, change func(f *forger)) *forger {
	f := newForger(t)
	f.open()
	change(f)
	return f
}

// changed changes the text of a payload and has the session sign it.
func changed(t testing.TB, f *forger, i int, old, new string) [][]byte {
	return at(f.envs, i, resign(t, f.envs[i], testKey(11), old, new))
}

// attacks are numbered as in the table of attacks that the ledger is designed
// against.
func attacks(t testing.TB) []attack {
	f := base(t)
	envs, whole := f.envs, f.ledger()
	left := func(envs ...[]byte) forgery { return forgery{envs: envs, checkpoint: whole.checkpoint} }
	cut := func(n int) *forger { // the ledger as it was with n records
		c := newForger(t)
		for _, env := range envs[:n] {
			c.put(env)
		}
		c.session = testKey(11)
		return c
	}
	planted := base(t)
	planted.begin("run-c")
	stranger := testKey(66)
	other := newForger(t)
	other.origin = "test"
	other.open()
	other.run("run-a", "shell")
	other.run("run-b", "mail")
	swapped := rewriteAll(t, func(f *forger) { f.run("run-b", "mail"); f.run("run-a", "shell") })
	allowed := rewriteAll(t, func(f *forger) { f.run("run-a", "mail"); f.run("run-b", "mail") })
	dropped := rewriteAll(t, func(f *forger) { f.run("run-b", "mail") })
	all := []attack{
		{name: "intact", ledger: whole, given: [][]byte{cut(5).checkpoint(), whole.checkpoint}, origin: "prod", check: func(r *evidence.Report) bool {
			return r.Records == 9 && r.Runs == 2 && r.Denied == 1 && r.Done == 1 && r.Sessions == 1 && r.Checkpoint != nil && r.Checkpoint.Records == 9
		}},
		{name: "intact-without-checkpoint", ledger: bare(envs...), check: func(r *evidence.Report) bool { return r.Checkpoint == nil }},
		{name: "01-byte-changed", ledger: left(at(envs, 3, edit(t, envs[3], `"deny"`, `"okay"`))...), want: record.DamageEdited, record: 4},
		{name: "02-removed", ledger: left(slices.Delete(slices.Clone(envs), 3, 4)...), want: record.DamageRemoved, record: 4},
		{name: "03-reordered", ledger: left(swap(envs, 2, 3)...), want: record.DamageReordered, record: 3},
		{name: "04-cut", ledger: left(envs[:7]...), want: record.DamageRolledBack, record: 7},
		{name: "05-intact-cut-above-the-anchor", ledger: cut(7).ledger(), given: [][]byte{cut(5).checkpoint()}, check: func(r *evidence.Report) bool { return r.Interrupted == 1 && r.Unknown == 1 }},
		{name: "05-cut-below-a-later-anchor", ledger: cut(7).ledger(), given: [][]byte{cut(5).checkpoint(), whole.checkpoint}, want: record.DamageRolledBack, record: 7},
		{name: "06-cut-below-the-anchor", ledger: cut(4).ledger(), given: [][]byte{cut(5).checkpoint()}, want: record.DamageRolledBack, record: 4},
		{name: "07-replayed", ledger: left(slices.Insert(slices.Clone(envs), 5, envs[2])...), want: record.DamageReplayed, record: 6},
		{name: "08-spliced", ledger: left(at(envs, 3, other.envs[3])...), want: record.DamageSpliced, record: 4},
		{name: "08-another-ledger", ledger: other.ledger(), origin: "prod", want: record.DamageSpliced, record: 1},
		{name: "09-runs-swapped", ledger: left(slices.Concat(envs[:1], envs[5:], envs[1:5])...), want: record.DamageReordered, record: 2},
		{name: "09-intact-runs-swapped-by-the-key-holder", ledger: swapped.ledger()},
		{name: "09-runs-swapped-by-the-key-holder", ledger: swapped.ledger(), given: [][]byte{whole.checkpoint}, want: record.DamageRewritten, record: 9},
		{name: "10-signatures-stripped", ledger: rebuilt(t, each(envs, strip), testKey(11)), want: record.DamageUnsigned, record: 1},
		{name: "10-signatures-stripped-but-sessions", ledger: rebuilt(t, slices.Concat(envs[:1], each(envs[1:], strip)), testKey(11)), want: record.DamageUnsigned, record: 2},
		{name: "11-signed-by-a-stranger", ledger: rebuilt(t, each(envs, func(env []byte) []byte { return sealAll(decodePayload(t, env), stranger) }), stranger), want: record.DamageUnknownKey, record: 1},
		{name: "11-one-signed-by-a-stranger", ledger: left(at(envs, 4, sealAll(decodePayload(t, envs[4]), stranger))...), want: record.DamageUnknownKey, record: 5},
		{name: "12-intact-rewritten-by-the-key-holder", ledger: allowed.ledger()},
		{name: "12-rewritten-by-the-key-holder", ledger: allowed.ledger(), given: [][]byte{cut(5).checkpoint()}, want: record.DamageRewritten, record: 5},
		{name: "13-intact-dropped-by-the-key-holder", ledger: dropped.ledger()},
		{name: "13-dropped-by-the-key-holder", ledger: dropped.ledger(), given: [][]byte{cut(5).checkpoint()}, want: record.DamageRewritten, record: 5},
		{name: "14-split-view", ledger: whole, given: [][]byte{whole.checkpoint, allowed.checkpoint()}, want: record.DamageRewritten, record: 9},
		{name: "15-duplicate-member", ledger: bare(changed(t, f, 3, `"verdict":"deny"`, `"verdict":"allow","verdict":"deny"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-case-twin", ledger: bare(changed(t, f, 3, `"verdict":"deny"`, `"Verdict":"allow","verdict":"deny"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-white-space", ledger: bare(changed(t, f, 3, `"seq":4`, `"seq": 4`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-escape", ledger: bare(changed(t, f, 3, `"deny"`, `"den\u0079"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-number", ledger: bare(changed(t, f, 3, `"seq":4`, `"seq":4e0`)...), want: record.DamageMalformed, record: 4},
		{name: "16-order", ledger: bare(changed(t, f, 3, `"runSeq":3,"seq":4`, `"seq":4,"runSeq":3`)...), want: record.DamageNotCanonical, record: 4},
		{name: "17-spelled-with-an-escape", ledger: bare(changed(t, f, 3, `"name":"shell"`, `"name":"sh\u00e9ll"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "18-larger-than-2-53", ledger: bare(changed(t, f, 3, `"seq":4`, `"seq":9007199254740993`)...), want: record.DamageMalformed, record: 4},
		{name: "18-1e400", ledger: bare(changed(t, f, 3, `"seq":4`, `"seq":1e400`)...), want: record.DamageMalformed, record: 4},
		{name: "18-minus-zero", ledger: bare(changed(t, f, 2, `"size":87`, `"size":-0`)...), want: record.DamageNotCanonical, record: 3},
		{name: "18-nan", ledger: bare(changed(t, f, 3, `"seq":4`, `"seq":NaN`)...), want: record.DamageMalformed, record: 4},
		{name: "19-invalid-utf-8", ledger: bare(changed(t, f, 3, `not on`, "not \xff")...), want: record.DamageMalformed, record: 4},
		{name: "19-lone-surrogate", ledger: bare(changed(t, f, 3, `not on`, `not \ud800`)...), want: record.DamageMalformed, record: 4},
		{name: "20-large-payload", ledger: bare(changed(t, f, 3, `not on`, strings.Repeat("x", record.MaxPayload))...), want: record.DamageMalformed, record: 4},
		{name: "20-large-frame", ledger: forgery{segment: segmentOf(at(envs, 3, bytes.Repeat([]byte("x"), 70_000))...)}, want: record.DamageEdited, record: 4},
		{name: "21-torn-at-the-end", ledger: forgery{segment: chop(segmentOf(envs...), 100), checkpoint: cut(8).checkpoint()}, want: record.DamageTruncated, record: 9},
		{name: "21-torn-in-the-middle", ledger: forgery{segment: slices.Concat(chop(segmentOf(envs[:4]...), 100), segmentOf(envs[4:]...)[len(segmentOf()):])}, want: record.DamageEdited, record: 4},
		{name: "23-key-id-changed", ledger: left(at(envs, 4, bytes.Replace(envs[4], []byte(record.KeyID(public(testKey(11)))), []byte(record.KeyID(public(stranger))), 1))...), want: record.DamageEdited, record: 5},
		{name: "21-intact-overflow-planted", ledger: forgery{envs: envs, files: map[string][]byte{
			"overflow.seg": segmentOf(strip(planted.envs[len(planted.envs)-1])),
		}}, check: func(r *evidence.Report) bool { return r.Astray == 1 && r.Waiting == 0 }},
		{name: "21-intact-overflow-waiting", ledger: forgery{envs: envs, files: map[string][]byte{
			"overflow.seg": segmentOf(planted.envs[len(envs)-1:]...),
		}}, check: func(r *evidence.Report) bool { return r.Astray == 0 && r.Waiting == 1 }},
		{name: "26-tile-beyond-the-tree", ledger: forgery{envs: envs, files: map[string][]byte{"tile/0/000": make([]byte, 8192)}}, want: record.DamageRolledBack, record: 9},
		{name: "26-tile-beyond-the-tree-empty", ledger: forgery{envs: envs, files: map[string][]byte{"tile/1/000": {}}}, want: record.DamageRolledBack, record: 9},
		{name: "26-intact-no-tile", ledger: forgery{envs: envs, files: map[string][]byte{"tile/0/000.tmp": {}, "tile/0/000.p/9": {}}}},
		{name: "25-restored-from-a-backup", ledger: cut(5).ledger(), given: [][]byte{whole.checkpoint}, want: record.DamageRolledBack, record: 5},
		{name: "31-base64-with-a-line-break", ledger: left(at(envs, 3, slices.Concat(envs[3][:20], []byte("\n"), envs[3][20:]))...), want: record.DamageMalformed, record: 4},
		{name: "31-foreign-signature", ledger: bare(at(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-foreign-signature-behind", ledger: bare(at(envs, 3, bytes.Replace(envs[3], []byte(`}]}`), []byte(`},{"keyid":"x","sig":"AAAA"}]}`), 1))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-signature-twice", ledger: bare(at(envs, 3, sealAll(decodePayload(t, envs[3]), f.session, f.session))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-root-signature-twice", ledger: bare(at(envs, 0, sealAll(decodePayload(t, envs[0]), f.root, f.root))...), want: record.DamageNotCanonical, record: 1},
		{name: "31-foreign-signature-under-a-checkpoint", ledger: left(at(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))...), want: record.DamageNotCanonical, record: 4},
		{name: "31-nine-signatures", ledger: left(at(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[`+strings.Repeat(`{"keyid":"x","sig":"AAAA"},`, 8)+`{`), 1))...), want: record.DamageMalformed, record: 4},
		{name: "checkpoint-edited", ledger: forgery{envs: envs, checkpoint: bytes.Replace(whole.checkpoint, []byte("\n9\n"), []byte("\n8\n"), 1)}, want: record.DamageEdited, record: 9},
		{name: "checkpoint-by-a-stranger", ledger: forgery{envs: envs, checkpoint: f.checkpointBy(stranger)}, want: record.DamageUnknownKey, record: 9},
		{name: "checkpoint-of-another-ledger", ledger: forgery{envs: envs, checkpoint: other.checkpoint()}, want: record.DamageSpliced, record: 9},
		{name: "checkpoint-that-is-none", ledger: forgery{envs: envs, checkpoint: []byte("prod\n9\n")}, want: record.DamageMalformed, record: 9},
		{name: "checkpoint-elsewhere-of-another-ledger", ledger: whole, given: [][]byte{other.checkpoint()}, want: record.DamageSpliced, record: 9},
		{name: "checkpoint-elsewhere-by-a-stranger", ledger: whole, given: [][]byte{f.checkpointBy(stranger)}, want: record.DamageUnknownKey, record: 9},
	}
	return slices.Concat(all, moreAttacks(t), keyAttacks(t))
}

// rebuilt is a ledger with a checkpoint over these records.
func rebuilt(t testing.TB, envs [][]byte, key ed25519.PrivateKey) forgery {
	f := newForger(t)
	for _, env := range envs {
		f.put(env)
	}
	return forgery{envs: envs, checkpoint: f.checkpointBy(key)}
}

func chop(b []byte, n int) []byte { return b[:len(b)-n] }

// moreAttacks are those on what records say.
func moreAttacks(t testing.TB) []attack {
	made := func(make func(f *forger)) *forger {
		f := newForger(t)
		f.open()
		make(f)
		return f
	}
	spoiled := func(spoil func(r *record.Record)) *forger {
		f := newForger(t)
		f.spoil = spoil
		f.open()
		f.run("run-a", "mail")
		return f
	}
	odd := func(name string, spoil func(r *record.Record)) attack {
		return attack{name: name, ledger: made(func(f *forger) {
			run := f.begin("run-a")
			f.spoil = func(r *record.Record) { spoil(r) }
			run.intent("mail")
		}).ledger(), want: record.DamageMalformed, record: 3}
	}
	withGap := made(func(f *forger) {
		run := f.begin("run-a")
		call := run.intent("mail")
		f.seq, run.seq = f.seq+3, run.seq+3
		f.gap(4, 6)
		run.outcome(call, done)
		run.end()
	})
	erased := made(func(f *forger) { f.run("run-a", "mail"); f.erase() })
	shipped := made(func(f *forger) {
		first := f.writer
		f.run("run-a", "mail")
		f.deliver(record.Range{From: 2, To: 3, Writer: f.writer}, record.Range{From: 5, To: 5, Writer: f.writer})
		f.open()
		f.deliver(record.Range{From: 4, To: 4, Writer: first})
	})
	return []attack{
		{name: "intact-delivery", ledger: shipped.ledger(), check: func(r *evidence.Report) bool { return r.Refused == 4 }},
		{name: "delivery-refused-edited", ledger: bare(at(shipped.envs, 5, edit(t, shipped.envs[5], `"to":3`, `"to":4`))...), want: record.DamageEdited, record: 6},
		{name: "delivery-breaker-edited", ledger: bare(at(shipped.envs, 6, edit(t, shipped.envs[6], `"state":"open"`, `"state":"shut"`))...), want: record.DamageEdited, record: 7},
		{name: "delivery-refused-removed", ledger: bare(slices.Delete(slices.Clone(shipped.envs), 5, 6)...), want: record.DamageRemoved, record: 6},
		{name: "delivery-of-records-to-come", ledger: made(func(f *forger) {
			f.run("run-a", "mail")
			f.deliver(record.Range{From: 5, To: 6, Writer: f.writer})
		}).ledger(), want: record.DamageInconsistent, record: 6},
		{name: "delivery-of-a-writer-to-come", ledger: made(func(f *forger) {
			f.run("run-a", "mail")
			f.deliver(record.Range{From: 1, To: 1, Writer: f.id()})
		}).ledger(), want: record.DamageInconsistent, record: 6},
		{name: "delivery-miscounted", ledger: bare(changed(t, shipped, 5, `"count":3`, `"count":2`)[:6]...), want: record.DamageMalformed, record: 6},
		{name: "delivery-breaker-half-open", ledger: bare(changed(t, shipped, 6, `"state":"open"`, `"state":"half-open"`)[:7]...), want: record.DamageMalformed, record: 7},
		{name: "delivery-beyond-the-end-of-a-writer", ledger: made(func(f *forger) {
			first := f.writer
			f.run("run-a", "mail")
			f.open()
			f.deliver(record.Range{From: 4, To: 6, Writer: first})
		}).ledger(), want: record.DamageInconsistent, record: 7},
		{name: "22-intact-writer-dated-back", ledger: made(func(f *forger) {
			f.run("run-a", "mail")
			f.now = f.now.Add(-300 * 24 * time.Hour)
			f.open()
		}).ledger(), check: func(r *evidence.Report) bool { return r.ClockSteps == 1 }},
		{name: "28-outcome-of-another-call", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			call := *run.intent("rm")
			call.Name = "ls"
			run.outcome(&call, done)
			run.end()
		}).ledger(), want: record.DamageInconsistent, record: 4},
		{name: "28-outcome-of-another-kind", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			call := *run.intent("rm")
			call.Kind = "model"
			run.outcome(&call, done)
			run.end()
		}).ledger(), want: record.DamageInconsistent, record: 4},
		odd("kind-of-call-unknown", func(r *record.Record) { r.Call.Kind = "weird" }),
		odd("name-too-long", func(r *record.Record) { r.Call.Name = strings.Repeat("x", 257) }),
		odd("run-id-too-long", func(r *record.Record) { r.Run = strings.Repeat("x", 257) }),
		odd("commitment-that-is-none", func(r *record.Record) { r.Input.Commitment = "A" }),
		odd("request-of-a-tool", func(r *record.Record) { r.Request = &record.Request{Model: "m"} }),
		odd("plan-of-a-tool", func(r *record.Record) { r.Plan = &record.Plan{Steps: 1} }),
		odd("origin-that-is-none", func(r *record.Record) { r.Ledger = "a b" }),
		{name: "verdict-unknown", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			maybe := deny
			maybe.Verdict = "maybe"
			run.outcome(run.intent("mail"), done, maybe)
		}).ledger(), want: record.DamageMalformed, record: 4},
		{name: "22-monotonic-clock-back", ledger: spoiled(func(r *record.Record) {
			if r.Kind == record.KindOutcome {
				r.Mono = 0
			}
		}).ledger(), want: record.DamageInconsistent, record: 4},
		{name: "22-intact-wall-clock-set", ledger: spoiled(func(r *record.Record) {
			if r.Kind == record.KindOutcome || r.Kind == record.KindEnd {
				r.Time = r.Time.Add(time.Hour)
			}
		}).ledger(), check: func(r *evidence.Report) bool { return r.ClockSteps == 1 }},
		{name: "22-wall-clock-beyond-the-session", ledger: spoiled(func(r *record.Record) {
			if r.Kind == record.KindOutcome {
				r.Time = r.Time.Add(-time.Hour)
			}
		}).ledger(), want: record.DamageExpiredKey, record: 4},
		{name: "27-intact-gap", ledger: withGap.ledger(), check: func(r *evidence.Report) bool { return r.Gaps == 1 && r.Lost == 3 && r.Done == 1 }},
		{name: "27-gap-over-records-that-are-there", ledger: made(func(f *forger) {
			f.run("run-a", "mail")
			f.gap(3, 5)
		}).ledger(), want: record.DamageInconsistent, record: 6},
		{name: "27-gap-that-begins-too-early", ledger: made(func(f *forger) {
			f.run("run-a", "mail")
			f.seq += 2
			f.gap(4, 7)
		}).ledger(), want: record.DamageInconsistent, record: 6},
		{name: "27-gap-that-miscounts", ledger: made(func(f *forger) {
			f.run("run-a", "mail")
			f.spoil = func(r *record.Record) { r.Gap.Count++ }
			f.seq += 2
			f.gap(6, 7)
		}).ledger(), want: record.DamageMalformed, record: 6},
		{name: "27-gap-by-a-stranger", ledger: func() forgery {
			f := base(t)
			f.envs = f.envs[:3]
			f.session = testKey(66)
			f.seq = 7
			f.gap(4, 7)
			return forgery{envs: f.envs}
		}(), want: record.DamageUnknownKey, record: 4},
		{name: "27-gap-in-place-of-a-record", ledger: func() forgery {
			f := base(t)
			g := base(t)
			g.envs, g.seq = g.envs[:3], 4
			_, r, err := record.ParsePayload(decodePayload(t, f.envs[3]))
			if err != nil {
				t.Fatal(err)
			}
			g.prev = r.Prev
			g.gap(4, 4)
			return bare(slices.Concat(g.envs, f.envs[4:])...)
		}(), want: record.DamageEquivocation, record: 5},
		{name: "28-outcome-without-intent", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			run.outcome(&record.Call{ID: 1, Kind: "tool", Name: "mail"}, done)
			run.end()
		}).ledger(), want: record.DamageOutcome, record: 3},
		{name: "28-intact-intent-without-outcome", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			run.intent("mail")
			run.end()
		}).ledger(), check: func(r *evidence.Report) bool { return r.Unknown == 1 && r.Done == 0 }},
		{name: "29-intact-erased", ledger: erased.ledger(), check: func(r *evidence.Report) bool { return r.Erased == 1 }},
		{name: "29-erasure-removed", ledger: forgery{envs: erased.envs[:5], checkpoint: erased.checkpoint()}, want: record.DamageRolledBack, record: 5},
		{name: "intact-overruled", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			run.outcome(run.intent("mail"), done, deny)
			shadow := deny
			shadow.Shadow = true
			run.outcome(run.intent("mail"), done, shadow)
			run.end()
		}).ledger(), check: func(r *evidence.Report) bool { return r.Overruled == 1 && r.Done == 2 }},
		{name: "intact-run-across-a-renewal", ledger: made(func(f *forger) {
			run := f.begin("run-a")
			call := run.intent("mail")
			f.renew()
			run.outcome(call, done)
			run.end()
		}).ledger(), check: func(r *evidence.Report) bool {
			return r.Sessions == 2 && r.Writers == 1 && r.Unknown == 0 && r.Interrupted == 0 && r.Done == 1
		}},
	}
}

// keyAttacks are those on sessions, rotations and what only checkpoints sign.
func keyAttacks(t testing.TB) []attack {
	both := []ed25519.PrivateKey{testKey(1), testKey(2)}
	made := func(make func(f *forger)) *forger {
		f := newForger(t)
		f.open()
		f.run("run-a", "mail")
		make(f)
		return f
	}
	reopened := made(func(f *forger) { f.open(); f.run("run-b", "mail") })
	rotated := made(func(f *forger) {
		f.rotate(testKey(2))
		f.run("run-b", "mail")
		f.renew()
		f.run("run-c", "mail")
	})
	// The session key of day one is stolen, after the ledger has gone on.
	renewed := made(func(f *forger) { f.renew(); f.run("run-b", "mail") })
	stolen := made(func(f *forger) { f.renew(); f.session = testKey(11); f.run("run-b", "mail") })
	late := made(func(f *forger) {
		f.now = f.now.Add(25 * time.Hour)
		f.elapsed += 25 * time.Hour
		f.run("run-b", "mail")
	})
	unsigned := func(make func(f *forger)) *forger {
		f := newForger(t)
		f.signing = record.SignCheckpoints
		f.open()
		f.run("run-a", "shell")
		make(f)
		return f
	}
	plain := unsigned(func(*forger) {})
	before := plain.checkpoint()
	longer := unsigned(func(f *forger) { f.run("run-b", "mail") })
	strangers := &forger{t: t, origin: "prod", signing: record.SignCheckpoints, salt: 5, now: longer.now, sign: sealAll}
	strangers.writer, strangers.seq = strangers.id(), 20
	for range 3 {
		strangers.begin(strangers.id())
	}
	started := unsigned(func(f *forger) { f.begin("run-b") })
	long := newForger(t)
	long.signing = record.SignCheckpoints
	long.open()
	endless := long.begin("run-a")
	for long.seq < 257 {
		endless.intent("mail")
	}
	endless.end()
	cutOff := made(func(f *forger) {
		f.spoil = func(r *record.Record) {
			if r.Session != nil {
				r.Session.Recovered = &record.Recovered{
					Aside:    &record.Aside{Bytes: 1311, Digest: hashOf("the file")},
					Unsigned: &record.Unsigned{Bytes: 3912, Digest: hashOf("the frames"), First: hashOf("first"), Last: hashOf("last"), Records: 3},
				}
			}
		}
		f.open()
		f.run("run-b", "mail")
	})
	proven := func(n uint64) func(r *evidence.Report) bool {
		return func(r *evidence.Report) bool { return r.Proven == n }
	}
	window := func(roots ...trust.Root) *trust.Policy {
		return &trust.Policy{Ledgers: []trust.Ledger{{Origin: "prod", Roots: roots}}}
	}
	one, two := public(testKey(1)), public(testKey(2))
	forgedTree := made(func(f *forger) {
		f.spoil = func(r *record.Record) {
			if r.Session != nil {
				r.Session.Tree.Root[0] ^= 1
			}
		}
		f.open()
	})
	return []attack{
		{name: "intact-reopened", ledger: reopened.ledger(), check: func(r *evidence.Report) bool { return r.Writers == 2 && r.Sessions == 2 }},
		{name: "intact-rotated", ledger: rotated.ledger(), roots: both, check: func(r *evidence.Report) bool { return r.Rotations == 1 && r.Sessions == 2 }},
		{name: "24-after-the-session", ledger: late.ledger(), want: record.DamageExpiredKey, record: 6},
		{name: "24-with-the-key-of-an-ended-session", ledger: bare(stolen.envs...), want: record.DamageExpiredKey, record: 7},
		{name: "24-checkpoint-with-the-key-of-an-ended-session", ledger: forgery{envs: renewed.envs, checkpoint: renewed.checkpointBy(testKey(11))}, want: record.DamageExpiredKey, record: 10},
		{name: "24-session-by-a-session-key", ledger: bare(made(func(f *forger) { f.root = testKey(11); f.renew() }).envs...), want: record.DamageUnknownKey, record: 6},
		{name: "24-session-without-signature", ledger: bare(unsigned(func(f *forger) {
			f.add(&record.Record{Kind: record.KindSession, Session: f.newSession()}, f.ofLedger())
		}).envs...), want: record.DamageUnsigned, record: 6},
		{name: "record-by-a-root-key", ledger: bare(made(func(f *forger) { f.session = f.root; f.run("run-b", "mail") }).envs...), want: record.DamageInconsistent, record: 6},
		{name: "session-by-an-unannounced-root-key", ledger: bare(made(func(f *forger) { f.root = testKey(2); f.renew() }).envs...), roots: both, want: record.DamageInconsistent, record: 6},
		{name: "session-by-the-root-key-before-the-rotation", ledger: bare(made(func(f *forger) { f.rotate(testKey(2)); f.root = testKey(1); f.renew() }).envs...), roots: both, want: record.DamageInconsistent, record: 7},
		{name: "rotation-to-a-key-not-given", ledger: rotated.ledger(), want: record.DamageUnknownKey, record: 6},
		{name: "rotation-by-the-old-key-alone", ledger: bare(at(rotated.envs, 5, sealAll(decodePayload(t, rotated.envs[5]), testKey(1)))[:6]...), roots: both, want: record.DamageUnsigned, record: 6},
		{name: "rotation-by-the-new-key-alone", ledger: bare(at(rotated.envs, 5, sealAll(decodePayload(t, rotated.envs[5]), testKey(2)))[:6]...), roots: both, want: record.DamageUnsigned, record: 6},
		{name: "rotation-signed-in-the-other-order", ledger: bare(at(rotated.envs, 5, sealAll(decodePayload(t, rotated.envs[5]), testKey(2), testKey(1)))[:6]...), roots: both, want: record.DamageNotCanonical, record: 6},
		{name: "rotation-by-the-session-key", ledger: bare(at(rotated.envs, 5, sealAll(decodePayload(t, rotated.envs[5]), testKey(11)))[:6]...), roots: both, want: record.DamageUnknownKey, record: 6},
		{name: "session-removed", ledger: bare(renewed.envs[1:]...), want: record.DamageUnknownKey, record: 1},
		{name: "renewal-removed", ledger: bare(slices.Delete(slices.Clone(renewed.envs), 5, 6)...), want: record.DamageUnknownKey, record: 6},
		{name: "tree-of-another-ledger", ledger: forgedTree.ledger(), want: record.DamageRewritten, record: 6},
		{name: "cut-before-the-session-of-an-anchor", ledger: bare(reopened.envs[:5]...), given: [][]byte{reopened.checkpoint()}, want: record.DamageRolledBack, record: 5},
		{name: "intact-policy", ledger: rotated.ledger(), policy: window(trust.Root{Key: one, NotAfter: dayOne.Add(time.Hour)}, trust.Root{Key: two, NotBefore: dayOne})},
		{name: "policy-not-after", ledger: rotated.ledger(), policy: window(trust.Root{Key: one, NotAfter: dayOne.Add(-time.Hour)}, trust.Root{Key: two}), want: record.DamageExpiredKey, record: 1},
		{name: "policy-not-before", ledger: rotated.ledger(), policy: window(trust.Root{Key: one}, trust.Root{Key: two, NotBefore: dayOne.Add(time.Hour)}), want: record.DamageExpiredKey, record: 6},
		{name: "policy-revoked-before-a-session", ledger: reopened.ledger(), policy: window(trust.Root{Key: one, LastRecord: 5}), want: record.DamageExpiredKey, record: 6},
		{name: "policy-revoked-within-a-session", ledger: reopened.ledger(), policy: window(trust.Root{Key: one, LastRecord: 8}), want: record.DamageExpiredKey, record: 9},
		{name: "intact-checkpoints-only", ledger: plain.ledger(), check: func(r *evidence.Report) bool { return r.Records == 5 }},
		{name: "intact-checkpoints-then-a-session", ledger: bare(unsigned(func(f *forger) { f.open() }).envs...)},
		{name: "intact-checkpoints-elsewhere", ledger: bare(plain.envs...), given: [][]byte{before}},
		{name: "intact-checkpoints-without-one", ledger: bare(plain.envs...), check: proven(5)},
		{name: "intact-checkpoints-unsigned-end", ledger: forgery{envs: longer.envs[:8], checkpoint: before}, check: func(r *evidence.Report) bool {
			return r.Records == 5 && r.Unsigned == 3 && r.Runs == 1 && r.Proven == 5
		}},
		{name: "intact-checkpoints-over-an-unsigned-end", ledger: started.ledger(), check: func(r *evidence.Report) bool {
			return r.Records == 6 && r.Unsigned == 0 && r.Runs == 2 && r.Proven == 6
		}},
		{name: "intact-checkpoints-last-signature-stripped", ledger: bare(at(plain.envs, 4, strip(plain.envs[4]))...), check: func(r *evidence.Report) bool {
			return r.Records == 1 && r.Unsigned == 4 && r.Runs == 0
		}},
		{name: "checkpoints-last-signature-stripped", ledger: forgery{envs: at(plain.envs, 4, strip(plain.envs[4])), checkpoint: before}, want: record.DamageRewritten, record: 5, check: proven(1)},
		{name: "checkpoints-edited-in-a-group", ledger: bare(at(longer.envs, 7, edit(t, longer.envs[7], `"done"`, `"failed"`))...), want: record.DamageEdited, record: 8, check: proven(5)},
		{name: "checkpoints-edited-first-in-a-group", ledger: bare(at(longer.envs, 5, edit(t, longer.envs[5], `"alice"`, `"mallory"`))...), want: record.DamageEdited, record: 6, check: proven(5)},
		{name: "checkpoints-edited-signed", ledger: bare(at(longer.envs, 8, edit(t, longer.envs[8], `"calls":1`, `"calls":2`))...), want: record.DamageEdited, record: 9, check: proven(5)},
		{name: "checkpoints-edited-and-stripped", ledger: forgery{envs: at(plain.envs, 4, strip(edit(t, plain.envs[4], `"calls":1`, `"calls":2`))), checkpoint: before}, want: record.DamageRewritten, record: 5},
		{name: "checkpoints-of-another-writer", ledger: bare(at(longer.envs, 7, edit(t, longer.envs[7], `"writer":"019d`, `"writer":"019e`))...), want: record.DamageEdited, record: 8, check: proven(5)},
		{name: "checkpoints-replaced-by-those-of-another-writer", ledger: bare(slices.Concat(longer.envs[:5], strangers.envs, longer.envs[8:])...), want: record.DamageUnsigned, record: 8, check: proven(5)},
		{name: "checkpoints-removed", ledger: bare(slices.Delete(slices.Clone(longer.envs), 6, 7)...), want: record.DamageRemoved, record: 7, check: proven(5)},
		{name: "checkpoints-reordered", ledger: bare(swap(longer.envs, 6, 7)...), want: record.DamageReordered, record: 7, check: proven(5)},
		{name: "checkpoints-replayed", ledger: bare(slices.Insert(slices.Clone(longer.envs), 7, longer.envs[6])...), want: record.DamageReplayed, record: 8, check: proven(5)},
		{name: "checkpoints-planted", ledger: bare(slices.Insert(slices.Clone(longer.envs), 7, edit(t, longer.envs[7], `"done"`, `"failed"`))...), want: record.DamageUnsigned, record: 8, check: proven(5)},
		{name: "checkpoints-appended-what-does-not-follow", ledger: bare(append(slices.Clone(longer.envs), edit(t, longer.envs[7], `"done"`, `"failed"`))...), want: record.DamageUnsigned, record: 10, check: proven(9)},
		{name: "checkpoints-session-cut-to-an-unsigned-record", ledger: forgery{envs: longer.envs[:7], checkpoint: longer.checkpoint()}, want: record.DamageRolledBack, record: 7, check: proven(5)},
		{name: "20-checkpoints-256-without-a-signature", ledger: bare(long.envs...), want: record.DamageUnsigned, record: 257, check: proven(1)},
		{name: "20-intact-checkpoints-255-without-a-signature", ledger: bare(long.envs[:256]...), check: func(r *evidence.Report) bool { return r.Unsigned == 255 && r.Records == 1 }},
		{name: "20-checkpoints-256-then-a-signature", ledger: long.ledger(), want: record.DamageUnsigned, record: 257, check: proven(1)},
		{name: "intact-cut-off", ledger: cutOff.ledger(), check: func(r *evidence.Report) bool { return r.Cut == 3 && r.Aside == 1 && r.Records == 10 }},
	}
}
