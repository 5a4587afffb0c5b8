package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"example.com/safeconduct/evidence"
)

// withRecorder opens a ledger that is there, as its writer, for one statement.
func withRecorder(ctx context.Context, dir string, root ed25519.PrivateKey, do func(r *evidence.Recorder) error) error {
	if err := isLedger(dir); err != nil { // Open would begin one
		return withHint(err)
	}
	r, err := evidence.Open(dir, evidence.Config{Key: root})
	switch {
	case errors.Is(err, evidence.ErrLocked):
		return fmt.Errorf("%w: stop that process first, or have it do this itself, see evidence.Recorder", err)
	case errors.Is(err, evidence.ErrDamaged), errors.Is(err, evidence.ErrOtherKey):
		return err // says what to do
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run as a user who may write to it", err)
	case err != nil:
		return withHint(err)
	}
	return errors.Join(do(r), r.Close(ctx))
}

// isLedger returns why dir is not a ledger with a first record, or nil if it is.
func isLedger(dir string) error {
	for _, err := range evidence.Read(dir) {
		return err
	}
	return nil
}

// withHint adds to an error about a ledger what to do, where that is known.
func withHint(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: check the path", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run as a user who may read it", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room on the disk", err)
	case errors.Is(err, evidence.ErrDamaged):
		return fmt.Errorf("%w: safeconduct verify says more", err)
	case errors.Is(err, evidence.ErrNotLedger), errors.Is(err, evidence.ErrVersion), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: give the directory that evidence.Open was given, to the safeconduct of the version that wrote it", err)
	}
	return err
}
