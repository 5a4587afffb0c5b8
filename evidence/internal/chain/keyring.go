package chain

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

// A Keyring says which keys may sign what, as a ledger goes on. It begins with the
// root keys that a verifier was given: nothing in a ledger adds to them. Those
// sign the sessions, whose keys sign the rest. It is used by one goroutine, in
// the order of the records.
type Keyring struct {
	roots   []RootKey
	root    int // the index of the one in force; -1 before the first session
	origin  string
	Records uint64              // so far
	Session *Session            // in force; nil before the first
	Known   map[string]*Session // by key ID: all so far, those that were refused included
	env     record.Envelope
}

// A RootKey is a key that the verifier was given.
type RootKey struct {
	ID string
	trust.Root
}

// A Session is a session key and what it may sign. It does not change.
type Session struct {
	ID                  string
	Key                 ed25519.PublicKey
	Signing             record.Signing
	notBefore, notAfter time.Time
	Hash                record.Hash   // of the payload that introduces it
	LastRecord          uint64        // record that it may sign, as far as its root key is revoked; 0 if it is not
	refused             record.Damage // why its key signs nothing, if it does not
}

// NewSession returns the session that a key.session begins, by the hash of its payload.
func NewSession(r *record.Record, hash record.Hash) *Session {
	s := &Session{
		ID: r.Session.Key, Signing: r.Session.Signing,
		notBefore: r.Session.NotBefore, notAfter: r.Session.NotAfter, Hash: hash,
	}
	s.Key, _ = record.ParseKey(r.Session.Public) // was parsed with the record
	return s
}

// NewKeyring returns the keyring of a ledger before its first record.
func NewKeyring(origin string, roots []RootKey) *Keyring {
	return &Keyring{roots: roots, root: -1, origin: origin, Known: make(map[string]*Session)}
}

// RootKeys returns the root keys to trust for a ledger: the keys without bounds,
// and those that the policy bounds, which may be nil. An empty origin is of a ledger
// in which no record can be read.
func RootKeys(keys []ed25519.PublicKey, policy *trust.Policy, origin string) (roots []RootKey, err error) {
	for _, key := range keys {
		roots = append(roots, RootKey{record.KeyID(key), trust.Root{Key: key}})
	}
	if policy == nil || origin == "" {
		return roots, nil
	}
	named, err := policy.Roots(origin)
	for _, root := range named {
		roots = append(roots, RootKey{record.KeyID(root.Key), root})
	}
	return roots, err
}

// Routine reports whether env looks like most do: one signature by the session
// key, or none where none is due. It is then the session alone that judges it, in
// any goroutine.
func (s *Session) Routine(env []byte) bool {
	return s != nil && (s.Signing == record.SignCheckpoints && record.EndsUnsigned(env) || record.EndsSignedBy(env, s.ID))
}

// check judges the signatures of a routine envelope. It reports whether there is
// one, and the error is a *record.Error.
func (s *Session) check(e *record.Envelope) (signed bool, err error) {
	for _, sig := range e.Signatures {
		if string(sig.KeyID) != s.ID {
			continue
		}
		if !ed25519.Verify(s.Key, e.PAE, sig.Sig) {
			return false, ErrEdited
		}
		signed = true
	}
	return signed, nil
}

// Covers returns what is wrong where record n of the ledger, from 1, is not within
// the session: by the times of both, and as far as its root key is trusted.
func (s *Session) Covers(r *record.Record, n uint64) *record.Error {
	switch {
	case r.Time.Before(s.notBefore):
		return record.Errorf(record.DamageExpiredKey, "the record is %v older than its session", s.notBefore.Sub(r.Time))
	case r.Time.After(s.notAfter):
		return record.Errorf(record.DamageExpiredKey, "the record is %v younger than its session may be", r.Time.Sub(s.notAfter))
	case s.LastRecord != 0 && n > s.LastRecord:
		return record.Errorf(record.DamageExpiredKey, "the root key of its session is trusted up to record %d", s.LastRecord)
	}
	return nil
}

// allows reports whether the session signs records of this kind. The error is a
// *record.Error.
func (s *Session) allows(kind record.Kind, signed bool) error {
	switch {
	case kind != record.KindSession && kind != record.KindRotate:
		return nil
	case !signed:
		return record.Errorf(record.DamageUnsigned, "no root key signed this %s", kind)
	}
	return record.Errorf(record.DamageUnknownKey, "a session key signed this %s, and no root key did", kind)
}

// ErrEdited is of a signature by the right key that is of something else.
var ErrEdited = record.Errorf(record.DamageEdited, "the signature is not of this payload")

// Open opens an envelope that is not routine: one that a root key signed, or one
// that something is wrong with. Signatures come before the payload.
func (ring *Keyring) Open(f *Frame, env []byte) {
	f.Session = ring.Session
	if f.Err = ring.env.Parse(env); f.Err != nil {
		return
	}
	s, roots, err := ring.signers(&ring.env)
	if f.Err = err; err != nil {
		return
	}
	f.Hash = sha256.Sum256(ring.env.Payload)
	if f.Subject, f.Record, f.Err = ring.env.Record(); f.Err != nil {
		return
	}
	f.Signed = s || len(roots) > 0
	switch r := f.Record; {
	case r.Kind == record.KindSession && len(roots) > 0:
		f.Err = ring.begin(r, f.Hash, roots)
		f.Session = ring.Session
	case r.Kind == record.KindRotate && len(roots) > 0:
		f.Err = ring.rotate(r, roots)
	case ring.Session == nil:
		f.Err = record.Errorf(record.DamageInconsistent, "a root key signed it, and root keys sign only sessions and rotations")
	case !s && f.Signed:
		f.Err = record.Errorf(record.DamageInconsistent, "a root key signed it, where the session's is due")
	default:
		f.Err = ring.Session.allows(r.Kind, f.Signed)
	}
	if f.Err != nil {
		f.Record = nil
	}
}

// signers returns which trusted keys signed e. A signature that names a trusted
// key must be by that key.
func (ring *Keyring) signers(e *record.Envelope) (session bool, roots []int, err error) {
	for _, sig := range e.Signatures {
		i := slices.IndexFunc(ring.roots, func(k RootKey) bool { return k.ID == string(sig.KeyID) })
		switch {
		case i >= 0:
			if !ed25519.Verify(ring.roots[i].Key, e.PAE, sig.Sig) {
				return false, nil, ErrEdited
			}
			roots = append(roots, i)
		case ring.Session != nil && ring.Session.ID == string(sig.KeyID):
			if !ed25519.Verify(ring.Session.Key, e.PAE, sig.Sig) {
				return false, nil, ErrEdited
			}
			session = true
		}
	}
	switch {
	case session || len(roots) > 0:
		return session, roots, nil
	case len(e.Signatures) > 0:
		return false, nil, ring.stranger(e)
	case ring.Session != nil && ring.Session.Signing == record.SignCheckpoints:
		return false, nil, nil
	}
	return false, nil, record.Errorf(record.DamageUnsigned, "no signature")
}

// stranger says what is wrong with signatures that name no key that may sign
// here.
func (ring *Keyring) stranger(e *record.Envelope) error {
	for _, sig := range e.Signatures {
		s := ring.Known[string(sig.KeyID)]
		switch {
		case s == nil:
		case !ed25519.Verify(s.Key, e.PAE, sig.Sig):
			return ErrEdited
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
	if ring.Session != nil {
		keys = append(keys, ring.Session.Key)
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
func (ring *Keyring) begin(r *record.Record, hash record.Hash, roots []int) error {
	if old := ring.Known[r.Session.Key]; r.Ledger != ring.origin || old != nil && old.Hash == hash {
		return nil // of another ledger, or there before: whoever checks the chain says so
	}
	root := roots[0]
	if ring.root >= 0 {
		root = ring.root
	}
	s := NewSession(r, hash)
	s.LastRecord = ring.roots[root].LastRecord
	ring.Known[s.ID] = s
	var err error
	if !slices.Contains(roots, root) {
		s.refused = record.DamageInconsistent
		err = record.Errorf(s.refused, "another root key signed the session than the one before, and no rotation says so")
	} else if expired := ring.expired(root, r); expired != nil {
		s.refused = record.DamageExpiredKey
		err = expired
	}
	if err == nil {
		ring.root, ring.Session = root, s
	}
	return err
}

// rotate takes a key.rotate that the root keys signed.
func (ring *Keyring) rotate(r *record.Record, roots []int) error {
	if r.Ledger != ring.origin {
		return nil
	}
	next := slices.IndexFunc(ring.roots, func(k RootKey) bool { return bytes.Equal(record.MarshalKey(k.Key), r.Rotate.Public) })
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
func (ring *Keyring) expired(root int, r *record.Record) error {
	k := ring.roots[root]
	if err := k.Valid(r.Time, ring.Records+1); err != nil {
		return record.Errorf(record.DamageExpiredKey, "%s", record.Brief(fmt.Sprintf("the root key %.16s: %v", k.ID, err)))
	}
	return nil
}

// Key returns the key with an ID that signs or has signed in this ledger, nil
// where there is none.
func (ring *Keyring) Key(id string) ed25519.PublicKey {
	if s := ring.Known[id]; s != nil && s.refused == "" {
		return s.Key
	}
	for _, root := range ring.roots {
		if root.ID == id {
			return root.Key
		}
	}
	return nil
}
