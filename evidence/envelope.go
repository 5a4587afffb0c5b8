package evidence

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// An envelope is a DSSE envelope v1.0.2 in the one form that this package
// writes: members in this order, no white space, standard base64. It may be
// parsed into again and again, and keeps its memory.
type envelope struct {
	payload    []byte
	signatures []signature
	pae        []byte // what is signed; it ends in the payload
	sigs       []byte // the memory of the signatures
	again      []byte // that of the payload's canonical form
}

type signature struct {
	keyID []byte
	sig   []byte
}

// maxSignatures bounds the signatures of one record: those of a rotation.
const maxSignatures = 2

// appendPAE appends what is signed: DSSE's pre-authentication encoding of the
// payload and its type.
func appendPAE(dst, payload []byte) []byte {
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

// appendEnvelope appends the envelope of payload with one signature.
func appendEnvelope(dst, payload []byte, keyID string, sig []byte) []byte {
	dst = append(dst, beforePayload...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	dst = append(dst, beforeType+PayloadType+beforeSignatures+beforeKeyID...)
	dst = append(dst, keyID...)
	dst = append(dst, beforeSig...)
	dst = base64.StdEncoding.AppendEncode(dst, sig)
	return append(dst, afterSig+afterSignatures...)
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

// parse parses an envelope, which has exactly one encoding. It looks at no
// signature. What it leaves in e is valid until data changes or e is parsed into
// again. Its errors are *recordErrors.
func (e *envelope) parse(data []byte) error {
	if len(data) > MaxEnvelope {
		return &recordError{DamageMalformed, "envelope of " + strconv.Itoa(len(data)) + " bytes"}
	}
	kind, ok := e.scan(data)
	switch {
	case ok && string(kind) != PayloadType:
		return &recordError{DamageMalformed, "payload type " + strconv.Quote(brief(string(kind)))}
	case ok && len(e.signatures) > maxSignatures:
		return &recordError{DamageMalformed, strconv.Itoa(len(e.signatures)) + " signatures"}
	case ok:
		return nil
	case jsontext.Value(data).IsValid():
		return &recordError{DamageNotCanonical, "the envelope is not in canonical form"}
	}
	return &recordError{DamageMalformed, "the envelope is not JSON"}
}

// scan takes data apart and reports whether it is in the one form, whatever the
// payload's type.
func (e *envelope) scan(data []byte) (kind []byte, ok bool) {
	e.signatures, e.sigs = e.signatures[:0], e.sigs[:0]
	c := cursor{rest: data}
	c.skip(beforePayload)
	payload := c.base64()
	e.pae = appendPAEHead(e.pae[:0], decodedLen(payload))
	from := len(e.pae)
	e.pae = c.decode(e.pae, payload)
	c.skip(beforeType)
	kind = c.text()
	c.skip(beforeSignatures)
	for first := true; !c.failed && !bytes.HasPrefix(c.rest, []byte(afterSignatures)); first = false {
		if !first {
			c.skip(",")
		}
		c.skip(beforeKeyID)
		s := signature{keyID: c.text()}
		c.skip(beforeSig)
		sig := c.base64()
		at := len(e.sigs)
		e.sigs = c.decode(e.sigs, sig)
		s.sig = e.sigs[at:len(e.sigs):len(e.sigs)] // of the memory as it is now, should it move
		c.skip(afterSig)
		e.signatures = append(e.signatures, s)
	}
	c.skip(afterSignatures)
	if c.failed || len(c.rest) > 0 {
		return nil, false
	}
	e.payload = e.pae[from:]
	return kind, true
}

// A cursor takes the parts of an envelope off its front. Once something is not
// as it must be, nothing is any more.
type cursor struct {
	rest   []byte
	failed bool
}

func (c *cursor) skip(s string) {
	if c.failed || len(c.rest) < len(s) || string(c.rest[:len(s)]) != s {
		c.failed = true
		return
	}
	c.rest = c.rest[len(s):]
}

// base64 takes what is before the next quote.
func (c *cursor) base64() []byte {
	n := bytes.IndexByte(c.rest, '"')
	if c.failed || n < 0 {
		c.failed = true
		return nil
	}
	s := c.rest[:n]
	c.rest = c.rest[n:]
	return s
}

var strictBase64 = base64.StdEncoding.Strict()

// decodedLen returns the length of what s encodes if it is canonical.
func decodedLen(s []byte) int {
	return strictBase64.DecodedLen(len(s)) - (len(s) - len(bytes.TrimRight(s, "=")))
}

// decode appends what s encodes. Package base64 ignores line breaks: they show in
// the length.
func (c *cursor) decode(dst, s []byte) []byte {
	if c.failed {
		return dst
	}
	from := len(dst)
	dst, err := strictBase64.AppendDecode(dst, s)
	if err != nil || len(s)%4 != 0 || len(dst)-from != decodedLen(s) {
		c.failed = true
	}
	return dst
}

// text takes the rest of a JSON string, up to its quote, that is spelled as RFC
// 8785 says, and returns what it means.
func (c *cursor) text() []byte {
	if c.failed {
		return nil
	}
	plain := true
	for i, b := range c.rest {
		switch {
		case b == '"' && plain:
			s := c.rest[:i]
			c.rest = c.rest[i:]
			return s
		case b == '"' && !escaped(c.rest[:i]):
			return c.quoted(i)
		case b < ' ' || b == '\\' || b >= 0x80:
			plain = false
		}
	}
	c.failed = true
	return nil
}

// escaped reports whether what comes after s is escaped.
func escaped(s []byte) bool {
	return (len(s)-len(bytes.TrimRight(s, `\`)))%2 == 1
}

// quoted is text for n bytes that are not all themselves.
func (c *cursor) quoted(n int) []byte {
	raw := append(append([]byte{'"'}, c.rest[:n]...), '"')
	s, err := jsontext.AppendUnquote(nil, raw)
	if err == nil {
		var again []byte
		again, err = jsontext.AppendQuote(nil, s)
		c.failed = !bytes.Equal(again, raw)
	}
	c.failed = c.failed || err != nil
	c.rest = c.rest[n:]
	return s
}
