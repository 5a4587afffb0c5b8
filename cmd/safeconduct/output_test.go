package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A brokenWriter takes some bytes and fails.
type brokenWriter struct {
	room int
	err  error
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// An output that cannot be written is no success, whatever would have stood in it.
func TestOutputThatCannotBeWritten(t *testing.T) {
	dir, public := ledger(t)
	proof := save(t, "proof", succeeds(t, "prove", dir, intent(t, dir)))
	for _, args := range [][]string{
		{"keygen", filepath.Join(t.TempDir(), "key")},
		{"succeed", dir, filepath.Join(t.TempDir(), "next"), "--key", strings.TrimSuffix(public, ".pub"), "--reason", "a test"},
		{"verify", dir, "--key", public},
		{"verify", dir, "--key", public, "--json"},
		{"inspect", dir},
		{"inspect", dir, "--json"},
		{"tail", dir},
		{"prove", dir, intent(t, dir)},
		{"verify-proof", proof, "--key", public},
		{"verify-proof", proof, "--key", public, "--json"},
		{"checkpoint", dir},
		{"checkpoint", dir, "--vkey"},
		{"export", dir, "--dsse", "-"},
	} {
		for _, room := range []int{0, 5000} {
			if room > 0 && args[0] != "inspect" {
				continue // it fits
			}
			var stderr bytes.Buffer
			if room == 5000 && !slices.Contains(args, "--json") {
				room = 1000
			}
			full := errors.New("no space left")
			if code := run(t.Context(), args, &brokenWriter{room, full}, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
				t.Errorf("%q: got %d, %q, want %d and the error", args, code, &stderr, exitFailed)
			}
			if args[0] == "keygen" || args[0] == "succeed" {
				continue // the key or the ledger is there by now
			}
			stderr.Reset()
			if code := run(t.Context(), args, &brokenWriter{room, syscall.EPIPE}, &stderr); code != exitFailed || stderr.Len() > 0 {
				t.Errorf("%q into a broken pipe: got %d, %q, want %d and silence", args, code, &stderr, exitFailed)
			}
		}
	}
}

func TestInspectEndsWithItsContext(t *testing.T) {
	dir, _ := ledger(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"inspect", dir}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "context canceled") {
		t.Errorf("got %d, %q, want %d", code, &stderr, exitFailed)
	}
}
