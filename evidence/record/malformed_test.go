package record_test

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/record"
)

// A record that is signed and canonical must also be one.
func TestMalformedRecords(t *testing.T) {
	tooLarge := int64(1) << 53
	for name, change := range map[string]func(s *record.Subject, r *record.Record){
		"version":              func(_ *record.Subject, r *record.Record) { r.Version = 2 },
		"no ledger":            func(_ *record.Subject, r *record.Record) { r.Ledger = "" },
		"ID":                   func(_ *record.Subject, r *record.Record) { r.ID = "1" },
		"ID in upper case":     func(_ *record.Subject, r *record.Record) { r.ID = strings.ToUpper(r.ID) },
		"ID of version 4":      func(_ *record.Subject, r *record.Record) { r.ID = "0d2c4f5e-8a53-4f1e-9a57-1f2f1f0c9a11" },
		"writer":               func(_ *record.Subject, r *record.Record) { r.Writer = "" },
		"seq 0":                func(_ *record.Subject, r *record.Record) { r.Seq = 0 },
		"seq 1":                func(_ *record.Subject, r *record.Record) { r.Seq = 1 },
		"negative mono":        func(_ *record.Subject, r *record.Record) { r.Mono = -1 },
		"negative omitted":     func(_ *record.Subject, r *record.Record) { r.Omitted = -1 },
		"large omitted":        func(_ *record.Subject, r *record.Record) { r.Omitted = int(tooLarge) },
		"large runSeq":         func(_ *record.Subject, r *record.Record) { r.RunSeq = 1 << 53 },
		"large size":           func(_ *record.Subject, r *record.Record) { r.Output.Size = 1 << 60 },
		"negative size":        func(_ *record.Subject, r *record.Record) { r.Output.Size = -1 },
		"local time":           func(_ *record.Subject, r *record.Record) { r.Time = r.Time.In(time.FixedZone("", 3600)) },
		"no run":               func(_ *record.Subject, r *record.Record) { r.Run = "" },
		"no runSeq":            func(_ *record.Subject, r *record.Record) { r.RunSeq = 0 },
		"no call":              func(_ *record.Subject, r *record.Record) { r.Call = nil },
		"call 0":               func(_ *record.Subject, r *record.Record) { r.Call.ID = 0 },
		"no outcome":           func(_ *record.Subject, r *record.Record) { r.Outcome = nil },
		"result":               func(_ *record.Subject, r *record.Record) { r.Outcome.Result = "fine" },
		"input in an outcome":  func(_ *record.Subject, r *record.Record) { r.Input = r.Output },
		"effects out of place": func(_ *record.Subject, r *record.Record) { r.Effects = record.EffectsDurable },
		"effects": func(_ *record.Subject, r *record.Record) {
			r.Kind, r.Effects, r.Input, r.Outcome, r.Output, r.Decisions = record.KindIntent, "none", r.Output, nil, nil, nil
		},
		"kind":         func(_ *record.Subject, r *record.Record) { r.Kind = "x" },
		"kind session": func(_ *record.Subject, r *record.Record) { r.Kind = record.KindSession },
		"kind end":     func(_ *record.Subject, r *record.Record) { r.Kind = record.KindEnd },
		"subject name": func(s *record.Subject, _ *record.Record) { s.Name = "file" },
		"subject":      func(s *record.Subject, _ *record.Record) { s.Name = record.SubjectRunID },
		"gap": func(s *record.Subject, r *record.Record) {
			*s = record.Subject{Name: record.SubjectLedger, Digest: sha256.Sum256([]byte(r.Ledger))}
			r.Kind, r.Run, r.RunSeq, r.Call, r.Outcome, r.Output, r.Decisions = record.KindGap, "", 0, nil, nil, nil, nil
			r.Gap = &record.Gap{From: 3, To: r.Seq, Count: r.Seq - 2}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "large omitted" && strconv.IntSize < 64 {
				t.Skip("an int cannot be too large")
			}
			s, r := goldenRecord()
			change(&s, r)
			payload := record.AppendPayload(nil, s, r)
			if _, _, err := record.ParsePayload(payload); err == nil || !strings.HasPrefix(err.Error(), "malformed") {
				t.Errorf("got error %v, want malformed, for\n%s", err, payload)
			}
		})
	}
}
