//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package trust_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence/trust"
	"golang.org/x/sys/unix"
)

// Opening a FIFO waits for somebody to write to it, unless asked not
// to.
func TestKeyFIFO(t *testing.T) {
	for name, load := range map[string]func(path string) error{
		"private": func(path string) error { _, err := trust.LoadKey(path); return err },
		"public":  func(path string) error { _, err := trust.LoadPublicKey(path); return err },
	} {
		t.Run(name, func(t *testing.T) { refusesFIFO(t, filepath.Join(t.TempDir(), "key"), load) })
	}
}

func TestPolicyFIFO(t *testing.T) {
	refusesFIFO(t, filepath.Join(t.TempDir(), "trust.json"), func(path string) error {
		_, err := trust.LoadPolicy(path)
		return err
	})
}

func refusesFIFO(t *testing.T, path string, load func(path string) error) {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- load(path) }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("got error %v, want one with the path and %q", err, "not a regular file")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waits for somebody to write to the FIFO")
	}
}
