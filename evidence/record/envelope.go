package record

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse parses the record in an envelope, as a sink gets it. It checks that the
// record is of this version and in canonical form, and NO signature. Its errors
// wrap an [*Error].
func Parse(data []byte) (*Record, error) {
	var e Envelope
	err := e.Parse(data)
	if err == nil {
		var r *Record
		if _, r, err = e.Record(); err == nil {
			return r, nil
		}
	}
	return nil, fmt.Errorf("record: %w", err)
}

// An Envelope is a signed payload: a DSSE envelope v1.0.2 in the one form that
// [AppendEnvelope] gives it, with the members payload, payloadType and signatures
// in this order, no white space, and standard base64. One Envelope can parse any
// number of them, one after the other, and uses its memory again.
type Envelope struct {
	Payload    []byte
	Signatures []Signature
	PAE        []byte // what is signed, as [AppendPAE] gives it; it ends in the payload

	sigs  []byte // the memory of the signatures
	again []byte // that of the payload's canonical form
}

// A Signature is one signature of an [Envelope].
type Signature struct {
	KeyID []byte // as [KeyID] gives it: a hint
	Sig   []byte
}

// maxSignatures bounds the signatures of one record: those of a rotation.
const maxSignatures = 2

// AppendPAE appends what is signed to dst: DSSE's pre-authentication encoding of a
// payload and its type.
func AppendPAE(dst, payload []byte) []byte {
	return append(appendPAEHead(dst, len(payload)), payload...)
}

func appendPAEHead(dst []byte, payload int) []byte {
	dst = append(dst, "DSSEv1 "...)
	dst = strconv.AppendInt(dst, int64(len(PayloadType)), 10)
	dst = append(dst, ' ')
	dst = append(dst, PayloadType...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(payload), 10)
	return append(dst, ' ')
}

// AppendEnvelope appends the envelope of a payload with the signatures to dst.
func AppendEnvelope(dst, payload []byte, sigs ...Signature) []byte {
	dst = append(dst, beforePayload...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	dst = append(dst, beforeType+PayloadType+beforeSignatures...)
	for i, sig := range sigs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, beforeKeyID...)
		dst = append(dst, sig.KeyID...)
		dst = append(dst, beforeSig...)
		dst = base64.StdEncoding.AppendEncode(dst, sig.Sig)
		dst = append(dst, afterSig...)
	}
	return append(dst, afterSignatures...)
}

// EnvelopeSize returns how many bytes [AppendEnvelope] appends: for the length of a
// payload and the number of signatures, each of which names its key by a [KeyID].
func EnvelopeSize(payload, signatures int) int {
	return len(beforePayload+beforeType+PayloadType+beforeSignatures+afterSignatures) +
		base64.StdEncoding.EncodedLen(payload) + signatures*sizeOfSignature + max(signatures-1, 0)
}

// What a signature takes in an envelope, in bytes.
const (
	keyIDSize       = 2 * sha256.Size
	sigSize         = (ed25519.SignatureSize + 2) / 3 * 4 // in base64
	sizeOfSignature = len(beforeKeyID) + keyIDSize + len(beforeSig) + sigSize + len(afterSig)
)

// EndsUnsigned reports whether an envelope ends like one without signatures. It is
// cheap, and looks at nothing else of it.
func EndsUnsigned(env []byte) bool {
	return bytes.HasSuffix(env, []byte(beforeSignatures+afterSignatures))
}

// EndsSignedBy reports whether an envelope ends like one whose only signature names
// the key with an ID. It is cheap, and looks at nothing else of it.
func EndsSignedBy(env []byte, keyID string) bool {
	const before, after = beforeSignatures + beforeKeyID, sigSize + len(afterSig+afterSignatures)
	n := len(before) + len(keyID) + len(beforeSig) + after
	if len(env) <= n {
		return false
	}
	rest, ok := bytes.CutPrefix(env[len(env)-n:], []byte(before))
	return ok && string(rest[:len(keyID)]) == keyID && string(rest[len(keyID):][:len(beforeSig)]) == beforeSig
}

// What stands around the strings of an envelope.
const (
	beforePayload    = `{"payload":"`
	beforeType       = `","payloadType":"`
	beforeSignatures = `","signatures":[`
	beforeKeyID      = `{"keyid":"`
	beforeSig        = `","sig":"`
	afterSig         = `"}`
	afterSignatures  = `]}`
)

// Parse parses an envelope, which has exactly one encoding. It looks at no
// signature, and not into the payload: see [Envelope.Record]. What it leaves in e
// is valid until data changes or e parses another one. Its errors are [*Error]s.
func (e *Envelope) Parse(data []byte) error {
	if len(data) > MaxEnvelope {
		return Errorf(DamageMalformed, "envelope of %d bytes", len(data))
	}
	kind, ok := e.scan(data)
	switch {
	case ok && string(kind) != PayloadType:
		return Errorf(DamageMalformed, "payload type %q", Brief(string(kind)))
	case ok && len(e.Signatures) > maxSignatures:
		return Errorf(DamageMalformed, "%d signatures", len(e.Signatures))
	case ok:
		return nil
	case jsontext.Value(data).IsValid():
		return Errorf(DamageNotCanonical, "the envelope is not in canonical form")
	}
	return Errorf(DamageMalformed, "the envelope is not JSON")
}

// Record parses the payload as [ParsePayload] does. It refuses more signatures than
// are due, two of a key.rotate and one of any other kind, so that a record has one
// envelope. Its errors are [*Error]s.
func (e *Envelope) Record() (Subject, *Record, error) {
	s, r, err := parsePayload(e.Payload, &e.again)
	if err != nil {
		return s, nil, err
	}
	due := 1
	if r.Kind == KindRotate {
		due = 2
	}
	if n := len(e.Signatures); n > due {
		return s, nil, Errorf(DamageNotCanonical, "%d signatures, where %d is due", n, due)
	}
	return s, r, nil
}

// scan takes data apart and reports whether it is in the one form, whatever the
// payload's type.
func (e *Envelope) scan(data []byte) (kind []byte, ok bool) {
	e.Signatures, e.sigs = e.Signatures[:0], e.sigs[:0]
	l := lexer{rest: data}
	l.skip(beforePayload)
	payload := l.base64()
	e.PAE = appendPAEHead(e.PAE[:0], decodedLen(payload))
	from := len(e.PAE)
	e.PAE = l.decode(e.PAE, payload)
	l.skip(beforeType)
	kind = l.text()
	l.skip(beforeSignatures)
	for first := true; !l.failed && !bytes.HasPrefix(l.rest, []byte(afterSignatures)); first = false {
		if !first {
			l.skip(",")
		}
		l.skip(beforeKeyID)
		s := Signature{KeyID: l.text()}
		l.skip(beforeSig)
		sig := l.base64()
		at := len(e.sigs)
		e.sigs = l.decode(e.sigs, sig)
		s.Sig = e.sigs[at:len(e.sigs):len(e.sigs)] // of the memory as it is now, should it move
		l.skip(afterSig)
		e.Signatures = append(e.Signatures, s)
	}
	l.skip(afterSignatures)
	if l.failed || len(l.rest) > 0 {
		return nil, false
	}
	e.Payload = e.PAE[from:]
	return kind, true
}

// A lexer takes the parts of an envelope off its front. Once something is not
// as it must be, nothing is any more.
type lexer struct {
	rest   []byte
	failed bool
}

func (l *lexer) skip(s string) {
	if l.failed || len(l.rest) < len(s) || string(l.rest[:len(s)]) != s {
		l.failed = true
		return
	}
	l.rest = l.rest[len(s):]
}

// base64 takes what is before the next quote.
func (l *lexer) base64() []byte {
	n := bytes.IndexByte(l.rest, '"')
	if l.failed || n < 0 {
		l.failed = true
		return nil
	}
	s := l.rest[:n]
	l.rest = l.rest[n:]
	return s
}

var strictBase64 = base64.StdEncoding.Strict()

// decodedLen returns the length of what s encodes if it is canonical.
func decodedLen(s []byte) int {
	return strictBase64.DecodedLen(len(s)) - (len(s) - len(bytes.TrimRight(s, "=")))
}

// decode appends what s encodes. Package base64 ignores line breaks: they show in
// the length.
func (l *lexer) decode(dst, s []byte) []byte {
	if l.failed {
		return dst
	}
	from := len(dst)
	dst, err := strictBase64.AppendDecode(dst, s)
	if err != nil || len(s)%4 != 0 || len(dst)-from != decodedLen(s) {
		l.failed = true
	}
	return dst
}

// text takes the rest of a JSON string, up to its quote, that is spelled as RFC
// 8785 says, and returns what it means.
func (l *lexer) text() []byte {
	if l.failed {
		return nil
	}
	plain := true
	for i, b := range l.rest {
		switch {
		case b == '"' && plain:
			s := l.rest[:i]
			l.rest = l.rest[i:]
			return s
		case b == '"' && !escaped(l.rest[:i]):
			return l.quoted(i)
		case b < ' ' || b == '\\' || b >= 0x80:
			plain = false
		}
	}
	l.failed = true
	return nil
}

// escaped reports whether what comes after s is escaped.
func escaped(s []byte) bool {
	return (len(s)-len(bytes.TrimRight(s, `\`)))%2 == 1
}

// quoted is text for n bytes that are not all themselves.
func (l *lexer) quoted(n int) []byte {
	raw := append(append([]byte{'"'}, l.rest[:n]...), '"')
	s, err := jsontext.AppendUnquote(nil, raw)
	if err == nil {
		var again []byte
		again, err = jsontext.AppendQuote(nil, s)
		l.failed = !bytes.Equal(again, raw)
	}
	l.failed = l.failed || err != nil
	l.rest = l.rest[n:]
	return s
}
