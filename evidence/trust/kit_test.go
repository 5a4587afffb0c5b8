package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"io/fs"
	"os"
	"runtime"
	"testing"
)

// testKey is a key that is the same in every test run.
func testKey(seed byte) ed25519.PrivateKey {
	s := make([]byte, ed25519.SeedSize)
	s[0] = seed
	return ed25519.NewKeyFromSeed(s)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func payloadKey() []byte { return bytes.Repeat([]byte{7}, 32) }

// hasMode reports whether a file has a mode. On Windows modes say nothing.
func hasMode(info fs.FileInfo, want fs.FileMode) bool {
	return runtime.GOOS == "windows" || info.Mode().Perm() == want
}

func putFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
