package record_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"example.com/safeconduct/evidence/record"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func FuzzPayload(f *testing.F) {
	f.Add(goldenPayload())
	for _, env := range ledger(f) {
		var e record.Envelope
		if err := e.Parse(env); err != nil {
			f.Fatal(err)
		}
		f.Add(e.Payload)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, r, err := record.ParsePayload(b)
		if err != nil {
			return
		}
		if again := record.AppendPayload(nil, s, r); !bytes.Equal(again, b) {
			t.Errorf("reads as\n%s\nwant\n%s", again, b)
		}
		canonical := jsontext.Value(bytes.Clone(b))
		if err := canonical.Canonicalize(); err != nil || !bytes.Equal(canonical, b) {
			t.Errorf("%v: accepted and not canonical:\n%s\n%s", err, b, canonical)
		}
	})
}

// FuzzEnvelope compares the parser of envelopes with one that decodes JSON,
// encodes what it got, and looks whether that is what was there.
func FuzzEnvelope(f *testing.F) {
	for _, env := range ledger(f)[:3] {
		f.Add(env)
		f.Add(append(bytes.Clone(env[:bytes.Index(env, []byte(`[{`))]), `[]}`...)) // its signatures stripped
		f.Add(bytes.Replace(env, []byte(`[{`), []byte(`[{"keyid":"x","sig":"AAAA"},{`), 1))
	}
	for _, s := range []string{
		`{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}`,
		`{"payload":"QQ==","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}`,
		`{"payload":"QR==","payloadType":"application/vnd.in-toto+json","signatures":[]}`,
		`{"payload":"QQ","payloadType":"application/vnd.in-toto+json","signatures":[]}`,
		`{"payload":"AAAA====","payloadType":"application/vnd.in-toto+json","signatures":[]}`,
		"{\"payload\":\"AA\nAA\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[]}",
		`{"payload":"AA\nAA","payloadType":"application/vnd.in-toto+json","signatures":[]}`,
		`{"payload":"QQ==","payloadType":"application/vnd.in-toto+json","signatures":null}`,
		`{"payload":"QQ==","payloadType":"text","signatures":[]}`,
		`{"payload":"QQ==","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"\"\\é\u0007\u007f","sig":"QQ=="}]}`,
		`{"payload":"QQ==","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"\"\\\b\u0001<&>","sig":"QQ=="}]}`,
		`{"payload":"QQ==","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"\ud800","sig":"QQ=="}]}`,
		"{\"payload\":\"QQ==\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{\"keyid\":\"\xff\",\"sig\":\"QQ==\"}]}",
		"{\"payload\":\"QQ==\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[{\"keyid\":\"\u2028\",\"sig\":\"QQ==\"}]}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e record.Envelope
		err := e.Parse(b)
		wantPayload, wantIDs, wantSigs, wantErr := splitByJSON(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, want %v", err, wantErr)
		}
		var ids []string
		var sigs [][]byte
		for _, s := range e.Signatures {
			ids, sigs = append(ids, string(s.KeyID)), append(sigs, s.Sig)
		}
		if err == nil && (!bytes.Equal(e.Payload, wantPayload) || !slices.Equal(ids, wantIDs) || !slices.EqualFunc(sigs, wantSigs, bytes.Equal)) {
			t.Errorf("got %q %q %q, want %q %q %q", e.Payload, ids, sigs, wantPayload, wantIDs, wantSigs)
		}
		if r, err := record.Parse(b); (err == nil) != (r != nil) {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

// splitByJSON is what the format says, put in few words.
func splitByJSON(data []byte) (payload []byte, ids []string, sigs [][]byte, err error) {
	type signature struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	}
	var e struct {
		Payload     []byte      `json:"payload"`
		PayloadType string      `json:"payloadType"`
		Signatures  []signature `json:"signatures"`
	}
	if err := json.Unmarshal(data, &e, json.RejectUnknownMembers(true)); err != nil {
		return nil, nil, nil, err
	}
	again, err := json.Marshal(e)
	switch {
	case err != nil:
		return nil, nil, nil, err
	case !bytes.Equal(again, data):
		return nil, nil, nil, errors.New("not canonical")
	case len(data) > record.MaxEnvelope || len(e.Signatures) > 8:
		return nil, nil, nil, errors.New("too large")
	case e.PayloadType != record.PayloadType:
		return nil, nil, nil, errors.New("another type")
	}
	for _, s := range e.Signatures {
		ids, sigs = append(ids, s.KeyID), append(sigs, s.Sig)
	}
	return e.Payload, ids, sigs, nil
}

func FuzzDisclosure(f *testing.F) {
	f.Add("WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0")
	f.Fuzz(func(t *testing.T, s string) {
		name, v, err := record.Disclosure{Encoded: s}.Open()
		if err != nil && (name != "" || v != nil) {
			t.Errorf("got %q %q with error %v", name, v, err)
		}
	})
}
