package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
)

// KeyID returns the ID under which signatures name a key: the SHA-256 of its
// PKIX form (RFC 8410) in hexadecimal, which is also what
//
//	openssl pkey -pubin -in key.pub -outform DER | sha256sum
//
// prints. It is a hint that helps to find the key, and nothing to trust. KeyID
// panics if pub is not as long as an Ed25519 key is.
func KeyID(pub ed25519.PublicKey) string {
	id := sha256.Sum256(MarshalKey(pub))
	return hex.EncodeToString(id[:])
}

// MarshalKey returns the PKIX form of a key, as a record holds it. It panics if pub
// is not as long as an Ed25519 key is.
func MarshalKey(pub ed25519.PublicKey) []byte {
	if len(pub) != ed25519.PublicKeySize {
		panic(fmt.Sprintf("record: an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(pub)))
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic("record: " + err.Error()) // cannot be: the length is right
	}
	return der
}

// ParseKey parses the PKIX form of an Ed25519 key. The error reads on from the name
// of what is parsed: "is not a PKIX key".
func ParseKey(der []byte) (ed25519.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("is not a PKIX key")
	}
	pub, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("is not an Ed25519 key but %T", key)
	}
	return pub, nil
}
