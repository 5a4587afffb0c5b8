package evidence_test

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

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
					Aside: &record.Aside{Bytes: 1311, Digest: ledgertest.HashOf("the file")},
					Unsigned: &record.Unsigned{Bytes: 3912, Digest: ledgertest.HashOf("the frames"), First: ledgertest.HashOf("first"),
						Last: ledgertest.HashOf("last"), Records: 3},
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
		{name: "24-checkpoint-with-the-key-of-an-ended-session",
			ledger: ledgertest.Forgery{Envs: renewed.Envs, Checkpoint: renewed.CheckpointBy(ledgertest.Key(11))}, want: record.DamageExpiredKey, record: 10},
		{name: "24-session-by-a-session-key",
			ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Root = ledgertest.Key(11); f.Renew() }).Envs...),
			want:   record.DamageUnknownKey, record: 6},
		{name: "24-session-without-signature", ledger: ledgertest.Bare(unsigned(func(f *ledgertest.Forger) {
			f.Add(&record.Record{Kind: record.KindSession, Session: f.NewSession()}, f.OfLedger())
		}).Envs...), want: record.DamageUnsigned, record: 6},
		{name: "record-by-a-root-key",
			ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Session = f.Root; f.Run("run-b", "mail") }).Envs...),
			want:   record.DamageInconsistent, record: 6},
		{name: "session-by-an-unannounced-root-key",
			ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Root = ledgertest.Key(2); f.Renew() }).Envs...), roots: both,
			want: record.DamageInconsistent, record: 6},
		{name: "session-by-the-root-key-before-the-rotation",
			ledger: ledgertest.Bare(made(func(f *ledgertest.Forger) { f.Rotate(ledgertest.Key(2)); f.Root = ledgertest.Key(1); f.Renew() }).Envs...), roots: both, want: record.DamageInconsistent, record: 7},
		{name: "rotation-to-a-key-not-given", ledger: rotated.Ledger(), want: record.DamageUnknownKey, record: 6},
		{name: "rotation-by-the-old-key-alone",
			ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5,
				ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(1)))[:6]...), roots: both,
			want: record.DamageUnsigned, record: 6},
		{name: "rotation-by-the-new-key-alone",
			ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5,
				ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(2)))[:6]...), roots: both,
			want: record.DamageUnsigned, record: 6},
		{name: "rotation-signed-in-the-other-order",
			ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5,
				ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(2), ledgertest.Key(1)))[:6]...), roots: both,
			want: record.DamageNotCanonical, record: 6},
		{name: "rotation-by-the-session-key",
			ledger: ledgertest.Bare(ledgertest.At(rotated.Envs, 5,
				ledgertest.SealAll(ledgertest.DecodePayload(t, rotated.Envs[5]), ledgertest.Key(11)))[:6]...), roots: both,
			want: record.DamageUnknownKey, record: 6},
		{name: "session-removed", ledger: ledgertest.Bare(renewed.Envs[1:]...), want: record.DamageUnknownKey, record: 1},
		{name: "renewal-removed", ledger: ledgertest.Bare(slices.Delete(slices.Clone(renewed.Envs), 5, 6)...), want: record.DamageUnknownKey, record: 6},
		{name: "tree-of-another-ledger", ledger: forgedTree.Ledger(), want: record.DamageRewritten, record: 6},
		{name: "cut-before-the-session-of-an-anchor", ledger: ledgertest.Bare(reopened.Envs[:5]...), given: [][]byte{reopened.Checkpoint()},
			want: record.DamageRolledBack, record: 5},
		{name: "intact-policy", ledger: rotated.Ledger(),
			policy: window(trust.Root{Key: one, NotAfter: ledgertest.DayOne.Add(time.Hour)}, trust.Root{Key: two, NotBefore: ledgertest.DayOne})},
		{name: "policy-not-after", ledger: rotated.Ledger(),
			policy: window(trust.Root{Key: one, NotAfter: ledgertest.DayOne.Add(-time.Hour)}, trust.Root{Key: two}), want: record.DamageExpiredKey, record: 1},
		{name: "policy-not-before", ledger: rotated.Ledger(),
			policy: window(trust.Root{Key: one}, trust.Root{Key: two, NotBefore: ledgertest.DayOne.Add(time.Hour)}), want: record.DamageExpiredKey, record: 6},
		{name: "policy-revoked-before-a-session", ledger: reopened.Ledger(), policy: window(trust.Root{Key: one, LastRecord: 5}),
			want: record.DamageExpiredKey, record: 6},
		{name: "policy-revoked-within-a-session", ledger: reopened.Ledger(), policy: window(trust.Root{Key: one, LastRecord: 8}),
			want: record.DamageExpiredKey, record: 9},
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
		{name: "intact-checkpoints-last-signature-stripped",
			ledger: ledgertest.Bare(ledgertest.At(plain.Envs, 4, ledgertest.Strip(plain.Envs[4]))...), check: func(r *evidence.Report) bool {
				return r.Records == 1 && r.Unsigned == 4 && r.Runs == 0
			}},
		{name: "checkpoints-last-signature-stripped",
			ledger: ledgertest.Forgery{Envs: ledgertest.At(plain.Envs, 4, ledgertest.Strip(plain.Envs[4])), Checkpoint: before},
			want:   record.DamageRewritten, record: 5, check: proven(1)},
		{name: "checkpoints-edited-in-a-group",
			ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 7, ledgertest.Edit(t, longer.Envs[7], `"done"`, `"failed"`))...),
			want:   record.DamageEdited, record: 8, check: proven(5)},
		{name: "checkpoints-edited-first-in-a-group",
			ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 5, ledgertest.Edit(t, longer.Envs[5], `"alice"`, `"mallory"`))...),
			want:   record.DamageEdited, record: 6, check: proven(5)},
		{name: "checkpoints-edited-signed",
			ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 8, ledgertest.Edit(t, longer.Envs[8], `"calls":1`, `"calls":2`))...),
			want:   record.DamageEdited, record: 9, check: proven(5)},
		{name: "checkpoints-edited-and-stripped",
			ledger: ledgertest.Forgery{Envs: ledgertest.At(plain.Envs, 4,
				ledgertest.Strip(ledgertest.Edit(t, plain.Envs[4], `"calls":1`, `"calls":2`))), Checkpoint: before}, want: record.DamageRewritten, record: 5},
		{name: "checkpoints-of-another-writer",
			ledger: ledgertest.Bare(ledgertest.At(longer.Envs, 7, ledgertest.Edit(t, longer.Envs[7], `"writer":"019d`, `"writer":"019e`))...),
			want:   record.DamageEdited, record: 8, check: proven(5)},
		{name: "checkpoints-replaced-by-those-of-another-writer",
			ledger: ledgertest.Bare(slices.Concat(longer.Envs[:5], strangers.Envs, longer.Envs[8:])...), want: record.DamageUnsigned, record: 8,
			check: proven(5)},
		{name: "checkpoints-removed", ledger: ledgertest.Bare(slices.Delete(slices.Clone(longer.Envs), 6, 7)...), want: record.DamageRemoved,
			record: 7, check: proven(5)},
		{name: "checkpoints-reordered", ledger: ledgertest.Bare(ledgertest.Swap(longer.Envs, 6, 7)...), want: record.DamageReordered, record: 7,
			check: proven(5)},
		{name: "checkpoints-replayed", ledger: ledgertest.Bare(slices.Insert(slices.Clone(longer.Envs), 7, longer.Envs[6])...),
			want: record.DamageReplayed, record: 8, check: proven(5)},
		{name: "checkpoints-planted",
			ledger: ledgertest.Bare(slices.Insert(slices.Clone(longer.Envs), 7, ledgertest.Edit(t, longer.Envs[7], `"done"`, `"failed"`))...),
			want:   record.DamageUnsigned, record: 8, check: proven(5)},
		{name: "checkpoints-appended-what-does-not-follow",
			ledger: ledgertest.Bare(append(slices.Clone(longer.Envs), ledgertest.Edit(t, longer.Envs[7], `"done"`, `"failed"`))...),
			want:   record.DamageUnsigned, record: 10, check: proven(9)},
		{name: "checkpoints-session-cut-to-an-unsigned-record", ledger: ledgertest.Forgery{Envs: longer.Envs[:7], Checkpoint: longer.Checkpoint()},
			want: record.DamageRolledBack, record: 7, check: proven(5)},
		{name: "20-checkpoints-256-without-a-signature", ledger: ledgertest.Bare(long.Envs...), want: record.DamageUnsigned, record: 257, check: proven(1)},
		{name: "20-intact-checkpoints-255-without-a-signature", ledger: ledgertest.Bare(long.Envs[:256]...),
			check: func(r *evidence.Report) bool { return r.Unsigned == 255 && r.Records == 1 }},
		{name: "20-checkpoints-256-then-a-signature", ledger: long.Ledger(), want: record.DamageUnsigned, record: 257, check: proven(1)},
		{name: "intact-cut-off", ledger: cutOff.Ledger(), check: func(r *evidence.Report) bool { return r.Cut == 3 && r.Aside == 1 && r.Records == 10 }},
	}
}
