package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
)

func TestDamage(t *testing.T) {
	dir := ledgertest.Dir(t)
	envs := forgeLedger(t, dir, func(f *ledgertest.Forger) { f.Origin = "here" })
	other := forgeLedger(t, ledgertest.Dir(t), func(f *ledgertest.Forger) { f.Origin = "there" })
	sibling := forgeLedger(t, ledgertest.Dir(t), func(f *ledgertest.Forger) { f.Origin, f.Salt = "here", 1 })
	key, stranger := ledgertest.Key(11), ledgertest.Key(2)

	tests := []struct {
		name   string
		ledger [][]byte
		want   record.Damage
		record uint64 // the first bad one, from 1
		alone  bool   // it is the only damage
	}{
		{"payload edited", ledgertest.At(envs, 8, ledgertest.Edit(t, envs[8], `"deny"`, `"okay"`)), record.DamageEdited, 9, true},
		{"signature edited", ledgertest.At(envs, 4, ledgertest.FlipSig(envs[4])), record.DamageEdited, 5, true},
		{"first edited", ledgertest.At(envs, 0, ledgertest.Edit(t, envs[0], `"here"`, `"hare"`)), record.DamageEdited, 1, false},
		{"last edited", ledgertest.At(envs, 10, ledgertest.Edit(t, envs[10], `"run.end"`, `"run.emd"`)), record.DamageEdited, 11, true},
		{"key ID edited", ledgertest.At(envs, 4,
			bytes.Replace(envs[4], []byte(record.KeyID(ledgertest.Public(key))), []byte(record.KeyID(ledgertest.Public(stranger))), 1)),
			record.DamageEdited, 5, true},
		{"removed from the middle", slices.Delete(slices.Clone(envs), 4, 5), record.DamageRemoved, 5, false},
		{"removed at the beginning", envs[1:], record.DamageUnknownKey, 1, false},
		{"three removed", slices.Delete(slices.Clone(envs), 4, 7), record.DamageRemoved, 5, false},
		{"reordered", ledgertest.Swap(envs, 4, 5), record.DamageReordered, 5, true},
		{"moved to the end", append(slices.Delete(slices.Clone(envs), 4, 5), envs[4]), record.DamageReordered, 5, false},
		{"replayed at once", slices.Insert(slices.Clone(envs), 5, envs[4]), record.DamageReplayed, 6, true},
		{"replayed later", append(slices.Clone(envs), envs[4]), record.DamageReplayed, 12, true},
		{"two at one place", slices.Insert(slices.Clone(envs), 5, reshape(t, envs[4], func(_ *record.Subject, r *record.Record) {
			r.Outcome.Result = record.ResultFailed
		})), record.DamageEquivocation, 6, true},
		{"rewritten by the key holder", ledgertest.At(envs, 4, reshape(t, envs[4], func(_ *record.Subject, r *record.Record) {
			r.Outcome.Result = record.ResultFailed
		})), record.DamageEquivocation, 6, false},
		{"spliced from another ledger", ledgertest.At(envs, 4, other[4]), record.DamageSpliced, 5, false},
		{"inserted from another ledger", slices.Insert(slices.Clone(envs), 5, other[5]), record.DamageSpliced, 6, true},
		{"a whole writer of another ledger", append(slices.Clone(envs), other...), record.DamageSpliced, 12, true},
		{"a writer of a ledger with this name", append(slices.Clone(envs), sibling...), record.DamageEquivocation, 12, true},
		{"subject of another run", ledgertest.At(envs, 4, reshape(t, envs[4], func(s *record.Subject, _ *record.Record) { s.Digest[0] ^= 1 })),
			record.DamageSpliced, 5, false},
		{"unsigned", ledgertest.At(envs, 4, ledgertest.Strip(envs[4])), record.DamageUnsigned, 5, true},
		{"all unsigned", ledgertest.Each(envs, ledgertest.Strip), record.DamageUnsigned, 1, false},
		{"signed by a stranger", ledgertest.At(envs, 4, ledgertest.Seal(stranger, ledgertest.DecodePayload(t, envs[4]))), record.DamageUnknownKey, 5, true},
		{"all signed by a stranger",
			ledgertest.Each(envs, func(env []byte) []byte { return ledgertest.Seal(stranger, ledgertest.DecodePayload(t, env)) }),
			record.DamageUnknownKey, 1, false},
		{"duplicate member", ledgertest.At(envs, 8, resign(t, envs[8], key, `"verdict":"deny"`, `"verdict":"allow","verdict":"deny"`)),
			record.DamageNotCanonical, 9, true},
		{"case twin", ledgertest.At(envs, 8, resign(t, envs[8], key, `"verdict":"deny"`, `"Verdict":"allow","verdict":"deny"`)),
			record.DamageNotCanonical, 9, true},
		{"unknown member", ledgertest.At(envs, 8, resign(t, envs[8], key, `"verdict":"deny"`, `"verdict":"deny","vest":1`)),
			record.DamageNotCanonical, 9, true},
		{"white space", ledgertest.At(envs, 8, resign(t, envs[8], key, `"seq":9`, `"seq": 9`)), record.DamageNotCanonical, 9, true},
		{"escape", ledgertest.At(envs, 8, resign(t, envs[8], key, `"deny"`, `"den\u0079"`)), record.DamageNotCanonical, 9, true},
		{"number spelled otherwise", ledgertest.At(envs, 8, resign(t, envs[8], key, `"seq":9`, `"seq":9.0`)), record.DamageMalformed, 9, true},
		{"order of members", ledgertest.At(envs, 8, resign(t, envs[8], key, `"seq":9`, `"seq":9`+"\n")), record.DamageNotCanonical, 9, true},
		{"explicit null", ledgertest.At(envs, 8, resign(t, envs[8], key, `"outcome":`, `"omitted":0,"outcome":`)), record.DamageNotCanonical, 9, true},
		{"trailing text", ledgertest.At(envs, 8, ledgertest.Seal(key, append(ledgertest.DecodePayload(t, envs[8]), ' '))), record.DamageNotCanonical, 9, true},
		{"invalid UTF-8", ledgertest.At(envs, 8, resign(t, envs[8], key, `not on`, "not \xff")), record.DamageMalformed, 9, true},
		{"lone surrogate", ledgertest.At(envs, 8, resign(t, envs[8], key, `not on`, `not \ud800`)), record.DamageMalformed, 9, true},
		{"larger than 2^53", ledgertest.At(envs, 8, resign(t, envs[8], key, `"seq":9`, `"seq":9007199254740993`)), record.DamageMalformed, 9, true},
		{"not JSON", ledgertest.At(envs, 8, ledgertest.Seal(key, []byte("hello"))), record.DamageMalformed, 9, true},
		{"another predicate", ledgertest.At(envs, 8, resign(t, envs[8], key, `urn:safeconduct:record:v1`, `urn:safeconduct:record:v2`)),
			record.DamageMalformed, 9, true},
		{"a kind without a schema", ledgertest.At(envs, 10, resign(t, envs[10], key, `"run.end"`, `"anchor"`)), record.DamageMalformed, 11, true},
		{"oversize", ledgertest.At(envs, 8, resign(t, envs[8], key, `not on`, strings.Repeat("x", record.MaxPayload))), record.DamageMalformed, 9, true},
		{"envelope with white space", ledgertest.At(envs, 8, append([]byte(`{"payload": "`), envs[8][12:]...)), record.DamageNotCanonical, 9, true},
		{"another payload type", ledgertest.At(envs, 8, bytes.Replace(envs[8], []byte("in-toto+json"), []byte("in-toto+yaml"), 1)),
			record.DamageMalformed, 9, true},
		{"outcome without intent", forge(t, envs, func(rs []*record.Record) []*record.Record {
			return slices.Delete(rs, 5, 6)
		}, nil), record.DamageOutcome, 6, false},
		{"intent twice", forge(t, envs, func(rs []*record.Record) []*record.Record {
			twin := *rs[5]
			return slices.Insert(rs, 6, &twin)
		}, nil), record.DamageInconsistent, 7, true},
		{"run begins twice", forge(t, envs, func(rs []*record.Record) []*record.Record {
			twin := *rs[1]
			return slices.Insert(rs, 2, &twin)
		}, nil), record.DamageInconsistent, 3, false},
		{"run ends twice", forge(t, envs, func(rs []*record.Record) []*record.Record {
			twin, end := *rs[10], *rs[10].RunEnd
			twin.RunEnd = &end
			return slices.Insert(slices.Delete(rs, 9, 10), 9, &twin)
		}, nil), record.DamageInconsistent, 11, false},
		{"calls miscounted", forge(t, envs, nil, func(rs []*record.Record) { rs[10].RunEnd.Calls = 3 }), record.DamageInconsistent, 11, true},
		{"records miscounted", forge(t, envs, nil, func(rs []*record.Record) { rs[10].RunEnd.Records = 9 }), record.DamageInconsistent, 11, true},
		{"run's head", forge(t, envs, nil, func(rs []*record.Record) { rs[10].RunEnd.Head[0] ^= 1 }), record.DamageInconsistent, 11, true},
		{"run numbers skip", forge(t, envs, nil, func(rs []*record.Record) { rs[9].RunSeq += 5; rs[10].RunSeq += 5; rs[10].RunEnd.Records += 5 }),
			record.DamageInconsistent, 10, true},
		{"run numbers repeat", forge(t, envs, nil, func(rs []*record.Record) { rs[9].RunSeq = rs[8].RunSeq }), record.DamageInconsistent, 10, false},
		{"run without its beginning", forge(t, envs, func(rs []*record.Record) []*record.Record { return slices.Delete(rs, 1, 2) }, func(rs []*record.Record) {
			for _, r := range rs[1:] {
				r.RunSeq++
			}
			rs[9].RunEnd.Records++
		}), record.DamageInconsistent, 2, true},
		{"commitment of another length", forge(t, envs, nil, func(rs []*record.Record) { rs[5].Input.Commitment = "AAAA" }), record.DamageMalformed, 6, false},
		{"commitment with a line break", forge(t, envs, nil, func(rs []*record.Record) {
			c := &rs[5].Input.Commitment
			*c = (*c)[:20] + "\n" + (*c)[20:]
		}), record.DamageMalformed, 6, false},
		{"reason too long", forge(t, envs, nil, func(rs []*record.Record) {
			rs[8].Decisions[0].Reason = strings.Repeat("x", 513)
		}), record.DamageMalformed, 9, false},
		{"clock steps back", forge(t, envs, nil, func(rs []*record.Record) { rs[5].Mono = 0 }), record.DamageInconsistent, 6, true},
		{"a gap over records that are there", forge(t, envs, func(rs []*record.Record) []*record.Record {
			gap := &record.Record{Kind: record.KindGap, Mono: rs[4].Mono, Gap: &record.Gap{Reason: "x"}}
			return slices.Insert(rs, 5, gap)
		}, func(rs []*record.Record) { *rs[5].Gap = record.Gap{From: 3, To: 5, Count: 3, Reason: "x"} }), record.DamageInconsistent, 6, true},
		{"a gap smaller than the hole", forge(t, envs, func(rs []*record.Record) []*record.Record {
			gap := &record.Record{Kind: record.KindGap, Mono: rs[4].Mono, Gap: &record.Gap{Reason: "x"}}
			return slices.Insert(rs, 5, gap)
		}, func(rs []*record.Record) {
			for _, r := range rs[5:] {
				r.Seq += 4
			}
			*rs[5].Gap = record.Gap{From: 8, To: 9, Count: 2, Reason: "x"}
		}), record.DamageRemoved, 6, true},
		{"a writer that ignores the one before",
			append(slices.Clone(envs), forge(t, envs[:1], nil, func(rs []*record.Record) { rs[0].Writer = rs[0].ID })...), record.DamageEquivocation, 12, true},
		{"a writer that follows another record", append(slices.Clone(envs), forge(t, envs[:1], nil, func(rs []*record.Record) {
			rs[0].Session.Previous = &record.Head{Writer: rs[0].Writer, Seq: 11}
			rs[0].Session.Tree = &record.TreeHead{Records: 11}
			rs[0].Writer = rs[0].ID
		})...), record.DamageEquivocation, 12, true},
		{"the end of a writer removed", append(slices.Clone(envs), forge(t, envs[:1], nil, func(rs []*record.Record) {
			rs[0].Session.Previous = &record.Head{Writer: rs[0].Writer, Seq: 14}
			rs[0].Session.Tree = &record.TreeHead{Records: 11}
			rs[0].Writer = rs[0].ID
		})...), record.DamageRemoved, 12, true},
		{"a whole writer removed", append(slices.Clone(envs), forge(t, envs[:1], nil, func(rs []*record.Record) {
			rs[0].Session.Previous = &record.Head{Writer: rs[0].ID, Seq: 3}
			rs[0].Session.Tree = &record.TreeHead{Records: 11}
			rs[0].Writer = rs[0].ID
		})...), record.DamageRemoved, 12, true},
		{"the first writer removed", forge(t, envs[:1], nil, func(rs []*record.Record) {
			rs[0].Session.Previous = &record.Head{Writer: rs[0].ID, Seq: 3}
			rs[0].Session.Tree = &record.TreeHead{Records: 11}
		}), record.DamageRemoved, 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledgertest.Rewrite(t, dir, tt.ledger...)
			report := ledgertest.Verify(t, dir)
			if report.Intact() {
				t.Fatal("the ledger verifies")
			}
			if report.First.Damage != tt.want || report.First.Record != tt.record {
				t.Errorf("got first %v, want record %d: %s", report.First, tt.record, tt.want)
			}
			if tt.alone && len(report.Damage) != 1 {
				t.Errorf("got damage %v, want %s only", report.Damage, tt.want)
			}
			if _, err := json.Marshal(report); err != nil {
				t.Error(err)
			}
		})
	}
	ledgertest.Rewrite(t, dir, envs...)
	ledgertest.WantIntact(t, dir)
}

// Every bit of a ledger counts.
func TestEveryBitFlipIsFound(t *testing.T) {
	t.Parallel()
	dir := ledgertest.Dir(t)
	f := ledgertest.NewForger(t)
	f.Open()
	ledgertest.Bare(f.Envs...).Write(t, dir)
	everyBit(t, dir, 1)
	dir = ledgertest.Dir(t)
	forgeLedger(t, dir, nil)
	everyBit(t, dir, 61)
}

// everyBit changes one bit of each step bytes of a ledger.
func everyBit(t *testing.T, dir string, step int) {
	path := segment.Path(dir, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += step {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}})
		if err == nil && report.Intact() {
			t.Fatalf("byte %d, bit %d: the flip is not found", i, i%8)
		}
	}
}

// So does every bit of an envelope for somebody who can make checksums right.
func TestEveryBitFlipInAnEnvelopeIsFound(t *testing.T) {
	t.Parallel()
	dir := ledgertest.Dir(t)
	envs := forgeLedger(t, dir, nil)[:3]
	const i = 2
	for k := range envs[i] {
		env := bytes.Clone(envs[i])
		env[k] ^= 1 << (k % 8)
		ledgertest.Rewrite(t, dir, ledgertest.At(envs, i, env)...)
		if report := ledgertest.Verify(t, dir); report.Intact() || report.First.Record != i+1 {
			t.Fatalf("byte %d, bit %d: got %v", k, k%8, report.First)
		}
	}
}
