package record_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"flag"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

// goldenRecord is the record that FORMAT.md shows.
func goldenRecord() (record.Subject, *record.Record) {
	hash := func(s string) record.Hash { return sha256.Sum256([]byte(s)) }
	return record.Subject{Name: record.SubjectRun, Digest: hash("run.start")}, &record.Record{
		Call:      &record.Call{ID: 4, Kind: "tool", Name: "shell", Parent: 1},
		Decisions: []record.Decision{{Gate: "tools", Verdict: "deny", Code: "tool_not_allowed", Reason: "shell is not on the list", Elapsed: 6352}},
		ID:        "019d0c2e-5b1f-7c39-9cc2-2f1c1d9c7a10",
		Kind:      record.KindOutcome,
		Ledger:    "ledger-0d2c4f5e-8a53-4f1e-9a57-1f2f1f0c9a11",
		Mono:      4047223,
		Outcome: &record.Outcome{
			Code: "tool_not_allowed", Gate: "tools", Latency: 698323, Reason: "shell is not on the list",
			Result: record.ResultDenied, Told: true,
		},
		Output: &record.Content{Commitment: "gTCTiuKqpMpYqMH9WSMDPFIFVzTv5pUSR4BknK_qoI4", Size: 87},
		Prev:   hash("the record before"),
		Run:    "AGXW5INJQKQOVWIHOIHGUVTVY4", RunSeq: 8, Seq: 9,
		Time:    time.Date(2026, 3, 20, 14, 5, 41, 723415084, time.UTC),
		Version: 1,
		Writer:  "019d0c2e-5b1c-7ab2-8f36-6a1c8d0e4b21",
	}
}

// goldenPayload is its payload.
func goldenPayload() []byte {
	s, r := goldenRecord()
	return record.AppendPayload(nil, s, r)
}

// goldenKey signs it.
func goldenKey() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = 1
	return ed25519.NewKeyFromSeed(seed)
}

// seal returns the envelope of a payload that the golden key signs.
func seal(payload []byte) []byte {
	key := goldenKey()
	id := record.KeyID(key.Public().(ed25519.PublicKey))
	return record.AppendEnvelope(nil, payload, record.Signature{KeyID: []byte(id), Sig: ed25519.Sign(key, record.AppendPAE(nil, payload))})
}

// ledger returns the envelopes of a ledger that is intact.
func ledger(t testing.TB) (envelopes [][]byte) {
	t.Helper()
	for e, err := range evidence.Read("../testdata/ledgers/intact-ledger") {
		if err != nil {
			t.Fatal(err)
		}
		envelopes = append(envelopes, e.Envelope)
	}
	return envelopes
}

// wildText is any string, valid or not.
func wildText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(t, "bytes"))
	}))
}
