package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/internal/missing"
)

func TestKeyRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := trust.WriteKey(path, key); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || !hasMode(info, 0o600) {
		t.Errorf("got %v, %v, want mode 0600", info.Mode(), err)
	}
	got, err := trust.LoadKey(path)
	if err != nil || !got.Equal(key) {
		t.Errorf("LoadKey: got another key, %v", err)
	}
	pub, err := trust.LoadPublicKey(path + ".pub")
	if err != nil || !pub.Equal(key.Public()) {
		t.Errorf("LoadPublicKey: got another key, %v", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := trust.ParseKey(data); err != nil || !got.Equal(key) {
		t.Errorf("ParseKey: got another key, %v", err)
	}
	if err := trust.WriteKey(path, testKey(1)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("WriteKey over a key: got %v, want fs.ErrExist", err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, data) {
		t.Error("WriteKey changed a key")
	}
	// Nor does it leave half a pair.
	lone := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(lone+".pub", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := trust.WriteKey(lone, key); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if _, err := os.Stat(lone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the private half was left: %v", err)
	}
	if err := trust.WritePublicKey(path+".pub", pub); err != nil {
		t.Errorf("WritePublicKey of the key that is there: got %v", err)
	}
	if err := trust.WritePublicKey(path+".pub", public(testKey(1))); !errors.Is(err, fs.ErrExist) {
		t.Errorf("WritePublicKey over another key: got %v, want fs.ErrExist", err)
	}
	if err := trust.WritePublicKey(path+"2", nil); err == nil {
		t.Error("WritePublicKey(nil): got no error")
	}
	if err := trust.WriteKey(lone, nil); err == nil {
		t.Error("WriteKey(nil): got no error")
	}
}

// What is not a private key of our own is refused, and no error holds
// any of it.
func TestLoadKeyRefuses(t *testing.T) {
	encode := func(typ string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}) }
	ed, err := x509.MarshalPKCS8PrivateKey(testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(public(testKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	good := encode("PRIVATE KEY", ed)
	for _, tt := range []struct {
		name string
		make func(path string) error
		says string
	}{
		{"missing", func(string) error { return nil }, "no such file"},
		{"empty", write(nil, 0o600), "is empty"},
		{"readable by the group", write(good, 0o640), "chmod 600"},
		{"readable by all", write(good, 0o644), "chmod 600"},
		{"writable by all", write(good, 0o602), "chmod 600"},
		{"symlink", func(path string) error {
			return errors.Join(write(good, 0o600)(path+".real"), os.Symlink(path+".real", path))
		}, "symbolic link"},
		{"directory", func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		{"elliptic curve", write(encode("PRIVATE KEY", ecDER), 0o600), "not an Ed25519 key"},
		{"public", write(encode("PUBLIC KEY", pub), 0o600), "holds a public key"},
		{"openssh", write(encode("OPENSSH PRIVATE KEY", ed), 0o600), "PEM block"},
		{"not PEM", write(ed, 0o600), "not in PEM"},
		{"truncated", write(encode("PRIVATE KEY", ed[:20]), 0o600), "not a PKCS #8 key"},
		{"two keys", write(append(good[:len(good):len(good)], good...), 0o600), "more than one"},
		{"huge", write(bytes.Repeat([]byte("x"), 1<<20), 0o600), "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := trust.LoadKey(path)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got error %v, want one with the path and %q", err, tt.says)
			}
			for _, secret := range []string{hex.EncodeToString(testKey(1).Seed()), string(testKey(1).Seed()), "MC4CAQ"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds key bytes: %v", err)
				}
			}
		})
	}
	if _, err := trust.LoadSecret(filepath.Join(t.TempDir(), "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadSecret: got %v, want fs.ErrNotExist", err)
	}
	if _, err := trust.LoadKey(filepath.Join(t.TempDir(), "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if _, err := trust.ParsePublicKey(good); err == nil || !strings.Contains(err.Error(), "holds a private key") {
		t.Errorf("ParsePublicKey of a private key: got %v", err)
	}
	ecPub, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{nil, encode("PUBLIC KEY", ecPub), encode("PUBLIC KEY", pub[:10])} {
		if _, err := trust.ParsePublicKey(data); err == nil {
			t.Errorf("ParsePublicKey(%q): got no error", data)
		}
	}
	if _, err := trust.ParseKey(nil); err == nil {
		t.Error("ParseKey(nil): got no error")
	}
}

func write(data []byte, mode fs.FileMode) func(path string) error {
	return func(path string) error {
		return errors.Join(os.WriteFile(path, data, 0o600), os.Chmod(path, mode))
	}
}

// openssl reads our keys and we read its.
func TestKeysAsOpenSSL(t *testing.T) {
	openssl := needOpenSSL(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := trust.WriteKey(path, testKey(1)); err != nil {
		t.Fatal(err)
	}
	der, err := exec.Command(openssl, "pkey", "-in", path, "-pubout", "-outform", "DER").Output()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil || !public(testKey(1)).Equal(pub) {
		t.Errorf("openssl reads another key: %v", err)
	}
	theirs := filepath.Join(dir, "theirs")
	if err := exec.Command(openssl, "genpkey", "-algorithm", "ed25519", "-out", theirs).Run(); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(openssl, "pkey", "-in", theirs, "-pubout", "-out", theirs+".pub").Run(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := trust.LoadKey(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if pub, err := trust.LoadPublicKey(theirs + ".pub"); err != nil || !pub.Equal(key.Public()) {
		t.Errorf("LoadPublicKey: got another key, %v", err)
	}
}

func needOpenSSL(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		missing.Skip(t, "openssl", "%v", err)
	}
	return path
}

func TestLoadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("what only the agent has"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := trust.LoadSecret(path); err != nil || string(got) != "what only the agent has" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.LoadSecret(path); err == nil || !strings.Contains(err.Error(), path+": may be read or written by others") {
		t.Errorf("got %v", err)
	}
}

func TestPayloadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payload.key")
	if err := trust.WritePayloadKey(path, payloadKey()); err != nil {
		t.Fatal(err)
	}
	got, err := trust.LoadPayloadKey(path)
	if err != nil || string(got) != string(payloadKey()) {
		t.Errorf("got %x, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || !hasMode(info, 0o600) {
		t.Errorf("got %v, %v, want mode 600", info.Mode(), err)
	}
	if err := trust.WritePayloadKey(path, make([]byte, 32)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: got %v, want %v", err, fs.ErrExist)
	}
	if err := trust.WritePayloadKey(path+"2", []byte{1}); err == nil {
		t.Error("a short key was written")
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "short": string(good[:20]), "long": string(good) + "A", "not base64": strings.Repeat("*", 44) + "\n",
		"a line break": string(good[:20]) + "\n" + string(good[21:]), "PEM": "-----BEGIN PRIVATE KEY-----\n",
	} {
		putFile(t, path, []byte(text))
		if key, err := trust.LoadPayloadKey(path); err == nil || strings.Contains(err.Error(), "BwcH") {
			t.Errorf("%s: got %x, %v, want an error without the key", name, key, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.LoadPayloadKey(path); err == nil || !strings.Contains(err.Error(), "may be read") {
		t.Errorf("readable by all: got %v", err)
	}
}
