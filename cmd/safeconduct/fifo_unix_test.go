//go:build unix

package main

import (
	"path/filepath"
	"syscall"
	"testing"
)

// makeFIFO makes a named pipe that nobody writes to: opening it to read waits.
func makeFIFO(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
