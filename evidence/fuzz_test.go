package evidence_test

import (
	"bytes"
	"testing"

	"example.com/safeconduct/evidence"
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
	for _, env := range writeLedger(f, newDir(f), evidence.Config{}) {
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

func FuzzEnvelope(f *testing.F) {
	for _, env := range writeLedger(f, newDir(f), evidence.Config{}) {
		f.Add(env)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := evidence.ParseEnvelope(b)
		if (err == nil) != (r != nil) {
			t.Errorf("got %v, %v", r, err)
		}
	})
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
