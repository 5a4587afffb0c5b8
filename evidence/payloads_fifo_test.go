//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package evidence_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"golang.org/x/sys/unix"
)

func TestPayloadFIFO(t *testing.T) {
	dir, name := t.TempDir(), payloadOf(1).Commitment()
	path := payloadFile(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	refusesFIFO(t, path, func(string) error {
		_, err := evidence.OpenPayload(dir, payloadKey(), name)
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
