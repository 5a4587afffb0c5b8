package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// maxKeyFile bounds what is read of a key file.
const maxKeyFile = 64 << 10

// The types of PEM blocks, by RFC 7468.
const (
	pemPrivate = "PRIVATE KEY" // PKCS #8
	pemPublic  = "PUBLIC KEY"  // PKIX
)

// GenerateKey makes an Ed25519 key.
func GenerateKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("trust: generate key: %w", err)
	}
	return key, nil
}

// WriteKey writes a new key: the private half to path (PKCS #8 in PEM, mode
// 0600), the public half to path + ".pub" (PKIX in PEM, mode 0644), both as
// openssl and cosign read them. It overwrites neither: where a file exists the
// error wraps fs.ErrExist and nothing has changed. No crash leaves a part of a
// file; one between the two leaves the private half, see [WritePublicKey].
func WriteKey(path string, key ed25519.PrivateKey) error {
	if len(key) != ed25519.PrivateKeySize {
		return fmt.Errorf("trust: write key %s: not an Ed25519 private key", path)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("trust: write key %s: %w", path, err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})
	defer clear(private)
	defer clear(der)
	if _, err := os.Lstat(path + ".pub"); err == nil {
		return fmt.Errorf("trust: write key: %s.pub: %w", path, syscall.EEXIST)
	}
	if err := osfile.WriteNew(path, private, 0o600); err != nil {
		return fmt.Errorf("trust: write key: %w", err)
	}
	// From here on the private half stays: another process may have loaded it.
	return WritePublicKey(path+".pub", key.Public().(ed25519.PublicKey))
}

// WritePublicKey writes a public key to a file as [WriteKey] does. Where the file
// holds that key already it does nothing, and where another file is there the error
// wraps fs.ErrExist and nothing has changed.
func WritePublicKey(path string, key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("trust: write key %s: not an Ed25519 public key", path)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: record.MarshalKey(key)})
	err := osfile.WriteNew(path, public, 0o644)
	if errors.Is(err, fs.ErrExist) {
		if have, lerr := LoadPublicKey(path); lerr == nil && have.Equal(key) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("trust: write key: %w", err)
	}
	return nil
}

// LoadKey reads a private key that [WriteKey] or openssl wrote. Like ssh it
// refuses a file that anyone but its owner may read. It also refuses a symbolic
// link: what it points to can change under the name that was checked. Where a
// key comes from elsewhere, a mounted secret say, read it and call [ParseKey].
// On Windows modes say nothing of who may read a file: keep keys in a folder that
// others cannot read.
//
// Errors name the file and never hold any of its content. That of a missing
// file wraps fs.ErrNotExist.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	data, err := readKeyFile(path, true)
	if err != nil {
		return nil, fmt.Errorf("trust: private key %s: %w", path, err)
	}
	defer clear(data)
	key, err := parsePrivate(data)
	if err != nil {
		return nil, fmt.Errorf("trust: private key %s: %w", path, err)
	}
	return key, nil
}

// ParseKey reads a private key as in a file that [LoadKey] accepts.
func ParseKey(data []byte) (ed25519.PrivateKey, error) {
	key, err := parsePrivate(data)
	if err != nil {
		return nil, fmt.Errorf("trust: private key: %w", err)
	}
	return key, nil
}

// LoadSecret reads a file that holds another secret, such as the bearer key of a
// sink, of at most 64 KiB. It refuses the same files as [LoadKey], and errors are
// as for that.
func LoadSecret(path string) ([]byte, error) {
	data, err := readKeyFile(path, true)
	if err != nil {
		return nil, fmt.Errorf("trust: secret %s: %w", path, err)
	}
	return data, nil
}

// LoadPublicKey reads a public key that [WriteKey] or openssl wrote. Errors are
// as for [LoadKey]; who may read the file does not matter.
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	data, err := readKeyFile(path, false)
	if err != nil {
		return nil, fmt.Errorf("trust: public key %s: %w", path, err)
	}
	pub, err := parsePublic(data)
	if err != nil {
		return nil, fmt.Errorf("trust: public key %s: %w", path, err)
	}
	return pub, nil
}

// ParsePublicKey reads a public key as in a file that [LoadPublicKey] accepts.
func ParsePublicKey(data []byte) (ed25519.PublicKey, error) {
	pub, err := parsePublic(data)
	if err != nil {
		return nil, fmt.Errorf("trust: public key: %w", err)
	}
	return pub, nil
}

func readKeyFile(path string, private bool) ([]byte, error) {
	f, info, err := osfile.OpenRegular(path, !private)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	switch mode := info.Mode(); {
	case private && !osfile.IsPrivate(mode):
		return nil, fmt.Errorf("may be read or written by others (mode %04o): chmod 600 it", mode.Perm())
	case info.Size() == 0:
		return nil, errors.New("is empty")
	case info.Size() > maxKeyFile:
		return nil, errors.New("is too large to be a key")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, osfile.WithoutPath(err)
	}
	return data, nil
}

func parsePrivate(data []byte) (ed25519.PrivateKey, error) {
	der, err := parsePEM(data, pemPrivate)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("is not a PKCS #8 key") // the cause may quote it
	}
	ed, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("is not an Ed25519 key but %T", key)
	}
	return ed, nil
}

func parsePublic(data []byte) (ed25519.PublicKey, error) {
	der, err := parsePEM(data, pemPublic)
	if err != nil {
		return nil, err
	}
	return record.ParseKey(der)
}

// parsePEM returns the content of the one block in data.
func parsePEM(data []byte, want string) ([]byte, error) {
	block, rest := pem.Decode(data)
	switch {
	case block == nil:
		return nil, errors.New("is not in PEM")
	case block.Type != want && block.Type == pemPrivate:
		return nil, errors.New("holds a private key, where a public key belongs")
	case block.Type != want && block.Type == pemPublic:
		return nil, errors.New("holds a public key, where a private key belongs")
	case block.Type != want:
		return nil, fmt.Errorf("holds a PEM block that is not a %q", want)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("holds more than one PEM block")
	}
	return block.Bytes, nil
}
