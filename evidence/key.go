package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/internal/osfile"
)

// ErrOtherKey means that another root key signed a ledger than the one that it was
// opened with, or that it was handed over to another one. Nothing else is wrong with it.
var ErrOtherKey = errors.New("signed by another key")

// LoadOrCreateKey returns the root key in the file path, for [Config].Key. Where
// there is no file it makes a key, and writes it there as safeconduct keygen does: the
// private half to path, readable by its owner only, and the public half, which
// verifiers need, to path + ".pub". Of several processes that start at once one makes
// the key, and all get it. Keep the file: without it the ledger cannot be continued.
//
// A key is never replaced. A file that is there and is not a private key, or can be read
// by others, is an error that says what to do, and so is a .pub of another key, or
// without its private half. A .pub that is missing is written again, if that can be.
func LoadOrCreateKey(path string) (ed25519.PrivateKey, error) {
	key, err := loadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("evidence: root key: %w", err)
	}
	return key, nil
}

// loadKey loads a key, and sees to its public half.
func loadKey(path string) (ed25519.PrivateKey, error) {
	if path == "" {
		return nil, errors.New("no path was given")
	}
	key, err := trust.LoadKey(path)
	if err != nil {
		return nil, keyHint(path, err)
	}
	// A mounted secret may be in a folder that nobody can write to: the key counts.
	err = trust.WritePublicKey(path+".pub", key.Public().(ed25519.PublicKey))
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s.pub is not the public half of %s, which has the ID %s: move it away, and it is written anew",
			path, path, record.KeyID(key.Public().(ed25519.PublicKey)))
	}
	return key, nil
}

// createKey makes a key, or loads the one that another process made meanwhile.
func createKey(path string) (ed25519.PrivateKey, error) {
	if strings.HasSuffix(path, ".pub") {
		return nil, fmt.Errorf("%s would hold the private half, and .pub says public: leave it out", path)
	}
	key, err := trust.GenerateKey()
	if err != nil {
		return nil, err
	}
	err = trust.WriteKey(path, key)
	switch {
	case err == nil:
		return key, nil
	case !errors.Is(err, fs.ErrExist):
		return nil, keyHint(path, err)
	}
	// The private half has its name first: with the other one there, and not it, it is lost.
	if key, err = loadKey(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s.pub is there, and %s, its private half, is not: bring that back, or move %s.pub away for a new key",
			path, path, path)
	}
	return key, err
}

// keyHint adds to an error about the file of a root key what to do.
func keyHint(path string, err error) error {
	info, serr := os.Lstat(path)
	switch {
	case serr != nil && errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: make the directory first", err)
	case serr != nil:
		return fmt.Errorf("%w: give a place that you may write to", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run as the user who owns it", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: give the path of a file", err)
	case !osfile.IsPrivate(info.Mode()):
		return err // says it
	}
	if _, perr := trust.LoadPublicKey(path); perr == nil {
		return fmt.Errorf("%w: give the one without .pub, which keygen wrote beside it", err)
	}
	return fmt.Errorf("%w: put the key back that was there, or move the file away for a new key, which begins a new ledger", err)
}

// ownerOf returns the ID of the root key that may continue the ledger in dir, as far as
// the ledger says so by itself: all sessions and rotations are of one line of keys, and
// signed by each of them whose public half is known, which are root and those that were
// rotated to. It returns "" where they are not: that is no ledger of another key. It says
// also whether root is one of the line.
func ownerOf(dir string, root ed25519.PublicKey) (id string, former bool, err error) {
	var key ed25519.PublicKey // that has the ID; nil if it is not known
	var bad error
	err = chain.Scan(dir, nil, func(f *chain.Frame, _ int64) bool {
		if f.Record == nil || !f.Signed || f.Record.Kind != record.KindSession && f.Record.Kind != record.KindRotate {
			return true
		}
		var e record.Envelope
		if bad = e.Parse(f.Env); bad != nil {
			return false
		}
		if id == "" { // one that is signed has a signature
			if id = string(e.Signatures[0].KeyID); id == record.KeyID(root) {
				key = root
			}
		}
		former = former || id == record.KeyID(root)
		bad = signedAs(&e, id, key)
		if r := f.Record.Rotate; r != nil && bad == nil {
			if key, bad = record.ParseKey(r.Public); bad == nil {
				id = record.KeyID(key)
				bad = signedAs(&e, id, key)
			}
		}
		return bad == nil
	})
	if hash, herr := hex.DecodeString(id); bad != nil || herr != nil || len(hash) != sha256.Size {
		id = ""
	}
	return id, former, err
}

// signedAs returns nil where one of the signatures claims to be of the key of the ID, and
// is, if that key is known.
func signedAs(e *record.Envelope, id string, key ed25519.PublicKey) error {
	for _, s := range e.Signatures {
		if string(s.KeyID) == id && (key == nil || ed25519.Verify(key, e.PAE, s.Sig)) {
			return nil
		}
	}
	return record.Errorf(record.DamageUnknownKey, "not signed by the key %s", record.Clean(id, 64))
}
