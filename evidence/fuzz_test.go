package evidence_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"example.com/safeconduct/evidence"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func FuzzFrames(f *testing.F) {
	whole := evidence.Segment([]byte(`{"payload":"x"}`), []byte(`{"payload":"y"}`)) // short, for the minimizer's sake
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(whole[:30:30], whole[35:]...))
	f.Add(append(bytes.Clone(whole), make([]byte, 10)...))
	f.Add([]byte("safeconduct segment v2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		good, bad, err := evidence.ReadFrames(bytes.NewReader(b))
		if err != nil {
			return // another version
		}
		if bad == 0 && good > 0 {
			// What is whole is what was written.
			var envs [][]byte
			for rest := b[len(evidence.Segment()):]; len(rest) > 0; {
				n := 8 + int(rest[0])<<24 + int(rest[1])<<16 + int(rest[2])<<8 + int(rest[3])
				envs = append(envs, rest[8:n])
				rest = rest[n:]
			}
			if len(envs) != good || !bytes.Equal(evidence.Segment(envs...), b) {
				t.Errorf("got %d frames of what would be written otherwise", good)
			}
		}
	})
}

func FuzzPayload(f *testing.F) {
	payload, err := evidence.EncodePayload(goldenRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	for _, env := range forgeLedger(f, newDir(f), nil) {
		f.Add(decodePayload(f, env))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, r, err := evidence.ParsePayload(b)
		if err != nil {
			return
		}
		again, err := evidence.EncodePayload(s, r)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%v: reads as\n%s\nwant\n%s", err, again, b)
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
	for _, env := range forgeLedger(f, newDir(f), nil)[:3] {
		f.Add(env)
		f.Add(strip(env))
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
		payload, ids, sigs, err := evidence.SplitEnvelope(b)
		wantPayload, wantIDs, wantSigs, wantErr := splitByJSON(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, want %v", err, wantErr)
		}
		if err == nil && (!bytes.Equal(payload, wantPayload) || !slices.Equal(ids, wantIDs) || !slices.EqualFunc(sigs, wantSigs, bytes.Equal)) {
			t.Errorf("got %q %q %q, want %q %q %q", payload, ids, sigs, wantPayload, wantIDs, wantSigs)
		}
		if r, err := evidence.ParseEnvelope(b); (err == nil) != (r != nil) {
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
	case len(data) > evidence.MaxEnvelope || len(e.Signatures) > 8:
		return nil, nil, nil, errors.New("too large")
	case e.PayloadType != evidence.PayloadType:
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
		name, v, err := evidence.Disclosure{Encoded: s}.Open()
		if err != nil && (name != "" || v != nil) {
			t.Errorf("got %q %q with error %v", name, v, err)
		}
	})
}
