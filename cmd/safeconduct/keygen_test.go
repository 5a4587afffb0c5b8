package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"example.com/safeconduct/evidence/trust"
)

func TestKeygen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.key")
	code, stdout, stderr := safeconduct("keygen", path)
	if code != exitDone || stderr != "" {
		t.Fatalf("got %d, %q", code, stderr)
	}
	golden(t, "keygen", stdout, path)
	key, err := trust.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	public, err := trust.LoadPublicKey(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if !public.Equal(key.Public().(ed25519.PublicKey)) {
		t.Error("the halves are not of one key")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("got mode %o, want 600", got)
	}
}

func TestKeygenPayload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payload.key")
	golden(t, "keygen_payload", succeeds(t, "keygen", "--payload", path), path)
	key, err := trust.LoadPayloadKey(path)
	if err != nil || len(key) != 32 {
		t.Errorf("got a key of %d bytes, %v, want 32", len(key), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("got %v, %v, want mode 600", info, err)
	}
	if _, err := os.Stat(path + ".pub"); err == nil {
		t.Error("a payload key has a public half")
	}
}
