package evidence

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

const (
	// sessionLife is how long a session key signs, unless the clock is set.
	sessionLife = 24 * time.Hour

	// sessionSlack is how much before its session a record may be dated, by a
	// clock that steps back a little.
	sessionSlack = 5 * time.Minute
)

// A sessionKey is a key that lives in memory and signs what a writer writes.
type sessionKey struct {
	id      string
	key     ed25519.PrivateKey
	signing record.Signing
}

func (s *sessionKey) public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// newSessionKey makes a session key and the statement that introduces it.
func newSessionKey(signing record.Signing, statement record.Session) (*sessionKey, *record.Session, error) {
	key, err := trust.GenerateKey()
	if err != nil {
		return nil, nil, err
	}
	s := &sessionKey{key: key, signing: signing}
	s.id = record.KeyID(s.public())
	statement.Key, statement.Public, statement.Signing = s.id, record.MarshalKey(s.public()), signing
	return s, &statement, nil
}

// rootOf returns the public half of a root key.
func rootOf(key crypto.Signer) (ed25519.PublicKey, error) {
	if key == nil {
		return nil, errors.New("there is no key")
	}
	if private, ok := key.(ed25519.PrivateKey); ok && len(private) != ed25519.PrivateKeySize {
		return nil, errors.New("the key is not an Ed25519 private key")
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the key is not an Ed25519 key but %T", key.Public())
	}
	return pub, nil
}

// signRoot has a root key sign a payload.
func signRoot(key crypto.Signer, payload []byte) ([]byte, error) {
	pub, err := rootOf(key)
	if err != nil {
		return nil, err
	}
	return signWith(key, pub, record.AppendPAE(nil, payload))
}

// signWith has a key sign, and checks what it gives: it may be a device, and the
// network between.
func signWith(key crypto.Signer, pub ed25519.PublicKey, msg []byte) (sig []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the root key panics: %T", v)
		}
	}()
	sig, err = key.Sign(nil, msg, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("the root key does not sign: %w", err)
	}
	if !ed25519.Verify(pub, msg, sig) {
		return nil, errors.New("the root key gives a signature that is not its own")
	}
	return sig, nil
}

func signatureBy(pub ed25519.PublicKey, sig []byte) record.Signature {
	return record.Signature{KeyID: []byte(record.KeyID(pub)), Sig: sig}
}

// writeKeyChange makes the record of another session or root key, which a root
// key signs. It does not return before that is had, or nothing is written any
// more.
func (w *writer) writeKeyChange(e *event) bool {
	b := w.emptyGroup()
	if b == nil {
		return false
	}
	retry := minRetry
	for {
		newest := w.queue.newest()
		err := w.encodeKeyChange(b, e)
		if err == nil {
			b.seq = e.seq
			return w.signAndPush(b)
		}
		w.reportFailure(err, newest)
		if w.queue.isClosed() || w.isGivenUp() {
			return false
		}
		w.pause(retry)
		retry = min(2*retry, maxRetry)
	}
}

// encodeKeyChange encodes a statement about keys and has it signed.
func (w *writer) encodeKeyChange(b *group, e *event) error {
	root, err := rootOf(w.root)
	if err != nil {
		return err
	}
	if e.kind == record.KindRotate {
		next := e.body.(handover).next
		pub, err := rootOf(next)
		if err != nil {
			return err
		}
		statement := *e
		statement.body = record.Rotate{Key: record.KeyID(pub), Public: record.MarshalKey(pub)}
		payload, hash := w.build.statement(&statement)
		before, err := signRoot(w.root, payload)
		if err != nil {
			return err
		}
		after, err := signRoot(next, payload)
		if err != nil {
			return err
		}
		b.single(payload, signatureBy(root, before), signatureBy(pub, after))
		b.session = w.session
		w.build.head, w.root = hash, next
		return nil
	}
	s, intro, err := newSessionKey(w.signing, e.body.(record.Session))
	if err != nil {
		return err
	}
	statement := *e
	statement.body = *intro
	payload, hash := w.build.statement(&statement)
	sig, err := signRoot(w.root, payload)
	if err != nil {
		return err
	}
	b.single(payload, signatureBy(root, sig))
	w.build.head, w.session, b.session = hash, s, s
	return nil
}
