package evidence_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
)

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
		{name: "delivery-refused-edited",
			ledger: ledgertest.Bare(ledgertest.At(shipped.Envs, 5, ledgertest.Edit(t, shipped.Envs[5], `"to":3`, `"to":4`))...),
			want:   record.DamageEdited, record: 6},
		{name: "delivery-breaker-edited",
			ledger: ledgertest.Bare(ledgertest.At(shipped.Envs, 6, ledgertest.Edit(t, shipped.Envs[6], `"state":"open"`, `"state":"shut"`))...),
			want:   record.DamageEdited, record: 7},
		{name: "delivery-refused-removed", ledger: ledgertest.Bare(slices.Delete(slices.Clone(shipped.Envs), 5, 6)...), want: record.DamageRemoved, record: 6},
		{name: "delivery-of-records-to-come", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Deliver(record.Range{From: 5, To: 6, Writer: f.Writer})
		}).Ledger(), want: record.DamageInconsistent, record: 6},
		{name: "delivery-of-a-writer-to-come", ledger: made(func(f *ledgertest.Forger) {
			f.Run("run-a", "mail")
			f.Deliver(record.Range{From: 1, To: 1, Writer: f.ID()})
		}).Ledger(), want: record.DamageInconsistent, record: 6},
		{name: "delivery-miscounted", ledger: ledgertest.Bare(changed(t, shipped, 5, `"count":3`, `"count":2`)[:6]...),
			want: record.DamageMalformed, record: 6},
		{name: "delivery-breaker-half-open", ledger: ledgertest.Bare(changed(t, shipped, 6, `"state":"open"`, `"state":"half-open"`)[:7]...),
			want: record.DamageMalformed, record: 7},
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
		{name: "29-erasure-removed", ledger: ledgertest.Forgery{Envs: erased.Envs[:5], Checkpoint: erased.Checkpoint()},
			want: record.DamageRolledBack, record: 5},
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
