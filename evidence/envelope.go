package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"strconv"

	"github.com/go-json-experiment/json"
)

// An envelope is a DSSE envelope v1.0.2 in the one form that this package
// writes: members in this order, no white space, standard base64.
type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// appendPAE appends what is signed: DSSE's pre-authentication encoding of the
// payload and its type.
func appendPAE(dst, payload []byte) []byte {
	dst = append(dst, "DSSEv1 "...)
	dst = strconv.AppendInt(dst, int64(len(PayloadType)), 10)
	dst = append(dst, ' ')
	dst = append(dst, PayloadType...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(payload)), 10)
	dst = append(dst, ' ')
	return append(dst, payload...)
}

// appendEnvelope appends the envelope of payload with one signature.
func appendEnvelope(dst, payload []byte, keyID string, sig []byte) []byte {
	dst = append(dst, `{"payload":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	dst = append(dst, `","payloadType":"`+PayloadType+`","signatures":[{"keyid":"`...)
	dst = append(dst, keyID...)
	dst = append(dst, `","sig":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, sig)
	return append(dst, `"}]}`...)
}

// parseEnvelope parses an envelope, which has exactly one encoding. It looks at
// no signature. Its errors are *recordErrors.
func parseEnvelope(data []byte) (*envelope, error) {
	if len(data) > MaxEnvelope {
		return nil, &recordError{DamageMalformed, "envelope of " + strconv.Itoa(len(data)) + " bytes"}
	}
	var e envelope
	if err := json.Unmarshal(data, &e, decoding); err != nil {
		return nil, &recordError{DamageMalformed, "envelope: " + brief(err.Error())}
	}
	if again, err := json.Marshal(e, encoding); err != nil || !bytes.Equal(again, data) {
		return nil, &recordError{DamageNotCanonical, "the envelope is not in canonical form"}
	}
	if e.PayloadType != PayloadType {
		return nil, &recordError{DamageMalformed, "payload type " + strconv.Quote(brief(e.PayloadType))}
	}
	return &e, nil
}

// A keyring is the keys that a verifier was given, by ID.
type keyring map[string]ed25519.PublicKey

func newKeyring(keys []ed25519.PublicKey) keyring {
	ring := make(keyring, len(keys))
	for _, key := range keys {
		ring[KeyID(key)] = key
	}
	return ring
}

// check reports whether one of the signatures is by a key of the ring. A
// signature that names a key of the ring must be by that key. The error is a
// *recordError.
func (ring keyring) check(e *envelope) error {
	if len(e.Signatures) == 0 {
		return &recordError{DamageUnsigned, "no signature"}
	}
	pae := appendPAE(make([]byte, 0, len(e.Payload)+64), e.Payload)
	good := false
	for _, sig := range e.Signatures {
		key, ok := ring[sig.KeyID]
		if !ok {
			continue
		}
		if !ed25519.Verify(key, pae, sig.Sig) {
			return &recordError{DamageEdited, "the signature is not of this payload"}
		}
		good = true
	}
	if good {
		return nil
	}
	for _, key := range ring {
		for _, sig := range e.Signatures {
			if ed25519.Verify(key, pae, sig.Sig) {
				return &recordError{DamageEdited, "a trusted key signed it, but the envelope names another"}
			}
		}
	}
	return &recordError{DamageUnknownKey, "signed by key " + strconv.Quote(clean(e.Signatures[0].KeyID, 64)) + ", which is not among those given"}
}
