package evidence

import (
	"crypto/ed25519"
	"io"
	"os"
)

// Faults are errors that a disk gives. A nil func means that it works.
type Faults struct {
	Create, Truncate, Sync func() error
	Write                  func(b []byte) (int, error) // writes as many bytes, then fails
}

// Inject makes the disk of a Recorder fail as f says.
func (c *Config) Inject(f *Faults) {
	d := realDisk()
	real := d
	d.create = func(path string) (*os.File, error) {
		if f.Create != nil {
			if err := f.Create(); err != nil {
				return nil, err
			}
		}
		return real.create(path)
	}
	d.writeAt = func(file *os.File, b []byte, off int64) (int, error) {
		if f.Write != nil {
			if n, err := f.Write(b); err != nil {
				_, _ = real.writeAt(file, b[:n], off)
				return n, err
			}
		}
		return real.writeAt(file, b, off)
	}
	d.truncate = func(file *os.File, size int64) error {
		if f.Truncate != nil {
			if err := f.Truncate(); err != nil {
				return err
			}
		}
		return real.truncate(file, size)
	}
	d.sync = func(file *os.File) error {
		if f.Sync != nil {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		return real.sync(file)
	}
	c.disk = &d
}

// Seal signs a payload and returns the envelope.
func Seal(key ed25519.PrivateKey, payload []byte) []byte {
	return appendEnvelope(nil, payload, KeyID(key.Public().(ed25519.PublicKey)), ed25519.Sign(key, appendPAE(nil, payload)))
}

// EncodePayload returns the payload of a record.
func EncodePayload(s Subject, r *Record) ([]byte, error) { return appendPayload(nil, s, r) }

// ParsePayload parses a payload.
func ParsePayload(b []byte) (Subject, *Record, error) { return parsePayload(b) }

// PAE returns what is signed.
func PAE(payload []byte) []byte { return appendPAE(nil, payload) }

// Segment returns the bytes of a segment with the envelopes.
func Segment(envelopes ...[]byte) []byte {
	b := []byte(segmentHeader)
	for _, env := range envelopes {
		b = appendFrame(b, env)
	}
	return b
}

// SegmentPath returns the path of a segment.
func SegmentPath(dir string, n uint64) string { return segmentPath(dir, n) }

// ReadFrames reads a segment to its end and returns how many frames are good
// and how many are not.
func ReadFrames(r io.Reader) (good, bad int, err error) {
	fr, err := newFrameReader(r)
	if _, ok := err.(*frameError); ok {
		bad++
	} else if err != nil {
		return 0, 0, err
	}
	for {
		env, _, err := fr.next()
		if err == io.EOF {
			return good, bad, nil
		}
		if _, ok := err.(*frameError); ok {
			bad++
			continue
		}
		if err != nil {
			return good, bad, err
		}
		if len(env) == 0 || len(env) > MaxEnvelope {
			panic("an envelope out of bounds")
		}
		good++
	}
}

// Clean is clean.
func Clean(s string, limit int) string { return clean(s, limit) }

// SplitEnvelope parses an envelope.
func SplitEnvelope(b []byte) (payload []byte, ids []string, sigs [][]byte, err error) {
	var e envelope
	if err := e.parse(b); err != nil {
		return nil, nil, nil, err
	}
	for _, s := range e.signatures {
		ids, sigs = append(ids, string(s.keyID)), append(sigs, s.sig)
	}
	return e.payload, ids, sigs, nil
}
