package evidence_test

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
)

// A record that is signed and canonical must also be one.
func TestMalformedRecords(t *testing.T) {
	tooLarge := int64(1) << 53
	for name, change := range map[string]func(s *evidence.Subject, r *evidence.Record){
		"version":              func(_ *evidence.Subject, r *evidence.Record) { r.Version = 2 },
		"no ledger":            func(_ *evidence.Subject, r *evidence.Record) { r.Ledger = "" },
		"ID":                   func(_ *evidence.Subject, r *evidence.Record) { r.ID = "1" },
		"ID in upper case":     func(_ *evidence.Subject, r *evidence.Record) { r.ID = strings.ToUpper(r.ID) },
		"ID of version 4":      func(_ *evidence.Subject, r *evidence.Record) { r.ID = "0d2c4f5e-8a53-4f1e-9a57-1f2f1f0c9a11" },
		"writer":               func(_ *evidence.Subject, r *evidence.Record) { r.Writer = "" },
		"seq 0":                func(_ *evidence.Subject, r *evidence.Record) { r.Seq = 0 },
		"seq 1":                func(_ *evidence.Subject, r *evidence.Record) { r.Seq = 1 },
		"negative mono":        func(_ *evidence.Subject, r *evidence.Record) { r.Mono = -1 },
		"negative omitted":     func(_ *evidence.Subject, r *evidence.Record) { r.Omitted = -1 },
		"large omitted":        func(_ *evidence.Subject, r *evidence.Record) { r.Omitted = int(tooLarge) },
		"large runSeq":         func(_ *evidence.Subject, r *evidence.Record) { r.RunSeq = 1 << 53 },
		"large size":           func(_ *evidence.Subject, r *evidence.Record) { r.Output.Size = 1 << 60 },
		"negative size":        func(_ *evidence.Subject, r *evidence.Record) { r.Output.Size = -1 },
		"local time":           func(_ *evidence.Subject, r *evidence.Record) { r.Time = r.Time.In(time.FixedZone("", 3600)) },
		"no run":               func(_ *evidence.Subject, r *evidence.Record) { r.Run = "" },
		"no runSeq":            func(_ *evidence.Subject, r *evidence.Record) { r.RunSeq = 0 },
		"no call":              func(_ *evidence.Subject, r *evidence.Record) { r.Call = nil },
		"call 0":               func(_ *evidence.Subject, r *evidence.Record) { r.Call.ID = 0 },
		"no outcome":           func(_ *evidence.Subject, r *evidence.Record) { r.Outcome = nil },
		"result":               func(_ *evidence.Subject, r *evidence.Record) { r.Outcome.Result = "fine" },
		"input in an outcome":  func(_ *evidence.Subject, r *evidence.Record) { r.Input = r.Output },
		"effects out of place": func(_ *evidence.Subject, r *evidence.Record) { r.Effects = evidence.EffectsDurable },
		"effects": func(_ *evidence.Subject, r *evidence.Record) {
			r.Kind, r.Effects, r.Input, r.Outcome, r.Output, r.Decisions = evidence.KindIntent, "none", r.Output, nil, nil, nil
		},
		"kind":         func(_ *evidence.Subject, r *evidence.Record) { r.Kind = "x" },
		"kind session": func(_ *evidence.Subject, r *evidence.Record) { r.Kind = evidence.KindSession },
		"kind end":     func(_ *evidence.Subject, r *evidence.Record) { r.Kind = evidence.KindEnd },
		"subject name": func(s *evidence.Subject, _ *evidence.Record) { s.Name = "file" },
		"subject":      func(s *evidence.Subject, _ *evidence.Record) { s.Name = evidence.SubjectRunID },
		"gap": func(s *evidence.Subject, r *evidence.Record) {
			*s = evidence.Subject{Name: evidence.SubjectLedger, Digest: sha256.Sum256([]byte(r.Ledger))}
			r.Kind, r.Run, r.RunSeq, r.Call, r.Outcome, r.Output, r.Decisions = evidence.KindGap, "", 0, nil, nil, nil, nil
			r.Gap = &evidence.Gap{From: 3, To: r.Seq, Count: r.Seq - 2}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "large omitted" && strconv.IntSize < 64 {
				t.Skip("an int cannot be too large")
			}
			s, r := goldenRecord()
			change(&s, r)
			payload, err := evidence.EncodePayload(s, r)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := evidence.ParsePayload(payload); err == nil || !strings.HasPrefix(err.Error(), "malformed") {
				t.Errorf("got error %v, want malformed, for\n%s", err, payload)
			}
		})
	}
}
