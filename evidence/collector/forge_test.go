package collector_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/record"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// payload returns the payload of an envelope.
func payload(t testing.TB, env []byte) []byte {
	t.Helper()
	var e struct{ Payload []byte }
	if err := json.Unmarshal(env, &e); err != nil {
		t.Fatal(err)
	}
	return e.Payload
}

// seal signs a payload.
func seal(payload []byte, key ed25519.PrivateKey) []byte {
	pae := append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(record.PayloadType), record.PayloadType, len(payload)), payload...)
	return fmt.Appendf(nil, `{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}`,
		base64.StdEncoding.EncodeToString(payload), record.PayloadType, record.KeyID(public(key)),
		base64.StdEncoding.EncodeToString(ed25519.Sign(key, pae)))
}

// reforge returns the records of one writer as if its session key had been another,
// which the test has.
func reforge(t testing.TB, envs [][]byte, root, session ed25519.PrivateKey) (forged [][]byte) {
	t.Helper()
	first, err := record.Parse(envs[0])
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public(session))
	if err != nil {
		t.Fatal(err)
	}
	replace := []string{
		first.Session.Key, record.KeyID(public(session)),
		base64.StdEncoding.EncodeToString(first.Session.Public), base64.StdEncoding.EncodeToString(der),
	}
	for i, env := range envs {
		old := payload(t, env)
		now := []byte(strings.NewReplacer(replace...).Replace(string(old)))
		key := session
		if i == 0 {
			key = root
		}
		forged = append(forged, seal(now, key))
		before, after := sha256.Sum256(old), sha256.Sum256(now)
		replace = append(replace, hex.EncodeToString(before[:]), hex.EncodeToString(after[:]))
	}
	return forged
}

// another returns another record with the same writer and number.
func another(t testing.TB, env []byte, session ed25519.PrivateKey) []byte {
	t.Helper()
	r, err := record.Parse(env)
	if err != nil {
		t.Fatal(err)
	}
	other := r.ID[:len(r.ID)-4] + "ffff"
	return seal(bytes.Replace(payload(t, env), []byte(r.ID), []byte(other), 1), session)
}

// checkpoint returns the signed head of a tree of so many records.
func checkpoint(t testing.TB, envs [][]byte, session ed25519.PrivateKey) []byte {
	t.Helper()
	hashes := make([]tlog.Hash, 0, 2*len(envs))
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, i := range indexes {
			found = append(found, hashes[i])
		}
		return found, nil
	})
	for i, env := range envs {
		more, err := tlog.StoredHashes(int64(i), env, read)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
	}
	root, err := tlog.TreeHash(int64(len(envs)), read)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(
		&note.Note{Text: fmt.Sprintf("prod\n%d\n%s\n", len(envs), base64.StdEncoding.EncodeToString(root[:]))},
		noteSigner{session},
	)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A noteSigner signs notes as a session of the ledger "prod" does.
type noteSigner struct{ key ed25519.PrivateKey }

func (noteSigner) Name() string { return "prod" }

func (s noteSigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte("prod\n\x01"), public(s.key)...))
	return binary.BigEndian.Uint32(sum[:])
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }
