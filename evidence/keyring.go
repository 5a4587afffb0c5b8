package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// A keyring says which keys may sign what, as a ledger goes on. It begins with the
// root keys that a verifier was given: nothing in a ledger adds to them. Those
// sign the sessions, whose keys sign the rest. It is used by one goroutine, in
// the order of the records.
type keyring struct {
	roots   []rootKey
	root    int // the index of the one in force; -1 before the first session
	origin  string
	records uint64              // so far
	session *session            // in force; nil before the first
	known   map[string]*session // by key ID: all so far, those that were refused included
	env     record.Envelope
}

// A rootKey is a key that the verifier was given.
type rootKey struct {
	id string
	trust.Root
}

// A session is a session key and what it may sign. It does not change.
type session struct {
	id                  string
	key                 ed25519.PublicKey
	signing             record.Signing
	notBefore, notAfter time.Time
	hash                record.Hash   // of the payload that introduces it
	last                uint64        // record that it may sign, as far as its root key is revoked; 0 if it is not
	refused             record.Damage // why its key signs nothing, if it does not
}

func newSession(r *record.Record, hash record.Hash) *session {
	s := &session{
		id: r.Session.Key, signing: r.Session.Signing,
		notBefore: r.Session.NotBefore, notAfter: r.Session.NotAfter, hash: hash,
	}
	s.key, _ = record.ParseKey(r.Session.Public) // was parsed with the record
	return s
}

func newKeyring(origin string, roots []rootKey) *keyring {
	return &keyring{roots: roots, root: -1, origin: origin, known: make(map[string]*session)}
}

// rootKeys returns the root keys to trust for a ledger: the keys without bounds,
// and those that the policy bounds, which may be nil. An empty origin is of a ledger
// in which no record can be read.
func rootKeys(keys []ed25519.PublicKey, policy *trust.Policy, origin string) (roots []rootKey, err error) {
	for _, key := range keys {
		roots = append(roots, rootKey{record.KeyID(key), trust.Root{Key: key}})
	}
	if policy == nil || origin == "" {
		return roots, nil
	}
	named, err := policy.Roots(origin)
	for _, root := range named {
		roots = append(roots, rootKey{record.KeyID(root.Key), root})
	}
	return roots, err
}

// routine reports whether env looks like most do: one signature by the session
// key, or none where none is due. It is then the session alone that judges it, in
// any goroutine.
func (s *session) routine(env []byte) bool {
	return s != nil && (s.signing == record.SignCheckpoints && record.EndsUnsigned(env) || record.EndsSignedBy(env, s.id))
}

// check judges the signatures of a routine envelope. It reports whether there is
// one, and the error is a *record.Error.
func (s *session) check(e *record.Envelope) (signed bool, err error) {
	for _, sig := range e.Signatures {
		if string(sig.KeyID) != s.id {
			continue
		}
		if !ed25519.Verify(s.key, e.PAE, sig.Sig) {
			return false, errEdited
		}
		signed = true
	}
	return signed, nil
}

// covers returns what is wrong where record n of the ledger, from 1, is not within
// the session: by the times of both, and as far as its root key is trusted.
func (s *session) covers(r *record.Record, n uint64) *record.Error {
	switch {
	case r.Time.Before(s.notBefore):
		return record.Errorf(record.DamageExpiredKey, "the record is %v older than its session", s.notBefore.Sub(r.Time))
	case r.Time.After(s.notAfter):
		return record.Errorf(record.DamageExpiredKey, "the record is %v younger than its session may be", r.Time.Sub(s.notAfter))
	case s.last != 0 && n > s.last:
		return record.Errorf(record.DamageExpiredKey, "the root key of its session is trusted up to record %d", s.last)
	}
	return nil
}

// allows reports whether the session signs records of this kind. The error is a
// *record.Error.
func (s *session) allows(kind record.Kind, signed bool) error {
	switch {
	case kind != record.KindSession && kind != record.KindRotate:
		return nil
	case !signed:
		return record.Errorf(record.DamageUnsigned, "no root key signed this %s", kind)
	}
	return record.Errorf(record.DamageUnknownKey, "a session key signed this %s, and no root key did", kind)
}

var errEdited = record.Errorf(record.DamageEdited, "the signature is not of this payload")

// open opens an envelope that is not routine: one that a root key signed, or one
// that something is wrong with. Signatures come before the payload.
func (ring *keyring) open(f *frame, env []byte) {
	f.session = ring.session
	if f.err = ring.env.Parse(env); f.err != nil {
		return
	}
	s, roots, err := ring.signers(&ring.env)
	if f.err = err; err != nil {
		return
	}
	f.hash = sha256.Sum256(ring.env.Payload)
	if f.subject, f.record, f.err = ring.env.Record(); f.err != nil {
		return
	}
	f.signed = s || len(roots) > 0
	switch r := f.record; {
	case r.Kind == record.KindSession && len(roots) > 0:
		f.err = ring.begin(r, f.hash, roots)
		f.session = ring.session
	case r.Kind == record.KindRotate && len(roots) > 0:
		f.err = ring.rotate(r, roots)
	case ring.session == nil:
		f.err = record.Errorf(record.DamageInconsistent, "a root key signed it, and root keys sign only sessions and rotations")
	case !s && f.signed:
		f.err = record.Errorf(record.DamageInconsistent, "a root key signed it, where the session's is due")
	default:
		f.err = ring.session.allows(r.Kind, f.signed)
	}
	if f.err != nil {
		f.record = nil
	}
}

// signers returns which trusted keys signed e. A signature that names a trusted
// key must be by that key.
func (ring *keyring) signers(e *record.Envelope) (session bool, roots []int, err error) {
	for _, sig := range e.Signatures {
		i := slices.IndexFunc(ring.roots, func(k rootKey) bool { return k.id == string(sig.KeyID) })
		switch {
		case i >= 0:
			if !ed25519.Verify(ring.roots[i].Key, e.PAE, sig.Sig) {
				return false, nil, errEdited
			}
			roots = append(roots, i)
		case ring.session != nil && ring.session.id == string(sig.KeyID):
			if !ed25519.Verify(ring.session.key, e.PAE, sig.Sig) {
				return false, nil, errEdited
			}
			session = true
		}
	}
	switch {
	case session || len(roots) > 0:
		return session, roots, nil
	case len(e.Signatures) > 0:
		return false, nil, ring.stranger(e)
	case ring.session != nil && ring.session.signing == record.SignCheckpoints:
		return false, nil, nil
	}
	return false, nil, record.Errorf(record.DamageUnsigned, "no signature")
}

// stranger says what is wrong with signatures that name no key that may sign
// here.
func (ring *keyring) stranger(e *record.Envelope) error {
	for _, sig := range e.Signatures {
		s := ring.known[string(sig.KeyID)]
		switch {
		case s == nil:
		case !ed25519.Verify(s.key, e.PAE, sig.Sig):
			return errEdited
		case s.refused != "":
			return record.Errorf(s.refused, "the session of its key was refused")
		default:
			return record.Errorf(record.DamageExpiredKey, "the session of its key had ended")
		}
	}
	keys := make([]ed25519.PublicKey, 0, len(ring.roots)+1)
	for _, root := range ring.roots {
		keys = append(keys, root.Key)
	}
	if ring.session != nil {
		keys = append(keys, ring.session.key)
	}
	for _, key := range keys {
		for _, sig := range e.Signatures {
			if ed25519.Verify(key, e.PAE, sig.Sig) {
				return record.Errorf(record.DamageEdited, "a trusted key signed it, but the envelope names another")
			}
		}
	}
	return record.Errorf(record.DamageUnknownKey, "signed by key %q, which was not given and is not that of a session before it",
		record.Clean(string(e.Signatures[0].KeyID), 64))
}

// begin takes a key.session that the root keys signed.
func (ring *keyring) begin(r *record.Record, hash record.Hash, roots []int) error {
	if old := ring.known[r.Session.Key]; r.Ledger != ring.origin || old != nil && old.hash == hash {
		return nil // of another ledger, or there before: whoever checks the chain says so
	}
	root := roots[0]
	if ring.root >= 0 {
		root = ring.root
	}
	s := newSession(r, hash)
	s.last = ring.roots[root].LastRecord
	ring.known[s.id] = s
	var err error
	if !slices.Contains(roots, root) {
		s.refused = record.DamageInconsistent
		err = record.Errorf(s.refused, "another root key signed the session than the one before, and no rotation says so")
	} else if expired := ring.expired(root, r); expired != nil {
		s.refused = record.DamageExpiredKey
		err = expired
	}
	if err == nil {
		ring.root, ring.session = root, s
	}
	return err
}

// rotate takes a key.rotate that the root keys signed.
func (ring *keyring) rotate(r *record.Record, roots []int) error {
	if r.Ledger != ring.origin {
		return nil
	}
	next := slices.IndexFunc(ring.roots, func(k rootKey) bool { return bytes.Equal(record.MarshalKey(k.Key), r.Rotate.Public) })
	switch {
	case ring.root < 0:
		return record.Errorf(record.DamageInconsistent, "a rotation before the first session")
	case next < 0:
		return record.Errorf(record.DamageUnknownKey, "it rotates to key %s, which was not given", r.Rotate.Key)
	case next == ring.root:
		return record.Errorf(record.DamageInconsistent, "it rotates to the root key that is in force")
	case !slices.Contains(roots, ring.root):
		return record.Errorf(record.DamageUnsigned, "the root key that it replaces did not sign the rotation")
	case !slices.Contains(roots, next):
		return record.Errorf(record.DamageUnsigned, "the next root key did not sign the rotation")
	case roots[0] != ring.root:
		return record.Errorf(record.DamageNotCanonical, "the signature of the next root key comes first")
	}
	for _, root := range []int{ring.root, next} {
		if err := ring.expired(root, r); err != nil {
			return err
		}
	}
	ring.root = next
	return nil
}

// expired returns a *record.Error where a root key may no longer, or not yet,
// sign r.
func (ring *keyring) expired(root int, r *record.Record) error {
	k := ring.roots[root]
	if err := k.Valid(r.Time, ring.records+1); err != nil {
		return record.Errorf(record.DamageExpiredKey, "%s", record.Brief(fmt.Sprintf("the root key %.16s: %v", k.id, err)))
	}
	return nil
}

// key returns the key with an ID that signs or has signed in this ledger, nil
// where there is none.
func (ring *keyring) key(id string) ed25519.PublicKey {
	if s := ring.known[id]; s != nil && s.refused == "" {
		return s.key
	}
	for _, root := range ring.roots {
		if root.id == id {
			return root.Key
		}
	}
	return nil
}
