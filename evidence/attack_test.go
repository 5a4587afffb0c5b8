package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

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
		{name: "01-byte-changed", ledger: left(ledgertest.At(envs, 3, ledgertest.Edit(t, envs[3], `"deny"`, `"okay"`))...),
			want: record.DamageEdited, record: 4},
		{name: "02-removed", ledger: left(slices.Delete(slices.Clone(envs), 3, 4)...), want: record.DamageRemoved, record: 4},
		{name: "03-reordered", ledger: left(ledgertest.Swap(envs, 2, 3)...), want: record.DamageReordered, record: 3},
		{name: "04-cut", ledger: left(envs[:7]...), want: record.DamageRolledBack, record: 7},
		{name: "05-intact-cut-above-the-anchor", ledger: cut(7).Ledger(), given: [][]byte{cut(5).Checkpoint()},
			check: func(r *evidence.Report) bool { return r.Interrupted == 1 && r.Unknown == 1 }},
		{name: "05-cut-below-a-later-anchor", ledger: cut(7).Ledger(), given: [][]byte{cut(5).Checkpoint(), whole.Checkpoint},
			want: record.DamageRolledBack, record: 7},
		{name: "06-cut-below-the-anchor", ledger: cut(4).Ledger(), given: [][]byte{cut(5).Checkpoint()}, want: record.DamageRolledBack, record: 4},
		{name: "07-replayed", ledger: left(slices.Insert(slices.Clone(envs), 5, envs[2])...), want: record.DamageReplayed, record: 6},
		{name: "08-spliced", ledger: left(ledgertest.At(envs, 3, other.Envs[3])...), want: record.DamageSpliced, record: 4},
		{name: "08-another-ledger", ledger: other.Ledger(), origin: "prod", want: record.DamageSpliced, record: 1},
		{name: "09-runs-swapped", ledger: left(slices.Concat(envs[:1], envs[5:], envs[1:5])...), want: record.DamageReordered, record: 2},
		{name: "09-intact-runs-swapped-by-the-key-holder", ledger: swapped.Ledger()},
		{name: "09-runs-swapped-by-the-key-holder", ledger: swapped.Ledger(), given: [][]byte{whole.Checkpoint}, want: record.DamageRewritten, record: 9},
		{name: "10-signatures-stripped", ledger: rebuilt(t, ledgertest.Each(envs, ledgertest.Strip), ledgertest.Key(11)),
			want: record.DamageUnsigned, record: 1},
		{name: "10-signatures-stripped-but-sessions",
			ledger: rebuilt(t, slices.Concat(envs[:1], ledgertest.Each(envs[1:], ledgertest.Strip)), ledgertest.Key(11)),
			want:   record.DamageUnsigned, record: 2},
		{name: "11-signed-by-a-stranger",
			ledger: rebuilt(t, ledgertest.Each(envs, func(env []byte) []byte {
				return ledgertest.SealAll(ledgertest.DecodePayload(t, env), stranger)
			}), stranger),
			want: record.DamageUnknownKey, record: 1},
		{name: "11-one-signed-by-a-stranger",
			ledger: left(ledgertest.At(envs, 4, ledgertest.SealAll(ledgertest.DecodePayload(t, envs[4]), stranger))...),
			want:   record.DamageUnknownKey, record: 5},
		{name: "12-intact-rewritten-by-the-key-holder", ledger: allowed.Ledger()},
		{name: "12-rewritten-by-the-key-holder", ledger: allowed.Ledger(), given: [][]byte{cut(5).Checkpoint()}, want: record.DamageRewritten, record: 5},
		{name: "13-intact-dropped-by-the-key-holder", ledger: dropped.Ledger()},
		{name: "13-dropped-by-the-key-holder", ledger: dropped.Ledger(), given: [][]byte{cut(5).Checkpoint()}, want: record.DamageRewritten, record: 5},
		{name: "14-split-view", ledger: whole, given: [][]byte{whole.Checkpoint, allowed.Checkpoint()}, want: record.DamageRewritten, record: 9},
		{name: "15-duplicate-member", ledger: ledgertest.Bare(changed(t, f, 3, `"verdict":"deny"`, `"verdict":"allow","verdict":"deny"`)...),
			want: record.DamageNotCanonical, record: 4},
		{name: "16-case-twin", ledger: ledgertest.Bare(changed(t, f, 3, `"verdict":"deny"`, `"Verdict":"allow","verdict":"deny"`)...),
			want: record.DamageNotCanonical, record: 4},
		{name: "16-white-space", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq": 4`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-escape", ledger: ledgertest.Bare(changed(t, f, 3, `"deny"`, `"den\u0079"`)...), want: record.DamageNotCanonical, record: 4},
		{name: "16-number", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":4e0`)...), want: record.DamageMalformed, record: 4},
		{name: "16-order", ledger: ledgertest.Bare(changed(t, f, 3, `"runSeq":3,"seq":4`, `"seq":4,"runSeq":3`)...),
			want: record.DamageNotCanonical, record: 4},
		{name: "17-spelled-with-an-escape", ledger: ledgertest.Bare(changed(t, f, 3, `"name":"shell"`, `"name":"sh\u00e9ll"`)...),
			want: record.DamageNotCanonical, record: 4},
		{name: "18-larger-than-2-53", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":9007199254740993`)...),
			want: record.DamageMalformed, record: 4},
		{name: "18-1e400", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":1e400`)...), want: record.DamageMalformed, record: 4},
		{name: "18-minus-zero", ledger: ledgertest.Bare(changed(t, f, 2, `"size":87`, `"size":-0`)...), want: record.DamageNotCanonical, record: 3},
		{name: "18-nan", ledger: ledgertest.Bare(changed(t, f, 3, `"seq":4`, `"seq":NaN`)...), want: record.DamageMalformed, record: 4},
		{name: "19-invalid-utf-8", ledger: ledgertest.Bare(changed(t, f, 3, `not on`, "not \xff")...), want: record.DamageMalformed, record: 4},
		{name: "19-lone-surrogate", ledger: ledgertest.Bare(changed(t, f, 3, `not on`, `not \ud800`)...), want: record.DamageMalformed, record: 4},
		{name: "20-large-payload", ledger: ledgertest.Bare(changed(t, f, 3, `not on`, strings.Repeat("x", record.MaxPayload))...),
			want: record.DamageMalformed, record: 4},
		{name: "20-large-frame",
			ledger: ledgertest.Forgery{Segment: segmenttest.File(ledgertest.At(envs, 3, bytes.Repeat([]byte("x"), 70_000))...)},
			want:   record.DamageEdited, record: 4},
		{name: "21-torn-at-the-end", ledger: ledgertest.Forgery{Segment: chop(segmenttest.File(envs...), 100), Checkpoint: cut(8).Checkpoint()},
			want: record.DamageTruncated, record: 9},
		{name: "21-torn-in-the-middle",
			ledger: ledgertest.Forgery{Segment: slices.Concat(chop(segmenttest.File(envs[:4]...), 100),
				segmenttest.File(envs[4:]...)[len(segmenttest.File()):])}, want: record.DamageEdited, record: 4},
		{name: "23-key-id-changed",
			ledger: left(ledgertest.At(envs, 4,
				bytes.Replace(envs[4], []byte(record.KeyID(ledgertest.Public(ledgertest.Key(11)))),
					[]byte(record.KeyID(ledgertest.Public(stranger))), 1))...), want: record.DamageEdited, record: 5},
		{name: "21-intact-overflow-planted", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{
			"overflow.seg": segmenttest.File(ledgertest.Strip(planted.Envs[len(planted.Envs)-1])),
		}}, check: func(r *evidence.Report) bool { return r.Astray == 1 && r.Waiting == 0 }},
		{name: "21-intact-overflow-waiting", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{
			"overflow.seg": segmenttest.File(planted.Envs[len(envs)-1:]...),
		}}, check: func(r *evidence.Report) bool { return r.Astray == 0 && r.Waiting == 1 }},
		{name: "26-tile-beyond-the-tree", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{"tile/0/000": make([]byte, 8192)}},
			want: record.DamageRolledBack, record: 9},
		{name: "26-tile-beyond-the-tree-empty", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{"tile/1/000": {}}},
			want: record.DamageRolledBack, record: 9},
		{name: "26-intact-no-tile", ledger: ledgertest.Forgery{Envs: envs, Files: map[string][]byte{"tile/0/000.tmp": {}, "tile/0/000.p/9": {}}}},
		{name: "25-restored-from-a-backup", ledger: cut(5).Ledger(), given: [][]byte{whole.Checkpoint}, want: record.DamageRolledBack, record: 5},
		{name: "31-base64-with-a-line-break", ledger: left(ledgertest.At(envs, 3, slices.Concat(envs[3][:20], []byte("\n"), envs[3][20:]))...),
			want: record.DamageMalformed, record: 4},
		{name: "31-foreign-signature",
			ledger: ledgertest.Bare(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))...),
			want:   record.DamageNotCanonical, record: 4},
		{name: "31-foreign-signature-behind",
			ledger: ledgertest.Bare(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`}]}`), []byte(`},{"keyid":"x","sig":"AAAA"}]}`), 1))...),
			want:   record.DamageNotCanonical, record: 4},
		{name: "31-signature-twice",
			ledger: ledgertest.Bare(ledgertest.At(envs, 3, ledgertest.SealAll(ledgertest.DecodePayload(t, envs[3]), f.Session, f.Session))...),
			want:   record.DamageNotCanonical, record: 4},
		{name: "31-root-signature-twice",
			ledger: ledgertest.Bare(ledgertest.At(envs, 0, ledgertest.SealAll(ledgertest.DecodePayload(t, envs[0]), f.Root, f.Root))...),
			want:   record.DamageNotCanonical, record: 1},
		{name: "31-foreign-signature-under-a-checkpoint",
			ledger: left(ledgertest.At(envs, 3, bytes.Replace(envs[3], []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))...),
			want:   record.DamageNotCanonical, record: 4},
		{name: "31-nine-signatures",
			ledger: left(ledgertest.At(envs, 3,
				bytes.Replace(envs[3], []byte(`[{`), []byte(`[`+strings.Repeat(`{"keyid":"x","sig":"AAAA"},`, 8)+`{`), 1))...),
			want: record.DamageMalformed, record: 4},
		{name: "checkpoint-edited",
			ledger: ledgertest.Forgery{Envs: envs, Checkpoint: bytes.Replace(whole.Checkpoint, []byte("\n9\n"), []byte("\n8\n"), 1)},
			want:   record.DamageEdited, record: 9},
		{name: "checkpoint-by-a-stranger", ledger: ledgertest.Forgery{Envs: envs, Checkpoint: f.CheckpointBy(stranger)},
			want: record.DamageUnknownKey, record: 9},
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
