package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"example.com/safeconduct/evidence/trust"
)

// The bounds of files that are read at once.
const (
	maxCheckpoint = 128 << 10
	maxProof      = 32 << 20
)

// readFile reads a regular file of at most that many bytes. Its errors name the file.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // opening a FIFO would wait
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		return nil, withPath(path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withPath(path, err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, withPath(path, err)
	case int64(len(data)) > most:
		return nil, fmt.Errorf("%s: is larger than %s", path, size(most))
	}
	return data, nil
}

// withPath returns the cause of err behind the path, without the system call.
func withPath(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func loadPublic(path string) (ed25519.PublicKey, error) {
	if path == "" {
		return nil, usagef("--key is empty")
	}
	key, err := trust.LoadPublicKey(path)
	if err == nil {
		return key, nil
	}
	if _, serr := os.Stat(path + ".pub"); serr == nil {
		return nil, fmt.Errorf("%w: did you mean %s.pub?", err, path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: run as a user who may read it", err)
	}
	return nil, fmt.Errorf("%w: give the .pub file that keygen wrote", err)
}

// loadPrivate reads the private key that a flag names.
func loadPrivate(flag, path string) (ed25519.PrivateKey, error) {
	if path == "" {
		return nil, usagef("no key to sign with: give --%s FILE, the private key that keygen wrote", flag)
	}
	if _, err := trust.LoadPublicKey(path); err == nil {
		return nil, fmt.Errorf("%s: is a public key: --%s wants the private key that keygen wrote", path, flag)
	}
	key, err := trust.LoadKey(path)
	if err != nil {
		return nil, fmt.Errorf("%w: --%s wants the private key that keygen wrote", err, flag)
	}
	return key, nil
}
