package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A trust says which keys may sign what, as a ledger goes on. It begins with the
// root keys that a verifier was given: nothing in a ledger adds to them. Those
// sign the sessions, whose keys sign the rest. It is used by one goroutine, in
// the order of the records.
type trust struct {
	roots   []rootKey
	root    int // the index of the one in force; -1 before the first session
	origin  string
	records uint64              // so far
	session *session            // in force; nil before the first
	known   map[string]*session // by key ID: all so far, those that were refused included
	env     envelope
}

// A rootKey is a key that the verifier was given.
type rootKey struct {
	id string
	Root
}

// A session is a session key and what it may sign. It does not change.
type session struct {
	id                  string
	key                 ed25519.PublicKey
	signing             Signing
	notBefore, notAfter time.Time
	hash                Hash   // of the payload that introduces it
	tail                string // how the signatures of an envelope of this session begin
	last                uint64 // record that it may sign, as far as its root key is revoked; 0 if it is not
	refused             Damage // why its key signs nothing, if it does not
}

func newSession(r *Record, hash Hash) *session {
	s := &session{
		id: r.Session.Key, signing: r.Session.Signing,
		notBefore: r.Session.NotBefore, notAfter: r.Session.NotAfter, hash: hash,
	}
	s.key, _ = parsePKIX(r.Session.Public) // was parsed with the record
	s.tail = beforeSignatures + beforeKeyID + s.id + beforeSig
	return s
}

func newTrust(origin string, roots []rootKey) *trust {
	return &trust{roots: roots, root: -1, origin: origin, known: make(map[string]*session)}
}

// check refuses options that trust nobody, and parses the checkpoints from
// elsewhere.
func (o *VerifyOptions) check() (outside []*anchor, err error) {
	for _, key := range o.Keys {
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("a key is not an Ed25519 public key")
		}
	}
	if len(o.Keys) == 0 && o.Policy == nil {
		return nil, errors.New("no key to trust was given, and no policy")
	}
	for i, signed := range o.Checkpoints {
		a, err := parseAnchor(signed, fmt.Sprintf("checkpoint %d of those given", i+1))
		if err != nil {
			return nil, &CheckpointError{i, err}
		}
		outside = append(outside, a)
	}
	return outside, nil
}

// A CheckpointError reports that one of VerifyOptions.Checkpoints is not one.
type CheckpointError struct {
	Index int // from 0
	Err   error
}

// Error says which one, and why.
func (e *CheckpointError) Error() string { return fmt.Sprintf("checkpoint %d: %v", e.Index+1, e.Err) }

// Unwrap returns Err.
func (e *CheckpointError) Unwrap() error { return e.Err }

// roots returns the root keys to trust for a ledger: the keys without bounds,
// and those that the policy bounds. An empty origin is of a ledger in which no
// record can be read.
func (o *VerifyOptions) roots(origin string) (roots []rootKey, err error) {
	for _, key := range o.Keys {
		roots = append(roots, rootKey{KeyID(key), Root{Key: key}})
	}
	if o.Policy == nil || origin == "" {
		return roots, nil
	}
	named, err := o.Policy.roots(origin)
	for _, root := range named {
		roots = append(roots, rootKey{KeyID(root.Key), root})
	}
	return roots, err
}

var (
	noSignatures = []byte(beforeSignatures + afterSignatures)
	sigLen       = base64.StdEncoding.EncodedLen(ed25519.SignatureSize)
)

// routine reports whether env looks like most do: one signature by the session
// key, or none where none is due. It is then the session alone that judges it, in
// any goroutine.
func (s *session) routine(env []byte) bool {
	if s == nil {
		return false
	}
	if s.signing == SignCheckpoints && bytes.HasSuffix(env, noSignatures) {
		return true
	}
	n := len(s.tail) + sigLen + len(afterSig+afterSignatures)
	return len(env) > n && string(env[len(env)-n:][:len(s.tail)]) == s.tail
}

// check judges the signatures of a routine envelope. It reports whether there is
// one, and the error is a *recordError.
func (s *session) check(e *envelope) (signed bool, err error) {
	for _, sig := range e.signatures {
		if string(sig.keyID) != s.id {
			continue
		}
		if !ed25519.Verify(s.key, e.pae, sig.sig) {
			return false, errEdited
		}
		signed = true
	}
	return signed, nil
}

// allows reports whether the session signs records of this kind. The error is a
// *recordError.
func (s *session) allows(kind RecordKind, signed bool) error {
	switch {
	case kind != KindSession && kind != KindRotate:
		return nil
	case !signed:
		return &recordError{DamageUnsigned, "no root key signed this " + string(kind)}
	}
	return &recordError{DamageUnknownKey, "a session key signed this " + string(kind) + ", and no root key did"}
}

// canonical checks that an opened frame has no more signatures than are due, so that
// a record has one envelope.
func (f *frame) canonical(e *envelope) {
	due := 1
	if f.record.Kind == KindRotate {
		due = 2
	}
	if n := len(e.signatures); n > due {
		f.err = &recordError{DamageNotCanonical, fmt.Sprintf("%d signatures, where %d is due", n, due)}
		f.record = nil
	}
}

var errEdited = &recordError{DamageEdited, "the signature is not of this payload"}

// open opens an envelope that is not routine: one that a root key signed, or one
// that something is wrong with. Signatures come before the payload.
func (t *trust) open(f *frame, env []byte) {
	f.session = t.session
	if f.err = t.env.parse(env); f.err != nil {
		return
	}
	s, roots, err := t.signers(&t.env)
	if f.err = err; err != nil {
		return
	}
	f.hash = sha256.Sum256(t.env.payload)
	if f.subject, f.record, f.err = parsePayload(t.env.payload); f.err != nil {
		return
	}
	if f.canonical(&t.env); f.err != nil {
		return
	}
	f.signed = s || len(roots) > 0
	switch r := f.record; {
	case r.Kind == KindSession && len(roots) > 0:
		f.err = t.begin(r, f.hash, roots)
		f.session = t.session
	case r.Kind == KindRotate && len(roots) > 0:
		f.err = t.rotate(r, roots)
	case t.session == nil:
		f.err = &recordError{DamageInconsistent, "a root key signed it, and root keys sign only sessions and rotations"}
	case !s && f.signed:
		f.err = &recordError{DamageInconsistent, "a root key signed it, where the session's is due"}
	default:
		f.err = t.session.allows(r.Kind, f.signed)
	}
	if f.err != nil {
		f.record = nil
	}
}

// signers returns which trusted keys signed e. A signature that names a trusted
// key must be by that key.
func (t *trust) signers(e *envelope) (session bool, roots []int, err error) {
	for _, sig := range e.signatures {
		i := slices.IndexFunc(t.roots, func(k rootKey) bool { return k.id == string(sig.keyID) })
		switch {
		case i >= 0:
			if !ed25519.Verify(t.roots[i].Key, e.pae, sig.sig) {
				return false, nil, errEdited
			}
			roots = append(roots, i)
		case t.session != nil && t.session.id == string(sig.keyID):
			if !ed25519.Verify(t.session.key, e.pae, sig.sig) {
				return false, nil, errEdited
			}
			session = true
		}
	}
	switch {
	case session || len(roots) > 0:
		return session, roots, nil
	case len(e.signatures) > 0:
		return false, nil, t.stranger(e)
	case t.session != nil && t.session.signing == SignCheckpoints:
		return false, nil, nil
	}
	return false, nil, &recordError{DamageUnsigned, "no signature"}
}

// stranger says what is wrong with signatures that name no key that may sign
// here.
func (t *trust) stranger(e *envelope) error {
	for _, sig := range e.signatures {
		s := t.known[string(sig.keyID)]
		switch {
		case s == nil:
		case !ed25519.Verify(s.key, e.pae, sig.sig):
			return errEdited
		case s.refused != "":
			return &recordError{s.refused, "the session of its key was refused"}
		default:
			return &recordError{DamageExpiredKey, "the session of its key had ended"}
		}
	}
	keys := make([]ed25519.PublicKey, 0, len(t.roots)+1)
	for _, root := range t.roots {
		keys = append(keys, root.Key)
	}
	if t.session != nil {
		keys = append(keys, t.session.key)
	}
	for _, key := range keys {
		for _, sig := range e.signatures {
			if ed25519.Verify(key, e.pae, sig.sig) {
				return &recordError{DamageEdited, "a trusted key signed it, but the envelope names another"}
			}
		}
	}
	return &recordError{DamageUnknownKey, "signed by key " + strconv.Quote(clean(string(e.signatures[0].keyID), 64)) +
		", which was not given and is not that of a session before it"}
}

// begin takes a key.session that the root keys signed.
func (t *trust) begin(r *Record, hash Hash, roots []int) error {
	if old := t.known[r.Session.Key]; r.Ledger != t.origin || old != nil && old.hash == hash {
		return nil // of another ledger, or there before: whoever checks the chain says so
	}
	root := roots[0]
	if t.root >= 0 {
		root = t.root
	}
	s := newSession(r, hash)
	s.last = t.roots[root].LastRecord
	t.known[s.id] = s
	var err error
	if !slices.Contains(roots, root) {
		s.refused = DamageInconsistent
		err = &recordError{s.refused, "another root key signed the session than the one before, and no rotation says so"}
	} else if expired := t.expired(root, r); expired != nil {
		s.refused = DamageExpiredKey
		err = expired
	}
	if err == nil {
		t.root, t.session = root, s
	}
	return err
}

// rotate takes a key.rotate that the root keys signed.
func (t *trust) rotate(r *Record, roots []int) error {
	if r.Ledger != t.origin {
		return nil
	}
	next := slices.IndexFunc(t.roots, func(k rootKey) bool { return bytes.Equal(marshalPublic(k.Key), r.Rotate.Public) })
	switch {
	case t.root < 0:
		return &recordError{DamageInconsistent, "a rotation before the first session"}
	case next < 0:
		return &recordError{DamageUnknownKey, "it rotates to key " + r.Rotate.Key + ", which was not given"}
	case next == t.root:
		return &recordError{DamageInconsistent, "it rotates to the root key that is in force"}
	case !slices.Contains(roots, t.root):
		return &recordError{DamageUnsigned, "the root key that it replaces did not sign the rotation"}
	case !slices.Contains(roots, next):
		return &recordError{DamageUnsigned, "the next root key did not sign the rotation"}
	case roots[0] != t.root:
		return &recordError{DamageNotCanonical, "the signature of the next root key comes first"}
	}
	for _, root := range []int{t.root, next} {
		if err := t.expired(root, r); err != nil {
			return err
		}
	}
	t.root = next
	return nil
}

// expired returns a *recordError where a root key may no longer, or not yet,
// sign r.
func (t *trust) expired(root int, r *Record) error {
	k := t.roots[root]
	if err := k.valid(r.Time, t.records+1); err != nil {
		return &recordError{DamageExpiredKey, brief(fmt.Sprintf("the root key %.16s: %v", k.id, err))}
	}
	return nil
}
